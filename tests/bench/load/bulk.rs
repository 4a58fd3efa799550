//! Big files, some at once: RETR reads and counts, STOR sends from memory.

use std::io::{Read, Write};
use std::thread;
use std::time::{Duration, Instant};

use crate::args::{Account, Args, Nagle};
use crate::ftp::{Handshakes, Session};
use crate::stream::CHUNK;
use crate::{LoadError, Result, gate};

/// How long a stream goes on: `times=`, or for `seconds=`; what is slow ends after `at_most=`.
#[derive(Clone, Copy)]
pub(crate) struct Until {
    times: u64,
    elapsed: Duration,
}

impl Until {
    pub(crate) fn parse(args: &Args, times: &str) -> Result<Self> {
        let seconds = args.number_or("seconds", 0.0)?;
        let at_most = args.number_or("at_most", f64::from(u32::MAX))?;
        Ok(match seconds > 0.0 {
            true => Self {
                times: u64::MAX,
                elapsed: Duration::from_secs_f64(seconds),
            },
            false => Self {
                times: args.number_or(times, 1)?,
                elapsed: Duration::from_secs_f64(at_most),
            },
        })
    }

    pub(crate) fn more(self, done: u64, since: Instant) -> bool {
        done < self.times && (done == 0 || since.elapsed() < self.elapsed)
    }
}

/// `path=` of `size=` bytes on each of `streams=` sessions, `times=` or for `seconds=`.
pub(crate) fn retr(args: &Args) -> Result<()> {
    let (path, size) = (args.text("path")?.to_owned(), args.number("size")?);
    let until = Until::parse(args, "times")?;
    let sessions = open(&args.account()?, args.number("streams")?)?;
    gate::ready()?;
    let begin = Instant::now();
    let moved = together(sessions, |session, _| {
        let mut buffer = vec![0; CHUNK];
        let mut done = 0;
        while until.more(done, begin) {
            download(session, &path, size, &mut buffer)?;
            done += 1;
        }
        Ok(done * size)
    })?;
    report(begin, moved, |_, _| Ok(()))
}

/// `size=` bytes to names of its own below `prefix=` on each of `streams=` sessions.
pub(crate) fn stor(args: &Args) -> Result<()> {
    let (prefix, size) = (args.text("prefix")?.to_owned(), args.number("size")?);
    let until = Until::parse(args, "times")?;
    let sessions = open(&args.account()?, args.number("streams")?)?;
    let chunk = noise();
    gate::ready()?;
    let begin = Instant::now();
    let moved = together(sessions, |session, index| {
        let path = format!("{prefix}-{index}");
        let mut done = 0;
        while until.more(done, begin) {
            upload(session, &path, size, &chunk)?;
            done += 1;
        }
        Ok(done * size)
    })?;
    report(begin, moved, |session, index| {
        let path = format!("{prefix}-{index}");
        let stored = size_of(session, &path)?;
        session.ask(&format!("DELE {path}"), 250)?;
        same("bytes stored", stored, size)
    })
}

/// Reads one file and sees that all of it came.
pub(crate) fn download(
    session: &mut Session,
    path: &str,
    size: u64,
    buffer: &mut [u8],
) -> Result<()> {
    let line = format!("RETR {path}");
    let mut data = session.transfer(&line)?;
    if size > CHUNK as u64 {
        data.widen()?;
    }
    let mut got = 0;
    loop {
        match data.read(buffer)? {
            0 => break,
            count => got += count as u64,
        }
    }
    // The server may have closed both ways already.
    let _ = data.end();
    drop(data);
    session.finish(&line)?;
    same("bytes received", got, size)
}

/// Sends `size` bytes, `chunk` over and over.
pub(crate) fn upload(session: &mut Session, path: &str, size: u64, chunk: &[u8]) -> Result<()> {
    let line = format!("STOR {path}");
    let mut data = session.transfer(&line)?;
    let mut rest = size;
    while rest > 0 {
        let count = rest.min(chunk.len() as u64);
        data.write_all(&chunk[..count as usize])?;
        rest -= count;
    }
    match session.nagle {
        Nagle::Off => data.end()?,
        Nagle::On => data.end_tls()?,
    }
    data.drain()?;
    drop(data);
    session.finish(&line)
}

/// Bytes that look random: no server may gain by finding them alike.
pub(crate) fn noise() -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    (0..CHUNK / 8).flat_map(|_| next().to_le_bytes()).collect()
}

pub(crate) fn open(account: &Account, count: usize) -> Result<Vec<Session>> {
    (0..count).map(|_| Session::open(account)).collect()
}

/// Each session's work on a thread of its own; the sessions come back with what each returned.
pub(crate) fn together<T: Send>(
    sessions: Vec<Session>,
    work: impl Fn(&mut Session, usize) -> Result<T> + Sync,
) -> Result<Vec<(Session, T)>> {
    let work = &work;
    thread::scope(|scope| {
        let started = sessions
            .into_iter()
            .enumerate()
            .map(|(index, mut session)| {
                scope.spawn(move || work(&mut session, index).map(|value| (session, value)))
            });
        let started: Vec<_> = started.collect();
        let joined = started.into_iter().map(|thread| thread.join());
        joined
            .map(|result| result.unwrap_or(Err(LoadError::Panicked)))
            .collect()
    })
}

pub(crate) fn same(what: &'static str, got: u64, wanted: u64) -> Result<()> {
    match got == wanted {
        true => Ok(()),
        false => Err(LoadError::Wrong { what, got, wanted }),
    }
}

/// Share of the data connections that resumed a TLS session.
pub(crate) fn resumed<'a>(sessions: impl Iterator<Item = &'a Session>) -> f64 {
    let sum = sessions.fold(Handshakes::default(), |sum, session| Handshakes {
        all: sum.all + session.handshakes.all,
        resumed: sum.resumed + session.handshakes.resumed,
    });
    sum.resumed as f64 / sum.all.max(1) as f64
}

fn size_of(session: &mut Session, path: &str) -> Result<u64> {
    let answer = session.ask(&format!("SIZE {path}"), 213)?;
    let size = answer.get(4..).and_then(|size| size.trim().parse().ok());
    size.ok_or(LoadError::Refused {
        asked: "SIZE".to_owned(),
        answer,
        wanted: 213,
    })
}

fn report(
    begin: Instant,
    moved: Vec<(Session, u64)>,
    clean: impl Fn(&mut Session, usize) -> Result<()>,
) -> Result<()> {
    let seconds = begin.elapsed().as_secs_f64();
    let bytes: u64 = moved.iter().map(|(_, bytes)| bytes).sum();
    gate::result(&[
        ("bytes", bytes as f64),
        ("seconds", seconds),
        ("resumed", resumed(moved.iter().map(|(session, _)| session))),
    ])?;
    for (index, (mut session, _)) in moved.into_iter().enumerate() {
        clean(&mut session, index)?;
        session.quit()?;
    }
    Ok(())
}
