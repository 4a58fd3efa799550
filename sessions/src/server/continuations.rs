//! Continues a dialogue after a worker's answer or a digest: one row for each thing that a state
//! waits for.

use super::context::Context;
use super::files::{self, SimpleCommand};
use super::job::{Completion, DigestUpdate, Job, KeptBecause};
use super::late_digest::{FilePart, LateDigest};
use super::ready::Ready;
use super::session::State;
use super::upload::Received;
use super::{download, listing, login, password_login, range, rename, stream, upload};
use crate::digest::Sum;
use crate::path::VirtualPath;
use crate::wire::command::{Command, Turn};
use crate::wire::reply::{Operation, Refusal, Reply};

/// What continues when a worker has answered.
pub(super) enum AfterJob {
    Challenge(Box<login::Request>),
    Welcome {
        user: String,
        scram: Vec<u8>,
    },
    SimpleCommand(SimpleCommand),
    RenameFrom(VirtualPath),
    Rename(rename::Over),
    List(Operation),
    Offer(download::Request),
    Range(range::RangeRequest),
    Recheck(VirtualPath),
    Hash(files::HashRequest),
    Upload(upload::Request),
    Existing(upload::Existing),
    Receive(upload::Plan, Reply),
    Published(Received),
    /// The client's certificate may be the user's.
    Recognize(String),
    Identify(String),
    /// The user's home is being opened, for what has proven the login.
    Enter(String, password_login::ProvenBy),
    Digest(files::DigestRequest),
    Stream(stream::Request),
    BeginStream(stream::Purpose),
    StreamReady(stream::Readying),
    StreamPublished(stream::Publishing),
    /// The file is being closed; then this is the reply.
    Reply(Reply),
    /// The file is being closed; then this command, which ended the dialogue, is handled.
    Handle(Box<Command>),
}

impl AfterJob {
    /// The table: which function handles the answer.
    pub(super) fn on_completed(self, completion: Completion, cx: &mut Context<'_>) -> State {
        match self {
            Self::Challenge(request) => request.on_completed(completion, cx),
            Self::Welcome { user, scram } => login::welcome(user, scram, completion, cx),
            Self::SimpleCommand(simple) => simple.on_completed(completion, cx),
            Self::RenameFrom(from) => rename::source_checked(from, completion, cx),
            Self::Rename(over) => rename::renamed(over, completion, cx),
            Self::List(operation) => listing::opened(operation, completion, cx),
            Self::Offer(request) => request.on_completed(completion, cx),
            Self::Range(request) => request.on_completed(completion, cx),
            Self::Recheck(path) => download::recheck_opened(path, completion, cx),
            Self::Hash(request) => request.on_completed(completion, cx),
            Self::Upload(request) => request.on_completed(completion, cx),
            Self::Existing(existing) => existing.on_completed(completion, cx),
            Self::Receive(plan, go) => plan.on_restarted(go, completion, cx),
            Self::Published(received) => received.on_published(completion, cx),
            Self::Identify(user) => password_login::identified(user, completion, cx),
            Self::Recognize(user) => password_login::recognized(user, completion, cx),
            Self::Enter(user, by) => password_login::enter(user, by, completion, cx),
            Self::Digest(request) => request.on_completed(completion, cx),
            Self::Stream(request) => request.on_completed(completion, cx),
            Self::BeginStream(purpose) => purpose.on_prepared(completion, cx),
            Self::StreamReady(readying) => readying.on_completed(completion, cx),
            Self::StreamPublished(publishing) => publishing.on_published(completion, cx),
            Self::Reply(reply) => cx.conclude(reply),
            Self::Handle(command) => Ready::default().on_command(*command, cx),
        }
    }
}

/// What continues when a digest is known.
pub(super) enum AfterDigest {
    /// HASH of the native dialect.
    Hash {
        path: VirtualPath,
        remembered: Option<Sum>,
    },
    /// A download's resume: the client says that its part has this digest.
    ResumeDownload {
        offered: download::Offered,
        claimed: Sum,
    },
    /// An upload's resume: the stage is hashed for the client to compare.
    PartOffer(upload::Plan),
    /// An upload to a name that has a file of the same size, which may be the same file.
    Existing {
        path: VirtualPath,
        turn: Turn,
        remembered: Option<Sum>,
    },
    /// A client reported that a download differs from the remembered digest.
    Recheck { path: VirtualPath, remembered: Sum },
    /// HASH and its like in FTP: a range of a file.
    Range(Box<FilePart>),
}

impl AfterDigest {
    /// Goes on with the digest of the first `size` bytes, or of the range.
    pub(super) fn hashed(self, sum: Sum, size: u64, cx: &mut Context<'_>) -> State {
        match self {
            Self::Hash { path, remembered } => {
                let update = cx.learn(&path, remembered, sum);
                cx.close_file(update);
                cx.conclude(Reply::HashIs { path, size, sum })
            }
            Self::ResumeDownload { offered, claimed } => {
                offered.prefix_hashed(claimed, sum, size, cx)
            }
            Self::PartOffer(plan) => plan.part_hashed(sum, cx),
            Self::Existing {
                path,
                turn,
                remembered,
            } => {
                let update = cx.learn(&path, remembered, sum);
                cx.close_file(update);
                upload::already_there(size, sum, turn, cx)
            }
            Self::Recheck { path, remembered } => download::rechecked(path, remembered, sum, cx),
            Self::Range(part) => {
                let update = part.learn(sum, cx);
                cx.close_file(update);
                let FilePart {
                    path, range, form, ..
                } = *part;
                cx.conclude(Reply::DigestIs {
                    path,
                    range,
                    sum,
                    form,
                })
            }
        }
    }

    /// Keeps a digest that is too late for the client, for when it asks again.
    pub(super) fn keep(self, sum: Sum, cx: &mut Context<'_>) -> State {
        let Self::Range(part) = self else {
            cx.close_file(DigestUpdate::None);
            return State::ready();
        };
        // To remember it with the file would change the file's ctime, by which it is found again.
        cx.close_file(DigestUpdate::None);
        cx.shared.late_digest = Some(Box::new(LateDigest::new(part, sum)));
        State::ready()
    }

    /// The job that closes the file which was hashed.
    pub(super) fn closing_job(&self) -> Job {
        match self {
            Self::PartOffer(_) => Job::Suspend {
                cause: KeptBecause::ByClient,
            },
            _ => Job::CloseFile {
                digest: DigestUpdate::None,
            },
        }
    }

    /// Closes the file and refuses what the digest was for.
    pub(super) fn close_and_reply(self, why: Refusal, cx: &mut Context<'_>) -> State {
        let job = cx.start_job(self.closing_job());
        let operation = match self {
            Self::Hash { .. } | Self::Range(_) => Operation::Hash,
            Self::ResumeDownload { .. } => Operation::Retrieve,
            Self::PartOffer(_) | Self::Existing { .. } => Operation::Store,
            Self::Recheck { .. } => return State::ready(),
        };
        State::working(job, AfterJob::Reply(Reply::Refused { operation, why }))
    }
}
