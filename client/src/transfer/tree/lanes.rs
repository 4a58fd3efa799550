//! Spreads the work of a tree over several sessions (`-j`): one walks, and all of them transfer.

use std::sync::{Mutex, PoisonError};
use std::thread;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};

use crate::net::command_error::{CommandError, CommandResult};
use crate::net::further::FurtherSession;
use crate::net::link::LinkError;
use crate::net::session::Session;
use crate::terminal::format::escape_name;
use crate::terminal::interrupt::OtherInterrupt;
use crate::terminal::job_output;
use crate::terminal::output::print_error;

/// What does one batch of jobs with a session.
pub(super) type Work<'a, J> = dyn Fn(&mut Session, Vec<J>) -> CommandResult + Sync + 'a;

/// Where the walk gives its work to.
pub(super) struct Lanes<'a, J> {
    work: &'a Work<'a, J>,
    give: Sender<Vec<J>>,
    take: Receiver<Vec<J>>,
    failure: &'a Failure,
}

/// What ended the work of one of the sessions, and so that of all.
#[derive(Default)]
struct Failure(Mutex<Option<CommandError>>);

/// Runs `walk`, and what it gives to its lanes on `sessions` sessions, the walk's own among them. It
/// returns when all of it is done.
///
/// # Errors
///
/// The first error of any session; work that was not begun by then is left.
pub(super) fn with_lanes<J: Send>(
    session: &mut Session,
    sessions: usize,
    work: &Work<'_, J>,
    walk: impl FnOnce(&mut Session, &Lanes<'_, J>) -> CommandResult,
) -> CommandResult {
    let failure = Failure::default();
    thread::scope(|scope| {
        // Without others nothing waits: the walk works itself.
        let (give, take) = bounded(sessions - 1);
        for _ in 1..sessions {
            let (further, take, failure) = (session.further(), take.clone(), &failure);
            let interrupt = OtherInterrupt::beside(&session.interrupt);
            let job = job_output::current();
            scope.spawn(move || {
                let _entered = job_output::enter(job);
                match interrupt {
                    Ok(interrupt) => serve(further, &interrupt, &take, work, failure),
                    Err(error) => print_error(format_args!("one session less: {error}")),
                }
            });
        }
        let lanes = Lanes {
            work,
            give,
            take,
            failure: &failure,
        };
        let walked = walk(session, &lanes).and_then(|()| lanes.finish(session));
        if let Err(error) = walked {
            failure.record(error);
        }
        // The channel ends with the lanes, and the others with it.
    });
    failure.into_result()
}

/// Does the work of one further session.
fn serve<J>(
    further: FurtherSession,
    interrupt: &OtherInterrupt,
    take: &Receiver<Vec<J>>,
    work: &Work<'_, J>,
    failure: &Failure,
) {
    let mut session = match further.open(interrupt.share()) {
        Ok(session) => session,
        Err(CommandError::SessionEnded(LinkError::Interrupted)) => return,
        // The others do its work.
        Err(CommandError::SessionEnded(cause)) => {
            return print_error(format_args!("one session less: {cause}"));
        }
        Err(
            CommandError::Refused(why)
            | CommandError::Local(why)
            | CommandError::NoRoom(why)
            | CommandError::Stopped(why),
        ) => {
            return print_error(format_args!(
                "one session less: {}",
                escape_name(why.as_bytes())
            ));
        }
        Err(CommandError::Quit | CommandError::Open(_)) => return,
    };
    while let Ok(batch) = take.recv() {
        if failure.is_recorded() {
            break;
        }
        if let Err(error) = work(&mut session, batch) {
            return failure.record(error);
        }
    }
    session.quit();
}

impl<J> Lanes<'_, J> {
    /// Gives one batch to a session that is free, or does it with this one.
    ///
    /// # Errors
    ///
    /// Errors that end the walk, those of other sessions among them.
    pub(super) fn give(&self, session: &mut Session, batch: Vec<J>) -> CommandResult {
        self.failure.check()?;
        match self.give.try_send(batch) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(batch) | TrySendError::Disconnected(batch)) => {
                (self.work)(session, batch)
            }
        }
    }

    /// Does what nobody has taken.
    fn finish(&self, session: &mut Session) -> CommandResult {
        while let Ok(batch) = self.take.try_recv() {
            self.failure.check()?;
            (self.work)(session, batch)?;
        }
        Ok(())
    }
}

impl Failure {
    fn is_recorded(&self) -> bool {
        self.lock().is_some()
    }

    /// Keeps the first one.
    fn record(&self, error: CommandError) {
        self.lock().get_or_insert(error);
    }

    /// Ends the walk after a failure of another session, whose error is told instead.
    fn check(&self) -> CommandResult {
        match self.is_recorded() {
            true => Err(CommandError::Stopped("stopped".into())),
            false => Ok(()),
        }
    }

    fn into_result(self) -> CommandResult {
        let first = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        first.map_or(Ok(()), Err)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<CommandError>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
