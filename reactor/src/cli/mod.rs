//! The command line of `skiffd`: what was typed, what it asks for, and how it ends.
//!
//! | exit status | means |
//! |---|---|
//! | 0 | done |
//! | 1 | it failed, or `check` found something wrong, or the daemon did not do what it was told |
//! | 2 | `check` found that the daemon would not start |
//! | 2 | the command line or the configuration is wrong, and would be wrong again |
//! | 2 | another daemon works on the same folders |
//! | 2 | `run_as` or a wall cannot be had |

mod arguments;
mod check;
mod demo;
mod failure;
mod help;
mod init;
mod manual;
mod operator;
mod reload;
mod roff;
mod settings_text;
mod shells;
mod table;
mod upgrade;
mod user;

#[cfg(feature = "simulation")]
pub(crate) use user::verifier;

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use pico_args::Arguments;
use skiff_conf::Server;

use self::arguments::{split_equals, take_config, take_rest};
use self::check::rehearsal::REHEARSE;
use self::failure::{Failure, tell};
use self::manual::PAGES;
use self::shells::{SHELLS, Shell};
use self::upgrade::TAKE_OVER;
use crate::accounts::elsewhere::helper;
use crate::daemon;
use crate::endpoints::StartedAs;
use crate::hooks::runner;

/// Runs what the process's arguments ask for.
pub fn run() -> ExitCode {
    let mut arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let work = helper_of(arguments.first());
    if let Some(work) = work {
        return match work(arguments.split_off(1)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        };
    }
    match parse(arguments).and_then(perform) {
        Ok(status) => status,
        Err(failure) => {
            // There is nobody left to tell if standard error is gone too.
            let _ = writeln!(io::stderr(), "skiffd: {failure}");
            ExitCode::from(failure.status())
        }
    }
}

/// What a process does that the daemon has started by this word.
fn helper_of(word: Option<&OsString>) -> Option<fn(Vec<OsString>) -> io::Result<()>> {
    match word?.to_str()? {
        helper::HELPER => Some(helper::run),
        runner::HELPER => Some(runner::run),
        _ => None,
    }
}

#[derive(Debug, PartialEq)]
enum Request {
    Help,
    Version,
    Demo(demo::Options),
    Init(PathBuf),
    Serve(PathBuf),
    Check(PathBuf),
    /// What `check` has a process of its own do.
    Rehearse(PathBuf),
    Reload(PathBuf),
    Upgrade(upgrade::Request),
    /// What `upgrade` has a process of its own do.
    TakeOver(upgrade::Request),
    Operator(operator::Request),
    User(Box<user::Request>),
    Completions(Shell),
    Manual,
    SettingsManual,
}

fn parse(arguments: Vec<OsString>) -> Result<Request, Failure> {
    let mut words = Arguments::from_vec(arguments.into_iter().flat_map(split_equals).collect());
    if words.contains(["-h", "--help"]) {
        return Ok(Request::Help);
    }
    if words.contains(["-V", "--version"]) {
        return Ok(Request::Version);
    }
    match words.subcommand()?.as_deref() {
        Some("init") => parse_init(words),
        Some("check") if words.contains(REHEARSE) => parse_settings(words).map(Request::Rehearse),
        Some("check") => parse_settings(words).map(Request::Check),
        Some("reload") => parse_settings(words).map(Request::Reload),
        Some("upgrade") => upgrade::parse(words).map(Request::Upgrade),
        Some("user") => user::parse(words).map(|request| Request::User(Box::new(request))),
        Some(name) if operator::NAMES.contains(&name) => {
            operator::parse(name, words).map(Request::Operator)
        }
        Some("completions") => parse_shell(words).map(Request::Completions),
        Some("man") => parse_page(words),
        Some(other) => {
            let mut known = table::first_words();
            known.retain(|word| !word.starts_with('-'));
            let known = table::enumerate(&known);
            let text = format!("there is no command {other:?}; there are {known}");
            Err(Failure::Usage(text))
        }
        None if words.contains("--demo") => demo::parse(words).map(Request::Demo),
        None if words.contains(TAKE_OVER) => upgrade::parse(words).map(Request::TakeOver),
        None => parse_settings(words).map(Request::Serve),
    }
}

fn parse_init(words: Arguments) -> Result<Request, Failure> {
    let folder = take_rest(words, 1)?.pop();
    folder
        .map(|folder| Request::Init(folder.into()))
        .ok_or_else(|| Failure::Usage("init needs a folder".to_owned()))
}

fn parse_settings(mut words: Arguments) -> Result<PathBuf, Failure> {
    let config = take_config(&mut words)?;
    take_rest(words, 0)?;
    Ok(config)
}

fn parse_shell(words: Arguments) -> Result<Shell, Failure> {
    let shell = take_rest(words, 1)?.pop();
    let shell = shell.and_then(|name| Shell::find(name.to_str()?));
    shell.ok_or_else(|| {
        let known = table::enumerate(&SHELLS);
        Failure::Usage(format!("completions needs a shell; known are {known}"))
    })
}

fn parse_page(words: Arguments) -> Result<Request, Failure> {
    let page = take_rest(words, 1)?.pop();
    let page = page.map(|page| page.to_string_lossy().into_owned());
    match page.as_deref() {
        None | Some("skiffd") => Ok(Request::Manual),
        Some("skiffd.ron") => Ok(Request::SettingsManual),
        Some(other) => {
            let known = table::enumerate(&PAGES);
            Err(Failure::Usage(format!(
                "there is no page {other:?}; there are {known}"
            )))
        }
    }
}

fn perform(request: Request) -> Result<ExitCode, Failure> {
    match request {
        Request::Help => tell(help::text().trim_end())?,
        Request::Version => tell(format_args!("skiffd {}", env!("CARGO_PKG_VERSION")))?,
        Request::Demo(options) => demo::run(&options)?,
        Request::Init(folder) => tell(init::run(&folder)?)?,
        Request::Serve(config) => serve(&config)?,
        Request::Check(config) => return check::run(&config),
        Request::Rehearse(config) => check::rehearsal::run(&config)?,
        Request::Reload(config) => reload::run(&config)?,
        Request::Upgrade(request) => upgrade::run(&request)?,
        Request::TakeOver(request) => return upgrade::take_over(&request),
        Request::Operator(request) => operator::run(&request)?,
        Request::User(request) => user::run(*request)?.iter().try_for_each(tell)?,
        Request::Completions(shell) => tell(shell.script().trim_end())?,
        Request::Manual => tell(manual::program().trim_end())?,
        Request::SettingsManual => tell(manual::settings_page().trim_end())?,
    }
    Ok(ExitCode::SUCCESS)
}

fn serve(config: &Path) -> Result<(), Failure> {
    let config = Server::load(config)?;
    Ok(daemon::run(config, StartedAs::Server, |_| ())?)
}

#[cfg(test)]
mod tests {
    use super::table::{COMMANDS, ValueKind};
    use super::*;

    fn asked(line: &str) -> Result<Request, String> {
        let words = line.split_whitespace().map(OsString::from).collect();
        parse(words).map_err(|failure| {
            assert_eq!(failure.status(), 2, "{failure}");
            failure.to_string()
        })
    }

    #[test]
    fn requests_are_told_apart() {
        let file = || PathBuf::from("s.ron");
        assert_eq!(asked("--config s.ron"), Ok(Request::Serve(file())));
        assert_eq!(asked("--config=s.ron"), Ok(Request::Serve(file())));
        assert_eq!(asked("check --config s.ron"), Ok(Request::Check(file())));
        assert_eq!(asked("reload --config s.ron"), Ok(Request::Reload(file())));
        assert_eq!(asked("init d"), Ok(Request::Init("d".into())));
        assert_eq!(asked("user add --help"), Ok(Request::Help));
        assert_eq!(asked("-V"), Ok(Request::Version));
        assert_eq!(
            asked("completions fish"),
            Ok(Request::Completions(Shell::Fish))
        );
        assert_eq!(asked("man"), Ok(Request::Manual));
        assert_eq!(asked("man skiffd.ron"), Ok(Request::SettingsManual));
        assert!(matches!(asked("--demo d"), Ok(Request::Demo(_))));
        assert!(matches!(
            asked("user list --config s.ron"),
            Ok(Request::User(_))
        ));
    }

    #[test]
    fn what_is_not_understood_is_named() {
        for (line, said) in [
            (
                "serve",
                "there is no command \"serve\"; there are init, check, reload, upgrade, who, top, \
                 kick, bans, unban, quota, stats, drain, user, completions and man",
            ),
            ("completions tcsh", "known are bash, zsh and fish"),
            ("man skiff", "there are skiffd and skiffd.ron"),
            ("--config s.ron --fast", "unknown argument \"--fast\""),
            ("--config s.ron more", "unknown argument \"more\""),
            ("--config", "--config"),
            ("init", "init needs a folder"),
            ("init a b", "unknown argument \"b\""),
            ("init --config s.ron", "unknown argument \"--config\""),
        ] {
            let message = asked(line).unwrap_err();
            assert!(
                message.starts_with(said) || message.contains(said),
                "{line:?}: {message}"
            );
            assert_eq!(message.lines().count(), 1, "{message}");
        }
    }

    /// What a row of the table is given to try it.
    fn sample(value: &table::Value) -> &str {
        match (value.kind, value.syntax) {
            (ValueKind::Words(words), _) => words[0],
            (_, "ADDR") => "127.0.0.1:0",
            _ => "x",
        }
    }

    #[test]
    fn each_command_takes_the_options_of_its_row_and_no_others() {
        for command in COMMANDS {
            let operand = command.operand.as_ref().map(|operand| match operand.kind {
                ValueKind::Words(words) => words[0],
                _ => "x",
            });
            for option in COMMANDS.iter().flat_map(|command| command.options) {
                let mut words = command.words.to_vec();
                // What needs settings is not to look for those of this machine.
                let has_config = command.options.iter().any(|o| o.name == "--config");
                words.extend(has_config.then_some("--config=s.ron"));
                if option.name == "--config" && has_config {
                    continue;
                }
                words.push(option.name);
                words.extend(option.value.as_ref().map(sample));
                words.extend(operand.filter(|_| option.name != "--all"));
                let own = command.options.iter().any(|own| own.name == option.name);
                let line = words.join(" ");
                match asked(&line) {
                    Ok(_) => assert!(own, "skiffd {line}"),
                    // What it says of others may be about what follows them.
                    Err(why) => assert!(!own || !why.contains("unknown argument"), "{why}"),
                }
            }
        }
    }
}
