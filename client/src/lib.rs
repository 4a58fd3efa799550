//! `skiff`, the person's side: a prompt or a script on one end, a session with
//! `skiffd` on the other.
//!
//! ```text
//! prompt, batch -> words -> verbs -> commands -> converse -> link -> server
//!                                        |           |
//!                               download, upload   sessions::client (the dialogues)
//! ```
//!
//! What is said to the server, and what its answers mean, `skiff_sessions::client`
//! decides; here are the socket, the files, the terminal.

mod cli;
mod commands;
mod net;
mod terminal;
mod transfer;

use std::ffi::OsString;

use cli::args::{Args, Invocation};
use cli::error::ProgramError;
pub use cli::exit::Exit;
use cli::settings::Settings;
use cli::{args, batch, login, prompt};
use terminal::interrupt::Interrupt;
use terminal::output::{print_error, print_line};
use terminal::questions::{self, Asker};

/// Does what the arguments behind the program's name say.
pub fn run(arguments: Vec<OsString>) -> Exit {
    let done = args::parse(arguments).and_then(|invocation| match invocation {
        Invocation::Help => {
            print_line(args::help().trim_end());
            Ok(())
        }
        Invocation::Version => {
            print_line(commands::account::VERSION);
            Ok(())
        }
        Invocation::Connect(args) => connect(*args),
    });
    match done {
        Ok(()) => Exit::Done,
        Err(error) => {
            if !matches!(error, ProgramError::CommandFailed) {
                print_error(format_args!("skiff: {error}"));
            }
            error.exit()
        }
    }
}

fn connect(mut args: Args) -> Result<(), ProgramError> {
    let commands = std::mem::take(&mut args.commands);
    let script = args.script.take();
    let at_prompt = commands.is_empty() && script.is_none() && questions::is_at_terminal();
    let settings = Settings::resolve(args)?;
    let interrupt = Interrupt::default();
    let present = Asker::Terminal(interrupt.clone());
    let at_login = if questions::is_at_terminal() {
        &present
    } else {
        &Asker::Nobody
    };
    let mut session = login::open_session(&settings, at_login, interrupt.clone())?;
    session.asker = if at_prompt { present } else { Asker::Nobody };
    // Until here Ctrl-C ends the program: there is nothing to stop yet.
    interrupt.register().map_err(|cause| ProgramError::Io {
        what: "Ctrl-C".into(),
        cause,
    })?;
    if at_prompt {
        return prompt::run(session);
    }
    let done = match script {
        Some(path) => batch::run_file(&mut session, &path),
        None if commands.is_empty() => batch::run_stdin(&mut session),
        None => batch::run_commands(&mut session, &commands),
    };
    if !matches!(done, Err(ProgramError::Connection { .. })) {
        session.quit();
    }
    done
}
