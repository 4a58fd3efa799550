//! The state in which a file, or a part of one, is hashed, and what a client may say meanwhile.

use std::time::Instant;

use super::context::Context;
use super::continuations::{AfterDigest, AfterJob};
use super::dialect_rules::LongWork;
use super::job::DigestUpdate;
use super::parameters::Setting;
use super::session::{Accepts, Effect, State};
use crate::digest::Algorithm;
use crate::transfer::{End, Task};
use crate::wire::command::{ByteRange, Command};
use crate::wire::reply::{Operation, Refusal, Reply, UnderWay};

/// A digest under way: what it is for and how far it is.
pub(super) struct Hashing {
    purpose: AfterDigest,
    began: Instant,
    done: u64,
    of: u64,
    interruption: Interruption,
}

/// What the client said while the digest was under way.
enum Interruption {
    None,
    /// ABOR came; the digest is not used even if it is finished by then.
    Abort,
    /// The client was told to ask again; the digest goes on for then.
    ToldToRetry,
    /// The client sent another command, which is handled when the digest has stopped.
    Superseded(Box<Command>),
}

impl Hashing {
    /// Hashes the first `to` bytes of the open file.
    pub(super) fn begin(
        purpose: AfterDigest,
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

    /// Hashes a range of the open file.
    pub(super) fn begin_range(
        purpose: AfterDigest,
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

    /// Bytes hashed, and bytes to hash.
    pub(super) fn progress(&self) -> (u64, u64) {
        (self.done, self.of)
    }

    pub(super) fn with_progress(self, done: u64) -> Self {
        Self { done, ..self }
    }

    /// Handles a command during the digest; ABOR is answered when the worker has stopped.
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

    /// Tells a client that has waited long enough to ask again; the digest goes on meanwhile.
    pub(super) fn on_timeout(self, cx: &mut Context<'_>) -> State {
        if !matches!(self.interruption, Interruption::None) {
            return State::Hashing(self);
        }
        cx.reply(Reply::Refused {
            operation: Operation::Hash,
            why: Refusal::DigestTakesLong,
        });
        State::Hashing(Self {
            interruption: Interruption::ToldToRetry,
            ..self
        })
    }

    /// Which lines are taken: all of them once the client was told to ask again.
    pub(super) fn accepts(&self, long_work: LongWork) -> Accepts {
        match (&self.interruption, long_work) {
            (Interruption::None, LongWork::ReportProgress) => Accepts::AbortOnly,
            (Interruption::None, LongWork::AskToRetry) => Accepts::UrgentOnly,
            (Interruption::ToldToRetry, _) => Accepts::AllLines,
            (Interruption::Abort | Interruption::Superseded(_), _) => Accepts::Nothing,
        }
    }

    /// Handles a command of a client that was told to ask again.
    fn on_next_command(self, command: Command, cx: &mut Context<'_>) -> State {
        if command == Command::Abort {
            cx.reply(Reply::NothingToAbort);
            return State::Hashing(self);
        }
        if let Command::Parameter(parameter) = &command
            && let Setting::Done(reply) = cx.shared.parameters.set(parameter)
        {
            cx.reply(Reply::Parameter(reply));
            return State::Hashing(self);
        }
        let same = match (&self.purpose, &command) {
            (AfterDigest::Range(part), Command::Digest { path, .. }) => {
                cx.resolve(path).is_ok_and(|path| path == part.path)
            }
            _ => false,
        };
        if same {
            let why = Refusal::DigestTakesLong;
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
                cx.close_file(DigestUpdate::None);
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
