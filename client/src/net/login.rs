//! Runs the login dialogue over a link, and draws the random bytes that logins and new passwords
//! need.

use std::io;

use skiff_sessions::client::{Credentials, Dialogue, Outcome};
use skiff_sessions::scram::ScramError;
use skiff_sessions::wire::reply::Facts;

use super::dialogue::{Patience, Ran, run_dialogue};
use super::link::{Link, LinkError};
use super::listing::ListingParser;
use crate::terminal::interrupt::Interrupt;

/// Logs in on a link that has no login yet.
///
/// # Errors
///
/// [`ScramError`] where the credentials cannot be used, inside it [`LinkError`] where the
/// connection cannot be used any more, also because Ctrl-C was pressed.
pub(crate) fn log_in(
    link: &mut Link,
    interrupt: &Interrupt,
    credentials: Credentials,
) -> Result<Result<Outcome, LinkError>, ScramError> {
    let mut effects = Vec::new();
    let dialogue = Dialogue::login(credentials, &mut effects)?;
    let mut no_listing = ListingParser::new(|_: &[u8], _: &Facts| {});
    let ran = run_dialogue(
        link,
        interrupt,
        Patience::Command,
        (dialogue, effects),
        &mut no_listing,
    );
    Ok(match ran {
        Ok(Ran::Ended(Outcome::Stopped) | Ran::Left(_)) => Err(LinkError::Interrupted),
        Ok(Ran::Ended(outcome)) => Ok(outcome),
        Err(error) => Err(error),
    })
}

/// Returns `N` random bytes from the kernel.
pub(crate) fn random_bytes<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(bytes)
}
