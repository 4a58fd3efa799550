//! Shows the progress of a tree: files and bytes that are done of those that the walk has found.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::display::{Display, Shown};
use super::figures::{Count, Counted, Figures, Pace};
use super::progress::{ProgressStyle, TaskKind, pace, percent};
use super::rate::Rate;

/// The display of a tree.
pub(crate) struct TreeProgress {
    display: Display<TreeState>,
    style: ProgressStyle,
}

/// The count of the files that a walk finds.
#[derive(Clone)]
pub(crate) struct FoundFiles(Arc<Mutex<TreeState>>);

/// Where the files of a tree tell what is done of them.
#[derive(Clone)]
pub(crate) struct TreeShare {
    state: Arc<Mutex<TreeState>>,
    style: ProgressStyle,
}

/// What is shown of a tree.
pub(crate) struct TreeState {
    name: String,
    kind: TaskKind,
    files: Count,
    /// Of all files, those included that were not carried because both ends have them.
    bytes: Count,
    /// Bytes of the files under way that are done; they are not in `bytes` yet.
    running: u64,
    /// Bytes that went over connections.
    carried: u64,
    rate: Rate,
}

const NOTHING: Count = Count {
    done: 0,
    of: 0,
    counted: Counted::SoFar,
};

impl TreeProgress {
    /// Begins; `name` is escaped.
    pub(crate) fn new(style: ProgressStyle, name: String) -> Self {
        let state = TreeState::begin(Instant::now(), name);
        Self {
            display: Display::new(style, state),
            style,
        }
    }

    pub(crate) fn share(&self) -> TreeShare {
        TreeShare {
            state: self.display.share(),
            style: self.style,
        }
    }

    /// Returns what a walk tells of the files that it finds.
    pub(crate) fn found(&self) -> FoundFiles {
        FoundFiles(self.display.share())
    }

    /// All is done with a file that was found, whatever became of it.
    pub(crate) fn end_file(&self, size: u64) {
        self.display.lock().end_file(Instant::now(), size);
    }

    /// Takes it from the screen for good.
    pub(crate) fn end(&mut self) {
        self.display.end();
    }
}

impl FoundFiles {
    /// The walk has found a file.
    pub(crate) fn add(&self, size: u64) {
        lock(&self.0).add_found(size);
    }

    /// The walk has ended: no more files will be found.
    pub(crate) fn end(&self) {
        lock(&self.0).end_walk();
    }
}

impl TreeShare {
    pub(super) fn style(&self) -> ProgressStyle {
        self.style
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, TreeState> {
        lock(&self.state)
    }
}

fn lock(tree: &Mutex<TreeState>) -> MutexGuard<'_, TreeState> {
    tree.lock().unwrap_or_else(PoisonError::into_inner)
}

impl TreeState {
    fn begin(now: Instant, name: String) -> Self {
        Self {
            name,
            kind: TaskKind::Carrying,
            files: NOTHING,
            bytes: NOTHING,
            running: 0,
            carried: 0,
            rate: Rate::begin(now, 0),
        }
    }

    fn add_found(&mut self, size: u64) {
        self.files.of += 1;
        self.bytes.of = self.bytes.of.saturating_add(size);
    }

    fn end_walk(&mut self) {
        self.files.counted = Counted::Whole;
        self.bytes.counted = Counted::Whole;
    }

    /// A task of a file begins.
    pub(super) fn begin_task(&mut self, now: Instant, kind: TaskKind) {
        self.kind = kind;
        self.rate.touch(now);
    }

    /// Of a file `at` bytes are done where it was `before`, `bytes` of them over a connection.
    pub(super) fn carry(&mut self, now: Instant, (before, at): (u64, u64), bytes: u64) {
        self.running = (self.running + at).saturating_sub(before);
        self.carried = self.carried.saturating_add(bytes);
        self.rate.record(now, self.carried);
    }

    /// A task gets on.
    pub(super) fn touch(&mut self, now: Instant, kind: TaskKind) {
        match kind {
            // It got on where bytes did.
            TaskKind::Carrying => {}
            TaskKind::Hashing | TaskKind::ServerWork => self.rate.touch(now),
        }
    }

    pub(super) fn record_full(&mut self, now: Instant) {
        self.rate.record_full(now);
    }

    fn end_file(&mut self, now: Instant, size: u64) {
        self.kind = TaskKind::Carrying;
        self.files.done += 1;
        self.bytes.done = self.bytes.done.saturating_add(size);
        self.rate.touch(now);
    }
}

impl Shown for TreeState {
    fn figures(&self, now: Instant) -> Figures {
        let bytes = Count {
            done: self.bytes.done.saturating_add(self.running),
            ..self.bytes
        };
        let is_whole = bytes.counted == Counted::Whole;
        let left = is_whole.then(|| bytes.of.saturating_sub(bytes.done));
        Figures {
            name: self.name.clone(),
            work: self.kind.words(),
            percent: is_whole.then(|| percent(bytes.done, bytes.of)),
            files: Some(self.files),
            bytes,
            // The disk has to take what came (syncfs(2)).
            pace: match is_whole && self.files.done >= self.files.of {
                true => Pace::Finishing(self.rate.silent_for(now)),
                false => pace(&self.rate, now, left),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn files_and_bytes_are_told_of_what_was_found() {
        let begun = Instant::now();
        let at = |seconds| begun + Duration::from_secs(seconds);
        let mut tree = TreeState::begin(begun, "docs".into());
        let line = |tree: &TreeState, seconds| tree.figures(at(seconds)).whole();
        tree.add_found(1_000);
        tree.add_found(9_000);
        tree.begin_task(begun, TaskKind::Carrying);
        tree.carry(at(1), (0, 1_000), 1_000);
        tree.carry(at(1), (1_000, 0), 0);
        tree.end_file(at(1), 1_000);
        assert_eq!(line(&tree, 2), "docs: 1/2+ files, 1.0 kB/10 kB+ 500 B/s");
        tree.end_walk();
        // Of the second file 3,000 are there already: they are done, but were not carried.
        tree.begin_task(at(2), TaskKind::Carrying);
        tree.carry(at(2), (0, 3_000), 0);
        tree.carry(at(4), (3_000, 6_000), 3_000);
        assert_eq!(
            line(&tree, 4),
            "docs: 70% 1/2 files, 7.0 kB/10 kB 1.0 kB/s eta 0:03"
        );
        assert_eq!(
            line(&tree, 10),
            "docs: 70% 1/2 files, 7.0 kB/10 kB stalled 6 s"
        );
        tree.begin_task(at(11), TaskKind::ServerWork);
        tree.touch(at(15), TaskKind::ServerWork);
        assert!(line(&tree, 16).starts_with("docs: server works 70% 1/2 files"));
        tree.carry(at(17), (6_000, 0), 0);
        tree.end_file(at(17), 9_000);
        assert!(line(&tree, 17).starts_with("docs: 99% 2/2 files, 10 kB/10 kB"));
    }
}
