//! Completion: commands, local names, and the server's.

use std::borrow::Cow;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use linefeed::complete::Suffix;
use linefeed::{Completer, Completion, Prompter, Terminal};
use skiff_sessions::path::PathArg;
use skiff_sessions::wire::command::Command;
use skiff_sessions::wire::reply::Kind;

use crate::commands::lexer;
use crate::commands::table::VERBS;
use crate::commands::{spec, table};
use crate::net::listing::is_single_name;
use crate::net::session::Session;

/// More names than these are no help to anybody.
const OFFERED_MAX: usize = 10_000;

/// The shell, shared with the completer, which runs while a line is typed.
pub(crate) type Shared = Arc<Mutex<Session>>;

pub(crate) struct Names {
    session: Shared,
}

impl Names {
    pub(crate) fn of(session: Shared) -> Self {
        Self { session }
    }
}

impl<Term: Terminal> Completer<Term> for Names {
    fn complete(
        &self,
        word: &str,
        prompter: &Prompter<'_, '_, Term>,
        start: usize,
        _: usize,
    ) -> Option<Vec<Completion>> {
        let before = prompter.buffer()[..start].trim_start_matches([' ', '-']);
        if before.is_empty() {
            return Some(verbs_like(word));
        }
        let mut typed = before.split_whitespace();
        let verb = table::find(typed.next()?).ok()?;
        let index = typed.filter(|word| !word.starts_with('-')).count();
        match verb.names_at(index) {
            spec::Names::Command => Some(verbs_like(word)),
            spec::Names::Local => Some(local(word)),
            spec::Names::Remote => {
                // Whoever holds the shell is doing a command: then no line is typed.
                let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
                remote(&mut session, word)
            }
            spec::Names::Other => None,
        }
    }

    fn word_start(&self, line: &str, end: usize, _: &Prompter<'_, '_, Term>) -> usize {
        linefeed::complete::escaped_word_start(&line[..end])
    }

    fn quote<'a>(&self, word: &'a str) -> Cow<'a, str> {
        lexer::escaped(word)
    }

    fn unquote<'a>(&self, word: &'a str) -> Cow<'a, str> {
        linefeed::complete::unescape(word)
    }
}

fn verbs_like(word: &str) -> Vec<Completion> {
    let names = VERBS
        .iter()
        .map(|verb| verb.name)
        .filter(|name| name.starts_with(word));
    names
        .map(|name| Completion::simple(name.to_owned()))
        .collect()
}

fn local(word: &str) -> Vec<Completion> {
    let (folder, start) = split(word);
    let Ok(entries) = std::fs::read_dir(if folder.is_empty() {
        Path::new(".")
    } else {
        Path::new(folder)
    }) else {
        return Vec::new();
    };
    let names = entries.flatten().take(OFFERED_MAX).filter_map(|entry| {
        let is_directory = entry.path().is_dir();
        offer(folder, start, entry.file_name().as_bytes(), is_directory)
    });
    sorted(names.collect())
}

fn remote(session: &mut Session, word: &str) -> Option<Vec<Completion>> {
    let (folder, start) = split(word);
    let path = if folder.is_empty() {
        None
    } else {
        Some(PathArg::new(folder)?)
    };
    let mut names = Vec::new();
    let listed = session.list(folder.as_bytes(), Command::List(path), |name, facts| {
        if names.len() < OFFERED_MAX && is_single_name(name) {
            names.extend(offer(folder, start, name, facts.kind == Kind::Directory));
        }
    });
    listed.ok()?;
    Some(sorted(names))
}

/// A name that begins as it was typed, and that can be typed at all.
fn offer(folder: &str, start: &str, name: &[u8], is_directory: bool) -> Option<Completion> {
    let name = std::str::from_utf8(name).ok()?;
    if !name.starts_with(start) || name.chars().any(char::is_control) {
        return None;
    }
    Some(Completion {
        completion: format!("{folder}{name}"),
        display: Some(name.to_owned()),
        suffix: if is_directory {
            Suffix::Some('/')
        } else {
            Suffix::Default
        },
    })
}

fn sorted(mut names: Vec<Completion>) -> Vec<Completion> {
    names.sort_unstable_by(|one, other| one.completion.cmp(&other.completion));
    names
}

/// The folder with its `/`, and what of the name was typed.
fn split(word: &str) -> (&str, &str) {
    word.split_at(word.rfind('/').map_or(0, |at| at + 1))
}
