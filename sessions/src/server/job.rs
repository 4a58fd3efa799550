//! What a session asks of the workers, and what they answer: plain data.

use crate::digest::{Algorithm, Sum};
use crate::path::VirtualPath;
use crate::scram::Verifier;
use crate::wire::command::{NewVerifier, Replace, Secret};
use crate::wire::listing::Form;
pub use crate::wire::reply::Access;
use crate::wire::reply::{Facts, Refusal, Usage};
use crate::wire::stamp::Stamp;

/// Names one job of one session; an answer with another id is stale.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct JobId(pub u32);

/// Work that may block. A session has at most one file open: the opening jobs
/// open it, the closing ones take it away.
#[derive(Debug)]
pub enum Job {
    FindAccount {
        user: String,
    },
    /// Of the account found last.
    OpenHome,
    /// Of a login in clear; nobody of that name costs the same.
    CheckPassword {
        user: String,
        password: Secret,
    },
    SetPassword {
        verifier: Box<NewVerifier>,
    },
    ChangeDirectory {
        to: VirtualPath,
    },
    Facts {
        path: VirtualPath,
    },
    Usage,
    MakeDirectory {
        path: VirtualPath,
    },
    Remove {
        path: VirtualPath,
    },
    CheckSource {
        path: VirtualPath,
    },
    Rename {
        from: VirtualPath,
        to: VirtualPath,
    },
    DropStage {
        path: VirtualPath,
    },
    RemoveFile {
        path: VirtualPath,
    },
    RemoveDirectory {
        path: VirtualPath,
    },
    /// A file of the new name is replaced.
    RenameOver {
        from: VirtualPath,
        to: VirtualPath,
    },
    /// What a client takes for the name's size: of the file, or of its part.
    Size {
        path: VirtualPath,
    },
    ModifiedAt {
        path: VirtualPath,
    },
    SetModified {
        path: VirtualPath,
        modified: Stamp,
    },
    SetMode {
        path: VirtualPath,
        mode: u32,
    },
    /// A name like this one that nothing has.
    UniqueName {
        path: VirtualPath,
    },
    // opening
    OpenListing {
        path: VirtualPath,
        form: Form,
        access: Access,
    },
    OpenStages,
    OpenDownload {
        path: VirtualPath,
        reading: Reading,
    },
    OpenUpload {
        path: VirtualPath,
        size: u64,
        replace: Replace,
    },
    OpenStream {
        path: VirtualPath,
        /// Of the whole file, where it was announced.
        size: Option<u64>,
        start: StreamStart,
    },
    // on the open file
    /// Makes the open upload, which keeps some of what is there, ready for the
    /// bytes that come next.
    Prepare,
    /// Cuts the open upload to nothing.
    Restart,
    // closing
    Publish {
        sum: Sum,
        modified: Option<Stamp>,
    },
    /// Of an upload whose end is the stream's end.
    PublishStream {
        end: StreamEnd,
    },
    /// The upload's part stays, to be resumed.
    Suspend,
    /// The upload's part goes.
    Discard,
    /// Closes a download or a listing.
    CloseFile {
        digest: DigestNews,
    },
}

/// What an open download is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reading {
    /// Its bytes go out once, as they are.
    Once,
    /// Any part of it may be wanted, more than once, and its digest remembered.
    Parts,
}

/// What was learnt about a file's digest while it was open.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DigestNews {
    None,
    Computed(Sum),
    /// The remembered digest is not the disk's.
    Wrong,
}

/// How a job went.
#[derive(Debug)]
pub enum Completion {
    Done,
    Refused(Refusal),
    Account {
        verifier: Verifier,
        standing: Standing,
    },
    HomeOpen(Access, Rights),
    /// Whether a password was right.
    Identified(Standing),
    Size(u64),
    ModifiedAt(Stamp),
    Name(VirtualPath),
    Facts(Facts),
    Usage(Usage),
    Listing,
    Download(DownloadFacts),
    /// An upload is open; `have` bytes of it are staged.
    Upload {
        have: u64,
    },
    /// A published file of the same size, which was not to be replaced.
    AlreadyThere {
        size: u64,
        remembered: Remembered,
    },
    Published {
        size: u64,
    },
}

/// Whether the verifier of a login is real.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    Known,
    /// No such user, or closed: every proof fails.
    Decoy,
}

/// A download that was opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DownloadFacts {
    pub size: u64,
    pub modified: Stamp,
    pub remembered: Remembered,
}

/// The digests that are remembered of a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Remembered {
    /// What it was verified by: a download is verified against what was stored,
    /// whatever the client prefers.
    pub verified: Option<Sum>,
    /// Another, read off the disk later.
    pub later: Option<Sum>,
}

impl Remembered {
    pub(super) fn by(&self, algorithm: Algorithm) -> Option<Sum> {
        let both = [self.verified, self.later];
        let mut known = both.into_iter().flatten();
        known.find(|sum| sum.algorithm() == algorithm)
    }
}

/// Where an upload goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StreamStart {
    /// At this byte of what the name has.
    Offset(u64),
    /// Behind what the name has.
    End,
}

/// How much the end of an upload says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StreamEnd {
    /// All is there: TLS closed it, or an announced size was reached, or it is
    /// so short that its client had it on the way in one piece.
    Told,
    /// The connection ended, as it also does when its client is killed.
    Seen,
}

/// What the operator grants an account's streams.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Rights {
    pub close_notify: CloseNotify,
    pub lost_control: LostControl,
}

/// Whether an upload under TLS must end with close_notify.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum CloseNotify {
    #[default]
    Required,
    /// Its absence is logged.
    Wished,
}

/// An upload whose control connection ended before it did, with no QUIT.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum LostControl {
    /// Its part stays.
    #[default]
    Suspends,
    /// Cameras hang up like this.
    Publishes,
}
