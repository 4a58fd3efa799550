//! Tests of the ledger against a model of plain sums, and with several threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use skiff_quota::{Amount, Ledger, Reservation};

/// A small generator (xorshift64*), so that every failure can be had again by its seed.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % n
    }

    fn amount(&mut self) -> Amount {
        Amount::new(self.below(40), self.below(3))
    }
}

#[derive(Default)]
struct Model {
    limit: Amount,
    used: Amount,
    held: Vec<Amount>,
}

impl Model {
    fn reserved(&self) -> Amount {
        self.held
            .iter()
            .fold(Amount::ZERO, |sum, held| sum.plus(*held))
    }

    fn fits(&self, wanted: Amount) -> bool {
        let sum = self.used.plus(self.reserved()).plus(wanted);
        (wanted.bytes == 0 || sum.bytes <= self.limit.bytes)
            && (wanted.entries == 0 || sum.entries <= self.limit.entries)
    }
}

fn step(random: &mut Random, model: &mut Model, ledger: &Ledger, open: &mut Vec<Reservation>) {
    let wanted = random.amount();
    match random.below(6) {
        0 => {
            let fits = model.fits(wanted);
            let got = ledger.reserve(wanted);
            assert_eq!(got.is_ok(), fits);
            open.extend(got.ok());
            model.held.extend(fits.then_some(wanted));
        }
        1 if !open.is_empty() => {
            let chosen = random.below(open.len() as u64) as usize;
            let fits = model.fits(wanted);
            assert_eq!(open[chosen].extend(wanted).is_ok(), fits);
            if fits {
                model.held[chosen] = model.held[chosen].plus(wanted);
            }
        }
        2 if !open.is_empty() => {
            let chosen = random.below(open.len() as u64) as usize;
            let held = model.held.swap_remove(chosen);
            let kept = wanted.min(held);
            open.swap_remove(chosen).commit(kept);
            model.used = model.used.plus(kept);
        }
        3 if !open.is_empty() => {
            let chosen = random.below(open.len() as u64) as usize;
            model.held.swap_remove(chosen);
            drop(open.swap_remove(chosen));
        }
        4 => {
            ledger.shrink(wanted);
            model.used = model.used.minus(wanted);
        }
        5 if random.below(8) == 0 => {
            model.limit = Amount::new(random.below(300), random.below(20));
            ledger.set_limit(model.limit);
        }
        _ => {}
    }
}

#[test]
fn the_ledger_agrees_with_plain_sums() {
    for seed in 1..=200 {
        let mut random = Random(seed);
        let mut model = Model {
            limit: Amount::new(200, 12),
            ..Model::default()
        };
        let ledger = Ledger::new(model.limit, Amount::ZERO);
        let mut open = Vec::new();
        for _ in 0..300 {
            step(&mut random, &mut model, &ledger, &mut open);
            let usage = ledger.usage();
            assert_eq!(usage.used, model.used, "seed {seed}");
            assert_eq!(usage.reserved, model.reserved(), "seed {seed}");
        }
    }
}

#[test]
fn threads_never_pass_the_limit_and_lose_nothing() {
    const LIMIT: u64 = 1_000;
    let ledger = Ledger::new(Amount::new(LIMIT, u64::MAX), Amount::ZERO);
    let kept = Arc::new(AtomicU64::new(0));
    let threads: Vec<_> = (1..=8)
        .map(|seed| {
            let (ledger, kept) = (ledger.clone(), Arc::clone(&kept));
            thread::spawn(move || {
                let mut random = Random(seed);
                for _ in 0..5_000 {
                    let Ok(held) = ledger.reserve(Amount::bytes(random.below(60))) else {
                        continue;
                    };
                    let usage = ledger.usage();
                    assert!(usage.used.plus(usage.reserved).bytes <= LIMIT);
                    let part = random.below(held.held().bytes + 1);
                    held.commit(Amount::bytes(part));
                    kept.fetch_add(part, Ordering::Relaxed);
                    let back = random.below(part + 1);
                    ledger.shrink(Amount::bytes(back));
                    kept.fetch_sub(back, Ordering::Relaxed);
                }
            })
        })
        .collect();
    threads
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
    let usage = ledger.usage();
    assert_eq!(usage.reserved, Amount::ZERO);
    assert_eq!(usage.used.bytes, kept.load(Ordering::Relaxed));
}
