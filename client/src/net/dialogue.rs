//! Runs one dialogue over a link: carries out its effects (lines, transfers, questions) and feeds
//! back what happened. One that was stopped and takes its time can be left, and finished later.

use std::collections::VecDeque;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use skiff_sessions::client::{Decision, Dialogue, Effect, Event, Outcome, Question};
use skiff_sessions::transfer::{Burst, Sink, Source, Task, Transfer};
use skiff_sessions::wire::command::Command;
use skiff_sessions::wire::reply::Refusal;

use super::deadlines::Deadlines;
use super::link::{Interest, Link, LinkError, OtherSignals, Received, WaitEnd, WaitLimits};
use super::local_end::LocalEnd;
use crate::terminal::interrupt::{Interrupt, Press};

/// How often the server, which waits for a digest of this client, is told that the client is alive.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);

/// How long a command that was stopped waits for the server's last word before it leaves the rest
/// to the next one.
const STOP_GRACE: Duration = Duration::from_millis(700);

/// The longest wait for `--limit-rate`; far more than the least rate needs for one burst.
const LIMIT_WAIT_MAX: Duration = Duration::from_secs(3600);

/// How long a dialogue may keep its caller.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Patience {
    /// Until it has ended, or was stopped by Ctrl-C.
    Command,
    /// Until then; and until any signal, for the line editor takes them while a line is typed.
    Until(Instant),
}

/// What became of a dialogue.
#[expect(clippy::large_enum_variant, reason = "one at a time, on the stack")]
pub(crate) enum Ran {
    Ended(Outcome),
    /// It was stopped, and the link is of no use before [`Unfinished::finish`].
    Left(Box<Unfinished>),
}

/// Runs `dialogue` to its end, or until it was stopped and left. `effects` are those that its
/// beginning gave.
///
/// # Errors
///
/// The connection cannot be used any more.
pub(crate) fn run_dialogue(
    link: &mut Link,
    interrupt: &Interrupt,
    patience: Patience,
    (dialogue, effects): (Dialogue, Vec<Effect>),
    local: &mut impl LocalEnd,
) -> Result<Ran, LinkError> {
    let is_new = effects
        .iter()
        .any(|effect| matches!(effect, Effect::Send(_)));
    let is_stopped = patience == Patience::Command && interrupt.is_stopped();
    if is_stopped && is_new {
        return Ok(Ran::Ended(Outcome::Stopped));
    }
    let underway = Underway {
        dialogue,
        queue: effects.into(),
        transfer: Transfer::default(),
        task: None,
        stop_request: StopRequest::None,
        deadlines: Deadlines::begin(Instant::now(), link.timeout()),
    };
    let mut runner = DialogueRunner::new(link, interrupt, patience, local, underway);
    if is_stopped {
        // Its command was sent ahead, so that answers come.
        runner.underway.queue.clear();
        interrupt.take_press();
        runner.stop();
    }
    runner.run()
}

/// A dialogue that was stopped and left before the server had answered all of it.
pub(crate) struct Unfinished {
    underway: Underway,
    local: Unattended,
}

impl Unfinished {
    /// Reads and drops the answers that are still to come. A press of Ctrl-C is at least the second
    /// one for this dialogue.
    pub(crate) fn finish(
        self,
        link: &mut Link,
        interrupt: &Interrupt,
        patience: Patience,
    ) -> Result<Ran, LinkError> {
        let Self {
            mut underway,
            mut local,
        } = self;
        underway.deadlines.renew(Instant::now());
        DialogueRunner::new(link, interrupt, patience, &mut local, underway).run()
    }
}

/// The local end of a dialogue that was left: nothing is published, and of the file there is what
/// the frame under way still needs.
#[derive(Default)]
struct Unattended {
    offset: u64,
    rest: Vec<u8>,
}

impl LocalEnd for Unattended {
    fn ask(&mut self, _: Question) -> Option<Decision> {
        None
    }
}

impl Source for Unattended {
    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<usize, Refusal> {
        let from = offset.checked_sub(self.offset).ok_or(Refusal::Fault)?;
        let from = usize::try_from(from).map_err(|_| Refusal::Fault)?;
        let rest = self.rest.get(from..).ok_or(Refusal::Fault)?;
        let count = rest.len().min(buf.len());
        buf[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }
}

impl Sink for Unattended {
    fn write(&mut self, _: &[u8]) -> Result<(), Refusal> {
        Err(Refusal::Fault)
    }
}

/// Turns the outcomes after which the next line of the server would be ambiguous into errors of the
/// link.
fn check_outcome(outcome: Outcome) -> Result<Outcome, LinkError> {
    match outcome {
        Outcome::Closing(farewell) => Err(LinkError::Closing(farewell.text.into())),
        Outcome::OutOfOrder(odd) => Err(LinkError::OutOfOrder(odd.code, odd.text.into())),
        Outcome::Lost => Err(LinkError::Lost),
        outcome => Ok(outcome),
    }
}

/// All of a dialogue that outlives a call.
struct Underway {
    dialogue: Dialogue,
    queue: VecDeque<Effect>,
    transfer: Transfer,
    task: Option<RunningTask>,
    stop_request: StopRequest,
    deadlines: Deadlines,
}

/// A bulk task, and when it last did something.
struct RunningTask {
    task: Task,
    state: TaskState,
    /// Bytes of the task that are done.
    moved: u64,
    /// When the last keepalive was sent, or the task began.
    keepalive_sent: Instant,
}

/// Whether a task's bytes flow.
#[derive(Clone, Copy, PartialEq, Eq)]
enum TaskState {
    /// The lines before it are being sent.
    Flushing,
    Running,
}

/// Whether the dialogue was told to stop.
#[derive(Clone, Copy, PartialEq, Eq)]
enum StopRequest {
    None,
    Made,
}

/// Whether the caller waits on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stay {
    WaitsOn,
    Leaves,
}

/// A running dialogue and what it runs with.
struct DialogueRunner<'a, L> {
    link: &'a mut Link,
    interrupt: &'a Interrupt,
    local: &'a mut L,
    underway: Underway,
    leave_at: Option<Instant>,
    other_signals: OtherSignals,
}

static ALWAYS: AtomicBool = AtomicBool::new(true);
static NEVER: AtomicBool = AtomicBool::new(false);

impl<'a, L: LocalEnd> DialogueRunner<'a, L> {
    fn new(
        link: &'a mut Link,
        interrupt: &'a Interrupt,
        patience: Patience,
        local: &'a mut L,
        underway: Underway,
    ) -> Self {
        let (leave_at, other_signals) = match patience {
            Patience::Command => (None, OtherSignals::Ignored),
            Patience::Until(time) => (Some(time), OtherSignals::EndTheWait),
        };
        Self {
            link,
            interrupt,
            local,
            underway,
            leave_at,
            other_signals,
        }
    }

    fn run(mut self) -> Result<Ran, LinkError> {
        loop {
            let stay = match self.underway.task.take() {
                Some(task) => self.run_task(task)?,
                None => match self.underway.queue.pop_front() {
                    Some(Effect::Done(outcome)) => {
                        return check_outcome(*outcome).map(Ran::Ended);
                    }
                    Some(effect) => self.perform(effect)?,
                    None => self.receive()?,
                },
            };
            if stay == Stay::Leaves {
                return Ok(Ran::Left(Box::new(self.leave())));
            }
        }
    }

    /// Has the dialogue stopped, and keeps what it needs to be finished later.
    fn leave(mut self) -> Unfinished {
        if self.underway.stop_request == StopRequest::None {
            self.stop();
        }
        let mut local = Unattended::default();
        if let Some((offset, length)) = self.underway.transfer.frame_rest() {
            local.offset = offset;
            local.rest = vec![0; length];
            let mut read = 0;
            while let Ok(count @ 1..) = self
                .local
                .read_at(offset + read as u64, &mut local.rest[read..])
            {
                read += count;
            }
            // The transfer fills the frame up where the file could not be read.
            local.rest.truncate(read);
        }
        Unfinished {
            underway: self.underway,
            local,
        }
    }

    /// Carries out one effect.
    fn perform(&mut self, effect: Effect) -> Result<Stay, LinkError> {
        match effect {
            Effect::Send(command) => {
                if command == Command::Abort {
                    self.underway.deadlines.begin_drain(Instant::now());
                }
                self.link.send(&command);
            }
            Effect::Begin(task) => {
                self.underway.task = Some(RunningTask {
                    task,
                    state: TaskState::Flushing,
                    moved: 0,
                    keepalive_sent: Instant::now(),
                });
            }
            Effect::Ask(question) => return self.ask(question),
            Effect::Use(file) => {
                if self.local.use_file(file).is_err() {
                    self.underway.queue.clear();
                    self.handle_event(Event::LocalFailed);
                }
            }
            Effect::Publish { modified } => {
                let published = self.local.publish(modified);
                // The disk may have taken long.
                self.underway.deadlines.renew(Instant::now());
                self.handle_event(published.map_or(Event::LocalFailed, |()| Event::Published));
            }
            Effect::DropPart => self.local.drop_part(),
            Effect::Working { done, of } => self.local.show_server_work(done, of),
            Effect::Note(note) => self.local.show_note(note),
            // `run` handles it before it gets here.
            Effect::Done(_) => {}
        }
        Ok(Stay::WaitsOn)
    }

    /// Waits for the next line of the server, or for Ctrl-C.
    fn receive(&mut self) -> Result<Stay, LinkError> {
        let limits = self.limits();
        match self
            .link
            .receive(limits)
            .map_err(|error| self.explain(error))?
        {
            Received::Answered(answered) => {
                let (now, deadlines) = (Instant::now(), &mut self.underway.deadlines);
                match answered.code {
                    111 => deadlines.record_work(now, answered.progress),
                    _ => deadlines.renew(now),
                }
                self.check_deadline()?;
                self.handle_event(Event::Answered(*answered));
                self.check_interrupt()
            }
            Received::Interrupted => self.check_interrupt(),
            Received::Left => Ok(Stay::Leaves),
        }
    }

    /// Sends what is queued, then has the question answered.
    fn ask(&mut self, question: Question) -> Result<Stay, LinkError> {
        if self.flush()? == Stay::Leaves {
            self.underway.queue.push_front(Effect::Ask(question));
            return Ok(Stay::Leaves);
        }
        let answer = match self.underway.stop_request {
            StopRequest::Made => None,
            StopRequest::None => self.local.ask(question),
        };
        self.underway.deadlines.renew(Instant::now());
        match answer {
            Some(decision) => self.handle_event(Event::Decided(decision)),
            None => {
                self.interrupt.take_press();
                self.stop();
            }
        }
        Ok(Stay::WaitsOn)
    }

    /// Runs one burst of a task, or sends the lines before it. The task goes back where it has not
    /// ended.
    fn run_task(&mut self, mut running: RunningTask) -> Result<Stay, LinkError> {
        if running.state == TaskState::Flushing {
            // What is sent goes behind the lines in any case.
            let waits = !matches!(running.task, Task::Send { .. });
            if waits && self.flush()? == Stay::Leaves {
                self.underway.task = Some(running);
                return Ok(Stay::Leaves);
            }
            self.begin_task(&mut running);
        }
        let stop = match (running.task, self.underway.stop_request) {
            (Task::Discard, _) => &NEVER,
            (_, StopRequest::Made) => &ALWAYS,
            (_, StopRequest::None) => self.interrupt.flag(),
        };
        if !matches!(running.task, Task::Digest { .. }) && self.wait_for_limit()? == Stay::Leaves {
            self.underway.task = Some(running);
            return Ok(Stay::Leaves);
        }
        let (transfer, local) = (&mut self.underway.transfer, &mut *self.local);
        let burst = match running.task {
            Task::Digest { .. } => self.link.burst_digest(transfer, local, stop),
            _ => self.link.burst(transfer, local, stop),
        };
        self.record_progress(&mut running)?;
        if !matches!(running.task, Task::Digest { .. }) {
            self.check_deadline()?;
        }
        let stay = match burst {
            Burst::Finished(end) => {
                let stay = self.check_interrupt()?;
                self.link.put_back(&self.underway.transfer.take_ahead());
                self.handle_event(Event::Ended(end));
                return Ok(stay);
            }
            Burst::BudgetSpent => self.check_interrupt()?,
            Burst::WantsRead => self.wait(Interest::Read)?,
            Burst::WantsWrite => {
                self.local.record_full();
                self.wait(Interest::Write)?
            }
        };
        self.underway.task = Some(running);
        Ok(stay)
    }

    fn begin_task(&mut self, running: &mut RunningTask) {
        let task = running.task;
        if self.underway.stop_request == StopRequest::Made && task != Task::Discard {
            self.handle_event(Event::Stop);
        }
        let ahead = self.link.take_ahead();
        self.underway.transfer.begin(task, ahead);
        self.local.begin_task(task);
        running.state = TaskState::Running;
        running.keepalive_sent = Instant::now();
        self.underway.deadlines.renew(running.keepalive_sent);
    }

    /// Waits until `--limit-rate` lets bytes go. The server is not to blame for that time.
    fn wait_for_limit(&mut self) -> Result<Stay, LinkError> {
        let limits = WaitLimits {
            deadline: Instant::now() + LIMIT_WAIT_MAX,
            ..self.limits()
        };
        if !self.link.is_held_back() {
            return Ok(Stay::WaitsOn);
        }
        let waited = self.link.wait_for_limit(limits)?;
        self.underway.deadlines.renew(Instant::now());
        match waited {
            WaitEnd::Ready | WaitEnd::Interrupted => self.check_interrupt(),
            WaitEnd::Left => Ok(Stay::Leaves),
        }
    }

    /// Waits for the socket on behalf of a task.
    fn wait(&mut self, interest: Interest) -> Result<Stay, LinkError> {
        let limits = self.limits();
        let waited = self.link.wait(interest, limits);
        match waited.map_err(|error| self.explain(error))? {
            WaitEnd::Ready | WaitEnd::Interrupted => self.check_interrupt(),
            WaitEnd::Left => Ok(Stay::Leaves),
        }
    }

    /// Shows the progress, extends the deadline if bytes moved, and sends a keepalive when it is
    /// due.
    fn record_progress(&mut self, running: &mut RunningTask) -> Result<(), LinkError> {
        let moved = self.underway.transfer.moved();
        self.local.show_bytes_moved(moved);
        if moved > running.moved {
            if !matches!(running.task, Task::Digest { .. }) {
                self.link.count_carried(moved - running.moved);
            }
            running.moved = moved;
            self.underway.deadlines.renew(Instant::now());
        }
        if matches!(running.task, Task::Digest { .. })
            && running.keepalive_sent.elapsed() >= KEEPALIVE_INTERVAL
        {
            running.keepalive_sent = Instant::now();
            self.handle_event(Event::Tick);
            // A keepalive cannot wait for the end of the task, nor does the task wait for it.
            while let Some(effect) = self.underway.queue.pop_front() {
                self.perform(effect)?;
            }
            self.flush()?;
        }
        Ok(())
    }

    /// Waits until all lines are sent.
    fn flush(&mut self) -> Result<Stay, LinkError> {
        loop {
            let limits = self.limits();
            let flushed = self.link.flush(limits);
            match flushed.map_err(|error| self.explain(error))? {
                WaitEnd::Ready => return Ok(Stay::WaitsOn),
                WaitEnd::Interrupted => {
                    self.check_interrupt()?;
                }
                WaitEnd::Left => return Ok(Stay::Leaves),
            }
        }
    }

    /// Handles a press of Ctrl-C: the first stops the dialogue, the second closes the connection.
    fn check_interrupt(&mut self) -> Result<Stay, LinkError> {
        match (self.interrupt.take_press(), self.underway.stop_request) {
            (None, _) => {}
            (Some(Press::First), StopRequest::None) => self.stop(),
            (Some(_), _) => return Err(LinkError::Interrupted),
        }
        let is_late = self.leave_at.is_some_and(|time| time <= Instant::now());
        Ok(if is_late { Stay::Leaves } else { Stay::WaitsOn })
    }

    /// Tells the dialogue to stop.
    fn stop(&mut self) {
        self.underway.stop_request = StopRequest::Made;
        if self.leave_at.is_none() {
            self.leave_at = Some(Instant::now() + STOP_GRACE);
        }
        self.handle_event(Event::Stop);
    }

    /// Gives an event to the dialogue and queues the effects.
    fn handle_event(&mut self, event: Event) {
        let mut effects = Vec::new();
        self.underway.dialogue.handle(event, &mut effects);
        self.underway.queue.extend(effects);
    }

    fn limits(&self) -> WaitLimits<'a> {
        WaitLimits {
            interrupt: self.interrupt,
            deadline: self.underway.deadlines.next(),
            leave_at: self.leave_at,
            other_signals: self.other_signals,
        }
    }

    /// Gives up a server that leaves no time to wait: it sends without end.
    fn check_deadline(&self) -> Result<(), LinkError> {
        match Instant::now() < self.underway.deadlines.next() {
            true => Ok(()),
            false => Err(self.underway.deadlines.missed()),
        }
    }

    /// Says which deadline passed.
    fn explain(&self, error: LinkError) -> LinkError {
        match error {
            LinkError::TimedOut(_) => self.underway.deadlines.missed(),
            error => error,
        }
    }
}
