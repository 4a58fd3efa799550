//! Holds the sentences that both dialects say: why a command is refused, and why the server closes.

use super::reply::{Farewell, Refusal};

/// Says why the server closes.
pub(super) fn farewell_text(farewell: &Farewell) -> &'static str {
    match farewell {
        Farewell::LoginTimeout => "no login in time, closing",
        Farewell::IdleTimeout => "idle for too long, closing",
        Farewell::Stalled => "the transfer moved no byte for too long, closing",
        Farewell::TooManyAttempts => "too many failed logins, closing",
        Farewell::TooManySessions => "too many sessions, try again later",
        Farewell::TooManyFromAddress => "too many sessions from your address, close one first",
        Farewell::TooManyOfUser => "too many sessions of this user, close one first",
        Farewell::Banned => "too many failed logins from your address, try again later",
        Farewell::NotThisProtocol => "this is skiff's native dialect, closing",
        Farewell::ShuttingDown => "the server is shutting down",
        Farewell::ClearTextAfterAuthTls => "clear text came behind the beginning of TLS, closing",
        Farewell::Asked => "goodbye",
        Farewell::Fault => "internal fault, closing; the server's log says more",
    }
}

/// Says why an operation is refused, and the way out.
pub(super) fn refusal_text(why: &Refusal) -> String {
    let text = match why {
        Refusal::OverQuota { needed, available } => {
            return format!(
                "over your quota: {needed} bytes needed, {available} left; delete something first"
            );
        }
        Refusal::NotFound => "no such file or directory",
        Refusal::NotADirectory => "not a directory",
        Refusal::IsADirectory => "it is a directory",
        Refusal::Exists => "it exists already",
        Refusal::NotEmpty => "the directory is not empty",
        Refusal::AboveHome => "that leads out of your home",
        Refusal::LeadsOut => "a link there leads out of your home",
        Refusal::Forbidden => "the server's permissions refuse it",
        Refusal::ReadOnly => "your account may only read",
        Refusal::NotRegular => "neither a file nor a directory",
        Refusal::BadName => "not a good name",
        Refusal::OtherDevice => "that is another file system; copy it and delete the old one",
        Refusal::TooManyEntries => {
            "over your quota of files and directories; delete something first"
        }
        Refusal::DiskFull => "the server's disk is full",
        Refusal::Busy => "busy: another session is writing it, try again later",
        Refusal::NotReady => "your home is still being counted, try again in a moment",
        Refusal::NoStaging => {
            "the server cannot stage uploads there; its operator's check says why"
        }
        Refusal::Changed => "the file changed while it was read",
        Refusal::TooLong => "more bytes came than were promised",
        Refusal::BadFrame => "a frame has at most 1048576 bytes",
        Refusal::NoAccount => "the account is gone",
        Refusal::TooManySessions => "too many sessions of this user, close one first",
        Refusal::BadOffset { offset, size } => {
            return format!("it cannot go on at byte {offset}: {size} bytes are here");
        }
        Refusal::TwoSizes => "an upload of it was interrupted: it has two sizes",
        Refusal::Fault => "the server failed; its log says why",
    };
    text.to_owned()
}
