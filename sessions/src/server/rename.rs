//! Handles a rename in two steps: RNFR, then 351 or RNTO.

use super::context::Context;
use super::continuations::AfterJob;
use super::job::{Completion, Job};
use super::ready::{Ready, without_right};
use super::session::State;
use crate::path::{PathArg, VirtualPath};
use crate::rights::{Right, Rights};
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

/// Handles the command after RNFR was accepted.
pub(super) fn on_command(from: VirtualPath, command: Command, cx: &mut Context<'_>) -> State {
    let (arg, over) = match command {
        Command::Answer(Answer::RenameTo(arg)) => (arg, Over::Nothing),
        Command::RenameOver(arg) => (arg, Over::File),
        other => return Ready::default().on_command(other, cx),
    };
    let to = match cx.resolve(&arg) {
        Ok(to) => to,
        Err(why) => return cx.refuse(Operation::RenameTo, why),
    };
    if let Err(why) = check_move(&from, &to, cx) {
        return cx.refuse(Operation::RenameTo, why);
    }
    let over = match over {
        Over::File if !cx.granted_of(&to).rights.has(Right::Replace) => Over::NoRight,
        over => over,
    };
    let job = cx.start_job(match over {
        Over::Nothing | Over::NoRight => Job::Rename { from, to },
        Over::File => Job::RenameOver { from, to },
    });
    State::working(job, AfterJob::Rename(over))
}

/// What a rename may replace.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Over {
    Nothing,
    File,
    /// Nothing, though the client has asked for it.
    NoRight,
}

/// Checks that the account may take the file from the one folder and put it into the other, where
/// they have different rules: else what may not be read in the one could be read in the other.
fn check_move(from: &VirtualPath, to: &VirtualPath, cx: &Context<'_>) -> Result<(), Refusal> {
    if cx.permissions().are_under_one_rule(from, to) {
        return Ok(());
    }
    let needed = [
        (cx.granted_of(from).rights, Right::Get),
        (cx.granted_of(from).rights, Right::Delete),
        (cx.granted_of(to).rights, Right::Put),
    ];
    match needed.into_iter().find(|(has, right)| !has.has(*right)) {
        None => Ok(()),
        Some((has, right)) => Err(without_right(has, Rights::of(&[right]))),
    }
}

pub(super) fn renamed(over: Over, completion: Completion, cx: &mut Context<'_>) -> State {
    match (completion, over) {
        (Completion::Done, _) => cx.conclude(Reply::Renamed),
        (Completion::Refused(Refusal::Exists), Over::NoRight) => {
            cx.refuse(Operation::RenameTo, Refusal::NoRight(Right::Replace))
        }
        (Completion::Refused(why), _) => cx.refuse(Operation::RenameTo, why),
        _ => cx.refuse(Operation::RenameTo, Refusal::Fault),
    }
}
