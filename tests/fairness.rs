//! One user's work does not stop others: many listings, syncs of a slow disk, a home that hangs.

use std::fs::{File, create_dir};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;

use crate::harness::{Daemon, Delays, Ftp, noise};

const SESSIONS: usize = 50;
const NAMES: usize = 20_000;

/// Counts what was answered so far.
#[derive(Clone, Default)]
struct Count(Arc<AtomicUsize>);

impl Count {
    fn add(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    fn now(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

fn join_all(threads: Vec<JoinHandle<()>>) {
    for thread in threads {
        thread.join().unwrap();
    }
}

#[test]
fn uploads_are_done_before_the_many_listings_of_another_user_are() {
    let daemon = Daemon::with_ftp();
    let folder = daemon.home("tom").join("many");
    create_dir(&folder).unwrap();
    for name in 0..NAMES {
        File::create(folder.join(format!("a name of some length {name}"))).unwrap();
    }
    let address = daemon.ftp_address();
    let mut jerry = Ftp::login(address, "jerry");
    let toms: Vec<_> = (0..SESSIONS).map(|_| Ftp::login(address, "tom")).collect();
    let listed = Count::default();
    let sessions: Vec<_> = toms
        .into_iter()
        .map(|mut tom| {
            let listed = listed.clone();
            std::thread::spawn(move || {
                let (code, text) = tom.listing("MLSD many");
                assert_eq!((code, text.lines().count()), (226, NAMES));
                listed.add();
            })
        })
        .collect();
    let bytes = noise(1, 2048);
    for number in 0..20 {
        assert_eq!(jerry.upload(&format!("STOR file {number}"), &bytes), 226);
    }
    let listed_by_then = listed.now();
    join_all(sessions);
    assert!(listed_by_then < SESSIONS, "{listed_by_then} listings first");
}

#[test]
fn uploads_are_done_before_the_many_of_another_user_on_the_same_slow_disk() {
    let slow = Delays {
        calls: &["fsync", "fdatasync"],
        paths: &[],
        milliseconds: 100,
    };
    let daemon = Daemon::slowed(slow, "");
    let mut jerry = daemon.login("jerry");
    let stored = Count::default();
    let sessions: Vec<_> = (0..12)
        .map(|session| {
            let (mut tom, stored) = (daemon.login("tom"), stored.clone());
            std::thread::spawn(move || {
                for number in 0..9 {
                    tom.put("", &format!("file {session} {number}"), b"tom's");
                    stored.add();
                }
            })
        })
        .collect();
    for number in 0..12 {
        jerry.put("", &format!("file {number}"), b"jerry's");
    }
    let stored_by_then = stored.now();
    join_all(sessions);
    assert!(stored_by_then < 12 * 9, "{stored_by_then} uploads first");
}

/// The disk of one home hangs: its calls end long after every test has lost its patience.
#[test]
fn a_home_that_hangs_keeps_nobody_else_out_and_those_who_wait_for_it_are_told() {
    let dead = Delays {
        calls: &["statx", "newfstatat", "openat", "openat2"],
        paths: &["homes/sleepy"],
        milliseconds: 600_000,
    };
    let daemon = Daemon::slowed(dead, "limits: (login: \"10min\"),");
    daemon.user(&["add", "--password-stdin", "sleepy"], "a long password\n");
    let mut waiting: Vec<_> = (0..12)
        .map(|_| {
            let mut sleepy = daemon.peer();
            sleepy.begin_login("sleepy", "a long password");
            sleepy
        })
        .collect();
    for user in ["jerry", "sam", "jerry"] {
        daemon.login(user).put("replace=1 ", "file", b"stored");
    }
    let told = waiting.pop().unwrap().until_closed();
    let codes: Vec<_> = told.iter().map(|answer| answer.code).collect();
    assert_eq!(codes, [421], "{told:?}");
    daemon.login("jerry").put("", "another", b"stored");
}
