//! Implements the commands on the account and the program: status, df, system, passwd, quit.

use skiff_sessions::scram::{Binding, KeyDerivation, Verifier, prove_change};
use skiff_sessions::wire::command::{Command, NewVerifier, PasswordChange};
use skiff_sessions::wire::native::replies::{PeerText, ReplyLine};
use skiff_sessions::wire::reply::{OfLimit, ShownLimit, UNLIMITED, Usage};
use zeroize::Zeroizing;

use super::spec::ParsedArgs;
use crate::net::command_error::{CommandError, CommandResult};
use crate::net::known_hosts::host_and_port;
use crate::net::link::LinkError;
use crate::net::login::random_bytes;
use crate::net::session::Session;
use crate::terminal::format::{IoCause, count, escape_name, format_reply, format_size};
use crate::terminal::output::{
    LineKind, OutputFormat, begin_lines, format, print_line, print_object, print_reply,
    print_wrapped,
};
use crate::terminal::records::{Record, STATUS, USAGE};

/// PBKDF2 iterations for a new password, as many as the server uses by default.
const PBKDF2_ITERATIONS: u32 = 600_000;

/// `status`: prints user, server, directory, quota, and versions.
pub(crate) fn status(session: &mut Session, _: &ParsedArgs) -> CommandResult {
    let status = session.request_ok(b"", Command::Status)?;
    let user = status.user.as_ref().map(PeerText::as_bytes);
    let user = escape_name(user.unwrap_or(session.account.user.as_bytes()));
    if format() == OutputFormat::Json {
        return print_status_object(session, &status);
    }
    print_row("user", &user);
    let server = &session.account.server;
    print_row("server", &format!("{}:{}", server.host, server.port));
    print_row("home", "/");
    print_row("directory", &escape_name(&session.cwd));
    if let Some(usage) = status.usage {
        print_usage(&usage);
    }
    let server = status.server.as_ref().map(PeerText::as_bytes);
    let server = escape_name(server.unwrap_or(b"unknown"));
    print_row("versions", &format!("server {server}, client {VERSION}"));
    Ok(())
}

fn print_status_object(session: &Session, status: &ReplyLine) -> CommandResult {
    let user = status.user.as_ref().map(PeerText::as_bytes);
    let version = status.server.as_ref().map(PeerText::as_bytes);
    let version = escape_name(version.unwrap_or(b"unknown"));
    print_object(|| {
        Record::new(&STATUS)
            .name("user", user.unwrap_or(session.account.user.as_bytes()))
            .text("server", &host_and_port(&session.account.server))
            .name("directory", &session.cwd)
            .text("server_version", &version)
            .text("client_version", VERSION)
    });
    if let Some(usage) = status.usage {
        print_usage(&usage);
    }
    Ok(())
}

/// Says after the login where one is, what the quota is, and how to go on.
pub(crate) fn greet(session: &mut Session) -> CommandResult {
    let usage = session.request(Command::Usage)?.usage;
    let space = match &usage {
        None => String::new(),
        Some(Usage {
            limit: UNLIMITED, ..
        }) => "no quota; ".into(),
        Some(Usage {
            limit,
            held: Some(held),
            ..
        }) => format!(
            "{} of {} used; ",
            format_size(held.used),
            format_size(*limit)
        ),
        Some(Usage { limit, .. }) => format!("quota {}; ", format_size(*limit)),
    };
    begin_lines(LineKind::Report);
    print_wrapped(&format!(
        "{} at {}:{}, in {}; {space}help lists the commands",
        escape_name(session.account.user.as_bytes()),
        session.account.server.host,
        session.account.server.port,
        escape_name(&session.cwd),
    ));
    begin_lines(LineKind::Result);
    Ok(())
}

/// Prints one row of a table of two columns.
fn print_row(key: &str, value: &str) {
    print_wrapped(&format!("{key:<9}  {value}"));
}

/// The name and version of this program.
pub(crate) const VERSION: &str = concat!("skiff/", env!("CARGO_PKG_VERSION"));

/// `df`: prints the quota and what is used of it.
pub(crate) fn df(session: &mut Session, _: &ParsedArgs) -> CommandResult {
    let answered = session.request_ok(b"", Command::Usage)?;
    match answered.usage {
        Some(usage) => print_usage(&usage),
        None => print_reply(&format_reply(&answered)),
    }
    Ok(())
}

/// `system`: prints the server's platform.
pub(crate) fn system(session: &mut Session, _: &ParsedArgs) -> CommandResult {
    let answered = session.request_ok(b"", Command::System)?;
    print_reply(&format_reply(&answered));
    Ok(())
}

/// `passwd`: changes the password. The server gets a proof of the old one and a SCRAM verifier of
/// the new one, neither password.
pub(crate) fn passwd(session: &mut Session, _: &ParsedArgs) -> CommandResult {
    let refused = |why: &str| CommandError::refused("passwd", why);
    if !session.asker.can_ask() {
        return Err(refused("passwords are typed at a terminal"));
    }
    let binding = loop {
        match session.connection.channel_binding() {
            Ok(binding) => break binding,
            Err(gone) => session.restore(gone)?,
        }
    };
    if binding == Binding::None {
        return Err(refused("a password is changed only over TLS"));
    }
    let asker = session.asker.clone();
    let read = |prompt: &str| {
        asker
            .read_password(prompt)
            .map_err(|error| CommandError::refused("passwd", IoCause(&error)))?
            .ok_or_else(|| CommandError::Stopped("passwd: stopped; nothing was changed".into()))
    };
    let old = read("old password: ")?;
    let password = read("new password: ")?;
    if *read("again: ")? != *password {
        return Err(refused("the two are not the same; nothing was changed"));
    }
    let salt =
        random_bytes::<16>().map_err(|error| CommandError::refused("passwd", IoCause(&error)))?;
    let new = Verifier::derive(&password, salt.to_vec(), PBKDF2_ITERATIONS)
        .map_err(|error| CommandError::refused("new password", error))?;
    let proof = prove_change(&old, &session.derivation, &binding, &new)
        .map_err(|error| CommandError::refused("old password", error))?;
    let change = PasswordChange {
        new: NewVerifier {
            salt: new.salt.clone(),
            iterations: new.iterations,
            stored_key: new.stored_key,
            server_key: new.server_key,
        },
        proof,
    };
    let answered = match session.request_once(Command::SetPassword(Box::new(change))) {
        Ok(answered) if (200..300).contains(&answered.code) => answered,
        Ok(answered) => return Err(CommandError::from_reply(b"", &answered)),
        Err(CommandError::SessionEnded(cause)) => return find_out(session, cause, password),
        Err(error) => return Err(error),
    };
    session.account.password = password;
    session.derivation = KeyDerivation {
        salt: new.salt.clone(),
        iterations: new.iterations,
    };
    print_reply(&format_reply(&answered));
    Ok(())
}

/// Finds out which password holds after the answer to a change was lost: the login tells.
fn find_out(session: &mut Session, lost: LinkError, new: Zeroizing<String>) -> CommandResult {
    let old = std::mem::replace(&mut session.account.password, new);
    match session.restore(lost) {
        Ok(()) => {
            print_line("passwd: changed, the new one holds; the server's answer was lost");
            Ok(())
        }
        Err(CommandError::SessionEnded(LinkError::LoginRefused(_))) => {
            session.account.password = old;
            session.connect_again()?;
            let why = "the connection was lost; the old one holds, nothing was changed";
            Err(CommandError::refused("passwd", why))
        }
        Err(error) => Err(error),
    }
}

/// `quit`: ends the session.
pub(crate) fn quit(_: &mut Session, _: &ParsedArgs) -> CommandResult {
    Err(CommandError::Quit)
}

/// Prints the quota and what is used of it.
fn print_usage(usage: &Usage) {
    if format() == OutputFormat::Json {
        return print_object(|| usage_record(usage));
    }
    match usage.limit {
        UNLIMITED => print_row("quota", "unlimited"),
        limit => print_row("quota", &format_bytes(limit)),
    }
    let Some(held) = &usage.held else {
        print_row("used", "the server is counting, ask again in a moment");
        let entries = format!("at most {}", ShownLimit(usage.entries_limit));
        return print_row("entries", &entries);
    };
    let (used, staged) = (count(held.used, "byte", "bytes"), format_size(held.staged));
    let used = format!(
        "{} ({used}; {staged} in unfinished uploads)",
        format_size(held.used)
    );
    print_row("used", &used);
    let reserved = format!("{} for uploads under way", format_size(held.reserved));
    print_row("reserved", &reserved);
    let free = format!("{} for a new upload", format_bytes(held.free));
    print_row("free", &free);
    let entries = format!("{}{}", held.entries, OfLimit(usage.entries_limit));
    print_row("entries", &entries);
}

fn usage_record(usage: &Usage) -> Record {
    let limit = |limit: u64| (limit != UNLIMITED).then_some(limit);
    let held = usage.held.as_ref();
    Record::new(&USAGE)
        .some_number("quota", limit(usage.limit))
        .some_number("used", held.map(|held| held.used))
        .some_number("staged", held.map(|held| held.staged))
        .some_number("reserved", held.map(|held| held.reserved))
        .some_number("free", held.and_then(|held| limit(held.free)))
        .some_number("entries", held.map(|held| held.entries))
        .some_number("entries_limit", limit(usage.entries_limit))
}

/// `800 MB (800000000 bytes)`.
fn format_bytes(bytes: u64) -> String {
    format!("{} ({})", format_size(bytes), count(bytes, "byte", "bytes"))
}
