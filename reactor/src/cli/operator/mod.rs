//! The commands that see and steer a running daemon: `who`, `top`, `kick`, `bans`, `unban`, `quota`,
//! `stats`, `drain`.

mod table;
mod tables;

use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use pico_args::Arguments;
use rustix::process::Pid;
use rustix::termios::tcgetwinsize;
use skiff_conf::Server;

use self::tables::Table;
use super::arguments::{take_config, take_rest, take_seconds};
use super::failure::{Failure, tell};
use crate::control::answer::Line;
use crate::control::client::{self, ControlError};
use crate::control::command::{Banned, Command, Whom};

/// Time between two pictures of `top`.
const REDRAW_EVERY: Duration = Duration::from_secs(1);

/// The commands, by their names.
pub(super) const NAMES: [&str; 8] = [
    "who", "top", "kick", "bans", "unban", "quota", "stats", "drain",
];

#[derive(Debug, PartialEq)]
pub(super) struct Request {
    config: PathBuf,
    command: Command,
    then: Then,
}

/// What becomes of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    Show(Form),
    /// It is shown again and again, where a person looks.
    Refresh,
    /// The end of the daemon is waited for.
    WaitEnd,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Text,
    Json,
}

/// Parses what follows `name`, one of [`NAMES`].
pub(super) fn parse(name: &str, mut words: Arguments) -> Result<Request, Failure> {
    let config = take_config(&mut words)?;
    let form = match !matches!(name, "top" | "drain") && words.contains("--json") {
        true => Form::Json,
        false => Form::Text,
    };
    let (command, then) = match name {
        "who" => (Command::Who {}, Then::Show(form)),
        "top" => (Command::Who {}, Then::Refresh),
        "bans" => (Command::Bans {}, Then::Show(form)),
        "stats" => (Command::Stats {}, Then::Show(form)),
        "kick" => (take_whom(&mut words)?, Then::Show(form)),
        "unban" => (take_banned(&mut words)?, Then::Show(form)),
        "quota" => {
            let user = take_word(&mut words)?;
            (Command::Quota { user }, Then::Show(form))
        }
        _ => {
            let seconds = take_seconds(&mut words, "--for")?;
            (Command::Drain { seconds }, Then::WaitEnd)
        }
    };
    take_rest(words, 0)?;
    Ok(Request {
        config,
        command,
        then,
    })
}

fn take_whom(words: &mut Arguments) -> Result<Command, Failure> {
    let user = words.opt_value_from_str("--user")?.map(Whom::User);
    let address = words.opt_value_from_str("--address")?.map(Whom::Address);
    let session = match take_word(words)? {
        None => None,
        Some(word) => Some(Whom::Session(word.parse().map_err(|_| {
            Failure::Usage(format!(
                "{word} is no number of a session, as skiffd who says it; or give --user NAME"
            ))
        })?)),
    };
    let mut given = [session, user, address].into_iter().flatten();
    match (given.next(), given.next()) {
        (Some(whom), None) => Ok(Command::Kick(whom)),
        _ => Err(Failure::Usage(
            "whom? give one of SESSION, --user NAME and --address ADDR".to_owned(),
        )),
    }
}

fn take_banned(words: &mut Arguments) -> Result<Command, Failure> {
    let is_all = words.contains("--all");
    match (take_word(words)?, is_all) {
        (None, true) => Ok(Command::UnbanAll {}),
        // IPv6 networks are told with their length.
        (Some(word), false) => Ok(Command::Unban(match word.trim_end_matches("/64").parse() {
            Ok(address) => Banned::Address(address),
            Err(_) => Banned::User(word),
        })),
        _ => Err(Failure::Usage(
            "whom? give an address, a user or --all".to_owned(),
        )),
    }
}

/// The next word that is no option.
fn take_word(words: &mut Arguments) -> Result<Option<String>, Failure> {
    let as_text = |word: &std::ffi::OsStr| word.to_str().map(str::to_owned).ok_or("not UTF-8");
    let rest: Vec<OsString> = words.clone().finish();
    match rest.first().map(|word| word.to_string_lossy()) {
        Some(word) if !word.starts_with('-') => Ok(Some(
            words.free_from_os_str(as_text).map_err(Failure::from)?,
        )),
        _ => Ok(None),
    }
}

pub(super) fn run(request: &Request) -> Result<(), Failure> {
    let config = Server::load(&request.config)?;
    let state = &config.state;
    match request.then {
        Then::Show(form) => show(state, &request.command, form).map(drop),
        Then::Refresh if io::stdout().is_terminal() => refresh(state, &request.command),
        Then::Refresh => show(state, &request.command, Form::Text).map(drop),
        Then::WaitEnd => {
            let process = show(state, &request.command, Form::Text)?;
            client::wait_end(process)
                .map_err(|error| Failure::Failed(format!("its end is not waited for: {error}")))
        }
    }
}

/// Prints the answer; fails where something went wrong. Returns the daemon's process.
fn show(state: &Path, command: &Command, form: Form) -> Result<Pid, Failure> {
    let mut failures = Vec::new();
    let mut lines = Vec::new();
    let asked = client::ask(state, command, |line| {
        match (line, form) {
            (Line::Failed { why }, _) => failures.push(why),
            (line, Form::Json) => tell(line.to_json()).map_err(io::Error::other)?,
            (line, Form::Text) => lines.push(line),
        }
        Ok(())
    });
    let process = asked.map_err(|error| not_done(&error, state))?;
    if form == Form::Text {
        let columns = columns();
        Table::of(command, lines)
            .lines(columns)
            .iter()
            .try_for_each(tell)?;
    }
    let last = failures.pop();
    for why in failures {
        // There is nobody left to tell if standard error is gone too.
        let _ = writeln!(io::stderr(), "skiffd: {why}");
    }
    match last {
        Some(why) => Err(Failure::Failed(why)),
        None => Ok(process),
    }
}

/// Draws the answer anew every second, until Ctrl-C.
fn refresh(state: &Path, command: &Command) -> Result<(), Failure> {
    let mut screen = "\x1b[2J".to_owned();
    loop {
        let mut lines = Vec::new();
        let asked = client::ask(state, command, |line| {
            lines.push(line);
            Ok(())
        });
        asked.map_err(|error| not_done(&error, state))?;
        let (columns, rows) = window().unwrap_or((80, 24));
        let table = Table::busiest_first(lines).lines(Some(columns));
        screen.push_str("\x1b[H");
        let shown = table.len().min(rows.saturating_sub(1));
        for line in &table[..shown] {
            screen.push_str(line);
            screen.push_str("\x1b[K\r\n");
        }
        if shown < table.len() {
            let more = table.len() - shown;
            screen.push_str(&format!("and {more} more"));
        }
        screen.push_str("\x1b[J");
        let mut out = io::stdout().lock();
        let drawn = out.write_all(screen.as_bytes()).and_then(|()| out.flush());
        drawn.map_err(|error| Failure::Failed(format!("the terminal: {error}")))?;
        screen.clear();
        std::thread::sleep(REDRAW_EVERY);
    }
}

fn not_done(error: &ControlError, state: &Path) -> Failure {
    Failure::Failed(match error {
        ControlError::NotRunning => format!(
            "{error}, as far as its state folder tells ({})",
            state.display()
        ),
        other => other.to_string(),
    })
}

/// How wide a line may be; `None` where no person looks.
fn columns() -> Option<usize> {
    window().map(|(columns, _)| columns)
}

fn window() -> Option<(usize, usize)> {
    let size = tcgetwinsize(io::stdout()).ok()?;
    (size.ws_col > 0).then_some((size.ws_col.into(), size.ws_row.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(line: &str) -> Result<(Command, Then), String> {
        let mut words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        let name = words.remove(0).into_string().unwrap();
        words.extend(["--config".into(), "s.ron".into()]);
        let request = parse(&name, Arguments::from_vec(words)).map_err(|why| {
            assert_eq!(why.status(), 2);
            why.to_string()
        })?;
        assert_eq!(request.config, Path::new("s.ron"));
        Ok((request.command, request.then))
    }

    #[test]
    fn commands_are_understood() {
        let text = Then::Show(Form::Text);
        let local = "127.0.0.1".parse().unwrap();
        let user = || "tom".to_owned();
        for (line, command, then) in [
            ("who --json", Command::Who {}, Then::Show(Form::Json)),
            ("top", Command::Who {}, Then::Refresh),
            ("kick 7", Command::Kick(Whom::Session(7)), text),
            ("kick --user tom", Command::Kick(Whom::User(user())), text),
            (
                "kick --address 127.0.0.1",
                Command::Kick(Whom::Address(local)),
                text,
            ),
            ("bans", Command::Bans {}, text),
            ("unban tom", Command::Unban(Banned::User(user())), text),
            (
                "unban 127.0.0.1",
                Command::Unban(Banned::Address(local)),
                text,
            ),
            (
                "unban ::1/64",
                Command::Unban(Banned::Address(std::net::Ipv6Addr::LOCALHOST.into())),
                text,
            ),
            ("unban --all", Command::UnbanAll {}, text),
            ("quota", Command::Quota { user: None }, text),
            ("quota tom", Command::Quota { user: Some(user()) }, text),
            ("stats", Command::Stats {}, text),
            ("drain", Command::Drain { seconds: None }, Then::WaitEnd),
            (
                "drain --for 2min",
                Command::Drain { seconds: Some(120) },
                Then::WaitEnd,
            ),
        ] {
            assert_eq!(asked(line), Ok((command, then)), "{line}");
        }
    }

    #[test]
    fn what_is_not_understood_is_named() {
        for (line, said) in [
            ("kick", "whom? give one of SESSION"),
            ("kick tom", "tom is no number of a session"),
            ("kick 7 --user tom", "whom? give one of"),
            ("kick 7 8", "unknown argument \"8\""),
            ("kick --address tom", "tom"),
            ("unban", "whom? give an address"),
            ("unban tom --all", "whom? give an address"),
            ("drain --for soon", "--for soon: "),
            ("who tom", "unknown argument \"tom\""),
            ("stats --all", "unknown argument \"--all\""),
        ] {
            let message = asked(line).unwrap_err();
            assert!(message.contains(said), "{line}: {message}");
        }
    }
}
