//! Handles LIST and STAGES of the native dialect, whose text is made while it is sent.

use super::context::Context;
use super::continuations::AfterJob;
use super::job::{Completion, DigestUpdate, Job, ListingRequest};
use super::session::State;
use crate::transfer::{End, Hashing, StopLine, Task, Until};
use crate::wire::command::List;
use crate::wire::listing::Form;
use crate::wire::reply::{Operation, Refusal, Reply};

/// The listing's frames are being sent.
pub(super) struct SendingListing {
    operation: Operation,
}

pub(super) fn list(list: List, cx: &mut Context<'_>) -> State {
    match cx.place(list.path) {
        Ok(place) => {
            let rights = cx.granted_within(&place.path).rights;
            let request = ListingRequest {
                place,
                literal: None,
                options: list.options,
                form: Form::Native,
                rights,
            };
            open(Job::OpenListing(Box::new(request)), Operation::List, cx)
        }
        Err(why) => cx.refuse(Operation::List, why),
    }
}

pub(super) fn stages(cx: &mut Context<'_>) -> State {
    let permissions = cx.permissions();
    open(Job::OpenStages { permissions }, Operation::Stages, cx)
}

fn open(job: Job, operation: Operation, cx: &mut Context<'_>) -> State {
    let job = cx.start_job(job);
    State::working(job, AfterJob::List(operation))
}

pub(super) fn opened(operation: Operation, completion: Completion, cx: &mut Context<'_>) -> State {
    match completion {
        Completion::Listing => {
            cx.reply(Reply::ListingFollows);
            let until = Until::SourceEnd;
            cx.begin_task(Task::Send {
                from: 0,
                until,
                hashing: Hashing::Off,
                stop: StopLine::Abort,
            });
            State::SendingListing(SendingListing { operation })
        }
        Completion::Refused(why) => cx.refuse(operation, why),
        _ => cx.refuse(operation, Refusal::Fault),
    }
}

impl SendingListing {
    pub(super) fn on_end(self, end: End, cx: &mut Context<'_>) -> State {
        cx.close_file(DigestUpdate::None);
        match end {
            End::Complete { left_out, .. } => cx.conclude(Reply::ListingDone { hidden: left_out }),
            End::Refused(why) => cx.refuse(self.operation, why),
            End::Stopped if cx.shared.close_when_done.is_none() => State::Stopped,
            _ => cx.conclude(Reply::Aborted),
        }
    }
}
