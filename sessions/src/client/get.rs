//! Runs RETR for the client (PROTOCOL.md section 7): a local part is proved by its digest before
//! anything is appended to it, and the file gets its name only when both digests are equal.

use super::drain::{Draining, FramesAfter};
use super::{
    Decision, Effect, Event, LocalFile, Note, Outcome, Question, finish, ignore_or_refuse,
};
use crate::digest::{Algorithm, Sum};
use crate::transfer::{End, Hashing, Task};
use crate::wire::command::{Answer, Command, Replace, Retrieve, Turn};
use crate::wire::native::replies::ReplyLine;
use crate::wire::reply::Refusal;
use crate::wire::stamp::Stamp;

/// A download as the user asked for it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GetOrder {
    /// With [`Turn::Skipped`], local files are ignored.
    pub what: Retrieve,
    pub command: CommandTiming,
    pub local: LocalCopy,
    /// Whether [`LocalCopy::whole`] may be replaced if it is another file.
    pub replace: Replace,
}

/// Whether the command was sent already. Without a turn, several may be sent ahead, and their
/// dialogues are run in that order. One that ends `Stopped`, `LocalFailed` or `BadData` has used up
/// the answers to all of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CommandTiming {
    Now,
    SentAhead,
}

/// The local files before the download.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LocalCopy {
    /// Size in bytes and time of the file that has the name already.
    pub whole: Option<(u64, Stamp)>,
    /// Bytes of the part that an earlier download left.
    pub part: u64,
}

/// The states of a download.
#[derive(Debug)]
pub(super) enum Get {
    Asked(GetOrder),
    AskedResume(Start),
    Hashing(Start),
    AwaitData(Start),
    Receiving(Data),
    Received(Data, Option<Sum>),
    Publishing(Box<ReplyLine>, FramesAfter),
    Draining(Draining),
}

/// The file as the server described it.
#[derive(Clone, Copy, Debug)]
struct Offer {
    /// The whole file's size in bytes.
    size: u64,
    modified: Option<Stamp>,
    /// The algorithm that it is verified by.
    digest: Algorithm,
    /// As in [`GetOrder::replace`].
    replace: Replace,
}

/// The offset and the local file that a download begins with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Start {
    offer: Offer,
    have: u64,
    file: LocalFile,
}

/// A download whose frames come, or came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Data {
    offer: Offer,
    file: LocalFile,
    frames: FramesAfter,
}

impl Get {
    pub(super) fn begin(order: GetOrder, out: &mut Vec<Effect>) -> Self {
        // Without a turn the frames come at once: there must be a file for them.
        if order.what.turn == Turn::Skipped {
            out.push(Effect::Use(LocalFile::EmptyPart));
        }
        if order.command == CommandTiming::Now {
            out.push(Effect::Send(Command::Retrieve(order.what.clone())));
        }
        Self::Asked(order)
    }

    pub(super) fn on(self, event: Event, out: &mut Vec<Effect>) -> Option<Self> {
        match (self, event) {
            (Self::Draining(draining), event) => draining.on(event, out).map(Self::Draining),
            (Self::Asked(order), Event::Answered(offer)) if offer.code == 150 => {
                order.offered(&offer, out)
            }
            (Self::Asked(order), Event::Stop) => Some(order.drain(Outcome::Stopped, out)),
            (Self::Asked(order), Event::LocalFailed)
                if order.command == CommandTiming::SentAhead =>
            {
                Some(order.drain(Outcome::LocalFailed, out))
            }
            (Self::Asked(_), Event::LocalFailed) => finish(Outcome::LocalFailed, out),
            (Self::AskedResume(start), event) => start.on_decision(event, out),
            (Self::Hashing(start), event) => start.on_hashed(event, out),
            (Self::AwaitData(start), event) => start.on_answer(event, out),
            (Self::Receiving(data), Event::Ended(end)) => Some(data.ended(end, out)),
            (Self::Receiving(data), Event::LocalFailed) => {
                Some(data.drain(Outcome::LocalFailed, out))
            }
            (Self::Received(data, sum), Event::Answered(sent)) if sent.code == 226 => {
                data.compare(sum, sent, out)
            }
            (Self::Publishing(sent, frames), event) => on_published(sent, frames, event, out),
            (state, event) => ignore_or_refuse(state, event, out),
        }
    }
}

impl GetOrder {
    fn offered(self, offer: &ReplyLine, out: &mut Vec<Effect>) -> Option<Get> {
        let Some(size) = offer.size else {
            return finish(Outcome::OutOfOrder(offer.clone()), out);
        };
        let offer = Offer {
            size,
            modified: offer.modified,
            digest: offer.digest.unwrap_or_default(),
            replace: self.replace,
        };
        if self.what.turn == Turn::Skipped {
            return Some(self.data(offer).receive(0, out));
        }
        match self.local.whole {
            Some((here, time)) if here == size && offer.modified == Some(time) => {
                answer(Answer::HaveAlready, out);
                return finish(Outcome::AlreadyThere { size, sum: None }, out);
            }
            // No question: either nothing has to be sent, or the local part is of no use.
            Some((here, _)) if here == size => {
                let start = Start {
                    offer,
                    have: size,
                    file: LocalFile::Whole,
                };
                return Some(start.hash(out));
            }
            Some(_) if self.replace == Replace::Never => {
                return decline(Outcome::LocalDiffers { size }, out);
            }
            _ => {}
        }
        let have = self.local.part;
        let start = Start {
            offer,
            have,
            file: LocalFile::Part,
        };
        if have == 0 || have > size {
            return Some(start.start_anew(out));
        }
        out.push(Effect::Ask(Question::ResumeDownload { have, of: size }));
        Some(Get::AskedResume(start))
    }

    fn data(&self, offer: Offer) -> Data {
        Data {
            offer,
            file: LocalFile::EmptyPart,
            frames: self.frames(),
        }
    }

    fn drain(self, outcome: Outcome, out: &mut Vec<Effect>) -> Get {
        Get::Draining(Draining::begin(outcome, self.frames(), out))
    }

    /// The answer after which unwanted frames come.
    fn frames(&self) -> FramesAfter {
        match self.what.turn {
            Turn::Skipped => FramesAfter::Code150,
            Turn::Negotiate => FramesAfter::None,
        }
    }
}

impl Start {
    fn on_decision(self, event: Event, out: &mut Vec<Effect>) -> Option<Get> {
        match event {
            Event::Decided(Decision::Yes) => Some(self.hash(out)),
            Event::Decided(Decision::No) => decline(Outcome::ResumeDeclined, out),
            Event::Stop => decline(Outcome::Stopped, out),
            event => ignore_or_refuse(Get::AskedResume(self), event, out),
        }
    }

    fn hash(self, out: &mut Vec<Effect>) -> Get {
        out.push(Effect::Use(self.file));
        out.push(Effect::Begin(Task::Digest {
            to: self.have,
            algorithm: self.offer.digest,
        }));
        Get::Hashing(self)
    }

    fn on_hashed(self, event: Event, out: &mut Vec<Effect>) -> Option<Get> {
        match event {
            Event::Ended(End::Complete { sum: Some(sum), .. }) => {
                let offset = self.have;
                answer(Answer::ResumeDownload { offset, sum }, out);
                Some(Get::AwaitData(self))
            }
            Event::Ended(End::Stopped) => decline(Outcome::Stopped, out),
            Event::Ended(_) | Event::LocalFailed => decline(Outcome::LocalFailed, out),
            Event::Tick => {
                answer(Answer::Working, out);
                Some(Get::Hashing(self))
            }
            event => ignore_or_refuse(Get::Hashing(self), event, out),
        }
    }

    fn start_anew(self, out: &mut Vec<Effect>) -> Get {
        out.push(Effect::Use(LocalFile::EmptyPart));
        answer(Answer::FromStart, out);
        Get::AwaitData(Self {
            have: 0,
            file: LocalFile::EmptyPart,
            ..self
        })
    }

    fn on_answer(self, event: Event, out: &mut Vec<Effect>) -> Option<Get> {
        match event {
            Event::Answered(all) if all.code == 200 => Some(self.restart(&all, out)),
            Event::Answered(rest) if rest.code == 210 && rest.offset == Some(self.have) => Some(
                self.data(self.offer.size, self.file)
                    .receive(self.have, out),
            ),
            // The part could not be made, and the server still waits for a code.
            Event::LocalFailed => decline(Outcome::LocalFailed, out),
            Event::Stop => Some(Get::Draining(Draining::begin(
                Outcome::Stopped,
                FramesAfter::Code200,
                out,
            ))),
            event => ignore_or_refuse(Get::AwaitData(self), event, out),
        }
    }

    /// Receives the whole file, because it was asked for or the beginnings differ. Stops it where
    /// another file must not be replaced: its frames come without a further turn.
    fn restart(self, all: &ReplyLine, out: &mut Vec<Effect>) -> Get {
        match self.file {
            LocalFile::Whole if self.offer.replace == Replace::Never => {
                let size = all.size.unwrap_or(self.offer.size);
                let differs = Outcome::LocalDiffers { size };
                let draining = Draining::begin_in_frames(differs, FramesAfter::None, out);
                return Get::Draining(draining);
            }
            LocalFile::EmptyPart => {}
            LocalFile::Part => out.push(Effect::Note(Note::PartDiffers)),
            LocalFile::Whole => out.push(Effect::Note(Note::WholeDiffers)),
        }
        if self.file != LocalFile::EmptyPart {
            out.push(Effect::Use(LocalFile::EmptyPart));
        }
        let size = all.size.unwrap_or(self.offer.size);
        self.data(size, LocalFile::EmptyPart).receive(0, out)
    }

    fn data(self, size: u64, file: LocalFile) -> Data {
        Data {
            offer: Offer { size, ..self.offer },
            file,
            frames: FramesAfter::None,
        }
    }
}

impl Data {
    fn receive(self, from: u64, out: &mut Vec<Effect>) -> Get {
        let task = Task::Receive {
            from,
            at_most: self.offer.size,
            hashing: Hashing::By(self.offer.digest),
        };
        out.push(Effect::Begin(task));
        Get::Receiving(self)
    }

    fn ended(self, end: End, out: &mut Vec<Effect>) -> Get {
        match end {
            End::Complete { sum, .. } => Get::Received(self, sum),
            // The server's 550 follows.
            End::PeerAborted
            | End::LaneLost
            | End::Truncated { .. }
            | End::Stored { .. }
            | End::Ready { .. }
            | End::NotSecured
            | End::NotResumed => Get::Received(self, None),
            End::Stopped => self.drain(Outcome::Stopped, out),
            End::Refused(refusal @ (Refusal::TooLong | Refusal::BadFrame)) => {
                self.drain(Outcome::BadData(refusal), out)
            }
            End::Refused(_) => self.drain(Outcome::LocalFailed, out),
        }
    }

    fn compare(self, here: Option<Sum>, sent: ReplyLine, out: &mut Vec<Effect>) -> Option<Get> {
        if here.is_none() || here != sent.sum {
            answer(Answer::Different, out);
            out.push(Effect::DropPart);
            return finish(Outcome::Differs(sent), out);
        }
        if self.file == LocalFile::Whole {
            answer(Answer::Equal, out);
            return finish(
                Outcome::AlreadyThere {
                    size: self.offer.size,
                    sum: here,
                },
                out,
            );
        }
        out.push(Effect::Publish {
            modified: self.offer.modified,
        });
        Some(Get::Publishing(Box::new(sent), self.frames))
    }

    fn drain(self, outcome: Outcome, out: &mut Vec<Effect>) -> Get {
        Get::Draining(Draining::begin_in_frames(outcome, self.frames, out))
    }
}

fn on_published(
    sent: Box<ReplyLine>,
    frames: FramesAfter,
    event: Event,
    out: &mut Vec<Effect>,
) -> Option<Get> {
    match event {
        Event::Published => {
            answer(Answer::Equal, out);
            finish(Outcome::Verified(*sent), out)
        }
        Event::LocalFailed => {
            answer(Answer::Different, out);
            match frames {
                FramesAfter::None => finish(Outcome::LocalFailed, out),
                _ => Some(Get::Draining(Draining::begin(
                    Outcome::LocalFailed,
                    frames,
                    out,
                ))),
            }
        }
        _ => Some(Get::Publishing(sent, frames)),
    }
}

fn decline(outcome: Outcome, out: &mut Vec<Effect>) -> Option<Get> {
    answer(Answer::DeclineDownload, out);
    finish(outcome, out)
}

fn answer(answer: Answer, out: &mut Vec<Effect>) {
    out.push(Effect::Send(Command::Answer(answer)));
}

#[cfg(test)]
mod tests;
