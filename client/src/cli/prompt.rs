//! Runs the interactive prompt, with line editing, history and completion.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use linefeed::{DefaultTerminal, Interface, ReadResult, Signal};

use super::completion::{CommandCompleter, SharedSession};
use super::error::ProgramError;
use super::history;
use super::keep_alive::KeepAlive;
use super::login;
use super::settings::Settings;
use crate::commands::dispatch;
use crate::commands::jobs::{self, Leave};
use crate::commands::lexer;
use crate::net::command_error::CommandError;
use crate::net::known_hosts::host_and_port;
use crate::net::session::Session;
use crate::terminal::format::{IoCause, escape_path, format_reply};
use crate::terminal::lines::{HISTORY_MAX, History};
use crate::terminal::output::{print_error, print_line, print_reply};

/// Reads and runs commands until the user quits or standard input ends. The file of
/// history has the lines that were typed before.
pub(crate) fn run(mut session: Session, settings: &Settings) -> Result<(), ProgramError> {
    if let Some(folder) = settings.local_directory() {
        change_local_directory(folder);
    }
    match History::load(settings.history.clone()) {
        Ok(history) => session.lines.history = history,
        Err(error) => tell_history_error(settings, &error),
    }
    let past = session.lines.history.lines().to_vec();
    let session = Arc::new(Mutex::new(session));
    let terminal_error = |cause| ProgramError::Io {
        what: "the terminal".into(),
        cause,
    };
    let prompt = Interface::new("skiff").map_err(terminal_error)?;
    prompt.set_report_signal(Signal::Interrupt, true);
    prompt.set_history_size(HISTORY_MAX);
    prompt.set_completer(Arc::new(CommandCompleter::new(
        Arc::clone(&session),
        settings.host_names(),
    )));
    for line in past {
        prompt.add_history(line);
    }
    let keep_alive = KeepAlive::begin(&session);
    let ended = read_and_run(&prompt, &session, settings);
    keep_alive.end();
    drop(prompt);
    if ended.is_ok()
        && let Some(session) = Arc::into_inner(session)
    {
        let session = session.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(goodbye) = session.quit() {
            print_reply(&format_reply(&goodbye));
        }
    }
    ended
}

/// The loop of the prompt: reads a line, runs it, until `quit` or the end of input.
fn read_and_run(
    prompt: &Interface<DefaultTerminal>,
    session: &SharedSession,
    settings: &Settings,
) -> Result<(), ProgramError> {
    let terminal_error = |cause| ProgramError::Io {
        what: "the terminal".into(),
        cause,
    };
    loop {
        jobs::tell_ended(&mut lock(session));
        prompt
            .set_prompt(&lock(session).prompt_text())
            .map_err(terminal_error)?;
        match prompt.read_line().map_err(terminal_error)? {
            ReadResult::Input(line) => {
                remember(prompt, &mut lock(session), settings, &line);
                let session = &mut lock(session);
                if run_line(session, settings, &line) == NextStep::Leave
                    && jobs::leave(session) == Leave::Goes
                {
                    return Ok(());
                }
            }
            ReadResult::Eof => {
                print_line("");
                if jobs::leave(&mut lock(session)) == Leave::Goes {
                    return Ok(());
                }
            }
            ReadResult::Signal(_) => {
                prompt.cancel_read_line().map_err(terminal_error)?;
                print_line("");
            }
        }
    }
}

/// Keeps a line for later, here and in the file, unless it may hold a secret.
fn remember(
    prompt: &Interface<DefaultTerminal>,
    session: &mut Session,
    settings: &Settings,
    line: &str,
) {
    if !history::is_kept(line) {
        return;
    }
    prompt.add_history_unique(line.to_owned());
    if let Err(error) = session.lines.history.add(line) {
        tell_history_error(settings, &error);
    }
}

fn tell_history_error(settings: &Settings, error: &io::Error) {
    let path = settings.history.as_deref().map(escape_path);
    let path = path.unwrap_or_default();
    print_error(format_args!("{path}: {}", IoCause(error)));
}

/// Whether the prompt reads another line.
#[derive(PartialEq, Eq)]
enum NextStep {
    Continue,
    Leave,
}

/// Runs the commands of one line and prints their errors. A command that fails skips those behind
/// it on the line, unless a `-` stands before it; so does Ctrl-C in any case.
fn run_line(session: &mut Session, settings: &Settings, line: &str) -> NextStep {
    let commands = match lexer::parse_commands(line, &session.lines.aliases) {
        Ok(commands) => commands,
        Err(error) => {
            print_error(error);
            return NextStep::Continue;
        }
    };
    session.begin_command();
    for typed in commands {
        let mut skips_others = typed.on_failure == lexer::OnFailure::Stop;
        match dispatch::run(session, &typed) {
            Ok(()) => skips_others = false,
            Err(CommandError::Quit) => return NextStep::Leave,
            Err(CommandError::Open(target)) => {
                match login::open_another(session, settings, target.as_deref()) {
                    Ok(new) => {
                        skips_others = false;
                        if let Some(folder) = new.local_directory() {
                            change_local_directory(folder);
                        }
                    }
                    Err(error) => print_error(error.message().unwrap_or_else(|| "stopped".into())),
                }
            }
            // The program stays: what is on this machine can still be done.
            Err(CommandError::SessionEnded(cause)) => {
                let server = host_and_port(&session.account.server);
                print_error(format_args!("{server}: {cause}"));
            }
            Err(
                CommandError::Refused(why)
                | CommandError::Local(why)
                | CommandError::NoRoom(why)
                | CommandError::Stopped(why),
            ) => print_error(why),
        }
        if skips_others || session.interrupt.is_stopped() {
            break;
        }
    }
    NextStep::Continue
}

/// Goes where the settings let the prompt begin here.
fn change_local_directory(folder: &Path) {
    if let Err(error) = std::env::set_current_dir(folder) {
        print_error(format_args!("{}: {}", escape_path(folder), IoCause(&error)));
    }
}

fn lock(session: &SharedSession) -> std::sync::MutexGuard<'_, Session> {
    session.lock().unwrap_or_else(PoisonError::into_inner)
}
