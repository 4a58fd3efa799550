//! put -r: directories are made as they are met, files compared where they are there.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use skiff_sessions::path::PathArg;
use skiff_sessions::wire::command::{Command, Replace, Turn};
use skiff_sessions::wire::reply::Facts;

use super::download::PART;
use super::file::{Dispatch, dispatch};
use super::policy::{Overwrite, Policy, Resume};
use super::tree::{Level, SMALL, child};
use super::tree_summary::Tally;
use crate::net::command_error::{CommandError, CommandResult};
use crate::net::session::Session;
use crate::terminal::format::escape_path;
use crate::terminal::progress::ProgressStyle;

/// What is known of a directory at the server before it is looked at.
enum There {
    Unknown,
    /// Its parent does not have it.
    Nothing,
}

type Known = HashMap<Vec<u8>, Facts>;

/// Links to directories are not followed, and so no tree is endless.
pub(crate) fn send_tree(
    session: &mut Session,
    from: &Path,
    to: PathArg,
    tally: &mut Tally,
) -> CommandResult {
    let mut waiting = vec![(
        Level {
            from: from.to_owned(),
            to,
            depth: 0,
        },
        There::Unknown,
    )];
    while let Some((level, there)) = waiting.pop() {
        let known = match there {
            There::Nothing => make(session, &level.to),
            There::Unknown => list_or_make_directory(session, &level.to),
        };
        let known = match known {
            Ok(known) => known,
            Err(CommandError::Refused(why)) => {
                tally.fail(why);
                continue;
            }
            Err(other) => return Err(other),
        };
        for name in local_names(&level.from, tally) {
            let path = level.from.join(&name);
            let Ok(to) = child(Some(&level.to), name.as_bytes()) else {
                tally.fail(format_args!(
                    "{}: a name like this cannot be sent",
                    escape_path(&path)
                ));
                continue;
            };
            let facts = known.get(name.as_bytes());
            if is_directory(&path) {
                let there = if facts.is_some() {
                    There::Unknown
                } else {
                    There::Nothing
                };
                waiting.push((
                    Level {
                        from: path,
                        to,
                        depth: level.depth + 1,
                    },
                    there,
                ));
            } else {
                send(session, &path, to, facts, tally)?;
            }
        }
    }
    Ok(())
}

fn send(
    session: &mut Session,
    from: &Path,
    to: PathArg,
    there: Option<&Facts>,
    tally: &mut Tally,
) -> CommandResult {
    // What cannot be looked at cannot be opened either, and that says why.
    let size = fs::metadata(from).map_or(0, |found| found.len());
    let is_small = size <= SMALL;
    let style = if is_small {
        ProgressStyle::Hidden
    } else {
        session.progress_style
    };
    if style != ProgressStyle::Hidden {
        tally.hide();
    }
    let straight = there.is_none() && is_small;
    let sent = dispatch(
        session,
        Dispatch {
            from,
            to,
            policy: OWN_WAY,
            // Where the sizes are equal, the digests are compared first.
            replace: if there.is_some_and(|facts| facts.size != size) {
                Replace::Yes
            } else {
                Replace::Never
            },
            turn: if straight {
                Turn::Straight
            } else {
                Turn::Negotiate
            },
            style,
        },
    );
    tally.take(sent)
}

/// Nobody is asked in a tree.
const OWN_WAY: Policy = Policy {
    resume: Resume::Always,
    overwrite: Overwrite::Always,
};

fn make(session: &mut Session, path: &PathArg) -> Result<Known, CommandError> {
    session.request_ok(path.as_bytes(), Command::MakeDirectory(path.clone()))?;
    Ok(Known::new())
}

/// Lists a directory that may be there, or makes it.
fn list_or_make_directory(session: &mut Session, path: &PathArg) -> Result<Known, CommandError> {
    if session.request(Command::Facts(path.clone()))?.code == 404 {
        return make(session, path);
    }
    let mut known = Known::new();
    let list = Command::List(Some(path.clone()));
    session.list(path.as_bytes(), list, |name, facts| {
        known.insert(name.to_vec(), *facts);
    })?;
    Ok(known)
}

/// Names in order; parts of downloads are nobody's files.
fn local_names(folder: &Path, tally: &mut Tally) -> Vec<OsString> {
    let names = fs::read_dir(folder).and_then(|entries| {
        entries
            .map(|entry| entry.map(|entry| entry.file_name()))
            .collect::<Result<Vec<_>, _>>()
    });
    let mut names = names.unwrap_or_else(|error| {
        tally.fail(format_args!("{}: {error}", escape_path(folder)));
        Vec::new()
    });
    names.retain(|name| !name.as_bytes().ends_with(PART.as_bytes()));
    names.sort_unstable();
    names
}

fn is_directory(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| found.is_dir())
}
