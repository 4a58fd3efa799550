//! Tests of the times and permission bits that clients set.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::time::{Duration, SystemTime};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use skiff_vfs::{Digest, Digests, VfsError};

use crate::common::{World, become_ordinary, begin, digests, leave, on_worker, put};

fn time(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::new(seconds, 5)
}

#[test]
fn a_set_time_keeps_digests_that_were_valid_and_no_others() {
    on_worker(|worker| {
        let world = World::new();
        let home = world.open(worker);
        let path = Path::new("file");
        let known = || home.download(worker, path).unwrap().digests();
        put(&home, worker, "file", b"content").unwrap();
        home.set_modified(worker, path, time(1)).unwrap();
        assert_eq!(
            home.stat(worker, path).unwrap().modified.system_time(),
            time(1)
        );
        assert_eq!(known(), Some(digests(b"content")));
        let (md5, sha256) = (Digest::Md5([9; 16]), Digest::Sha256([9; 32]));
        for (first, second) in [(md5, sha256), (sha256, md5)] {
            let mut file = home.download(worker, path).unwrap();
            file.remove_digests(worker).unwrap();
            file.store_digest(worker, first).unwrap();
            home.set_modified(worker, path, time(2)).unwrap();
            assert_eq!(known(), Some(first.into()));

            // A digest that is computed later is not stored as the verified one.
            let file = home.download(worker, path).unwrap();
            file.store_digest(worker, second).unwrap();
            let both = Digests {
                verified: first,
                later: Some(second),
            };
            home.set_modified(worker, path, time(3)).unwrap();
            assert_eq!(known(), Some(both));
        }

        // Digests of other content do not become valid again.
        fs::write(world.at("file"), "CONTENT").unwrap();
        home.set_modified(worker, path, time(4)).unwrap();
        assert_eq!(known(), None);
        world.check(&home, worker);
    });
}

#[test]
fn directories_and_targets_of_links_get_times_too() {
    on_worker(|worker| {
        let world = World::new();
        symlink("dir/file", world.at("link")).unwrap();
        let home = world.open(worker);
        home.make_dir(worker, Path::new("dir")).unwrap();
        put(&home, worker, "dir/file", b"x").unwrap();
        for (path, target, seconds) in [("link", "dir/file", 10), ("dir", "dir", 20)] {
            home.set_modified(worker, Path::new(path), time(seconds))
                .unwrap();
            let modified = fs::metadata(world.at(target)).unwrap().modified().unwrap();
            assert_eq!(modified, time(seconds), "{path}");
        }
        assert_ne!(
            fs::symlink_metadata(world.at("link"))
                .unwrap()
                .modified()
                .unwrap(),
            time(10)
        );
        world.check(&home, worker);
    });
}

#[test]
fn modes_are_permission_bits_and_nothing_else() {
    on_worker(|worker| {
        let world = World::new();
        let home = world.open(worker);
        put(&home, worker, "file", b"content").unwrap();
        home.make_dir(worker, Path::new("dir")).unwrap();
        let mode = |path: &str| fs::metadata(world.at(path)).unwrap().mode() & 0o7777;
        let path = Path::new("file");
        home.set_mode(worker, path, 0o7640).unwrap();
        assert_eq!(mode("file"), 0o640);
        fs::set_permissions(world.at("file"), fs::Permissions::from_mode(0o4755)).unwrap();
        home.set_mode(worker, path, 0o755).unwrap();
        assert_eq!(mode("file"), 0o755, "set-user-ID goes");
        let known = home.download(worker, path).unwrap().digests();
        assert_eq!(known, Some(digests(b"content")));

        home.set_mode(worker, Path::new("dir"), 0o6711).unwrap();
        assert_eq!(mode("dir"), 0o711);
        fs::set_permissions(world.at("dir"), fs::Permissions::from_mode(0o2755)).unwrap();
        home.set_mode(worker, Path::new("dir"), 0o700).unwrap();
        assert_eq!(mode("dir"), 0o2700, "the operator's group bit stays");
        world.check(&home, worker);
    });
}

#[test]
fn what_cannot_be_changed_says_why() {
    on_worker(|worker| {
        let world = World::new();
        mknodat(CWD, world.at("fifo"), FileType::Fifo, Mode::RWXU, 0).unwrap();
        symlink("../outside", world.at("out")).unwrap();
        let home = world.open(worker);
        leave(&home, worker, "staged", b"part");
        let running = begin(&home, worker, "running", skiff_vfs::Start::End).unwrap();
        type Expected = fn(&VfsError) -> bool;
        let cases: [(&str, Expected); 7] = [
            ("", |e| matches!(e, VfsError::TheHome)),
            ("fifo", |e| matches!(e, VfsError::NotRegular)),
            ("out", |e| matches!(e, VfsError::Escapes)),
            ("missing", |e| matches!(e, VfsError::NotFound)),
            ("staged", |e| matches!(e, VfsError::NotFound)),
            ("running", |e| matches!(e, VfsError::Busy { .. })),
            (".skiff-stage", |e| matches!(e, VfsError::NotFound)),
        ];
        for (path, expected) in cases {
            let path = Path::new(path);
            let timed = home.set_modified(worker, path, time(1)).unwrap_err();
            assert!(expected(&timed), "{path:?}: {timed:?}");
            let moded = home.set_mode(worker, path, 0o600).unwrap_err();
            assert!(expected(&moded), "{path:?}: {moded:?}");
        }
        drop(running);
    });
}

/// The owner may undo a mode that lets him neither read nor write.
#[test]
fn attributes_are_changed_without_opening_for_reading() {
    on_worker(|worker| {
        let world = World::new();
        fs::write(world.at("file"), "content").unwrap();
        fs::create_dir(world.at("dir")).unwrap();
        become_ordinary(world.folder.path());
        let home = world.open(worker);
        for path in ["file", "dir"] {
            let path = Path::new(path);
            home.set_mode(worker, path, 0).unwrap();
            let stored = home.set_modified(worker, path, time(7)).unwrap();
            assert_eq!(stored.system_time(), time(7), "{path:?}");
            let entry = home.stat(worker, path).unwrap();
            assert_eq!((entry.mode, entry.modified), (0, stored), "{path:?}");
            home.set_mode(worker, path, 0o755).unwrap();
            assert_eq!(home.stat(worker, path).unwrap().mode, 0o755, "{path:?}");
        }
        world.check(&home, worker);
    });
}

#[test]
fn the_time_that_was_stored_is_given() {
    on_worker(|worker| {
        let world = World::new();
        let home = world.open(worker);
        put(&home, worker, "file", b"content").unwrap();
        for seconds in [0, 1, 1 << 31, 1 << 40] {
            let path = Path::new("file");
            let stored = home.set_modified(worker, path, time(seconds)).unwrap();
            assert_eq!(home.stat(worker, path).unwrap().modified, stored);
        }
    });
}
