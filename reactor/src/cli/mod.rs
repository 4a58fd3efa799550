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
mod init;
mod operator;
mod reload;
mod user;

#[cfg(feature = "simulation")]
pub(crate) use user::verifier;

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use pico_args::Arguments;
use skiff_conf::Server;

use self::arguments::{split_equals, take_path, take_rest};
use self::check::rehearsal::REHEARSE;
use self::failure::{Failure, tell};
use crate::daemon;
use crate::endpoints::StartedAs;

const HELP: &str = "\
skiffd: a file server for many users on small machines

  skiffd --demo [DIR]                 try it with no set-up at all: users tom, jerry
                                      and sam, password 123, on this machine only
         [--native ADDR]              listen here instead of 127.0.0.1:8001; port 0
                                      takes a free one
         [--ftp ADDR|off]             the same for FTP, instead of 127.0.0.1:2121
  skiffd init DIR                     make the settings and folders of a new server
  skiffd --config FILE                serve, until SIGTERM or SIGINT
  skiffd check --config FILE          say what is wrong, and what is worth knowing;
                                      exit 2 if the daemon would not start
  skiffd reload --config FILE         have the running daemon read FILE and the
                                      certificate again; exit 1 if it stays as it was

  skiffd who --config FILE [--json]   say who is connected, and what each does
  skiffd top --config FILE            the same every second, until Ctrl-C
  skiffd kick --config FILE SESSION | --user NAME | --address ADDR
                                      end sessions; what came of uploads is kept
  skiffd bans --config FILE [--json]  say who may not log in after failed logins
  skiffd unban --config FILE ADDR | USER | --all
                                      let them log in again
  skiffd quota --config FILE [USER] [--json]
                                      say what homes hold
  skiffd stats --config FILE [--json] say what was counted since the start
  skiffd drain --config FILE [--for 30s]
                                      take no new sessions, let transfers finish, end

  skiffd user add --config FILE NAME [--quota 800MB] [--entries N] [--home DIR]
                                     [--read-only] [--passwd on|off|default]
                                     [FTP] [--password-stdin]
  skiffd user passwd --config FILE NAME [--password-stdin] [--keep-sessions]
  skiffd user set --config FILE NAME [--quota 800MB|default] [--entries N|default]
                                     [--read-only|--read-write] [--disable|--enable]
                                     [--passwd on|off|default] [FTP]
                                     [--keep-sessions]
  skiffd user del --config FILE NAME [--keep-sessions]
  skiffd user list --config FILE
  skiffd user recount --config FILE NAME|--all
                                      count homes at once, if a daemon runs

  --help, --version

FTP: [--ftp on|off]                             whether the user may log in by it
     [--data-close-notify require|prefer|warn|default]
                                                an upload over TLS that just ends is
                                                refused, or stored if its client is
                                                still there, or stored
     [--publish-on-lost-control on|off|default] store an upload though its client hung
                                                up, as some cameras do
Sessions under way end when their user could not log in any more as they did, unless
--keep-sessions; what a user may do and store holds for them at once.
--passwd is whether the user may change the password with skiff; by default, who may
write may, and who may only read may not.
A password is asked for on the terminal, or is the first line of standard input.
A relative --home is relative to the folder of the homes.
A quota is a size with its unit, such as 800MB or 1GiB, or unlimited; N files,
directories and links may be unlimited too.
";

/// Runs what the process's arguments ask for.
pub fn run() -> ExitCode {
    let arguments = std::env::args_os().skip(1).collect();
    match parse(arguments).and_then(perform) {
        Ok(status) => status,
        Err(failure) => {
            // There is nobody left to tell if standard error is gone too.
            let _ = writeln!(io::stderr(), "skiffd: {failure}");
            ExitCode::from(failure.status())
        }
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
    Operator(operator::Request),
    User(user::Request),
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
        Some("user") => user::parse(words).map(Request::User),
        Some(name) if operator::NAMES.contains(&name) => {
            operator::parse(name, words).map(Request::Operator)
        }
        Some(other) => Err(Failure::Usage(format!(
            "there is no command {other:?}; there are init, check, reload, user, {}",
            operator::NAMES.join(", ")
        ))),
        None if words.contains("--demo") => demo::parse(words).map(Request::Demo),
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
    let config = take_path(&mut words, "--config")?;
    take_rest(words, 0)?;
    config.ok_or_else(|| Failure::Usage("nothing to do: give --demo or --config FILE".to_owned()))
}

fn perform(request: Request) -> Result<ExitCode, Failure> {
    match request {
        Request::Help => tell(HELP.trim_end())?,
        Request::Version => tell(format_args!("skiffd {}", env!("CARGO_PKG_VERSION")))?,
        Request::Demo(options) => demo::run(&options)?,
        Request::Init(folder) => tell(init::run(&folder)?)?,
        Request::Serve(config) => serve(&config)?,
        Request::Check(config) => return check::run(&config),
        Request::Rehearse(config) => check::rehearsal::run(&config)?,
        Request::Reload(config) => reload::run(&config)?,
        Request::Operator(request) => operator::run(&request)?,
        Request::User(request) => user::run(request)?.iter().try_for_each(tell)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn serve(config: &Path) -> Result<(), Failure> {
    let config = Server::load(config)?;
    Ok(daemon::run(config, StartedAs::Server, |_| ())?)
}

#[cfg(test)]
mod tests {
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
        assert!(matches!(asked("--demo d"), Ok(Request::Demo(_))));
        assert!(matches!(
            asked("user list --config s.ron"),
            Ok(Request::User(_))
        ));
    }

    #[test]
    fn what_is_not_understood_is_named() {
        for (line, said) in [
            ("", "nothing to do: give --demo or --config FILE"),
            ("check", "nothing to do: give --demo or --config FILE"),
            ("serve", "there is no command \"serve\""),
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
}
