//! A server's day: of ten sessions four download, two upload, two store, fetch and delete small
//! files, two list; all at once, for some seconds.

use std::time::{Duration, Instant};

use crate::args::Args;
use crate::bulk::{download, noise, open, together, upload};
use crate::ftp::Session;
use crate::listing::list_here;
use crate::stream::CHUNK;
use crate::{Result, gate};

const SMALL: u64 = 4096;

#[derive(Clone, Copy)]
enum Role {
    Download,
    Upload,
    Small,
    List,
}

/// The roles of ten sessions, so ordered that any number of sessions has a mixture.
const ROLES: [Role; 10] = [
    Role::Download,
    Role::Small,
    Role::List,
    Role::Upload,
    Role::Download,
    Role::Download,
    Role::Small,
    Role::List,
    Role::Upload,
    Role::Download,
];

/// What one session did.
#[derive(Default)]
struct Done {
    transfers: u64,
    bytes: u64,
    /// Of the transfers: those of small files, and listings.
    small: u64,
    lists: u64,
}

struct Work<'a> {
    args: &'a Args,
    down: u64,
    up: u64,
    chunk: Vec<u8>,
}

/// `sessions=` of these for `seconds=`: `down=` bytes of `path=`, `up=` bytes to names below
/// `prefix=`, and `directory=` of `entries=`.
pub(crate) fn mixed(args: &Args) -> Result<()> {
    let limit = Duration::from_secs_f64(args.number("seconds")?);
    let work = Work {
        args,
        down: args.number("down")?,
        up: args.number("up")?,
        chunk: noise(),
    };
    let mut sessions = open(&args.account()?, args.number("sessions")?)?;
    for (index, session) in sessions.iter_mut().enumerate() {
        if let Role::List = role(index) {
            session.ask(&format!("CWD {}", args.text("directory")?), 250)?;
        }
    }
    gate::ready()?;
    let begin = Instant::now();
    let done = together(sessions, |session, index| {
        let (mut done, mut buffer) = (Done::default(), vec![0; CHUNK]);
        while begin.elapsed() < limit {
            work.once(session, index, &mut buffer, &mut done)?;
        }
        Ok(done)
    })?;
    let seconds = begin.elapsed().as_secs_f64();
    let sum = |part: fn(&Done) -> u64| done.iter().map(|(_, did)| part(did)).sum::<u64>() as f64;
    gate::result(&[
        ("seconds", seconds),
        ("transfers", sum(|did| did.transfers)),
        ("bytes", sum(|did| did.bytes)),
        ("small", sum(|did| did.small)),
        ("lists", sum(|did| did.lists)),
    ])?;
    for (index, (mut session, did)) in done.into_iter().enumerate() {
        if matches!(role(index), Role::Upload) && did.transfers > 0 {
            session.ask(&format!("DELE {}", work.name(index)?), 250)?;
        }
        session.quit()?;
    }
    Ok(())
}

fn role(index: usize) -> Role {
    ROLES[index % ROLES.len()]
}

impl Work<'_> {
    /// One turn of what this session does.
    fn once(
        &self,
        session: &mut Session,
        index: usize,
        buffer: &mut [u8],
        done: &mut Done,
    ) -> Result<()> {
        match role(index) {
            Role::Download => {
                download(session, self.args.text("path")?, self.down, buffer)?;
                done.count(1, self.down);
            }
            Role::Upload => {
                upload(session, &self.name(index)?, self.up, &self.chunk)?;
                done.count(1, self.up);
            }
            Role::Small => {
                let name = self.name(index)?;
                upload(session, &name, SMALL, &self.chunk)?;
                download(session, &name, SMALL, buffer)?;
                session.ask(&format!("DELE {name}"), 250)?;
                done.count(2, 2 * SMALL);
                done.small += 2;
            }
            Role::List => {
                list_here(
                    session,
                    "LIST",
                    self.args.number("entries")?,
                    &mut Vec::new(),
                )?;
                done.count(1, 0);
                done.lists += 1;
            }
        }
        Ok(())
    }

    fn name(&self, index: usize) -> Result<String> {
        Ok(format!("{}{index}", self.args.text("prefix")?))
    }
}

impl Done {
    fn count(&mut self, transfers: u64, bytes: u64) {
        self.transfers += transfers;
        self.bytes += bytes;
    }
}
