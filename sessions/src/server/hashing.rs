//! A file, or the part of one, is being hashed; what for decides what follows.

use super::context::Context;
use super::download::{self, Offered};
use super::job::{DigestNews, Job};
use super::session::{Effect, State, Then};
use super::upload;
use crate::digest::{Algorithm, Md5Sum, Sum};
use crate::path::VirtualPath;
use crate::transfer::{End, Task};
use crate::wire::command::{ByteRange, Command, DigestForm, Turn};
use crate::wire::reply::{Deed, Refusal, Reply};

pub(super) struct Hashing {
    purpose: For,
    done: u64,
    of: u64,
    wish: Wish,
}

/// What the peer wants of it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wish {
    GoOn,
    /// ABOR came; a digest that was done by then changes nothing.
    Stop,
    /// Who asked has waited long enough.
    TooLong,
}

pub(super) enum For {
    /// HASH.
    Hash(VirtualPath),
    /// The client's part of a download, which it says has this digest.
    ResumeDownload { offered: Offered, claimed: Md5Sum },
    /// The stage that an upload may go on from.
    PartOffer(upload::Plan),
    /// A published file of the size that was to be uploaded.
    Existing { turn: Turn },
    /// A client says that what it got is not what was promised.
    Recheck {
        path: VirtualPath,
        remembered: Option<Md5Sum>,
    },
    /// A part of a file.
    Digest {
        path: VirtualPath,
        range: ByteRange,
        /// Of the whole.
        size: u64,
        form: DigestForm,
    },
}

impl Hashing {
    pub(super) fn begin(
        purpose: For,
        to: u64,
        algorithm: Algorithm,
        cx: &mut Context<'_>,
    ) -> State {
        cx.begin(Task::Digest { to, algorithm });
        State::Hashing(Self {
            purpose,
            done: 0,
            of: to,
            wish: Wish::GoOn,
        })
    }

    /// Of a part of the file.
    pub(super) fn begin_range(
        purpose: For,
        range: ByteRange,
        algorithm: Algorithm,
        cx: &mut Context<'_>,
    ) -> State {
        cx.begin(Task::DigestRange {
            from: range.start,
            to: range.end,
            algorithm,
        });
        State::Hashing(Self {
            purpose,
            done: 0,
            of: range.end - range.start,
            wish: Wish::GoOn,
        })
    }

    pub(super) fn progress(&self) -> (u64, u64) {
        (self.done, self.of)
    }

    pub(super) fn progressed(self, done: u64) -> Self {
        Self { done, ..self }
    }

    /// Only ABOR is heard meanwhile; the answer comes when the worker is back.
    pub(super) fn on_command(self, command: Command, cx: &mut Context<'_>) -> State {
        if command != Command::Abort {
            return State::Hashing(self);
        }
        cx.effects.push(Effect::StopTransfer);
        State::Hashing(Self {
            wish: Wish::Stop,
            ..self
        })
    }

    /// Nobody is told how far it is: who asked is answered before his patience
    /// ends. What was hashed so far is lost.
    pub(super) fn on_timeout(self, cx: &mut Context<'_>) -> State {
        cx.effects.push(Effect::StopTransfer);
        State::Hashing(Self {
            wish: Wish::TooLong,
            ..self
        })
    }

    pub(super) fn on_end(self, end: End, cx: &mut Context<'_>) -> State {
        match (end, self.wish) {
            (End::Stopped, Wish::TooLong) => self.purpose.put_away(Refusal::NotReady, cx),
            (End::Complete { sum: Some(sum), .. }, Wish::GoOn | Wish::TooLong) => {
                self.purpose.hashed(sum, self.of, cx)
            }
            (End::Refused(why), _) => self.purpose.put_away(why, cx),
            (End::Stopped, _) | (End::Complete { .. }, Wish::Stop) => {
                let job = cx.work(self.purpose.closing_job());
                State::working(job, Then::Say(Reply::Aborted))
            }
            _ => self.purpose.put_away(Refusal::Fault, cx),
        }
    }
}

impl For {
    fn hashed(self, sum: Sum, size: u64, cx: &mut Context<'_>) -> State {
        match self {
            Self::Hash(path) => {
                cx.close_file(DigestNews::Computed(sum));
                cx.conclude(Reply::HashIs { path, size, sum })
            }
            Self::ResumeDownload { offered, claimed } => {
                offered.prefix_hashed(sum.md5() == Some(claimed), size, cx)
            }
            Self::PartOffer(plan) => plan.part_hashed(sum, cx),
            Self::Existing { turn } => {
                cx.close_file(DigestNews::Computed(sum));
                upload::already_there(size, sum.md5(), turn, cx)
            }
            Self::Recheck { path, remembered } => download::rechecked(path, remembered, sum, cx),
            Self::Digest {
                path,
                range,
                size: whole,
                form,
            } => {
                let all = range.start == 0 && range.end == whole;
                cx.close_file(match all {
                    true => DigestNews::Computed(sum),
                    false => DigestNews::None,
                });
                cx.conclude(Reply::DigestIs {
                    path,
                    range,
                    sum,
                    form,
                })
            }
        }
    }

    fn closing_job(&self) -> Job {
        match self {
            Self::PartOffer(_) => Job::Suspend,
            _ => Job::CloseFile {
                digest: DigestNews::None,
            },
        }
    }

    fn put_away(self, why: Refusal, cx: &mut Context<'_>) -> State {
        let job = cx.work(self.closing_job());
        let deed = match self {
            Self::Hash(_) | Self::Digest { .. } => Deed::Hash,
            Self::ResumeDownload { .. } => Deed::Retrieve,
            Self::PartOffer(_) | Self::Existing { .. } => Deed::Store,
            Self::Recheck { .. } => return State::ready(),
        };
        State::working(job, Then::Say(Reply::Refused { deed, why }))
    }
}
