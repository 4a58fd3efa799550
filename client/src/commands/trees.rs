//! Implements `get -r` and `put -r` of directories. Files that both ends have with the same bytes
//! are left alone, others of the same name are replaced only with `-f`.

use std::sync::Arc;

use super::lexer::Word;
use super::spec::ParsedArgs;
use super::targets::{local_tree_target, remote_path, remote_tree_target};
use crate::net::command_error::{CommandError, CommandResult};
use crate::net::session::Session;
use crate::terminal::format::escape_name;
use crate::terminal::output::print_words;
use crate::transfer::tree;
use crate::transfer::tree::rule::{
    Attributes, Changed, Execution, Extra, Links, Sameness, TreeRule,
};
use crate::transfer::tree::summary::TreeSummary;

/// The most sessions of one command.
const SESSIONS_MAX: usize = 16;

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
    let summary = TreeSummary::new(session.progress_style, from.as_bytes(), Execution::Silent);
    let (rule, sessions) = (rule(args), sessions(args)?);
    let how = (rule.as_ref(), sessions);
    print_words(tree::get_whole(session, path, &to, how, summary)?);
    Ok(())
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
    let summary = TreeSummary::new(session.progress_style, word.as_bytes(), Execution::Silent);
    let how = (&rule(args), sessions(args)?);
    print_words(tree::put_whole(session, from, to, how, summary)?);
    Ok(())
}

/// Nobody is asked about the files of a tree: `-f` decides.
fn rule(args: &ParsedArgs) -> Arc<TreeRule> {
    Arc::new(TreeRule {
        same: Sameness::SizeAndDigest,
        changed: match args.has_option('f') {
            true => Changed::Replaced,
            false => Changed::Left,
        },
        extra: Extra::Kept,
        links: links(args),
        attributes: attributes(args),
        excluded: Vec::new(),
        execution: Execution::Silent,
    })
}

/// `-l`, `-L` and `--no-links`: where several are given, what follows fewer links.
pub(super) fn links(args: &ParsedArgs) -> Links {
    let options = [
        ('N', Links::Skipped),
        ('l', Links::Remade),
        ('L', Links::Followed),
    ];
    let given = options.iter().find(|(letter, _)| args.has_option(*letter));
    given.map_or(Links::ToFiles, |(_, links)| *links)
}

/// `-p`.
pub(super) fn attributes(args: &ParsedArgs) -> Attributes {
    match args.has_option('p') {
        true => Attributes::TimeAndMode,
        false => Attributes::Time,
    }
}

/// `-j N`: how many sessions there may be.
pub(super) fn sessions(args: &ParsedArgs) -> Result<usize, CommandError> {
    let Some(word) = args.values_of('j').last() else {
        return Ok(1);
    };
    let number = word.to_text().parse().ok();
    number
        .filter(|number| (1..=SESSIONS_MAX).contains(number))
        .ok_or_else(|| {
            let why = format!("-j takes a number from 1 to {SESSIONS_MAX}");
            CommandError::refused(escape_name(word.as_bytes()), why)
        })
}
