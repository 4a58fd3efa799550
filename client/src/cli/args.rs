//! Parses the command-line arguments; [`settings`](super::settings) merges them with `client.ron`.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::str::FromStr;

use skiff_conf::{Bytes, HostPort, Pager, Tls};
use skiff_sessions::digest::Algorithm;

use super::argv::{self, ArgvCommand, Form, Given};
use super::error::ProgramError;
use super::options::{Argument, Arguments};
use super::shells::Shell;
use crate::commands::options::OptionId;
use crate::net::connect::Family;
use crate::net::known_hosts::TrustPolicy;
use crate::net::trace::Trace;
use crate::terminal::format::DigestForm;
use crate::terminal::output::{OutputFormat, Reports};

/// What the arguments ask the program to do.
#[derive(PartialEq, Eq, Debug)]
pub(crate) enum Invocation {
    Help,
    Version,
    /// Print the hosts of the settings.
    Hosts(Box<Args>),
    /// Print the schema of the lines of `--json`.
    Schema,
    Manual,
    /// Explain a command or a topic, or tell which there are.
    Explain(Option<String>),
    /// Print what completes the program in a shell.
    Completions(Shell),
    Connect(Box<Args>),
}

/// The parsed options; `None` where the settings file or a default decides.
#[derive(Default, PartialEq, Eq, Debug)]
pub(crate) struct Args {
    pub target: Option<Target>,
    pub user: Option<String>,
    /// The `-c` options, in order; each may hold several commands.
    pub commands: Vec<String>,
    /// The file of `-f`.
    pub script: Option<PathBuf>,
    /// The command that is given as arguments.
    pub argv: Option<ArgvCommand>,
    /// The settings file of `--config`.
    pub config: Option<PathBuf>,
    pub password: PasswordSource,
    pub tls: Option<Tls>,
    pub trust: TrustPolicy,
    pub digest: Option<Algorithm>,
    pub progress: ProgressOption,
    /// How often a lost connection is made again.
    pub retries: Option<u32>,
    /// Whether a person sees digests whole (`--verbose`).
    pub digest_form: DigestForm,
    pub trace: Trace,
    pub format: OutputFormat,
    pub pager: Pager,
    pub family: Family,
    /// The most bytes of transfers a second.
    pub rate: Option<Bytes>,
}

/// The server that is connected to, written `[user@]host[:port]`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Target {
    pub user: Option<String>,
    pub server: HostPort,
    /// What was written for the server where that may be the name of a host of the settings: it has
    /// no port.
    pub alias: Option<String>,
}

/// Where the password is read from.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(crate) enum PasswordSource {
    /// The file that the settings name, else the terminal.
    #[default]
    Settings,
    /// The first line of standard input.
    Stdin,
    /// The first line of this file.
    File(PathBuf),
}

/// Whether anything is shown that was not asked for (`--quiet`).
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) enum ProgressOption {
    #[default]
    Shown,
    Quiet,
}

/// Parses `arguments`, which do not include the program's name. The first that is no option is a
/// server, or a command with all that stands behind it.
///
/// # Errors
///
/// [`ProgramError::Usage`] where an option is unknown, malformed, or excludes another one.
pub(crate) fn parse(arguments: Vec<OsString>) -> Result<Invocation, ProgramError> {
    let mut arguments = Arguments::new(arguments);
    let mut args = Args::default();
    let mut given: Vec<OptionId> = Vec::new();
    while let Some(argument) = arguments.next().map_err(ProgramError::Usage)? {
        match argument {
            Argument::Option(option, value) => {
                match option.id {
                    OptionId::Help => return Ok(Invocation::Help),
                    OptionId::Version => return Ok(Invocation::Version),
                    id if id != OptionId::Commands && given.contains(&id) => {
                        return Err(usage(format_args!("{}: given twice", option.syntax())));
                    }
                    id => given.push(id),
                }
                args.apply(option.id, &value).map_err(ProgramError::Usage)?;
            }
            Argument::Free(word) => match (&args.target, argv::find(&word)) {
                (None, Some(form)) => return with_form(args, form, arguments.rest()),
                (None, None) => args.target = Some(parse_target(&word)?),
                (Some(_), _) => {
                    return Err(usage(format_args!("{}: not understood", word.display())));
                }
            },
        }
    }
    args.check().map_err(ProgramError::Usage)?;
    Ok(Invocation::Connect(Box::new(args)))
}

/// Parses what stands behind a command.
fn with_form(
    mut args: Args,
    form: &'static Form,
    behind: Vec<OsString>,
) -> Result<Invocation, ProgramError> {
    if behind.iter().any(|argument| argument == "--help") {
        return Ok(Invocation::Explain(Some(form.name.to_owned())));
    }
    args.check().map_err(ProgramError::Usage)?;
    let name = form.name;
    if args.script.is_some() || !args.commands.is_empty() {
        return Err(usage(format_args!("-c, -f and {name}: give one of them")));
    }
    match argv::parse(form, &behind)? {
        Given::Hosts => Ok(Invocation::Hosts(Box::new(args))),
        Given::Schema => Ok(Invocation::Schema),
        Given::Manual => Ok(Invocation::Manual),
        Given::Help(about) => Ok(Invocation::Explain(about)),
        Given::Completions(shell) => Ok(Invocation::Completions(shell)),
        Given::Command(target, command) => {
            args.target = Some(target);
            args.argv = Some(*command);
            Ok(Invocation::Connect(Box::new(args)))
        }
    }
}

fn parse_target(word: &OsStr) -> Result<Target, ProgramError> {
    let text = word
        .to_str()
        .ok_or_else(|| usage(format_args!("{}: not UTF-8", word.display())))?;
    text.parse().map_err(ProgramError::Usage)
}

/// The least rate: servers give up what gets on more slowly.
const RATE_MIN: Bytes = Bytes::new(1000);

impl Args {
    /// Takes an option in; `Err` says what is wrong with its value.
    fn apply(&mut self, id: OptionId, value: &OsStr) -> Result<(), String> {
        let text = || {
            let text = value.to_str().map(str::to_owned);
            text.ok_or_else(|| format!("{}: not UTF-8", value.display()))
        };
        match id {
            OptionId::Commands => self.commands.push(text()?),
            OptionId::Script => self.script = Some(value.into()),
            OptionId::User => self.user = Some(text()?),
            OptionId::PasswordStdin | OptionId::PasswordFile => {
                if self.password != PasswordSource::Settings {
                    return Err("--password-stdin and --password-file: give one of them".into());
                }
                self.password = match id {
                    OptionId::PasswordStdin => PasswordSource::Stdin,
                    _ => PasswordSource::File(value.into()),
                };
            }
            OptionId::Tls => self.tls = Some(parse_tls(&text()?)?),
            OptionId::Trust => self.trust = parse_trust(&text()?)?,
            OptionId::Digest => self.digest = Some(parse_digest(&text()?)?),
            OptionId::Retry => self.retries = Some(parse_retries(&text()?)?),
            OptionId::Quiet => self.progress = ProgressOption::Quiet,
            OptionId::Verbose => {
                self.digest_form = DigestForm::Whole;
                self.trace = Trace::Shown;
            }
            OptionId::NoPager => self.pager = Pager::Off,
            OptionId::Json => self.format = OutputFormat::Json,
            OptionId::Ipv4 | OptionId::Ipv6 => {
                if self.family != Family::Any {
                    return Err("-4 and -6: give one of them".into());
                }
                self.family = match id {
                    OptionId::Ipv4 => Family::V4,
                    _ => Family::V6,
                };
            }
            OptionId::LimitRate => self.rate = Some(parse_rate(&text()?)?),
            OptionId::Config => self.config = Some(value.into()),
            // They are answered where they are read.
            OptionId::Help | OptionId::Version => {}
        }
        Ok(())
    }

    /// Whether anything is printed that was not asked for.
    pub(crate) fn reports(&self) -> Reports {
        match self.progress {
            ProgressOption::Shown => Reports::Shown,
            ProgressOption::Quiet => Reports::Silent,
        }
    }

    /// Looks for options that exclude one another.
    fn check(&self) -> Result<(), String> {
        match self.script.is_some() && !self.commands.is_empty() {
            true => Err("-c and -f: give one of them".into()),
            false => Ok(()),
        }
    }
}

fn parse_tls(text: &str) -> Result<Tls, String> {
    match text.to_ascii_lowercase().as_str() {
        "on" => Ok(Tls::On),
        "off" => Ok(Tls::Off),
        _ => Err("write --tls on or --tls off".into()),
    }
}

fn parse_trust(text: &str) -> Result<TrustPolicy, String> {
    if text == "new" {
        return Ok(TrustPolicy::New);
    }
    text.parse()
        .map(TrustPolicy::Only)
        .map_err(|_| "write --trust new, or the 64 hexadecimal digits of a SHA-256".into())
}

fn parse_digest(text: &str) -> Result<Algorithm, String> {
    let known = Algorithm::verifying(&text.to_ascii_lowercase());
    known.ok_or_else(|| "write --digest md5 or --digest sha256".into())
}

fn parse_retries(text: &str) -> Result<u32, String> {
    text.parse()
        .map_err(|_| "write --retry with a number; 0 never connects again".into())
}

/// Parses a number of bytes a second, such as `500kB`; `/s` may stand behind it.
fn parse_rate(text: &str) -> Result<Bytes, String> {
    let rate: Bytes = text
        .strip_suffix("/s")
        .unwrap_or(text)
        .parse()
        .map_err(|bad: skiff_conf::BadValue| format!("--limit-rate: {bad}"))?;
    match rate >= RATE_MIN {
        true => Ok(rate),
        false => Err(format!("--limit-rate {text}: write {RATE_MIN} or more")),
    }
}

fn usage(why: std::fmt::Arguments<'_>) -> ProgramError {
    ProgramError::Usage(why.to_string())
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (user, server) = match text.rsplit_once('@') {
            Some((user, server)) => (Some(user.to_owned()), server),
            None => (None, text),
        };
        let written = server;
        let server: HostPort = written
            .parse()
            .map_err(|bad: skiff_conf::BadValue| bad.to_string())?;
        let alias = (written == server.host).then(|| written.to_owned());
        Ok(Self {
            user,
            server,
            alias,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Args, ProgramError> {
        match parse(line.split_whitespace().map(OsString::from).collect())? {
            Invocation::Connect(args) => Ok(*args),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_target_with_all_its_parts() {
        let target = parsed("tom@files.example:9000").unwrap().target.unwrap();
        assert_eq!(target.user.as_deref(), Some("tom"));
        assert_eq!(
            (target.server.host.as_str(), target.server.port),
            ("files.example", 9000)
        );
        let target = parsed("tom@example.org@nas").unwrap().target.unwrap();
        assert_eq!(target.user.as_deref(), Some("tom@example.org"));
        assert_eq!(target.server.host, "nas");
        assert_eq!(parsed("::1").unwrap().target.unwrap().server.port, 8001);
        assert_eq!(parsed("").unwrap().target, None);
    }

    #[test]
    fn options() {
        let args = parsed("-c ls -c pwd --tls Off --trust new -q --password-stdin host").unwrap();
        assert_eq!(args.commands, ["ls", "pwd"]);
        assert_eq!(args.digest, None);
        let named = parsed("--digest SHA256").unwrap().digest;
        assert_eq!(named, Some(Algorithm::Sha256));
        assert_eq!((args.tls, args.trust), (Some(Tls::Off), TrustPolicy::New));
        assert_eq!(
            (args.progress, args.password),
            (ProgressOption::Quiet, PasswordSource::Stdin)
        );
    }

    #[test]
    fn options_of_the_connection() {
        let args = parsed("-4v --limit-rate=2MB/s nas").unwrap();
        assert_eq!((args.family, args.trace), (Family::V4, Trace::Shown));
        assert_eq!(args.rate, Some(Bytes::new(2_000_000)));
        let args = parsed("-6 --limit-rate 500kB nas").unwrap();
        assert_eq!(
            (args.family, args.rate),
            (Family::V6, Some(Bytes::new(500_000)))
        );
    }

    #[test]
    fn what_is_wrong_is_told() {
        for bad in [
            "--tls maybe",
            "--trust abcd",
            "--digest sha512",
            "--retry often",
            "--limit-rate fast",
            "--limit-rate 999",
            "-4 -6",
            "-46",
            "-q -q",
            "a b",
            "--no-such-thing",
            "-c ls -f x",
            "--password-stdin --password-file x",
            "host:port",
        ] {
            assert!(matches!(parsed(bad), Err(ProgramError::Usage(_))), "{bad}");
        }
    }

    #[test]
    fn a_command_may_stand_behind_the_options() {
        let args = parsed("-q --tls off put -f tom@[::1]:7:dir/ a b").unwrap();
        let target = args.target.unwrap();
        assert_eq!(target.user.as_deref(), Some("tom"));
        assert_eq!(target.server.to_string(), "[::1]:7");
        assert_eq!(args.argv.unwrap().name, "put");
        assert_eq!(args.progress, ProgressOption::Quiet);
        let help = parse(vec!["get".into(), "--help".into()]);
        assert_eq!(help, Ok(Invocation::Explain(Some("get".into()))));
        for bad in [
            "-c ls put host: a",
            "-f x ls host:",
            "host put a",
            "ls",
            "hosts a",
        ] {
            assert!(matches!(parsed(bad), Err(ProgramError::Usage(_))), "{bad}");
        }
    }
}
