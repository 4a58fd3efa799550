//! Ledgers against plain sums: no reservation passes the limit, what is released is given back
//! exactly, and a snapshot is read as it was stored, once, or not at all.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;

use skiff_quota::{Amount, Ledger, Reservation, Snapshot, Snapshots, Storage};

use super::input::Input;

pub(crate) fn ledger(data: &[u8]) {
    let mut input = Input::new(data);
    let mut world = World::new(amount(&mut input));
    while !input.is_empty() {
        world.step(&mut input);
        world.compare();
    }
    world.release_all();
    snapshot(world.ledger.usage().used, &mut Input::new(data));
}

fn amount(input: &mut Input<'_>) -> Amount {
    Amount::new(input.number(), input.number())
}

struct World {
    ledger: Ledger,
    open: Vec<Reservation>,
    limit: Amount,
    used: Amount,
    held: Vec<Amount>,
}

impl World {
    fn new(limit: Amount) -> Self {
        Self {
            ledger: Ledger::new(limit, Amount::ZERO),
            open: Vec::new(),
            limit,
            used: Amount::ZERO,
            held: Vec::new(),
        }
    }

    fn step(&mut self, input: &mut Input<'_>) {
        let op = input.byte() % 8;
        let chosen = usize::from(input.byte()).checked_rem(self.open.len());
        let by = amount(input);
        match (op, chosen) {
            (0 | 1, _) => self.reserve(by),
            (2, Some(chosen)) => self.extend(chosen, by),
            (3, Some(chosen)) => self.commit(chosen, by),
            (4, Some(chosen)) => {
                self.held.swap_remove(chosen);
                drop(self.open.swap_remove(chosen));
            }
            (5, _) => {
                self.ledger.shrink(by);
                self.used = self.used.minus(by);
            }
            (6, _) => {
                self.ledger.set_limit(by);
                self.limit = by;
            }
            (7, _) => {
                self.ledger.set_used(by);
                self.used = by;
            }
            _ => {}
        }
    }

    fn reserve(&mut self, wanted: Amount) {
        let fits = self.fits(wanted);
        match self.ledger.reserve(wanted) {
            Ok(reserved) => {
                assert!(fits, "{wanted} beyond the limit");
                assert_eq!(reserved.held(), wanted);
                self.open.push(reserved);
                self.held.push(wanted);
            }
            Err(exceeded) => {
                assert!(!fits, "{exceeded}");
                assert_eq!(exceeded.needed, wanted);
            }
        }
    }

    fn extend(&mut self, chosen: usize, more: Amount) {
        let fits = self.fits(more);
        assert_eq!(self.open[chosen].extend(more).is_ok(), fits);
        if fits {
            self.held[chosen] = self.held[chosen].plus(more);
        }
        assert_eq!(self.open[chosen].held(), self.held[chosen]);
    }

    fn commit(&mut self, chosen: usize, kept: Amount) {
        let held = self.held.swap_remove(chosen);
        let kept = kept.min(held);
        self.open.swap_remove(chosen).commit(kept);
        self.used = self.used.plus(kept);
    }

    fn fits(&self, wanted: Amount) -> bool {
        let within = |part: fn(Amount) -> u64| {
            let held: u128 = self.held.iter().map(|held| u128::from(part(*held))).sum();
            let sum = held + u128::from(part(self.used)) + u128::from(part(wanted));
            part(wanted) == 0 || sum <= u128::from(part(self.limit))
        };
        within(|amount| amount.bytes) && within(|amount| amount.entries)
    }

    fn compare(&self) {
        let usage = self.ledger.usage();
        assert_eq!((usage.limit, usage.used), (self.limit, self.used));
        let held = |part: fn(Amount) -> u64| {
            let parts = self.held.iter().map(|held| u128::from(part(*held)));
            parts.sum::<u128>()
        };
        assert_eq!(u128::from(usage.reserved.bytes), held(|held| held.bytes));
        assert_eq!(
            u128::from(usage.reserved.entries),
            held(|held| held.entries)
        );
        assert!(usage.available().min(usage.limit) == usage.available());
    }

    fn release_all(&mut self) {
        self.open.clear();
        self.held.clear();
        self.compare();
        assert!(self.ledger.usage().reserved.is_zero());
    }
}

/// Stores a snapshot, changes the file as `input` says, and takes it.
fn snapshot(used: Amount, input: &mut Input<'_>) {
    let stored = Snapshot {
        used,
        mark: input.number(),
    };
    let memory = Memory::default();
    let snapshots = Snapshots::new(&memory);
    snapshots.store("tom", &stored).unwrap();
    let before = memory.0.borrow().clone();
    for file in memory.0.borrow_mut().values_mut() {
        match input.byte() % 4 {
            0 => {}
            1 => *file = input.rest().to_vec(),
            2 => file.truncate(usize::from(input.byte())),
            _ => {
                let at = usize::from(input.byte()) % file.len();
                file[at] ^= input.byte();
            }
        }
    }
    let changed = memory.0.borrow().clone();
    let taken = snapshots.take("tom").unwrap();
    assert!(memory.0.borrow().is_empty(), "a snapshot is used once");
    assert_eq!(snapshots.take("tom").unwrap(), None);
    assert!(changed != before || taken == Some(stored));
    // What is read, is read whole: a fuzzer finds checksums of its own.
    if let Some(taken) = taken {
        snapshots.store("tom", &taken).unwrap();
        assert_eq!(*memory.0.borrow(), changed);
    }
}

/// Files in memory.
#[derive(Default)]
struct Memory(RefCell<BTreeMap<String, Vec<u8>>>);

impl Storage for &Memory {
    fn read(&self, name: &str, max: u64) -> io::Result<Vec<u8>> {
        let files = self.0.borrow();
        let file = files.get(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(file[..file.len().min(max as usize)].to_vec())
    }

    fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.0.borrow_mut().insert(name.to_owned(), bytes.to_vec());
        Ok(())
    }

    fn sync(&self, _: &str) -> io::Result<()> {
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let file = self.0.borrow_mut().remove(from);
        let file = file.ok_or(io::ErrorKind::NotFound)?;
        self.0.borrow_mut().insert(to.to_owned(), file);
        Ok(())
    }

    fn unlink(&self, name: &str) -> io::Result<()> {
        let removed = self.0.borrow_mut().remove(name);
        removed.ok_or(io::ErrorKind::NotFound)?;
        Ok(())
    }

    fn sync_names(&self) -> io::Result<()> {
        Ok(())
    }
}
