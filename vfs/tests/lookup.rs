//! Tests of the answers to SIZE, MDTM and STOU: sizes, times and free names.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use skiff_vfs::{Amount, Home, NameSize, Start, VfsError, Worker};

use crate::common::{
    MEBI, StageNow, World, begin, leave, leave_cut, on_worker, put, stage_of, stages_now, start,
};

#[test]
fn the_size_is_the_files_or_the_stages_and_of_both_there_is_none() {
    on_worker(|worker| {
        let world = World::new();
        let home = world.open(worker);
        let size = |path: &str| home.size(worker, Path::new(path));
        assert!(matches!(size("file"), Err(VfsError::NotFound)));
        leave_cut(&home, worker, "file", b"part");
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

/// What a client that resumes by size is told, and where its APPE then continues.
fn told(home: &Arc<Home>, worker: &Worker, path: &str) -> (u64, u64) {
    let size = match home.size(worker, Path::new(path)).unwrap() {
        NameSize::Staged(size) => size,
        other => panic!("{path}: {other:?}"),
    };
    let upload = begin(home, worker, path, Start::End).unwrap();
    (size, upload.position())
}

/// A client whose file has as many bytes as it is told takes it for stored and goes away.
#[test]
fn an_upload_that_lacks_its_end_only_is_told_one_byte_short() {
    on_worker(|worker| {
        let world = World::new();
        let home = world.open(worker);
        let whole = vec![7; 2 * MEBI as usize];
        let all_but_one = whole.len() as u64 - 1;

        let mut by_size = begin(&home, worker, "by size", Start::Offset(0)).unwrap();
        by_size.write(worker, &whole).unwrap();
        by_size.suspend(worker);
        assert_eq!(told(&home, worker, "by size"), (all_but_one, all_but_one));
        assert_eq!(
            stage_of(&world, "by size").unwrap().0.len(),
            whole.len() - 1
        );
        // No byte came, so none is cut.
        let mut upload = begin(&home, worker, "by size", Start::End).unwrap();
        upload.prepare(worker).unwrap();
        drop(upload);
        assert_eq!(told(&home, worker, "by size"), (all_but_one, all_but_one));

        let mut dropped = begin(&home, worker, "dropped", Start::Offset(0)).unwrap();
        dropped.write(worker, &whole).unwrap();
        drop(dropped);
        assert_eq!(told(&home, worker, "dropped"), (all_but_one, all_but_one));

        // The other dialect compares digests, and keeps all bytes.
        leave(&home, worker, "by digest", &whole);
        assert_eq!(told(&home, worker, "by digest"), (all_but_one, all_but_one));
        let resumed = start(&home, worker, "by digest", None).unwrap();
        assert_eq!(resumed.initial_len(), whole.len() as u64);
        drop(resumed);

        for left in [leave, |home: &_, worker: &_, path: &_, _: &_| {
            leave_cut(home, worker, path, b"");
        }] {
            left(&home, worker, "one byte", b"x");
            let size = home.size(worker, Path::new("one byte"));
            assert!(matches!(size, Err(VfsError::NotFound)), "{size:?}");
        }
        world.check(&home, worker);
    });
}

#[test]
fn so_is_one_that_a_crash_ended() {
    on_worker(|worker| {
        let mut world = World::new();
        world.limit = Amount::new(200 * MEBI, 10);
        let home = world.open(worker);
        // Both are synced with their last byte.
        let whole = vec![7; 65 * MEBI as usize];
        let (first, rest) = whole.split_at(MEBI as usize);
        let mut fresh = begin(&home, worker, "fresh", Start::Offset(0)).unwrap();
        fresh.write(worker, &whole).unwrap();
        leave_cut(&home, worker, "continued", first);
        let mut continued = begin(&home, worker, "continued", Start::End).unwrap();
        continued.write(worker, rest).unwrap();
        let stages = stages_now(&world);
        assert_eq!(stages.len(), 2);
        drop((fresh, continued, home));
        stages.iter().for_each(StageNow::put_back);

        let home = world.open(worker);
        let all_but_one = whole.len() as u64 - 1;
        for name in ["fresh", "continued"] {
            assert_eq!(told(&home, worker, name), (all_but_one, all_but_one));
        }
    });
}

/// SIZE, MDTM and MLST agree, whoever asks: a running upload changes nothing that is told.
#[test]
fn what_is_being_written_is_not_there_yet() {
    on_worker(|worker| {
        let world = World::new();
        let home = world.open(worker);
        put(&home, worker, "file", b"whole").unwrap();
        put(&home, worker, "both", b"whole").unwrap();
        leave_cut(&home, worker, "both", b"another part");
        leave_cut(&home, worker, "part", b"a part");
        for (name, published) in [
            ("new", None),
            ("part", None),
            ("file", Some(5)),
            ("both", Some(5)),
        ] {
            for from in [Start::Offset(0), Start::End] {
                let path = Path::new(name);
                let mut upload = begin(&home, worker, name, from).unwrap();
                if published.is_none() || from == Start::Offset(0) {
                    upload.write(worker, b"bytes that came").unwrap();
                }
                let size = home.size(worker, path).ok();
                assert_eq!(size, published.map(NameSize::Published), "{name}");
                let cached = home.size_cached(path);
                assert!(
                    cached.is_none() || cached == published,
                    "{name}: {cached:?}"
                );
                let entry = home.stat(worker, path).ok();
                let modified = home.modified_of(worker, path).ok();
                assert_eq!(entry.as_ref().map(|entry| entry.size), published, "{name}");
                assert_eq!(modified, entry.map(|entry| entry.modified), "{name}");
                upload.discard(worker);
            }
        }
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
        home.make_dir(worker, Path::new("dir")).unwrap();
        mknodat(CWD, world.at("fifo"), FileType::Fifo, Mode::RWXU, 0).unwrap();
        let of = |path: &str| home.modified_of(worker, Path::new(path)).unwrap_err();
        assert!(matches!(of("dir"), VfsError::IsADirectory));
        assert!(matches!(of("fifo"), VfsError::NotRegular));
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
        assert!(matches!(bad(""), VfsError::TheHome));
        assert!(matches!(bad("missing/up"), VfsError::NotFound));
        assert!(matches!(bad("../up"), VfsError::Escapes));
        assert!(matches!(bad("a\0b"), VfsError::BadName));
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
