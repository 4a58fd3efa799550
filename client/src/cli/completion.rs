//! Completes command names, local names, and names at the server while a line is typed.

use std::borrow::Cow;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use linefeed::complete::Suffix;
use linefeed::{Completer, Completion, Prompter, Terminal};
use skiff_sessions::wire::reply::Kind;

use crate::commands::lexer;
use crate::commands::table::COMMANDS;
use crate::commands::{spec, table};
use crate::net::listing::is_single_name;
use crate::net::session::Session;
use crate::terminal::format::escape_name;

/// More completions than this are not collected: nobody reads such a list.
const COMPLETIONS_MAX: usize = 10_000;

/// How long a listing for completion may take, before the line is typed on without it.
const LISTING_TIME: Duration = Duration::from_secs(2);

/// The session, shared between the prompt and the completer that runs while a line is typed.
pub(crate) type SharedSession = Arc<Mutex<Session>>;

/// Completes the word under the cursor according to the command table.
pub(crate) struct CommandCompleter {
    session: SharedSession,
}

impl CommandCompleter {
    pub(crate) fn new(session: SharedSession) -> Self {
        Self { session }
    }
}

impl<Term: Terminal> Completer<Term> for CommandCompleter {
    fn complete(
        &self,
        word: &str,
        prompter: &Prompter<'_, '_, Term>,
        start: usize,
        _: usize,
    ) -> Option<Vec<Completion>> {
        let before = prompter.buffer()[..start].trim_start_matches([' ', '-']);
        if before.is_empty() {
            return Some(complete_command(word));
        }
        let mut typed = before.split_whitespace();
        let command = table::find(typed.next()?).ok()?;
        let index = typed.filter(|word| !word.starts_with('-')).count();
        match command.argument_kind(index) {
            spec::ArgumentKind::Command => Some(complete_command(word)),
            spec::ArgumentKind::Local => Some(complete_local(word)),
            spec::ArgumentKind::Remote => {
                // The lock is free while a line is typed: it is held only while a command runs.
                let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
                complete_remote(&mut session, word)
            }
            spec::ArgumentKind::Other => None,
        }
    }

    fn word_start(&self, line: &str, end: usize, _: &Prompter<'_, '_, Term>) -> usize {
        linefeed::complete::escaped_word_start(&line[..end])
    }

    fn quote<'a>(&self, word: &'a str) -> Cow<'a, str> {
        lexer::escape_word(word)
    }

    fn unquote<'a>(&self, word: &'a str) -> Cow<'a, str> {
        linefeed::complete::unescape(word)
    }
}

/// Returns the commands whose name begins with `word`.
fn complete_command(word: &str) -> Vec<Completion> {
    let names = COMMANDS
        .iter()
        .map(|command| command.name)
        .filter(|name| name.starts_with(word));
    names
        .map(|name| Completion::simple(name.to_owned()))
        .collect()
}

/// Returns the local names that begin with `word`.
fn complete_local(word: &str) -> Vec<Completion> {
    let (folder, start) = split_path(word);
    let Ok(entries) = std::fs::read_dir(if folder.is_empty() {
        Path::new(".")
    } else {
        Path::new(folder)
    }) else {
        return Vec::new();
    };
    let names = entries.flatten().take(COMPLETIONS_MAX).filter_map(|entry| {
        let kind = match entry.path().is_dir() {
            true => Kind::Directory,
            false => Kind::File,
        };
        new_completion(folder, start, entry.file_name().as_bytes(), kind)
    });
    sorted(names.collect())
}

/// Returns the names at the server that begin with `word`; `None` when the server does not tell
/// them in time.
fn complete_remote(session: &mut Session, word: &str) -> Option<Vec<Completion>> {
    let (folder, start) = split_path(word);
    let names = session.names_in(folder.as_bytes(), Instant::now() + LISTING_TIME)?;
    let begin = names
        .iter()
        .filter(|entry| is_single_name(&entry.name))
        .filter_map(|entry| new_completion(folder, start, &entry.name, entry.kind));
    Some(sorted(begin.take(COMPLETIONS_MAX).collect()))
}

/// Returns a completion for `name`, or `None` where it does not begin with `start`, is not UTF-8,
/// or would not be shown as it is.
fn new_completion(folder: &str, start: &str, name: &[u8], kind: Kind) -> Option<Completion> {
    let name = std::str::from_utf8(name).ok()?;
    if !name.starts_with(start) || escape_name(name.as_bytes()) != name {
        return None;
    }
    Some(Completion {
        completion: format!("{folder}{name}"),
        display: Some(name.to_owned()),
        suffix: match kind {
            Kind::Directory => Suffix::Some('/'),
            // It may lead to a directory.
            Kind::Link => Suffix::None,
            Kind::File | Kind::Other => Suffix::Default,
        },
    })
}

fn sorted(mut names: Vec<Completion>) -> Vec<Completion> {
    names.sort_unstable_by(|one, other| one.completion.cmp(&other.completion));
    names
}

/// Splits a word into its folder, with the last `/`, and the typed part of the name.
fn split_path(word: &str) -> (&str, &str) {
    word.split_at(word.rfind('/').map_or(0, |at| at + 1))
}
