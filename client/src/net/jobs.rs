//! Runs commands in the background, each on a session of its own.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError, channel};
use std::thread;

use super::command_error::{CommandError, CommandResult};
use super::further::FurtherSession;
use super::session::Session;
use crate::terminal::interrupt::Interrupt;
use crate::terminal::job_output::{self, JobOutput};
use crate::terminal::poll::POLL_INTERVAL;

/// The most jobs at once: each is a session at the server.
const JOBS_MAX: usize = 8;

/// The jobs of a session.
#[derive(Default)]
pub(crate) struct Jobs(Vec<Job>);

/// A command that runs in the background, or has ended and was not told of.
pub(crate) struct Job {
    pub(crate) number: u32,
    /// The command as it was typed.
    pub(crate) line: String,
    pub(crate) output: Arc<JobOutput>,
    interrupt: Interrupt,
    ended: Receiver<CommandResult>,
    result: Option<CommandResult>,
}

/// Why a wait for a job ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum JobWait {
    Ended,
    /// Ctrl-C was pressed.
    GivenUp,
}

impl Jobs {
    /// Runs `work` on a session of its own, and returns the number of the job.
    ///
    /// # Errors
    ///
    /// `Refused` where too many run.
    pub(crate) fn begin(
        &mut self,
        line: String,
        further: FurtherSession,
        work: impl FnOnce(&mut Session) -> CommandResult + Send + 'static,
    ) -> Result<u32, CommandError> {
        if self.running() == JOBS_MAX {
            let why = format!("{JOBS_MAX} jobs run already; wait for one");
            return Err(CommandError::refused(line, why));
        }
        let taken = |number: &u32| self.0.iter().any(|job| job.number == *number);
        let number = (1..).find(|number| !taken(number)).unwrap_or_default();
        let (end, ended) = channel();
        let job = Job {
            number,
            line,
            output: Arc::default(),
            interrupt: Interrupt::of_caller(),
            ended,
            result: None,
        };
        let (output, interrupt) = (Arc::clone(&job.output), job.interrupt.clone());
        let run = move || {
            let _entered = job_output::enter(Some(output));
            let done = further.open(interrupt).and_then(|mut session| {
                let done = work(&mut session);
                session.quit();
                done
            });
            // The program may have been left.
            let _ = end.send(done);
        };
        let begun = thread::Builder::new().spawn(run);
        begun.map_err(|_| CommandError::refused(&job.line, "the system has no thread left"))?;
        self.0.push(job);
        Ok(number)
    }

    /// How many run.
    pub(crate) fn running(&mut self) -> usize {
        let ended = self.0.iter_mut().map(Job::has_ended);
        ended.filter(|&ended| !ended).count()
    }

    /// Takes those that have ended, in the order of their numbers.
    pub(crate) fn take_ended(&mut self) -> Vec<(Job, CommandResult)> {
        let mut ended = Vec::new();
        for mut job in std::mem::take(&mut self.0) {
            job.has_ended();
            match job.result.take() {
                Some(result) => ended.push((job, result)),
                None => self.0.push(job),
            }
        }
        ended.sort_by_key(|(job, _)| job.number);
        ended
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Job> {
        self.0.iter()
    }

    pub(crate) fn find(&mut self, number: u32) -> Option<&mut Job> {
        self.0.iter_mut().find(|job| job.number == number)
    }

    /// Stops all of them, as Ctrl-C would.
    pub(crate) fn stop_all(&self) {
        self.0.iter().for_each(Job::stop);
    }

    /// Waits until all have ended.
    pub(crate) fn wait_for_all(&mut self, interrupt: &Interrupt) -> JobWait {
        let wait = |job: &mut Job| job.wait(interrupt);
        match self.0.iter_mut().map(wait).all(|end| end == JobWait::Ended) {
            true => JobWait::Ended,
            false => JobWait::GivenUp,
        }
    }
}

impl Job {
    /// Stops it; the second time its connection is dropped.
    pub(crate) fn stop(&self) {
        self.interrupt.press();
    }

    /// Waits until it has ended, or Ctrl-C is pressed.
    pub(crate) fn wait(&mut self, interrupt: &Interrupt) -> JobWait {
        while self.result.is_none() {
            if interrupt.is_stopped() {
                return JobWait::GivenUp;
            }
            match self.ended.recv_timeout(POLL_INTERVAL) {
                Err(RecvTimeoutError::Timeout) => {}
                Ok(result) => self.result = Some(result),
                Err(RecvTimeoutError::Disconnected) => self.result = Some(failed()),
            }
        }
        JobWait::Ended
    }

    fn has_ended(&mut self) -> bool {
        if self.result.is_none() {
            self.result = match self.ended.try_recv() {
                Ok(result) => Some(result),
                Err(TryRecvError::Empty) => None,
                Err(TryRecvError::Disconnected) => Some(failed()),
            };
        }
        self.result.is_some()
    }
}

/// A thread that panicked has said so.
fn failed() -> CommandResult {
    Err(CommandError::Refused("it failed".into()))
}
