//! Implements `get -r` and `put -r` of directories. Files that both ends have
//! with the same bytes are left alone, others of the same name are replaced only with `-f`; small
//! new files are transferred without negotiation.

use super::lexer::Word;
use super::spec::ParsedArgs;
use super::targets::{local_tree_target, remote_path, remote_tree_target};
use crate::net::command_error::{CommandError, CommandResult};
use crate::net::session::Session;
use crate::terminal::format::escape_name;
use crate::transfer::policy::Overwrite;
use crate::transfer::tree;
use crate::transfer::tree::summary::TreeSummary;

/// `get -r` of a directory: downloads it and syncs it to the disk.
pub(crate) fn get(
    session: &mut Session,
    args: &ParsedArgs,
    from: &Word,
    to: Option<&Word>,
) -> CommandResult {
    if to.is_some_and(|to| to.as_bytes() == b"-") {
        return Err(CommandError::refused(
            escape_name(from.as_bytes()),
            "a directory cannot be written to standard output",
        ));
    }
    let path = remote_path(from)?;
    let to = local_tree_target(from, to)?;
    let mut summary = TreeSummary::new(session.progress_style, from.as_bytes());
    let overwrite = overwrite(args);
    let downloaded = tree::get::download_tree(session, path, &to, overwrite, &mut summary);
    if matches!(downloaded, Err(CommandError::Stopped(_))) {
        return downloaded;
    }
    let synced = tree::get::sync_file_system(&to, &session.interrupt, &mut summary);
    downloaded?;
    synced?;
    summary.finish("fetched")
}

/// `put -r` of a directory: uploads it.
pub(crate) fn put(
    session: &mut Session,
    args: &ParsedArgs,
    word: &Word,
    to: Option<&Word>,
) -> CommandResult {
    let from = word.as_local_path();
    let to = remote_tree_target(from, to)?;
    let mut summary = TreeSummary::new(session.progress_style, word.as_bytes());
    tree::put::upload_tree(session, from, to, overwrite(args), &mut summary)?;
    summary.finish("sent")
}

/// Nobody is asked about the files of a tree: `-f` decides.
fn overwrite(args: &ParsedArgs) -> Overwrite {
    match args.has_option('f') {
        true => Overwrite::Always,
        false => Overwrite::Never,
    }
}
