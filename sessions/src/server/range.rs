//! Handles RETR of a part of a file (PROTOCOL.md section 7): the bytes are sent at once, and the
//! digest is of them alone.

use super::context::Context;
use super::continuations::AfterJob;
use super::job::{Completion, DigestUpdate, Job, Reading};
use super::session::State;
use crate::digest::Algorithm;
use crate::transfer::{End, Hashing, StopLine, Task, Until};
use crate::wire::command::RetrieveRange;
use crate::wire::reply::{Operation, Refusal, Reply};

/// A part whose file is being opened; offsets and lengths are in bytes.
pub(super) struct RangeRequest {
    digest: Algorithm,
    start: u64,
    length: Option<u64>,
}

/// The frames of the part are being sent.
pub(super) struct SendingRange {
    start: u64,
    end: u64,
}

pub(super) fn retrieve(range: RetrieveRange, cx: &mut Context<'_>) -> State {
    let RetrieveRange {
        path,
        digest,
        start,
        length,
    } = range;
    match cx.resolve(&path) {
        Ok(path) => {
            let job = cx.start_job(Job::OpenDownload {
                path,
                reading: Reading::Parts,
            });
            let request = RangeRequest {
                digest,
                start,
                length,
            };
            State::working(job, AfterJob::Range(request))
        }
        Err(why) => cx.refuse(Operation::Retrieve, why),
    }
}

impl RangeRequest {
    pub(super) fn on_completed(self, completion: Completion, cx: &mut Context<'_>) -> State {
        let facts = match completion {
            Completion::Download(facts) => facts,
            Completion::Refused(why) => return cx.refuse(Operation::Retrieve, why),
            _ => return cx.refuse(Operation::Retrieve, Refusal::Fault),
        };
        let (start, size) = (self.start, facts.size);
        if start > size {
            cx.close_file(DigestUpdate::None);
            let offset = start;
            return cx.refuse(Operation::Retrieve, Refusal::BadOffset { offset, size });
        }
        let end = self
            .length
            .map_or(size, |length| size.min(start.saturating_add(length)));
        cx.reply(Reply::Offer {
            size,
            modified: facts.modified,
            digest: self.digest,
        });
        cx.begin_task(Task::Send {
            from: start,
            until: Until::Offset(end),
            hashing: Hashing::PartBy(self.digest),
            stop: StopLine::Abort,
        });
        State::SendingRange(SendingRange { start, end })
    }
}

impl SendingRange {
    pub(super) fn on_end(self, end: End, cx: &mut Context<'_>) -> State {
        cx.close_file(DigestUpdate::None);
        match end {
            End::Complete { sum: Some(sum), .. } => cx.conclude(Reply::RangeSent {
                offset: self.start,
                size: self.end - self.start,
                sum,
            }),
            End::Refused(why) => cx.refuse(Operation::Retrieve, why),
            End::Complete { sum: None, .. } => cx.refuse(Operation::Retrieve, Refusal::Fault),
            End::Stopped if cx.shared.close_when_done.is_none() => State::Stopped,
            _ => cx.conclude(Reply::Aborted),
        }
    }
}
