//! Connects to the server, has its certificate trusted, logs in, and returns the session.

use std::io;
use std::time::{Duration, Instant};

use skiff_conf::Tls;
use skiff_sessions::client::{Credentials, Outcome};
use skiff_sessions::digest::Algorithm;
use skiff_sessions::scram::KeyDerivation;
use skiff_sessions::wire::native::replies::NotAReply;
use zeroize::Zeroizing;

use super::error::ProgramError;
use super::password;
use super::settings::Settings;
use crate::net::command_error::CommandError;
use crate::net::connection::Connection;
use crate::net::known_hosts::{
    CertificateError, Fingerprint, HostStatus, KnownHosts, TrustPolicy, host_and_port,
};
use crate::net::link::{Link, LinkError};
use crate::net::login;
use crate::net::names::NameCache;
use crate::net::service::Service;
use crate::net::session::Session;
use crate::terminal::columns::{reading_width, wrap};
use crate::terminal::format::escape_name;
use crate::terminal::interrupt::Interrupt;
use crate::terminal::nearest::nearest;
use crate::terminal::output::print_error;
use crate::terminal::questions::Asker;

/// How many passwords may be typed before the login fails.
const LOGIN_ATTEMPTS_MAX: usize = 3;

/// A server waits 30 s for a login (PROTOCOL.md section 12), but users may think longer about a
/// fingerprint or a password: after this time the client connects anew before it logs in.
const RECONNECT_AFTER: Duration = Duration::from_secs(15);

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
    } = log_in(settings, asker, &interrupt)?;
    let mut session = Session {
        connection: Connection::over(link),
        interrupt,
        asker: asker.clone(),
        progress_style: settings.progress_style(),
        digest_form: settings.digest_form(),
        user,
        server: settings.server.clone(),
        digest,
        derivation,
        cwd: b"/".to_vec(),
        names: NameCache::default(),
    };
    session.cwd = match session.working_directory() {
        Ok((_, cwd)) => cwd,
        Err(CommandError::SessionEnded(cause)) => return Err(connection_error(settings, cause)),
        Err(CommandError::Stopped(_)) => return Err(ProgramError::Interrupted),
        Err(_) => {
            return Err(connection_error(
                settings,
                LinkError::OtherService(Service::OtherTls),
            ));
        }
    };
    Ok(session)
}

/// A link without a login, and what its server's certificate is to this client.
struct Connected {
    link: Link,
    since: Instant,
    certificate: Certificate,
}

/// What is known of the certificate of the server that a link leads to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Certificate {
    /// Nothing has to be remembered of it: it is known, was named, or there is none.
    Settled,
    /// It may be used to log in, and is to be remembered once the server has proven itself: until
    /// then anybody may have made it.
    New(Fingerprint),
}

/// Connects to the server and checks its certificate where there is TLS. `accepted` is what was
/// found by an earlier connection of this login, about which nobody is asked again.
fn connect(
    settings: &Settings,
    asker: &Asker,
    interrupt: &Interrupt,
    accepted: Certificate,
) -> Result<Connected, ProgramError> {
    let Settings {
        server,
        tls,
        timeout,
        ..
    } = settings;
    let link = Link::open(server, *tls, *timeout, interrupt)
        .map_err(|cause| connection_error(settings, cause))?;
    let certificate = match link.fingerprint() {
        Some(is) if accepted == Certificate::New(is) => accepted,
        Some(is) => check_certificate(settings, is, asker, interrupt)?,
        None if *tls == Tls::On => {
            return Err(connection_error(
                settings,
                LinkError::OtherService(Service::OtherPlain),
            ));
        }
        None => Certificate::Settled,
    };
    Ok(Connected {
        link,
        since: Instant::now(),
        certificate,
    })
}

fn connection_error(settings: &Settings, cause: LinkError) -> ProgramError {
    if let LinkError::Interrupted = cause {
        return ProgramError::Interrupted;
    }
    let server = host_and_port(&settings.server);
    let cause = match cause {
        LinkError::Resolve(cause) => explain_resolve_error(settings, cause),
        cause => cause,
    };
    ProgramError::Connection { server, cause }
}

/// Says which host may have been meant where a name has no address.
fn explain_resolve_error(settings: &Settings, cause: io::Error) -> LinkError {
    let known = KnownHosts::at(settings.known_hosts.clone()).hosts();
    match nearest(&settings.server.host, known.iter().map(String::as_str)) {
        Some(meant) if meant != settings.server.host => LinkError::ResolveNear {
            cause,
            meant: meant.to_owned(),
        },
        _ => LinkError::Resolve(cause),
    }
}

/// Accepts certificate `is` if `--trust` or the known hosts file allows it, or the user confirms
/// it. Runs before any part of the login is sent.
fn check_certificate(
    settings: &Settings,
    is: Fingerprint,
    asker: &Asker,
    interrupt: &Interrupt,
) -> Result<Certificate, ProgramError> {
    let server = host_and_port(&settings.server);
    if let TrustPolicy::Only(wanted) = settings.trust {
        return match wanted == is {
            true => Ok(Certificate::Settled),
            false => Err(CertificateError::Mismatch { server, is }.into()),
        };
    }
    let hosts = KnownHosts::at(settings.known_hosts.clone());
    if hosts.look_up(&settings.server, is)? == HostStatus::Known {
        return Ok(Certificate::Settled);
    }
    if settings.trust == TrustPolicy::Ask {
        if !asker.can_ask() {
            return Err(CertificateError::Unknown { server, is }.into());
        }
        let question = format!(
            "{server} was not met before. its certificate is\n  {is}\n\
             trust it, and remember it?"
        );
        let question = wrap(&question, reading_width());
        match asker.confirm(question.trim_end(), false) {
            Some(true) => {}
            None if interrupt.is_stopped() => return Err(ProgramError::Interrupted),
            Some(false) | None => return Err(CertificateError::Declined { server }.into()),
        }
    }
    Ok(Certificate::New(is))
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
fn log_in(
    settings: &Settings,
    asker: &Asker,
    interrupt: &Interrupt,
) -> Result<LoggedIn, ProgramError> {
    let mut connected = connect(settings, asker, interrupt, Certificate::Settled)?;
    let mut refusal = None;
    let mut hushed = None;
    for _ in 0..LOGIN_ATTEMPTS_MAX {
        let user = match &settings.user {
            Some(user) => user.clone(),
            None => {
                hushed = None;
                ask_user(asker, interrupt)?
            }
        };
        let given = password::given(settings, &user, interrupt)?;
        let is_typed = given.is_none();
        let password = match given {
            Some(password) => password,
            None => {
                // The server delays its answer to a wrong password: what is typed meanwhile may be
                // the next one.
                hushed = hushed.or_else(|| asker.hush());
                ask_password(settings, asker, interrupt)?
            }
        };
        if connected.since.elapsed() > RECONNECT_AFTER {
            connected = connect(settings, asker, interrupt, connected.certificate)?;
        }
        match try_login(&mut connected.link, settings, interrupt, &user, password) {
            Ok(LoginAttempt::Accepted(accepted)) => {
                if let Certificate::New(is) = connected.certificate {
                    KnownHosts::at(settings.known_hosts.clone()).remember(&settings.server, is)?;
                }
                let link = connected.link;
                return Ok(LoggedIn {
                    link,
                    user,
                    accepted,
                });
            }
            Ok(LoginAttempt::Refused(why)) if !is_typed => {
                return Err(ProgramError::LoginRefused(why));
            }
            Ok(LoginAttempt::Refused(why)) => {
                print_error(&why);
                refusal = Some(why);
            }
            // The server closed after it had refused an attempt: that is a refused login.
            Err(ProgramError::Connection {
                cause: LinkError::Closing(why),
                ..
            }) if refusal.is_some() => {
                return Err(ProgramError::LoginRefused(format!("421 {why}")));
            }
            Err(error) => return Err(error),
        }
    }
    Err(ProgramError::LoginRefused(refusal.unwrap_or_default()))
}

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
    interrupt: &Interrupt,
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
    let ended = login::log_in(link, interrupt, credentials)?;
    let ended = ended.map_err(|cause| explain_first_answer(settings.tls, cause));
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
        _ => Err(connection_error(LinkError::NotAReply(NotAReply))),
    }
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

/// Asks for the user's name where neither arguments nor settings give one.
fn ask_user(asker: &Asker, interrupt: &Interrupt) -> Result<String, ProgramError> {
    let name = asker.read_line("name: ");
    if interrupt.is_stopped() {
        return Err(ProgramError::Interrupted);
    }
    match name.map(|line| line.trim().to_owned()) {
        Some(name) if !name.is_empty() => Ok(name),
        _ => Err(ProgramError::Usage(
            "no user; write user@host, --user, or user in the settings".into(),
        )),
    }
}

/// Asks for the password without echo.
fn ask_password(
    settings: &Settings,
    asker: &Asker,
    interrupt: &Interrupt,
) -> Result<Zeroizing<String>, ProgramError> {
    if !asker.can_ask() {
        return Err(ProgramError::Usage(settings.explain_missing_password()));
    }
    let typed = asker.read_password("password: ");
    let typed = typed.map_err(|cause| ProgramError::Io {
        what: "the terminal".into(),
        cause,
    })?;
    typed.ok_or_else(|| match interrupt.is_stopped() {
        true => ProgramError::Interrupted,
        false => ProgramError::Usage("no password was typed".into()),
    })
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
