//! Hooks: programs of the operator's that are run once something has happened.
//!
//! A worker that has stored, sent, removed or renamed a file writes the event into a journal for
//! each hook that it is for ([`journal`]), before the session hears of its completion: what a client
//! was told of is in there. It lies in the state folder, so that neither the end of the daemon nor
//! that of the machine loses it. A helper process, the runner ([`runner`]), reads the journals, runs
//! the programs, and remembers how far it has come ([`queue`]); it learns through a socket that
//! there is something new. So no session and no worker ever waits for a program, and the daemon
//! itself, behind its walls, executes nothing.
//!
//! | in `state/hooks` | is |
//! |---|---|
//! | `lock` | held by the one runner that works |
//! | `HOOK/NUMBER.events` | a segment of a hook's journal ([`segments`]) |
//! | `HOOK/position` | what of it is done |

pub(crate) mod event;
mod execution;
mod journal;
mod position;
mod queue;
pub(crate) mod runner;
mod segments;
#[cfg(test)]
mod tests;

use std::fs::DirBuilder;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, Shutdown, recv, send, shutdown};
use sha2::{Digest as _, Sha256};
use skiff_conf::{Hook, HookEvent, Server, UserName, sync_folder};
use skiff_vfs::Worker;

use self::event::Event;
use self::journal::{Journal, Lost};
use self::runner::{HELPER, REPORT_MAX, Report, Spec};
use crate::programs::helper;

/// The folder in the state folder.
const FOLDER: &str = "hooks";

/// Between two lines about lost events of a hook.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// What the daemon tells the runner, in one byte each.
const NEWS: u8 = b'n';
/// The process before this one writes no more.
const ALONE: u8 = b'a';

/// Whether there is a process before this one that still writes to the journals.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Start {
    Alone,
    Successor,
}

/// The hooks of the settings, and the daemon's end of the runner.
pub(crate) struct Hooks {
    hooks: Vec<Watched>,
    runner: OwnedFd,
    /// Set once the runner is to end.
    has_given_way: AtomicBool,
    /// Never waited for: it ends with the socket, after the daemon.
    _process: Option<Child>,
}

struct Watched {
    hook: Hook,
    journal: Journal,
    lost: Mutex<LostEvents>,
}

/// Events that are lost and not told of.
#[derive(Default)]
struct LostEvents {
    count: u64,
    told: Option<Instant>,
}

/// The hooks that an event is for, by their place in the settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct For(Vec<usize>);

impl Hooks {
    /// Starts the runner; `None` where the settings have no hooks. The process must have no walls
    /// yet.
    pub(crate) fn start(config: &Server, start: Start) -> io::Result<Option<Self>> {
        let folder = config.state.join(FOLDER);
        if config.on.is_empty() {
            // There is no runner that would.
            if start == Start::Alone && std::fs::remove_dir_all(&folder).is_ok() {
                log::warn!("the settings have no hooks any more: what waited for them is gone");
            }
            return Ok(None);
        }
        make_folder(&folder)?;
        let hooks = config.on.iter().map(|hook| {
            Ok(Watched {
                hook: hook.clone(),
                journal: Journal::open(folder_of(&folder, hook), config.durability)?,
                lost: Mutex::default(),
            })
        });
        let hooks = hooks.collect::<io::Result<Vec<_>>>()?;
        let specs = config.on.iter().map(Spec::of);
        let words = runner::words(&folder, start, specs)?;
        let started = helper::start(HELPER, words)?;
        Ok(Some(Self {
            hooks,
            runner: started.socket,
            has_given_way: AtomicBool::new(false),
            _process: Some(started.process),
        }))
    }

    /// Whether any hook waits for such events.
    pub(crate) fn wants(&self, event: HookEvent) -> bool {
        self.hooks.iter().any(|it| it.hook.event == event)
    }

    /// The hooks that such an event of a user of that group is for; `None` where there is none.
    pub(crate) fn waiting_for(
        &self,
        event: HookEvent,
        user: &str,
        group: Option<&UserName>,
    ) -> Option<For> {
        let all = self.hooks.iter().enumerate();
        let waiting = all.filter(|(_, it)| it.hook.event == event && it.hook.is_for(user, group));
        let waiting: Vec<_> = waiting.map(|(index, _)| index).collect();
        (!waiting.is_empty()).then_some(For(waiting))
    }

    /// Writes the event down for those hooks. What cannot be written is lost, and the log says so:
    /// it has happened, and is not undone.
    pub(crate) fn note(&self, worker: &Worker, whom: &For, event: &Event) {
        for watched in whom.0.iter().filter_map(|index| self.hooks.get(*index)) {
            if let Err(why) = watched.journal.append(worker, event) {
                watched.note_lost(&why, Instant::now());
            }
        }
        self.tell(NEWS);
    }

    /// A runner that is behind is awake already, and one that is gone is told of elsewhere.
    fn tell(&self, news: u8) {
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        let _ = send(&self.runner, &[news], flags);
    }

    /// Lets the runner of the process that takes this one's place go on; what is written from now
    /// on, it finds.
    pub(crate) fn give_way(&self) {
        self.has_given_way.store(true, Ordering::Relaxed);
        let _ = shutdown(&self.runner, Shutdown::Write);
    }

    /// The process before this one has ended.
    pub(crate) fn predecessor_ended(&self) {
        self.tell(ALONE);
    }

    /// Starts the thread that logs what the runner reports.
    pub(crate) fn listen(self: &Arc<Self>) -> io::Result<()> {
        let own = Arc::clone(self);
        let thread = thread::Builder::new().name("hooks".to_owned());
        thread.spawn(move || own.log_reports())?;
        Ok(())
    }

    fn log_reports(&self) {
        let mut buffer = [0; REPORT_MAX];
        loop {
            match recv(&self.runner, &mut buffer, RecvFlags::empty()) {
                Ok((0, _)) | Err(Errno::CONNRESET) => break,
                Ok((length, _)) => match Report::read(&buffer[..length]) {
                    Some(Report::Failed(text)) => log::warn!("{text}"),
                    Some(Report::Lost(text)) => log::error!("{text}"),
                    None => {}
                },
                Err(Errno::INTR) => {}
                Err(error) => {
                    return log::error!("hooks: their runner cannot be heard: {error}");
                }
            }
        }
        if !self.has_given_way.load(Ordering::Relaxed) {
            log::error!(
                "hooks: the process that runs them has ended; events are kept for the next one: \
                 restart skiffd"
            );
        }
    }
}

impl Watched {
    fn note_lost(&self, why: &Lost, now: Instant) {
        let mut lost = self.lost.lock();
        lost.count += 1;
        if lost.told.is_some_and(|told| now < told + TELL_EVERY) {
            return;
        }
        let (event, path) = (self.hook.event, self.hook.run.path.display());
        let events = match lost.count {
            1 => "1 event is lost".to_owned(),
            count => format!("{count} events are lost"),
        };
        log::error!("hook {path} for {event}: {events}: {why}");
        *lost = LostEvents {
            count: 0,
            told: Some(now),
        };
    }
}

/// Where the journal of a hook is: the same folder as long as the event and the program with its
/// arguments are the same.
fn folder_of(folder: &Path, hook: &Hook) -> PathBuf {
    let mut sum = Sha256::new();
    sum.update(hook.event.to_string());
    sum.update([0]);
    sum.update(hook.run.path.as_os_str().as_encoded_bytes());
    for argument in &hook.run.arguments {
        sum.update([0]);
        sum.update(argument);
    }
    let digits = sum.finalize();
    let name: String = digits[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    folder.join(name)
}

fn make_folder(folder: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
        Ok(()) => folder.parent().map_or(Ok(()), sync_folder),
    }
}
