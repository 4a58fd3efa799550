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
    Fetch(PathArg),
    /// An upload as a bare stream.
    Put {
        path: PathArg,
        start: PutStart,
    },
    /// An upload under a name of its own, like this one.
    PutUnique(Option<PathArg>),
    Listing(Listing),
    /// Unfinished uploads, as lines of the reply.
    StagesHere,
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
    AsItIs(&'static str),
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
pub enum PutStart {
    /// At the restart mark.
    Mark,
    /// Behind what the name has.
    End,
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
pub enum Needs {
    Nothing,
    Login,
    /// A login that may change files.
    WriteAccess,
}

impl Command {
    /// One row for each command: a new one without a row does not compile.
    pub fn needs(&self) -> Needs {
        match self {
            Self::Login { .. } | Self::Prove { .. } => Needs::Nothing,
            Self::Help(_) | Self::Noop | Self::Quit => Needs::Nothing,
            Self::WorkingDirectory | Self::ChangeDirectory(_) | Self::List(_) => Needs::Login,
            Self::Retrieve(_) | Self::Hash { .. } | Self::Facts(_) => Needs::Login,
            Self::Status | Self::Usage | Self::Stages | Self::System => Needs::Login,
            Self::Abort | Self::Answer(_) | Self::SetPassword(_) => Needs::Login,
            Self::Store(_) | Self::Delete(_) | Self::MakeDirectory(_) => Needs::WriteAccess,
            Self::RenameFrom(_) | Self::DropStage(_) => Needs::WriteAccess,
            Self::User(_) | Self::Password(_) | Self::Reinitialize => Needs::Nothing,
            Self::Security(_) | Self::Features | Self::Host(_) => Needs::Nothing,
            Self::Parameter(Parameter::AsItIs(_)) => Needs::Nothing,
            Self::Data(_) | Self::Parameter(_) | Self::Fetch(_) => Needs::Login,
            Self::StagesHere
            | Self::Listing(_)
            | Self::Entry(_)
            | Self::Size(_)
            | Self::ModifiedAt(_) => Needs::Login,
            Self::Digest { .. } | Self::Available(_) => Needs::Login,
            Self::Put { .. } | Self::PutUnique(_) | Self::RenameOver(_) => Needs::WriteAccess,
            Self::SetModified { .. } | Self::SetMode { .. } => Needs::WriteAccess,
            Self::RemoveFile(_) | Self::RemoveDirectory(_) => Needs::WriteAccess,
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
            Self::Stages | Self::StagesHere | Self::DropStage(_) => "STAGES",
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
            Self::Fetch(_) => "RETR",
            Self::Put {
                start: PutStart::Mark,
                ..
            } => "STOR",
            Self::Put {
                start: PutStart::End,
                ..
            } => "APPE",
            Self::PutUnique(_) => "STOU",
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
            Self::List(path) | Self::PutUnique(path) | Self::Entry(path) => path.as_ref(),
            Self::Listing(listing) => listing.path.as_ref(),
            Self::Fetch(path) | Self::Put { path, .. } | Self::Size(path) => Some(path),
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
            Self::AsItIs(name) => name,
            Self::Restart(_) => "REST",
            Self::Allocate(_) => "ALLO",
            Self::Range(_) => "RANG",
            Self::Algorithm(_) | Self::Facts(_) => "OPTS",
        }
    }
}
