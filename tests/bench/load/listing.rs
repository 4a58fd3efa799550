//! Listings of directories whose number of entries is known.

use std::io::Read;
use std::time::Instant;

use crate::args::Args;
use crate::bulk::{Until, same};
use crate::ftp::Session;
use crate::{Result, gate};

/// How every entry of the listed directories begins; `.` and `..` and totals do not.
pub(crate) const ENTRY: &[u8] = b" entry-";

/// `verb=` of `path=` with `entries=`, `times=` in a row.
pub(crate) fn list(args: &Args) -> Result<()> {
    let (path, entries) = (args.text("path")?, args.number("entries")?);
    let (verb, until) = (args.text("verb")?, Until::parse(args, "times")?);
    let mut session = Session::open(&args.account()?)?;
    // LIST takes options, and so some servers no path: all of them list where they stand.
    session.ask(&format!("CWD {path}"), 250)?;
    let mut text = Vec::new();
    gate::ready()?;
    let begin = Instant::now();
    let mut times = 0;
    while until.more(times, begin) {
        times += 1;
        list_here(&mut session, verb, entries, &mut text)?;
    }
    gate::result(&[
        ("count", times as f64),
        ("seconds", begin.elapsed().as_secs_f64()),
        ("bytes", text.len() as f64),
    ])?;
    session.quit()
}

/// One listing of where the session stands, left in `text`.
pub(crate) fn list_here(
    session: &mut Session,
    verb: &str,
    entries: u64,
    text: &mut Vec<u8>,
) -> Result<()> {
    text.clear();
    let mut data = session.transfer(verb)?;
    data.read_to_end(text)?;
    let _ = data.end();
    drop(data);
    session.finish(verb)?;
    same("entries listed", count(text), entries)
}

fn count(text: &[u8]) -> u64 {
    let lines = text.split(|&byte| byte == b'\n');
    let entries = lines.filter(|line| line.windows(ENTRY.len()).any(|part| part == ENTRY));
    entries.count() as u64
}
