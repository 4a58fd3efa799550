//! What a peer is told: meanings. Each dialect has one table that turns them
//! into numbers and words.

use core::net::SocketAddr;

use super::command::{ByteRange, DigestForm, PassiveForm, Protection, Representation};
use super::listing::FactSet;
use super::stamp::Stamp;
use crate::digest::{Algorithm, Sum};
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
        /// What transfers are verified by at the least cost here.
        digest: Algorithm,
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
        /// What both ends verify it by.
        digest: Algorithm,
    },
    SendingAll {
        size: u64,
    },
    SendingFrom {
        offset: u64,
    },
    Sent {
        size: u64,
        sum: Sum,
    },
    // uploads
    SendNow,
    PartHere {
        have: u64,
        sum: Sum,
    },
    SendFrom {
        offset: u64,
    },
    AlreadyThere {
        size: u64,
        sum: Sum,
    },
    Stored {
        size: u64,
        sum: Sum,
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
        operation: Operation,
        why: Refusal,
    },
    Malformed(Malformed),
    BadSequence,
    Closing(Farewell),

    // logins in clear
    /// The server speaks first.
    Greeting {
        server: String,
    },
    NeedPassword,
    Authenticated {
        user: String,
    },
    Reinitialized,
    Security(SecurityReply),
    Data(DataReply),
    Parameter(ParameterReply),
    // streams
    /// A data connection is open for a file; its bytes follow from `from` on.
    Sending {
        from: u64,
        size: u64,
    },
    /// A data connection is open for an upload, which goes on at `from`.
    Receiving {
        from: u64,
        /// Where the server chose the name.
        name: Option<VirtualPath>,
    },
    StreamSent {
        size: u64,
    },
    StreamStored {
        size: u64,
        name: Option<VirtualPath>,
    },
    /// A transfer ended early by our own doing; no ABOR waits for an answer.
    Stopped,
    /// Lines of a listing follow; `ListingEnd` closes them.
    ListingInReply {
        about: VirtualPath,
    },
    ListingEnd {
        hidden: u64,
    },
    UnderWay(UnderWay),
    // facts
    Entry {
        path: VirtualPath,
        facts: Facts,
        set: FactSet,
        access: Access,
    },
    Size(u64),
    ModifiedAt(Stamp),
    ModifiedSet {
        path: VirtualPath,
        modified: Stamp,
    },
    ModeSet,
    DigestIs {
        path: VirtualPath,
        range: ByteRange,
        sum: Sum,
        form: DigestForm,
    },
    Available(u64),
    Features(Features),
    HostNoted,
}

/// About TLS (RFC 4217).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SecurityReply {
    /// All that follows is TLS.
    TlsFollows,
    BufferSize,
    Protects(Protection),
    /// This listener has no TLS.
    NotOffered,
    AlreadyInTls,
    ControlStaysPrivate,
    /// PROT before PBSZ, or either before AUTH.
    OutOfOrder,
    /// The operator wants logins under TLS.
    LoginNeedsTls,
    /// The operator wants data connections under TLS.
    DataNeedsTls,
}

/// About data connections.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DataReply {
    Passive {
        address: SocketAddr,
        form: PassiveForm,
    },
    Active,
    PassiveOnly,
    /// After EPSV ALL.
    PassiveOnlyInForce,
    /// Not the client's own address, or a port of the system's.
    Foreign,
    /// The control connection's family, or the port range, cannot do it.
    WrongFamily,
    NoPortFree,
    /// Neither PASV nor PORT came before.
    NotPrepared,
    /// It did not come, or could not be made.
    NotOpened,
    /// No TLS came about on it.
    NotSecured,
    /// It did not prove that it belongs to this session.
    NotResumed,
    /// It broke off.
    Lost,
    /// An upload under TLS ended without its close_notify.
    Truncated,
}

/// About what holds for transfers to come.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ParameterReply {
    Type(Representation),
    OnlyValue(&'static str),
    Restart(u64),
    Allocated(u64),
    Range(Option<ByteRange>),
    Algorithm(Algorithm),
    Facts(FactSet),
    /// Offsets of text are nobody's business (RFC 3659 section 5.3).
    NotInAscii,
}

/// A transfer that somebody asks about while it runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UnderWay {
    pub moved: u64,
    /// The whole, where it is known.
    pub of: Option<u64>,
    /// Whole seconds since it began.
    pub seconds: u64,
}

/// What FEAT tells of a session (RFC 2389).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Features {
    pub tls: TlsOffer,
    pub facts: FactSet,
    pub algorithm: Algorithm,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TlsOffer {
    Offered,
    Absent,
}

/// What an account may do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    ReadWrite,
    ReadOnly,
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
                | Self::NeedPassword
                | Self::Sending { .. }
                | Self::Receiving { .. }
                | Self::ListingInReply { .. }
                | Self::UnderWay(_)
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
pub enum Operation {
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
    Append,
    Size,
    SetModified,
    SetMode,
    RemoveDirectory,
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
    /// A restart mark that no byte stands before.
    BadOffset {
        offset: u64,
        size: u64,
    },
    /// An upload of the name was interrupted, so that it has two sizes.
    TwoSizes,
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
    /// A line of some other protocol.
    OtherProtocol,
    /// The verb is known, and we do not do it.
    NotImplemented,
    /// The verb is known, this argument of it we do not do.
    NotForThatArgument,
    /// A network protocol that RFC 2428 numbers and we do not speak.
    UnknownNetwork,
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
    /// Something in clear came behind the line that begins TLS.
    ClearTextAfterAuthTls,
    /// It was asked to.
    Asked,
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
    /// Promised to uploads under way.
    pub reserved: u64,
}

impl Usage {
    /// Bytes that may still be stored.
    pub fn available(&self) -> u64 {
        self.limit
            .saturating_sub(self.used)
            .saturating_sub(self.reserved)
    }
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
