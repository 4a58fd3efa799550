//! Many small files, on some sessions at once.

use std::time::Instant;

use crate::args::Args;
use crate::bulk::{Until, download, noise, open, resumed, together, upload};
use crate::ftp::Session;
use crate::{Result, gate};

/// `count=` new files of `size=` bytes on each of `sessions=`.
pub(crate) fn up(args: &Args) -> Result<()> {
    let (prefix, size) = (args.text("prefix")?, args.number("size")?);
    let chunk = noise();
    each(args, |session, index, turn| {
        upload(session, &format!("{prefix}-{index}-{turn}"), size, &chunk)
    })
}

/// `path=` of `size=` bytes, `count=` times on each of `sessions=`.
pub(crate) fn down(args: &Args) -> Result<()> {
    let (path, size) = (args.text("path")?, args.number("size")?);
    each(args, |session, _, _| {
        let mut buffer = [0; 16 * 1024];
        download(session, path, size, &mut buffer)
    })
}

/// Moves a file again and again on each session, which is told its index and the turn.
fn each(args: &Args, work: impl Fn(&mut Session, usize, u64) -> Result<()> + Sync) -> Result<()> {
    let until = Until::parse(args, "count")?;
    let sessions = open(&args.account()?, args.number("sessions")?)?;
    gate::ready()?;
    let begin = Instant::now();
    let done = together(sessions, |session, index| {
        let mut turn = 0;
        while until.more(turn, begin) {
            work(session, index, turn)?;
            turn += 1;
        }
        Ok(turn)
    })?;
    quit(told(begin, done)?)
}

fn told(begin: Instant, done: Vec<(Session, u64)>) -> Result<Vec<Session>> {
    let seconds = begin.elapsed().as_secs_f64();
    let files: u64 = done.iter().map(|(_, turns)| turns).sum();
    gate::result(&[
        ("count", files as f64),
        ("seconds", seconds),
        ("resumed", resumed(done.iter().map(|(session, _)| session))),
    ])?;
    Ok(done.into_iter().map(|(session, _)| session).collect())
}

fn quit(sessions: Vec<Session>) -> Result<()> {
    sessions.into_iter().try_for_each(Session::quit)
}
