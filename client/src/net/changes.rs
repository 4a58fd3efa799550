//! Changes names and attributes at the server. Where the connection is lost before the answer, the server is asked
//! what became of the change before it is tried again: done twice it could hit what another made
//! meanwhile.

use skiff_sessions::client::Dialogue;
use skiff_sessions::path::{LinkTarget, PathArg};
use skiff_sessions::wire::command::{Command, SetAttributes};
use skiff_sessions::wire::native::causes::Cause;
use skiff_sessions::wire::native::replies::ReplyLine;
use skiff_sessions::wire::reply::{Facts, Kind};

use super::command_error::CommandError;
use super::fates::absolute;
use super::link::LinkError;
use super::listing::Listed;
use super::session::{NoFile, Session, expect_reply};
use crate::terminal::progress::{Progress, ProgressPlace};

/// How it is known what became of a change.
pub(crate) enum Change {
    /// The server said it.
    Answered(Box<ReplyLine>),
    /// The answer was lost, and the server has the names as they are after the change.
    Found,
}

impl Change {
    /// Makes an error of a reply other than 2xx; the message names `what` was to be changed.
    pub(crate) fn or_refused(self, what: &[u8]) -> Result<Self, CommandError> {
        match self {
            Self::Answered(answered) if !(200..300).contains(&answered.code) => {
                Err(CommandError::from_reply(what, &answered))
            }
            Self::Answered(_) | Self::Found => Ok(self),
        }
    }
}

/// What has a name at the server.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Named {
    Nothing,
    Something(Option<Facts>),
}

impl Named {
    fn facts(self) -> Option<Facts> {
        match self {
            Self::Nothing => None,
            Self::Something(facts) => facts,
        }
    }
}

/// Deletes a file or an empty directory.
pub(crate) fn delete(session: &mut Session, path: &PathArg) -> Result<Change, CommandError> {
    let command = || Command::Delete(path.clone());
    change(
        session,
        |session| session.request_once(command()),
        |session| Ok(look_up(session, path)? == Named::Nothing),
    )
}

/// Deletes what a lost connection may have deleted already.
pub(crate) fn delete_again(session: &mut Session, path: &PathArg) -> Result<(), CommandError> {
    if look_up(session, path)? == Named::Nothing {
        return Ok(());
    }
    delete(session, path)?
        .or_refused(path.as_bytes())
        .map(|_| ())
}

/// Drops the part of an upload that was interrupted.
pub(crate) fn drop_stage(session: &mut Session, path: &PathArg) -> Result<Change, CommandError> {
    let command = || Command::DropStage(path.clone());
    change(
        session,
        |session| session.request_once(command()),
        |session| Ok(!is_staged(session, path)?),
    )
}

fn is_staged(session: &mut Session, path: &PathArg) -> Result<bool, CommandError> {
    let Some(path) = absolute(session, path) else {
        return Ok(false);
    };
    let mut is_staged = false;
    session.list_to_keep(b"", Command::Stages, |part| match part {
        Listed::Entry(name, _) => is_staged |= name == path,
        Listed::Anew => is_staged = false,
    })?;
    Ok(is_staged)
}

/// Makes a directory.
pub(crate) fn make_directory(
    session: &mut Session,
    path: &PathArg,
) -> Result<Change, CommandError> {
    let command = || Command::MakeDirectory(path.clone());
    change(
        session,
        |session| session.request_once(command()),
        |session| {
            let found = look_up(session, path)?.facts();
            Ok(found.is_some_and(|facts| facts.kind == Kind::Directory))
        },
    )
}

/// Makes a symbolic link.
pub(crate) fn make_link(
    session: &mut Session,
    path: &PathArg,
    target: &LinkTarget,
) -> Result<Change, CommandError> {
    let command = || Command::MakeLink {
        path: path.clone(),
        target: target.clone(),
    };
    change(
        session,
        |session| session.request_once(command()),
        |session| leads_to(session, path, target),
    )
}

/// Makes a link that a lost connection may have made already.
pub(crate) fn make_link_again(
    session: &mut Session,
    path: &PathArg,
    target: &LinkTarget,
) -> Result<(), CommandError> {
    if leads_to(session, path, target)? {
        return Ok(());
    }
    make_link(session, path, target)?
        .or_refused(path.as_bytes())
        .map(|_| ())
}

/// True where the name is that of a link with this target.
fn leads_to(
    session: &mut Session,
    path: &PathArg,
    target: &LinkTarget,
) -> Result<bool, CommandError> {
    let found = session.request(Command::ReadLink(path.clone()))?;
    Ok(found.target.as_ref() == Some(target))
}

/// Sets the time or the permissions of what has a name.
pub(crate) fn set_attributes(
    session: &mut Session,
    set: &SetAttributes,
) -> Result<Change, CommandError> {
    let command = || Command::SetAttributes(set.clone());
    change(
        session,
        |session| session.request_once(command()),
        |session| {
            let found = look_up(session, &set.path)?.facts();
            Ok(found.is_some_and(|facts| has_attributes(&facts, set)))
        },
    )
}

/// True where all that is to be set is so.
fn has_attributes(facts: &Facts, set: &SetAttributes) -> bool {
    let has_mode = |mode: u32| facts.mode.is_some_and(|is| is & 0o777 == mode);
    set.modified.is_none_or(|time| facts.modified == time) && set.mode.is_none_or(has_mode)
}

/// Renames a file or a directory.
pub(crate) fn rename(
    session: &mut Session,
    from: &PathArg,
    to: &PathArg,
) -> Result<Change, CommandError> {
    change(
        session,
        |session| {
            let mut no_file = NoFile {
                progress: Progress::new(
                    ProgressPlace::Alone(session.progress_style),
                    from.as_bytes(),
                ),
            };
            let (from, to) = (from.clone(), to.clone());
            let outcome =
                session.run_dialogue(|out| Dialogue::rename(from, to, out), &mut no_file)?;
            expect_reply(outcome)
        },
        |session| {
            let source = look_up(session, from)?;
            Ok(source == Named::Nothing && look_up(session, to)? != Named::Nothing)
        },
    )
}

/// Makes a change by `once`; `is_done` asks the server whether it was made.
fn change(
    session: &mut Session,
    mut once: impl FnMut(&mut Session) -> Result<ReplyLine, CommandError>,
    is_done: impl Fn(&mut Session) -> Result<bool, CommandError>,
) -> Result<Change, CommandError> {
    loop {
        let lost = match once(session) {
            Ok(answered) => return Ok(Change::Answered(Box::new(answered))),
            Err(CommandError::SessionEnded(lost)) => lost,
            Err(error) => return Err(error),
        };
        let was_sent = !matches!(lost, LinkError::NotConnected(_));
        session.restore(lost)?;
        if was_sent && is_done(session)? {
            return Ok(Change::Found);
        }
    }
}

fn look_up(session: &mut Session, path: &PathArg) -> Result<Named, CommandError> {
    let found = session.request(Command::Facts(path.clone()))?;
    match found.why {
        // STAT follows a link: one that leads nowhere has the name all the same.
        Some(Cause::NotFound | Cause::OutsideHome) => look_up_link(session, path),
        _ if (200..300).contains(&found.code) => Ok(Named::Something(found.facts)),
        _ => Err(CommandError::from_reply(path.as_bytes(), &found)),
    }
}

/// Looks for a link that leads to nothing in the home: a listing of it is its one line (PROTOCOL.md
/// section 6).
fn look_up_link(session: &mut Session, path: &PathArg) -> Result<Named, CommandError> {
    let command = Command::list(Some(path.clone()));
    match session.list(path.as_bytes(), command, |_| {}) {
        Ok(_) => Ok(Named::Something(None)),
        Err(CommandError::Refused(_)) => Ok(Named::Nothing),
        Err(other) => Err(other),
    }
}
