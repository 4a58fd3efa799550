//! A crowd: most sessions stand idle while some store, fetch and delete small files.

use std::time::{Duration, Instant};

use crate::args::{Account, Args};
use crate::bulk::{download, noise, together, upload};
use crate::ftp::Session;
use crate::{Result, gate, idle};

/// `idle=` sessions beside `busy=` ones that move files of `size=` bytes below `prefix=` for
/// `seconds=`. All of them stand until the result was heard, and answer then.
pub(crate) fn crowd(args: &Args) -> Result<()> {
    let (account, prefix) = (args.account()?, args.text("prefix")?);
    let size = args.number("size")?;
    let limit = Duration::from_secs_f64(args.number("seconds")?);
    let open = |account: &Account, _| Session::open(account);
    let standing = idle::open(&account, &open, args.number("idle")?)?;
    let busy = idle::open(&account, &open, args.number("busy")?)?;
    let chunk = noise();
    gate::ready()?;
    let begin = Instant::now();
    let done = together(busy, |session, index| {
        let (path, mut buffer) = (format!("{prefix}-{index}"), vec![0; 64 * 1024]);
        let mut turns = 0_u64;
        while begin.elapsed() < limit {
            upload(session, &path, size, &chunk)?;
            download(session, &path, size, &mut buffer)?;
            session.ask(&format!("DELE {path}"), 250)?;
            turns += 1;
        }
        Ok(turns)
    })?;
    let seconds = begin.elapsed().as_secs_f64();
    let count: u64 = done.iter().map(|(_, turns)| turns).sum();
    gate::result(&[("count", count as f64), ("seconds", seconds)])?;
    let busy = done.into_iter().map(|(session, _)| session);
    let mut all = standing.into_iter().chain(busy);
    all.try_for_each(Session::quit)
}
