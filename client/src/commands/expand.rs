//! Replaces patterns among the words of a command by the names that match them, and `~` by the
//! home, at the server and here.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::mem;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use skiff_sessions::wire::command::Command;
use skiff_sessions::wire::reply::Kind;

use super::lexer::Word;
use super::spec::{ArgumentKind, CommandSpec, ParsedArgs};
use super::targets::{remote_kind, remote_path};
use crate::net::command_error::CommandError;
use crate::net::listing::{Listed, is_single_name};
use crate::net::session::Session;
use crate::terminal::format::{IoCause, escape_name, escape_path};
use crate::transfer::glob::Pattern;

/// The most names that one pattern may match.
const MATCHES_MAX: usize = 10_000;

/// The most directories that are listed for one pattern.
const LISTINGS_MAX: usize = 1000;

/// The home at the server (PROTOCOL.md section 2).
const REMOTE_HOME: &[u8] = b"/";

/// Expands all words of a command.
///
/// # Errors
///
/// `Refused` where a pattern matches nothing or too much, or several names where one can be.
pub(crate) fn expand_args(
    session: &mut Session,
    command: &CommandSpec,
    mut args: ParsedArgs,
) -> Result<ParsedArgs, CommandError> {
    let mut words = Vec::with_capacity(args.words.len());
    for (index, word) in mem::take(&mut args.words).into_iter().enumerate() {
        let kind = command.word_kind(index);
        words.extend(expand_word(session, kind, word)?);
    }
    let target = match args.target.take() {
        None => None,
        Some(typed) => {
            let shown = escape_name(typed.as_bytes());
            let mut found = expand_word(session, command.target_kind(), typed)?;
            if found.len() > 1 {
                let why = format!("matches {} names, where one can be", found.len());
                return Err(CommandError::refused(shown, why));
            }
            found.pop()
        }
    };
    Ok(ParsedArgs {
        words,
        target,
        ..args
    })
}

fn expand_word(
    session: &mut Session,
    kind: ArgumentKind,
    word: Word,
) -> Result<Vec<Word>, CommandError> {
    match kind {
        ArgumentKind::Remote => {
            let word = word.with_home(REMOTE_HOME);
            expand_pattern(word, |folder| list_remote(session, folder))
        }
        ArgumentKind::Local => {
            let word = match std::env::home_dir() {
                Some(home) => word.with_home(home.as_os_str().as_bytes()),
                None => word,
            };
            expand_pattern(word, list_local)
        }
        ArgumentKind::Side
        | ArgumentKind::Command
        | ArgumentKind::Topic
        | ArgumentKind::Host
        | ArgumentKind::Other => Ok(vec![word]),
    }
}

/// What a directory lists.
type Names = Vec<(Vec<u8>, Kind)>;

/// Expands a word whose directories `list` lists; one without a pattern is left as it is.
fn expand_pattern(
    word: Word,
    mut list: impl FnMut(&[u8]) -> Result<Names, CommandError>,
) -> Result<Vec<Word>, CommandError> {
    let components = components(&word);
    if !components.iter().any(|(_, pattern)| pattern.is_pattern()) {
        return Ok(vec![word]);
    }
    let refused = |why: &str| Err(CommandError::refused(escape_name(word.as_bytes()), why));
    let is_directory = word.as_bytes().ends_with(b"/");
    let root: &[u8] = match word.as_bytes() {
        [b'/', ..] => b"/",
        _ => b"",
    };
    let mut found = vec![root.to_vec()];
    let mut is_listed = false;
    let mut listings = 0;
    for (index, (name, pattern)) in components.iter().enumerate() {
        let is_last = index + 1 == components.len();
        let end: &[u8] = match is_last && !is_directory {
            true => b"",
            false => b"/",
        };
        is_listed |= pattern.is_pattern();
        if !is_listed || matches!(&name[..], b"." | b"..") {
            found.iter_mut().for_each(|path| {
                path.extend_from_slice(name);
                path.extend_from_slice(end);
            });
            continue;
        }
        let folders = mem::take(&mut found);
        listings += folders.len();
        if listings > LISTINGS_MAX {
            return refused("matches in more directories than are listed for a pattern");
        }
        for folder in folders {
            for (name, kind) in list(&folder)? {
                let fits = end.is_empty() || matches!(kind, Kind::Directory | Kind::Link);
                if fits && is_single_name(&name) && pattern.matches(&name) {
                    found.push([&folder[..], &name, end].concat());
                }
            }
            if found.len() > MATCHES_MAX {
                return refused("matches more names than are taken here (10000)");
            }
        }
    }
    if found.is_empty() {
        return refused("nothing matches; a name with such a character is written in quotes");
    }
    found.sort_unstable();
    Ok(found.into_iter().map(Word::from).collect())
}

/// The components of a path, as they are and compiled.
fn components(word: &Word) -> Vec<(Vec<u8>, Pattern)> {
    let mut begin = 0;
    let parts = word.as_bytes().split(|&b| b == b'/').map(|part| {
        let from = begin;
        begin += part.len() + 1;
        let pattern = Pattern::compile(part, |at| word.is_live(from + at));
        (part.to_vec(), pattern)
    });
    parts.filter(|(part, _)| !part.is_empty()).collect()
}

/// Lists a directory at the server; `folder` is empty or ends in `/`.
fn list_remote(session: &mut Session, folder: &[u8]) -> Result<Names, CommandError> {
    let path = match folder {
        [] => None,
        folder => Some(remote_path(&folder.to_vec().into())?),
    };
    let mut names = Names::new();
    let listed = session.list_to_keep(folder, Command::list(path), |part| match part {
        Listed::Entry(name, facts) => names.push((name.to_vec(), facts.kind)),
        Listed::Anew => names.clear(),
    });
    match listed {
        // A link that leads to a file matches like a directory.
        Err(CommandError::Refused(_)) if folder.contains(&b'/') => Ok(Names::new()),
        Err(error) => Err(error),
        Ok(ended) if ended.hidden.is_some_and(|hidden| hidden > 0) => Err(CommandError::refused(
            escape_name(if folder.is_empty() { b"." } else { folder }),
            "the server could not list all of it; write the names out",
        )),
        Ok(_)
            if is_listed_as_itself(folder, &names)
                && remote_kind(session, &folder.to_vec().into())? != Some(Kind::Directory) =>
        {
            Ok(Names::new())
        }
        Ok(_) => Ok(names),
    }
}

/// True where a listing may be the one line of a link that leads to no directory (PROTOCOL.md
/// section 6).
fn is_listed_as_itself(folder: &[u8], names: &Names) -> bool {
    let own = folder.strip_suffix(b"/").unwrap_or_default();
    let own = own.rsplit(|&b| b == b'/').next();
    matches!(&names[..], [(name, kind)] if *kind != Kind::Directory && Some(&name[..]) == own)
}

/// Lists a directory on this machine; as with [`list_remote`].
fn list_local(folder: &[u8]) -> Result<Names, CommandError> {
    let path = match folder {
        [] => Path::new("."),
        folder => Path::new(OsStr::from_bytes(folder)),
    };
    let failed = |error: io::Error| CommandError::refused(escape_path(path), IoCause(&error));
    let mut names = Names::new();
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(_) if !folder.is_empty() => return Ok(names),
        Err(error) => return Err(failed(error)),
    };
    for entry in entries {
        let entry = entry.map_err(failed)?;
        let kind = match entry.file_type() {
            Ok(kind) if kind.is_dir() => Kind::Directory,
            Ok(kind) if kind.is_symlink() && entry.path().is_dir() => Kind::Directory,
            Ok(_) => Kind::File,
            Err(_) => Kind::Other,
        };
        names.push((entry.file_name().as_bytes().to_vec(), kind));
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::lexer::{CommandKind, parse_line};

    /// `ls` and this word, as it is typed.
    fn typed(word: &str) -> Word {
        let line = format!("ls {word}");
        match &parse_line(&line).unwrap()[0].kind {
            CommandKind::Named(words) => words[1].clone(),
            CommandKind::LocalShell(_) => panic!("{line}"),
        }
    }

    /// A disk: `b.txt`, `a.txt`, `.hid`, `sub/` with `x.txt` and `deep/` with `a.txt`.
    fn list(folder: &[u8]) -> Result<Names, CommandError> {
        let entries: &[(&str, Kind)] = match folder {
            b"" | b"/" | b"sub/../" => &[
                ("b.txt", Kind::File),
                ("a.txt", Kind::File),
                (".hid", Kind::File),
                ("sub", Kind::Directory),
                ("x/evil.txt", Kind::File),
            ],
            b"sub/" | b"/sub/" => &[("x.txt", Kind::File), ("deep", Kind::Directory)],
            b"sub/deep/" => &[("a.txt", Kind::File)],
            _ => &[],
        };
        let names = entries.iter();
        Ok(names
            .map(|(name, kind)| (name.as_bytes().to_vec(), *kind))
            .collect())
    }

    fn expanded(word: &str) -> Result<Vec<String>, String> {
        match expand_pattern(typed(word), list) {
            Ok(words) => Ok(words.iter().map(Word::to_text).collect()),
            Err(CommandError::Refused(why)) => Err(why),
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn patterns_become_names_in_their_order() {
        assert_eq!(expanded("*.txt").unwrap(), ["a.txt", "b.txt"]);
        assert_eq!(expanded("/*.txt").unwrap(), ["/a.txt", "/b.txt"]);
        assert_eq!(expanded("*").unwrap(), ["a.txt", "b.txt", "sub"]);
        assert_eq!(expanded("*/").unwrap(), ["sub/"]);
        assert_eq!(expanded("s*/*").unwrap(), ["sub/deep", "sub/x.txt"]);
        assert_eq!(expanded("s*/deep/[a]*").unwrap(), ["sub/deep/a.txt"]);
        assert_eq!(expanded("*/../a.txt").unwrap(), ["sub/../a.txt"]);
        assert_eq!(expanded(".h*").unwrap(), [".hid"]);
    }

    #[test]
    fn what_is_quoted_or_no_pattern_is_left() {
        for word in ["'*.txt'", r"\*.txt", "\"[a]\"", "plain", "a[b"] {
            let found = expand_pattern(typed(word), |_| panic!("listed")).unwrap();
            assert_eq!(found, [typed(word)]);
        }
    }

    #[test]
    fn a_pattern_without_a_match_is_named() {
        for word in ["*.iso", "sub/*.iso", "*/none", "no/*"] {
            let why = expanded(word).unwrap_err();
            assert!(
                why.starts_with(&format!("{word}: nothing matches")),
                "{why}"
            );
        }
    }

    #[test]
    fn matches_and_listings_have_a_limit() {
        let many = |count: usize, kind| {
            let name = move |n: usize| (format!("{n}").into_bytes(), kind);
            move |_: &[u8]| Ok((0..count).map(name).collect())
        };
        let refused = |word: &str, count, kind| {
            let found = expand_pattern(typed(word), many(count, kind));
            assert!(matches!(found, Err(CommandError::Refused(_))), "{word}");
        };
        refused("*", MATCHES_MAX + 1, Kind::File);
        refused("*/*", LISTINGS_MAX + 1, Kind::Directory);
        let found = expand_pattern(typed("*"), many(MATCHES_MAX, Kind::File)).unwrap();
        assert_eq!(found.len(), MATCHES_MAX);
    }

    #[test]
    fn a_tilde_is_the_home_unless_it_is_quoted() {
        let home = |word: &str, home: &str| typed(word).with_home(home.as_bytes()).to_text();
        assert_eq!(home("~", "/"), "/");
        assert_eq!(home("~/a", "/"), "/a");
        assert_eq!(home("~/a", "/h/tom"), "/h/tom/a");
        for word in ["~a", "a~", "a/~"] {
            assert_eq!(home(word, "/"), word);
        }
        assert_eq!(home("'~'", "/"), "~");
        assert_eq!(home(r"\~/x", "/"), "~/x");
        // What is live stays live, and a home has no patterns.
        let word = typed("~/'*'*").with_home(b"/[a]");
        let (_, pattern) = components(&word).pop().unwrap();
        assert!(pattern.matches(b"*x") && !pattern.matches(b"yx"));
        assert!(!components(&word)[0].1.is_pattern());
    }
}
