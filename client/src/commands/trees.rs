//! Whole directories: get -r and put -r. What is at the other end with the same
//! bytes is left alone; small files go with no turn.

use std::path::{Path, PathBuf};

use skiff_sessions::path::PathArg;
use skiff_sessions::wire::command::Command;
use skiff_sessions::wire::reply::Kind;

use super::remote;
use crate::commands::files::{target_here, target_there};
use crate::commands::lexer::Word;
use crate::commands::table::Given;
use crate::net::command_error::{Done, Failure};
use crate::net::session::Shell;
use crate::terminal::format;
use crate::transfer::tree_summary::Tally;
use crate::transfer::{get_tree, put_tree};

/// Up to here a file goes at once, without asking what is there; in bytes.
pub(crate) const SMALL: u64 = 1024 * 1024;

/// A link that leads up makes a tree without an end.
pub(crate) const DEPTH_MAX: usize = 64;

/// A directory to walk, and how deep it lies.
pub(crate) struct Level<From, To> {
    pub(crate) from: From,
    pub(crate) to: To,
    pub(crate) depth: usize,
}

pub(crate) fn get(shell: &mut Shell, given: &Given) -> Done {
    let from = &given.words[0];
    let path = remote(from)?;
    let found = shell.demand(from.bytes(), Command::Facts(path.clone()))?;
    if found
        .facts
        .is_none_or(|facts| facts.kind != Kind::Directory)
    {
        return Err(Failure::about(
            format::name(from.bytes()),
            "no directory; get it without -r",
        ));
    }
    let to = tree_here(from, given.words.get(1))?;
    let mut tally = Tally::new(shell.look, from.bytes());
    let fetched = get_tree::fetch_tree(shell, path, &to, &mut tally);
    get_tree::settle(&to, &mut tally);
    fetched?;
    tally.close("fetched")
}

pub(crate) fn put(shell: &mut Shell, given: &Given) -> Done {
    let from = given.words[0].local();
    if !from.is_dir() {
        return Err(Failure::about(
            format::path(from),
            "no directory; put it without -r",
        ));
    }
    let to = tree_there(from, given.words.get(1))?;
    let mut tally = Tally::new(shell.look, given.words[0].bytes());
    put_tree::send_tree(shell, from, to, &mut tally)?;
    tally.close("sent")
}

/// A tree goes where it is told to, whether something is there or not: so the
/// same command again goes on where it was interrupted.
fn tree_here(from: &Word, to: Option<&Word>) -> Result<PathBuf, Failure> {
    match to {
        Some(to) if !to.bytes().ends_with(b"/") => Ok(to.local().to_owned()),
        Some(to) => target_here(from, Some(to)),
        // `get -r .` is about what the directory holds.
        None => Ok(target_here(from, None).unwrap_or_else(|_| PathBuf::from("."))),
    }
}

fn tree_there(from: &Path, to: Option<&Word>) -> Result<PathArg, Failure> {
    match to {
        Some(to) if !to.bytes().ends_with(b"/") => remote(to),
        Some(to) => target_there(from, Some(to)),
        None => target_there(from, None).or_else(|_| child(None, b".")),
    }
}

/// A name in a directory at the server.
pub(crate) fn child(folder: Option<&PathArg>, name: &[u8]) -> Result<PathArg, Failure> {
    let path = match folder.map(PathArg::as_bytes) {
        None | Some(b".") => name.to_vec(),
        Some(folder) if folder.ends_with(b"/") => [folder, name].concat(),
        Some(folder) => [folder, b"/", name].concat(),
    };
    PathArg::new(path).ok_or_else(|| Failure::about(format::name(name), "no name for the server"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_trees_go() {
        let folder = tempfile::tempdir().unwrap();
        let there = folder.path().to_str().unwrap();
        let here = |from: &str, to: Option<&str>| {
            let to = to.map(Word::from);
            tree_here(&Word::from(from), to.as_ref()).unwrap()
        };
        assert_eq!(here("a/b", None), Path::new("b"));
        assert_eq!(here("/", None), Path::new("."));
        assert_eq!(here("a/b", Some(there)), folder.path());
        assert_eq!(
            here("a/b", Some(&format!("{there}/"))),
            folder.path().join("b")
        );
    }

    #[test]
    fn children() {
        let folder = |text: &str| PathArg::new(text).unwrap();
        let child = |text: &str| {
            child(Some(&folder(text)), b"x")
                .unwrap()
                .as_bytes()
                .to_vec()
        };
        assert_eq!(child("."), b"x");
        assert_eq!(child("/"), b"/x");
        assert_eq!(child("a b"), b"a b/x");
    }
}
