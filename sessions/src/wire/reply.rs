//! Defines the server's replies by their meaning; each dialect has one table that gives them codes
//! and text.

use core::net::SocketAddr;
use core::time::Duration;

use super::command::{ByteRange, DigestForm, PassiveForm, Protection, Representation};
pub use super::entry::{Allowed, Entry, Facts, Kind, Right};
use super::listing::FactSet;
use super::stamp::Stamp;
pub use super::usage::{Held, OfLimit, ShownLimit, UNLIMITED, Usage};
use crate::digest::{Algorithm, Sum};
use crate::path::{LinkTarget, VirtualPath};
use crate::rights::{self, Rights};

/// One reply of the server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reply {
    // login
    Challenge {
        scram: Vec<u8>,
    },
    LoggedIn {
        scram: Vec<u8>,
        /// The algorithm that verifies transfers at the least cost here.
        digest: Algorithm,
        /// Time between two commands after which the server closes.
        idle: Duration,
    },
    LoginRefused(LoginRefusal),
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
        /// The algorithm that both ends verify it by.
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
    /// A part of a file was sent.
    RangeSent {
        offset: u64,
        /// Bytes sent.
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
    /// What a symbolic link leads to.
    LinkLeadsTo {
        path: VirtualPath,
        target: LinkTarget,
    },
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
    Help {
        topic: HelpTopic,
        tls: TlsOffer,
    },
    Noop,
    Goodbye,
    // refusals
    Refused {
        operation: Operation,
        why: Refusal,
    },
    Malformed(Malformed),
    BadSequence,
    Closing(CloseReason),

    // logins in clear
    /// The server speaks first, in one line or more.
    Greeting {
        text: String,
    },
    NeedPassword,
    Authenticated {
        user: String,
    },
    /// Logged in by a certificate.
    Recognized {
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
        /// The name, if the server chose it.
        name: Option<VirtualPath>,
    },
    StreamSent {
        size: u64,
    },
    StreamStored {
        size: u64,
        name: Option<VirtualPath>,
    },
    /// The server ended a transfer early; no ABOR waits for an answer.
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
        entry: Entry,
        set: FactSet,
        rights: Rights,
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
    /// HOST named one that the server is not.
    HostUnknown,
}

/// A reply about TLS (RFC 4217).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SecurityReply {
    /// Everything that follows is TLS.
    TlsFollows,
    BufferSize,
    Protects(Protection),
    /// This listener has no TLS.
    NotOffered,
    AlreadyInTls,
    ControlStaysPrivate,
    /// PROT before PBSZ, or either before AUTH.
    OutOfOrder,
    /// The operator demands logins under TLS.
    LoginNeedsTls,
    /// The operator demands data connections under TLS.
    DataNeedsTls,
    /// PROT C, where the operator demands data connections under TLS.
    ClearDataRefused,
}

/// A reply about data connections.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DataReply {
    Passive {
        address: SocketAddr,
        form: PassiveForm,
    },
    Active,
    PassiveOnly,
    /// PORT, EPRT or PASV came after EPSV ALL.
    PassiveOnlyInForce,
    /// PORT or EPRT named another address than the client's, or a system port.
    Foreign,
    /// The address family of the control connection, or the port range, does not allow it.
    WrongFamily,
    NoPortFree,
    /// The user holds this many passive ports, all that one may.
    PortShareTaken {
        most: u16,
    },
    /// Neither PASV nor PORT came before.
    NotPrepared,
    /// The connection did not come, or could not be made.
    NotOpened,
    /// The connection's TLS handshake failed.
    NotSecured,
    /// The connection's TLS did not resume this session's, which proves that it belongs to it.
    NotResumed,
    /// The connection broke off.
    Lost,
    /// An upload under TLS ended without its close_notify.
    Truncated(Truncation),
}

/// Why an upload under TLS without close_notify is not published.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Truncation {
    /// The operator requires close_notify.
    Required,
    /// The control connection ended too, or is not under TLS.
    ControlEnded,
    /// The data connection was not ended but reset.
    Reset,
}

/// A reply about a parameter.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ParameterReply {
    Type(Representation),
    OnlyValue(&'static str),
    Restart(u64),
    Allocated(u64),
    Range(Option<ByteRange>),
    Algorithm(Algorithm),
    Facts(FactSet),
    /// Offsets and sizes are not defined in type A (RFC 3659 section 5.3).
    NotInAscii,
}

/// The progress of a running transfer or digest, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UnderWay {
    pub moved: u64,
    /// All bytes to move, where that is known.
    pub of: Option<u64>,
    /// Whole seconds since the beginning.
    pub seconds: u64,
}

/// The parts of FEAT's reply that differ by session (RFC 2389).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Features {
    pub tls: TlsOffer,
    pub facts: FactSet,
    pub algorithm: Algorithm,
}

/// Whether AUTH TLS is offered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TlsOffer {
    Offered,
    Absent,
}

impl Reply {
    /// Whether the command's final reply is still to come.
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

/// Why a login is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LoginRefusal {
    /// The user or the password is wrong, and nobody is told which.
    Credentials,
    /// The proof is bound to another channel than this one: someone may stand between the ends.
    ChannelBinding,
    /// This listener has TLS and takes SCRAM-SHA-256-PLUS with `tls-exporter` only.
    PlusOnly,
    /// This listener has no TLS and takes SCRAM-SHA-256 only.
    PlainOnly,
    /// The SCRAM message breaks the rules of RFC 5802.
    Message,
}

/// Why an upload was not verified.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mismatch {
    Digest,
    Size { promised: u64, received: u64 },
}

/// The operation that was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Operation {
    ChangeDirectory,
    List,
    Retrieve,
    Store,
    Delete,
    MakeDirectory,
    MakeLink,
    ReadLink,
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
    SetAttributes,
    RemoveDirectory,
    /// A listing that only a directory can have (MLSD).
    ListDirectory,
}

/// Why an operation is refused. Never holds a path of the host.
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
    /// A link is on the way, and links are not followed for this account.
    Link,
    /// A link was to be made that would lead out of the home.
    TargetLeadsOut,
    /// The target of what is no link was asked for.
    NotALink,
    /// The host's file permissions forbid it.
    Forbidden,
    /// The account may only read.
    ReadOnly,
    /// The account has not got this right in that folder.
    NoRight(rights::Right),
    /// Neither a file nor a directory.
    NotRegular,
    BadName,
    /// A name, or a whole path, is longer than the system takes.
    NameTooLong,
    /// The home itself is not renamed, removed or replaced.
    TheHome,
    /// A directory was to be moved into itself.
    IntoItself,
    /// A rename to another file system.
    OtherDevice,
    OverQuota {
        needed: u64,
        available: u64,
    },
    TooManyEntries,
    DiskFull,
    /// Another session is writing the file.
    Busy,
    /// The home is still being counted.
    NotReady,
    /// No staging directory can be made on that file system.
    NoStaging,
    /// The file changed while it was read.
    Changed,
    /// More bytes came than were announced.
    TooLong,
    /// The peer broke the rules of frames.
    BadFrame,
    /// The account is gone or closed.
    NoAccount,
    /// The account is closed at this time of the week, or for good.
    NotNow,
    /// No account can be read, so that nobody is known; the server's log says why.
    NoAccounts,
    /// The home cannot be opened, as its disk is not mounted; the server's log says why.
    NoHome,
    /// The shared folder cannot be opened, as its disk is not mounted; the server's log says why.
    NoFolder,
    /// The server has as many files open as the system allows, or has waited too long for a disk.
    Overloaded,
    /// The user has as many sessions as allowed.
    TooManySessions,
    /// The restart mark is beyond the end of the file.
    BadOffset {
        offset: u64,
        size: u64,
    },
    /// An interrupted upload of the name left a stage, so that the name has two sizes.
    TwoSizes,
    /// A listing of directories below directories.
    NotRecursive,
    /// The user may not change the password.
    PasswordFixed,
    /// The proof of the old password is wrong.
    WrongPassword,
    /// The digest was not ready in time, and goes on.
    DigestTakesLong,
    /// The server stopped it before it was done.
    Stopped,
    /// The server's disk failed; its log says how.
    DiskFailed,
    /// The server's file system is mounted read-only, as after an error of its disk.
    DiskReadOnly,
    /// The server failed; its log says why.
    Fault,
}

/// Why a line is not a command.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Malformed {
    TooLong,
    BadLineEnd,
    NotUtf8,
    UnknownVerb,
    /// The verb is known, the arguments are wrong; the right syntax.
    BadArguments {
        syntax: &'static str,
    },
    BadName,
    /// The line belongs to another protocol.
    OtherProtocol,
    /// The verb is known and not implemented.
    NotImplemented,
    /// The verb is implemented, but not for this argument.
    NotForThatArgument,
    /// A network protocol of RFC 2428 that the server does not speak.
    UnknownNetwork,
}

/// Why the server closes a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CloseReason {
    LoginTimeout,
    IdleTimeout,
    Stalled,
    TooManyAttempts,
    TooManySessions,
    TooManyFromAddress,
    TooManyOfUser,
    /// The session had not logged in, and others wanted to.
    MadeRoom,
    /// Too many others try passwords of the same user.
    UserUnderAttack,
    /// Logins of too many users have failed from the peer's address.
    Banned,
    /// Too many logins of this user have failed from the peer's address.
    UserBanned,
    /// The peer speaks another protocol.
    NotThisProtocol,
    ShuttingDown,
    /// The home cannot be opened, as its disk is not mounted; the server's log says why.
    NoHome,
    /// No account can be read; the server's log says why.
    NoAccounts,
    /// The operator has closed the account, or changed what its login was proven by.
    AccountChanged,
    /// The operator has ended the session.
    EndedByOperator,
    /// The server has as many files open as the system allows, or has waited too long for a disk.
    Overloaded,
    /// Clear text came behind the line that begins TLS.
    ClearTextAfterAuthTls,
    /// Content may follow an upload that was refused, and could be taken for commands.
    ContentMayFollow,
    /// The client is done: nothing is wrong.
    Asked,
    Fault,
}

/// What HELP is asked about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum HelpTopic {
    Overview,
    Verb(String),
}

/// The session's state for STAT.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Status {
    pub user: String,
    pub usage: Usage,
    pub server: String,
}
