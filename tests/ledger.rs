//! The ledger and the disk, after anything: sessions of both dialects and a program beside the
//! daemon change one home in any order, and a recount puts right what the daemon could not see.

use std::fs;
use std::path::{Path, PathBuf};

use crate::harness::{Daemon, Ftp, Peer, Random, noise, until};

const ROUNDS: u64 = 6;
const STEPS: u64 = 60;

/// Few names, so that steps meet.
const NAMES: [&str; 5] = ["a", "b", "dir/a", "dir/sub/a", "dir/sub"];
const FOLDERS: [&str; 3] = ["dir", "dir/sub", "other"];

struct Actors {
    native: Peer,
    ftp: Ftp,
    home: PathBuf,
    random: Random,
}

impl Actors {
    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.random.below(all.len() as u64) as usize]
    }

    fn data(&mut self) -> Vec<u8> {
        let length = self.random.below(50_000) as usize;
        noise(self.random.next(), length)
    }

    /// One step, which may well be refused.
    fn step(&mut self) {
        let (name, other) = (self.one_of(&NAMES), self.one_of(&NAMES));
        let folder = self.one_of(&FOLDERS);
        let data = self.data();
        match self.random.below(16) {
            0 | 1 => self.put(name, &data),
            2 => self.leave(name, &data),
            3 => drop(self.native.code(&format!("DELE {name}"))),
            4 => drop(self.native.code(&format!("MKD {folder}"))),
            5 => self.rename(name, other),
            6 => drop(self.native.code(&format!("STAGES drop=1 {name}"))),
            7 | 8 => drop(self.ftp.upload(&format!("STOR {name}"), &data)),
            9 => drop(self.ftp.upload(&format!("APPE {name}"), &data)),
            10 => drop(self.ftp.ask(&format!("DELE {name}"))),
            11 => drop(self.ftp.ask(&format!("RMD {folder}"))),
            12 if self.ftp.ask(&format!("RNFR {name}")) == 350 => {
                self.ftp.ask(&format!("RNTO {other}"));
            }
            13 => drop(fs::write(self.home.join(name), &data)),
            14 => drop(fs::remove_file(self.home.join(name))),
            15 => drop(fs::create_dir_all(self.home.join(folder))),
            _ => {}
        }
    }

    fn put(&mut self, name: &str, data: &[u8]) {
        let size = data.len();
        let line = format!("STOR size={size} replace=1 {name}");
        match self.native.code(&line) {
            150 => drop(self.native.fill(data, data)),
            // A part of another time, which is given up: never answered.
            210 => self.native.send("410"),
            _ => {}
        }
    }

    /// An upload that ends half-way; its part stays.
    fn leave(&mut self, name: &str, data: &[u8]) {
        let line = format!("STOR size={} replace=1 {name}", data.len() + 1);
        match self.native.code(&line) {
            150 => {
                self.native.frames(data);
                self.native.tail(crate::harness::Tail::Abort);
                self.native.reply();
            }
            210 => self.native.send("410"),
            _ => {}
        }
    }

    fn rename(&mut self, from: &str, to: &str) {
        if self.native.code(&format!("RNFR {from}")) == 350 {
            self.native.code(&format!("351 {to}"));
        }
    }

    /// Bytes and entries on the disk: what is published, and what is staged.
    fn on_disk(&mut self) -> (u64, u64) {
        let stages = self.native.list("STAGES");
        let staged = stages.values().map(|facts| {
            let size = facts.split(';').find_map(|fact| fact.strip_prefix("size="));
            size.unwrap().parse::<u64>().unwrap()
        });
        let (bytes, entries) = published(&self.home);
        (bytes + staged.sum::<u64>(), entries + stages.len() as u64)
    }
}

fn published(folder: &Path) -> (u64, u64) {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    let visible = entries.filter(|entry| entry.file_name() != ".skiff-stage");
    visible.fold((0, 0), |(bytes, count), entry| {
        let found = entry.metadata().unwrap();
        let (inner_bytes, inner_count) = match found.is_dir() {
            true => published(&entry.path()),
            false => (found.len(), 0),
        };
        (bytes + inner_bytes, count + inner_count + 1)
    })
}

#[test]
fn after_any_steps_of_anybody_and_a_recount_the_ledger_is_the_disk() {
    let daemon = Daemon::with_ftp();
    for round in 0..ROUNDS {
        let mut actors = Actors {
            native: daemon.login("tom"),
            ftp: Ftp::login(daemon.ftp_address(), "tom"),
            home: daemon.home("tom"),
            random: Random::new(round),
        };
        for _ in 0..STEPS {
            actors.step();
        }
        // The step before may be on its way to the disk.
        until("the end of uploads", || {
            (actors.native.df().number("reserved") == 0).then_some(())
        });
        daemon.user(&["recount", "tom"], "");
        let (bytes, entries) = actors.on_disk();
        let told = actors.native.df();
        let ledger = (told.number("used"), told.number("entries"));
        assert_eq!(ledger, (bytes, entries), "round {round}: {}", told.line);
    }
}
