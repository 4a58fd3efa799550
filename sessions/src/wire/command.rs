//! What a peer asks: one meaning each, whatever the dialect spelled it with.

use core::net::SocketAddr;

use zeroize::Zeroizing;

use super::listing::{FactSet, Form};
use super::stamp::Stamp;
use crate::digest::{Algorithm, Sum};
use crate::path::PathArg;

/// A line from a client, understood.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// SCRAM client-first-message.
    Login {
        first: Vec<u8>,
    },
    /// SCRAM client-final-message.
    Prove {
        last: Vec<u8>,
    },
    WorkingDirectory,
    ChangeDirectory(PathArg),
    List(Option<PathArg>),
    Retrieve(Retrieve),
    Store(Store),
    Delete(PathArg),
    MakeDirectory(PathArg),
    RenameFrom(PathArg),
    Status,
    Facts(PathArg),
    Usage,
    Hash {
        path: PathArg,
        algorithm: Algorithm,
    },
    Stages,
    DropStage(PathArg),
    SetPassword(Box<NewVerifier>),
    System,
    Help(Option<String>),
    Noop,
    Abort,
    Quit,
    /// A code that a dialogue waits for.
    Answer(Answer),

    /// A login whose password is sent as it is (RFC 959 section 4.1.1).
    User(String),
    Password(Secret),
    /// Forgets the login and all parameters; the connection stays.
    Reinitialize,
    Security(Security),
    Data(DataPort),
    Parameter(Parameter),
    /// A download as a bare stream, from the restart mark on.
    RetrieveStream(PathArg),
    /// An upload as a bare stream.
    StoreStream {
        path: PathArg,
        start: StoreStart,
    },
    /// An upload under a name of its own, like this one.
    StoreUnique(Option<PathArg>),
    Listing(Listing),
    /// Unfinished uploads, as lines of the reply.
    StagesInReply,
    /// What `Facts` asks, in the form of a listing (RFC 3659 section 7).
    Entry(Option<PathArg>),
    Size(PathArg),
    ModifiedAt(PathArg),
    SetModified {
        path: PathArg,
        modified: Stamp,
    },
    SetMode {
        path: PathArg,
        /// Permission bits, at most 0o777.
        mode: u32,
    },
    RemoveFile(PathArg),
    RemoveDirectory(PathArg),
    /// The second half of a rename; a file of that name is replaced.
    RenameOver(PathArg),
    Digest {
        path: PathArg,
        /// `None`: the one that was chosen.
        algorithm: Option<Algorithm>,
        /// `None`: the range that was set, or all.
        range: Option<ByteRange>,
        form: DigestForm,
    },
    /// Bytes that may still be stored.
    Available(Option<PathArg>),
    Features,
    /// The name that the client reached the server by (RFC 7151).
    Host(String),
}

/// What a client says to be kept secret: wiped when dropped, never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub Zeroizing<Vec<u8>>);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// How the connections are protected (RFC 4217).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Security {
    StartTls,
    /// TLS needs no buffer size; the verb must come all the same.
    BufferSize,
    Protect(Protection),
    /// Back to clear on the control connection: always refused.
    ClearControl,
}

/// Of data connections.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Protection {
    #[default]
    Clear,
    Private,
}

/// Where the next transfer's bytes go (RFC 959 section 3.2, RFC 2428).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DataPort {
    Passive(PassiveForm),
    /// From now on nothing but extended passive.
    PassiveOnly,
    Active(SocketAddr),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PassiveForm {
    /// The reply holds an IPv4 address and a port.
    Address,
    /// The reply holds a port; the client may name the family it wants.
    PortOnly(Option<Family>),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Family {
    V4,
    V6,
}

/// What holds for transfers to come.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Parameter {
    Type(Representation),
    /// The only value there is was asked for; what it is called.
    OnlyValue(&'static str),
    /// The next transfer's restart mark, in bytes.
    Restart(u64),
    /// Bytes that the next upload will have.
    Allocate(u64),
    /// Of the next digest; `None` is the whole file.
    Range(Option<ByteRange>),
    /// Of digests to come; `None` asks which.
    Algorithm(Option<Algorithm>),
    /// Of machine listings to come.
    Facts(FactSet),
}

/// RFC 959 section 3.1.1.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Representation {
    /// Lines end with CRLF on the wire and with LF in the file.
    #[default]
    Ascii,
    Image,
}

/// Bytes of a file: from the first on, up to but not with `end`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ByteRange {
    pub start: u64,
    pub end: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StoreStart {
    /// At the restart mark.
    RestartMark,
    /// Behind what the name has.
    FileEnd,
}

/// How a digest is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DigestForm {
    /// Algorithm, range, digest, name.
    Full,
    /// The digest alone.
    Bare,
}

/// A listing in one of the forms that people and programs read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listing {
    /// `None`: the working directory. Its last name may be a pattern where
    /// `form` knows patterns.
    pub path: Option<PathArg>,
    pub form: Form,
    pub via: Via,
}

/// Which way a listing goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Via {
    /// As the session's bulk data goes.
    Lane,
    /// As lines of the reply.
    Reply,
}

/// A download as asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Retrieve {
    pub path: PathArg,
    /// What to verify it by, where the server remembers no other digest of it.
    pub digest: Algorithm,
    pub turn: Turn,
}

/// An upload as asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Store {
    pub path: PathArg,
    /// The whole file, in bytes.
    pub size: u64,
    pub modified: Option<Stamp>,
    /// What it is verified by.
    pub digest: Algorithm,
    /// Of the whole file, told before it is sent.
    pub declared: Option<Sum>,
    pub replace: Replace,
    pub turn: Turn,
}

/// Whether a published file may be replaced.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Replace {
    Never,
    Yes,
}

/// Whether the two ends talk about resuming before bytes flow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Turn {
    Negotiate,
    /// Bytes follow at once, from the first.
    Straight,
}

/// What replaces an account's verifier (RFC 5802 section 3).
#[derive(Clone, PartialEq, Eq)]
pub struct NewVerifier {
    pub salt: Vec<u8>,
    pub iterations: u32,
    pub stored_key: [u8; 32],
    pub server_key: [u8; 32],
}

impl std::fmt::Debug for NewVerifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NewVerifier(..)")
    }
}

/// The codes a client sends inside a dialogue.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    /// 111: the client is still hashing.
    Working,
    /// 200: download from the start; upload: start over.
    FromStart,
    /// 210: resume the download at `offset`; my part has this digest.
    ResumeDownload { offset: u64, sum: Sum },
    /// 211: resume the upload.
    ResumeUpload,
    /// 225: all sent.
    AllSent { sum: Sum },
    /// 227: compared, equal.
    Equal,
    /// 351: rename to this.
    RenameTo(PathArg),
    /// 400: the client has the complete file.
    HaveAlready,
    /// 401: the user gave up resuming the download.
    DeclineDownload,
    /// 410: the user gave up resuming the upload.
    DeclineUpload,
    /// 550: compared, different, or not stored.
    Different,
}

/// What a command needs before it is looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Permission {
    None,
    Login,
    /// A login that may change files.
    WriteAccess,
}

impl Command {
    /// One row for each command: a new one without a row does not compile.
    pub fn needs(&self) -> Permission {
        match self {
            Self::Login { .. } | Self::Prove { .. } => Permission::None,
            Self::Help(_) | Self::Noop | Self::Quit => Permission::None,
            Self::WorkingDirectory | Self::ChangeDirectory(_) | Self::List(_) => Permission::Login,
            Self::Retrieve(_) | Self::Hash { .. } | Self::Facts(_) => Permission::Login,
            Self::Status | Self::Usage | Self::Stages | Self::System => Permission::Login,
            Self::Abort | Self::Answer(_) | Self::SetPassword(_) => Permission::Login,
            Self::Store(_) | Self::Delete(_) | Self::MakeDirectory(_) => Permission::WriteAccess,
            Self::RenameFrom(_) | Self::DropStage(_) => Permission::WriteAccess,
            Self::User(_) | Self::Password(_) | Self::Reinitialize => Permission::None,
            Self::Security(_) | Self::Features | Self::Host(_) => Permission::None,
            Self::Parameter(Parameter::OnlyValue(_)) => Permission::None,
            Self::Data(_) | Self::Parameter(_) | Self::RetrieveStream(_) => Permission::Login,
            Self::StagesInReply
            | Self::Listing(_)
            | Self::Entry(_)
            | Self::Size(_)
            | Self::ModifiedAt(_) => Permission::Login,
            Self::Digest { .. } | Self::Available(_) => Permission::Login,
            Self::StoreStream { .. } | Self::StoreUnique(_) | Self::RenameOver(_) => {
                Permission::WriteAccess
            }
            Self::SetModified { .. } | Self::SetMode { .. } => Permission::WriteAccess,
            Self::RemoveFile(_) | Self::RemoveDirectory(_) => Permission::WriteAccess,
        }
    }

    /// What the access log calls it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Login { .. } => "USER",
            Self::Prove { .. } => "PASS",
            Self::WorkingDirectory => "PWD",
            Self::ChangeDirectory(_) => "CWD",
            Self::List(_) => "LIST",
            Self::Retrieve(_) => "RETR",
            Self::Store(_) => "STOR",
            Self::Delete(_) => "DELE",
            Self::MakeDirectory(_) => "MKD",
            Self::RenameFrom(_) => "RENAME",
            Self::Status | Self::Facts(_) => "STAT",
            Self::Usage => "DF",
            Self::Hash { .. } => "HASH",
            Self::Stages | Self::StagesInReply | Self::DropStage(_) => "STAGES",
            Self::SetPassword(_) => "PASSWD",
            Self::System => "SYST",
            Self::Help(_) => "HELP",
            Self::Noop => "NOOP",
            Self::Abort => "ABOR",
            Self::Quit => "QUIT",
            Self::Answer(_) => "ANSWER",
            Self::User(_) => "USER",
            Self::Password(_) => "PASS",
            Self::Reinitialize => "REIN",
            Self::Security(security) => security.name(),
            Self::Data(port) => port.name(),
            Self::Parameter(parameter) => parameter.name(),
            Self::RetrieveStream(_) => "RETR",
            Self::StoreStream {
                start: StoreStart::RestartMark,
                ..
            } => "STOR",
            Self::StoreStream {
                start: StoreStart::FileEnd,
                ..
            } => "APPE",
            Self::StoreUnique(_) => "STOU",
            Self::Listing(_) => "LIST",
            Self::Entry(_) => "MLST",
            Self::Size(_) => "SIZE",
            Self::ModifiedAt(_) => "MDTM",
            Self::SetModified { .. } => "MFMT",
            Self::SetMode { .. } => "CHMOD",
            Self::RemoveFile(_) => "DELE",
            Self::RemoveDirectory(_) => "RMD",
            Self::RenameOver(_) => "RNTO",
            Self::Digest { .. } => "HASH",
            Self::Available(_) => "AVBL",
            Self::Features => "FEAT",
            Self::Host(_) => "HOST",
        }
    }

    /// The path it is about.
    pub fn subject(&self) -> Option<&PathArg> {
        match self {
            Self::ChangeDirectory(path) | Self::Delete(path) | Self::MakeDirectory(path) => {
                Some(path)
            }
            Self::RenameFrom(path) | Self::Facts(path) | Self::DropStage(path) => Some(path),
            Self::Hash { path, .. } => Some(path),
            Self::Retrieve(retrieve) => Some(&retrieve.path),
            Self::Store(store) => Some(&store.path),
            Self::List(path) | Self::StoreUnique(path) | Self::Entry(path) => path.as_ref(),
            Self::Listing(listing) => listing.path.as_ref(),
            Self::RetrieveStream(path) | Self::StoreStream { path, .. } | Self::Size(path) => {
                Some(path)
            }
            Self::ModifiedAt(path) | Self::SetModified { path, .. } => Some(path),
            Self::SetMode { path, .. } | Self::Digest { path, .. } => Some(path),
            Self::RemoveFile(path) | Self::RemoveDirectory(path) => Some(path),
            Self::RenameOver(path) => Some(path),
            _ => None,
        }
    }
}

impl Security {
    fn name(self) -> &'static str {
        match self {
            Self::StartTls => "AUTH",
            Self::BufferSize => "PBSZ",
            Self::Protect(_) => "PROT",
            Self::ClearControl => "CCC",
        }
    }
}

impl DataPort {
    fn name(self) -> &'static str {
        match self {
            Self::Passive(PassiveForm::Address) => "PASV",
            Self::Passive(PassiveForm::PortOnly(_)) | Self::PassiveOnly => "EPSV",
            Self::Active(_) => "PORT",
        }
    }
}

impl Parameter {
    fn name(&self) -> &'static str {
        match self {
            Self::Type(_) => "TYPE",
            Self::OnlyValue(name) => name,
            Self::Restart(_) => "REST",
            Self::Allocate(_) => "ALLO",
            Self::Range(_) => "RANG",
            Self::Algorithm(_) | Self::Facts(_) => "OPTS",
        }
    }
}
