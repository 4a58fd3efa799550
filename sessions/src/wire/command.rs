//! What a peer asks: one meaning each, whatever the dialect spelled it with.

use super::stamp::Stamp;
use crate::digest::{Algorithm, Md5Sum};
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
    Retrieve {
        path: PathArg,
        turn: Turn,
    },
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
}

/// An upload as asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Store {
    pub path: PathArg,
    /// The whole file, in bytes.
    pub size: u64,
    pub modified: Option<Stamp>,
    pub md5: Option<Md5Sum>,
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
    ResumeDownload { offset: u64, md5: Md5Sum },
    /// 211: resume the upload.
    ResumeUpload,
    /// 225: all sent.
    AllSent { md5: Md5Sum },
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
            Self::Retrieve { .. } | Self::Hash { .. } | Self::Facts(_) => Needs::Login,
            Self::Status | Self::Usage | Self::Stages | Self::System => Needs::Login,
            Self::Abort | Self::Answer(_) | Self::SetPassword(_) => Needs::Login,
            Self::Store(_) | Self::Delete(_) | Self::MakeDirectory(_) => Needs::WriteAccess,
            Self::RenameFrom(_) | Self::DropStage(_) => Needs::WriteAccess,
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
            Self::Retrieve { .. } => "RETR",
            Self::Store(_) => "STOR",
            Self::Delete(_) => "DELE",
            Self::MakeDirectory(_) => "MKD",
            Self::RenameFrom(_) => "RENAME",
            Self::Status | Self::Facts(_) => "STAT",
            Self::Usage => "DF",
            Self::Hash { .. } => "HASH",
            Self::Stages | Self::DropStage(_) => "STAGES",
            Self::SetPassword(_) => "PASSWD",
            Self::System => "SYST",
            Self::Help(_) => "HELP",
            Self::Noop => "NOOP",
            Self::Abort => "ABOR",
            Self::Quit => "QUIT",
            Self::Answer(_) => "ANSWER",
        }
    }

    /// The path it is about.
    pub fn subject(&self) -> Option<&PathArg> {
        match self {
            Self::ChangeDirectory(path) | Self::Delete(path) | Self::MakeDirectory(path) => {
                Some(path)
            }
            Self::RenameFrom(path) | Self::Facts(path) | Self::DropStage(path) => Some(path),
            Self::Retrieve { path, .. } | Self::Hash { path, .. } => Some(path),
            Self::Store(store) => Some(&store.path),
            Self::List(path) => path.as_ref(),
            _ => None,
        }
    }
}
