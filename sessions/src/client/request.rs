//! Runs a command of the client that has one final reply.

use super::drain::{Draining, FramesAfter};
use super::{Effect, Event, Outcome, finish};
use crate::wire::command::Command;

#[derive(Debug)]
pub(super) enum Request {
    Asked,
    Draining(Draining),
}

impl Request {
    pub(super) fn begin(command: Command, out: &mut Vec<Effect>) -> Self {
        out.push(Effect::Send(command));
        Self::Asked
    }

    pub(super) fn on(self, event: Event, out: &mut Vec<Effect>) -> Option<Self> {
        match (self, event) {
            (Self::Draining(draining), event) => draining.on(event, out).map(Self::Draining),
            (Self::Asked, Event::Answered(answered)) if answered.is_preliminary() => {
                finish(Outcome::OutOfOrder(answered), out)
            }
            (Self::Asked, Event::Answered(answered)) => finish(Outcome::Replied(answered), out),
            (Self::Asked, Event::Stop) => Some(Self::Draining(Draining::begin(
                Outcome::Stopped,
                FramesAfter::None,
                out,
            ))),
            (state, _) => Some(state),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Dialogue;
    use crate::client::script::Script;

    fn pwd() -> Script {
        let mut out = Vec::new();
        let dialogue = Dialogue::request(Command::WorkingDirectory, &mut out);
        Script::new(dialogue, out)
    }

    #[test]
    fn one_reply_ends_it() {
        let mut script = pwd();
        script.sends("PWD");
        script.hears("111 done=1 of=2 working").works(1, 2);
        script.hears("257 /a").ends_with_code(257);
    }

    #[test]
    fn a_421_ends_anything() {
        let mut script = pwd();
        script.sends("PWD");
        let closing = script.hears("421 the server is shutting down").outcome();
        assert!(matches!(closing, Outcome::Closing(answered) if answered.code == 421));
    }

    #[test]
    fn a_preliminary_reply_makes_no_sense_here() {
        let mut script = pwd();
        script.sends("PWD");
        assert!(matches!(
            script.hears("150 what").outcome(),
            Outcome::OutOfOrder(_)
        ));
    }

    #[test]
    fn a_stop_reads_on_until_all_was_answered() {
        let mut script = pwd();
        script.sends("PWD");
        script.event(Event::Stop).sends("ABOR").sends("NOOP");
        script.hears("257 /a").nothing();
        script.hears("226 nothing to abort").nothing();
        assert_eq!(script.hears("200 ok").outcome(), Outcome::Stopped);
    }

    /// Else the next command would get the answers to ABOR.
    #[test]
    fn a_stopped_command_that_is_answered_like_noop_is_not_the_end() {
        let mut script = pwd();
        script.sends("PWD");
        script.event(Event::Stop).sends("ABOR").sends("NOOP");
        script.hears("200 ok").nothing();
        script.hears("226 nothing to abort").nothing();
        assert_eq!(script.hears("200 ok").outcome(), Outcome::Stopped);
    }
}
