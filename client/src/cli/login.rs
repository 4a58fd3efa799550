//! Connects to the server, has its certificate trusted, logs in, and returns the session.

use std::io::{self, BufRead, Read};
use std::time::{Duration, Instant};

use skiff_conf::Tls;
use skiff_sessions::client::{Credentials, Outcome};
use skiff_sessions::digest::Algorithm;
use skiff_sessions::scram::KeyDerivation;
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

/// How many passwords may be typed before the login fails.
const LOGIN_ATTEMPTS_MAX: usize = 3;

/// A server waits 30 s for a login (PROTOCOL.md section 12), but users may think longer about a
/// fingerprint or a password: after this time the client connects anew before it logs in.
const RECONNECT_AFTER: Duration = Duration::from_secs(15);

/// The longest password read from standard input, in bytes.
const PASSWORD_MAX: u64 = 4096;

/// Connects, checks the certificate, logs in, and asks for the working directory. `asker` answers
/// the questions that come up.
pub(crate) fn open_session(
    settings: &Settings,
    asker: &Asker,
    interrupt: Interrupt,
) -> Result<Session, ProgramError> {
    let LoggedIn {
        link,
        user,
        accepted: Accepted { digest, derivation },
    } = log_in(settings, asker)?;
    let mut session = Session {
        link,
        interrupt,
        asker: asker.clone(),
        progress_style: settings.progress_style(),
        user,
        server: settings.server.clone(),
        digest,
        derivation,
        cwd: b"/".to_vec(),
    };
    session.cwd = match session.working_directory() {
        Ok((_, cwd)) => cwd,
        Err(CommandError::SessionEnded(cause)) => return Err(connection_error(settings, cause)),
        Err(_) => return Err(connection_error(settings, LinkError::NotSkiff)),
    };
    Ok(session)
}

/// Connects to the server and checks its certificate where there is TLS.
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

/// Accepts certificate `is` if `--trust` or the known hosts file allows it, or the user confirms
/// it; a new one is then remembered. Runs before any part of the login is sent.
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

/// A link that is logged in.
struct LoggedIn {
    link: Link,
    user: String,
    accepted: Accepted,
}

/// What a login settled.
struct Accepted {
    /// The digest that transfers are verified by.
    digest: Algorithm,
    derivation: KeyDerivation,
}

/// Logs in, up to [`LOGIN_ATTEMPTS_MAX`] times where the password is typed.
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
            Ok(LoginAttempt::Accepted(accepted)) => {
                return Ok(LoggedIn {
                    link,
                    user,
                    accepted,
                });
            }
            Ok(LoginAttempt::Refused(why)) => refusal = why,
            // The server closed after it had refused an attempt: that is a refused login.
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

/// How one attempt ended.
enum LoginAttempt {
    Accepted(Accepted),
    /// The server refused; its code and text.
    Refused(String),
}

/// Returns the server's digest if it is also the cheapest one here, else MD5.
fn choose_digest(server: Option<Algorithm>) -> Algorithm {
    server
        .filter(|digest| *digest == Algorithm::cheapest())
        .unwrap_or_default()
}

/// Runs one login dialogue (USER and PASS) with fresh randomness.
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
        Outcome::LoggedIn(welcome) => Ok(LoginAttempt::Accepted(Accepted {
            digest: settings
                .digest
                .unwrap_or_else(|| choose_digest(welcome.answered.digest)),
            derivation: welcome.derivation,
        })),
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

/// Asks for the user's name where neither arguments nor settings give one.
fn ask_user(asker: &Asker) -> Result<String, ProgramError> {
    match asker.read_line("name: ").map(|line| line.trim().to_owned()) {
        Some(name) if !name.is_empty() => Ok(name),
        _ => Err(ProgramError::Usage(
            "no user; write user@host, --user, or user in the settings".into(),
        )),
    }
}

/// Asks for the password without echo.
fn ask_password() -> Result<Zeroizing<String>, ProgramError> {
    questions::read_password("password: ").map_err(|cause| ProgramError::Io {
        what: "the terminal".into(),
        cause,
    })
}

/// Reads the password from standard input or the password file; `None` where it has to be typed.
fn configured_password(settings: &Settings) -> Result<Option<Zeroizing<String>>, ProgramError> {
    match &settings.password {
        PasswordSource::Stdin => read_first_line_of_stdin().map(Some),
        PasswordSource::Settings | PasswordSource::File(_) => Ok(settings.conf.password()?),
    }
}

/// Reads one line of standard input, without its line end.
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
