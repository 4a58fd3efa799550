//! Whole directories: get -r and put -r. What is at the other end with the same
//! bytes is left alone; small files go with no turn.

use skiff_sessions::wire::command::Command;
use skiff_sessions::wire::reply::Kind;

use super::spec::Given;
use super::targets::{remote, tree_here, tree_there};
use crate::net::command_error::{CommandError, CommandResult};
use crate::net::session::Session;
use crate::terminal::format::{escape_name, escape_path};
use crate::transfer::tree_summary::TreeSummary;
use crate::transfer::{get_tree, put_tree};

pub(crate) fn get(session: &mut Session, given: &Given) -> CommandResult {
    let from = &given.words[0];
    let path = remote(from)?;
    let found = session.request_ok(from.bytes(), Command::Facts(path.clone()))?;
    if found
        .facts
        .is_none_or(|facts| facts.kind != Kind::Directory)
    {
        return Err(CommandError::refused(
            escape_name(from.bytes()),
            "no directory; get it without -r",
        ));
    }
    let to = tree_here(from, given.words.get(1))?;
    let mut summary = TreeSummary::new(session.progress_style, from.bytes());
    let downloaded = get_tree::download_tree(session, path, &to, &mut summary);
    get_tree::sync_file_system(&to, &mut summary);
    downloaded?;
    summary.finish("fetched")
}

pub(crate) fn put(session: &mut Session, given: &Given) -> CommandResult {
    let from = given.words[0].local();
    if !from.is_dir() {
        return Err(CommandError::refused(
            escape_path(from),
            "no directory; put it without -r",
        ));
    }
    let to = tree_there(from, given.words.get(1))?;
    let mut summary = TreeSummary::new(session.progress_style, given.words[0].bytes());
    put_tree::upload_tree(session, from, to, &mut summary)?;
    summary.finish("sent")
}
