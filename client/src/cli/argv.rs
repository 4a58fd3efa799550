//! Parses and runs one command that is given as arguments (`skiff put HOST: FILE...`), for scripts:
//! each argument is a name as it is, and nothing is quoted a second time.

use std::ffi::{OsStr, OsString};

use super::args::Target;
use super::batch::{Settled, settle};
use super::error::ProgramError;
use super::settings::Settings;
use super::shells::{SHELLS, Shell};
use crate::commands::dispatch;
use crate::commands::lexer::Word;
use crate::commands::spec::ParsedArgs;
use crate::commands::sync::SERVER_MARK;
use crate::commands::table;
use crate::commands::topics::TOPICS;
use crate::net::session::Session;

/// A command that can be given as arguments.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct Form {
    pub name: &'static str,
    /// The usage that help and error messages print.
    pub syntax: &'static str,
    /// What it does; empty where the table of commands says it.
    help: &'static str,
    shape: Shape,
}

impl Form {
    /// Returns what it does.
    pub(crate) fn help(&self) -> &'static str {
        match (self.help, table::find(self.name)) {
            ("", Ok(command)) => command.help,
            (help, _) => help,
        }
    }

    /// Returns its options as they are typed.
    pub(crate) fn options(&self) -> Vec<String> {
        match (self.shape, table::find(self.name)) {
            (Shape::Upload | Shape::Download | Shape::Remote | Shape::Pair, Ok(command)) => {
                command.option_words()
            }
            _ => Vec::new(),
        }
    }

    /// Returns what its arguments are, for completion.
    pub(crate) fn arguments(&self) -> FormArguments {
        match self.shape {
            Shape::Upload | Shape::Download | Shape::Remote | Shape::Pair => FormArguments::Names,
            Shape::Hosts | Shape::Schema | Shape::Manual => FormArguments::None,
            Shape::Completions => FormArguments::Words(SHELLS.map(|(name, _)| name).to_vec()),
            Shape::Help => {
                let commands = table::COMMANDS.iter().map(|command| command.name);
                let topics = TOPICS.iter().map(|topic| topic.name);
                FormArguments::Words(commands.chain(topics).collect())
            }
        }
    }
}

/// What the arguments of a command are, for completion.
pub(crate) enum FormArguments {
    None,
    /// Files here, and servers.
    Names,
    Words(Vec<&'static str>),
}

/// What the arguments of a form are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Shape {
    /// A path at the server, then names here.
    Upload,
    /// Paths at the server, then a name here.
    Download,
    /// One path at the server.
    Remote,
    /// A path at the server and a name here, in any order.
    Pair,
    /// None: it needs no server.
    Hosts,
    Schema,
    Manual,
    /// None, or what is to be explained.
    Help,
    /// The name of a shell.
    Completions,
}

/// Every command that can be given as arguments.
#[rustfmt::skip]
pub(crate) const FORMS: &[Form] = &[
    Form { name: "put", syntax: "put [-cfprlL] [-j N] HOST:[PATH] FILE...", help: "", shape: Shape::Upload },
    Form { name: "get", syntax: "get [-cfprlL] [-j N] HOST:PATH... [DIR]", help: "", shape: Shape::Download },
    Form { name: "sync", syntax: "sync [-nplL] [-x GLOB] [-j N] [--delete] [--checksum] [--no-links] FROM TO, one of them HOST:[PATH]", help: "", shape: Shape::Pair },
    Form { name: "ls", syntax: "ls [-1ahlrSt] [--utc] HOST:[PATH]", help: "", shape: Shape::Remote },
    Form { name: "hosts", syntax: "hosts", help: "list the hosts of the settings", shape: Shape::Hosts },
    Form { name: "help", syntax: "help [COMMAND|TOPIC]", help: "explain a command, a topic, or the options", shape: Shape::Help },
    Form { name: "completions", syntax: "completions bash|zsh|fish", help: "print what completes skiff in a shell", shape: Shape::Completions },
    Form { name: "man", syntax: "man", help: "print the manual page", shape: Shape::Manual },
    Form { name: "schema", syntax: "schema", help: "print the JSON schema of --json", shape: Shape::Schema },
];

/// What a form and its arguments ask for.
#[derive(PartialEq, Eq, Debug)]
pub(crate) enum Given {
    /// A command of the table, at this server.
    Command(Target, Box<ArgvCommand>),
    Hosts,
    Schema,
    Manual,
    Help(Option<String>),
    Completions(Shell),
}

/// One command as it was given.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct ArgvCommand {
    pub name: &'static str,
    /// Its options, without names.
    options: ParsedArgs,
    names: Names,
}

/// The names of a command; a path at the server may be empty, which is the
/// directory where the session begins.
#[derive(PartialEq, Eq, Debug)]
enum Names {
    Upload {
        to: Vec<u8>,
        from: Vec<Word>,
    },
    Download {
        from: Vec<Vec<u8>>,
        to: Option<Word>,
    },
    Remote(Vec<u8>),
    /// The word of the server's side begins with [`SERVER_MARK`].
    Pair([Word; 2]),
}

/// A path at a server, as it is given in an argument.
#[derive(PartialEq, Eq, Debug)]
struct RemotePath {
    target: Target,
    path: Vec<u8>,
}

/// Finds the command of this name.
pub(crate) fn find(argument: &OsStr) -> Option<&'static Form> {
    FORMS.iter().find(|form| argument == form.name)
}

/// Parses what stands behind the command.
///
/// # Errors
///
/// [`ProgramError::Usage`] where an option is unknown, or the names do not fit the command.
pub(crate) fn parse(form: &'static Form, arguments: &[OsString]) -> Result<Given, ProgramError> {
    let usage =
        |why: String| ProgramError::Usage(format!("{why}; usage: skiff [options] {}", form.syntax));
    let words: Vec<Word> = arguments
        .iter()
        .map(|argument| argument.as_os_str().into())
        .collect();
    if let Some(given) = parse_without_server(form.shape, &words).map_err(usage)? {
        return Ok(given);
    }
    let spec = table::find(form.name).map_err(|_| usage("no such command".into()))?;
    let mut parsed = spec.split_options(&words).map_err(|odd| {
        usage(format!(
            "{odd} (options of skiff itself stand before the command)"
        ))
    })?;
    let words = std::mem::take(&mut parsed.words);
    let (target, names) = Names::parse(form.shape, words).map_err(usage)?;
    let command = ArgvCommand {
        name: form.name,
        options: parsed,
        names,
    };
    Ok(Given::Command(target, Box::new(command)))
}

/// Parses the arguments of a command that needs no server; `None` for one that does.
fn parse_without_server(shape: Shape, words: &[Word]) -> Result<Option<Given>, String> {
    let (given, taken) = match (shape, words.first()) {
        (Shape::Hosts, _) => (Given::Hosts, 0),
        (Shape::Schema, _) => (Given::Schema, 0),
        (Shape::Manual, _) => (Given::Manual, 0),
        (Shape::Help, word) => (Given::Help(word.map(Word::to_text)), 1),
        (Shape::Completions, Some(word)) => {
            let named = word.to_text();
            let shell = SHELLS.iter().find(|(name, _)| *name == named);
            let (_, shell) =
                shell.ok_or_else(|| format!("{named}: no shell that is known here"))?;
            (Given::Completions(*shell), 1)
        }
        (Shape::Completions, None) => return Err("for which shell?".into()),
        (Shape::Upload | Shape::Download | Shape::Remote | Shape::Pair, _) => return Ok(None),
    };
    match words.get(taken) {
        None => Ok(Some(given)),
        Some(odd) => Err(format!("{}: not understood", odd.to_text())),
    }
}

impl Names {
    fn parse(shape: Shape, mut words: Vec<Word>) -> Result<(Target, Self), String> {
        if words.is_empty() {
            return Err("which server?".into());
        }
        match shape {
            Shape::Upload => {
                let remote = RemotePath::parse(&words.remove(0))?;
                if words.is_empty() {
                    return Err("which files?".into());
                }
                let (to, from) = (remote.path, words);
                Ok((remote.target, Self::Upload { to, from }))
            }
            Shape::Download => {
                let to = match words.len() {
                    1 => None,
                    _ => words.pop(),
                };
                let remotes: Result<Vec<_>, _> = words.iter().map(RemotePath::parse).collect();
                let (target, from) = one_server(remotes?)?;
                if let Some(to) = &to
                    && RemotePath::parse(to).is_ok_and(|remote| remote.target == target)
                {
                    let shown = to.to_text();
                    return Err(format!(
                        "{shown}: the last argument is a name here (./{shown} is one)"
                    ));
                }
                Ok((target, Self::Download { from, to }))
            }
            Shape::Pair => {
                let [from, to] =
                    <[Word; 2]>::try_from(words).map_err(|_| "from where to where?".to_owned())?;
                let marked = |path: &[u8]| Word::from([SERVER_MARK, path].concat());
                match (RemotePath::parse(&from), RemotePath::parse(&to)) {
                    (Ok(remote), Err(_)) => {
                        let pair = [marked(&remote.path), here(to)];
                        Ok((remote.target, Self::Pair(pair)))
                    }
                    (Err(_), Ok(remote)) => {
                        let pair = [here(from), marked(&remote.path)];
                        Ok((remote.target, Self::Pair(pair)))
                    }
                    (Ok(_), Ok(_)) => Err("one of the two is here (./a:b is a name here)".into()),
                    (Err(why), Err(_)) => Err(why),
                }
            }
            Shape::Remote => match &words[..] {
                [only] => {
                    let remote = RemotePath::parse(only)?;
                    Ok((remote.target, Self::Remote(remote.path)))
                }
                _ => Err("one path at a time".into()),
            },
            Shape::Hosts | Shape::Schema | Shape::Manual | Shape::Help | Shape::Completions => {
                Err("it needs no server".into())
            }
        }
    }
}

/// Separates the one server from the paths there.
fn one_server(remotes: Vec<RemotePath>) -> Result<(Target, Vec<Vec<u8>>), String> {
    let mut server = None;
    let mut paths = Vec::new();
    for RemotePath { target, path } in remotes {
        if server.get_or_insert_with(|| target.clone()) != &target {
            return Err("one server at a time".into());
        }
        paths.push(path);
    }
    let server = server.ok_or_else(|| "which server?".to_owned())?;
    Ok((server, paths))
}

impl RemotePath {
    /// Reads `[user@]host[:port]:[path]`, where the host may be one of the settings. An IPv6 address stands in brackets. Digits between two
    /// colons are a port: a path that begins so is written `./1:2`.
    fn parse(word: &Word) -> Result<Self, String> {
        let bytes = word.as_bytes();
        let no_path = || format!("{}: no [user@]host[:port]:path", word.to_text());
        let (server, path) = split_server(bytes).ok_or_else(no_path)?;
        let server = str::from_utf8(&server).map_err(|_| no_path())?;
        Ok(Self {
            target: server.parse()?,
            path: path.to_vec(),
        })
    }
}

/// Splits `[user@]host[:port]:[path]` at the colon before the path.
fn split_server(bytes: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let colon = bytes.iter().position(|&b| b == b':')?;
    let at = bytes[..colon].iter().rposition(|&b| b == b'@');
    let host = at.map_or(0, |at| at + 1);
    let host_end = match bytes[host] {
        b'[' => host + bytes[host..].iter().position(|&b| b == b']')? + 1,
        _ => colon,
    };
    let rest = bytes[host_end..].strip_prefix(b":")?;
    let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    let path_at = match rest.get(digits) {
        Some(b':') if digits > 0 => host_end + 1 + digits + 1,
        _ => host_end + 1,
    };
    Some((bytes[..path_at - 1].to_vec(), &bytes[path_at..]))
}

/// Runs the command.
///
/// # Errors
///
/// [`ProgramError::CommandFailed`] where it failed for one of its names.
pub(crate) fn run(
    session: &mut Session,
    settings: &Settings,
    command: ArgvCommand,
) -> Result<(), ProgramError> {
    let args = command.names.into_args(command.options);
    let done = dispatch::run_args(session, command.name, &args);
    match settle(session, settings, done)? {
        Settled::Failed => Err(ProgramError::CommandFailed),
        Settled::Done | Settled::Left => Ok(()),
    }
}

impl Names {
    /// Returns the arguments of the command at the prompt.
    fn into_args(self, options: ParsedArgs) -> ParsedArgs {
        let (words, target) = match self {
            Self::Upload { to, from } => (from, (!to.is_empty()).then(|| to.into())),
            Self::Download { from, to } => {
                let names = from.into_iter().map(home_if_empty);
                (names.map(Word::from).collect(), to)
            }
            Self::Remote(path) => (vec![home_if_empty(path).into()], None),
            Self::Pair(pair) => (pair.into(), None),
        };
        ParsedArgs {
            words,
            target,
            ..options
        }
    }
}

/// A name here that looks like one at the server is no such.
fn here(name: Word) -> Word {
    match name.as_bytes().starts_with(SERVER_MARK) {
        true => [b"./", name.as_bytes()].concat().into(),
        false => name,
    }
}

/// An empty path is the directory in which a session begins: the home, if the settings name no other.
fn home_if_empty(path: Vec<u8>) -> Vec<u8> {
    match path.is_empty() {
        true => b".".to_vec(),
        false => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str) -> Option<(String, &str)> {
        let (server, path) = split_server(text.as_bytes())?;
        Some((
            String::from_utf8(server).unwrap(),
            str::from_utf8(path).unwrap(),
        ))
    }

    #[test]
    fn a_server_and_a_path() {
        for (text, server, path) in [
            ("nas:", "nas", ""),
            ("nas:a b", "nas", "a b"),
            ("nas:8001", "nas", "8001"),
            ("nas:8001:", "nas:8001", ""),
            ("tom@nas:8001:/a:b@c", "tom@nas:8001", "/a:b@c"),
            ("nas:./8001:b", "nas", "./8001:b"),
            ("nas::b", "nas", ":b"),
            ("[::1]:a", "[::1]", "a"),
            ("tom@[::1]:7:[x]", "tom@[::1]:7", "[x]"),
            ("nas:[::1]:x", "nas", "[::1]:x"),
        ] {
            assert_eq!(split(text), Some((server.into(), path)), "{text}");
            assert!(RemotePath::parse(&text.into()).is_ok(), "{text}");
        }
        for bad in [
            "", "nas", ":", ":x", "./a:b", "[::1]", "[::1]x:", "nas:0:x", "@:x",
        ] {
            assert!(RemotePath::parse(&bad.into()).is_err(), "{bad}");
        }
    }

    fn given(line: &str) -> Result<Given, ProgramError> {
        let arguments: Vec<OsString> = line.split(' ').map(Into::into).collect();
        parse(find(&arguments[0]).unwrap(), &arguments[1..])
    }

    #[test]
    fn names_are_taken_as_they_are() {
        let evil = r#"a"; delete precious; lpwd ""#;
        let arguments = [
            "nas:".into(),
            "-r".into(),
            "--".into(),
            evil.into(),
            "-f".into(),
        ];
        let Given::Command(target, command) = parse(&FORMS[0], &arguments).unwrap() else {
            panic!("put");
        };
        assert_eq!(target.server.host, "nas");
        assert_eq!(command.options.options, "r");
        let from = vec![evil.into(), "-f".into()];
        let to = Vec::new();
        assert_eq!(command.names, Names::Upload { to, from });
    }

    #[test]
    fn what_does_not_fit_is_told() {
        for (line, why) in [
            ("put", "which server?"),
            ("put nas:", "which files?"),
            ("put file nas:", "file: no [user@]host[:port]:path"),
            ("get nas:a other:b .", "one server at a time"),
            ("get nas:a nas:b", "nas:b: the last argument is a name here"),
            ("ls nas:a nas:b", "one path at a time"),
            ("ls -q nas:a", "-q: no such option"),
            ("get nas:70000:a .", "not a server"),
        ] {
            let error = given(line).unwrap_err().to_string();
            assert!(error.contains(why), "{line}: {error}");
            assert!(error.contains("usage: "), "{error}");
        }
    }

    #[test]
    fn every_form_is_a_command() {
        let of_server = |form: &&Form| matches!(form.arguments(), FormArguments::Names);
        for form in FORMS.iter().filter(of_server) {
            let spec = table::find(form.name).unwrap();
            assert_eq!(spec.name, form.name);
            let options = form.syntax.matches("[-").count();
            assert!(options <= spec.options.len(), "{}", form.syntax);
        }
    }
}
