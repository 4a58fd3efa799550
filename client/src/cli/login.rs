//! From a server's address to a shell: connection, certificate, login.

use std::io::{self, BufRead, Read};
use std::time::{Duration, Instant};

use skiff_conf::Tls;
use skiff_sessions::client::{Credentials, Outcome};
use skiff_sessions::digest::Algorithm;
use zeroize::Zeroizing;

use super::args::PasswordSource;
use super::error::ProgramError;
use super::settings::Settings;
use crate::net::command_error::CommandError;
use crate::net::known_hosts::{
    CertificateError, Fingerprint, HostStatus, KnownHosts, TrustPolicy, host_and_port,
};
use crate::net::link::{Link, LinkError};
use crate::net::login;
use crate::net::session::Session;
use crate::terminal::format::escape_name;
use crate::terminal::interrupt::Interrupt;
use crate::terminal::output::{print_error, print_line};
use crate::terminal::questions::{self, Asker};

/// How often a person may mistype the password.
const LOGIN_ATTEMPTS_MAX: usize = 3;

/// A server waits 30 s for a login (PROTOCOL.md section 12), and people think
/// longer about a fingerprint: then the connection is made anew.
const RECONNECT_AFTER: Duration = Duration::from_secs(15);

/// A password is one line; nothing in it needs more. In bytes.
const PASSWORD_MAX: u64 = 4096;

/// Connects, trusts, logs in.
pub(crate) fn open_session(
    settings: &Settings,
    asker: &Asker,
    interrupt: Interrupt,
) -> Result<Session, ProgramError> {
    let LoggedIn { link, user, digest } = log_in(settings, asker)?;
    let mut session = Session {
        link,
        interrupt,
        asker: asker.clone(),
        progress_style: settings.progress_style(),
        user,
        server: settings.server.clone(),
        digest,
        cwd: b"/".to_vec(),
    };
    session.cwd = match session.working_directory() {
        Ok((_, cwd)) => cwd,
        Err(CommandError::SessionEnded(cause)) => return Err(connection_error(settings, cause)),
        Err(_) => return Err(connection_error(settings, LinkError::NotSkiff)),
    };
    Ok(session)
}

/// A connection to a server whose certificate is trusted.
fn connect(settings: &Settings, asker: &Asker) -> Result<Link, ProgramError> {
    let link = Link::open(&settings.server, settings.tls, settings.timeout)
        .map_err(|cause| connection_error(settings, cause))?;
    match link.fingerprint() {
        Some(fingerprint) => check_certificate(settings, fingerprint, asker)?,
        None if settings.tls == Tls::On => {
            return Err(connection_error(settings, LinkError::NotSkiff));
        }
        None => {}
    }
    Ok(link)
}

fn connection_error(settings: &Settings, cause: LinkError) -> ProgramError {
    let server = host_and_port(&settings.server);
    ProgramError::Connection { server, cause }
}

/// Nothing of the login is sent before the certificate is found to be the
/// remembered one, or the person says that it is right.
fn check_certificate(
    settings: &Settings,
    is: Fingerprint,
    asker: &Asker,
) -> Result<(), CertificateError> {
    let server = host_and_port(&settings.server);
    if let TrustPolicy::Only(wanted) = settings.trust {
        return match wanted == is {
            true => Ok(()),
            false => Err(CertificateError::Mismatch { server, is }),
        };
    }
    let hosts = KnownHosts::at(settings.known_hosts.clone());
    if hosts.look_up(&settings.server, is)? == HostStatus::Known {
        return Ok(());
    }
    if settings.trust == TrustPolicy::Ask {
        if !asker.can_ask() {
            return Err(CertificateError::Unknown { server, is });
        }
        print_line(format_args!(
            "{server} was not met before. its certificate is\n  {is}"
        ));
        if asker.confirm("trust it, and remember it?", false) != Some(true) {
            return Err(CertificateError::Declined { server });
        }
    }
    hosts.remember(&settings.server, is)
}

struct LoggedIn {
    link: Link,
    user: String,
    digest: Algorithm,
}

fn log_in(settings: &Settings, asker: &Asker) -> Result<LoggedIn, ProgramError> {
    let mut connected = Instant::now();
    let mut link = connect(settings, asker)?;
    let attempts = if asker.can_ask() {
        LOGIN_ATTEMPTS_MAX
    } else {
        1
    };
    let mut refusal = String::new();
    for _ in 0..attempts {
        let user = match &settings.user {
            Some(user) => user.clone(),
            None => ask_user(asker)?,
        };
        let password = match configured_password(settings)? {
            Some(password) => password,
            None if asker.can_ask() => ask_password()?,
            None => return Err(ProgramError::Usage(NO_PASSWORD.into())),
        };
        if connected.elapsed() > RECONNECT_AFTER {
            connected = Instant::now();
            link = connect(settings, asker)?;
        }
        match try_login(&mut link, settings, &user, password) {
            Ok(LoginAttempt::Accepted(digest)) => return Ok(LoggedIn { link, user, digest }),
            Ok(LoginAttempt::Refused(why)) => refusal = why,
            // The server's patience ended before the person's.
            Err(ProgramError::Connection {
                cause: LinkError::Closing(why),
                ..
            }) if !refusal.is_empty() => {
                return Err(ProgramError::LoginRefused(format!("421 {why}")));
            }
            Err(error) => return Err(error),
        }
        if settings.has_password() {
            break;
        }
        print_error(&refusal);
    }
    Err(ProgramError::LoginRefused(refusal))
}

const NO_PASSWORD: &str = "no password, and nobody to ask; give --password-stdin, --password-file, \
    or password_file in the settings";

enum LoginAttempt {
    /// And what transfers are verified by.
    Accepted(Algorithm),
    /// In the server's words.
    Refused(String),
}

/// What is cheapest at both ends; MD5 where they do not agree.
fn choose_digest(server: Option<Algorithm>) -> Algorithm {
    server
        .filter(|digest| *digest == Algorithm::cheapest())
        .unwrap_or_default()
}

/// One USER and PASS.
fn try_login(
    link: &mut Link,
    settings: &Settings,
    user: &str,
    password: Zeroizing<String>,
) -> Result<LoginAttempt, ProgramError> {
    let connection_error = |cause| connection_error(settings, cause);
    let nonce = login::random_bytes::<18>().map_err(|cause| ProgramError::Io {
        what: "randomness".into(),
        cause,
    })?;
    let credentials = Credentials {
        user: user.to_owned(),
        password,
        nonce: nonce.iter().map(|byte| format!("{byte:02x}")).collect(),
        binding: link.channel_binding().map_err(connection_error)?,
    };
    let ended = login::log_in(link, credentials)?.map_err(|cause| match (settings.tls, cause) {
        (Tls::Off, LinkError::Lost | LinkError::NotAReply(_)) => LinkError::PlaintextRefused,
        (_, cause) => cause,
    });
    match ended.map_err(connection_error)? {
        Outcome::LoggedIn(welcome) => Ok(LoginAttempt::Accepted(
            settings
                .digest
                .unwrap_or_else(|| choose_digest(welcome.digest)),
        )),
        Outcome::LoginFailed(error) => Err(error.into()),
        Outcome::Replied(refused) => {
            let text = escape_name(refused.text.as_bytes());
            Ok(LoginAttempt::Refused(format!("{} {text}", refused.code)))
        }
        other => Err(connection_error(LinkError::OutOfOrder(format!(
            "{other:?}"
        )))),
    }
}

fn ask_user(asker: &Asker) -> Result<String, ProgramError> {
    match asker.read_line("name: ").map(|line| line.trim().to_owned()) {
        Some(name) if !name.is_empty() => Ok(name),
        _ => Err(ProgramError::Usage(
            "no user; write user@host, --user, or user in the settings".into(),
        )),
    }
}

fn ask_password() -> Result<Zeroizing<String>, ProgramError> {
    questions::read_password("password: ").map_err(|cause| ProgramError::Io {
        what: "the terminal".into(),
        cause,
    })
}

/// A password that was prepared; `None` where the person is to be asked.
fn configured_password(settings: &Settings) -> Result<Option<Zeroizing<String>>, ProgramError> {
    match &settings.password {
        PasswordSource::Stdin => read_first_line_of_stdin().map(Some),
        PasswordSource::Settings | PasswordSource::File(_) => Ok(settings.conf.password()?),
    }
}

fn read_first_line_of_stdin() -> Result<Zeroizing<String>, ProgramError> {
    let mut line = Zeroizing::new(String::new());
    let read = io::stdin().lock().take(PASSWORD_MAX).read_line(&mut line);
    read.map_err(|cause| ProgramError::Io {
        what: "standard input".into(),
        cause,
    })?;
    Ok(Zeroizing::new(
        line.trim_end_matches(['\r', '\n']).to_owned(),
    ))
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
