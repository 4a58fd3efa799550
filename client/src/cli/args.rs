//! Parses the command-line arguments; [`settings`](super::settings) merges them with `client.ron`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;

use pico_args::Arguments;
use skiff_conf::{HostPort, Tls};
use skiff_sessions::digest::Algorithm;

use super::argv::{self, ArgvCommand, FORMS};
use super::error::ProgramError;
use super::exit::EXITS;
use crate::commands::table::COMMANDS;
use crate::net::known_hosts::{Fingerprint, TrustPolicy};

/// What the arguments ask the program to do.
#[derive(PartialEq, Eq, Debug)]
pub(crate) enum Invocation {
    Help,
    Version,
    Connect(Box<Args>),
}

/// The parsed options; `None` where the settings file or a default decides.
#[derive(PartialEq, Eq, Debug)]
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
}

/// The server that is connected to, written `[user@]host[:port]`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Target {
    pub user: Option<String>,
    pub server: HostPort,
}

/// Where the password is read from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum PasswordSource {
    /// The file that the settings name, else the terminal.
    Settings,
    /// The first line of standard input.
    Stdin,
    /// The first line of this file.
    File(PathBuf),
}

/// Whether transfers show their progress (`--quiet`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ProgressOption {
    Shown,
    Quiet,
}

/// The options that are followed by a value.
pub(crate) const VALUED_OPTIONS: [&str; 10] = [
    "-c",
    "-f",
    "-u",
    "--user",
    "--config",
    "--password-file",
    "--tls",
    "--trust",
    "--digest",
    "--retry",
];

/// Parses `arguments`, which do not include the program's name.
///
/// # Errors
///
/// [`ProgramError::Usage`] where an option is unknown, malformed, or excludes another one.
pub(crate) fn parse(mut arguments: Vec<OsString>) -> Result<Invocation, ProgramError> {
    let Some((at, form)) = argv::find_form(&arguments) else {
        return parse_options(arguments);
    };
    let behind = arguments.split_off(at + 1);
    arguments.pop();
    if behind.iter().any(|argument| argument == "--help") {
        return Ok(Invocation::Help);
    }
    let Invocation::Connect(mut args) = parse_options(arguments)? else {
        return Ok(Invocation::Help);
    };
    let (target, command) = argv::parse(form, &behind)?;
    if args.script.is_some() || !args.commands.is_empty() {
        let name = command.name;
        return Err(ProgramError::Usage(format!(
            "-c, -f and {name}: give one of them"
        )));
    }
    args.target = Some(target);
    args.argv = Some(command);
    Ok(Invocation::Connect(args))
}

/// Parses options, and the server where one is named.
fn parse_options(arguments: Vec<OsString>) -> Result<Invocation, ProgramError> {
    let mut arguments = Arguments::from_vec(arguments);
    if arguments.contains(["-h", "--help"]) {
        return Ok(Invocation::Help);
    }
    if arguments.contains(["-V", "--version"]) {
        return Ok(Invocation::Version);
    }
    let args = Args {
        commands: arguments.values_from_str("-c").map_err(usage_error)?,
        script: take_path(&mut arguments, "-f")?,
        argv: None,
        user: arguments
            .opt_value_from_str(["-u", "--user"])
            .map_err(usage_error)?,
        config: take_path(&mut arguments, "--config")?,
        password: take_password_source(&mut arguments)?,
        tls: arguments
            .opt_value_from_fn("--tls", parse_tls)
            .map_err(usage_error)?,
        trust: arguments
            .opt_value_from_fn("--trust", parse_trust)
            .map_err(usage_error)?
            .unwrap_or(TrustPolicy::Ask),
        digest: arguments
            .opt_value_from_fn("--digest", parse_digest)
            .map_err(usage_error)?,
        retries: arguments
            .opt_value_from_fn("--retry", parse_retries)
            .map_err(usage_error)?,
        progress: if arguments.contains(["-q", "--quiet"]) {
            ProgressOption::Quiet
        } else {
            ProgressOption::Shown
        },
        target: arguments.opt_free_from_str().map_err(usage_error)?,
    };
    if let Some(unknown) = arguments.finish().first() {
        return Err(ProgramError::Usage(format!(
            "{}: not understood",
            unknown.display()
        )));
    }
    if args.script.is_some() && !args.commands.is_empty() {
        return Err(ProgramError::Usage("-c and -f: give one of them".into()));
    }
    Ok(Invocation::Connect(Box::new(args)))
}

/// Returns the text of `--help`: usage, exit codes, and the command table.
pub(crate) fn help() -> String {
    let mut text = String::from("usage: skiff [options] [[user@]host[:port]]\n");
    for form in FORMS {
        text.push_str(&format!("       skiff [options] {}\n", form.syntax));
    }
    text.push_str(USAGE);
    for (exit, meaning) in EXITS {
        text.push_str(&format!("  {}  {meaning}\n", exit.code()));
    }
    text.push_str("\ncommands (any unambiguous beginning will do; help COMMAND says more):\n");
    for command in COMMANDS {
        text.push_str(&format!("  {:<34} {}\n", command.syntax, command.help));
    }
    text
}

const USAGE: &str = "
talks to a skiffd server: with a prompt on a terminal, else with the commands
of -c, -f or standard input, one a line; or does one command, whose arguments
are names as they are, with nothing quoted a second time.

HOST:PATH is [user@]host[:port]:path, with an IPv6 address in brackets. a path
is one below the home, which an empty one is itself; one that begins with digits
and a colon is written ./1:2. a host named like a command is written host:port.

options:
  -c COMMANDS           do these, separated by ; or line ends, and leave
  -f FILE               do the commands in FILE and leave
  -u, --user NAME       log in as NAME
  --config FILE         settings, instead of ~/.config/skiff/client.ron
  --password-stdin      the password is the first line of standard input
  --password-file FILE  the password is the first line of FILE (mode 0600); so is
                        that of the file that SKIFF_PASSWORD_FILE names
  --tls on|off          off: for a listener without TLS, on a trusted link
  --trust new           trust the certificate of a server not met before
  --trust FINGERPRINT   trust this certificate (SHA-256, hexadecimal)
  --digest md5|sha256   verify transfers so, instead of by what both ends do fast
  --retry N             connect again up to N times (3) when the connection is lost
  -q, --quiet           show no progress
  -h, --help            this text
  -V, --version         the version

without a prompt, the first command that fails ends all; a - before a command
lets it fail. nobody can be asked then: interrupted transfers are resumed, and
another file is replaced only by put -f and get -f, in trees (-r) as well; what
both ends have is left as it is. for the login itself, who sits at the terminal
is asked though input or output are piped.

exit codes:
";

/// Takes `--password-stdin` or `--password-file` out of the arguments.
fn take_password_source(arguments: &mut Arguments) -> Result<PasswordSource, ProgramError> {
    let stdin = arguments.contains("--password-stdin");
    let file = take_path(arguments, "--password-file")?;
    match (stdin, file) {
        (true, Some(_)) => Err(ProgramError::Usage(
            "--password-stdin and --password-file: give one of them".into(),
        )),
        (true, None) => Ok(PasswordSource::Stdin),
        (false, Some(file)) => Ok(PasswordSource::File(file)),
        (false, None) => Ok(PasswordSource::Settings),
    }
}

/// Takes option `key` and its value, a path that need not be UTF-8, out of the arguments.
fn take_path(
    arguments: &mut Arguments,
    key: &'static str,
) -> Result<Option<PathBuf>, ProgramError> {
    let parse = |text: &std::ffi::OsStr| Ok::<_, String>(PathBuf::from(text));
    arguments
        .opt_value_from_os_str(key, parse)
        .map_err(usage_error)
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
    Fingerprint::parse(text)
        .map(TrustPolicy::Only)
        .ok_or_else(|| "write --trust new, or the 64 hexadecimal digits of a SHA-256".into())
}

fn parse_digest(text: &str) -> Result<Algorithm, String> {
    let known = Algorithm::verifying(&text.to_ascii_lowercase());
    known.ok_or_else(|| "write --digest md5 or --digest sha256".into())
}

fn parse_retries(text: &str) -> Result<u32, String> {
    text.parse()
        .map_err(|_| "write --retry with a number; 0 never connects again".into())
}

fn usage_error(error: pico_args::Error) -> ProgramError {
    ProgramError::Usage(error.to_string())
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.starts_with('-') {
            return Err(format!("{text}: no such option"));
        }
        let (user, server) = match text.rsplit_once('@') {
            Some((user, server)) => (Some(user.to_owned()), server),
            None => (None, text),
        };
        let server = server
            .parse()
            .map_err(|bad: skiff_conf::BadValue| bad.to_string())?;
        Ok(Self { user, server })
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
    fn what_is_wrong_is_told() {
        for bad in [
            "--tls maybe",
            "--trust abcd",
            "--digest sha512",
            "--retry often",
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
        assert_eq!(help, Ok(Invocation::Help));
        for bad in ["-c ls put host: a", "-f x ls host:", "host put a", "ls"] {
            assert!(matches!(parsed(bad), Err(ProgramError::Usage(_))), "{bad}");
        }
    }

    /// What stands behind one of them is no command.
    #[test]
    fn the_options_with_a_value_are_those_of_the_help() {
        let mut valued: Vec<&str> = Vec::new();
        for line in USAGE.lines().filter(|line| line.starts_with("  -")) {
            // `  -u, --user NAME       log in as NAME`
            let (written, _) = line.trim_start().split_once("  ").unwrap();
            let words: Vec<&str> = written.split([' ', ',']).collect();
            if words.last().is_some_and(|word| !word.starts_with('-')) {
                valued.extend(words.iter().filter(|word| word.starts_with('-')));
            }
        }
        valued.dedup();
        assert_eq!(valued, VALUED_OPTIONS);
    }

    #[test]
    fn help_names_every_command_and_exit_code() {
        let help = help();
        assert!(FORMS.iter().all(|form| help.contains(form.syntax)));
        assert!(COMMANDS.iter().all(|command| help.contains(command.syntax)));
        assert!(EXITS.iter().all(|(_, meaning)| help.contains(meaning)));
    }
}
