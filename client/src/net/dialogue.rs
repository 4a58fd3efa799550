//! Runs one dialogue over a link: its effects become lines, bursts, questions.

use std::collections::VecDeque;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use skiff_sessions::client::{
    Decision, Dialogue, Effect, Event, LocalFile, Note, Outcome, Question,
};
use skiff_sessions::transfer::{Burst, End, File, Task, Transfer};
use skiff_sessions::wire::stamp::Stamp;

use super::link::{Heard, Link, LinkError, Waited, Wanted};
use crate::terminal::interrupt::Interrupt;

/// How often a server that waits for our digest is told that we live.
const SIGN_OF_LIFE: Duration = Duration::from_secs(5);

/// The person's side of one dialogue: the file that its bulk data comes from or
/// goes to, and who is asked.
pub(crate) trait Local: File {
    /// `None` when Ctrl-C was the answer.
    fn ask(&mut self, question: Question) -> Option<Decision> {
        let _ = question;
        Some(Decision::No)
    }

    /// # Errors
    ///
    /// [`Unusable`]; the cause is kept for whoever tells the outcome.
    fn choose(&mut self, file: LocalFile) -> Result<(), Unusable> {
        let _ = file;
        Err(Unusable)
    }

    /// Gives what was received its name.
    ///
    /// # Errors
    ///
    /// As with [`Local::choose`].
    fn publish(&mut self, modified: Option<Stamp>) -> Result<(), Unusable> {
        let _ = modified;
        Err(Unusable)
    }

    fn drop_part(&mut self) {}
    fn note(&mut self, _: Note) {}
    fn began(&mut self, _: Task) {}
    /// Bytes of the task under way so far.
    fn moved(&mut self, _: u64) {}
    /// The server hashes or stores.
    fn working(&mut self, _done: u64, _of: u64) {}
}

/// The local file is of no use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Unusable;

/// Carries `dialogue` to its end. `effects` are those of its beginning.
///
/// # Errors
///
/// The connection cannot be used any more.
pub(crate) fn converse(
    link: &mut Link,
    interrupt: &Interrupt,
    dialogue: Dialogue,
    effects: Vec<Effect>,
    local: &mut impl Local,
) -> Result<Outcome, LinkError> {
    let queue = effects.into();
    let transfer = Transfer::default();
    let mut talk = Talk {
        link,
        interrupt,
        dialogue,
        queue,
        local,
        transfer,
        halt: Halt::No,
    };
    loop {
        match talk.queue.pop_front() {
            Some(Effect::Done(outcome)) => return usable(*outcome),
            Some(effect) => talk.perform(effect)?,
            None => talk.listen()?,
        }
    }
}

/// After some outcomes nobody knows what the next line would mean.
fn usable(outcome: Outcome) -> Result<Outcome, LinkError> {
    match outcome {
        Outcome::Closing(farewell) => Err(LinkError::Closing(farewell.text)),
        Outcome::OutOfOrder(odd) => {
            Err(LinkError::OutOfOrder(format!("{} {}", odd.code, odd.text)))
        }
        Outcome::Lost => Err(LinkError::Lost),
        outcome => Ok(outcome),
    }
}

struct Talk<'a, L> {
    link: &'a mut Link,
    interrupt: &'a Interrupt,
    dialogue: Dialogue,
    queue: VecDeque<Effect>,
    local: &'a mut L,
    transfer: Transfer,
    halt: Halt,
}

/// Whether the person wants it stopped.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Halt {
    No,
    Wanted,
}

static ALWAYS: AtomicBool = AtomicBool::new(true);
static NEVER: AtomicBool = AtomicBool::new(false);

impl<L: Local> Talk<'_, L> {
    fn perform(&mut self, effect: Effect) -> Result<(), LinkError> {
        match effect {
            Effect::Send(command) => self.link.send(&command),
            Effect::Begin(task) => return self.run(task),
            Effect::Ask(question) => return self.ask(question),
            Effect::Use(file) => {
                if self.local.choose(file).is_err() {
                    self.queue.clear();
                    self.tell(Event::LocalFailed);
                }
            }
            Effect::Publish { modified } => {
                let published = self.local.publish(modified);
                self.tell(published.map_or(Event::LocalFailed, |()| Event::Published));
            }
            Effect::DropPart => self.local.drop_part(),
            Effect::Working { done, of } => self.local.working(done, of),
            Effect::Note(note) => self.local.note(note),
            // Looked at by `converse`.
            Effect::Done(_) => {}
        }
        Ok(())
    }

    fn listen(&mut self) -> Result<(), LinkError> {
        match self.link.next(self.interrupt)? {
            Heard::Answered(answered) => self.tell(Event::Answered(*answered)),
            Heard::Interrupted => self.look_at_interrupt()?,
        }
        Ok(())
    }

    fn ask(&mut self, question: Question) -> Result<(), LinkError> {
        self.flush()?;
        let answer = match self.halt {
            Halt::Wanted => None,
            Halt::No => self.local.ask(question),
        };
        match answer {
            Some(decision) => self.tell(Event::Decided(decision)),
            None => {
                self.interrupt.take();
                self.stop();
            }
        }
        Ok(())
    }

    fn run(&mut self, task: Task) -> Result<(), LinkError> {
        self.flush()?;
        if self.halt == Halt::Wanted && task != Task::Discard {
            self.tell(Event::Stop);
        }
        self.transfer.begin(task, self.link.take_ahead());
        self.local.began(task);
        let mut times = Times {
            moved: 0,
            stalled_at: self.link.deadline(),
            told: Instant::now(),
        };
        let end = loop {
            if let Some(end) = self.burst(task, &mut times)? {
                break end;
            }
        };
        self.look_at_interrupt()?;
        self.link.put_back(&self.transfer.take_ahead());
        self.tell(Event::Ended(end));
        Ok(())
    }

    /// One burst, and the wait behind it.
    fn burst(&mut self, task: Task, times: &mut Times) -> Result<Option<End>, LinkError> {
        let stop = match (task, self.halt) {
            (Task::Discard, _) => &NEVER,
            (_, Halt::Wanted) => &ALWAYS,
            (_, Halt::No) => self.interrupt.flag(),
        };
        let burst = match task {
            Task::Digest { .. } => self.link.burst_digest(&mut self.transfer, self.local, stop),
            _ => self.link.burst(&mut self.transfer, self.local, stop),
        };
        self.account(task, times)?;
        let wanted = match burst {
            Burst::Finished(end) => return Ok(Some(end)),
            Burst::BudgetSpent => None,
            Burst::WantsRead => Some(Wanted::Read),
            Burst::WantsWrite => Some(Wanted::Write),
        };
        if let Some(wanted) = wanted
            && self
                .link
                .wait(wanted, times.stalled_at, Some(self.interrupt))?
                == Waited::Interrupted
        {
            self.look_at_interrupt()?;
        }
        Ok(None)
    }

    fn account(&mut self, task: Task, times: &mut Times) -> Result<(), LinkError> {
        let moved = self.transfer.moved();
        self.local.moved(moved);
        if moved > times.moved {
            times.moved = moved;
            times.stalled_at = self.link.deadline();
        }
        if matches!(task, Task::Digest { .. }) && times.told.elapsed() >= SIGN_OF_LIFE {
            times.told = Instant::now();
            self.tell(Event::Tick);
            self.send_what_is_queued()?;
        }
        Ok(())
    }

    /// A sign of life does not wait for the task's end.
    fn send_what_is_queued(&mut self) -> Result<(), LinkError> {
        while let Some(effect) = self.queue.pop_front() {
            self.perform(effect)?;
        }
        self.flush()
    }

    fn flush(&mut self) -> Result<(), LinkError> {
        while self.link.flush(self.interrupt)? == Waited::Interrupted {
            self.look_at_interrupt()?;
        }
        Ok(())
    }

    /// The first Ctrl-C stops the dialogue, the second ends the connection.
    fn look_at_interrupt(&mut self) -> Result<(), LinkError> {
        if !self.interrupt.take() {
            return Ok(());
        }
        match self.halt {
            Halt::Wanted => Err(LinkError::Interrupted),
            Halt::No => {
                self.stop();
                Ok(())
            }
        }
    }

    fn stop(&mut self) {
        self.halt = Halt::Wanted;
        self.tell(Event::Stop);
    }

    fn tell(&mut self, event: Event) {
        let mut effects = Vec::new();
        self.dialogue.handle(event, &mut effects);
        self.queue.extend(effects);
    }
}

/// When a running task last did something.
struct Times {
    moved: u64,
    stalled_at: Instant,
    told: Instant,
}
