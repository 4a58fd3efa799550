//! Defines the commands of clients by their meaning, whatever the dialect calls them.

use core::net::SocketAddr;

use zeroize::Zeroizing;

use super::listing::{FactSet, Form, Options};
use super::stamp::Stamp;
use crate::digest::{Algorithm, Sum};
use crate::path::{LinkTarget, PathArg};
use crate::rights::{Right, Rights};
use crate::scram::Verifier;

/// A decoded line of a client.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// A login's SCRAM client-first-message.
    Login {
        first: Vec<u8>,
    },
    /// A login's SCRAM client-final-message.
    Prove {
        last: Vec<u8>,
    },
    WorkingDirectory,
    ChangeDirectory(PathArg),
    List(List),
    Retrieve(Retrieve),
    RetrieveRange(RetrieveRange),
    Store(Store),
    Delete(PathArg),
    MakeDirectory(PathArg),
    /// Makes a symbolic link.
    MakeLink {
        path: PathArg,
        target: LinkTarget,
    },
    /// Asks what a symbolic link leads to.
    ReadLink(PathArg),
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
    SetAttributes(SetAttributes),
    SetPassword(Box<PasswordChange>),
    System,
    Help(Option<String>),
    Noop,
    Abort,
    Quit,
    /// A code that a dialogue waits for.
    Answer(Answer),

    /// USER: a login whose password is sent as it is (RFC 959 section 4.1.1).
    User(String),
    Password(Secret),
    /// REIN: forget the login and all parameters; the connection stays.
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
    /// STOU: an upload under a free name that is like this one.
    StoreUnique(Option<PathArg>),
    Listing(Listing),
    /// Unfinished uploads, as lines of the reply.
    StagesInReply,
    /// The facts of one entry, in the form of a listing (RFC 3659 section 7).
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
    /// RNTO: the second half of a rename; a file of that name is replaced.
    RenameOver(PathArg),
    Digest {
        path: PathArg,
        /// `None`: the one that OPTS HASH chose.
        algorithm: Option<Algorithm>,
        /// `None`: the range that RANG set, or the whole file.
        range: Option<ByteRange>,
        form: DigestForm,
    },
    /// AVBL: how many bytes may still be stored.
    Available(Option<PathArg>),
    Features,
    /// HOST: the name that the client reached the server by (RFC 7151).
    Host(String),
}

/// A password: wiped when dropped, never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub Zeroizing<Vec<u8>>);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// A command about TLS (RFC 4217).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Security {
    StartTls,
    /// PBSZ: TLS needs no buffer size, but the command must come before PROT.
    BufferSize,
    Protect(Protection),
    /// CCC: back to clear on the control connection, always refused.
    ClearControl,
}

/// Whether data connections are under TLS.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Protection {
    #[default]
    Clear,
    Private,
}

/// How the next data connection is to be made (RFC 959 section 3.2, RFC 2428).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DataPort {
    Passive(PassiveForm),
    /// EPSV ALL: from now on EPSV only.
    PassiveOnly,
    Active(SocketAddr),
}

/// What the reply to PASV or EPSV tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PassiveForm {
    /// PASV: an IPv4 address and a port.
    Address,
    /// EPSV: a port; the client may name the address family that it wants.
    PortOnly(Option<Family>),
}

/// An address family.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Family {
    V4,
    V6,
}

/// A parameter for transfers and digests to come.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Parameter {
    Type(Representation),
    /// The only value that the parameter can have; the name to answer with.
    OnlyValue(&'static str),
    /// The next transfer's restart mark, in bytes.
    Restart(u64),
    /// ALLO: bytes that the next upload will have.
    Allocate(u64),
    /// The range of the next digest; `None` is the whole file.
    Range(Option<ByteRange>),
    /// The algorithm of digests to come; `None` asks which it is.
    Algorithm(Option<Algorithm>),
    /// The facts in machine listings to come.
    Facts(FactSet),
}

/// The representation type of transferred files (RFC 959 section 3.1.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Representation {
    /// Lines end with CRLF on the wire and with LF in the file.
    #[default]
    Ascii,
    Image,
}

/// A range of a file's bytes, from `start` up to but without `end`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ByteRange {
    pub start: u64,
    pub end: u64,
}

/// Where an upload's bytes go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StoreStart {
    /// From the restart mark on (STOR).
    RestartMark,
    /// Behind the file's end (APPE).
    FileEnd,
}

/// What a digest's reply holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DigestForm {
    /// Algorithm, range, digest, name.
    Full,
    /// The digest alone.
    Bare,
}

/// A listing for people or programs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listing {
    /// `None` is the working directory. The last name may be a pattern where `form` allows
    /// patterns.
    pub path: Option<PathArg>,
    /// The whole argument where it begins with a dash: if there is such a name, it is listed, and
    /// `path`, which is what stands behind the options, is not.
    pub literal: Option<PathArg>,
    pub options: Options,
    pub form: Form,
    pub via: Via,
}

/// How a listing is sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Via {
    /// As bulk data, over the data connection.
    Lane,
    /// As lines of the reply.
    Reply,
}

/// A listing of the native dialect.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct List {
    /// `None` is the working directory.
    pub path: Option<PathArg>,
    pub options: Options,
}

/// New attributes of a file or directory; `None` leaves one as it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SetAttributes {
    pub path: PathArg,
    pub modified: Option<Stamp>,
    /// Permission bits, at most 0o777.
    pub mode: Option<u32>,
}

/// A part of a file, to be sent at once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RetrieveRange {
    pub path: PathArg,
    /// The algorithm that the part is verified by.
    pub digest: Algorithm,
    /// The offset of the first byte.
    pub start: u64,
    /// Bytes at most; `None` is all up to the file's end.
    pub length: Option<u64>,
}

/// A download of the native dialect.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Retrieve {
    pub path: PathArg,
    /// The algorithm to verify it by, where the server remembers no other digest of the file.
    pub digest: Algorithm,
    pub turn: Turn,
}

/// An upload of the native dialect.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Store {
    pub path: PathArg,
    /// The whole file's size in bytes.
    pub size: u64,
    pub modified: Option<Stamp>,
    /// The algorithm that it is verified by.
    pub digest: Algorithm,
    /// The whole file's digest, if the client told it before the bytes.
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

/// Whether the two ends negotiate resuming before bytes flow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Turn {
    Negotiate,
    /// The file's bytes follow at once, from the first one.
    Skipped,
}

/// A new password's verifier (RFC 5802 section 3).
#[derive(Clone, PartialEq, Eq)]
pub struct NewVerifier {
    pub salt: Vec<u8>,
    pub iterations: u32,
    pub stored_key: [u8; 32],
    pub server_key: [u8; 32],
}

impl From<&NewVerifier> for Verifier {
    fn from(new: &NewVerifier) -> Self {
        Self {
            salt: new.salt.clone(),
            iterations: new.iterations,
            stored_key: new.stored_key,
            server_key: new.server_key,
        }
    }
}

/// A new password, and the proof that the old one is known ([`crate::scram::prove_change`]).
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordChange {
    pub new: NewVerifier,
    pub proof: [u8; 32],
}

impl std::fmt::Debug for PasswordChange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PasswordChange(..)")
    }
}

/// A code that a client sends inside a dialogue.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    /// 111: the client is still hashing.
    Working,
    /// 200: download from the start; upload: start over.
    FromStart,
    /// 210: resume the download at `offset`; the client's part has the digest `sum`.
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

/// What a session needs to give a command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Permission<'a> {
    None,
    Login,
    /// A login with at least one of these rights there.
    Right(Rights, Site<'a>),
}

/// Where a right is needed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Site<'a> {
    /// In this directory; `None` is the working directory.
    Directory(Option<&'a PathArg>),
    /// Where this name is.
    Name(&'a PathArg),
    /// In this directory, or where its name is: one of the two.
    Either(Option<&'a PathArg>),
    /// In the home itself.
    Home,
}

impl Command {
    /// Lists a directory or a file, in no order.
    pub fn list(path: Option<PathArg>) -> Self {
        Self::List(List {
            path,
            options: Options::UNSORTED,
        })
    }

    /// What a session needs to give this command. Each command has a row: a new one without does
    /// not compile.
    #[rustfmt::skip]
    pub fn required_permission(&self) -> Permission<'_> {
        use Right::{Delete, Get, List, MakeDirectory, Put, RemoveDirectory, Rename, Replace};
        use Site::{Directory, Either, Home, Name};
        let one = |right, site| Permission::Right(Rights::of(&[right]), site);
        let either = |rights: [Right; 2], site| Permission::Right(Rights::of(&rights), site);
        match self {
            Self::Login { .. } | Self::Prove { .. } => Permission::None,
            Self::User(_) | Self::Password(_) | Self::Reinitialize => Permission::None,
            Self::Help(_) | Self::Noop | Self::Quit => Permission::None,
            Self::Security(_) | Self::Features | Self::Host(_) => Permission::None,
            Self::Parameter(Parameter::OnlyValue(_)) => Permission::None,
            Self::Data(_) | Self::Parameter(_) | Self::Abort => Permission::Login,
            Self::WorkingDirectory | Self::Status | Self::Usage | Self::System => Permission::Login,
            Self::SetPassword(_) | Self::Available(_) => Permission::Login,
            Self::Answer(Answer::RenameTo(path)) => one(Rename, Name(path)),
            Self::Answer(_) => Permission::Login,
            Self::ChangeDirectory(path) => Permission::Right(Rights::ALL, Directory(Some(path))),
            Self::List(list) => one(List, Directory(list.path.as_ref())),
            Self::Listing(listing) => one(List, Directory(listing.path.as_ref())),
            Self::Stages | Self::StagesInReply => one(List, Home),
            Self::Facts(path) | Self::Entry(Some(path)) => either([List, Get], Either(Some(path))),
            Self::ReadLink(path) => either([List, Get], Name(path)),
            Self::MakeLink { path, .. } => one(MakeDirectory, Name(path)),
            Self::Entry(None) => either([List, Get], Either(None)),
            Self::Size(path) | Self::ModifiedAt(path) => either([List, Get], Name(path)),
            Self::Retrieve(Retrieve { path, .. }) | Self::RetrieveStream(path) => one(Get, Name(path)),
            Self::RetrieveRange(RetrieveRange { path, .. }) => one(Get, Name(path)),
            Self::Hash { path, .. } | Self::Digest { path, .. } => one(Get, Name(path)),
            // What a taken name needs beside is known when the upload is opened.
            Self::Store(Store { path, .. }) | Self::DropStage(path) => one(Put, Name(path)),
            Self::StoreStream { path, .. } => one(Put, Name(path)),
            Self::StoreUnique(Some(path)) => one(Put, Name(path)),
            Self::StoreUnique(None) => one(Put, Directory(None)),
            Self::Delete(path) => either([Delete, RemoveDirectory], Name(path)),
            Self::RemoveFile(path) => one(Delete, Name(path)),
            Self::RemoveDirectory(path) => one(RemoveDirectory, Name(path)),
            Self::MakeDirectory(path) => one(MakeDirectory, Name(path)),
            Self::RenameFrom(path) | Self::RenameOver(path) => one(Rename, Name(path)),
            Self::SetAttributes(SetAttributes { path, .. }) => one(Replace, Name(path)),
            Self::SetModified { path, .. } | Self::SetMode { path, .. } => one(Replace, Name(path)),
        }
    }

    /// The verb under which the access log lists the command.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Login { .. } => "USER",
            Self::Prove { .. } => "PASS",
            Self::WorkingDirectory => "PWD",
            Self::ChangeDirectory(_) => "CWD",
            Self::List(_) => "LIST",
            Self::Retrieve(_) | Self::RetrieveRange(_) => "RETR",
            Self::Store(_) => "STOR",
            Self::Delete(_) => "DELE",
            Self::MakeDirectory(_) => "MKD",
            Self::MakeLink { .. } => "SYMLINK",
            Self::ReadLink(_) => "READLINK",
            Self::RenameFrom(_) => "RENAME",
            Self::Status | Self::Facts(_) => "STAT",
            Self::Usage => "DF",
            Self::Hash { .. } => "HASH",
            Self::Stages | Self::StagesInReply | Self::DropStage(_) => "STAGES",
            Self::SetAttributes(_) => "SETATTR",
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

    /// The path that the command is about.
    pub fn subject(&self) -> Option<&PathArg> {
        match self {
            Self::ChangeDirectory(path) | Self::Delete(path) | Self::MakeDirectory(path) => {
                Some(path)
            }
            Self::RenameFrom(path) | Self::Facts(path) | Self::DropStage(path) => Some(path),
            Self::Hash { path, .. } | Self::MakeLink { path, .. } => Some(path),
            Self::ReadLink(path) => Some(path),
            Self::Retrieve(retrieve) => Some(&retrieve.path),
            Self::RetrieveRange(retrieve) => Some(&retrieve.path),
            Self::SetAttributes(set) => Some(&set.path),
            Self::Store(store) => Some(&store.path),
            Self::List(list) => list.path.as_ref(),
            Self::StoreUnique(path) | Self::Entry(path) => path.as_ref(),
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
