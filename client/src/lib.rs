//! `skiff`, the line-mode client: a prompt or a script on one end, a session with a `skiffd` server
//! on the other.
//!
//! ```text
//! cli (arguments, login, batch, prompt) -> commands (table) -> transfer (files, trees)
//!                                              |                  |
//!                                              +-----> net <------+
//!                                                       |
//!                              skiff_sessions::client (dialogues), socket, TLS -> server
//! ```
//!
//! Imports run one way: `cli` > `commands` > `transfer` > `net` > `terminal`. Commands use the
//! rest; of the rest only the front ends in `cli` start commands. `skiff_sessions::client` decides
//! what is sent to the server and what its answers mean; this crate owns the socket, the local
//! files, and the terminal.

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
use cli::{args, argv, batch, help, hosts, login, manual, prompt};
use skiff_conf::Pager;
use terminal::columns::{reading_width, reading_width_of_errors, wrap};
use terminal::interrupt::Interrupt;
use terminal::output::{OutputFormat, configure, print_error, print_line};
use terminal::questions::{self, Asker};
use terminal::records::schema;
use terminal::redirect::enable_pager;

/// Runs the program with `arguments` (without the program's name) and returns its exit code. Prints
/// the error that ended it, if any, on standard error.
pub fn run(arguments: Vec<OsString>) -> Exit {
    let parsed = args::parse(arguments).inspect(|invocation| {
        if let Invocation::Connect(args) | Invocation::Hosts(args) = invocation {
            configure(args.format, args.reports());
        }
    });
    let done = parsed.and_then(|invocation| match invocation {
        Invocation::Help => {
            print_line(help::usage(reading_width()).trim_end());
            Ok(())
        }
        Invocation::Version => {
            print_line(commands::account::VERSION);
            Ok(())
        }
        Invocation::Explain(about) => help::explain(about.as_deref()),
        Invocation::Manual => {
            print_line(manual::page().trim_end());
            Ok(())
        }
        Invocation::Completions(shell) => {
            print_line(shell.script().trim_end());
            Ok(())
        }
        Invocation::Schema => {
            print_line(schema().trim_end());
            Ok(())
        }
        Invocation::Hosts(args) => Settings::resolve(*args).map(|settings| hosts::print(&settings)),
        Invocation::Connect(args) => connect(*args),
    });
    match done {
        Ok(()) => Exit::Done,
        Err(error) => {
            if let Some(message) = error.message() {
                let message = format!("skiff: {message}");
                match reading_width_of_errors() {
                    Some(width) => print_error(wrap(&message, width).trim_end()),
                    None => print_error(message),
                }
            }
            error.exit()
        }
    }
}

/// Logs in, then runs the command of the arguments, or the commands of `-c`, of `-f`, of standard
/// input, or of the prompt.
fn connect(mut args: Args) -> Result<(), ProgramError> {
    let commands = std::mem::take(&mut args.commands);
    let script = args.script.take();
    let command = args.argv.take();
    let may_ask = commands.is_empty() && script.is_none() && questions::is_at_terminal();
    let at_prompt = may_ask && command.is_none();
    let has_pages = args.format == OutputFormat::Text;
    let settings = Settings::resolve(args)?;
    if has_pages && settings.pager() == Pager::On {
        enable_pager();
    }
    let interrupt = Interrupt::default();
    interrupt.register().map_err(|cause| ProgramError::Io {
        what: "Ctrl-C".into(),
        cause,
    })?;
    let present = Asker::at_terminal(&interrupt);
    let mut session = login::open_session(&settings, &present, interrupt)?;
    session.asker = if may_ask { present } else { Asker::Nobody };
    if at_prompt {
        // A connection that is lost by now is told to the first command.
        let _ = commands::account::greet(&mut session);
        return prompt::run(session, &settings);
    }
    let done = match (command, script) {
        (Some(command), _) => argv::run(&mut session, &settings, command),
        (None, Some(path)) => batch::run_file(&mut session, &settings, &path),
        (None, None) if commands.is_empty() => batch::run_stdin(&mut session, &settings),
        (None, None) => batch::run_commands(&mut session, &settings, &commands),
    };
    let done = batch::end_jobs(&mut session, done);
    let takes_leave = match done {
        Ok(()) | Err(ProgramError::CommandFailed) => true,
        // Nobody answers, or nobody is to be waited for.
        Err(_) => false,
    };
    if takes_leave {
        session.quit();
    }
    done
}
