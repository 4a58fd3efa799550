//! Stops a dialogue: sends ABOR, and NOOP behind it, whose 200 tells that everything before it was
//! answered. Answers in between are ignored, and frames discarded. The stopped command may have been
//! answered by a 200 like that of NOOP, but not behind ABOR's own answer.

use super::{Effect, Event, Outcome, finish};
use crate::transfer::Task;
use crate::wire::command::Command;
use crate::wire::native::replies::ReplyLine;

/// After which answer frames come that must be discarded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum FramesAfter {
    /// No answer: the frames are being discarded already, or there are none.
    None,
    /// 150 (a listing, a download without a turn).
    Code150,
    /// 210, or the 200 that tells a size.
    Code200,
}

/// A dialogue that was stopped, until everything is answered.
#[derive(Debug)]
pub(super) struct Draining {
    pub(super) outcome: Box<Outcome>,
    frames: FramesAfter,
    awaited: Awaited,
}

/// The answer that a stopped dialogue waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Awaited {
    /// 226, or 550 where that is the final answer to what was stopped.
    Abort,
    Noop,
}

impl Draining {
    pub(super) fn begin(outcome: Outcome, frames: FramesAfter, out: &mut Vec<Effect>) -> Self {
        out.extend([Effect::Send(Command::Abort), Effect::Send(Command::Noop)]);
        Self {
            outcome: Box::new(outcome),
            frames,
            awaited: Awaited::Abort,
        }
    }

    /// Stops a dialogue that is receiving frames.
    pub(super) fn begin_in_frames(
        outcome: Outcome,
        frames: FramesAfter,
        out: &mut Vec<Effect>,
    ) -> Self {
        let draining = Self::begin(outcome, frames, out);
        out.push(Effect::Begin(Task::Discard));
        draining
    }

    pub(super) fn on(mut self, event: Event, out: &mut Vec<Effect>) -> Option<Self> {
        let Event::Answered(answered) = event else {
            return Some(self);
        };
        match self.awaited {
            Awaited::Noop if is_noop(&answered) => return finish(*self.outcome, out),
            Awaited::Abort if matches!(answered.code, 226 | 550) => self.awaited = Awaited::Noop,
            Awaited::Abort | Awaited::Noop => {}
        }
        if self.frames.follow(&answered) {
            out.push(Effect::Begin(Task::Discard));
        }
        Some(self)
    }
}

impl FramesAfter {
    fn follow(self, answered: &ReplyLine) -> bool {
        match self {
            Self::None => false,
            Self::Code150 => answered.code == 150,
            Self::Code200 => matches!(answered.code, 200 | 210),
        }
    }
}

/// Whether this is the 200 of NOOP; other 200s tell a size.
fn is_noop(answered: &ReplyLine) -> bool {
    answered.code == 200 && answered.size.is_none()
}
