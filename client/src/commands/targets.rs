//! Works out from the typed words which path a file or a tree is transferred from and to.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use skiff_sessions::path::PathArg;
use skiff_sessions::wire::command::Command;
use skiff_sessions::wire::reply::Kind;

use super::lexer::Word;
use crate::net::command_error::CommandError;
use crate::net::listing::is_single_name;
use crate::net::session::Session;
use crate::terminal::format::{escape_name, escape_path};
use crate::transfer::tree::bounds::join_remote;

/// Returns a word as a path at the server.
///
/// # Errors
///
/// `Refused` where it cannot be sent.
pub(crate) fn remote_path(word: &Word) -> Result<PathArg, CommandError> {
    word.to_remote_path().ok_or_else(|| {
        CommandError::Refused(
            "a path at the server has 1 to 4095 bytes and no NUL, CR or LF".into(),
        )
    })
}

/// Asks what a path at the server leads to.
///
/// # Errors
///
/// `Refused` where nothing is there.
pub(crate) fn remote_kind(
    session: &mut Session,
    word: &Word,
) -> Result<Option<Kind>, CommandError> {
    let command = Command::Facts(remote_path(word)?);
    let found = session.request_ok(word.as_bytes(), command)?;
    Ok(found.facts.map(|facts| facts.kind))
}

/// Returns where a download goes: `to`, or the last component of `from` inside `to` if that is a
/// directory or ends with `/`, or in the current directory without `to`.
pub(crate) fn local_target(from: &Word, to: Option<&Word>) -> Result<PathBuf, CommandError> {
    let name = last_name(from.as_bytes());
    let named = || {
        name.map(|name| PathBuf::from(OsStr::from_bytes(name)))
            .ok_or_else(|| CommandError::refused(escape_name(from.as_bytes()), "names no file"))
    };
    match to {
        None => named(),
        Some(to) if to.as_local_path().is_dir() || to.as_bytes().ends_with(b"/") => {
            Ok(to.as_local_path().join(named()?))
        }
        Some(to) => Ok(to.as_local_path().to_owned()),
    }
}

/// Returns where an upload goes: `to`, or the last component of `from` inside `to` if that ends
/// with `/`, or in the working directory without `to`.
pub(crate) fn remote_target(from: &Path, to: Option<&Word>) -> Result<PathArg, CommandError> {
    let name = last_name(from.as_os_str().as_bytes());
    let name = || name.ok_or_else(|| CommandError::refused(escape_path(from), "names no file"));
    let path = match to {
        None => name()?.to_vec(),
        Some(to) if to.as_bytes().ends_with(b"/") => [to.as_bytes(), name()?].concat(),
        Some(to) => to.as_bytes().to_vec(),
    };
    PathArg::to_send(path).ok_or_else(|| {
        CommandError::refused(escape_path(from), "its name cannot be sent; name another")
    })
}

/// Returns where `count` uploads go: into `to` where that is a directory at the server, as if it
/// ended with `/`, else to that very name. One tree goes to the very name always.
pub(crate) fn upload_target(
    session: &mut Session,
    to: Option<&Word>,
    count: usize,
    is_tree: bool,
) -> Result<Option<Word>, CommandError> {
    let Some(to) = to else {
        return Ok(None);
    };
    if to.as_bytes().ends_with(b"/") || is_tree && count == 1 {
        return Ok(Some(to.clone()));
    }
    let found = session.request(Command::Facts(remote_path(to)?))?;
    match (found.facts.map(|facts| facts.kind), count) {
        (Some(Kind::Directory), _) => Ok(Some([to.as_bytes(), b"/"].concat().into())),
        (_, 1) => Ok(Some(to.clone())),
        _ => Err(no_directory(to)),
    }
}

/// Returns where `count` downloads go. Several need a directory, or standard output.
pub(crate) fn download_target(
    to: Option<&Word>,
    count: usize,
) -> Result<Option<Word>, CommandError> {
    let Some(to) = to else {
        return Ok(None);
    };
    if count == 1 || to.as_bytes() == b"-" {
        return Ok(Some(to.clone()));
    }
    match to.as_local_path().is_dir() {
        // With the slash it is the parent of a tree too.
        true => Ok(Some([to.as_bytes(), b"/"].concat().into())),
        false => Err(no_directory(to)),
    }
}

fn no_directory(to: &Word) -> CommandError {
    CommandError::refused(
        escape_name(to.as_bytes()),
        "no directory, and there are several files",
    )
}

/// Returns where a downloaded tree goes: exactly `to`, whether it exists or not, so that repeating
/// an interrupted command resumes it. A `to` that ends with `/` is a parent.
pub(crate) fn local_tree_target(from: &Word, to: Option<&Word>) -> Result<PathBuf, CommandError> {
    match to {
        Some(to) if !to.as_bytes().ends_with(b"/") => Ok(to.as_local_path().to_owned()),
        Some(to) => local_target(from, Some(to)),
        // `get -r .` downloads what the directory holds into the current one.
        None => Ok(local_target(from, None).unwrap_or_else(|_| PathBuf::from("."))),
    }
}

/// Returns where an uploaded tree goes; as with [`local_tree_target`].
pub(crate) fn remote_tree_target(from: &Path, to: Option<&Word>) -> Result<PathArg, CommandError> {
    match to {
        Some(to) if !to.as_bytes().ends_with(b"/") => remote_path(to),
        Some(to) => remote_target(from, Some(to)),
        None => remote_target(from, None).or_else(|_| join_remote(None, b".")),
    }
}

/// Returns the last component of a path; `None` where that is `..` or there is none.
fn last_name(path: &[u8]) -> Option<&[u8]> {
    let name = path.split(|&b| b == b'/').rfind(|name| !name.is_empty())?;
    is_single_name(name).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_files_go() {
        let word = |text: &str| Word::from(text);
        let here = |from: &str, to: Option<&str>| {
            local_target(&word(from), to.map(word).as_ref())
                .ok()
                .map(|path| path.display().to_string())
        };
        assert_eq!(here("a/b.iso", None).as_deref(), Some("b.iso"));
        assert_eq!(here("a/b.iso", Some("c")).as_deref(), Some("c"));
        assert_eq!(here("a/b.iso", Some("/tmp")).as_deref(), Some("/tmp/b.iso"));
        assert_eq!(here("a/b.iso", Some("new/")).as_deref(), Some("new/b.iso"));
        assert_eq!(here("/", None), None);
        assert_eq!(here("..", None), None);
        let there = |from: &str, to: Option<&str>| {
            let found = remote_target(Path::new(from), to.map(word).as_ref()).ok();
            found.map(|path| String::from_utf8_lossy(path.as_bytes()).into_owned())
        };
        assert_eq!(there("a/b.iso", None).as_deref(), Some("b.iso"));
        assert_eq!(there("a/b.iso", Some("d/")).as_deref(), Some("d/b.iso"));
        assert_eq!(there("a/b.iso", Some("d")).as_deref(), Some("d"));
        assert_eq!(there("..", None), None);
    }

    #[test]
    fn where_trees_go() {
        let folder = tempfile::tempdir().unwrap();
        let there = folder.path().to_str().unwrap();
        let here = |from: &str, to: Option<&str>| {
            let to = to.map(Word::from);
            local_tree_target(&Word::from(from), to.as_ref()).unwrap()
        };
        assert_eq!(here("a/b", None), Path::new("b"));
        assert_eq!(here("/", None), Path::new("."));
        assert_eq!(here("a/b", Some(there)), folder.path());
        assert_eq!(
            here("a/b", Some(&format!("{there}/"))),
            folder.path().join("b")
        );
    }
}
