//! Tests of trees that are deeper than any path can be, and of directories that cannot be read: they
//! are counted as far as that goes, and the daemon makes no such trees.

use std::fs::{self, File, Permissions};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{Mode, OFlags, mkdirat, openat};
use skiff_vfs::{Amount, Home, Replace, Survey, VfsError, Worker};

use crate::common::{World, become_ordinary, leave_cut, on_worker, put, start};

/// Makes directories in each other, by handles, and gives the deepest.
fn nest(top: &Path, name: &str, levels: usize) -> OwnedFd {
    let mut folder = OwnedFd::from(File::open(top).unwrap());
    for _ in 0..levels {
        mkdirat(&folder, name, Mode::RWXU).unwrap();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        folder = openat(&folder, name, flags, Mode::empty()).unwrap();
    }
    folder
}

/// Removes what `nest` has made: most programs cannot.
fn unnest(top: &Path) {
    let done = std::process::Command::new("rm")
        .arg("-rf")
        .arg(top)
        .status();
    assert!(done.unwrap().success());
}

#[test]
fn a_tree_deeper_than_any_path_is_counted_whole() {
    on_worker(|worker| {
        let world = World::new();
        fs::create_dir(world.at("top")).unwrap();
        let deepest = nest(&world.at("top"), &"d".repeat(200), 100);
        let flags = OFlags::WRONLY | OFlags::CREATE;
        let file = openat(&deepest, "file", flags, Mode::RWXU).unwrap();
        rustix::io::write(&file, &[1; 500]).unwrap();
        fs::create_dir(world.at("beside")).unwrap();
        let home = world.open(worker);
        assert_eq!(home.usage().used, Amount::new(500, 103));
        assert_eq!(home.scan(worker).unwrap().unread, 0);
        let survey = Survey::of(worker, &world.root(), None, 1000).unwrap();
        assert!(survey.too_long.is_some());
        put(&home, worker, "new", b"it is not read-only").unwrap();
        unnest(&world.at("top"));
    });
}

#[test]
fn what_cannot_be_read_is_left_out_and_told() {
    on_worker(|worker| {
        let world = World::new();
        become_ordinary(world.folder.path());
        for dir in ["open", "closed", "listed"] {
            fs::create_dir(world.at(dir)).unwrap();
            fs::write(world.at(dir).join("file"), [1; 100]).unwrap();
        }
        let set = |dir: &str, mode| {
            fs::set_permissions(world.at(dir), Permissions::from_mode(mode)).unwrap();
        };
        set("closed", 0o000);
        set("listed", 0o444);
        let home = world.open(worker);
        let counted = home.scan(worker).unwrap();
        assert_eq!(counted.used, Amount::new(100, 4));
        assert_eq!(counted.unread, 2);
        let survey = Survey::of(worker, &world.root(), None, 100).unwrap();
        assert_eq!((survey.unread, survey.is_partial), (2, false));
        assert!(matches!(
            survey.first_unread,
            Some((_, VfsError::Forbidden))
        ));
        assert!(
            Survey::of(worker, &world.root(), None, 2)
                .unwrap()
                .is_partial
        );
        put(&home, worker, "open/new", b"x").unwrap();
        set("closed", 0o755);
        set("listed", 0o755);
        assert_eq!(home.scan(worker).unwrap().unread, 0);
        world.check(&home, worker);
    });
}

/// The stages of a directory that cannot be read are kept.
#[test]
fn stages_in_what_cannot_be_read_stay() {
    on_worker(|worker| {
        let world = World::new();
        become_ordinary(world.folder.path());
        let home = world.open(worker);
        home.make_dir(worker, Path::new("dir")).unwrap();
        leave_cut(&home, worker, "dir/file", b"part");
        fs::set_permissions(world.at("dir"), Permissions::from_mode(0o000)).unwrap();
        assert_eq!(home.scan(worker).unwrap().used, Amount::new(4, 2));
        fs::set_permissions(world.at("dir"), Permissions::from_mode(0o755)).unwrap();
        world.check(&home, worker);
    });
}

/// A path of `bytes` bytes, of as many names as fit.
fn long(bytes: usize) -> PathBuf {
    let first = if bytes.is_multiple_of(2) { "nn" } else { "n" };
    let path = first.to_owned() + &"/n".repeat((bytes - first.len()) / 2);
    assert_eq!(path.len(), bytes);
    PathBuf::from(path)
}

/// Makes a path of the home, whatever its length.
fn make_all(home: &Arc<Home>, worker: &Worker, path: &Path) {
    for above in path.ancestors().collect::<Vec<_>>().into_iter().rev() {
        match home.make_dir(worker, above) {
            Ok(()) | Err(VfsError::Exists | VfsError::TheHome) => {}
            Err(e) => panic!("{}: {e}", above.as_os_str().len()),
        }
    }
}

fn deep_world() -> World {
    let mut world = World::new();
    world.limit = Amount::new(1 << 30, 100_000);
    world.policy.durability = skiff_vfs::Durability::None;
    world
}

#[test]
fn nothing_gets_a_path_that_cannot_be_used() {
    on_worker(|worker| {
        let world = deep_world();
        let home = world.open(worker);
        let deepest = long(4091);
        make_all(&home, worker, &deepest);
        home.make_dir(worker, &deepest.join("abc")).unwrap();
        let too_long = deepest.join("abcd");
        let bad = |result: Result<(), VfsError>| matches!(result, Err(VfsError::NameTooLong));
        assert!(bad(home.make_dir(worker, &too_long)));
        let path = too_long.to_str().unwrap();
        assert!(bad(start(&home, worker, path, 1).map(drop)));
        put(&home, worker, "file", b"x").unwrap();
        let file = Path::new("file");
        assert!(bad(home.rename(worker, file, &too_long, Replace::Never)));
        for dir in ["n", "nn"] {
            unnest(&world.at(dir));
        }
    });
}

/// MKD and CWD over and over, and then the one deep tree into the other.
#[test]
fn a_rename_does_not_make_paths_below_too_long() {
    on_worker(|worker| {
        let world = deep_world();
        let home = world.open(worker);
        let half = Path::new("a").join(long(2045));
        make_all(&home, worker, &half);
        make_all(&home, worker, &Path::new("b").join(long(2045)));
        make_all(&home, worker, Path::new("bbb/c"));
        let move_to =
            |from: &str, to: &Path| home.rename(worker, Path::new(from), to, Replace::Never);
        // The deepest has then 2047 + 1 + 1 + 1 + 2045 bytes.
        move_to("b", &half.join("c")).unwrap();
        move_to(half.join("c").to_str().unwrap(), Path::new("b")).unwrap();
        let refused = move_to("b", &half.join("cc"));
        assert!(matches!(refused, Err(VfsError::NameTooLong)), "{refused:?}");
        assert!(world.at("b").exists());
        // A shallow one may go there, and to a shorter name everything may.
        move_to("bbb", &half.join("shallow")).unwrap();
        home.scan(worker).unwrap();
        for dir in ["a", "b"] {
            unnest(&world.at(dir));
        }
    });
}
