//! Tests downloads whose commands are sent ahead, and whose dialogues run one after the other.

use skiff_sessions::client::{CommandTiming, Dialogue, GetOrder, LocalCopy, Outcome};
use skiff_sessions::digest::Algorithm;
use skiff_sessions::wire::command::Retrieve;
use skiff_sessions::wire::command::{Command, Replace, Turn};

use super::cuts::{World, at_every_cut};
use super::disk::Disk;
use super::drive::{Pair, arg};
use super::local::{Faults, Local};
use super::rig::{NEW, OLD, OTHER};

const NAMES: [&str; 4] = ["a", "b", "no", "c"];

fn world() -> World {
    let disk = Disk::new()
        .with("/a", NEW)
        .with("/b", OLD)
        .with("/c", OTHER);
    (disk, Local::default())
}

fn ask_ahead(pair: &mut Pair) {
    let (path, turn) = (|name: &str| arg(name), Turn::Skipped);
    let commands = NAMES.map(|name| {
        Command::Retrieve(Retrieve {
            path: path(name),
            digest: Algorithm::Md5,
            turn,
        })
    });
    pair.client.send(&commands);
}

fn begin(pair: &mut Pair, name: &str) {
    let order = GetOrder {
        what: Retrieve {
            path: arg(name),
            digest: Algorithm::Md5,
            turn: Turn::Skipped,
        },
        command: CommandTiming::SentAhead,
        local: LocalCopy::default(),
        replace: Replace::Never,
    };
    pair.client.begin(|_, out| Dialogue::get(order, out));
}

fn ends(outcome: &Outcome, name: &str) -> bool {
    match outcome {
        Outcome::Verified(_) => name != "no",
        Outcome::Replied(answered) => name == "no" && answered.code == 404,
        _ => false,
    }
}

#[test]
fn several_downloads() {
    let came = at_every_cut(world, |pair| {
        ask_ahead(pair);
        NAMES.map(|name| {
            begin(pair, name);
            let outcome = pair.finish();
            assert!(ends(&outcome, name), "{name}: {outcome:?}");
            pair.client.local.whole.take().map(|(bytes, _)| bytes)
        })
    });
    let brought = [Some(NEW), Some(OLD), None, Some(OTHER)].map(|bytes| bytes.map(<[u8]>::to_vec));
    assert_eq!(came.said, brought);
}

/// What ends one early has eaten the answers to all: the session is ready.
#[test]
fn one_that_fails_takes_the_others_with_it() {
    let choose = Faults {
        choose: true,
        ..Faults::default()
    };
    let publish = Faults {
        publish: true,
        ..Faults::default()
    };
    let write = Faults {
        write: Some(5),
        ..Faults::default()
    };
    for faults in [choose, publish, write] {
        for failing in ["a", "b", "c"] {
            at_every_cut(world, |pair| {
                ask_ahead(pair);
                for name in NAMES {
                    if name == failing {
                        pair.client.local.faults = faults;
                    }
                    begin(pair, name);
                    let outcome = pair.finish();
                    if name == failing {
                        assert_eq!(outcome, Outcome::LocalFailed, "{faults:?}");
                        pair.client.local = Local::default();
                        return;
                    }
                    pair.client.local.whole = None;
                }
            });
        }
    }
}

#[test]
fn one_that_is_stopped_takes_the_others_with_it() {
    for steps in 0..120 {
        let (disk, local) = world();
        let mut pair = Pair::tight(disk, local);
        ask_ahead(&mut pair);
        for name in NAMES {
            begin(&mut pair, name);
            if name == "b" {
                pair.steps(steps);
                if pair.client.is_busy() {
                    pair.client.stop();
                }
            }
            let outcome = pair.finish();
            if outcome == Outcome::Stopped {
                break;
            }
            assert!(ends(&outcome, name), "{name}: {outcome:?}");
        }
        pair.is_ready();
    }
}
