//! Completes commands, options, hosts, local names, and names at the server while a line is typed.

use std::borrow::Cow;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use linefeed::complete::Suffix;
use linefeed::{Completer, Completion, Prompter, Terminal};
use skiff_sessions::wire::reply::Kind;

use crate::commands::lexer;
use crate::commands::partial::{self, Partial, Place, Quotes};
use crate::commands::spec::{ArgumentKind, CommandSpec};
use crate::commands::sync::SERVER_MARK;
use crate::commands::table::{self, COMMANDS};
use crate::commands::topics::TOPICS;
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
    /// The servers that can be opened by name.
    hosts: Vec<String>,
}

impl CommandCompleter {
    pub(crate) fn new(session: SharedSession, hosts: Vec<String>) -> Self {
        Self { session, hosts }
    }

    /// The lock is free while a line is typed: it is held only while a command runs.
    fn session(&self) -> std::sync::MutexGuard<'_, Session> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn candidates(&self, typed: &Partial) -> Option<Vec<Candidate>> {
        let word = str::from_utf8(&typed.word).ok()?;
        match typed.place {
            Place::Command => Some(self.commands(word)),
            Place::Local => Some(local(word)),
            Place::Argument => self.arguments(&typed.words, word),
        }
    }

    /// What may stand as the next word of a command.
    fn arguments(&self, words: &[lexer::Word], word: &str) -> Option<Vec<Candidate>> {
        let (name, rest) = words.split_first()?;
        let command = table::find(&name.to_text()).ok()?;
        let ended = rest.iter().any(|word| word.as_bytes() == b"--");
        if word.starts_with('-') && !ended {
            return Some(options(command, word));
        }
        // An option that waits for its value is no place for a name.
        let index = command.split_options(rest).ok()?.words.len();
        match command.argument_kind(index) {
            ArgumentKind::Command => Some(self.commands(word)),
            ArgumentKind::Topic => {
                let commands = COMMANDS.iter().map(|command| command.name);
                let topics = TOPICS.iter().map(|topic| topic.name);
                Some(fixed(commands.chain(topics), word))
            }
            ArgumentKind::Host => Some(fixed(self.hosts.iter().map(String::as_str), word)),
            ArgumentKind::Local => Some(local(word)),
            ArgumentKind::Remote => remote(&mut self.session(), word),
            ArgumentKind::Side => match word.as_bytes().strip_prefix(SERVER_MARK) {
                Some(path) => {
                    let path = str::from_utf8(path).ok()?;
                    let found = remote(&mut self.session(), path)?;
                    Some(found.into_iter().map(Candidate::at_server).collect())
                }
                None => Some(local(word)),
            },
            ArgumentKind::Other => None,
        }
    }

    /// The commands and aliases whose name begins with `word`.
    fn commands(&self, word: &str) -> Vec<Candidate> {
        let session = self.session();
        let aliases = session.lines.aliases.iter().map(|(name, _)| name);
        let names = COMMANDS.iter().map(|command| command.name);
        fixed(names.chain(aliases), word)
    }
}

impl<Term: Terminal> Completer<Term> for CommandCompleter {
    fn complete(
        &self,
        _: &str,
        prompter: &Prompter<'_, '_, Term>,
        _: usize,
        end: usize,
    ) -> Option<Vec<Completion>> {
        let typed = {
            let session = self.session();
            partial::read(&prompter.buffer()[..end], &session.lines.aliases)
        };
        let mut candidates = self.candidates(&typed)?;
        candidates.sort_unstable_by(|one, other| one.text.cmp(&other.text));
        candidates.dedup_by(|one, other| one.text == other.text);
        let quoted = candidates
            .into_iter()
            .map(|found| found.quoted(typed.quotes));
        Some(quoted.collect())
    }

    fn word_start(&self, line: &str, end: usize, _: &Prompter<'_, '_, Term>) -> usize {
        let session = self.session();
        partial::read(&line[..end], &session.lines.aliases).start
    }

    /// Completions are quoted when they are made: what several have in common is inserted as it is.
    fn quote<'a>(&self, word: &'a str) -> Cow<'a, str> {
        Cow::Borrowed(word)
    }

    fn unquote<'a>(&self, word: &'a str) -> Cow<'a, str> {
        Cow::Borrowed(word)
    }
}

/// What may stand in the place of a word.
struct Candidate {
    text: String,
    /// What is shown of it in a list.
    display: String,
    end: CandidateEnd,
}

/// What comes behind a word.
#[derive(Clone, Copy, PartialEq, Eq)]
enum CandidateEnd {
    /// The next word.
    Word,
    /// The names in a directory.
    Directory,
    /// It may lead to a directory.
    Open,
}

impl Candidate {
    /// One of the names in a folder; `None` where it does not begin with `start`, is not UTF-8, or
    /// would not be shown as it is.
    fn in_folder((folder, start): (&str, &str), name: &[u8], kind: Kind) -> Option<Self> {
        let name = str::from_utf8(name).ok()?;
        if !name.starts_with(start) || escape_name(name.as_bytes()) != name {
            return None;
        }
        // A name that begins so is no home.
        let here = if folder.is_empty() && name.starts_with('~') {
            "./"
        } else {
            ""
        };
        Some(Self {
            text: format!("{here}{folder}{name}"),
            display: name.to_owned(),
            end: match kind {
                Kind::Directory => CandidateEnd::Directory,
                Kind::Link => CandidateEnd::Open,
                Kind::File | Kind::Other => CandidateEnd::Word,
            },
        })
    }

    fn at_server(self) -> Self {
        Self {
            text: format!(":{}", self.text),
            ..self
        }
    }

    /// Quotes the text in the way that was begun, where it can be.
    fn quoted(self, quotes: Quotes) -> Completion {
        // A quoted ~ is no home.
        let (home, rest) = match self.text.strip_prefix("~/") {
            Some(rest) => ("~/", rest),
            None => ("", self.text.as_str()),
        };
        let completion = match quotes {
            Quotes::Open(quote @ '\'') if home.is_empty() && !rest.contains(['\'', '\\']) => {
                self.enclosed(quote, rest)
            }
            Quotes::Open(quote @ '"') if home.is_empty() => {
                let escaped = rest.replace('\\', "\\\\").replace('"', "\\\"");
                self.enclosed(quote, &escaped)
            }
            Quotes::Open(_) | Quotes::Backslash => format!("{home}{}", lexer::escape_word(rest)),
        };
        let suffix = match self.end {
            CandidateEnd::Word => Suffix::Default,
            CandidateEnd::Directory => Suffix::Some('/'),
            CandidateEnd::Open => Suffix::None,
        };
        Completion {
            completion,
            display: Some(self.display),
            suffix,
        }
    }

    /// The quote ends with the word; a directory's goes on.
    fn enclosed(&self, quote: char, text: &str) -> String {
        match self.end {
            CandidateEnd::Word => format!("{quote}{text}{quote}"),
            CandidateEnd::Directory | CandidateEnd::Open => format!("{quote}{text}"),
        }
    }
}

/// Those of some words that begin with `word`.
fn fixed<'a>(words: impl Iterator<Item = &'a str>, word: &str) -> Vec<Candidate> {
    let begin = words.filter(|known| known.starts_with(word));
    begin
        .map(|known| Candidate {
            text: known.to_owned(),
            display: known.to_owned(),
            end: CandidateEnd::Word,
        })
        .collect()
}

/// The options of a command that begin with `word`.
fn options(command: &CommandSpec, word: &str) -> Vec<Candidate> {
    let all = command.option_words();
    fixed(all.iter().map(String::as_str), word)
}

/// The local names that begin with `word`.
fn local(word: &str) -> Vec<Candidate> {
    let (folder, start) = split_path(word);
    let listed = match (folder, folder.strip_prefix("~/"), std::env::home_dir()) {
        ("", ..) => PathBuf::from("."),
        (_, Some(below), Some(home)) => home.join(below),
        _ => Path::new(folder).to_owned(),
    };
    let Ok(entries) = std::fs::read_dir(listed) else {
        return Vec::new();
    };
    let names = entries.flatten().take(COMPLETIONS_MAX).filter_map(|entry| {
        let kind = match entry.path().is_dir() {
            true => Kind::Directory,
            false => Kind::File,
        };
        Candidate::in_folder((folder, start), entry.file_name().as_bytes(), kind)
    });
    names.collect()
}

/// The names at the server that begin with `word`; `None` when the server does not tell them in
/// time.
fn remote(session: &mut Session, word: &str) -> Option<Vec<Candidate>> {
    let (folder, start) = split_path(word);
    let listed = match folder.strip_prefix("~/") {
        Some(below) => format!("/{below}"),
        None => folder.to_owned(),
    };
    let names = session.names_in(listed.as_bytes(), Instant::now() + LISTING_TIME)?;
    let begin = names
        .iter()
        .filter(|entry| is_single_name(&entry.name))
        .filter_map(|entry| Candidate::in_folder((folder, start), &entry.name, entry.kind));
    Some(begin.take(COMPLETIONS_MAX).collect())
}

/// Splits a word into its folder, with the last `/`, and the typed part of the name.
fn split_path(word: &str) -> (&str, &str) {
    word.split_at(word.rfind('/').map_or(0, |at| at + 1))
}
