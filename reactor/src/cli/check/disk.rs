//! Checks the file systems of the homes: whether uploads can be staged there, and the space left.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, StatVfs, XattrFlags, fsetxattr, renameat_with, statvfs};
use rustix::io::Errno;
use skiff_conf::{Server, UserStore};

use super::report::Report;

const KEY: &str = "homes";

pub(super) fn examine(config: &Server, users: Option<&UserStore>, report: &mut Report<'_>) {
    for folder in one_for_each_disk(config, users) {
        examine_space(config, &folder, report);
        examine_staging(&folder, report);
    }
}

/// The folder of the homes, and one home on every other file system.
fn one_for_each_disk(config: &Server, users: Option<&UserStore>) -> Vec<PathBuf> {
    let homes = users.into_iter().flat_map(UserStore::iter);
    let homes = homes.map(|(name, account)| config.home(name, account));
    let mut found = BTreeMap::new();
    for folder in std::iter::once(config.homes.clone()).chain(homes) {
        if let Ok(metadata) = folder.metadata()
            && metadata.is_dir()
        {
            found.entry(metadata.dev()).or_insert(folder);
        }
    }
    found.into_values().collect()
}

fn examine_space(config: &Server, folder: &Path, report: &mut Report<'_>) {
    let floor = config.stages.free_space_floor.get();
    let shown = folder.display();
    match statvfs(folder).map(|found| free(&found)) {
        Err(error) => report.wrong(KEY, &format!("{shown}: no word on its free space: {error}")),
        Ok(bytes) if bytes <= floor => report.wrong(
            "free_space_floor",
            &format!(
                "the disk of {shown} has {} free, so every upload is refused",
                human(bytes)
            ),
        ),
        Ok(bytes) => report.ok(
            KEY,
            &format!("the disk of {shown} has {} free", human(bytes)),
        ),
    }
}

fn free(found: &StatVfs) -> u64 {
    found.f_bavail.saturating_mul(found.f_frsize)
}

fn human(bytes: u64) -> String {
    match bytes {
        0..1_000_000_000 => format!("{} MB", bytes / 1_000_000),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

fn examine_staging(folder: &Path, report: &mut Report<'_>) {
    let shown = folder.display();
    let stage = match Trial::new(folder) {
        Ok(stage) => stage,
        Err(error) => {
            let text = format!("{shown}: no upload can be staged there: {error}");
            return report.wrong(KEY, &text);
        }
    };
    match stage.publish() {
        Err(error) => report.wrong(
            KEY,
            &format!("{shown}: no upload can be published there: {error}"),
        ),
        Ok(Exclusion::Kernel) => report.ok(KEY, &format!("{shown} can stage and publish uploads")),
        Ok(Exclusion::Missing) => report.note(
            KEY,
            &format!(
                "{shown}: its file system has no rename that never replaces (RENAME_NOREPLACE)"
            ),
        ),
    }
    if let Err(error) = stage.label() {
        let text = format!(
            "{shown}: no extended attributes ({error}), so digests are computed anew each time"
        );
        report.note(KEY, &text);
    }
}

/// Whether RENAME_NOREPLACE keeps a name from being replaced.
#[derive(Debug, PartialEq, Eq)]
enum Exclusion {
    Kernel,
    Missing,
}

/// A private folder where the steps of an upload are tried; removed when dropped.
struct Trial {
    folder: PathBuf,
}

impl Trial {
    fn new(within: &Path) -> io::Result<Self> {
        let folder = within.join(format!(".skiff-check-{}", std::process::id()));
        DirBuilder::new().mode(0o700).create(&folder)?;
        Ok(Self { folder })
    }

    fn publish(&self) -> io::Result<Exclusion> {
        let [stage, published] = ["stage", "published"].map(|name| self.folder.join(name));
        File::create(&stage)?.sync_all()?;
        File::create(&published)?;
        let exclusion = match renameat_with(CWD, &stage, CWD, &published, RenameFlags::NOREPLACE) {
            Err(Errno::EXIST) => Exclusion::Kernel,
            Err(Errno::INVAL | Errno::NOSYS) => Exclusion::Missing,
            Err(error) => return Err(error.into()),
            Ok(()) => return Err(io::Error::other("RENAME_NOREPLACE replaced a file")),
        };
        std::fs::rename(&stage, &published)?;
        skiff_conf::sync_folder(&self.folder)?;
        Ok(exclusion)
    }

    fn label(&self) -> io::Result<()> {
        let file = File::create(self.folder.join("labelled"))?;
        Ok(fsetxattr(
            &file,
            "user.skiff.check",
            b"1",
            XattrFlags::empty(),
        )?)
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        // Best effort: it is empty except for what was tried, and its name says what it is for.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

#[cfg(test)]
mod tests {
    use skiff_conf::Bytes;

    use super::*;
    use crate::cli::check::tests::{reported, server};

    #[test]
    fn a_trial_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let (text, wrong) = reported(|report| examine_staging(folder.path(), report));
        assert!(wrong.is_empty(), "{text}");
        assert!(text.contains("can stage and publish uploads"), "{text}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_place_without_staging_is_wrong() {
        let (text, wrong) = reported(|report| examine_staging(Path::new("/proc"), report));
        assert_eq!(wrong, ["homes"], "{text}");
    }

    #[test]
    fn a_floor_above_the_free_space_is_wrong() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = server(folder.path());
        let (text, wrong) = reported(|report| examine_space(&config, folder.path(), report));
        assert!(wrong.is_empty(), "{text}");
        config.stages.free_space_floor = Bytes::MAX;
        let (text, wrong) = reported(|report| examine_space(&config, folder.path(), report));
        assert_eq!(wrong, ["free_space_floor"], "{text}");
    }

    #[test]
    fn each_disk_is_looked_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let config = server(folder.path());
        std::fs::create_dir(config.homes.join("tom")).unwrap();
        assert_eq!(one_for_each_disk(&config, None), [config.homes]);
    }

    #[test]
    fn sizes_for_people() {
        assert_eq!(human(64_999_999), "64 MB");
        assert_eq!(human(12_340_000_000), "12.3 GB");
    }
}
