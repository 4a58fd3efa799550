//! Implements `get -r` and `put -r`, the commands on whole directories. Files that both ends have
//! with the same bytes are left alone; small new files are transferred without negotiation.

use skiff_sessions::wire::command::Command;
use skiff_sessions::wire::reply::Kind;

use super::spec::ParsedArgs;
use super::targets::{local_tree_target, remote_path, remote_tree_target};
use crate::net::command_error::{CommandError, CommandResult};
use crate::net::session::Session;
use crate::terminal::format::{escape_name, escape_path};
use crate::transfer::tree_summary::TreeSummary;
use crate::transfer::{get_tree, put_tree};

/// `get -r`: downloads a directory and syncs it to the disk.
pub(crate) fn get(session: &mut Session, args: &ParsedArgs) -> CommandResult {
    let from = &args.words[0];
    let path = remote_path(from)?;
    let found = session.request_ok(from.as_bytes(), Command::Facts(path.clone()))?;
    if found
        .facts
        .is_none_or(|facts| facts.kind != Kind::Directory)
    {
        return Err(CommandError::refused(
            escape_name(from.as_bytes()),
            "no directory; get it without -r",
        ));
    }
    let to = local_tree_target(from, args.words.get(1))?;
    let mut summary = TreeSummary::new(session.progress_style, from.as_bytes());
    let downloaded = get_tree::download_tree(session, path, &to, &mut summary);
    if matches!(downloaded, Err(CommandError::Stopped(_))) {
        return downloaded;
    }
    let synced = get_tree::sync_file_system(&to, &session.interrupt, &mut summary);
    downloaded?;
    synced?;
    summary.finish("fetched")
}

/// `put -r`: uploads a directory.
pub(crate) fn put(session: &mut Session, args: &ParsedArgs) -> CommandResult {
    let from = args.words[0].as_local_path();
    if !from.is_dir() {
        return Err(CommandError::refused(
            escape_path(from),
            "no directory; put it without -r",
        ));
    }
    let to = remote_tree_target(from, args.words.get(1))?;
    let mut summary = TreeSummary::new(session.progress_style, args.words[0].as_bytes());
    put_tree::upload_tree(session, from, to, &mut summary)?;
    summary.finish("sent")
}
