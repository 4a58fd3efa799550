//! Makes the symbolic links of a tree at the other end (`-l`), once it is known what the links there
//! lead to. Files here are never written through them, nor made to lead out of the tree.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Component, Path, PathBuf};

use skiff_sessions::path::{LINK_TARGET_MAX, LinkTarget, PathArg};
use skiff_sessions::wire::command::Command;
use skiff_sessions::wire::reply::Kind;

use super::action::{Action, Proceed};
use super::extra::{Shape, delete_here, delete_there};
use super::remote_walk::{FoundFolder, LocalFolder};
use super::requests::{Request, make_links, request_all};
use super::rule::{Extra, TreeRule, Verdict};
use super::summary::TreeSummary;
use crate::net::command_error::CommandResult;
use crate::net::session::Session;
use crate::terminal::format::{IoCause, escape_name, escape_path, format_reply};

/// A link here, and what has its name at the server.
pub(super) struct PutLink {
    pub(super) from: PathBuf,
    pub(super) to: PathArg,
    pub(super) target: PathBuf,
    pub(super) there: Option<Kind>,
}

/// A link at the server, and its place here.
pub(super) struct FoundLink {
    pub(super) from: PathArg,
    pub(super) to: PathBuf,
}

/// Makes links at the server.
///
/// # Errors
///
/// Errors that end the walk.
pub(super) fn put_links(
    session: &mut Session,
    links: Vec<PutLink>,
    rule: &TreeRule,
    summary: &TreeSummary,
) -> CommandResult {
    let asked = links.iter().filter(|link| link.there == Some(Kind::Link));
    let asked: Vec<_> = asked.map(|link| Request::target_of(&link.to)).collect();
    let mut targets = Vec::with_capacity(asked.len());
    request_all(session, &asked, |_, reply| {
        targets.push(reply.target.clone());
    })?;
    let mut targets = targets.into_iter();
    let mut made = Vec::new();
    for link in links {
        let from = escape_path(&link.from);
        let Some(target) = LinkTarget::new(link.target.as_os_str().as_bytes()) else {
            let why = format!("{from}: a link is sent with up to {LINK_TARGET_MAX} bytes");
            summary.add_failure(why);
            continue;
        };
        let verdict = match link.there {
            None => Verdict::New,
            Some(Kind::Link) if targets.next().flatten().as_ref() == Some(&target) => {
                Verdict::Unchanged
            }
            Some(Kind::Directory) if rule.extra == Extra::Kept => {
                let why = format!("{from}: a directory has its name at the server");
                summary.add_failure(why);
                continue;
            }
            Some(Kind::Directory) => Verdict::Changed,
            Some(Kind::Link | Kind::File | Kind::Other) => rule.of_changed(),
        };
        let shape = link.there.map_or(Shape::Other, Shape::from);
        match verdict {
            Verdict::Unchanged => summary.add_unchanged_link(),
            Verdict::Left => summary.add_left(from),
            Verdict::Changed => delete_there(session, link.to.clone(), shape, rule, summary)?,
            Verdict::New | Verdict::Compare => {}
        }
        let is_made = matches!(verdict, Verdict::New | Verdict::Changed);
        if is_made && Action::Link.tell(rule, &link.to) == Proceed::Does {
            made.push((link.to, target));
        }
    }
    make_links(session, &made, |ended| summary.add_link(ended))
}

/// Makes the links of one directory here.
///
/// # Errors
///
/// Errors that end the walk.
pub(super) fn get_links(
    session: &mut Session,
    folder: &FoundFolder,
    rule: &TreeRule,
    summary: &TreeSummary,
) -> CommandResult {
    let links = &folder.links;
    let asked = links.iter().map(|link| Request::target_of(&link.from));
    let asked: Vec<_> = asked.collect();
    request_all(session, &asked, |index, reply| {
        let link = &links[index];
        let from = escape_name(link.from.as_bytes());
        match &reply.target {
            None => summary.add_failure(format_args!("{from}: a link: {}", format_reply(reply))),
            Some(target) if !stays_within(target, folder.depth) => {
                let target = escape_name(target.as_bytes());
                summary.add_failure(format_args!(
                    "{from}: a link to {target} could lead out of the tree, not made"
                ));
            }
            Some(target) => {
                let target = Path::new(OsStr::from_bytes(target.as_bytes()));
                get_link((&link.to, folder.here), target, rule, summary);
            }
        }
    })
}

/// Makes one link here, in a directory that is there or new.
fn get_link(
    (to, folder): (&Path, LocalFolder),
    target: &Path,
    rule: &TreeRule,
    summary: &TreeSummary,
) {
    let shape = match (folder, fs::symlink_metadata(to)) {
        (LocalFolder::New, _) | (LocalFolder::There, Err(_)) => None,
        (LocalFolder::There, Ok(found)) if found.is_dir() => Some(Shape::Directory),
        (LocalFolder::There, Ok(_)) => Some(Shape::Other),
    };
    let verdict = match shape {
        None => Verdict::New,
        Some(Shape::Other) if fs::read_link(to).is_ok_and(|here| is_same(&here, target)) => {
            Verdict::Unchanged
        }
        Some(Shape::Other) => rule.of_changed(),
        Some(Shape::Directory) if rule.extra == Extra::Deleted => Verdict::Changed,
        Some(Shape::Directory) => {
            let to = escape_path(to);
            return summary.add_failure(format_args!("{to}: a directory has its name here"));
        }
    };
    match verdict {
        Verdict::Unchanged => return summary.add_unchanged_link(),
        Verdict::Left => return summary.add_left(escape_path(to)),
        Verdict::Changed => {
            delete_here(to, shape.unwrap_or(Shape::Other), rule, summary);
        }
        Verdict::New | Verdict::Compare => {}
    }
    if Action::Link.tell(rule, to) == Proceed::OnlyTells {
        return;
    }
    match symlink(target, to) {
        Ok(()) => summary.add_made_link(),
        Err(error) => {
            let to = escape_path(to);
            summary.add_failure(format_args!("{to}: {}", IoCause(&error)));
        }
    }
}

/// Compares byte by byte: paths are equal where one has a `.` or `/` more.
fn is_same(one: &Path, other: &Path) -> bool {
    one.as_os_str() == other.as_os_str()
}

/// Whether a link so many levels below the root of a tree cannot lead out of it, whatever the server
/// makes of the tree later: it is relative, and its `..` come first and climb no higher.
fn stays_within(target: &LinkTarget, depth: usize) -> bool {
    let mut components = Path::new(OsStr::from_bytes(target.as_bytes()))
        .components()
        .filter(|component| *component != Component::CurDir)
        .peekable();
    let mut climbs = 0;
    while components
        .next_if(|component| *component == Component::ParentDir)
        .is_some()
    {
        climbs += 1;
    }
    climbs <= depth && components.all(|component| matches!(component, Component::Normal(_)))
}

impl Request {
    /// Asks what a link leads to.
    fn target_of(path: &PathArg) -> Self {
        Self {
            command: Command::ReadLink(path.clone()),
            reads: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_stays_in_the_tree_by_its_words_alone() {
        let stays = |target: &str, depth| stays_within(&LinkTarget::new(target).unwrap(), depth);
        for (target, depth) in [
            ("a", 0),
            ("a/b", 0),
            (".", 0),
            ("./a//b/", 0),
            ("..", 1),
            (".././../a", 2),
            ("...", 0),
        ] {
            assert!(stays(target, depth), "{target} at {depth}");
        }
        for (target, depth) in [
            ("/", 9),
            ("/etc", 9),
            ("//a", 9),
            ("..", 0),
            ("./..", 0),
            ("../..", 1),
            ("a/..", 9),
            ("../a/../b", 9),
        ] {
            assert!(!stays(target, depth), "{target} at {depth}");
        }
    }
}
