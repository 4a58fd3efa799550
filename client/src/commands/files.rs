//! Files: get, put, hash, stages.

use skiff_sessions::client::Asking;
use skiff_sessions::digest::Algorithm;
use skiff_sessions::wire::command::{Command, Replace, Turn};

use super::spec::Given;
use super::targets::{remote, target_here, target_there};
use super::trees;
use crate::net::command_error::{Done, Failure};
use crate::net::session::Shell;
use crate::terminal::format;
use crate::terminal::output;
use crate::transfer::download::local_copy;
use crate::transfer::file::{Dispatch, Fetch, dispatch, fetch};
use crate::transfer::local_file::Settling;
use crate::transfer::policy::{Overwrite, Policy, Resume};

pub(crate) fn get(shell: &mut Shell, given: &Given) -> Done {
    if given.has('r') {
        return trees::get(shell, given);
    }
    let from = &given.words[0];
    let to = target_here(from, given.words.get(1))?;
    let order = Fetch {
        path: remote(from)?,
        local: local_copy(&to),
        to,
        turn: Turn::Negotiate,
        command: Asking::Now,
        resume: resume(given),
        settling: Settling::Each,
        look: shell.look,
    };
    fetch(shell, order).map(|fared| output::say(fared.line))
}

pub(crate) fn put(shell: &mut Shell, given: &Given) -> Done {
    if given.has('r') {
        return trees::put(shell, given);
    }
    let from = given.words[0].local();
    let to = target_there(from, given.words.get(1))?;
    let replace = if given.has('f') {
        Replace::Yes
    } else {
        Replace::Never
    };
    let policy = Policy {
        resume: resume(given),
        overwrite: Overwrite::Ask,
    };
    let look = shell.look;
    let order = Dispatch {
        from,
        to,
        policy,
        replace,
        turn: Turn::Negotiate,
        look,
    };
    dispatch(shell, order).map(|fared| output::say(fared.line))
}

pub(crate) fn hash(shell: &mut Shell, given: &Given) -> Done {
    let algorithm = if given.has('s') {
        Algorithm::Sha256
    } else {
        Algorithm::Md5
    };
    let word = &given.words[0];
    let answered = shell.demand(
        word.bytes(),
        Command::Hash {
            path: remote(word)?,
            algorithm,
        },
    )?;
    let Some(sum) = answered.sum else {
        return Err(Failure::reply(word.bytes(), &answered));
    };
    let size = answered.size.unwrap_or_default();
    output::say(format_args!(
        "213 {}: {size} bytes, {} {sum}",
        format::name(word.bytes()),
        algorithm.name()
    ));
    Ok(())
}

pub(crate) fn stages(shell: &mut Shell, given: &Given) -> Done {
    match (given.has('d'), given.words.first()) {
        (true, Some(word)) => {
            let answered = shell.demand(word.bytes(), Command::DropStage(remote(word)?))?;
            output::say(format::reply(&answered));
            Ok(())
        }
        (false, None) => {
            shell.list(b"", Command::Stages, |path, facts| {
                let (size, time) = (facts.size, format::time(facts.modified));
                output::say(format_args!("{size:>14} {time} {}", format::name(path)));
            })?;
            Ok(())
        }
        _ => Err(Failure::about(
            "stages",
            "write it so: stages, or stages -d PATH",
        )),
    }
}

pub(crate) fn resume(given: &Given) -> Resume {
    if given.has('c') {
        Resume::Always
    } else {
        Resume::Ask
    }
}
