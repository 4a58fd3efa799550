//! Tests with random operations from one and several threads, and by a program beside the daemon:
//! afterwards the ledger equals a count of the disk, and the limit was never exceeded.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use skiff_vfs::{
    Durability, Home, Kind, Limit, NameSize, Replace, Start, Upload, UploadRequest, UploadStart,
    VfsError, Worker,
};

use crate::common::{Random, World, on_worker, request};

/// Few names, so that operations often have the same target.
const PATHS: [&str; 10] = [
    "a", "b", "d", "d/a", "d/b", "d/d", "d/d/a", "e", "e/a", "e/d",
];
const LIMIT: Limit = Limit {
    bytes: 60_000,
    entries: 9,
};

/// What links lead to.
const TARGETS: [&str; 4] = ["a", "d/a", "../b", "../d/d"];

const REPLACE: [Replace; 2] = [Replace::Never, Replace::Existing];

/// Whether a program beside the daemon changes the home, so that its limit may be exceeded.
#[derive(Clone, Copy, PartialEq)]
enum Beside {
    Nobody,
    Somebody,
}

struct Actor {
    home: Arc<Home>,
    beside: Beside,
    random: Random,
    running: Vec<Upload>,
}

impl Actor {
    fn new(home: &Arc<Home>, seed: u64) -> Self {
        Self {
            home: Arc::clone(home),
            beside: Beside::Nobody,
            random: Random(seed),
            running: Vec::new(),
        }
    }

    fn path(&mut self) -> &'static Path {
        Path::new(*self.random.pick(&PATHS))
    }

    /// Runs a random operation. It may be refused, but must not fail with a disk error.
    fn step(&mut self, worker: &Worker) {
        let path = self.path();
        let result = match self.random.below(16) {
            0 => self.home.make_dir(worker, path),
            1 => {
                let target = self.random.pick(&TARGETS).as_bytes();
                self.home.make_link(worker, path, target)
            }
            2 => self.remove(worker, path),
            3 | 4 => {
                let to = self.path();
                let replace = *self.random.pick(&REPLACE);
                self.home.rename(worker, path, to, replace)
            }
            5 => self.home.drop_stage(worker, path),
            6 => self.home.sweep(worker).map(|_| ()),
            7 => self.change(worker, path),
            8..12 => self.begin(worker, path),
            _ => self.go_on(worker),
        };
        assert!(
            !matches!(result, Err(VfsError::Io(_) | VfsError::NoStaging)),
            "{result:?}"
        );
        if self.beside == Beside::Somebody {
            return;
        }
        let usage = self.home.usage();
        let promised = usage.used.plus(usage.reserved);
        assert!(
            promised.bytes <= LIMIT.bytes && promised.entries <= LIMIT.entries,
            "{usage:?}"
        );
    }

    fn remove(&mut self, worker: &Worker, path: &Path) -> Result<(), VfsError> {
        match self.random.below(3) {
            0 => self.home.remove(worker, path),
            1 => self.home.remove_file(worker, path),
            _ => self.home.remove_dir(worker, path),
        }
    }

    /// Changes attributes, which the ledger does not count.
    fn change(&mut self, worker: &Worker, path: &Path) -> Result<(), VfsError> {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(self.random.below(1 << 30));
        self.home.set_modified(worker, path, time)?;
        let mode = if self.home.stat(worker, path)?.kind == Kind::Directory {
            0o700
        } else {
            0o600
        };
        self.home.set_mode(worker, path, mode)
    }

    fn begin(&mut self, worker: &Worker, path: &Path) -> Result<(), VfsError> {
        let size = self.random.below(20_000);
        let size = (self.random.below(2) == 0).then_some(size);
        let replace = *self.random.pick(&REPLACE);
        let path = match self.random.below(5) {
            0 => self.home.free_name(worker, path)?,
            _ => path.to_owned(),
        };
        let offset = Start::Offset(self.offset(worker, &path));
        let request = UploadRequest {
            start: *self
                .random
                .pick(&[Start::Stage, Start::End, Start::Offset(0), offset]),
            ..request(size, replace)
        };
        if let UploadStart::Open(upload) = self.home.upload(worker, &path, &request)? {
            self.running.push(upload);
        }
        Ok(())
    }

    /// Somewhere in what the name has, or just at its end.
    fn offset(&mut self, worker: &Worker, path: &Path) -> u64 {
        let size = match self.home.size(worker, path) {
            Ok(NameSize::Published(size) | NameSize::Staged(size)) => size,
            Ok(NameSize::Both) | Err(_) => 1_000,
        };
        match self.random.below(3) {
            0 => size,
            _ => self.random.below(size + 2),
        }
    }

    fn go_on(&mut self, worker: &Worker) -> Result<(), VfsError> {
        if self.running.is_empty() {
            return Ok(());
        }
        let chosen = self.random.below(self.running.len() as u64) as usize;
        let mut upload = self.running.swap_remove(chosen);
        match self.random.below(10) {
            9 => {
                let prepared = upload.prepare(worker);
                self.running.push(upload);
                prepared
            }
            0..5 => {
                let chunk = vec![7; self.random.below(9_000) as usize];
                let written = upload.write(worker, &chunk);
                self.running.push(upload);
                written
            }
            5 => upload.publish(worker, None, None).map(|_| ()),
            6 => {
                upload.suspend(worker);
                Ok(())
            }
            7 => {
                upload.discard(worker);
                Ok(())
            }
            _ => upload.restart(worker),
        }
    }
}

fn world() -> World {
    let mut world = World::new();
    world.limit = LIMIT;
    world.policy.durability = Durability::None;
    world
}

#[test]
fn alone_every_sequence_leaves_an_exact_ledger() {
    on_worker(|worker| {
        for seed in 1..=60 {
            let world = world();
            let home = world.open(worker);
            let mut actor = Actor::new(&home, seed);
            for _ in 0..6 {
                for _ in 0..30 {
                    actor.step(worker);
                }
                actor.running.clear();
                world.check(&home, worker);
            }
        }
    });
}

#[test]
fn together_they_leave_an_exact_ledger_too() {
    on_worker(|worker| {
        for seed in 1..=8 {
            let world = world();
            let home = world.open(worker);
            let threads: Vec<_> = (1..=4)
                .map(|thread| {
                    let home = Arc::clone(&home);
                    let run = move |worker: &Worker| {
                        let mut actor = Actor::new(&home, seed * 100 + thread);
                        (0..400).for_each(|_| actor.step(worker));
                    };
                    Worker::spawn("actor", run).unwrap()
                })
                .collect();
            threads
                .into_iter()
                .for_each(|thread| thread.join().unwrap());
            world.check(&home, worker);
        }
    });
}

/// A change by a program that is not the daemon. What cannot be done is not done.
fn change_beside(world: &World, random: &mut Random) {
    let path = world.at(random.pick::<&str>(&PATHS));
    let _ = match random.below(7) {
        0 | 1 => fs::write(&path, vec![1; random.below(20_000) as usize]),
        2 => fs::remove_file(&path),
        3 => fs::create_dir(&path),
        4 => fs::remove_dir_all(&path),
        5 => std::os::unix::fs::symlink("a", &path),
        _ => fs::rename(&path, world.at(random.pick::<&str>(&PATHS))),
    };
}

/// Issue: files that came or went beside the daemon were never counted, and deleting them through
/// it made the ledger wrong for ever.
#[test]
fn after_any_changes_by_the_daemon_and_beside_it_a_recount_finds_what_is_there() {
    on_worker(|worker| {
        for seed in 1..=60 {
            let world = world();
            let home = world.open(worker);
            let mut actor = Actor::new(&home, seed);
            actor.beside = Beside::Somebody;
            let mut random = Random(seed + 1000);
            for _ in 0..6 {
                for _ in 0..30 {
                    actor.step(worker);
                    change_beside(&world, &mut random);
                }
                home.scan(worker).unwrap();
                actor.running.clear();
                home.scan(worker).unwrap();
                world.check(&home, worker);
            }
        }
    });
}

/// A program beside the daemon has left the ledger wrong; one recount heals it although sessions
/// change names all the while.
#[test]
fn a_recount_while_sessions_go_on_is_exact() {
    on_worker(|worker| {
        for seed in 1..=12 {
            let world = world();
            let home = world.open(worker);
            let mut random = Random(seed + 7);
            (0..10).for_each(|_| change_beside(&world, &mut random));
            let threads: Vec<_> = (1..=3)
                .map(|thread| {
                    let home = Arc::clone(&home);
                    let run = move |worker: &Worker| {
                        let mut actor = Actor::new(&home, seed * 100 + thread);
                        actor.beside = Beside::Somebody;
                        (0..400).for_each(|_| actor.step(worker));
                    };
                    Worker::spawn("actor", run).unwrap()
                })
                .collect();
            // Two: the first may meet what a program beside the daemon did within an upload.
            let mut counts = 0;
            while threads.iter().any(|thread| !thread.is_finished()) || counts == 0 {
                match home.scan(worker) {
                    Ok(_) => counts += 1,
                    // Directories were moved faster than they could be counted.
                    Err(VfsError::Scanning) => {}
                    Err(e) => panic!("{e}"),
                }
            }
            threads
                .into_iter()
                .for_each(|thread| thread.join().unwrap());
            world.check(&home, worker);
        }
    });
}

#[test]
fn readers_see_old_or_new_and_never_a_mixture() {
    on_worker(|worker| {
        let world = world();
        let home = world.open(worker);
        let path = Path::new("file");
        let write = |worker: &Worker, home: &Arc<Home>, byte: u8| {
            let length = 1000 + usize::from(byte);
            let started = home
                .upload(worker, path, &request(None, Replace::Existing))
                .unwrap();
            let UploadStart::Open(mut upload) = started else {
                panic!("{started:?}")
            };
            upload.write(worker, &vec![byte; length]).unwrap();
            upload.publish(worker, None, None).unwrap();
        };
        write(worker, &home, 0);
        let writer = {
            let home = Arc::clone(&home);
            Worker::spawn("writer", move |w| {
                (1..=255).for_each(|byte| write(w, &home, byte));
            })
        };
        let writer = writer.unwrap();
        while !writer.is_finished() {
            let content = fs::read(world.at("file")).unwrap();
            assert!(content.iter().all(|byte| *byte == content[0]));
            assert_eq!(content.len(), 1000 + usize::from(content[0]));
        }
        writer.join().unwrap();
    });
}
