//! Runs STOR without a turn (PROTOCOL.md section 8, `go=1`) in two dialogues: one sends the file, a
//! later one reads the answers, so that several files go one behind the other.

use super::drain::{Draining, FramesAfter};
use super::put::{StopRequest, conclude, sending};
use super::{Effect, Event, Outcome, finish, ignore_or_refuse, refused};
use crate::digest::Sum;
use crate::transfer::StopLine;
use crate::wire::command::{Command, Replace, Store};
use crate::wire::native::causes::Cause;
use crate::wire::native::replies::ReplyLine;

/// The states of both dialogues.
#[derive(Debug)]
pub(super) enum PutAhead {
    /// No line that comes is an answer to this upload.
    Sending(StopRequest),
    Confirming(Store, SentAhead),
    /// What was sent behind it is answered by then as well.
    Draining(Draining),
}

/// How the sending ended; the server's answers are still to come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SentAhead {
    /// All of it, with this digest.
    All(Sum),
    /// The file could not be read to its end.
    LocalFailed,
}

impl PutAhead {
    pub(super) fn begin(order: Store, out: &mut Vec<Effect>) -> Self {
        let task = sending(&order, 0, StopLine::Never);
        out.extend([Effect::Send(Command::Store(order)), Effect::Begin(task)]);
        Self::Sending(StopRequest::None)
    }

    pub(super) fn on(self, event: Event, out: &mut Vec<Effect>) -> Option<Self> {
        match (self, event) {
            (Self::Sending(_), Event::Stop) => Some(Self::Sending(StopRequest::Pending)),
            (Self::Sending(stop), Event::Ended(end)) => {
                let sent = match conclude(end, out) {
                    Some(sum) => SentAhead::All(sum),
                    None => SentAhead::LocalFailed,
                };
                match stop {
                    StopRequest::None => finish(Outcome::SentAhead(sent), out),
                    StopRequest::Pending => Some(drain(out)),
                }
            }
            (Self::Confirming(order, sent), Event::Answered(answered)) => {
                on_answer(order, sent, answered, out)
            }
            (Self::Confirming(..), Event::Stop) => Some(drain(out)),
            (Self::Draining(draining), event) => draining.on(event, out).map(Self::Draining),
            (state, event) => ignore_or_refuse(state, event, out),
        }
    }
}

fn drain(out: &mut Vec<Effect>) -> PutAhead {
    PutAhead::Draining(Draining::begin(Outcome::Stopped, FramesAfter::None, out))
}

fn on_answer(
    order: Store,
    sent: SentAhead,
    answered: ReplyLine,
    out: &mut Vec<Effect>,
) -> Option<PutAhead> {
    let exists = answered.why == Some(Cause::Exists) && order.replace == Replace::Never;
    match (answered.code, answered.sum, sent) {
        (150, ..) => Some(PutAhead::Confirming(order, sent)),
        (226, Some(there), SentAhead::All(here)) if there == here => {
            finish(Outcome::Verified(answered), out)
        }
        (226, _, SentAhead::All(_)) => finish(Outcome::Differs(answered), out),
        // This comes when everything may have been sent already.
        (200, Some(there), SentAhead::All(here)) if there == here => finish(
            Outcome::AlreadyThere {
                size: order.size,
                sum: Some(there),
            },
            out,
        ),
        (200, Some(_), _) => finish(Outcome::NotReplaced(answered), out),
        (400.., _, SentAhead::LocalFailed) => finish(Outcome::LocalFailed, out),
        _ if exists => finish(Outcome::NotReplaced(answered), out),
        _ => refused(answered, out),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Dialogue;
    use crate::client::script::Script;
    use crate::digest::Algorithm;
    use crate::path::PathArg;
    use crate::transfer::{End, Hashing, Task, Until};
    use crate::wire::command::Turn;
    use crate::wire::reply::Refusal;

    const ALL: &[u8] = b"seven b";

    fn order() -> Store {
        Store {
            path: PathArg::new("a.iso").unwrap(),
            size: 7,
            modified: None,
            digest: Algorithm::Md5,
            declared: None,
            replace: Replace::Never,
            turn: Turn::Skipped,
        }
    }

    fn sending() -> Script {
        let mut out = Vec::new();
        let mut script = Script::new(Dialogue::put_ahead(order(), &mut out), out);
        script.sends("STOR size=7 go=1 a.iso");
        script.begins(Task::Send {
            from: 0,
            until: Until::Offset(7),
            hashing: Hashing::By(Algorithm::Md5),
            stop: StopLine::Never,
        });
        script
    }

    fn sum() -> Sum {
        Algorithm::Md5.of(ALL)
    }

    fn confirming(sent: SentAhead) -> Script {
        Script::new(Dialogue::confirm_put(order(), sent), Vec::new())
    }

    #[test]
    fn the_answers_are_left_to_the_second_dialogue() {
        let mut script = sending();
        script.ended(ALL).sends(&format!("225 md5={}", sum()));
        let sent = SentAhead::All(sum());
        assert_eq!(script.outcome(), Outcome::SentAhead(sent));
        let mut script = confirming(sent);
        script.hears("150 send").nothing();
        script.hears("111 done=7 of=7 storing").works(7, 7);
        let stored = format!("226 size=7 md5={} stored and verified", sum());
        assert!(matches!(
            script.hears(&stored).outcome(),
            Outcome::Verified(_)
        ));
    }

    #[test]
    fn a_226_with_another_digest_is_not_believed() {
        let mut script = confirming(SentAhead::All(sum()));
        let other = Algorithm::Md5.of(b"other b");
        let outcome = script
            .hears(&format!("226 size=7 md5={other} ok"))
            .outcome();
        assert!(matches!(outcome, Outcome::Differs(_)));
    }

    #[test]
    fn refusals_are_known_late() {
        let all = SentAhead::All(sum());
        confirming(all)
            .hears("551 why=quota-bytes over your quota")
            .ends_with_code(551);
        let exists = confirming(all).hears("550 why=exists another").outcome();
        assert!(matches!(exists, Outcome::NotReplaced(_)));
        let same = confirming(all)
            .hears(&format!("200 size=7 md5={} already there", sum()))
            .outcome();
        assert!(matches!(same, Outcome::AlreadyThere { size: 7, .. }));
        let other = Algorithm::Md5.of(b"other b");
        let another = confirming(all)
            .hears(&format!("200 size=7 md5={other} already there"))
            .outcome();
        assert!(matches!(another, Outcome::NotReplaced(_)));
    }

    #[test]
    fn our_file_cannot_be_read_to_its_end() {
        let mut script = sending();
        script.event(Event::Ended(End::Refused(Refusal::Fault)));
        let sent = SentAhead::LocalFailed;
        assert_eq!(script.outcome(), Outcome::SentAhead(sent));
        let mut script = confirming(sent);
        script.hears("150 send").nothing();
        assert_eq!(script.hears("550 aborted").outcome(), Outcome::LocalFailed);
    }

    /// Else the answers to what was sent before would be those of the next command.
    #[test]
    fn a_stop_while_sending_reads_all_answers() {
        let mut script = sending();
        script.event(Event::Stop).nothing();
        script.event(Event::Ended(End::Stopped));
        script.sends("ABOR").sends("NOOP");
        let stored = format!("226 size=7 md5={} stored and verified", sum());
        for line in ["150 send", &stored, "150 send", "550 aborted", "226 none"] {
            script.hears(line).nothing();
        }
        assert_eq!(script.hears("200 ok").outcome(), Outcome::Stopped);
    }

    #[test]
    fn a_stop_while_confirming_reads_the_answers_to_all_behind_it() {
        let mut script = confirming(SentAhead::All(sum()));
        script.event(Event::Stop).sends("ABOR").sends("NOOP");
        let stored = format!("226 size=7 md5={} stored and verified", sum());
        for line in [
            "150 send", &stored, "551 full", "150 send", &stored, "226 none",
        ] {
            script.hears(line).nothing();
        }
        assert_eq!(script.hears("200 ok").outcome(), Outcome::Stopped);
    }
}
