//! Small commands: how many go to and fro, and how long one waits while others work.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::args::Args;
use crate::ftp::Session;
use crate::{Result, gate};

/// `line=` that is answered `code=`, `count=` times on one session.
pub(crate) fn roundtrip(args: &Args) -> Result<()> {
    let (line, code, count) = (
        args.text("line")?,
        args.number("code")?,
        args.number("count")?,
    );
    let mut session = Session::open(&args.account()?)?;
    let mut times = Vec::with_capacity(count);
    gate::ready()?;
    let begin = Instant::now();
    for _ in 0..count {
        let asked = Instant::now();
        session.ask(line, code)?;
        times.push(asked.elapsed());
    }
    report(begin.elapsed(), times)?;
    session.quit()
}

/// NOOP every `every=` ms, or 5, for `seconds=`; a late answer makes none of the next ones early. Each is asked
/// from another processor: whether whoever answers happens to live on the asker's makes a factor
/// of three, is settled by where the load began, and is so for no client on another machine.
pub(crate) fn latency(args: &Args) -> Result<()> {
    let limit = Duration::from_secs_f64(args.number("seconds")?);
    let every = Duration::from_millis(args.number_or("every", 5)?);
    let mut session = Session::open(&args.account()?)?;
    let (mut times, mut places) = (Vec::new(), places()?.into_iter().cycle());
    gate::ready()?;
    let begin = Instant::now();
    let mut next = begin;
    while begin.elapsed() < limit {
        thread::sleep(next.saturating_duration_since(Instant::now()));
        if let Some(place) = places.next() {
            sched_setaffinity(None, &place).map_err(io::Error::from)?;
        }
        let asked = Instant::now();
        session.ask("NOOP", 200)?;
        times.push(asked.elapsed());
        next = (next + every).max(Instant::now());
    }
    report(begin.elapsed(), times)?;
    session.quit()
}

/// The processors that this thread may run on, each alone.
fn places() -> Result<Vec<CpuSet>> {
    let all = sched_getaffinity(None).map_err(io::Error::from)?;
    let allowed = (0..CpuSet::MAX_CPU).filter(|cpu| all.is_set(*cpu));
    let alone = |cpu| {
        let mut set = CpuSet::new();
        set.set(cpu);
        set
    };
    Ok(allowed.map(alone).collect())
}

/// Times in milliseconds.
pub(crate) fn report(elapsed: Duration, mut times: Vec<Duration>) -> Result<()> {
    times.sort_unstable();
    let at = |share: f64| {
        let index = (times.len() as f64 * share) as usize;
        let time = times.get(index.min(times.len().saturating_sub(1)));
        time.map_or(0.0, Duration::as_secs_f64) * 1000.0
    };
    gate::result(&[
        ("count", times.len() as f64),
        ("seconds", elapsed.as_secs_f64()),
        ("p50", at(0.5)),
        ("p99", at(0.99)),
        ("max", at(1.0)),
    ])
}
