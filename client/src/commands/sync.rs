//! Implements `sync`: makes a directory like another one, at the server or here.

use std::sync::Arc;

use skiff_sessions::wire::reply::Kind;

use super::lexer::Word;
use super::spec::ParsedArgs;
use super::targets::{remote_kind, remote_path};
use super::trees::{attributes, links, sessions};
use crate::net::command_error::{CommandError, CommandResult};
use crate::net::session::Session;
use crate::terminal::format::escape_name;
use crate::terminal::output::print_note;
use crate::terminal::progress::ProgressStyle;
use crate::transfer::tree;
use crate::transfer::tree::rule::{Changed, Exclusion, Execution, Extra, Sameness, TreeRule};
use crate::transfer::tree::summary::TreeSummary;

/// What the path of the server's side begins with.
pub(crate) const SERVER_MARK: &[u8] = b":";

/// Which side is where.
enum Direction<'a> {
    Up { from: &'a Word, to: Word },
    Down { from: Word, to: &'a Word },
}

/// `sync`: what is done is said on standard output, and the sum on standard error.
pub(crate) fn sync(session: &mut Session, args: &ParsedArgs) -> CommandResult {
    let direction = Direction::of(&args.words)?;
    let rule = Arc::new(rule(args));
    let sessions = sessions(args)?;
    let style = match rule.execution {
        Execution::OnlyTold => ProgressStyle::Hidden,
        Execution::Silent | Execution::Told => session.progress_style,
    };
    let summed = match direction {
        Direction::Up { from, to } => {
            let here = from.as_local_path();
            if !here.is_dir() {
                return Err(no_directory(from.as_bytes()));
            }
            let summary = TreeSummary::new(style, from.as_bytes(), rule.execution);
            let to = remote_path(&to)?;
            tree::put_whole(session, here, to, (&rule, sessions), summary)
        }
        Direction::Down { from, to } => {
            if remote_kind(session, &from)? != Some(Kind::Directory) {
                let name = escape_name(from.as_bytes());
                return Err(CommandError::refused(name, "no directory at the server"));
            }
            let summary = TreeSummary::new(style, from.as_bytes(), rule.execution);
            let from = remote_path(&from)?;
            tree::get_whole(
                session,
                from,
                to.as_local_path(),
                (&rule, sessions),
                summary,
            )
        }
    };
    print_note(summed?);
    Ok(())
}

impl<'a> Direction<'a> {
    fn of(words: &'a [Word]) -> Result<Self, CommandError> {
        let [from, to] = words else {
            return Err(CommandError::refused("sync", "from where to where?"));
        };
        let there = |word: &Word| {
            let path = word.as_bytes().strip_prefix(SERVER_MARK)?;
            Some(match path {
                [] => Word::from(b".".to_vec()),
                path => Word::from(path.to_vec()),
            })
        };
        match (there(from), there(to)) {
            (Some(from), None) => Ok(Self::Down { from, to }),
            (None, Some(to)) => Ok(Self::Up { from, to }),
            _ => Err(CommandError::refused(
                "sync",
                "one of the two is at the server, and begins with a colon (:docs)",
            )),
        }
    }
}

fn no_directory(name: &[u8]) -> CommandError {
    CommandError::refused(escape_name(name), "no directory here")
}

fn rule(args: &ParsedArgs) -> TreeRule {
    TreeRule {
        same: match args.has_option('C') {
            true => Sameness::SizeAndDigest,
            false => Sameness::SizeAndTime,
        },
        changed: Changed::Replaced,
        extra: match args.has_option('D') {
            true => Extra::Deleted,
            false => Extra::Kept,
        },
        links: links(args),
        attributes: attributes(args),
        excluded: args
            .values_of('x')
            .map(|pattern| Exclusion::new(pattern.as_bytes()))
            .collect(),
        execution: match args.has_option('n') {
            true => Execution::OnlyTold,
            false => Execution::Told,
        },
    }
}
