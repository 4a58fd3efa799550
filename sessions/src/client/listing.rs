//! Runs LIST and STAGES for the client: 150, frames, 226.

use super::drain::{Draining, FramesAfter};
use super::{Effect, Event, Outcome, finish, ignore_or_refuse};
use crate::transfer::{End, Hashing, Task};
use crate::wire::command::Command;

#[derive(Debug)]
pub(super) enum Listing {
    Asked,
    Receiving,
    Received,
    Draining(Draining),
}

/// The task that receives the entries.
const RECEIVE: Task = Task::Receive {
    from: 0,
    at_most: u64::MAX,
    hashing: Hashing::Off,
};

impl Listing {
    pub(super) fn begin(command: Command, out: &mut Vec<Effect>) -> Self {
        out.push(Effect::Send(command));
        Self::Asked
    }

    pub(super) fn on(self, event: Event, out: &mut Vec<Effect>) -> Option<Self> {
        match (self, event) {
            (Self::Draining(draining), event) => draining.on(event, out).map(Self::Draining),
            (Self::Asked, Event::Answered(answered)) if answered.code == 150 => {
                out.push(Effect::Begin(RECEIVE));
                Some(Self::Receiving)
            }
            (Self::Asked, Event::Stop) => Some(Self::Draining(Draining::begin(
                Outcome::Stopped,
                FramesAfter::Code150,
                out,
            ))),
            (Self::Receiving, Event::Ended(end)) => Some(Self::received(end, out)),
            (Self::Received, Event::Answered(answered)) if !answered.is_preliminary() => {
                finish(Outcome::Replied(answered), out)
            }
            (Self::Received, Event::Stop) => Some(Self::Draining(Draining::begin(
                Outcome::Stopped,
                FramesAfter::None,
                out,
            ))),
            (state, event) => ignore_or_refuse(state, event, out),
        }
    }

    fn received(end: End, out: &mut Vec<Effect>) -> Self {
        let outcome = match end {
            End::Complete { .. }
            | End::Stored { .. }
            | End::Ready { .. }
            | End::PeerAborted
            | End::LaneLost
            | End::Truncated { .. }
            | End::NotSecured
            | End::NotResumed => {
                return Self::Received;
            }
            End::Stopped => Outcome::Stopped,
            End::Refused(refusal) => Outcome::BadData(refusal),
        };
        Self::Draining(Draining::begin_in_frames(outcome, FramesAfter::None, out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Dialogue;
    use crate::client::script::Script;
    use crate::wire::reply::Refusal;

    fn list() -> Script {
        let mut out = Vec::new();
        let dialogue = Dialogue::listing(Command::list(None), &mut out);
        let mut script = Script::new(dialogue, out);
        script.sends("LIST");
        script
    }

    #[test]
    fn entries_then_226() {
        let mut script = list();
        script
            .hears("150 here comes the directory listing")
            .begins(RECEIVE);
        script.ended_plain().nothing();
        script
            .hears("226 hidden=0 directory send ok")
            .ends_with_code(226);
    }

    #[test]
    fn refused() {
        list()
            .hears("404 no such file or directory")
            .ends_with_code(404);
    }

    #[test]
    fn stopped_in_the_middle() {
        let mut script = list();
        script.hears("150 here").begins(RECEIVE);
        script.event(Event::Stop).nothing();
        script
            .event(Event::Ended(End::Stopped))
            .sends("ABOR")
            .sends("NOOP")
            .begins(Task::Discard);
        script.event(Event::Ended(End::PeerAborted)).nothing();
        script.hears("550 aborted").nothing();
        assert_eq!(script.hears("200 ok").outcome(), Outcome::Stopped);
    }

    #[test]
    fn stopped_before_it_began() {
        let mut script = list();
        script.event(Event::Stop).sends("ABOR").sends("NOOP");
        script.hears("150 here").begins(Task::Discard);
        script.event(Event::Ended(End::PeerAborted)).nothing();
        script.hears("550 aborted").nothing();
        assert_eq!(script.hears("200 ok").outcome(), Outcome::Stopped);
    }

    #[test]
    fn entries_that_make_no_sense() {
        let mut script = list();
        script.hears("150 here").begins(RECEIVE);
        let bad = Event::Ended(End::Refused(Refusal::BadFrame));
        script
            .event(bad)
            .sends("ABOR")
            .sends("NOOP")
            .begins(Task::Discard);
        script.ended_plain().nothing();
        script.hears("550 aborted").nothing();
        assert_eq!(
            script.hears("200 ok").outcome(),
            Outcome::BadData(Refusal::BadFrame)
        );
    }
}
