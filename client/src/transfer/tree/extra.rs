//! Deletes what only the target of a tree has, once all of the source is known.

use std::fs;
use std::path::PathBuf;

use skiff_sessions::path::PathArg;
use skiff_sessions::wire::reply::Kind;

use super::action::{Action, Proceed};
use super::remove::{Deleted, Doomed};
use super::rule::{Extra, TreeRule};
use super::summary::TreeSummary;
use crate::net::command_error::{CommandError, CommandResult};
use crate::net::session::Session;
use crate::terminal::format::{IoCause, escape_path};

/// What only the target has, and whether the source is known completely.
pub(super) struct Extras<P> {
    paths: Vec<(P, Shape)>,
    knowledge: Knowledge,
}

/// What has to be done to delete a path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Shape {
    Directory,
    /// A file, or a link wherever it leads.
    Other,
}

/// What is known of the source.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Knowledge {
    Complete,
    /// Something could not be listed: what seems to be missing may be there.
    Partial,
}

impl From<Kind> for Shape {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Directory => Self::Directory,
            Kind::File | Kind::Link | Kind::Other => Self::Other,
        }
    }
}

impl<P> Default for Extras<P> {
    fn default() -> Self {
        Self {
            paths: Vec::new(),
            knowledge: Knowledge::Complete,
        }
    }
}

impl<P> Extras<P> {
    pub(super) fn add(&mut self, path: P, shape: Shape) {
        self.paths.push((path, shape));
    }

    /// Part of the source could not be listed.
    pub(super) fn miss(&mut self) {
        self.knowledge = Knowledge::Partial;
    }

    /// Returns what is to be deleted: nothing where the rule keeps it, or the source is not known
    /// completely, which is told.
    fn take(self, rule: &TreeRule, summary: &TreeSummary) -> Vec<(P, Shape)> {
        match (rule.extra, self.knowledge) {
            (Extra::Kept, _) => Vec::new(),
            (Extra::Deleted, Knowledge::Complete) => self.paths,
            (Extra::Deleted, Knowledge::Partial) => {
                summary.add_failure("nothing is deleted: not all could be listed");
                Vec::new()
            }
        }
    }
}

impl Extras<PathArg> {
    /// Deletes at the server.
    pub(super) fn delete_there(
        self,
        session: &mut Session,
        rule: &TreeRule,
        summary: &TreeSummary,
    ) -> CommandResult {
        for (path, shape) in self.take(rule, summary) {
            delete_there(session, path, shape, rule, summary)?;
        }
        Ok(())
    }
}

impl Extras<PathBuf> {
    /// Deletes here.
    pub(super) fn delete_here(
        self,
        session: &Session,
        rule: &TreeRule,
        summary: &TreeSummary,
    ) -> CommandResult {
        for (path, shape) in self.take(rule, summary) {
            if session.interrupt.is_stopped() {
                return Err(CommandError::Stopped("stopped".into()));
            }
            delete_here(&path, shape, rule, summary);
        }
        Ok(())
    }
}

/// Deletes one name at the server, and all that is in it.
pub(super) fn delete_there(
    session: &mut Session,
    path: PathArg,
    shape: Shape,
    rule: &TreeRule,
    summary: &TreeSummary,
) -> CommandResult {
    if Action::Delete.tell(rule, &path) == Proceed::OnlyTells {
        return Ok(());
    }
    let mut doomed = Doomed::default();
    let counted = match shape {
        Shape::Directory => doomed.add_directory(session, path),
        Shape::Other => doomed.add_file(path),
    };
    match counted {
        Ok(()) => {}
        Err(CommandError::Refused(why)) => {
            summary.add_failure(why);
            return Ok(());
        }
        Err(other) => return Err(other),
    }
    let mut deleted = Deleted::default();
    let done = doomed.delete(session, &mut deleted);
    summary.add_deleted(deleted.files + deleted.directories, deleted.failed);
    done
}

/// Deletes one name here, and all that is in it; a link is deleted, not followed.
pub(super) fn delete_here(
    path: &std::path::Path,
    shape: Shape,
    rule: &TreeRule,
    summary: &TreeSummary,
) {
    if Action::Delete.tell(rule, path) == Proceed::OnlyTells {
        return;
    }
    let deleted = match shape {
        Shape::Directory => fs::remove_dir_all(path),
        Shape::Other => fs::remove_file(path),
    };
    match deleted {
        Ok(()) => summary.add_deleted(1, 0),
        Err(error) => {
            let path = escape_path(path);
            summary.add_failure(format_args!("{path}: {}", IoCause(&error)));
        }
    }
}
