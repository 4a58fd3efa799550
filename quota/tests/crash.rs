//! Tests of snapshots with faults: each call fails once, and a crash happens at every point.
//!
//! The oracle is the promise of the crate: what `take` gives is what the last `store` kept and
//! was not taken since; a crash may lose a snapshot (the home is then counted), never bring back
//! an old one or a torn one.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::rc::Rc;

use skiff_quota::{Amount, Snapshot, Snapshots, Storage};

/// What a crash leaves of calls that were not synced yet.
#[derive(Clone, Copy, Debug)]
enum Unsynced {
    Lost,
    Kept,
    /// Names reached the disk and contents did not: the classic empty file after a rename.
    NamesOnly,
}

#[derive(Clone, Default)]
struct Content {
    seen: Vec<u8>,
    synced: Vec<u8>,
}

#[derive(Default)]
struct State {
    contents: Vec<Content>,
    names: BTreeMap<String, usize>,
    synced_names: BTreeMap<String, usize>,
    calls: usize,
    fail_at: Option<usize>,
    freeze_at_sync: Option<usize>,
    syncs: usize,
}

/// A disk in memory. Clones are the same disk.
#[derive(Clone, Default)]
struct Disk(Rc<RefCell<State>>);

impl Disk {
    fn failing_at(call: usize) -> Self {
        let disk = Self::default();
        disk.0.borrow_mut().fail_at = Some(call);
        disk
    }

    fn calls(&self) -> usize {
        self.0.borrow().calls
    }

    fn syncs(&self) -> usize {
        self.0.borrow().syncs
    }

    /// From the `n`th sync on (counted from now), syncs promise and do nothing.
    fn freeze_at_sync(&self, n: usize) {
        let mut state = self.0.borrow_mut();
        state.freeze_at_sync = Some(state.syncs + n);
    }

    fn crash(&self, unsynced: Unsynced) -> Self {
        let state = self.0.borrow();
        let names = match unsynced {
            Unsynced::Lost => state.synced_names.clone(),
            Unsynced::Kept | Unsynced::NamesOnly => state.names.clone(),
        };
        let contents = state.contents.iter().map(|content| {
            let kept = match unsynced {
                Unsynced::Kept => &content.seen,
                Unsynced::Lost | Unsynced::NamesOnly => &content.synced,
            };
            Content {
                seen: kept.clone(),
                synced: kept.clone(),
            }
        });
        let after = State {
            contents: contents.collect(),
            synced_names: names.clone(),
            names,
            ..State::default()
        };
        Self(Rc::new(RefCell::new(after)))
    }

    /// Counts a call; the chosen one fails.
    fn call(&self) -> io::Result<()> {
        let mut state = self.0.borrow_mut();
        state.calls += 1;
        if state.fail_at == Some(state.calls) {
            return Err(io::Error::other("the disk fails"));
        }
        Ok(())
    }

    /// Counts a sync; says whether it still does anything.
    fn sync_works(&self) -> bool {
        let mut state = self.0.borrow_mut();
        state.syncs += 1;
        state
            .freeze_at_sync
            .is_none_or(|frozen| state.syncs < frozen)
    }

    fn find(&self, name: &str) -> io::Result<usize> {
        self.0
            .borrow()
            .names
            .get(name)
            .copied()
            .ok_or_else(|| ErrorKind::NotFound.into())
    }
}

impl Storage for Disk {
    fn read(&self, name: &str, max: u64) -> io::Result<Vec<u8>> {
        self.call()?;
        let found = self.find(name)?;
        let mut bytes = self.0.borrow().contents[found].seen.clone();
        bytes.truncate(max as usize);
        Ok(bytes)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.call()?;
        let mut state = self.0.borrow_mut();
        match state.names.get(name).copied() {
            Some(found) => state.contents[found].seen = bytes.to_vec(),
            None => {
                state.contents.push(Content {
                    seen: bytes.to_vec(),
                    synced: Vec::new(),
                });
                let new = state.contents.len() - 1;
                state.names.insert(name.to_owned(), new);
            }
        }
        Ok(())
    }

    fn sync(&self, name: &str) -> io::Result<()> {
        self.call()?;
        let found = self.find(name)?;
        if self.sync_works() {
            let content = &mut self.0.borrow_mut().contents[found];
            content.synced = content.seen.clone();
        }
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.call()?;
        let found = self.find(from)?;
        let mut state = self.0.borrow_mut();
        state.names.remove(from);
        state.names.insert(to.to_owned(), found);
        Ok(())
    }

    fn unlink(&self, name: &str) -> io::Result<()> {
        self.call()?;
        self.find(name)?;
        self.0.borrow_mut().names.remove(name);
        Ok(())
    }

    fn sync_names(&self) -> io::Result<()> {
        self.call()?;
        if self.sync_works() {
            let mut state = self.0.borrow_mut();
            state.synced_names = state.names.clone();
        }
        Ok(())
    }
}

fn snapshot(bytes: u64) -> Snapshot {
    Snapshot {
        used: Amount::new(bytes, 1),
        mark: 9,
    }
}

/// A life of the daemon: take what the last one left, work, stop cleanly.
fn live(disk: &Disk, leaves: u64) -> io::Result<Option<Snapshot>> {
    let snapshots = Snapshots::new(disk.clone());
    let taken = snapshots.take("tom")?;
    snapshots.store("tom", &snapshot(leaves))?;
    Ok(taken)
}

const AFTERMATHS: [Unsynced; 3] = [Unsynced::Lost, Unsynced::Kept, Unsynced::NamesOnly];

#[test]
fn a_clean_life_hands_over_to_the_next() {
    let disk = Disk::default();
    assert_eq!(live(&disk, 1).unwrap(), None);
    for aftermath in AFTERMATHS {
        let next = disk.crash(aftermath);
        assert_eq!(live(&next, 2).unwrap(), Some(snapshot(1)), "{aftermath:?}");
    }
}

#[test]
fn what_was_taken_never_comes_back_after_a_crash() {
    let disk = Disk::default();
    live(&disk, 1).unwrap();
    assert_eq!(
        Snapshots::new(disk.clone()).take("tom").unwrap(),
        Some(snapshot(1))
    );
    // The home changes from here on; then the power goes.
    for aftermath in AFTERMATHS {
        let next = Snapshots::new(disk.crash(aftermath));
        assert_eq!(next.take("tom").unwrap(), None, "{aftermath:?}");
    }
}

/// For a home that is closed while the daemon goes on.
#[test]
fn what_was_stored_without_a_sync_is_whole_or_none_and_once_taken_gone() {
    for aftermath in AFTERMATHS {
        let disk = Disk::default();
        let snapshots = Snapshots::new(disk.clone());
        snapshots.store_unsynced("tom", &snapshot(1)).unwrap();
        let left = Snapshots::new(disk.crash(aftermath)).take("tom").unwrap();
        assert!(left.is_none_or(|left| left == snapshot(1)), "{aftermath:?}");
        assert_eq!(snapshots.take("tom").unwrap(), Some(snapshot(1)));
        let next = Snapshots::new(disk.crash(aftermath));
        assert_eq!(next.take("tom").unwrap(), None, "{aftermath:?}");
    }
}

#[test]
fn a_crash_at_any_call_leaves_a_whole_snapshot_or_none() {
    let calls = {
        let disk = Disk::default();
        live(&disk, 1).unwrap();
        disk.calls()
    };
    for fail_at in 1..=calls + 1 {
        let disk = Disk::failing_at(fail_at);
        let _ = live(&disk, 1);
        for aftermath in AFTERMATHS {
            let left = Snapshots::new(disk.crash(aftermath)).take("tom").unwrap();
            assert!(
                left.is_none() || left == Some(snapshot(1)),
                "call {fail_at}, {aftermath:?}: {left:?}"
            );
        }
    }
}

#[test]
fn a_failed_take_hands_nothing_out() {
    let whole = Disk::default();
    live(&whole, 1).unwrap();
    let calls = {
        let disk = whole.crash(Unsynced::Lost);
        Snapshots::new(disk.clone()).take("tom").unwrap();
        disk.calls()
    };
    // A failed read counts as torn: removed, not believed. Later failures are told.
    for fail_at in 1..=calls {
        let disk = whole.crash(Unsynced::Lost);
        disk.0.borrow_mut().fail_at = Some(fail_at);
        let taken = Snapshots::new(disk.clone()).take("tom");
        assert!(!matches!(taken, Ok(Some(_))), "call {fail_at}: {taken:?}");
        assert_eq!(taken.is_err(), fail_at > 1, "call {fail_at}");
    }
}

#[test]
fn syncs_that_lie_lose_snapshots_and_never_tear_them() {
    let syncs = {
        let disk = Disk::default();
        live(&disk, 1).unwrap();
        disk.syncs()
    };
    for frozen in 1..=syncs + 1 {
        let disk = Disk::default();
        disk.freeze_at_sync(frozen);
        live(&disk, 1).unwrap();
        for aftermath in AFTERMATHS {
            let left = Snapshots::new(disk.crash(aftermath)).take("tom").unwrap();
            assert!(
                left.is_none() || left == Some(snapshot(1)),
                "sync {frozen}, {aftermath:?}"
            );
        }
    }
}
