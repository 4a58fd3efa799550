//! A file, or the part of one, is being hashed; what for decides what follows.

use std::time::Instant;

use super::context::Context;
use super::download::{self, Offered};
use super::job::{DigestNews, Job};
use super::manners::LongWork;
use super::session::{Accepts, AfterJob, Effect, State};
use super::{parameters, upload};
use crate::digest::{Algorithm, Sum};
use crate::path::VirtualPath;
use crate::transfer::{End, Task};
use crate::wire::command::{ByteRange, Command, DigestForm, Parameter, Turn};
use crate::wire::reply::{Operation, Refusal, Reply, UnderWay};
use crate::wire::stamp::Stamp;

pub(super) struct Hashing {
    purpose: HashPurpose,
    began: Instant,
    done: u64,
    of: u64,
    interruption: Interruption,
}

/// What the peer wants of it.
enum Interruption {
    None,
    /// ABOR came; a digest that was done by then changes nothing.
    Abort,
    /// Who asked was told to come again; it goes on for that.
    ToldToRetry,
    /// The peer wants something else by now.
    Superseded(Box<Command>),
}

pub(super) enum HashPurpose {
    /// HASH.
    Hash(VirtualPath),
    /// The client's part of a download, which it says has this digest.
    ResumeDownload { offered: Offered, claimed: Sum },
    /// The stage that an upload may go on from.
    PartOffer(upload::Plan),
    /// A published file of the size that was to be uploaded.
    Existing { turn: Turn },
    /// A client says that what it got is not what was promised.
    Recheck { path: VirtualPath, remembered: Sum },
    /// A part of a file.
    Digest(Box<FilePart>),
}

/// What a digest is of, and how it is to be told.
pub(super) struct FilePart {
    pub(super) path: VirtualPath,
    pub(super) range: ByteRange,
    pub(super) algorithm: Algorithm,
    /// Of the whole file, as it was when it was opened.
    pub(super) size: u64,
    pub(super) modified: Stamp,
    pub(super) form: DigestForm,
}

impl FilePart {
    /// The same bytes of the same file, as far as can be seen.
    fn is(&self, other: &Self) -> bool {
        let facts = |part: &Self| (part.range, part.algorithm, part.size, part.modified);
        self.path == other.path && facts(self) == facts(other)
    }

    /// A digest of the whole is worth remembering with the file.
    fn news(&self, sum: Sum) -> DigestNews {
        match self.range.start == 0 && self.range.end == self.size {
            true => DigestNews::Computed(sum),
            false => DigestNews::None,
        }
    }
}

/// The last digest that came too late for who had asked.
pub(super) struct LateDigest {
    part: Box<FilePart>,
    sum: Sum,
}

impl LateDigest {
    pub(super) fn digest_of(&self, part: &FilePart) -> Option<Sum> {
        self.part.is(part).then_some(self.sum)
    }
}

impl Hashing {
    pub(super) fn begin(
        purpose: HashPurpose,
        to: u64,
        algorithm: Algorithm,
        cx: &mut Context<'_>,
    ) -> State {
        cx.begin_task(Task::Digest { to, algorithm });
        State::Hashing(Self {
            purpose,
            began: cx.now,
            done: 0,
            of: to,
            interruption: Interruption::None,
        })
    }

    /// Of a part of the file.
    pub(super) fn begin_range(
        purpose: HashPurpose,
        range: ByteRange,
        algorithm: Algorithm,
        cx: &mut Context<'_>,
    ) -> State {
        cx.begin_task(Task::DigestRange {
            from: range.start,
            to: range.end,
            algorithm,
        });
        State::Hashing(Self {
            purpose,
            began: cx.now,
            done: 0,
            of: range.end - range.start,
            interruption: Interruption::None,
        })
    }

    pub(super) fn progress(&self) -> (u64, u64) {
        (self.done, self.of)
    }

    pub(super) fn with_progress(self, done: u64) -> Self {
        Self { done, ..self }
    }

    /// What is heard meanwhile; ABOR's answer comes when the worker is back.
    pub(super) fn on_command(mut self, command: Command, cx: &mut Context<'_>) -> State {
        match command {
            Command::Noop => cx.reply(Reply::Noop),
            Command::Status => cx.reply(Reply::UnderWay(UnderWay {
                moved: self.done,
                of: Some(self.of),
                seconds: cx.now.duration_since(self.began).as_secs(),
            })),
            other if matches!(self.interruption, Interruption::ToldToRetry) => {
                return self.on_next_command(other, cx);
            }
            Command::Abort => {
                cx.effects.push(Effect::StopTransfer);
                self.interruption = Interruption::Abort;
            }
            _ => {}
        }
        State::Hashing(self)
    }

    /// Whoever asked is answered before his patience ends, and told to come
    /// again: what he wants is made meanwhile.
    pub(super) fn on_timeout(self, cx: &mut Context<'_>) -> State {
        if !matches!(self.interruption, Interruption::None) {
            return State::Hashing(self);
        }
        cx.reply(Reply::Refused {
            operation: Operation::Hash,
            why: Refusal::NotReady,
        });
        State::Hashing(Self {
            interruption: Interruption::ToldToRetry,
            ..self
        })
    }

    pub(super) fn accepts(&self, long_work: LongWork) -> Accepts {
        match (&self.interruption, long_work) {
            (Interruption::None, LongWork::ReportProgress) => Accepts::AbortOnly,
            (Interruption::None, LongWork::AskToRetry) => Accepts::UrgentOnly,
            (Interruption::ToldToRetry, _) => Accepts::AllLines,
            (Interruption::Abort | Interruption::Superseded(_), _) => Accepts::Nothing,
        }
    }

    /// The peer comes again, sets something, or goes on with something else.
    fn on_next_command(self, command: Command, cx: &mut Context<'_>) -> State {
        match command {
            Command::Abort => {
                cx.reply(Reply::NothingToAbort);
                return State::Hashing(self);
            }
            Command::Parameter(parameter) if !matches!(parameter, Parameter::Allocate(_)) => {
                parameters::set(parameter, cx);
                return State::Hashing(self);
            }
            _ => {}
        }
        let same = match (&self.purpose, &command) {
            (HashPurpose::Digest(part), Command::Digest { path, .. }) => {
                cx.resolve(path).is_ok_and(|path| path == part.path)
            }
            _ => false,
        };
        if same {
            let why = Refusal::NotReady;
            cx.reply(Reply::Refused {
                operation: Operation::Hash,
                why,
            });
            return State::Hashing(self);
        }
        cx.effects.push(Effect::StopTransfer);
        State::Hashing(Self {
            interruption: Interruption::Superseded(Box::new(command)),
            ..self
        })
    }

    pub(super) fn on_end(self, end: End, cx: &mut Context<'_>) -> State {
        match (end, self.interruption) {
            (End::Complete { sum: Some(sum), .. }, Interruption::ToldToRetry) => {
                self.purpose.keep(sum, cx)
            }
            (_, Interruption::ToldToRetry) => {
                cx.close_file(DigestNews::None);
                State::ready()
            }
            (_, Interruption::Superseded(command)) => {
                let job = cx.start_job(self.purpose.closing_job());
                State::working(job, AfterJob::Handle(command))
            }
            (End::Complete { sum: Some(sum), .. }, Interruption::None) => {
                self.purpose.hashed(sum, self.of, cx)
            }
            (End::Refused(why), _) => self.purpose.close_and_reply(why, cx),
            (End::Stopped, Interruption::None) => {
                let job = cx.start_job(self.purpose.closing_job());
                State::working(job, AfterJob::Reply(Reply::Stopped))
            }
            (End::Stopped | End::Complete { .. }, Interruption::Abort) => {
                let job = cx.start_job(self.purpose.closing_job());
                State::working(job, AfterJob::Reply(Reply::Aborted))
            }
            _ => self.purpose.close_and_reply(Refusal::Fault, cx),
        }
    }
}

impl HashPurpose {
    fn hashed(self, sum: Sum, size: u64, cx: &mut Context<'_>) -> State {
        match self {
            Self::Hash(path) => {
                cx.close_file(DigestNews::Computed(sum));
                cx.conclude(Reply::HashIs { path, size, sum })
            }
            Self::ResumeDownload { offered, claimed } => {
                offered.prefix_hashed(sum == claimed, size, cx)
            }
            Self::PartOffer(plan) => plan.part_hashed(sum, cx),
            Self::Existing { turn } => {
                cx.close_file(DigestNews::Computed(sum));
                upload::already_there(size, sum, turn, cx)
            }
            Self::Recheck { path, remembered } => download::rechecked(path, remembered, sum, cx),
            Self::Digest(part) => {
                cx.close_file(part.news(sum));
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

    /// For whoever asks again.
    fn keep(self, sum: Sum, cx: &mut Context<'_>) -> State {
        let Self::Digest(part) = self else {
            cx.close_file(DigestNews::None);
            return State::ready();
        };
        cx.close_file(part.news(sum));
        cx.shared.late_digest = Some(Box::new(LateDigest { part, sum }));
        State::ready()
    }

    fn closing_job(&self) -> Job {
        match self {
            Self::PartOffer(_) => Job::Suspend,
            _ => Job::CloseFile {
                digest: DigestNews::None,
            },
        }
    }

    fn close_and_reply(self, why: Refusal, cx: &mut Context<'_>) -> State {
        let job = cx.start_job(self.closing_job());
        let operation = match self {
            Self::Hash(_) | Self::Digest(_) => Operation::Hash,
            Self::ResumeDownload { .. } => Operation::Retrieve,
            Self::PartOffer(_) | Self::Existing { .. } => Operation::Store,
            Self::Recheck { .. } => return State::ready(),
        };
        State::working(job, AfterJob::Reply(Reply::Refused { operation, why }))
    }
}
