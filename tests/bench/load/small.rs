//! Many small files, on some sessions at once.

use std::time::Instant;

use crate::args::Args;
use crate::bulk::{download, noise, open, resumed, together, upload};
use crate::ftp::Session;
use crate::{Result, gate};

/// `count=` new files of `size=` bytes on each of `sessions=`.
pub(crate) fn up(args: &Args) -> Result<()> {
    let (prefix, size, count) = (args.text("prefix")?, args.number("size")?, count(args)?);
    let chunk = noise();
    let sessions = open(&args.account()?, args.number("sessions")?)?;
    gate::ready()?;
    let begin = Instant::now();
    let done = together(sessions, |session, index| {
        (0..count)
            .try_for_each(|turn| upload(session, &format!("{prefix}-{index}-{turn}"), size, &chunk))
    })?;
    quit(told(begin, done, count)?)
}

/// `path=` of `size=` bytes, `count=` times on each of `sessions=`.
pub(crate) fn down(args: &Args) -> Result<()> {
    let (path, size, count) = (args.text("path")?, args.number("size")?, count(args)?);
    let sessions = open(&args.account()?, args.number("sessions")?)?;
    gate::ready()?;
    let begin = Instant::now();
    let done = together(sessions, |session, _| {
        let mut buffer = vec![0; 64 * 1024];
        (0..count).try_for_each(|_| download(session, path, size, &mut buffer))
    })?;
    quit(told(begin, done, count)?)
}

fn count(args: &Args) -> Result<u64> {
    args.number("count")
}

fn told(begin: Instant, done: Vec<(Session, ())>, count: u64) -> Result<Vec<Session>> {
    let seconds = begin.elapsed().as_secs_f64();
    let files = done.len() as u64 * count;
    gate::result(&[
        ("count", files as f64),
        ("seconds", seconds),
        ("resumed", resumed(done.iter().map(|(session, ())| session))),
    ])?;
    Ok(done.into_iter().map(|(session, ())| session).collect())
}

fn quit(sessions: Vec<Session>) -> Result<()> {
    sessions.into_iter().try_for_each(Session::quit)
}
