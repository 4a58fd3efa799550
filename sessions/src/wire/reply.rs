//! What a peer is told: meanings. Each dialect has one table that turns them
//! into numbers and words.

use super::stamp::Stamp;
use crate::digest::{Md5Sum, Sum};
use crate::path::VirtualPath;

/// One reply of the server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reply {
    // login
    Challenge {
        scram: Vec<u8>,
    },
    LoggedIn {
        scram: Vec<u8>,
    },
    BadCredentials,
    BindingRefused,
    NotLoggedIn,
    LoggedInAlready,
    // listings
    ListingFollows,
    ListingDone {
        hidden: u64,
    },
    // downloads
    Offer {
        size: u64,
        modified: Stamp,
    },
    SendingAll {
        size: u64,
    },
    SendingFrom {
        offset: u64,
    },
    Sent {
        size: u64,
        md5: Md5Sum,
    },
    // uploads
    SendNow,
    PartHere {
        have: u64,
        md5: Md5Sum,
    },
    SendFrom {
        offset: u64,
    },
    AlreadyThere {
        size: u64,
        md5: Md5Sum,
    },
    Stored {
        size: u64,
        md5: Md5Sum,
    },
    NotVerified(Mismatch),
    // both
    Working {
        done: u64,
        of: u64,
    },
    Aborted,
    NothingToAbort,
    // the rest
    Directory(VirtualPath),
    DirectoryChanged(VirtualPath),
    Created(VirtualPath),
    Deleted,
    RenameToWhat,
    Renamed,
    Status(Box<Status>),
    Facts {
        path: VirtualPath,
        facts: Facts,
    },
    Usage(Usage),
    HashIs {
        path: VirtualPath,
        size: u64,
        sum: Sum,
    },
    StageDropped,
    PasswordChanged,
    PasswordNeedsTls,
    Platform(String),
    Help(HelpTopic),
    Noop,
    Goodbye,
    // refusals
    Refused {
        deed: Deed,
        why: Refusal,
    },
    Malformed(Malformed),
    BadSequence,
    Closing(Farewell),
}

impl Reply {
    /// Nothing more follows on the same command but its dialogue's next step.
    pub fn is_preliminary(&self) -> bool {
        matches!(
            self,
            Self::Working { .. }
                | Self::ListingFollows
                | Self::Offer { .. }
                | Self::SendingAll { .. }
                | Self::SendingFrom { .. }
                | Self::SendNow
                | Self::PartHere { .. }
                | Self::SendFrom { .. }
                | Self::RenameToWhat
        )
    }
}

/// Why an upload was not believed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mismatch {
    Digest,
    Size { promised: u64, received: u64 },
}

/// What somebody wanted when a refusal came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Deed {
    ChangeDirectory,
    List,
    Retrieve,
    Store,
    Delete,
    MakeDirectory,
    RenameFrom,
    RenameTo,
    Facts,
    Usage,
    Hash,
    Stages,
    DropStage,
    SetPassword,
    Login,
}

/// Why something is not done. Never holds a path of the host.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    NotFound,
    NotADirectory,
    IsADirectory,
    Exists,
    NotEmpty,
    /// The path climbs above `/`.
    AboveHome,
    /// A link leads out of the home.
    LeadsOut,
    /// The host's permissions.
    Forbidden,
    /// The account may only read.
    ReadOnly,
    /// Neither a file nor a directory.
    NotRegular,
    BadName,
    /// A rename to another file system.
    OtherDevice,
    OverQuota {
        needed: u64,
        available: u64,
    },
    TooManyEntries,
    DiskFull,
    /// Another session writes it.
    Busy,
    /// The home is still being counted.
    NotReady,
    /// No staging directory can be made on that file system.
    NoStaging,
    /// The file changed while it was read.
    Changed,
    /// More bytes than promised.
    TooLong,
    /// The peer broke the frame rules.
    BadFrame,
    /// The account is gone or closed.
    NoAccount,
    /// The user has as many sessions as allowed.
    TooManySessions,
    /// Ours: the log has it.
    Fault,
}

/// A line that was not understood.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Malformed {
    TooLong,
    BadLineEnd,
    NotUtf8,
    UnknownVerb,
    /// The verb is known; its syntax is this.
    BadArguments {
        syntax: &'static str,
    },
    BadName,
}

/// Why the server closes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Farewell {
    LoginTimeout,
    IdleTimeout,
    Stalled,
    TooManyAttempts,
    TooManySessions,
    TooManyFromAddress,
    TooManyOfUser,
    Banned,
    /// The peer speaks something else.
    NotThisProtocol,
    ShuttingDown,
    Fault,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum HelpTopic {
    Overview,
    Verb(String),
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Status {
    pub user: String,
    pub usage: Usage,
    pub server: String,
}

/// A home's account, in bytes and entries.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Usage {
    pub used: u64,
    pub limit: u64,
    pub staged: u64,
    pub entries: u64,
    pub entries_limit: u64,
}

/// What a listing tells of an entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Facts {
    pub kind: Kind,
    pub size: u64,
    pub modified: Stamp,
    /// Permission bits; `None` where they mean nothing.
    pub mode: Option<u32>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    File,
    Directory,
    /// A link that cannot be followed inside the home.
    Link,
    Other,
}
