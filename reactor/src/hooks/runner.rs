//! The runner: the helper process that runs the programs of hooks for the events in their journals.
//!
//! It ends after the daemon, once the programs that it runs have ended; what is left in the
//! journals is for the next one. Of two, one works and the other waits.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use rustix::event::{PollFd, PollFlags};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use serde::{Deserialize, Serialize};
use skiff_conf::{Hook, HookEvent};

use super::event::Attempt;
use super::execution::execute;
use super::queue::{Outcome, Queue, Retries, Turn};
use super::{ALONE, Start, folder_of};
use crate::programs::child::poll_for;
use crate::programs::helper::settle;

/// The word that makes a process the runner; no person types it.
pub(crate) const HELPER: &str = "hooks-runner";

/// Programs of a hook that run at a time.
const AT_A_TIME: usize = 4;
/// Between two looks whether the runner before has ended, and whether the process before has written
/// something.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Bytes of the longest report.
pub(super) const REPORT_MAX: usize = 2048;
/// Lines about one hook in a minute.
const REPORTS_MAX: u32 = 20;
const MINUTE: Duration = Duration::from_secs(60);
/// How long a queue rests whose journal cannot be read or written.
const REST: Duration = Duration::from_secs(5);

/// What the runner needs to know of a hook.
#[derive(Serialize, Deserialize)]
pub(super) struct Spec {
    event: HookEvent,
    run: Vec<String>,
    deadline: u64,
    folder: String,
}

impl Spec {
    pub(super) fn of(hook: &Hook) -> Self {
        let path = hook.run.path.to_string_lossy().into_owned();
        let arguments = hook.run.arguments.iter().cloned();
        Self {
            event: hook.event,
            run: std::iter::once(path).chain(arguments).collect(),
            deadline: u64::try_from(hook.deadline.as_millis()).unwrap_or(u64::MAX),
            folder: folder_of(Path::new(""), hook)
                .to_string_lossy()
                .into_owned(),
        }
    }
}

/// The words of the runner's command line behind the first.
pub(super) fn words(
    folder: &Path,
    start: Start,
    specs: impl Iterator<Item = Spec>,
) -> io::Result<Vec<OsString>> {
    let start = match start {
        Start::Alone => "alone",
        Start::Successor => "successor",
    };
    let mut words = vec![folder.into(), start.into()];
    for spec in specs {
        words.push(serde_json::to_string(&spec)?.into());
    }
    Ok(words)
}

/// What the runner has the daemon log, as it crosses the socket: one byte, and the text.
pub(super) enum Report {
    Failed(String),
    Lost(String),
}

impl Report {
    pub(super) fn read(message: &[u8]) -> Option<Self> {
        let (mark, text) = message.split_first()?;
        let text = String::from_utf8_lossy(text).into_owned();
        match mark {
            b'f' => Some(Self::Failed(text)),
            b'l' => Some(Self::Lost(text)),
            _ => None,
        }
    }

    pub(super) fn message(&self) -> Vec<u8> {
        let (mark, text) = match self {
            Self::Failed(text) => (b'f', text),
            Self::Lost(text) => (b'l', text),
        };
        let mut message = vec![mark];
        message.extend_from_slice(text.as_bytes());
        message.truncate(REPORT_MAX);
        message
    }
}

/// Works until the daemon ends, by the words that [`words`] has made.
pub(crate) fn run(arguments: Vec<OsString>) -> io::Result<()> {
    settle();
    let daemon = Arc::new(io::stdin().as_fd().try_clone_to_owned()?);
    let mut arguments = arguments.into_iter();
    let invalid = || io::Error::from(io::ErrorKind::InvalidInput);
    let folder = PathBuf::from(arguments.next().ok_or_else(invalid)?);
    let start = match arguments.next().as_ref().and_then(|word| word.to_str()) {
        Some("successor") => Start::Successor,
        _ => Start::Alone,
    };
    let specs = arguments.map(|word| Ok(serde_json::from_str(word.to_str().ok_or_else(invalid)?)?));
    let specs = specs.collect::<io::Result<Vec<Spec>>>()?;
    let Some(_lock) = take_turn(&folder, daemon.as_fd())? else {
        return Ok(());
    };
    let hooks = specs.into_iter().map(|spec| {
        let tell = Arc::clone(&daemon);
        let tell = move |report: &Report| {
            let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
            let _ = send(&tell, &report.message(), flags);
        };
        Runs::of(&folder, spec, Retries::default(), Box::new(tell))
    });
    let hooks = hooks.collect::<io::Result<Vec<_>>>()?;
    remove_others(&folder, &hooks, &daemon);
    let threads = hooks.iter().flat_map(|hook| {
        let thread = || {
            thread::Builder::new().spawn({
                let hook = Arc::clone(hook);
                move || hook.work()
            })
        };
        std::iter::repeat_with(thread).take(AT_A_TIME)
    });
    let threads = threads.collect::<io::Result<Vec<_>>>()?;
    listen(daemon.as_fd(), start, &hooks)?;
    for hook in &hooks {
        hook.stop();
    }
    for thread in threads {
        let _ = thread.join();
    }
    Ok(())
}

/// Waits until no other runner works; `None` where the daemon ends before.
fn take_turn(folder: &Path, daemon: BorrowedFd<'_>) -> io::Result<Option<File>> {
    let mut options = File::options();
    let lock = options
        .create(true)
        .truncate(false)
        .write(true)
        .open(folder.join("lock"))?;
    loop {
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(Some(lock)),
            Err(Errno::WOULDBLOCK) => {}
            Err(error) => return Err(error.into()),
        }
        thread::sleep(LOOK_EVERY);
        let peek = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        if matches!(recv(daemon, &mut [0; 1], peek), Ok((0, _))) {
            return Ok(None);
        }
    }
}

/// Hears the daemon until it ends. While another process writes too, which it does not hear, it
/// looks by itself.
fn listen(daemon: BorrowedFd<'_>, start: Start, hooks: &[Arc<Runs>]) -> io::Result<()> {
    let mut start = start;
    loop {
        if start == Start::Successor {
            let mut open = [PollFd::new(&daemon, PollFlags::IN)];
            poll_for(&mut open, LOOK_EVERY)?;
            if open[0].revents().is_empty() {
                hooks.iter().for_each(|hook| hook.wake());
                continue;
            }
        }
        let mut news = [0; 1];
        match recv(daemon, &mut news, RecvFlags::empty()) {
            Ok((0, _)) | Err(Errno::CONNRESET) => return Ok(()),
            Ok(_) if news[0] == ALONE => start = Start::Alone,
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        hooks.iter().for_each(|hook| hook.wake());
    }
}

/// Removes the journals of hooks that the settings have no more.
fn remove_others(folder: &Path, hooks: &[Arc<Runs>], daemon: &OwnedFd) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        let is_ours = hooks.iter().any(|hook| hook.folder == path);
        if is_ours || !path.is_dir() || std::fs::remove_dir_all(&path).is_err() {
            continue;
        }
        let text = "hooks: a hook that the settings have no more is gone, with what waited for it";
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        let _ = send(daemon, &Report::Failed(text.to_owned()).message(), flags);
    }
}

/// A hook, and its events.
pub(super) struct Runs {
    folder: PathBuf,
    /// As reports begin.
    name: String,
    words: Vec<OsString>,
    deadline: Duration,
    shared: Mutex<Shared>,
    changed: Condvar,
    tell: Box<dyn Fn(&Report) + Send + Sync>,
}

struct Shared {
    queue: Queue,
    phase: Phase,
    voice: Voice,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Working,
    /// Nothing new is begun.
    Stopping,
}

/// How much was reported in this minute.
struct Voice {
    since: Instant,
    count: u32,
    untold: u32,
}

impl Runs {
    pub(super) fn of(
        folder: &Path,
        spec: Spec,
        retries: Retries,
        tell: Box<dyn Fn(&Report) + Send + Sync>,
    ) -> io::Result<Arc<Self>> {
        let (folder, now) = (folder.join(&spec.folder), Instant::now());
        let path = spec.run.first().map_or("", String::as_str);
        Ok(Arc::new(Self {
            name: format!("hook {path} for {}", spec.event),
            words: spec.run.iter().map(OsString::from).collect(),
            deadline: Duration::from_millis(spec.deadline),
            shared: Mutex::new(Shared {
                queue: Queue::resume(folder.clone(), retries, now)?,
                phase: Phase::Working,
                voice: Voice {
                    since: now,
                    count: 0,
                    untold: 0,
                },
            }),
            folder,
            changed: Condvar::new(),
            tell,
        }))
    }

    pub(super) fn wake(&self) {
        self.shared.lock().queue.wake();
        self.changed.notify_all();
    }

    pub(super) fn stop(&self) {
        self.shared.lock().phase = Phase::Stopping;
        self.changed.notify_all();
    }

    /// Runs the program for one event after the other, until it is stopped.
    pub(super) fn work(&self) {
        while let Some(turn) = self.next() {
            let attempt = Attempt {
                id: format!("{}-{}", turn.place.segment, turn.place.offset),
                number: turn.number,
            };
            let ended = execute(&self.words, self.deadline, &turn.event, &attempt);
            let mut shared = self.shared.lock();
            let outcome = shared
                .queue
                .ended(turn.place, ended.is_ok(), Instant::now());
            self.report(&mut shared.voice, &turn, outcome, ended.err());
            // There is room for the next.
            self.changed.notify_all();
        }
    }

    fn next(&self) -> Option<Turn> {
        let mut shared = self.shared.lock();
        loop {
            if shared.phase == Phase::Stopping {
                return None;
            }
            let now = Instant::now();
            let read = shared.queue.read_on(now);
            let until = match read {
                Ok(0) => None,
                Ok(damaged) => {
                    let text = format!("{}: {damaged} events were damaged and are lost", self.name);
                    self.tell(&mut shared.voice, Report::Lost(text));
                    None
                }
                Err(error) => {
                    let text = format!("{}: its journal cannot be read: {error}", self.name);
                    self.tell(&mut shared.voice, Report::Failed(text));
                    Some(now + REST)
                }
            };
            if let Some(turn) = shared.queue.take(now) {
                return Some(turn);
            }
            match [until, shared.queue.next_due()].into_iter().flatten().min() {
                Some(until) => {
                    self.changed.wait_until(&mut shared, until);
                }
                None => self.changed.wait(&mut shared),
            }
        }
    }

    fn report(
        &self,
        voice: &mut Voice,
        turn: &Turn,
        outcome: io::Result<Outcome>,
        why: Option<String>,
    ) {
        let (name, why) = (&self.name, why.unwrap_or_default());
        let event = &turn.event;
        let about = format!("{} of {}", event.shown_path(), event.user);
        match outcome {
            Ok(Outcome::Done) => {}
            Ok(Outcome::TriedAgain { after, failures }) => self.tell(
                voice,
                Report::Failed(format!(
                    "{name}: {about}: {why}; try {} comes in {after:?}",
                    failures + 1
                )),
            ),
            Ok(Outcome::GivenUp) => self.tell(
                voice,
                Report::Lost(format!(
                    "{name}: {about}: {why}; given up after {} tries",
                    turn.number
                )),
            ),
            Err(error) => self.tell(
                voice,
                Report::Failed(format!(
                    "{name}: {about} may be run once more: what is done cannot be written down: \
                     {error}"
                )),
            ),
        }
    }

    fn tell(&self, voice: &mut Voice, report: Report) {
        let now = Instant::now();
        if now >= voice.since + MINUTE {
            if voice.untold > 0 {
                let text = format!("{}: {} more lines like these", self.name, voice.untold);
                (self.tell)(&Report::Failed(text));
            }
            *voice = Voice {
                since: now,
                count: 0,
                untold: 0,
            };
        }
        match voice.count < REPORTS_MAX {
            true => {
                voice.count += 1;
                (self.tell)(&report);
            }
            false => voice.untold += 1,
        }
    }
}
