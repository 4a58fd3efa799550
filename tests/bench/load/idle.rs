//! Sessions that are logged in and silent, so that their weight can be taken.

use std::io::{BufRead, stdin};
use std::thread;

use crate::args::{Account, Args};
use crate::ftp::Session;
use crate::logins::Native;
use crate::{LoadError, Result, gate};

/// Logins under way at once.
const OPENERS: usize = 4;

/// Each line on standard input is a number of sessions that then stand; the answer says how many
/// do. At the end of input each is asked whether it still lives.
pub(crate) fn ftp(args: &Args) -> Result<()> {
    let login = |account: &Account, _| Session::login(account);
    idle(args, login, |session| session.ask("NOOP", 200))
}

/// The same in the native dialect.
pub(crate) fn native(args: &Args) -> Result<()> {
    idle(args, Native::login, |session| session.ask("PWD", 257))
}

fn idle<T: Send>(
    args: &Args,
    login: impl Fn(&Account, u64) -> Result<T> + Sync,
    probe: impl Fn(&mut T) -> Result<String>,
) -> Result<()> {
    let account = args.account()?;
    let mut sessions = Vec::new();
    println!("ready");
    for line in stdin().lock().lines() {
        let line = line?;
        let Ok(wanted) = line.trim().parse::<usize>() else {
            break;
        };
        sessions.extend(open(
            &account,
            &login,
            wanted.saturating_sub(sessions.len()),
        )?);
        gate::tell(&[("sessions", sessions.len() as f64)]);
    }
    let alive = sessions.iter_mut().map(probe).filter(Result::is_ok);
    let alive = alive.count();
    gate::tell(&[("alive", alive as f64)]);
    Ok(())
}

pub(crate) fn open<T: Send>(
    account: &Account,
    login: &(impl Fn(&Account, u64) -> Result<T> + Sync),
    count: usize,
) -> Result<Vec<T>> {
    thread::scope(|scope| {
        let shares = (0..OPENERS).map(|index| (count + index) / OPENERS);
        let openers = shares.map(|share| {
            scope.spawn(move || {
                let turns = 0..share as u64;
                turns.map(|turn| login(account, turn)).collect()
            })
        });
        let openers: Vec<_> = openers.collect();
        let mut sessions = Vec::with_capacity(count);
        for opener in openers {
            let opened: Result<Vec<T>> = opener.join().map_err(|_| LoadError::Panicked)?;
            sessions.extend(opened?);
        }
        Ok(sessions)
    })
}
