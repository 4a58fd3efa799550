//! Tests that calls without a worker give the same as those with one, or `None`.

use std::fs::{self, File, FileTimes};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::{Duration, SystemTime};

use rustix::fs::{CWD, FileType, Mode, StatVfsMountFlags, fstatfs, mknodat, statvfs};
use skiff_vfs::NameSize;

use crate::common::{World, leave, on_worker, put};

const EXT4: i64 = 0xEF53;

/// A home on tmpfs, where every name and page is in the caches.
fn world() -> World {
    World::within(Path::new("/dev/shm"))
}

#[test]
fn what_is_said_at_hand_is_what_a_worker_says() {
    on_worker(|worker| {
        let world = world();
        let home = world.open(worker);
        fs::create_dir_all(world.at("a/b")).unwrap();
        for path in ["file", "a/file", "a/b/file"] {
            put(&home, worker, path, path.as_bytes()).unwrap();
            let path = Path::new(path);
            assert_eq!(home.stat_cached(path), home.stat(worker, path).ok());
            let size = home.size_cached(path).map(NameSize::Published);
            assert_eq!(size, home.size(worker, path).ok());
            let (here, there) = (
                home.download_cached(path).unwrap(),
                home.download(worker, path).unwrap(),
            );
            assert_eq!(
                (here.size(), here.modified()),
                (there.size(), there.modified())
            );
        }
        for path in ["", "a", "a/b"] {
            let path = Path::new(path);
            assert!(home.may_enter_cached(path));
            let mut here = home.list_cached(path).unwrap();
            let mut there = home.list(worker, path).unwrap();
            let mut count = 0;
            while let Some(entry) = there.next(worker).unwrap() {
                assert_eq!(here.next(worker).unwrap(), Some(entry));
                count += 1;
            }
            assert_eq!(here.next(worker).unwrap(), None);
            assert!(count > 0);
        }
        let directory = Path::new("a");
        assert_eq!(
            home.stat_cached(directory),
            home.stat(worker, directory).ok()
        );
    });
}

#[test]
fn what_takes_more_than_a_look_is_left_to_a_worker() {
    on_worker(|worker| {
        let world = world();
        let home = world.open(worker);
        put(&home, worker, "file", b"whole").unwrap();
        fs::create_dir(world.at("dir")).unwrap();
        fs::write(world.folder.path().join("secret"), "x").unwrap();
        symlink("file", world.at("link")).unwrap();
        symlink("dir", world.at("way")).unwrap();
        symlink("../secret", world.at("out")).unwrap();
        symlink("..", world.at("up")).unwrap();
        mknodat(CWD, world.at("fifo"), FileType::Fifo, Mode::RWXU, 0).unwrap();
        let absolute = world.at("file");
        let others = [
            "missing",
            "missing/file",
            "file/file",
            "link",
            "out",
            "up",
            "up/secret",
            "way/../file",
            "..",
            "../secret",
            ".skiff-stage",
            ".SKIFF-stage",
            "fifo",
            "new\nline",
            absolute.to_str().unwrap(),
        ];
        for path in others {
            let path = Path::new(path);
            assert_eq!(home.stat_cached(path), None, "{path:?}");
            assert_eq!(home.size_cached(path), None, "{path:?}");
            assert!(home.download_cached(path).is_none(), "{path:?}");
            assert!(home.list_cached(path).is_none(), "{path:?}");
            assert!(!home.may_enter_cached(path), "{path:?}");
        }
        for path in ["way", "file"] {
            assert!(!home.may_enter_cached(Path::new(path)), "{path}");
            assert!(home.list_cached(Path::new(path)).is_none(), "{path}");
        }
        assert_eq!(home.size_cached(Path::new("dir")), None);
        assert!(home.download_cached(Path::new("dir")).is_none());
    });
}

/// A name with a file and a stage has two sizes, which only a call with a worker tells apart.
#[test]
fn no_size_is_told_at_hand_while_anything_is_staged() {
    on_worker(|worker| {
        let world = world();
        let home = world.open(worker);
        let path = Path::new("file");
        put(&home, worker, "file", b"whole").unwrap();
        assert_eq!(home.size_cached(path), Some(5));
        leave(&home, worker, "file", b"par");
        assert_eq!(home.size_cached(path), None);
        home.drop_stage(worker, path).unwrap();
        assert_eq!(home.size_cached(path), Some(5));
    });
}

/// An update of the atime may wait for the disk's journal.
#[test]
fn a_read_that_would_change_the_time_of_access_is_left_to_a_worker() {
    on_worker(|worker| {
        let world = World::new();
        let home = world.open(worker);
        put(&home, worker, "file", b"whole").unwrap();
        let read = |accessed: SystemTime| {
            let times = FileTimes::new().set_accessed(accessed);
            let file = File::options().write(true).open(world.at("file")).unwrap();
            file.set_times(times).unwrap();
            let file = home.download_cached(Path::new("file"))?;
            let mut buffer = [0; 16];
            let count = home.read_cached(&file, 1, &mut buffer)?;
            Some(buffer[..count].to_vec())
        };
        let hour = Duration::from_secs(60 * 60);
        let now = SystemTime::now();
        let (due, not_due) = (read(now - hour), read(now + hour));
        let disk = fstatfs(File::open(world.root()).unwrap()).unwrap();
        if disk.f_type == EXT4 && is_relative(&world) {
            assert_eq!(due, None);
            assert_eq!(not_due, Some(b"hole".to_vec()));
        } else {
            // Not every file system supports RWF_NOWAIT.
            let known = |read: &Option<Vec<u8>>| read.as_ref().is_none_or(|read| read == b"hole");
            assert!(known(&due) && known(&not_due));
        }
    });
}

fn is_relative(world: &World) -> bool {
    let mount = statvfs(world.root()).unwrap();
    mount.f_flag.contains(StatVfsMountFlags::RELATIME)
}

/// The caches say that a name is missing only where they know it.
#[test]
fn what_is_there_is_never_missing() {
    on_worker(|worker| {
        // tmpfs keeps no names that are missing.
        let world = World::new();
        let keeps_names = fstatfs(File::open(world.root()).unwrap()).unwrap().f_type == EXT4;
        let home = world.open(worker);
        put(&home, worker, "file", b"whole").unwrap();
        fs::create_dir(world.at("dir")).unwrap();
        symlink("file", world.at("link")).unwrap();
        symlink("dir", world.at("way")).unwrap();
        let missing = |path: &str| home.is_missing_cached(Path::new(path));
        for path in ["", "file", "dir", "link", "way", "way/file", ".."] {
            assert!(!missing(path), "{path}");
        }
        // The look of a worker leaves it in the caches that there is nothing.
        for path in ["none", "dir/none"] {
            assert!(home.stat_link(worker, Path::new(path)).is_err());
            assert!(missing(path) || !keeps_names, "{path}");
        }
        fs::write(world.at("none"), "now").unwrap();
        assert!(!missing("none"));
    });
}
