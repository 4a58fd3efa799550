//! Implements jobs in the background: `&` behind a transfer, `jobs`, `wait`, `kill`.

use super::expand::expand_args;
use super::lexer::Word;
use super::spec::{CommandSpec, OutputKind, ParsedArgs};
use crate::net::command_error::{CommandError, CommandResult};
use crate::net::jobs::{Job, JobWait};
use crate::net::session::Session;
use crate::terminal::format::{count, escape_name};
use crate::terminal::job_output::JobLine;
use crate::terminal::output::{print_error, print_line, print_note};

/// What a job is to leave its user with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Leave {
    Stays,
    Goes,
}

/// Runs a command in the background.
pub(super) fn begin(
    session: &mut Session,
    command: &'static CommandSpec,
    args: ParsedArgs,
    words: &[Word],
) -> CommandResult {
    if command.output != OutputKind::Transfer {
        return Err(CommandError::refused(
            command.name,
            "only get, put and sync run in the background",
        ));
    }
    let shown = words.iter().map(|word| escape_name(word.as_bytes()));
    let line = shown.collect::<Vec<_>>().join(" ");
    let work = move |session: &mut Session| {
        let args = expand_args(session, command, args)?;
        (command.run)(session, &args)
    };
    let further = session.further();
    let number = session.jobs.begin(line.clone(), further, work)?;
    print_note(format_args!("[{number}] {line}"));
    Ok(())
}

/// `jobs`: says how far each is.
pub(crate) fn jobs(session: &mut Session, _: &ParsedArgs) -> CommandResult {
    tell_ended(session);
    for job in session.jobs.iter() {
        match job.output.progress() {
            Some(progress) => print_line(format_args!("[{}] {}: {progress}", job.number, job.line)),
            None => print_line(format_args!("[{}] {}", job.number, job.line)),
        }
    }
    Ok(())
}

/// `wait`: waits for one job, or for all.
pub(crate) fn wait(session: &mut Session, args: &ParsedArgs) -> CommandResult {
    let interrupt = session.interrupt.clone();
    let waited = match args.words.first() {
        Some(word) => find(session, word)?.wait(&interrupt),
        None => session.jobs.wait_for_all(&interrupt),
    };
    match (tell_ended(session), waited) {
        (_, JobWait::GivenUp) => Err(CommandError::Stopped("stopped; the jobs run on".into())),
        (0, JobWait::Ended) => Ok(()),
        (failed, JobWait::Ended) => {
            let jobs = count(failed, "job has", "jobs have");
            Err(CommandError::Refused(format!("{jobs} failed")))
        }
    }
}

/// `kill`: stops jobs, as Ctrl-C would; what they did is gone on with when they are typed again.
pub(crate) fn kill(session: &mut Session, args: &ParsedArgs) -> CommandResult {
    for word in &args.words {
        find(session, word)?.stop();
    }
    Ok(())
}

/// Finds the job that is meant by `%1` or `1`.
fn find<'a>(session: &'a mut Session, word: &Word) -> Result<&'a mut Job, CommandError> {
    let text = word.to_text();
    let number = text.strip_prefix('%').unwrap_or(&text).parse().ok();
    let job = number.and_then(|number| session.jobs.find(number));
    job.ok_or_else(|| {
        CommandError::refused(escape_name(word.as_bytes()), "no such job; jobs lists them")
    })
}

/// Prints what jobs have said that have ended by now, and how they ended; returns how many failed.
pub(crate) fn tell_ended(session: &mut Session) -> u64 {
    let mut failed = 0;
    for (job, result) in session.jobs.take_ended() {
        for line in job.output.take_lines() {
            match line {
                JobLine::Result(line) => print_line(line),
                JobLine::Error(line) => print_error(line),
            }
        }
        let why = match result {
            Ok(()) => {
                print_note(format_args!("[{}] {}: done", job.number, job.line));
                continue;
            }
            Err(
                CommandError::Refused(why)
                | CommandError::Local(why)
                | CommandError::NoRoom(why)
                | CommandError::Stopped(why),
            ) => why,
            Err(CommandError::SessionEnded(cause)) => cause.to_string(),
            Err(CommandError::Quit | CommandError::Open(_)) => "left".into(),
        };
        failed += 1;
        print_error(format_args!("[{}] {}: {why}", job.number, job.line));
    }
    failed
}

/// Asks whether jobs that run are to be stopped, since the user leaves, and stops them.
pub(crate) fn leave(session: &mut Session) -> Leave {
    let running = session.jobs.running() as u64;
    if running > 0 {
        let jobs = count(running, "job runs", "jobs run");
        let question = format!("{jobs}; stop and leave?");
        // Whoever cannot be asked is gone.
        if session.asker.confirm(&question, true) == Some(false) {
            return Leave::Stays;
        }
        session.jobs.stop_all();
        session.interrupt.begin_command();
        let interrupt = session.interrupt.clone();
        session.jobs.wait_for_all(&interrupt);
    }
    tell_ended(session);
    Leave::Goes
}
