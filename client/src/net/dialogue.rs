//! Runs one dialogue over a link: carries out its effects (lines, transfers, questions) and feeds
//! back what happened.

use std::collections::VecDeque;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use skiff_sessions::client::{
    Decision, Dialogue, Effect, Event, LocalFile, Note, Outcome, Question,
};
use skiff_sessions::transfer::{Burst, End, File, Task, Transfer};
use skiff_sessions::wire::stamp::Stamp;

use super::link::{Interest, Link, LinkError, Received, WaitEnd};
use crate::terminal::interrupt::Interrupt;

/// How often the server, which waits for a digest of this client, is told that the client is alive.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);

/// The local end of a dialogue: the file that bulk data comes from or goes to, the answers to
/// questions, and the display of progress. The defaults are for dialogues without files.
pub(crate) trait LocalEnd: File {
    /// Answers a question; `None` after Ctrl-C.
    fn ask(&mut self, question: Question) -> Option<Decision> {
        let _ = question;
        Some(Decision::No)
    }

    /// Opens the file that the next tasks read or write.
    ///
    /// # Errors
    ///
    /// [`LocalFileFailed`]; the implementation keeps the cause for the message.
    fn use_file(&mut self, file: LocalFile) -> Result<(), LocalFileFailed> {
        let _ = file;
        Err(LocalFileFailed)
    }

    /// Gives the received file its final name and `modified` time.
    ///
    /// # Errors
    ///
    /// As with [`LocalEnd::use_file`].
    fn publish(&mut self, modified: Option<Stamp>) -> Result<(), LocalFileFailed> {
        let _ = modified;
        Err(LocalFileFailed)
    }

    /// Removes the part that was received.
    fn drop_part(&mut self) {}
    /// Tells the user something that is no failure.
    fn show_note(&mut self, _: Note) {}
    /// Starts the display of a task.
    fn begin_task(&mut self, _: Task) {}
    /// Shows how many bytes of the running task are done.
    fn show_bytes_moved(&mut self, _: u64) {}
    /// Shows the server's own work (hashing, storing): done and total bytes.
    fn show_server_work(&mut self, _done: u64, _of: u64) {}
}

/// The local file could not be opened, renamed, or written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct LocalFileFailed;

/// Runs `dialogue` to its end and returns its outcome. `effects` are those that its beginning gave.
///
/// # Errors
///
/// The connection cannot be used any more.
pub(crate) fn run_dialogue(
    link: &mut Link,
    interrupt: &Interrupt,
    dialogue: Dialogue,
    effects: Vec<Effect>,
    local: &mut impl LocalEnd,
) -> Result<Outcome, LinkError> {
    let queue = effects.into();
    let transfer = Transfer::default();
    let mut runner = DialogueRunner {
        link,
        interrupt,
        dialogue,
        queue,
        local,
        transfer,
        stop_request: StopRequest::None,
    };
    loop {
        match runner.queue.pop_front() {
            Some(Effect::Done(outcome)) => return check_outcome(*outcome),
            Some(effect) => runner.perform(effect)?,
            None => runner.receive()?,
        }
    }
}

/// Turns the outcomes after which the next line of the server would be ambiguous into errors of the
/// link.
fn check_outcome(outcome: Outcome) -> Result<Outcome, LinkError> {
    match outcome {
        Outcome::Closing(farewell) => Err(LinkError::Closing(farewell.text)),
        Outcome::OutOfOrder(odd) => {
            Err(LinkError::OutOfOrder(format!("{} {}", odd.code, odd.text)))
        }
        Outcome::Lost => Err(LinkError::Lost),
        outcome => Ok(outcome),
    }
}

/// The state of one running dialogue.
struct DialogueRunner<'a, L> {
    link: &'a mut Link,
    interrupt: &'a Interrupt,
    dialogue: Dialogue,
    queue: VecDeque<Effect>,
    local: &'a mut L,
    transfer: Transfer,
    stop_request: StopRequest,
}

/// Whether the user has pressed Ctrl-C during this dialogue.
#[derive(Clone, Copy, PartialEq, Eq)]
enum StopRequest {
    None,
    Made,
}

static ALWAYS: AtomicBool = AtomicBool::new(true);
static NEVER: AtomicBool = AtomicBool::new(false);

impl<L: LocalEnd> DialogueRunner<'_, L> {
    /// Carries out one effect.
    fn perform(&mut self, effect: Effect) -> Result<(), LinkError> {
        match effect {
            Effect::Send(command) => self.link.send(&command),
            Effect::Begin(task) => return self.run_task(task),
            Effect::Ask(question) => return self.ask(question),
            Effect::Use(file) => {
                if self.local.use_file(file).is_err() {
                    self.queue.clear();
                    self.handle_event(Event::LocalFailed);
                }
            }
            Effect::Publish { modified } => {
                let published = self.local.publish(modified);
                self.handle_event(published.map_or(Event::LocalFailed, |()| Event::Published));
            }
            Effect::DropPart => self.local.drop_part(),
            Effect::Working { done, of } => self.local.show_server_work(done, of),
            Effect::Note(note) => self.local.show_note(note),
            // `run_dialogue` handles it before it gets here.
            Effect::Done(_) => {}
        }
        Ok(())
    }

    /// Waits for the next line of the server, or for Ctrl-C.
    fn receive(&mut self) -> Result<(), LinkError> {
        match self.link.receive(self.interrupt)? {
            Received::Answered(answered) => self.handle_event(Event::Answered(*answered)),
            Received::Interrupted => self.check_interrupt()?,
        }
        Ok(())
    }

    /// Sends what is queued, then has the question answered.
    fn ask(&mut self, question: Question) -> Result<(), LinkError> {
        self.flush()?;
        let answer = match self.stop_request {
            StopRequest::Made => None,
            StopRequest::None => self.local.ask(question),
        };
        match answer {
            Some(decision) => self.handle_event(Event::Decided(decision)),
            None => {
                self.interrupt.take();
                self.stop();
            }
        }
        Ok(())
    }

    /// Runs a bulk task to its end, burst by burst.
    fn run_task(&mut self, task: Task) -> Result<(), LinkError> {
        self.flush()?;
        if self.stop_request == StopRequest::Made && task != Task::Discard {
            self.handle_event(Event::Stop);
        }
        self.transfer.begin(task, self.link.take_ahead());
        self.local.begin_task(task);
        let mut times = TaskTimes {
            moved: 0,
            stalled_at: self.link.deadline(),
            keepalive_sent: Instant::now(),
        };
        let end = loop {
            if let Some(end) = self.burst(task, &mut times)? {
                break end;
            }
        };
        self.check_interrupt()?;
        self.link.put_back(&self.transfer.take_ahead());
        self.handle_event(Event::Ended(end));
        Ok(())
    }

    /// Runs one burst, then waits for the socket if the burst needs it. Returns the end of the
    /// task, if it was reached.
    fn burst(&mut self, task: Task, times: &mut TaskTimes) -> Result<Option<End>, LinkError> {
        let stop = match (task, self.stop_request) {
            (Task::Discard, _) => &NEVER,
            (_, StopRequest::Made) => &ALWAYS,
            (_, StopRequest::None) => self.interrupt.flag(),
        };
        let burst = match task {
            Task::Digest { .. } => self.link.burst_digest(&mut self.transfer, self.local, stop),
            _ => self.link.burst(&mut self.transfer, self.local, stop),
        };
        self.record_progress(task, times)?;
        let interest = match burst {
            Burst::Finished(end) => return Ok(Some(end)),
            Burst::BudgetSpent => None,
            Burst::WantsRead => Some(Interest::Read),
            Burst::WantsWrite => Some(Interest::Write),
        };
        if let Some(interest) = interest
            && self
                .link
                .wait(interest, times.stalled_at, Some(self.interrupt))?
                == WaitEnd::Interrupted
        {
            self.check_interrupt()?;
        }
        Ok(None)
    }

    /// Shows the progress, extends the deadline if bytes moved, and sends a keepalive when it is
    /// due.
    fn record_progress(&mut self, task: Task, times: &mut TaskTimes) -> Result<(), LinkError> {
        let moved = self.transfer.moved();
        self.local.show_bytes_moved(moved);
        if moved > times.moved {
            times.moved = moved;
            times.stalled_at = self.link.deadline();
        }
        if matches!(task, Task::Digest { .. })
            && times.keepalive_sent.elapsed() >= KEEPALIVE_INTERVAL
        {
            times.keepalive_sent = Instant::now();
            self.handle_event(Event::Tick);
            self.perform_queued()?;
        }
        Ok(())
    }

    /// Carries out the queued effects at once: a keepalive cannot wait for the end of the task.
    fn perform_queued(&mut self) -> Result<(), LinkError> {
        while let Some(effect) = self.queue.pop_front() {
            self.perform(effect)?;
        }
        self.flush()
    }

    /// Waits until all lines are sent.
    fn flush(&mut self) -> Result<(), LinkError> {
        while self.link.flush(self.interrupt)? == WaitEnd::Interrupted {
            self.check_interrupt()?;
        }
        Ok(())
    }

    /// Handles a raised interrupt: the first Ctrl-C stops the dialogue, the second closes the
    /// connection.
    fn check_interrupt(&mut self) -> Result<(), LinkError> {
        if !self.interrupt.take() {
            return Ok(());
        }
        match self.stop_request {
            StopRequest::Made => Err(LinkError::Interrupted),
            StopRequest::None => {
                self.stop();
                Ok(())
            }
        }
    }

    /// Tells the dialogue that the user wants it stopped.
    fn stop(&mut self) {
        self.stop_request = StopRequest::Made;
        self.handle_event(Event::Stop);
    }

    /// Gives an event to the dialogue and queues the effects.
    fn handle_event(&mut self, event: Event) {
        let mut effects = Vec::new();
        self.dialogue.handle(event, &mut effects);
        self.queue.extend(effects);
    }
}

/// The bytes moved by the running task, and the times that depend on them.
struct TaskTimes {
    /// Bytes of the task that are done.
    moved: u64,
    /// When the connection is given up if no byte moves.
    stalled_at: Instant,
    /// When the last keepalive was sent, or the task began.
    keepalive_sent: Instant,
}
