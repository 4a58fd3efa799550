//! Holds the sentences that both dialects say: why a command is refused, and why the server closes.

use super::reply::{CloseReason, Refusal};

/// Says why the server closes.
pub(super) fn close_reason_text(reason: &CloseReason) -> &'static str {
    match reason {
        CloseReason::LoginTimeout => "no login in time, closing",
        CloseReason::ContentMayFollow => {
            "what follows this upload cannot be told from commands, closing"
        }
        CloseReason::IdleTimeout => "idle for too long, closing",
        CloseReason::Stalled => "the transfer moved no byte for too long, closing",
        CloseReason::TooManyAttempts => "too many failed logins, closing",
        CloseReason::TooManySessions => "too many sessions, try again later",
        CloseReason::TooManyFromAddress => "too many sessions from your address, close one first",
        CloseReason::TooManyOfUser => "too many sessions of this user, close one first",
        CloseReason::MadeRoom => "others want to log in, and you have not; try again",
        CloseReason::UserUnderAttack => {
            "too many failed logins of this user, try again in a moment"
        }
        CloseReason::Banned => "too many failed logins from your address, try again later",
        CloseReason::UserBanned => {
            "too many failed logins of this user from your address, try again later"
        }
        CloseReason::NotThisProtocol => "this is skiff's native dialect, closing",
        CloseReason::ShuttingDown => "the server is shutting down",
        CloseReason::NoHome => {
            "your home is not available, try again later; the server's log says why"
        }
        CloseReason::AccountChanged => "your account was changed, log in again",
        CloseReason::EndedByOperator => "the operator has ended your session",
        CloseReason::NoAccounts => "nobody can log in at the moment; the server's log says why",
        CloseReason::Overloaded => {
            "the server has too many files open or waits for a disk, try again in a moment"
        }
        CloseReason::ClearTextAfterAuthTls => {
            "clear text came behind the beginning of TLS, closing"
        }
        CloseReason::Asked => "goodbye",
        CloseReason::Fault => "internal fault, closing; the server's log says more",
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
        Refusal::Link => "a link is on the way, and your account follows none",
        Refusal::TargetLeadsOut => {
            "a link leads only to what is in your home: its target is relative, and each .. in it comes first"
        }
        Refusal::NotALink => "it is no symbolic link",
        Refusal::Forbidden => "the server's permissions refuse it",
        Refusal::ReadOnly => "your account may only read",
        Refusal::NoRight(right) => return format!("your account may not {} there", right.deed()),
        Refusal::NotRegular => "neither a file nor a directory",
        Refusal::BadName => "not a good name",
        Refusal::NameTooLong => "a name has at most 255 bytes, and a path 4095",
        Refusal::TheHome => "that is the home itself",
        Refusal::IntoItself => "a directory cannot be moved into itself",
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
        Refusal::NoFolder => "that folder is not available; the server's log says why",
        Refusal::NotNow => "your account is closed at this time",
        Refusal::NoAccounts => "the accounts cannot be read; the server's log says why",
        Refusal::NoHome => "your home is not available; the server's log says why",
        Refusal::Overloaded => {
            "the server has too many files open or waits for a disk, try again in a moment"
        }
        Refusal::TooManySessions => "too many sessions of this user, close one first",
        Refusal::BadOffset { offset, size } => {
            return format!("it cannot go on at byte {offset}: {size} bytes are here");
        }
        Refusal::TwoSizes => "an upload of it was interrupted: it has two sizes",
        Refusal::NotRecursive => "no listing of all directories at once; list them one by one",
        Refusal::PasswordFixed => {
            "the password of this account is changed by the server's operator"
        }
        Refusal::WrongPassword => "the old password is wrong, or was changed since this login",
        Refusal::DigestTakesLong => "the digest takes long and goes on; ask again in a moment",
        Refusal::Stopped => "the server stopped it before it was done; try again",
        Refusal::DiskFailed => "the server's disk failed; its log says how",
        Refusal::DiskReadOnly => {
            "the server's disk cannot be written; its operator must look after it"
        }
        Refusal::Fault => "the server failed; its log says why",
    };
    text.to_owned()
}
