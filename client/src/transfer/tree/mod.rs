//! Transfers, compares and deletes directory trees.

mod action;
mod ahead;
mod batch;
pub(crate) mod bounds;
mod compare;
mod extra;
mod get;
mod lanes;
mod links;
mod local_walk;
mod put;
mod remote_walk;
pub(crate) mod remove;
mod requests;
mod room;
pub(crate) mod rule;
pub(crate) mod summary;
pub(crate) mod walk;

use std::path::Path;
use std::sync::Arc;

use skiff_sessions::path::PathArg;

use crate::net::command_error::CommandError;
use crate::net::session::Session;
use rule::TreeRule;
use summary::TreeSummary;

/// Downloads a tree over so many sessions, syncs it to the disk, and returns the line that sums it
/// up.
pub(crate) fn get_whole(
    session: &mut Session,
    from: PathArg,
    to: &Path,
    (rule, sessions): (&TreeRule, usize),
    summary: TreeSummary,
) -> Result<String, CommandError> {
    let downloaded = get::download_tree(session, from, to, (rule, sessions), &summary);
    if !rule.is_dry() && !matches!(downloaded, Err(CommandError::Stopped(_))) {
        get::sync_file_system(to, &session.interrupt, &summary)?;
    }
    summary.finish(downloaded, "fetched")
}

/// Uploads a tree over so many sessions, and returns the line that sums it up.
pub(crate) fn put_whole(
    session: &mut Session,
    from: &Path,
    to: PathArg,
    (rule, sessions): (&Arc<TreeRule>, usize),
    summary: TreeSummary,
) -> Result<String, CommandError> {
    let uploaded = put::upload_tree(session, from, to, (rule, sessions), &summary);
    summary.finish(uploaded, "sent")
}
