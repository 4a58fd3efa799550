//! Shows the progress of one file through the tasks of its transfer.

use std::time::{Duration, Instant};

use skiff_sessions::transfer::{Task, Until};

use super::display::{Display, Shown};
use super::figures::{Count, Counted, Figures, Pace};
use super::format::escape_name;
use super::rate::Rate;
use super::tree_progress::TreeShare;

/// From then on silence is called a stall.
const STALL: Duration = Duration::from_secs(3);

/// From this size on a file of a tree has a line of its own.
const BIG_FILE: u64 = 1 << 20;

/// The most that is told of what is not verified yet.
const PERCENT_MAX: u64 = 99;

/// How progress is shown; fixed for the whole session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ProgressStyle {
    Bar,
    Lines,
    Hidden,
}

/// Where the progress of a file is shown.
#[derive(Clone)]
pub(crate) enum ProgressPlace {
    /// In a line of its own.
    Alone(ProgressStyle),
    /// In that of the tree which it belongs to, and where the file is big, in one of its own.
    InTree(TreeShare),
}

/// The progress of one file through all tasks of its transfer (hashing, sending, receiving).
pub(crate) struct Progress {
    place: ProgressPlace,
    name: String,
    /// The task that is running, and where in the file it began.
    task: Option<(TaskKind, u64)>,
    /// Bytes of the file that went over the connection, and since when. The clock starts with each
    /// such task, so that time spent on a question does not lower the rate.
    carried: u64,
    carrying_since: Instant,
    /// Bytes of the file that are done, as far as the tree counts them.
    counted: u64,
    display: Option<Display<FileState>>,
}

/// What a task does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum TaskKind {
    Carrying,
    Hashing,
    /// The server hashes or stores.
    ServerWork,
}

/// What is shown of one file.
pub(super) struct FileState {
    name: String,
    kind: TaskKind,
    /// The offset in the file, and where the task ends, in bytes.
    at: u64,
    total: u64,
    rate: Rate,
}

impl Progress {
    /// Shows nothing yet; `name` is escaped here.
    pub(crate) fn new(place: ProgressPlace, name: &[u8]) -> Self {
        Self {
            place,
            name: escape_name(name),
            task: None,
            carried: 0,
            carrying_since: Instant::now(),
            counted: 0,
            display: None,
        }
    }

    /// One that shows nothing.
    pub(crate) fn hidden() -> Self {
        Self::new(ProgressPlace::Alone(ProgressStyle::Hidden), b"")
    }

    /// Starts the display of a task. Tasks without a known length are not shown.
    pub(crate) fn begin_task(&mut self, task: Task) {
        self.finish();
        let (kind, from, total) = match task {
            Task::Digest { to, .. } => (TaskKind::Hashing, 0, to),
            Task::Send {
                from,
                until: Until::Offset(end),
                ..
            } => (TaskKind::Carrying, from, end),
            Task::Receive { from, at_most, .. } => (TaskKind::Carrying, from, at_most),
            Task::Send { .. } | Task::Discard => return,
            // Only FTP has these tasks, and this client does not speak FTP.
            Task::DigestRange { .. } | Task::SendStream { .. } | Task::ReceiveStream { .. } => {
                return;
            }
        };
        if kind == TaskKind::Carrying {
            self.carried = 0;
            self.carrying_since = Instant::now();
        }
        self.begin(kind, from, total);
    }

    /// Shows that `bytes` of the running task are done.
    pub(crate) fn update(&mut self, bytes: u64) {
        let Some((kind, from)) = self.task else {
            return;
        };
        if kind == TaskKind::Carrying {
            let more = bytes.saturating_sub(self.carried);
            self.carried = bytes;
            self.count(Instant::now(), from + bytes, more);
        }
        self.show(kind, from + bytes);
    }

    /// Takes note that the socket takes no more for now.
    pub(crate) fn record_full(&mut self) {
        let now = Instant::now();
        if let ProgressPlace::InTree(tree) = &self.place {
            tree.lock().record_full(now);
        }
        if let Some(display) = &self.display {
            display.lock().rate.record_full(now);
        }
    }

    /// Shows the server's own work (hashing, storing): `done` of `of` bytes.
    pub(crate) fn show_server_work(&mut self, done: u64, of: u64) {
        if self
            .task
            .is_none_or(|(kind, _)| kind != TaskKind::ServerWork)
        {
            self.finish();
            self.begin(TaskKind::ServerWork, 0, of);
        }
        self.show(TaskKind::ServerWork, done);
    }

    /// Ends the display of the running task.
    pub(crate) fn finish(&mut self) {
        self.task = None;
        self.display = None;
    }

    /// Returns the bytes that went over the connection, and the time since that task began.
    pub(crate) fn carried_bytes_and_time(&self) -> (u64, Duration) {
        (self.carried, self.carrying_since.elapsed())
    }

    fn begin(&mut self, kind: TaskKind, from: u64, total: u64) {
        self.task = Some((kind, from));
        let now = Instant::now();
        let state = || FileState::begin(now, self.name.clone(), kind, from, total);
        self.display = match &self.place {
            ProgressPlace::InTree(tree) if total >= BIG_FILE => {
                Some(Display::beside(tree.style(), state()))
            }
            ProgressPlace::InTree(_) => None,
            ProgressPlace::Alone(style) => Some(Display::new(*style, state())),
        };
        if let ProgressPlace::InTree(tree) = &self.place {
            tree.lock().begin_task(now, kind);
        }
        if kind == TaskKind::Carrying {
            self.count(now, from, 0);
        }
    }

    /// Has the tree count the file's bytes up to `at`, `bytes` of which were just carried.
    fn count(&mut self, now: Instant, at: u64, bytes: u64) {
        if let ProgressPlace::InTree(tree) = &self.place {
            tree.lock().carry(now, (self.counted, at), bytes);
            self.counted = at;
        }
    }

    /// Shows that the task is at offset `at`.
    fn show(&self, kind: TaskKind, at: u64) {
        let now = Instant::now();
        if let ProgressPlace::InTree(tree) = &self.place {
            tree.lock().touch(now, kind);
        }
        if let Some(display) = &self.display {
            display.lock().update(now, at);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        // What became of the file is counted apart.
        if self.counted > 0 {
            self.count(Instant::now(), 0, 0);
        }
    }
}

impl FileState {
    fn begin(now: Instant, name: String, kind: TaskKind, from: u64, total: u64) -> Self {
        Self {
            name,
            kind,
            at: from,
            total,
            // Resumed bytes must not count into the rate.
            rate: Rate::begin(now, from),
        }
    }

    fn update(&mut self, now: Instant, at: u64) {
        self.at = at;
        self.rate.record(now, at);
        if self.kind == TaskKind::ServerWork {
            self.rate.touch(now);
        }
    }
}

impl Shown for FileState {
    fn figures(&self, now: Instant) -> Figures {
        Figures {
            name: self.name.clone(),
            work: self.kind.words(),
            percent: Some(percent(self.at, self.total)),
            files: None,
            bytes: Count {
                done: self.at,
                of: self.total,
                counted: Counted::Whole,
            },
            pace: match self.kind {
                TaskKind::Carrying if self.at >= self.total => {
                    Pace::Finishing(self.rate.silent_for(now))
                }
                TaskKind::Carrying | TaskKind::Hashing | TaskKind::ServerWork => {
                    pace(&self.rate, now, Some(self.total.saturating_sub(self.at)))
                }
            },
        }
    }
}

impl TaskKind {
    /// Says what is done; nothing where bytes are carried, as the figures say that.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Carrying => "",
            Self::Hashing => "hashing",
            Self::ServerWork => "server works",
        }
    }
}

/// How much `done` is, which is not verified yet.
pub(super) fn percent(done: u64, of: u64) -> u8 {
    let percent = u128::from(done) * 100 / u128::from(of.max(1));
    u64::try_from(percent)
        .unwrap_or(PERCENT_MAX)
        .min(PERCENT_MAX) as u8
}

/// How fast `left` bytes go; `None` where it is not known how many are left.
pub(super) fn pace(rate: &Rate, now: Instant, left: Option<u64>) -> Pace {
    let silence = rate.silent_for(now);
    if silence >= STALL {
        return Pace::Stalled(silence);
    }
    match rate.per_second(now) {
        None => Pace::Unknown,
        Some(bytes_per_second) => Pace::Moving {
            bytes_per_second,
            left: left
                .and_then(|left| left.checked_div(bytes_per_second))
                .map(Duration::from_secs),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_moves_stalls_and_finishes() {
        let begun = Instant::now();
        let at = |seconds| begun + Duration::from_secs(seconds);
        let mut file = FileState::begin(begun, "big".into(), TaskKind::Carrying, 1_000, 11_000);
        let line = |file: &FileState, seconds| file.figures(at(seconds)).whole();
        assert_eq!(line(&file, 0), "big: 9% 1.0 kB/11 kB");
        file.update(at(2), 3_000);
        assert_eq!(line(&file, 2), "big: 27% 3.0 kB/11 kB 1.0 kB/s eta 0:08");
        // The server is silent, and the line goes on.
        assert_eq!(line(&file, 4), "big: 27% 3.0 kB/11 kB 500 B/s eta 0:16");
        assert_eq!(line(&file, 9), "big: 27% 3.0 kB/11 kB stalled 7 s");
        file.update(at(10), 11_000);
        assert_eq!(line(&file, 11), "big: 99% 11 kB/11 kB finishing 1 s");
    }

    #[test]
    fn what_is_not_verified_is_never_whole() {
        assert_eq!(percent(0, 0), 0);
        assert_eq!(percent(1, 1), 99);
        assert_eq!(percent(u64::MAX, u64::MAX), 99);
        assert_eq!(percent(u64::MAX / 2, u64::MAX), 49);
    }

    #[test]
    fn a_server_that_works_does_not_stall() {
        let begun = Instant::now();
        let at = |seconds| begun + Duration::from_secs(seconds);
        let mut file = FileState::begin(begun, "big".into(), TaskKind::ServerWork, 0, 100);
        file.update(at(9), 0);
        let line = file.figures(at(10)).whole();
        assert_eq!(line, "big: server works 0% 0 B/100 B 0 B/s");
    }
}
