//! Names the cause of each refusal for programs: the token `why=` of 4xx and 5xx (PROTOCOL.md
//! section 3).

use crate::wire::reply::{CloseReason, LoginRefusal, Malformed, Mismatch, Refusal, Reply};

/// Defines [`Cause`] and its names from one table.
macro_rules! causes {
    ($($cause:ident $name:literal),* $(,)?) => {
        /// The cause of a refusal, as programs read it.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Cause { $($cause),* }

        impl Cause {
            pub const ALL: &[Self] = &[$(Self::$cause),*];

            /// The value of `why=`.
            pub fn name(self) -> &'static str {
                match self { $(Self::$cause => $name),* }
            }
        }
    };
}

causes! {
    // lines
    LineTooLong "line-too-long",
    BadLine "bad-line",
    UnknownVerb "unknown-verb",
    BadArguments "bad-arguments",
    OutOfOrder "out-of-order",
    // login
    NotLoggedIn "not-logged-in",
    Credentials "credentials",
    ChannelBinding "channel-binding",
    Mechanism "mechanism",
    ScramMessage "scram-message",
    NeedsTls "needs-tls",
    PasswordFixed "password-fixed",
    WrongPassword "wrong-password",
    NoAccount "no-account",
    NotNow "not-now",
    // names
    NotFound "not-found",
    NotADirectory "not-a-directory",
    IsADirectory "is-a-directory",
    NotAFile "not-a-file",
    Exists "exists",
    NotEmpty "not-empty",
    BadName "bad-name",
    NameTooLong "name-too-long",
    TheHome "the-home",
    OutsideHome "outside-home",
    TargetOutsideHome "target-outside-home",
    NotALink "not-a-link",
    OtherFileSystem "other-file-system",
    IntoItself "into-itself",
    // rights
    ReadOnly "read-only",
    Permission "permission",
    NoRight "no-right",
    Link "link",
    // room
    QuotaBytes "quota-bytes",
    QuotaEntries "quota-entries",
    DiskFull "disk-full",
    DiskFailed "disk-failed",
    DiskReadOnly "disk-read-only",
    // content
    NotVerified "not-verified",
    WrongSize "wrong-size",
    TooManyBytes "too-many-bytes",
    BadFrame "bad-frame",
    BadOffset "bad-offset",
    Changed "changed",
    Aborted "aborted",
    // the moment, and the server
    Busy "busy",
    Counting "counting",
    Overloaded "overloaded",
    NoHome "no-home",
    NoFolder "no-folder",
    NoAccounts "no-accounts",
    AccountChanged "account-changed",
    EndedByOperator "ended-by-operator",
    NoStaging "no-staging",
    Stopped "stopped",
    Fault "fault",
    NotImplemented "not-implemented",
    // closing
    LoginTimeout "login-timeout",
    IdleTimeout "idle-timeout",
    Stalled "stalled",
    FailedLogins "failed-logins",
    Sessions "sessions",
    SessionsOfAddress "sessions-of-address",
    SessionsOfUser "sessions-of-user",
    Banned "banned",
    OtherProtocol "other-protocol",
    ShuttingDown "shutting-down",
    ContentMayFollow "content-may-follow",
}

impl Cause {
    /// Reads the value of `why=`; `None` for one that only a newer server knows.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|cause| cause.name() == name)
    }

    /// Whether the same command may succeed in a moment, with nothing changed by the client.
    pub fn may_pass(self) -> bool {
        matches!(
            self,
            Self::Busy | Self::Counting | Self::Overloaded | Self::Stopped
        )
    }
}

/// The cause that `reply` tells; each reply has a row, and those with a code from 400 on tell one.
#[rustfmt::skip]
pub fn cause(reply: &Reply) -> Option<Cause> {
    match reply {
        Reply::Refused { why, .. } => Some(of_refusal(why)),
        Reply::Malformed(malformed) => Some(of_malformed(malformed)),
        Reply::Closing(reason) => Some(of_close_reason(reason)),
        Reply::LoginRefused(why) => Some(of_login_refusal(*why)),
        Reply::NotLoggedIn => Some(Cause::NotLoggedIn),
        Reply::BadSequence | Reply::LoggedInAlready => Some(Cause::OutOfOrder),
        Reply::NotVerified(Mismatch::Digest) => Some(Cause::NotVerified),
        Reply::NotVerified(Mismatch::Size { .. }) => Some(Cause::WrongSize),
        Reply::Aborted | Reply::Stopped => Some(Cause::Aborted),
        Reply::PasswordNeedsTls => Some(Cause::NeedsTls),
        Reply::Challenge { .. } | Reply::LoggedIn { .. } => None,
        Reply::ListingFollows | Reply::ListingDone { .. } => None,
        Reply::Offer { .. } | Reply::SendingAll { .. } | Reply::SendingFrom { .. } => None,
        Reply::Sent { .. } | Reply::RangeSent { .. } | Reply::SendNow => None,
        Reply::PartHere { .. } | Reply::SendFrom { .. } => None,
        Reply::AlreadyThere { .. } | Reply::Stored { .. } | Reply::Working { .. } => None,
        Reply::NothingToAbort | Reply::Directory(_) | Reply::DirectoryChanged(_) => None,
        Reply::LinkLeadsTo { .. } => None,
        Reply::Created(_) | Reply::Deleted | Reply::RenameToWhat | Reply::Renamed => None,
        Reply::Status(_) | Reply::Facts { .. } | Reply::Usage(_) | Reply::HashIs { .. } => None,
        Reply::StageDropped | Reply::PasswordChanged | Reply::Platform(_) => None,
        Reply::Help { .. } | Reply::Noop | Reply::Goodbye => None,
        // Replies to commands that this dialect does not have.
        Reply::Greeting { .. } | Reply::NeedPassword => Some(Cause::NotImplemented),
        Reply::Authenticated { .. } | Reply::Recognized { .. } => Some(Cause::NotImplemented),
        Reply::Reinitialized | Reply::Security(_) | Reply::Data(_) | Reply::Parameter(_) => Some(Cause::NotImplemented),
        Reply::Sending { .. } | Reply::Receiving { .. } | Reply::StreamSent { .. } => Some(Cause::NotImplemented),
        Reply::StreamStored { .. } | Reply::ListingInReply { .. } => Some(Cause::NotImplemented),
        Reply::ListingEnd { .. } | Reply::UnderWay(_) | Reply::Entry { .. } => Some(Cause::NotImplemented),
        Reply::Size(_) | Reply::ModifiedAt(_) | Reply::ModifiedSet { .. } | Reply::ModeSet => Some(Cause::NotImplemented),
        Reply::DigestIs { .. } | Reply::Available(_) | Reply::Features(_) => Some(Cause::NotImplemented),
        Reply::HostNoted | Reply::HostUnknown => Some(Cause::NotImplemented),
    }
}

fn of_refusal(why: &Refusal) -> Cause {
    match why {
        Refusal::NotFound => Cause::NotFound,
        Refusal::NotADirectory => Cause::NotADirectory,
        Refusal::IsADirectory => Cause::IsADirectory,
        Refusal::Exists => Cause::Exists,
        Refusal::NotEmpty => Cause::NotEmpty,
        Refusal::AboveHome | Refusal::LeadsOut => Cause::OutsideHome,
        Refusal::TargetLeadsOut => Cause::TargetOutsideHome,
        Refusal::NotALink => Cause::NotALink,
        Refusal::Forbidden => Cause::Permission,
        Refusal::ReadOnly => Cause::ReadOnly,
        Refusal::NoRight(_) => Cause::NoRight,
        Refusal::Link => Cause::Link,
        Refusal::NotRegular => Cause::NotAFile,
        Refusal::BadName => Cause::BadName,
        Refusal::NameTooLong => Cause::NameTooLong,
        Refusal::TheHome => Cause::TheHome,
        Refusal::IntoItself => Cause::IntoItself,
        Refusal::OtherDevice => Cause::OtherFileSystem,
        Refusal::OverQuota { .. } => Cause::QuotaBytes,
        Refusal::TooManyEntries => Cause::QuotaEntries,
        Refusal::DiskFull => Cause::DiskFull,
        Refusal::Busy => Cause::Busy,
        Refusal::NotReady => Cause::Counting,
        Refusal::NoStaging => Cause::NoStaging,
        Refusal::Changed => Cause::Changed,
        Refusal::TooLong => Cause::TooManyBytes,
        Refusal::BadFrame => Cause::BadFrame,
        Refusal::NoAccount => Cause::NoAccount,
        Refusal::NotNow => Cause::NotNow,
        Refusal::NoHome => Cause::NoHome,
        Refusal::NoFolder => Cause::NoFolder,
        Refusal::NoAccounts => Cause::NoAccounts,
        Refusal::Overloaded => Cause::Overloaded,
        Refusal::TooManySessions => Cause::SessionsOfUser,
        Refusal::BadOffset { .. } | Refusal::TwoSizes => Cause::BadOffset,
        Refusal::NotRecursive => Cause::NotImplemented,
        Refusal::PasswordFixed => Cause::PasswordFixed,
        Refusal::WrongPassword => Cause::WrongPassword,
        Refusal::DigestTakesLong => Cause::Busy,
        Refusal::Stopped => Cause::Stopped,
        Refusal::DiskFailed => Cause::DiskFailed,
        Refusal::DiskReadOnly => Cause::DiskReadOnly,
        Refusal::Fault => Cause::Fault,
    }
}

fn of_malformed(malformed: &Malformed) -> Cause {
    match malformed {
        Malformed::TooLong => Cause::LineTooLong,
        Malformed::BadLineEnd | Malformed::NotUtf8 => Cause::BadLine,
        Malformed::UnknownVerb => Cause::UnknownVerb,
        Malformed::BadArguments { .. } => Cause::BadArguments,
        Malformed::BadName => Cause::BadName,
        Malformed::OtherProtocol => Cause::OtherProtocol,
        Malformed::NotImplemented | Malformed::NotForThatArgument | Malformed::UnknownNetwork => {
            Cause::NotImplemented
        }
    }
}

fn of_login_refusal(why: LoginRefusal) -> Cause {
    match why {
        LoginRefusal::Credentials => Cause::Credentials,
        LoginRefusal::ChannelBinding => Cause::ChannelBinding,
        LoginRefusal::PlusOnly | LoginRefusal::PlainOnly => Cause::Mechanism,
        LoginRefusal::Message => Cause::ScramMessage,
    }
}

fn of_close_reason(reason: &CloseReason) -> Cause {
    match reason {
        CloseReason::LoginTimeout => Cause::LoginTimeout,
        CloseReason::IdleTimeout => Cause::IdleTimeout,
        CloseReason::Stalled => Cause::Stalled,
        CloseReason::TooManyAttempts | CloseReason::UserUnderAttack => Cause::FailedLogins,
        CloseReason::TooManySessions | CloseReason::MadeRoom => Cause::Sessions,
        CloseReason::TooManyFromAddress => Cause::SessionsOfAddress,
        CloseReason::TooManyOfUser => Cause::SessionsOfUser,
        CloseReason::Banned | CloseReason::UserBanned => Cause::Banned,
        CloseReason::NotThisProtocol => Cause::OtherProtocol,
        CloseReason::ShuttingDown => Cause::ShuttingDown,
        CloseReason::NoHome => Cause::NoHome,
        CloseReason::NoAccounts => Cause::NoAccounts,
        CloseReason::AccountChanged => Cause::AccountChanged,
        CloseReason::EndedByOperator => Cause::EndedByOperator,
        CloseReason::Overloaded => Cause::Overloaded,
        CloseReason::ClearTextAfterAuthTls | CloseReason::ContentMayFollow => {
            Cause::ContentMayFollow
        }
        CloseReason::Asked | CloseReason::Fault => Cause::Fault,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_is_read_as_it_is_written_and_stands_once() {
        for &cause in Cause::ALL {
            assert_eq!(Cause::parse(cause.name()), Some(cause));
            let plain = |b: u8| b.is_ascii_lowercase() || b == b'-';
            assert!(cause.name().bytes().all(plain), "{}", cause.name());
        }
        assert_eq!(Cause::parse("something-new"), None);
    }

    #[test]
    fn the_manual_names_each_cause() {
        let manual = include_str!("../../../PROTOCOL.md");
        for cause in Cause::ALL {
            let row = format!("| `{}` |", cause.name());
            let optional = *cause == Cause::NotImplemented;
            assert!(optional || manual.contains(&row), "no row {row}");
        }
    }
}
