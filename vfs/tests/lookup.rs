//! Tests of the answers to SIZE, MDTM and STOU: sizes, times and free names.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use skiff_vfs::{NameSize, Start, VfsError};

use crate::common::{World, begin, leave, on_worker, put, stage_of};

#[test]
fn the_size_is_the_files_or_the_stages_and_of_both_there_is_none() {
    on_worker(|worker| {
        let world = World::new();
        let home = world.open(worker);
        let size = |path: &str| home.size(worker, Path::new(path));
        assert!(matches!(size("file"), Err(VfsError::NotFound)));
        leave(&home, worker, "file", b"part");
        assert_eq!(size("file").unwrap(), NameSize::Staged(4));
        put(&home, worker, "file", b"whole file").unwrap();
        assert_eq!(size("file").unwrap(), NameSize::Published(10));
        leave(&home, worker, "file", b"part");
        assert_eq!(size("file").unwrap(), NameSize::Both);
        home.drop_stage(worker, Path::new("file")).unwrap();
        symlink("file", world.at("link")).unwrap();
        symlink("../file", world.at("out")).unwrap();
        assert_eq!(size("link").unwrap(), NameSize::Published(10));
        assert!(matches!(size("out"), Err(VfsError::Escapes)));
        home.make_dir(worker, Path::new("dir")).unwrap();
        assert!(matches!(size("dir"), Err(VfsError::IsADirectory)));
        assert!(matches!(size(""), Err(VfsError::IsADirectory)));
    });
}

#[test]
fn the_time_is_the_files_before_the_stages() {
    on_worker(|worker| {
        let world = World::new();
        let home = world.open(worker);
        let path = Path::new("file");
        let time = || {
            home.modified_of(worker, path)
                .map(|time| time.system_time())
        };
        assert!(matches!(time(), Err(VfsError::NotFound)));
        leave(&home, worker, "file", b"part");
        let (_, staged) = stage_of(&world, "file").unwrap();
        assert_eq!(time().unwrap(), staged);
        put(&home, worker, "file", b"whole").unwrap();
        leave(&home, worker, "file", b"part");
        let published = SystemTime::UNIX_EPOCH + Duration::from_secs(77);
        home.set_modified(worker, path, published).unwrap();
        assert_eq!(time().unwrap(), published);
    });
}

#[test]
fn a_unique_name_is_none_that_is_published_staged_or_a_link() {
    on_worker(|worker| {
        let world = World::new();
        let home = world.open(worker);
        home.make_dir(worker, Path::new("dir")).unwrap();
        let unique = || home.free_name(worker, Path::new("dir/up")).unwrap();
        assert_eq!(unique(), Path::new("dir/up"));
        put(&home, worker, "dir/up", b"x").unwrap();
        assert_eq!(unique(), Path::new("dir/up.1"));
        leave(&home, worker, "dir/up.1", b"part");
        assert_eq!(unique(), Path::new("dir/up.2"));
        symlink("nowhere", world.at("dir/up.2")).unwrap();
        home.make_dir(worker, Path::new("dir/up.3")).unwrap();
        let running = begin(&home, worker, "dir/up.4", Start::Offset(0)).unwrap();
        assert_eq!(unique(), Path::new("dir/up.5"));
        drop(running);
        assert_eq!(unique(), Path::new("dir/up.4"));

        let bad = |path: &str| home.free_name(worker, Path::new(path)).unwrap_err();
        assert!(matches!(bad(""), VfsError::Forbidden));
        assert!(matches!(bad("missing/up"), VfsError::NotFound));
        assert!(matches!(bad("../up"), VfsError::Escapes));
        assert!(matches!(bad("a\nb"), VfsError::BadName));
    });
}

#[test]
fn unique_names_are_sought_no_further_than_ten_thousand() {
    on_worker(|worker| {
        let mut world = World::new();
        world.limit.entries = 100_000;
        let name = |number: u32| match number {
            0 => PathBuf::from("up"),
            number => PathBuf::from(format!("up.{number}")),
        };
        for number in 0..9_999 {
            fs::write(world.root().join(name(number)), "").unwrap();
        }
        let home = world.open(worker);
        let path = Path::new("up");
        assert_eq!(home.free_name(worker, path).unwrap(), name(9_999));
        fs::write(world.root().join(name(9_999)), "").unwrap();
        assert!(matches!(
            home.free_name(worker, path),
            Err(VfsError::Exists)
        ));
    });
}
