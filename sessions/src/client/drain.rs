//! Stopping: ABOR, and NOOP behind it whose 200 says that all before it was
//! answered. Whatever comes in between is read and forgotten.

use super::{Effect, Event, Outcome, finish};
use crate::transfer::Task;
use crate::wire::command::Command;
use crate::wire::native::answers::Answered;

/// Which answer has frames behind it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum FramesAfter {
    /// They are being discarded already, or there are none.
    None,
    /// Behind 150 (a listing, a download with no turn).
    Code150,
    /// Behind 210, or the 200 that tells a size.
    Code200,
}

#[derive(Debug)]
pub(super) struct Draining {
    pub(super) outcome: Box<Outcome>,
    frames: FramesAfter,
}

impl Draining {
    pub(super) fn begin(outcome: Outcome, frames: FramesAfter, out: &mut Vec<Effect>) -> Self {
        out.extend([Effect::Send(Command::Abort), Effect::Send(Command::Noop)]);
        Self {
            outcome: Box::new(outcome),
            frames,
        }
    }

    /// Stops what is being received in the middle of its frames.
    pub(super) fn begin_in_frames(
        outcome: Outcome,
        frames: FramesAfter,
        out: &mut Vec<Effect>,
    ) -> Self {
        let draining = Self::begin(outcome, frames, out);
        out.push(Effect::Begin(Task::Discard));
        draining
    }

    pub(super) fn on(self, event: Event, out: &mut Vec<Effect>) -> Option<Self> {
        let Event::Answered(answered) = event else {
            return Some(self);
        };
        if is_noop(&answered) {
            return finish(*self.outcome, out);
        }
        if self.frames.follow(&answered) {
            out.push(Effect::Begin(Task::Discard));
        }
        Some(self)
    }
}

impl FramesAfter {
    fn follow(self, answered: &Answered) -> bool {
        match self {
            Self::None => false,
            Self::Code150 => answered.code == 150,
            Self::Code200 => matches!(answered.code, 200 | 210),
        }
    }
}

/// The other 200s tell a size.
fn is_noop(answered: &Answered) -> bool {
    answered.code == 200 && answered.size.is_none()
}
