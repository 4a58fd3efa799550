//! Connects to the server, has its certificate trusted, logs in, and returns the session.

use std::io;
use std::time::{Duration, Instant};

use skiff_conf::{Alias, Tls};
use skiff_sessions::path::PathArg;
use skiff_sessions::wire::command::Command;
use zeroize::Zeroizing;

use super::args::Target;
use super::error::ProgramError;
use super::password;
use super::settings::Settings;
use crate::net::account::Account;
use crate::net::command_error::CommandError;
use crate::net::connection::Connection;
use crate::net::jobs::Jobs;
use crate::net::known_hosts::{
    CertificateError, Fingerprint, HostStatus, KnownHosts, TrustPolicy, host_and_port,
};
use crate::net::link::{Link, LinkError};
use crate::net::login::{self, Accepted, LoginAttempt};
use crate::net::names::NameCache;
use crate::net::restore::Retries;
use crate::net::service::Service;
use crate::net::session::Session;
use crate::terminal::columns::{reading_width, wrap};
use crate::terminal::format::escape_name;
use crate::terminal::interrupt::Interrupt;
use crate::terminal::lines::{History, Lines};
use crate::terminal::nearest::nearest;
use crate::terminal::output::{print_error, print_report};
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
        account,
        accepted,
    } = log_in(settings, asker, &interrupt)?;
    let mut session = Session {
        connection: Connection::over(link),
        interrupt,
        asker: asker.clone(),
        progress_style: settings.progress_style(),
        account,
        retries: Retries::at_most(settings.retries),
        connections: 1,
        digest: accepted.digest,
        digest_form: settings.digest_form(),
        derivation: accepted.derivation,
        idle: accepted.idle,
        cwd: b"/".to_vec(),
        previous_cwd: None,
        lines: Lines {
            aliases: settings.aliases(),
            history: History::default(),
        },
        names: NameCache::default(),
        jobs: Jobs::default(),
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
    if let Some(directory) = settings.directory() {
        enter_directory(&mut session, directory)?;
    }
    Ok(session)
}

/// Logs in at another server, or anew at the same, and lets the session that was there go. Returns
/// the settings of the new one.
///
/// # Errors
///
/// The session that was there stays.
pub(super) fn open_another(
    session: &mut Session,
    settings: &Settings,
    target: Option<&str>,
) -> Result<Settings, ProgramError> {
    let target = match target {
        Some(target) => target.parse().map_err(ProgramError::Usage)?,
        None => Target {
            user: Some(session.account.user.clone()),
            server: session.account.server.clone(),
            alias: session.account.alias.clone(),
        },
    };
    let settings = settings.leading_to(target);
    let present = Asker::at_terminal(&session.interrupt);
    let mut new = open_session(&settings, &present, session.interrupt.clone())?;
    new.asker = session.asker.clone();
    new.lines = std::mem::take(&mut session.lines);
    let cwd = escape_name(&new.cwd);
    print_report(format_args!(
        "230 {}: logged in as {}, in {cwd}",
        host_and_port(&new.account.server),
        new.account.user
    ));
    new.jobs = std::mem::take(&mut session.jobs);
    std::mem::replace(session, new).quit();
    Ok(settings)
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
        options,
        ..
    } = settings;
    let link = Link::open(server, *tls, *timeout, options, interrupt)
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
    let cause = match cause {
        LinkError::Resolve(cause) => explain_resolve_error(settings, cause),
        cause => cause,
    };
    ProgramError::connection(&settings.server, cause)
}

/// Changes into the directory where the settings let the session begin. One that is not there ends
/// the login: names that are relative to it would mean others.
fn enter_directory(session: &mut Session, directory: &str) -> Result<(), ProgramError> {
    let refused = |why: String| {
        ProgramError::StartDirectory(format!("{}: {why}", escape_name(directory.as_bytes())))
    };
    let path = PathArg::to_send(directory)
        .ok_or_else(|| refused("cannot be the path of a directory".into()))?;
    let entered = session.request_ok(b"", Command::ChangeDirectory(path));
    let found = entered.and_then(|_| session.working_directory());
    match found {
        Ok((_, cwd)) => {
            session.cwd = cwd;
            Ok(())
        }
        Err(CommandError::SessionEnded(cause)) => {
            Err(ProgramError::connection(&session.account.server, cause))
        }
        Err(CommandError::Refused(why) | CommandError::Local(why) | CommandError::NoRoom(why)) => {
            Err(refused(why))
        }
        Err(CommandError::Stopped(_) | CommandError::Quit | CommandError::Open(_)) => {
            Err(ProgramError::Interrupted)
        }
    }
}

/// Says which host may have been meant where a name has no address.
fn explain_resolve_error(settings: &Settings, cause: io::Error) -> LinkError {
    let met = KnownHosts::at(settings.known_hosts.clone()).hosts();
    let named = settings.hosts().keys().map(Alias::as_str);
    let known = named.chain(met.iter().map(String::as_str));
    match nearest(&settings.server.host, known) {
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
    match settings.trust {
        TrustPolicy::Only(wanted) | TrustPolicy::Pinned(wanted) if wanted == is => {
            return Ok(Certificate::Settled);
        }
        TrustPolicy::Only(_) => return Err(CertificateError::Mismatch { server, is }.into()),
        TrustPolicy::Pinned(was) => {
            let alias = settings.alias.clone().unwrap_or_default();
            let error = CertificateError::NotPinned {
                server,
                alias,
                was,
                is,
            };
            return Err(error.into());
        }
        TrustPolicy::Ask | TrustPolicy::New => {}
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
    account: Account,
    accepted: Accepted,
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
        let credentials = (user.as_str(), &password);
        let Connected { link, .. } = &mut connected;
        match login::try_login(link, settings.tls, interrupt, credentials, settings.digest) {
            Ok(LoginAttempt::Accepted(accepted)) => {
                if let Certificate::New(is) = connected.certificate {
                    KnownHosts::at(settings.known_hosts.clone()).remember(&settings.server, is)?;
                }
                let link = connected.link;
                let certificate = link.fingerprint();
                return Ok(LoggedIn {
                    account: settings.account(user, password, certificate),
                    link,
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
            Err(LinkError::Closing(why)) if refusal.is_some() => {
                return Err(ProgramError::LoginRefused(format!("421 {why}")));
            }
            Err(cause) => return Err(connection_error(settings, cause)),
        }
    }
    Err(ProgramError::LoginRefused(refusal.unwrap_or_default()))
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
    use std::io;

    use super::*;
    use crate::cli::settings::tests::settings;

    #[test]
    fn a_mistyped_host_is_recognised() {
        let file = r#"(hosts: {"backup": (server: "files.example")})"#;
        let told = |line: &str| {
            let cause = LinkError::Resolve(io::Error::other("nobody knows it"));
            connection_error(&settings(file, line), cause).to_string()
        };
        assert_eq!(
            told("tom@bakcup"),
            "bakcup:8001: no such host: nobody knows it; did you mean backup?"
        );
        assert_eq!(
            told("files.exmple"),
            "files.exmple:8001: no such host: nobody knows it"
        );
    }
}
