//! Tests with file systems below the home: a staging directory each, full disks, no attributes.
//!
//! These mount small file systems, so they need root and are run by hand:
//! `cargo test -p skiff-vfs mounts -- --ignored`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use skiff_vfs::{Amount, Replace, VfsError, Worker};

use crate::common::{MEBI, World, leave, names, on_worker, put, start};

/// A file system that is mounted for as long as this lives.
struct Mounted(PathBuf);

impl Mounted {
    fn new(at: PathBuf, arguments: &[&str]) -> Self {
        fs::create_dir_all(&at).unwrap();
        let done = Command::new("mount")
            .args(arguments)
            .arg(&at)
            .status()
            .unwrap();
        assert!(done.success(), "these tests need to be allowed to mount");
        Self(at)
    }

    fn memory(at: PathBuf, size: &str) -> Self {
        Self::new(at, &["-t", "tmpfs", "-o", size, "none"])
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
#[ignore = "mounts a file system"]
fn each_mount_stages_for_itself() {
    on_worker(|worker| {
        let world = World::new();
        let _mounted = Mounted::memory(world.at("disk"), "size=8m");
        fs::create_dir_all(world.at("disk/deep/deeper")).unwrap();
        fs::create_dir(world.at("here")).unwrap();
        let _bound = {
            let source = world.at("here");
            Mounted::new(world.at("there"), &["--bind", source.to_str().unwrap()])
        };
        let home = world.open(worker);
        put(&home, worker, "disk/deep/deeper/file", b"content").unwrap();
        leave(&home, worker, "disk/deep/part", b"half");
        put(&home, worker, "there/file", b"bound").unwrap();
        assert!(world.at("disk/.skiff-stage").is_dir());
        assert!(world.at("there/.skiff-stage").is_dir());
        assert!(!world.at(".skiff-stage").exists());
        assert_eq!(names(&home, worker, "disk"), ["deep"]);
        let hidden = home.check_enter(worker, Path::new("disk/.skiff-stage"));
        assert!(matches!(hidden, Err(VfsError::NotFound)));
        let moved = home.rename(
            worker,
            Path::new("disk/deep"),
            Path::new("deep"),
            Replace::Never,
        );
        assert!(matches!(moved, Err(VfsError::OtherDevice)));
        let removed = home.remove(worker, Path::new("disk"));
        assert!(
            matches!(removed, Err(VfsError::Forbidden | VfsError::NotEmpty)),
            "{removed:?}"
        );

        // After a restart the mount's stages are hidden and found before any scan.
        drop(home);
        let home = world
            .homes()
            .open(worker, "tom", &world.root(), world.limit)
            .unwrap();
        let hidden = home.stat(worker, Path::new("disk/.skiff-stage"));
        assert!(matches!(hidden, Err(VfsError::NotFound)));
        home.scan(worker).unwrap();
        assert_eq!(
            start(&home, worker, "disk/deep/part", None)
                .unwrap()
                .initial_len(),
            4
        );
        // disk, deep, deeper, file, part, here, there, and the bound file under both names.
        assert_eq!(home.usage().used, Amount::new(7 + 4 + 5 + 5, 9));
    });
}

#[test]
#[ignore = "mounts a file system"]
fn a_full_disk_is_told_and_what_fits_stays() {
    on_worker(|worker| {
        let world = World::new();
        let _mounted = Mounted::memory(world.root(), "size=1m");
        let home = world.open(worker);
        let mut upload = start(&home, worker, "file", 4 * MEBI).unwrap();
        let chunk = vec![1; 100_000];
        let full = loop {
            if let Err(e) = upload.write(worker, &chunk) {
                break e;
            }
        };
        assert!(matches!(full, VfsError::DiskFull), "{full:?}");
        let staged = upload.file_len();
        assert!(staged > MEBI / 2 && staged <= MEBI, "{staged}");
        upload.suspend(worker);
        world.check(&home, worker);
        assert_eq!(
            start(&home, worker, "file", 4 * MEBI)
                .unwrap()
                .initial_len(),
            staged
        );
    });
}

#[test]
#[ignore = "mounts a file system"]
fn a_file_system_without_attributes_serves_as_well() {
    on_worker(|worker| {
        let world = World::new();
        let _mounted = Mounted::new(world.root(), &["-t", "ramfs", "none"]);
        let home = world.open(worker);
        home.make_dir(worker, Path::new("dir")).unwrap();
        put(&home, worker, "dir/file", b"content").unwrap();
        put(&home, worker, "dir/file", b"replaced").unwrap();
        leave(&home, worker, "dir/part", b"half");
        home.rename(worker, Path::new("dir"), Path::new("moved"), Replace::Never)
            .unwrap();
        assert_eq!(
            home.stages(worker).unwrap()[0].path,
            Path::new("moved/part")
        );
        world.check(&home, worker);
        put(&home, worker, "moved/part", b"whole").unwrap();
        assert_eq!(fs::read_dir(world.at(".skiff-stage")).unwrap().count(), 0);
        world.check(&home, worker);
    });
}

/// Issue: the disk of a home that was used once could not be unmounted.
#[test]
#[ignore = "mounts a file system"]
fn the_disk_of_an_idle_home_can_be_unmounted() {
    on_worker(|worker| {
        let world = World::new();
        let _mounted = Mounted::memory(world.root(), "size=8m");
        let homes = world.homes();
        let open = |worker: &Worker| {
            homes
                .open(worker, "tom", &world.root(), world.limit)
                .unwrap()
        };
        let home = open(worker);
        home.scan(worker).unwrap();
        put(&home, worker, "file", b"content").unwrap();
        leave(&home, worker, "part", b"half");
        let unmount = || Command::new("umount").arg(world.root()).status().unwrap();
        assert!(!unmount().success(), "it is in use");
        drop(home);
        homes.close_idle(worker, Duration::ZERO);
        assert!(unmount().success());
    });
}

/// Uploads may run in a mount when another home that has it too is opened.
#[test]
#[ignore = "mounts a file system"]
fn a_home_does_not_recover_the_stages_of_another_that_runs() {
    on_worker(|worker| {
        let world = World::new();
        let root = |name: &str| world.folder.path().join(name);
        fs::create_dir(root("shared")).unwrap();
        let shared = root("shared");
        let bind = |home: &str| {
            let at = root(home).join("shared");
            Mounted::new(at, &["--bind", shared.to_str().unwrap()])
        };
        let _bound = ["one", "two"].map(bind);
        let homes = world.homes();
        let open = |name: &str| {
            let home = homes.open(worker, name, &root(name), world.limit).unwrap();
            home.scan(worker).unwrap();
            home
        };
        let one = open("one");
        let mut upload = start(&one, worker, "shared/file", None).unwrap();
        let half = vec![7; MEBI as usize];
        upload.write(worker, &half).unwrap();
        let two = open("two");
        assert!(two.stat(worker, Path::new("shared")).is_ok());
        upload.write(worker, &half).unwrap();
        upload.publish(worker, None, None).unwrap();
        let stored = fs::read(root("shared/file")).unwrap();
        assert!(stored == half.repeat(2), "{} bytes", stored.len());
    });
}
