//! Handles a rename in two steps: RNFR, then 351 or RNTO.

use super::context::Context;
use super::continuations::AfterJob;
use super::job::{Completion, Job};
use super::ready::Ready;
use super::session::State;
use crate::path::{PathArg, VirtualPath};
use crate::wire::command::{Answer, Command};
use crate::wire::reply::{Operation, Refusal, Reply};

pub(super) fn begin(arg: PathArg, cx: &mut Context<'_>) -> State {
    match cx.resolve(&arg) {
        Ok(path) => {
            let job = cx.start_job(Job::CheckSource { path: path.clone() });
            State::working(job, AfterJob::RenameFrom(path))
        }
        Err(why) => cx.refuse(Operation::RenameFrom, why),
    }
}

pub(super) fn source_checked(
    from: VirtualPath,
    completion: Completion,
    cx: &mut Context<'_>,
) -> State {
    match completion {
        Completion::Done => {
            cx.reply(Reply::RenameToWhat);
            State::Renaming(from)
        }
        Completion::Refused(why) => cx.refuse(Operation::RenameFrom, why),
        _ => cx.refuse(Operation::RenameFrom, Refusal::Fault),
    }
}

/// What a rename may replace.
enum MayReplace {
    Nothing,
    File,
}

/// Handles the command after RNFR was accepted.
pub(super) fn on_command(from: VirtualPath, command: Command, cx: &mut Context<'_>) -> State {
    let (arg, may_replace) = match command {
        Command::Answer(Answer::RenameTo(arg)) => (arg, MayReplace::Nothing),
        Command::RenameOver(arg) => (arg, MayReplace::File),
        other => return Ready::default().on_command(other, cx),
    };
    match cx.resolve(&arg) {
        Ok(to) => {
            let job = cx.start_job(match may_replace {
                MayReplace::Nothing => Job::Rename { from, to },
                MayReplace::File => Job::RenameOver { from, to },
            });
            State::working(job, AfterJob::Rename)
        }
        Err(why) => cx.refuse(Operation::RenameTo, why),
    }
}

pub(super) fn renamed(completion: Completion, cx: &mut Context<'_>) -> State {
    match completion {
        Completion::Done => cx.conclude(Reply::Renamed),
        Completion::Refused(why) => cx.refuse(Operation::RenameTo, why),
        _ => cx.refuse(Operation::RenameTo, Refusal::Fault),
    }
}
