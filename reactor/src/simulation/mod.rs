//! The daemon in a simulated world that follows from a seed: its real sessions, reactor, schedule,
//! jail and quota, on a disk whose power is cut, with peers that vanish, and a clock that jumps.
//!
//! Workers run one item at a time, in an order that the seed decides. Everything that a peer was
//! told is kept in books, and after each episode the disk is held against them: a name is old or
//! new and whole, what was acknowledged is there, a stage is the beginning of what was sent, and
//! the ledger is what the disk holds.

mod books;
mod daemon;
mod errand;
mod ftp;
mod listed;
mod native;
mod peer;
mod scene;
mod socket;
mod world;

use std::time::Instant;

use rustix::thread::{CpuSet, sched_getcpu, sched_setaffinity};
use skiff_vfs::Worker;
use skiff_vfs::simulated::install;

use self::scene::Figures;
use self::world::World;

/// Episodes that one world lives through.
const EPISODES: usize = 12;

/// Runs worlds from `seed` on until `steps` steps are done; gives what went wrong.
pub fn run(seed: u64, steps: u64) -> Result<String, String> {
    let body = move |worker: &Worker| run_on(worker, seed, steps);
    let thread = Worker::spawn("simulation", body).map_err(|error| error.to_string())?;
    thread.join().map_err(|_| "it panicked".to_owned())?
}

fn run_on(worker: &Worker, first: u64, steps: u64) -> Result<String, String> {
    // On one processor what a peer sends has arrived when its call returns.
    let mut processor = CpuSet::new();
    processor.set(sched_getcpu());
    sched_setaffinity(None, &processor).map_err(|error| error.to_string())?;
    let (began, mut all, mut seed) = (Instant::now(), Figures::default(), first);
    while all.steps < steps {
        let mut world = World::new(worker, seed)?;
        let lived = world.run(EPISODES);
        all.add(&world.figures);
        let steps = world.figures.steps;
        if let Err(why) = lived {
            let kept = world.keep();
            install(None);
            return Err(format!(
                "seed {seed}, step {steps}: {why}\nits files are in {}",
                kept.display()
            ));
        }
        drop(world);
        install(None);
        seed += 1;
    }
    Ok(format!(
        "{} worlds, {} s: {all:?}",
        seed - first,
        began.elapsed().as_secs()
    ))
}

struct ToStderr;

impl log::Log for ToStderr {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.target().starts_with("skiff")
    }

    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) {
            eprintln!("{}: {}", record.level(), record.args());
        }
    }

    fn flush(&self) {}
}

/// Shows what the daemon would log.
pub fn log_to_stderr() {
    if log::set_logger(&ToStderr).is_ok() {
        log::set_max_level(log::LevelFilter::Trace);
    }
}
