//! Small commands: how many go to and fro, and how long one waits while others work.

use std::thread;
use std::time::{Duration, Instant};

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

/// NOOP every 5 ms for `seconds=`; a late answer makes none of the next ones early.
pub(crate) fn latency(args: &Args) -> Result<()> {
    let limit = Duration::from_secs_f64(args.number("seconds")?);
    let mut session = Session::open(&args.account()?)?;
    let mut times = Vec::new();
    gate::ready()?;
    let begin = Instant::now();
    let mut next = begin;
    while begin.elapsed() < limit {
        thread::sleep(next.saturating_duration_since(Instant::now()));
        let asked = Instant::now();
        session.ask("NOOP", 200)?;
        times.push(asked.elapsed());
        next = (next + Duration::from_millis(5)).max(Instant::now());
    }
    report(begin.elapsed(), times)?;
    session.quit()
}

/// Times in milliseconds.
fn report(elapsed: Duration, mut times: Vec<Duration>) -> Result<()> {
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
