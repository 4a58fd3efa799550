//! Defines the jobs that a session gives to the workers, and their answers, as plain data.

use std::sync::Arc;
use std::time::Duration;

use super::terms::Terms;
use crate::digest::{Algorithm, Sum};
use crate::path::{LinkTarget, PathArg, VirtualPath};
use crate::rights::{Grant, Permissions, Rights};
use crate::scram::{Binding, Verifier};
use crate::wire::command::{PasswordChange, Replace, Secret};
use crate::wire::listing::{Form, Options};
use crate::wire::reply::{Entry, Facts, Refusal, Truncation, Usage};
use crate::wire::stamp::Stamp;

/// The number of a job in its session. An answer with another number than the awaited one is stale.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct JobId(pub u32);

/// Work that may block. A session has at most one file open: the opening jobs open it, the closing
/// ones close it.
#[derive(Debug)]
pub enum Job {
    FindAccount {
        user: String,
    },
    /// Opens the home of the account that was found last.
    OpenHome,
    /// Checks a password that was sent as it is; an unknown user costs the same time.
    CheckPassword {
        user: String,
        password: Secret,
    },
    /// Asks whether the certificate that the client has shown is this user's, who needs no password
    /// then.
    CheckCertificate {
        user: String,
    },
    /// Changes the password of the session's user, if the proof is right on this channel.
    SetPassword {
        change: Box<PasswordChange>,
        binding: Binding,
    },
    ChangeDirectory {
        to: VirtualPath,
    },
    Facts {
        path: VirtualPath,
    },
    /// Asks for the facts of what has the name: of a link, not of what it leads to.
    Entry {
        path: VirtualPath,
    },
    Usage,
    /// Asks for the quota of a directory, which must be there.
    UsageIn {
        folder: VirtualPath,
    },
    MakeDirectory {
        path: VirtualPath,
    },
    MakeLink {
        path: VirtualPath,
        target: LinkTarget,
    },
    ReadLink {
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
    /// Renames a file, and replaces a file of the new name.
    RenameOver {
        from: VirtualPath,
        to: VirtualPath,
    },
    /// Asks for the size from which a client would resume: of the file, or of its stage.
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
    /// Sets what is given, and asks for the facts then.
    SetAttributes {
        path: VirtualPath,
        modified: Option<Stamp>,
        mode: Option<u32>,
    },
    /// Finds a free name like this one.
    UniqueName {
        path: VirtualPath,
    },
    // opening
    OpenListing(Box<ListingRequest>),
    /// Opens the list of unfinished uploads, of folders that the account may list.
    OpenStages {
        permissions: Permissions,
    },
    OpenDownload {
        path: VirtualPath,
        reading: Reading,
    },
    /// Opens an upload whose client compares digests before it resumes: if it is interrupted, all
    /// bytes are kept.
    OpenUpload {
        path: VirtualPath,
        size: u64,
        replace: Replace,
        grant: Grant,
    },
    /// Opens an upload whose client resumes by size alone: if it is interrupted, all bytes but the
    /// last are kept, so that no client takes the stage for its whole, published file.
    OpenStream {
        path: VirtualPath,
        /// The whole file's size in bytes, where the client announced it.
        size: Option<u64>,
        start: StreamStart,
        grant: Grant,
    },
    // on the open file
    /// Prepares the open upload, which keeps some of the file, for the bytes that come next.
    Prepare,
    /// Truncates the open upload to 0 bytes.
    Restart,
    /// Does what comes before an upload that came as a stream gets its name, which takes long where
    /// its bytes are to be synced.
    ReadyStream,
    // closing
    Publish {
        sum: Sum,
        modified: Option<Stamp>,
    },
    /// Publishes an upload that came as a stream.
    PublishStream,
    /// Closes an upload and keeps its stage, to be resumed.
    Suspend {
        cause: KeptBecause,
    },
    /// Closes an upload and removes its stage.
    Discard,
    /// Closes a download or a listing.
    CloseFile {
        digest: DigestUpdate,
    },
}

/// A listing to be opened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListingRequest {
    pub place: Place,
    /// Listed instead of `place` if it is there: an argument that looks like options.
    pub literal: Option<Place>,
    pub options: Options,
    pub form: Form,
    /// What the account may do with the names that are listed.
    pub rights: Rights,
}

/// A path that is to be listed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    pub path: VirtualPath,
    /// The path as the client wrote it; `None` is the working directory.
    pub typed: Option<PathArg>,
}

impl Job {
    /// Closes an upload that is refused in the middle. Its stage is kept only where the cause may
    /// pass: nobody asked to keep what can never be published, or what the quota has no room for.
    pub(super) fn close_refused_upload(why: Refusal) -> Self {
        match why {
            Refusal::Busy
            | Refusal::NotReady
            | Refusal::NoHome
            | Refusal::NoFolder
            | Refusal::Overloaded
            | Refusal::DiskFull
            | Refusal::Changed
            | Refusal::Fault
            | Refusal::DigestTakesLong
            | Refusal::Stopped
            | Refusal::DiskFailed
            | Refusal::DiskReadOnly
            | Refusal::NoAccount
            | Refusal::NoAccounts
            | Refusal::TooManySessions => Self::Suspend {
                cause: KeptBecause::Refused(why),
            },
            Refusal::OverQuota { .. } | Refusal::TooManyEntries => Self::Discard,
            Refusal::TooLong | Refusal::BadFrame => Self::Discard,
            Refusal::NotFound | Refusal::NotADirectory | Refusal::IsADirectory => Self::Discard,
            Refusal::Exists | Refusal::NotEmpty | Refusal::AboveHome => Self::Discard,
            Refusal::LeadsOut | Refusal::Forbidden | Refusal::ReadOnly => Self::Discard,
            Refusal::NoRight(_) | Refusal::Link | Refusal::NotNow => Self::Discard,
            Refusal::NotRegular | Refusal::BadName | Refusal::OtherDevice => Self::Discard,
            Refusal::NameTooLong | Refusal::TheHome | Refusal::IntoItself => Self::Discard,
            Refusal::NotRecursive | Refusal::TargetLeadsOut | Refusal::NotALink => Self::Discard,
            Refusal::PasswordFixed | Refusal::WrongPassword => Self::Discard,
            Refusal::NoStaging | Refusal::BadOffset { .. } | Refusal::TwoSizes => Self::Discard,
        }
    }
}

/// Why an upload is kept instead of published, for the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeptBecause {
    /// The client stopped it, or went on to something else.
    ByClient,
    /// The server or the session is to end, or another session wants the name.
    ByServer,
    /// No byte came for too long.
    Stalled,
    /// The data connection broke off, or was never there.
    DataLost,
    /// The data connection ended without TLS close_notify.
    NoCloseNotify(Truncation),
    /// The control connection ended without QUIT.
    ControlLost,
    /// The server could not store it.
    Refused(Refusal),
}

/// How an open download will be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reading {
    /// Once, from front to end, without a digest.
    Once,
    /// Any part, more than once; its digest may be remembered.
    Parts,
}

/// What the session learnt about a file's digest while the file was open.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DigestUpdate {
    None,
    /// The digest of the whole file, to be remembered.
    Computed(Sum),
    /// The remembered digest is not that of the bytes on the disk.
    Wrong,
}

/// The answer to a job.
#[derive(Debug)]
pub enum Completion {
    Done,
    Refused(Refusal),
    Account {
        verifier: Verifier,
        standing: Standing,
    },
    HomeOpen(Arc<Terms>),
    /// Answers `CheckPassword`: `Known` for the right password; and `CheckCertificate`.
    Identified(Standing),
    Size(u64),
    ModifiedAt(Stamp),
    Name(VirtualPath),
    Facts(Facts),
    Entry(Entry),
    LinkTarget(LinkTarget),
    Usage(Usage),
    Listing,
    Download(DownloadFacts),
    /// An upload is open; its stage holds `have` bytes.
    Upload {
        have: u64,
        /// The name that the server chose, as the one that was asked for is taken.
        name: Option<VirtualPath>,
    },
    /// A file of the same size has the name and was not to be replaced.
    AlreadyThere,
    Published {
        size: u64,
    },
    /// Answers `ReadyStream`: how long after the end of its bytes the control connection must be
    /// watched before the upload is published.
    StreamReady {
        grace: Duration,
    },
}

/// Whether a login's verifier is that of a real account.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    Known,
    /// There is no such user, or the account is closed: every proof fails.
    Decoy,
}

/// What is known of an open download; the size in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DownloadFacts {
    pub size: u64,
    pub modified: Stamp,
    pub changed: ChangeTime,
    pub remembered: Remembered,
}

/// When anything of a file was changed last (its ctime), which nobody can put back.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ChangeTime {
    pub seconds: i64,
    pub nanoseconds: u32,
}

/// The digests that the server remembers of a file. The file may have been changed since by a
/// program that put its mtime back: a download is verified by them, whose client notices that, and
/// nobody is told them as what is on the disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Remembered {
    /// The digest that the upload was verified by. Downloads are verified by it too, whatever the
    /// client prefers.
    pub verified: Option<Sum>,
    /// A digest by another algorithm, read from the disk later.
    pub later: Option<Sum>,
}

impl Remembered {
    pub(super) fn by(&self, algorithm: Algorithm) -> Option<Sum> {
        let both = [self.verified, self.later];
        let mut known = both.into_iter().flatten();
        known.find(|sum| sum.algorithm() == algorithm)
    }
}

/// Where an upload's bytes go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StreamStart {
    /// From this byte of the file, or of its stage, on.
    Offset(u64),
    /// Behind the end of the file, or of its stage.
    End,
}

/// What an upload without close_notify is published by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Evidence {
    /// The size that ALLO announced was reached exactly.
    AnnouncedSize,
    /// The control connection, under TLS too, did not end with it.
    LiveControl,
    /// Nothing: the operator asks for none.
    None,
}
