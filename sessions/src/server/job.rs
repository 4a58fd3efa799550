//! What a session asks of the workers, and what they answer: plain data.

use crate::digest::{Md5Sum, Sum};
use crate::path::VirtualPath;
use crate::scram::Verifier;
use crate::wire::command::{NewVerifier, Replace};
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
    // opening
    OpenListing {
        path: VirtualPath,
    },
    OpenStages,
    OpenDownload {
        path: VirtualPath,
    },
    OpenUpload {
        path: VirtualPath,
        size: u64,
        replace: Replace,
    },
    // on the open file
    /// Cuts the open upload to nothing.
    Restart,
    // closing
    Publish {
        md5: Md5Sum,
        modified: Option<Stamp>,
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
        standing: super::Standing,
    },
    HomeOpen(Access),
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
        md5: Option<Md5Sum>,
    },
    Published {
        size: u64,
    },
}

/// A download that was opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DownloadFacts {
    pub size: u64,
    pub modified: Stamp,
    /// Remembered digests.
    pub md5: Option<Md5Sum>,
    pub sha256: Option<[u8; 32]>,
}
