//! Looks through the users' homes for what no count can read, and no client can reach.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use rustix::process::geteuid;
use skiff_vfs::{Owner, Survey, VfsError, Worker};

use super::report::Report;

/// Names that are looked at in one home: some seconds on a disk, if none is in memory.
const SURVEYED_MAX: u64 = 1_000_000;
/// Bytes of a path that are shown.
const SHOWN_MAX: usize = 200;

/// Tells what in the home of the user `name` is not counted, or out of reach.
pub(super) fn examine(name: &str, home: &Path, owner: Option<Owner>, report: &mut Report<'_>) {
    let Some(found) = survey(home, owner) else {
        return;
    };
    if let Some((first, why)) = &found.first_unread {
        let text = format!(
            "the home of {name}: {} directories cannot be read, and are left out of its count; the \
             first is {}: {why}",
            found.unread,
            shown(&home.join(first)),
        );
        report.note("users", &text);
    }
    if let Some(folder) = &found.too_long {
        let text = format!(
            "the home of {name}: some paths have more than 4095 bytes, and nobody can use them; \
             move a directory above them further up: {}",
            shown(&home.join(folder)),
        );
        report.note("users", &text);
    }
}

/// `None` where there is no home yet, or it cannot be opened, which others tell.
fn survey(home: &Path, owner: Option<Owner>) -> Option<Survey> {
    // Others cannot look with the owner's eyes.
    let owner = owner.filter(|_| geteuid().is_root()).map(Arc::new);
    let home = home.to_owned();
    let look = move |worker: &Worker| Survey::of(worker, &home, owner.as_ref(), SURVEYED_MAX);
    let surveying: JoinHandle<Result<Survey, VfsError>> = Worker::spawn("survey", look).ok()?;
    surveying.join().ok()?.ok()
}

fn shown(path: &Path) -> String {
    let bytes = path.as_os_str().as_bytes();
    let cut = if bytes.len() > SHOWN_MAX { ".." } else { "" };
    let shown = &bytes[..bytes.len().min(SHOWN_MAX)];
    format!("{}{cut}", String::from_utf8_lossy(shown).escape_debug())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::cli::check::tests::reported;

    #[test]
    fn a_tree_that_is_too_deep_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let name = "d".repeat(250);
        let half = (0..9).fold(folder.path().join("one"), |path, _| path.join(&name));
        fs::create_dir_all(&half).unwrap();
        let other = folder.path().join("two");
        let below = (0..8).fold(other.clone(), |path, _| path.join(&name));
        fs::create_dir_all(below).unwrap();
        let (text, wrong) = reported(|report| examine("tom", folder.path(), None, report));
        assert_eq!((text.as_str(), wrong.len()), ("", 0));

        fs::rename(&other, half.join("two")).unwrap();
        let (text, wrong) = reported(|report| examine("tom", folder.path(), None, report));
        assert!(wrong.is_empty(), "{text}");
        assert!(
            text.starts_with("note  users: the home of tom: some paths"),
            "{text}"
        );
        assert!(text.len() < 600, "{text}");
        fs::rename(half.join("two"), other).unwrap();
    }

    #[test]
    fn a_home_that_is_not_there_yet_is_nothing_to_tell() {
        let folder = tempfile::tempdir().unwrap();
        let (text, _) = reported(|report| examine("tom", &folder.path().join("no"), None, report));
        assert_eq!(text, "");
    }
}
