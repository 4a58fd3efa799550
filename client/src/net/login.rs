//! The login dialogue over a link, and the random bytes that it and a new password need.

use std::io;

use skiff_sessions::client::{Credentials, Dialogue, Outcome};
use skiff_sessions::scram::ScramError;
use skiff_sessions::wire::reply::Facts;

use super::dialogue::run_dialogue;
use super::link::{Link, LinkError};
use super::listing::ListingParser;
use crate::terminal::interrupt::Interrupt;

/// A login, on a link that has none yet.
pub(crate) fn log_in(
    link: &mut Link,
    credentials: Credentials,
) -> Result<Result<Outcome, LinkError>, ScramError> {
    let mut effects = Vec::new();
    let dialogue = Dialogue::login(credentials, &mut effects)?;
    let no_interrupt = &Interrupt::default();
    Ok(run_dialogue(
        link,
        no_interrupt,
        dialogue,
        effects,
        &mut ListingParser::new(|_: &[u8], _: &Facts| {}),
    ))
}

/// Fresh random bytes.
pub(crate) fn random_bytes<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(bytes)
}
