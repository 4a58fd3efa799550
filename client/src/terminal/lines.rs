//! Keeps what outlives a line that was typed: the aliases of commands, and the history, which all
//! prompts of the user share.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::PathBuf;

use rustix::fs::{FlockOperation, flock};

/// Lines of history that are kept at least; the file is cut back to them when it has twice as many.
pub(crate) const HISTORY_MAX: usize = 1000;

/// The longest line that is kept, in bytes.
const LINE_MAX: usize = 4096;

/// The longest file of history that is read, in bytes.
const FILE_MAX: u64 = 16 << 20;

/// What is kept of command lines.
#[derive(Default)]
pub(crate) struct Lines {
    pub aliases: Aliases,
    pub history: History,
}

/// Names for commands, at the prompt and in scripts.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(crate) struct Aliases(BTreeMap<String, String>);

impl Aliases {
    pub(crate) fn new(aliases: impl IntoIterator<Item = (String, String)>) -> Self {
        Self(aliases.into_iter().collect())
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub(crate) fn set(&mut self, name: String, command: String) {
        self.0.insert(name, command);
    }

    /// Returns false where there is none of this name.
    pub(crate) fn remove(&mut self, name: &str) -> bool {
        self.0.remove(name).is_some()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let all = self.0.iter();
        all.map(|(name, command)| (name.as_str(), command.as_str()))
    }
}

/// The lines that were typed at prompts.
#[derive(Default)]
pub(crate) struct History {
    /// `None`: they are forgotten at the end.
    path: Option<PathBuf>,
    lines: Vec<String>,
}

impl History {
    /// Reads the file, which need not be there.
    pub(crate) fn load(path: Option<PathBuf>) -> io::Result<Self> {
        let mut history = Self {
            path,
            lines: Vec::new(),
        };
        history.lines = match history.open_locked(Access::Existing)? {
            Some(mut file) => {
                let lines = read_lines(&mut file)?;
                if lines.len() > 2 * HISTORY_MAX {
                    rewrite(&mut file, &lines[lines.len() - HISTORY_MAX..])?;
                }
                lines
            }
            None => Vec::new(),
        };
        let surplus = history.lines.len().saturating_sub(HISTORY_MAX);
        history.lines.drain(..surplus);
        Ok(history)
    }

    pub(crate) fn lines(&self) -> &[String] {
        &self.lines
    }

    /// Adds a line, in the file at once.
    pub(crate) fn add(&mut self, line: &str) -> io::Result<()> {
        if line.len() > LINE_MAX || line.contains(['\n', '\r']) {
            return Ok(());
        }
        if self.lines.last().is_some_and(|last| last == line) {
            return Ok(());
        }
        self.lines.push(line.to_owned());
        match self.open_locked(Access::Made)? {
            Some(mut file) => file.write_all(format!("{line}\n").as_bytes()),
            None => Ok(()),
        }
    }

    /// Forgets all lines, those of other prompts too.
    pub(crate) fn clear(&mut self) -> io::Result<()> {
        self.lines.clear();
        match self.open_locked(Access::Existing)? {
            Some(file) => file.set_len(0),
            None => Ok(()),
        }
    }

    /// Opens the file for appending and locks it until it is closed: nobody cuts it back meanwhile.
    /// A file system without locks has none to wait for.
    fn open_locked(&self, access: Access) -> io::Result<Option<File>> {
        let Some(path) = &self.path else {
            return Ok(None);
        };
        if access == Access::Made
            && let Some(folder) = path.parent()
        {
            let mut maker = fs::DirBuilder::new();
            maker.recursive(true).mode(0o700).create(folder)?;
        }
        let mut options = OpenOptions::new();
        options.read(true).append(true).mode(0o600);
        match options.create(access == Access::Made).open(path) {
            Ok(file) => {
                let _ = flock(&file, FlockOperation::LockExclusive);
                Ok(Some(file))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Whether the file of history is made where it is missing.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    Existing,
    Made,
}

fn read_lines(file: &mut File) -> io::Result<Vec<String>> {
    let mut bytes = Vec::new();
    file.take(FILE_MAX).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let lines = text.lines().filter(|line| !line.is_empty());
    Ok(lines.map(str::to_owned).collect())
}

/// Replaces the content, in the file itself: others that wait for its lock have it open.
fn rewrite(file: &mut File, lines: &[String]) -> io::Result<()> {
    let text: String = lines
        .iter()
        .flat_map(|line| [line.as_str(), "\n"])
        .collect();
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    file.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn two_prompts_lose_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/history");
        let load = || History::load(Some(path.clone())).unwrap();
        let (mut one, mut other) = (load(), load());
        one.add("a").unwrap();
        other.add("b").unwrap();
        one.add("c").unwrap();
        one.add("c").unwrap();
        assert_eq!(one.lines(), ["a", "c"]);
        assert_eq!(load().lines(), ["a", "b", "c"]);
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        other.clear().unwrap();
        one.add("d").unwrap();
        assert_eq!(load().lines(), ["d"]);
    }

    #[test]
    fn many_at_once_lose_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history");
        let threads: Vec<_> = (0..4)
            .map(|who| {
                let path = path.clone();
                std::thread::spawn(move || {
                    for n in 0..100 {
                        let mut history = History::load(Some(path.clone())).unwrap();
                        history.add(&format!("{who} {n}")).unwrap();
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        let mut lines = History::load(Some(path)).unwrap().lines().to_vec();
        lines.sort();
        lines.dedup();
        assert_eq!(lines.len(), 400);
    }

    #[test]
    fn the_file_does_not_grow_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history");
        let text: String = (0..=2 * HISTORY_MAX).map(|n| format!("{n}\n")).collect();
        fs::write(&path, text).unwrap();
        let mut history = History::load(Some(path.clone())).unwrap();
        assert_eq!(history.lines().len(), HISTORY_MAX);
        assert_eq!(history.lines()[0], (HISTORY_MAX + 1).to_string());
        history.add("last").unwrap();
        let kept = fs::read_to_string(&path).unwrap();
        assert_eq!(kept.lines().count(), HISTORY_MAX + 1);
        assert!(kept.ends_with("2000\nlast\n"));
    }
}
