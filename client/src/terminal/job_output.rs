//! Keeps what a job in the background says until it is shown at the prompt, and how far it is.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The most lines that are kept of one job; the oldest go first.
const LINES_MAX: usize = 1000;

thread_local! {
    /// The job for which this thread works.
    static CURRENT: RefCell<Option<Arc<JobOutput>>> = const { RefCell::new(None) };
}

/// What one job has said.
#[derive(Default)]
pub(crate) struct JobOutput(Mutex<State>);

#[derive(Default)]
struct State {
    lines: VecDeque<JobLine>,
    left_out: u64,
    /// Says how far it is.
    progress: Option<Box<dyn Fn() -> String + Send>>,
}

/// A line, and where it belongs.
pub(crate) enum JobLine {
    Result(String),
    Error(String),
}

/// This thread works for a job until this is dropped.
pub(crate) struct Entered {
    before: Option<Arc<JobOutput>>,
    /// It belongs to its thread.
    _here: PhantomData<*const ()>,
}

/// Returns the job for which this thread works, so that its further threads may as well.
pub(crate) fn current() -> Option<Arc<JobOutput>> {
    CURRENT.with_borrow(Clone::clone)
}

/// Has this thread work for `job`; `None` is what the user waits for.
pub(crate) fn enter(job: Option<Arc<JobOutput>>) -> Entered {
    Entered {
        before: CURRENT.replace(job),
        _here: PhantomData,
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.set(self.before.take());
    }
}

impl JobOutput {
    pub(super) fn say(&self, line: JobLine) {
        let mut state = self.state();
        if state.lines.len() == LINES_MAX {
            state.lines.pop_front();
            state.left_out += 1;
        }
        state.lines.push_back(line);
    }

    /// Has `progress` say how far the job is.
    pub(super) fn show(&self, progress: impl Fn() -> String + Send + 'static) {
        self.state().progress = Some(Box::new(progress));
    }

    /// Says how far the job is; `None` where nothing is known of it.
    pub(crate) fn progress(&self) -> Option<String> {
        self.state().progress.as_ref().map(|progress| progress())
    }

    /// Takes what was said so far.
    pub(crate) fn take_lines(&self) -> Vec<JobLine> {
        let mut state = self.state();
        let left_out = std::mem::take(&mut state.left_out);
        let note = format!("{left_out} lines before these were not kept");
        let note = (left_out > 0).then_some(JobLine::Error(note));
        note.into_iter().chain(state.lines.drain(..)).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_kept() {
        let job = Arc::new(JobOutput::default());
        {
            let _entered = enter(Some(Arc::clone(&job)));
            assert!(current().is_some());
            for n in 0..LINES_MAX + 3 {
                job.say(JobLine::Result(n.to_string()));
            }
        }
        assert!(current().is_none());
        let lines = job.take_lines();
        assert_eq!(lines.len(), LINES_MAX + 1);
        assert!(matches!(&lines[0], JobLine::Error(note) if note.starts_with("3 lines ")));
        assert!(matches!(&lines[1], JobLine::Result(line) if line == "3"));
        assert!(job.take_lines().is_empty());
    }
}
