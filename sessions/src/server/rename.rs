//! Rename in two steps: 350, 351.

use super::context::Context;
use super::job::{Completion, Job};
use super::ready::Ready;
use super::session::{State, Then};
use crate::path::{PathArg, VirtualPath};
use crate::wire::command::{Answer, Command};
use crate::wire::reply::{Deed, Refusal, Reply};

pub(super) fn from(arg: PathArg, cx: &mut Context<'_>) -> State {
    match cx.resolve(&arg) {
        Ok(path) => {
            let job = cx.work(Job::CheckSource { path: path.clone() });
            State::working(job, Then::RenameFrom(path))
        }
        Err(why) => cx.refuse(Deed::RenameFrom, why),
    }
}

pub(super) fn source_checked(
    from: VirtualPath,
    completion: Completion,
    cx: &mut Context<'_>,
) -> State {
    match completion {
        Completion::Done => {
            cx.say(Reply::RenameToWhat);
            State::Renaming(from)
        }
        Completion::Refused(why) => cx.refuse(Deed::RenameFrom, why),
        _ => cx.refuse(Deed::RenameFrom, Refusal::Fault),
    }
}

/// What may have the new name.
enum Over {
    Nothing,
    AFile,
}

/// In `State::Renaming`.
pub(super) fn on_command(from: VirtualPath, command: Command, cx: &mut Context<'_>) -> State {
    let (arg, over) = match command {
        Command::Answer(Answer::RenameTo(arg)) => (arg, Over::Nothing),
        Command::RenameOver(arg) => (arg, Over::AFile),
        other => return Ready::default().on_command(other, cx),
    };
    match cx.resolve(&arg) {
        Ok(to) => {
            let job = cx.work(match over {
                Over::Nothing => Job::Rename { from, to },
                Over::AFile => Job::RenameOver { from, to },
            });
            State::working(job, Then::Rename)
        }
        Err(why) => cx.refuse(Deed::RenameTo, why),
    }
}

pub(super) fn renamed(completion: Completion, cx: &mut Context<'_>) -> State {
    match completion {
        Completion::Done => cx.conclude(Reply::Renamed),
        Completion::Refused(why) => cx.refuse(Deed::RenameTo, why),
        _ => cx.refuse(Deed::RenameTo, Refusal::Fault),
    }
}
