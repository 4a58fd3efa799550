//! LIST and STAGES: text that is made while it is sent.

use super::context::Context;
use super::job::{Completion, DigestNews, Job};
use super::session::{State, Then};
use crate::path::PathArg;
use crate::transfer::{End, Hashing, StopLine, Task, Until};
use crate::wire::listing::Form;
use crate::wire::reply::{Deed, Refusal, Reply};

pub(super) struct SendingListing {
    deed: Deed,
}

pub(super) fn list(arg: Option<PathArg>, cx: &mut Context<'_>) -> State {
    let path = match arg {
        Some(arg) => cx.resolve(&arg),
        None => Ok(cx.shared.cwd.clone()),
    };
    match path {
        Ok(path) => {
            let (form, access) = (Form::Native, cx.access());
            open(Job::OpenListing { path, form, access }, Deed::List, cx)
        }
        Err(why) => cx.refuse(Deed::List, why),
    }
}

pub(super) fn stages(cx: &mut Context<'_>) -> State {
    open(Job::OpenStages, Deed::Stages, cx)
}

fn open(job: Job, deed: Deed, cx: &mut Context<'_>) -> State {
    let job = cx.work(job);
    State::working(job, Then::List(deed))
}

pub(super) fn opened(deed: Deed, completion: Completion, cx: &mut Context<'_>) -> State {
    match completion {
        Completion::Listing => {
            cx.say(Reply::ListingFollows);
            let until = Until::Itself;
            cx.begin(Task::Send {
                from: 0,
                until,
                hashing: Hashing::Off,
                stop: StopLine::Abort,
            });
            State::SendingListing(SendingListing { deed })
        }
        Completion::Refused(why) => cx.refuse(deed, why),
        _ => cx.refuse(deed, Refusal::Fault),
    }
}

impl SendingListing {
    pub(super) fn on_end(self, end: End, cx: &mut Context<'_>) -> State {
        cx.close_file(DigestNews::None);
        match end {
            End::Complete { left_out, .. } => cx.conclude(Reply::ListingDone { hidden: left_out }),
            End::Refused(why) => cx.refuse(self.deed, why),
            End::Stopped if cx.shared.leaving.is_none() => State::Stopped,
            _ => cx.conclude(Reply::Aborted),
        }
    }
}
