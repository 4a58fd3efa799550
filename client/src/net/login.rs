//! Runs the login dialogue over a link, and draws the random bytes that logins and new passwords
//! need.

use std::io;
use std::time::Duration;

use skiff_conf::Tls;
use skiff_sessions::client::{Credentials, Dialogue, Outcome};
use skiff_sessions::digest::Algorithm;
use skiff_sessions::scram::KeyDerivation;
use skiff_sessions::wire::native::replies::{IDLE_USUAL, NotAReply};
use skiff_sessions::wire::reply::Facts;
use zeroize::Zeroizing;

use super::dialogue::{Patience, Ran, run_dialogue};
use super::link::{Link, LinkError};
use super::listing::ListingParser;
use super::service::Service;
use crate::terminal::format::escape_name;
use crate::terminal::interrupt::Interrupt;

/// How one attempt ended.
pub(crate) enum LoginAttempt {
    Accepted(Accepted),
    /// The server refused; its code and text.
    Refused(String),
}

/// What a login settled.
pub(crate) struct Accepted {
    /// The digest that transfers are verified by.
    pub digest: Algorithm,
    pub derivation: KeyDerivation,
    /// How long the server waits for the next command.
    pub idle: Duration,
}

/// Runs one login dialogue (USER and PASS) with fresh randomness, on a link that has no login yet.
/// `digest` is the one that was asked for on the command line.
///
/// # Errors
///
/// [`LinkError`] where the connection cannot be used any more, also because Ctrl-C was pressed, or
/// the server has not proven itself.
pub(crate) fn try_login(
    link: &mut Link,
    tls: Tls,
    interrupt: &Interrupt,
    (user, password): (&str, &Zeroizing<String>),
    digest: Option<Algorithm>,
) -> Result<LoginAttempt, LinkError> {
    let nonce = random_bytes::<18>().map_err(LinkError::Randomness)?;
    let credentials = Credentials {
        user: user.to_owned(),
        password: password.clone(),
        nonce: nonce.iter().map(|byte| format!("{byte:02x}")).collect(),
        binding: link.channel_binding()?,
    };
    let outcome = run_login(link, interrupt, credentials);
    match outcome.map_err(|cause| explain_first_answer(tls, cause))? {
        Outcome::LoggedIn(welcome) => Ok(LoginAttempt::Accepted(Accepted {
            digest: digest.unwrap_or_else(|| choose_digest(welcome.answered.digest)),
            derivation: welcome.derivation,
            idle: welcome
                .answered
                .idle
                .map_or(IDLE_USUAL, Duration::from_secs),
        })),
        Outcome::LoginFailed(error) => Err(LinkError::Login(error)),
        Outcome::Replied(refused) => {
            let text = escape_name(refused.text.as_bytes());
            Ok(LoginAttempt::Refused(format!("{} {text}", refused.code)))
        }
        _ => Err(NotAReply.into()),
    }
}

fn run_login(
    link: &mut Link,
    interrupt: &Interrupt,
    credentials: Credentials,
) -> Result<Outcome, LinkError> {
    let mut effects = Vec::new();
    let dialogue = Dialogue::login(credentials, &mut effects).map_err(LinkError::Login)?;
    let mut no_listing = ListingParser::new(|_: &[u8], _: &Facts| {});
    let ran = run_dialogue(
        link,
        interrupt,
        Patience::Command,
        (dialogue, effects),
        &mut no_listing,
    );
    match ran? {
        Ran::Ended(Outcome::Stopped) | Ran::Left(_) => Err(LinkError::Interrupted),
        Ran::Ended(outcome) => Ok(outcome),
    }
}

/// Returns the server's digest if it is also the cheapest one here, else MD5.
fn choose_digest(server: Option<Algorithm>) -> Algorithm {
    server
        .filter(|digest| *digest == Algorithm::cheapest())
        .unwrap_or_default()
}

/// Says what it means that a server without TLS answers a login so.
fn explain_first_answer(tls: Tls, cause: LinkError) -> LinkError {
    match (tls, cause) {
        (Tls::Off, LinkError::Lost | LinkError::NotAReply(_)) => LinkError::PlaintextRefused,
        (Tls::Off, LinkError::OutOfOrder(code, text)) => match Service::from_first_code(code) {
            Some(service) => LinkError::OtherService(service),
            None => LinkError::OutOfOrder(code, text),
        },
        (_, cause) => cause,
    }
}

/// Returns `N` random bytes from the kernel.
pub(crate) fn random_bytes<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_end_finds_dear_is_not_agreed_on() {
        let here = Algorithm::cheapest();
        assert_eq!(choose_digest(None), Algorithm::Md5);
        assert_eq!(choose_digest(Some(here)), here);
        assert_eq!(choose_digest(Some(Algorithm::Sha512)), Algorithm::Md5);
    }
}
