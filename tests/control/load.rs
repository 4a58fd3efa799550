//! The operator's commands while files go up and down in both dialects: nothing that was answered as
//! stored is lost, and only those sessions end that are meant to.

mod client;

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};

use super::{shown, told};
use crate::harness::{Daemon, PASSWORD, noise, until, write_settings};

use client::{Client, Dialect, Ended};

/// How often each command is given.
const ROUNDS: usize = 4;
const UP: usize = 60_000;
const DOWN: usize = 1 << 20;

const KEYS: &str = "native: (listen: [\"127.0.0.1:0\"]), \
                    ftp: (listen: [\"127.0.0.1:0\"], tls: Optional),";

#[derive(Clone, Copy, Debug)]
enum Direction {
    Up,
    Down,
}

const KINDS: [(Dialect, Direction); 4] = [
    (Dialect::Native, Direction::Up),
    (Dialect::Native, Direction::Down),
    (Dialect::Ftp, Direction::Up),
    (Dialect::Ftp, Direction::Down),
];

/// What came of a session that transfers one file after the other.
struct Transferred {
    user: &'static str,
    /// The names of files that were answered as stored, and what is in them.
    stored: Vec<(String, u64)>,
    end: Result<(), Ended>,
}

struct Transferring {
    user: &'static str,
    /// Transfers that are done.
    count: Arc<AtomicUsize>,
    session: JoinHandle<Transferred>,
}

/// Sessions of both dialects that transfer in both directions.
struct Load {
    is_over: Arc<AtomicBool>,
    all: Vec<Transferring>,
}

impl Load {
    /// Of these users, each in each dialect and direction.
    fn begin(daemon: &Daemon, users: &[&'static str]) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let mut all = Vec::new();
        for &user in users {
            fs::write(daemon.home(user).join("down"), noise(0, DOWN)).unwrap();
            for (dialect, direction) in KINDS {
                let mut client = Client::login(daemon, dialect, user);
                let count = Arc::new(AtomicUsize::new(0));
                let (ends, counted) = (Arc::clone(&is_over), Arc::clone(&count));
                let session = thread::spawn(move || {
                    let mut stored = Vec::new();
                    let mut end = Ok(());
                    while !ends.load(Ordering::Relaxed) && end.is_ok() {
                        let seed = stored.len() as u64 + 1;
                        let name = format!("{dialect:?}-{seed}");
                        end = match direction {
                            Direction::Up => client.up(&name, &noise(seed, UP)),
                            Direction::Down => client.down("down", &noise(0, DOWN)),
                        };
                        if let (Ok(()), Direction::Up) = (&end, direction) {
                            stored.push((name, seed));
                        }
                        counted.fetch_add(1, Ordering::Relaxed);
                    }
                    Transferred { user, stored, end }
                });
                all.push(Transferring {
                    user,
                    count,
                    session,
                });
            }
        }
        Self { is_over, all }
    }

    /// Waits until each session of `user` has done more than it had.
    #[track_caller]
    fn goes_on(&self, user: &str) {
        for transferring in self.all.iter().filter(|one| one.user == user) {
            let before = transferring.count.load(Ordering::Relaxed);
            until("the end of two more transfers", || {
                (transferring.count.load(Ordering::Relaxed) > before + 1).then_some(())
            });
        }
    }

    /// Ends it; of the sessions, those of `ended` must have ended before, and no others. All that was
    /// answered as stored is there.
    #[track_caller]
    fn lost_nothing(self, daemon: &Daemon, ended: &[&str]) {
        let meant = |one: &Transferring| ended.contains(&one.user);
        let (gone, staying): (Vec<_>, Vec<_>) = self.all.into_iter().partition(meant);
        let join = |one: Transferring| one.session.join().unwrap();
        // These end by themselves.
        let mut done: Vec<_> = gone.into_iter().map(join).collect();
        self.is_over.store(true, Ordering::Relaxed);
        done.extend(staying.into_iter().map(join));
        for Transferred { user, stored, end } in done {
            assert_eq!(end.is_err(), ended.contains(&user), "{user}: {end:?}");
            for (name, seed) in stored {
                let found = fs::read(daemon.home(user).join(&name));
                assert!(found.unwrap() == noise(seed, UP), "{user} {name}");
            }
        }
    }
}

fn daemon() -> Daemon {
    Daemon::configured(
        "ftp: (listen: [\"127.0.0.1:0\"], tls: Optional), limits: (ban_after: 2, exempt: []),",
    )
}

#[test]
fn who_and_others_look_on() {
    let daemon = daemon();
    let load = Load::begin(&daemon, &["tom"]);
    for _ in 0..ROUNDS {
        load.goes_on("tom");
        let rows = told(&daemon, &["who"]);
        assert_eq!(rows.len(), KINDS.len(), "{rows:?}");
        for dialect in ["native", "ftp"] {
            let theirs = rows.iter().filter(|row| row["dialect"] == dialect);
            assert_eq!(theirs.count(), 2, "{rows:?}");
        }
        for words in [&["stats"][..], &["quota", "tom"]] {
            assert!(!told(&daemon, words).is_empty());
        }
    }
    load.lost_nothing(&daemon, &[]);
}

#[test]
fn kick_ends_those_who_are_meant() {
    let daemon = daemon();
    let load = Load::begin(&daemon, &["tom", "jerry"]);
    load.goes_on("tom");
    assert_eq!(
        shown(&daemon, &["kick", "--user", "tom"]),
        "4 sessions end\n"
    );
    load.goes_on("jerry");
    load.lost_nothing(&daemon, &["tom"]);
    // What came of an upload may be continued, and no more is charged than is there.
    is_counted_rightly(&daemon, "tom");
}

#[test]
fn drain_lets_what_is_under_way_finish() {
    let mut daemon = daemon();
    let load = Load::begin(&daemon, &["tom", "jerry"]);
    for user in ["tom", "jerry"] {
        load.goes_on(user);
    }
    let said = shown(&daemon, &["drain", "--for", "30s"]);
    assert!(said.starts_with("no new sessions; 8 may finish"), "{said}");
    daemon.ends_well();
    load.lost_nothing(&daemon, &["tom", "jerry"]);
    daemon.start();
    is_counted_rightly(&daemon, "tom");
}

#[test]
fn upgrade_lets_what_is_under_way_finish() {
    let mut daemon = daemon();
    let load = Load::begin(&daemon, &["tom", "jerry"]);
    for user in ["tom", "jerry"] {
        load.goes_on(user);
    }
    let output = daemon.upgrade(&["--for", "30s"]);
    assert!(output.status.success(), "{output:?}");
    load.lost_nothing(&daemon, &["tom", "jerry"]);
    is_counted_rightly(&daemon, "tom");
    is_counted_rightly(&daemon, "jerry");
}

#[test]
fn reload_is_noticed_by_nobody() {
    let daemon = daemon();
    let load = Load::begin(&daemon, &["tom"]);
    for round in 0..ROUNDS {
        let keys = format!("{KEYS} limits: (sessions_per_user: {}),", 20 + round);
        write_settings(daemon.folder(), &keys);
        load.goes_on("tom");
        assert!(shown(&daemon, &["reload"]).starts_with("reloaded "));
    }
    load.goes_on("tom");
    load.lost_nothing(&daemon, &[]);
}

#[test]
fn bans_come_and_end_and_meet_nobody_else() {
    let daemon = daemon();
    let load = Load::begin(&daemon, &["tom"]);
    for _ in 0..ROUNDS {
        assert_eq!(daemon.peer().login("sam", "124").code, 530);
        assert_eq!(daemon.peer().login("sam", "124").code, 421);
        assert_eq!(told(&daemon, &["bans"]).len(), 1);
        load.goes_on("tom");
        assert_eq!(shown(&daemon, &["unban", "sam"]), "one ban has ended\n");
        assert_eq!(daemon.peer().login("sam", PASSWORD).code, 230);
    }
    load.lost_nothing(&daemon, &[]);
}

#[test]
fn a_recount_finds_what_the_ledger_says() {
    let daemon = daemon();
    let load = Load::begin(&daemon, &["tom"]);
    for _ in 0..ROUNDS {
        load.goes_on("tom");
        for whose in ["tom", "--all"] {
            let said = shown(&daemon, &["user", "recount", whose]);
            assert!(said.contains("tom: "), "{said}");
        }
    }
    load.lost_nothing(&daemon, &[]);
    is_counted_rightly(&daemon, "tom");
}

/// What is charged is what is there: files, and what is kept of uploads.
#[track_caller]
fn is_counted_rightly(daemon: &Daemon, user: &str) {
    let df = daemon.login(user).df();
    let files = fs::read_dir(daemon.home(user)).unwrap();
    let files = files.map(|entry| entry.unwrap().metadata().unwrap());
    let published: u64 = files
        .filter(fs::Metadata::is_file)
        .map(|file| file.len())
        .sum();
    let staged = df.number("staged");
    assert_eq!(df.number("used"), published + staged, "{}", df.line);
}
