//! Runs STOR for the client (PROTOCOL.md section 8): a part at the server is resumed only where it
//! is a prefix of the local file, and 226 is believed only with the client's own digest.

use super::drain::{Draining, FramesAfter};
use super::{Decision, Effect, Event, Note, Outcome, Question, finish, ignore_or_refuse, refused};
use crate::digest::Sum;
use crate::transfer::{End, Hashing, StopLine, Task, Until};
use crate::wire::command::{Answer, Command, Replace, Store, Turn};
use crate::wire::native::causes::Cause;
use crate::wire::native::replies::ReplyLine;

/// An upload as the user asked for it.
pub type PutOrder = Store;

/// The states of an upload.
#[derive(Debug)]
pub(super) enum Put {
    Asked(Store),
    AskedResume(Store, Part),
    Hashing(Store, Part),
    AwaitOffset(Store, u64),
    Sending(Store, StopRequest),
    Sent(Store, Sent),
    Comparing(Store, Box<ReplyLine>),
    AskedReplace(Store, Box<ReplyLine>),
    Draining(Draining),
}

/// The part that an interrupted upload left at the server.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    have: u64,
    sum: Sum,
}

/// Whether the user asked to stop.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum StopRequest {
    None,
    Pending,
}

/// How the sending ended; the server's reply is still to come.
#[derive(Clone, Copy, Debug)]
pub(super) enum Sent {
    All(Sum),
    /// The server's final reply stopped it.
    Refused,
    Stopped,
    LocalFailed,
}

impl Put {
    pub(super) fn begin(order: Store, out: &mut Vec<Effect>) -> Self {
        ask(order, out)
    }

    pub(super) fn on(self, event: Event, out: &mut Vec<Effect>) -> Option<Self> {
        match (self, event) {
            (Self::Draining(draining), event) => on_drained(draining, event, out),
            (Self::Asked(order), Event::Answered(answered)) => on_asked(order, answered, out),
            (Self::AskedResume(order, part), event) => on_resume(order, part, event, out),
            (Self::Hashing(order, part), event) => on_hashed(order, part, event, out),
            (Self::AwaitOffset(order, want), Event::Answered(go)) if go.code == 212 => {
                on_offset(order, want, go, out)
            }
            (Self::Sending(order, stop), event) => on_sending(order, stop, event, out),
            (Self::Sent(order, sent), event) => on_sent(order, sent, event, out),
            (Self::Comparing(order, there), event) => on_compared(order, there, event, out),
            (Self::AskedReplace(order, why), event) => on_replace(order, why, event, out),
            // In the other states a stop ends the sending as soon as it begins: while the server
            // waits for frames it accepts nothing else.
            (state, event) => ignore_or_refuse(state, event, out),
        }
    }
}

fn ask(order: Store, out: &mut Vec<Effect>) -> Put {
    out.push(Effect::Send(Command::Store(order.clone())));
    Put::Asked(order)
}

fn on_asked(order: Store, answered: ReplyLine, out: &mut Vec<Effect>) -> Option<Put> {
    match (answered.code, answered.have, answered.sum) {
        (150, ..) => Some(send(order, 0, out)),
        // One digest runs over the part and the rest.
        (210, Some(have), Some(sum)) if sum.algorithm() == order.digest => {
            Some(part_here(order, Part { have, sum }, out))
        }
        (200, _, Some(sum)) if answered.size == Some(order.size) => {
            Some(compare(order, answered, sum, out))
        }
        _ if answered.why == Some(Cause::Exists) && order.replace == Replace::Never => {
            Some(ask_replace(order, Box::new(answered), out))
        }
        _ => refused(answered, out),
    }
}

fn part_here(order: Store, part: Part, out: &mut Vec<Effect>) -> Put {
    if part.have > order.size {
        out.push(Effect::Note(Note::PartDiffers));
        answer(Answer::FromStart, out);
        return Put::AwaitOffset(order, 0);
    }
    out.push(Effect::Ask(Question::ResumeUpload {
        have: part.have,
        of: order.size,
    }));
    Put::AskedResume(order, part)
}

fn on_resume(order: Store, part: Part, event: Event, out: &mut Vec<Effect>) -> Option<Put> {
    match event {
        Event::Decided(Decision::Yes) => {
            out.push(Effect::Begin(Task::Digest {
                to: part.have,
                algorithm: order.digest,
            }));
            Some(Put::Hashing(order, part))
        }
        Event::Decided(Decision::No) => decline(Outcome::ResumeDeclined, out),
        Event::Stop => decline(Outcome::Stopped, out),
        event => ignore_or_refuse(Put::AskedResume(order, part), event, out),
    }
}

fn on_hashed(order: Store, part: Part, event: Event, out: &mut Vec<Effect>) -> Option<Put> {
    match event {
        Event::Ended(End::Complete { sum, .. }) if sum == Some(part.sum) => {
            answer(Answer::ResumeUpload, out);
            Some(Put::AwaitOffset(order, part.have))
        }
        Event::Ended(End::Complete { .. }) => {
            out.push(Effect::Note(Note::PartDiffers));
            answer(Answer::FromStart, out);
            Some(Put::AwaitOffset(order, 0))
        }
        Event::Ended(End::Stopped) => decline(Outcome::Stopped, out),
        Event::Ended(_) => decline(Outcome::LocalFailed, out),
        Event::Tick => {
            answer(Answer::Working, out);
            Some(Put::Hashing(order, part))
        }
        event => ignore_or_refuse(Put::Hashing(order, part), event, out),
    }
}

/// Begins the sending. The digest stands at `want`, or begins anew at 0: no other offset is
/// possible.
fn on_offset(order: Store, want: u64, go: ReplyLine, out: &mut Vec<Effect>) -> Option<Put> {
    match go.offset {
        Some(offset) if offset == want || offset == 0 => Some(send(order, offset, out)),
        _ => finish(Outcome::OutOfOrder(go), out),
    }
}

fn send(order: Store, from: u64, out: &mut Vec<Effect>) -> Put {
    let task = sending(&order, from, StopLine::FinalReply);
    out.push(Effect::Begin(task));
    Put::Sending(order, StopRequest::None)
}

pub(super) fn sending(order: &Store, from: u64, stop: StopLine) -> Task {
    Task::Send {
        from,
        until: Until::Offset(order.size),
        hashing: Hashing::By(order.digest),
        stop,
    }
}

fn on_sending(order: Store, stop: StopRequest, event: Event, out: &mut Vec<Effect>) -> Option<Put> {
    match event {
        Event::Stop => Some(Put::Sending(order, StopRequest::Pending)),
        Event::Ended(end) => Some(Put::Sent(order, sent(stop, end, out))),
        event => ignore_or_refuse(Put::Sending(order, stop), event, out),
    }
}

fn sent(stop: StopRequest, end: End, out: &mut Vec<Effect>) -> Sent {
    match (conclude(end, out), end, stop) {
        (Some(sum), ..) => Sent::All(sum),
        (None, End::Stopped, StopRequest::Pending) => Sent::Stopped,
        (None, End::Stopped, StopRequest::None) => Sent::Refused,
        (None, ..) => Sent::LocalFailed,
    }
}

/// Says the digest behind the frames, and returns it; `None` where not all was sent.
pub(super) fn conclude(end: End, out: &mut Vec<Effect>) -> Option<Sum> {
    match end {
        End::Complete { sum: Some(sum), .. } => {
            answer(Answer::AllSent { sum }, out);
            Some(sum)
        }
        _ => None,
    }
}

fn on_sent(order: Store, sent: Sent, event: Event, out: &mut Vec<Effect>) -> Option<Put> {
    match (event, sent) {
        (Event::Answered(answered), Sent::Stopped) if answered.code >= 400 => {
            finish(Outcome::Stopped, out)
        }
        (Event::Answered(answered), Sent::LocalFailed) if answered.code >= 400 => {
            finish(Outcome::LocalFailed, out)
        }
        (Event::Answered(answered), sent) => on_final(sent, answered, out),
        (Event::Stop, Sent::All(_)) => Some(Put::Draining(Draining::begin(
            Outcome::Stopped,
            FramesAfter::None,
            out,
        ))),
        _ => Some(Put::Sent(order, sent)),
    }
}

fn on_final(sent: Sent, answered: ReplyLine, out: &mut Vec<Effect>) -> Option<Put> {
    match (answered.code, answered.sum, sent) {
        (226, Some(there), Sent::All(here)) if there == here => {
            finish(Outcome::Verified(answered), out)
        }
        (226, _, Sent::All(_)) => finish(Outcome::Differs(answered), out),
        _ => refused(answered, out),
    }
}

/// Hashes the local file, to compare it with the server's of the same size.
fn compare(order: Store, there: ReplyLine, sum: Sum, out: &mut Vec<Effect>) -> Put {
    out.push(Effect::Begin(Task::Digest {
        to: order.size,
        algorithm: sum.algorithm(),
    }));
    Put::Comparing(order, Box::new(there))
}

fn on_compared(
    order: Store,
    there: Box<ReplyLine>,
    event: Event,
    out: &mut Vec<Effect>,
) -> Option<Put> {
    match event {
        Event::Ended(End::Complete { sum, .. }) if sum.is_some() && sum == there.sum => {
            let size = order.size;
            finish(Outcome::AlreadyThere { size, sum }, out)
        }
        Event::Ended(End::Complete { .. }) => Some(ask_replace(order, there, out)),
        Event::Ended(End::Stopped) => finish(Outcome::Stopped, out),
        Event::Ended(_) => finish(Outcome::LocalFailed, out),
        event => ignore_or_refuse(Put::Comparing(order, there), event, out),
    }
}

fn ask_replace(order: Store, why: Box<ReplyLine>, out: &mut Vec<Effect>) -> Put {
    out.push(Effect::Ask(Question::Replace));
    Put::AskedReplace(order, why)
}

fn on_replace(
    order: Store,
    why: Box<ReplyLine>,
    event: Event,
    out: &mut Vec<Effect>,
) -> Option<Put> {
    match event {
        Event::Decided(Decision::Yes) => {
            let again = Store {
                replace: Replace::Yes,
                turn: Turn::Negotiate,
                ..order
            };
            Some(ask(again, out))
        }
        Event::Decided(Decision::No) => finish(Outcome::NotReplaced(*why), out),
        Event::Stop => finish(Outcome::Stopped, out),
        event => ignore_or_refuse(Put::AskedReplace(order, why), event, out),
    }
}

/// Handles an event of a stopped upload: a file that was being published by then is stored all the
/// same.
fn on_drained(mut draining: Draining, event: Event, out: &mut Vec<Effect>) -> Option<Put> {
    if let Event::Answered(stored) = &event
        && stored.code == 226
        && stored.sum.is_some()
    {
        *draining.outcome = Outcome::Verified(stored.clone());
    }
    draining.on(event, out).map(Put::Draining)
}

fn decline(outcome: Outcome, out: &mut Vec<Effect>) -> Option<Put> {
    answer(Answer::DeclineUpload, out);
    finish(outcome, out)
}

fn answer(answer: Answer, out: &mut Vec<Effect>) {
    out.push(Effect::Send(Command::Answer(answer)));
}

#[cfg(test)]
mod tests;
