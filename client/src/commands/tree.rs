//! Whole directories: get -r and put -r. What is at the other end with the same
//! bytes is left alone; small files go with no turn.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::time::Instant;

use skiff_sessions::path::PathArg;
use skiff_sessions::wire::command::{Command, Replace, Turn};
use skiff_sessions::wire::reply::{Facts, Kind};

use super::files::{Compare, Dispatch, Fared, Fetch, dispatch, fetch, target_here, target_there};
use super::remote;
use crate::disk::Settling;
use crate::download::{PART, Resume, part_of};
use crate::failure::{Done, Failure};
use crate::listing::is_single_name;
use crate::shell::Shell;
use crate::show;
use crate::upload::{Overwrite, Policy};
use crate::verbs::Given;

/// Up to here a file is sent at once, without asking what is there; in bytes.
const SMALL: u64 = 1024 * 1024;

/// A link that leads up makes a tree without an end.
const DEPTH_MAX: usize = 64;

pub(crate) fn get(shell: &mut Shell, given: &Given) -> Done {
    let from = &given.words[0];
    let path = remote(from)?;
    let found = shell.demand(from.bytes(), Command::Facts(path.clone()))?;
    let is_directory = found.facts.is_some_and(|facts| facts.kind == Kind::Directory);
    let to = match (target_here(from, given.words.get(1)), given.words.get(1)) {
        (Ok(to), _) => to,
        (Err(_), Some(to)) => to.local().to_owned(),
        (Err(_), None) => PathBuf::from("."),
    };
    if !is_directory {
        let facts = found.facts.unwrap_or(NO_FACTS);
        let fared = fetch(shell, small_or_large(path, to, &facts))?;
        show::say(fared.line);
        return Ok(());
    }
    let mut tally = Tally::new(from.bytes());
    let fetched = fetch_tree(shell, path, &to, &mut tally);
    settle(&to, &mut tally);
    fetched?;
    tally.close("fetched")
}

pub(crate) fn put(shell: &mut Shell, given: &Given) -> Done {
    let from = given.words[0].local();
    let to = match (target_there(from, given.words.get(1)), given.words.get(1)) {
        (Ok(to), _) => to,
        (Err(_), Some(to)) => remote(to)?,
        (Err(_), None) => child(None, b".")?,
    };
    let mut tally = Tally::new(from.as_os_str().as_bytes());
    if from.is_dir() {
        send_tree(shell, from, to, &mut tally)?;
    } else {
        let fared = dispatch(shell, anew(from, to, 0))?;
        tally.count(fared);
    }
    tally.close("sent")
}

const NO_FACTS: Facts =
    Facts { kind: Kind::File, size: u64::MAX, modified: skiff_sessions::wire::stamp::Stamp(0), mode: None };

/// What a tree came to.
struct Tally {
    name: String,
    begun: Instant,
    moved: u64,
    bytes: u64,
    unmoved: u64,
    failed: u64,
}

impl Tally {
    fn new(name: &[u8]) -> Self {
        let name = show::name(name);
        Self { name, begun: Instant::now(), moved: 0, bytes: 0, unmoved: 0, failed: 0 }
    }

    fn count(&mut self, fared: Fared) {
        match fared.carried {
            Some(bytes) => {
                self.moved += 1;
                self.bytes += bytes;
            }
            None => self.unmoved += 1,
        }
    }

    /// One file that fails does not keep the others from being carried.
    fn take(&mut self, fared: Result<Fared, Failure>) -> Done {
        match fared {
            Ok(fared) => self.count(fared),
            Err(Failure::Refused(why)) => self.fail(why),
            Err(other) => return Err(other),
        }
        Ok(())
    }

    fn fail(&mut self, why: impl std::fmt::Display) {
        self.failed += 1;
        show::complain(why);
    }

    fn close(self, deed: &str) -> Done {
        let pace = show::pace(self.bytes, self.begun.elapsed());
        let Self { name, moved, bytes, unmoved, failed, .. } = self;
        let line = format!(
            "{name}: {moved} files {deed}, {bytes} bytes {pace}, each verified; {unmoved} unchanged"
        );
        if failed == 0 {
            show::say(format_args!("226 {line}"));
            return Ok(());
        }
        Err(Failure::Refused(format!("550 {line}; {failed} failed")))
    }
}

/// A directory to walk, and how deep it lies.
struct Level<From, To> {
    from: From,
    to: To,
    depth: usize,
}

fn fetch_tree(shell: &mut Shell, from: PathArg, to: &Path, tally: &mut Tally) -> Done {
    let mut waiting = vec![Level { from, to: to.to_owned(), depth: 0 }];
    while let Some(Level { from, to, depth }) = waiting.pop() {
        if depth > DEPTH_MAX {
            tally.fail(format_args!("{}: deeper than {DEPTH_MAX}, not fetched", show::name(from.as_bytes())));
            continue;
        }
        if let Err(error) = fs::create_dir_all(&to) {
            tally.fail(format_args!("{}: {error}", show::name(to.as_os_str().as_bytes())));
            continue;
        }
        for (name, facts) in entries(shell, &from, tally)? {
            let (from, to) = (child(Some(&from), &name)?, to.join(OsStr::from_bytes(&name)));
            match facts.kind {
                Kind::Directory => waiting.push(Level { from, to, depth: depth + 1 }),
                Kind::File => tally.take(fetch(shell, small_or_large(from, to, &facts)))?,
                Kind::Link | Kind::Other => {
                    tally.fail(format_args!("{}: neither a file nor a directory", show::name(from.as_bytes())));
                }
            }
        }
    }
    Ok(())
}

/// A directory's entries. Names that would become another place here are refused.
fn entries(shell: &mut Shell, path: &PathArg, tally: &mut Tally) -> Result<Vec<(Vec<u8>, Facts)>, Failure> {
    let mut entries = Vec::new();
    let mut refused = Vec::new();
    let listed = shell.list(path.as_bytes(), Command::List(Some(path.clone())), |name, facts| {
        match is_single_name(name) && PathArg::new(name).is_some() {
            true => entries.push((name.to_vec(), *facts)),
            false => refused.push(show::name(name)),
        }
    });
    match listed {
        Ok(_) => {}
        Err(Failure::Refused(why)) => tally.fail(why),
        Err(other) => return Err(other),
    }
    for name in refused {
        tally.fail(format_args!("{name}: a name like this is no name here, refused"));
    }
    entries.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
    Ok(entries)
}

fn small_or_large(path: PathArg, to: PathBuf, facts: &Facts) -> Fetch {
    let is_new = !part_of(&to).exists() && fs::symlink_metadata(&to).is_ok_and(|here| here.len() != facts.size)
        || fs::symlink_metadata(&to).is_err() && !part_of(&to).exists();
    let turn = if is_new && facts.size <= SMALL { Turn::Straight } else { Turn::Negotiate };
    Fetch {
        path,
        to,
        local: Compare::Digests,
        resume: Resume::Always,
        settling: Settling::Later,
        turn,
    }
}

/// What was fetched is on the disk before anybody is told so.
fn settle(to: &Path, tally: &mut Tally) {
    let synced = File::open(to).and_then(|folder| Ok(rustix::fs::syncfs(&folder)?));
    if let Err(error) = synced {
        tally.fail(format_args!("{}: {error}", show::name(to.as_os_str().as_bytes())));
    }
}

/// What a directory at the server holds.
enum There {
    Unknown,
    /// Its parent does not have it.
    Nothing,
}

fn send_tree(shell: &mut Shell, from: &Path, to: PathArg, tally: &mut Tally) -> Done {
    let mut waiting = vec![(Level { from: from.to_owned(), to, depth: 0 }, There::Unknown)];
    while let Some((Level { from, to, depth }, there)) = waiting.pop() {
        let known = match there {
            There::Nothing => make(shell, &to, tally)?,
            There::Unknown => look(shell, &to, tally)?,
        };
        let Some(known) = known else {
            continue;
        };
        for name in local_names(&from, tally) {
            let path = from.join(&name);
            let Some(target) = sendable(&to, &name, &path, tally) else {
                continue;
            };
            let facts = known.get(name.as_bytes());
            match fs::symlink_metadata(&path) {
                Ok(found) if found.is_dir() => {
                    let there = if facts.is_some() { There::Unknown } else { There::Nothing };
                    waiting.push((Level { from: path, to: target, depth: depth + 1 }, there));
                }
                Ok(_) => {
                    let size = fs::metadata(&path).map_or(0, |found| found.len());
                    let order = match facts {
                        None => anew(&path, target, size),
                        Some(facts) => over(&path, target, facts.size == size),
                    };
                    let fared = dispatch(shell, order);
                    tally.take(fared)?;
                }
                Err(error) => tally.fail(format_args!("{}: {error}", shown(&path))),
            }
        }
    }
    Ok(())
}

type Known = HashMap<Vec<u8>, Facts>;

/// Makes a directory; `None` where that is refused.
fn make(shell: &mut Shell, path: &PathArg, tally: &mut Tally) -> Result<Option<Known>, Failure> {
    match shell.demand(path.as_bytes(), Command::MakeDirectory(path.clone())) {
        Ok(_) => Ok(Some(Known::new())),
        Err(Failure::Refused(why)) => {
            tally.fail(why);
            Ok(None)
        }
        Err(other) => Err(other),
    }
}

/// Lists a directory that may be there, or makes it.
fn look(shell: &mut Shell, path: &PathArg, tally: &mut Tally) -> Result<Option<Known>, Failure> {
    let mut known = Known::new();
    let facts = shell.ask(Command::Facts(path.clone()))?;
    if facts.code == 404 {
        return make(shell, path, tally);
    }
    let listed = shell.list(path.as_bytes(), Command::List(Some(path.clone())), |name, facts| {
        known.insert(name.to_vec(), *facts);
    });
    match listed {
        Ok(_) => Ok(Some(known)),
        Err(Failure::Refused(why)) => {
            tally.fail(why);
            Ok(None)
        }
        Err(other) => Err(other),
    }
}

/// Parts of downloads are nobody's files.
fn local_names(folder: &Path, tally: &mut Tally) -> Vec<OsString> {
    let mut names = Vec::new();
    match fs::read_dir(folder) {
        Ok(entries) => {
            for entry in entries {
                match entry {
                    Ok(entry) => names.push(entry.file_name()),
                    Err(error) => tally.fail(format_args!("{}: {error}", shown(folder))),
                }
            }
        }
        Err(error) => tally.fail(format_args!("{}: {error}", shown(folder))),
    }
    names.retain(|name| !name.as_bytes().ends_with(PART.as_bytes()));
    names.sort_unstable();
    names
}

fn sendable(to: &PathArg, name: &OsStr, path: &Path, tally: &mut Tally) -> Option<PathArg> {
    let target = child(Some(to), name.as_bytes()).ok();
    if target.is_none() {
        tally.fail(format_args!("{}: a name like this cannot be sent", shown(path)));
    }
    target
}

/// A file that the server does not have.
fn anew(from: &Path, to: PathArg, size: u64) -> Dispatch<'_> {
    let turn = if size <= SMALL { Turn::Straight } else { Turn::Negotiate };
    Dispatch { from, to, policy: OWN_WAY, replace: Replace::Never, turn }
}

/// One that it has: compared where the sizes are equal, else replaced.
fn over(from: &Path, to: PathArg, same_size: bool) -> Dispatch<'_> {
    let replace = if same_size { Replace::Never } else { Replace::Yes };
    Dispatch { from, to, policy: OWN_WAY, replace, turn: Turn::Negotiate }
}

/// Nobody is asked in a tree.
const OWN_WAY: Policy = Policy { resume: Resume::Always, overwrite: Overwrite::Always };

fn child(folder: Option<&PathArg>, name: &[u8]) -> Result<PathArg, Failure> {
    let path = match folder.map(PathArg::as_bytes) {
        None | Some(b".") => name.to_vec(),
        Some(folder) if folder.ends_with(b"/") => [folder, name].concat(),
        Some(folder) => [folder, b"/", name].concat(),
    };
    PathArg::new(path).ok_or_else(|| Failure::about(show::name(name), "no name for the server"))
}

fn shown(path: &Path) -> String {
    show::name(path.as_os_str().to_owned().into_vec().as_slice())
}
