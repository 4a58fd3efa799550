//! Lists all commands: one row drives parsing, help, and completion.

use super::dispatch::lookup_error;
use super::spec::ArgumentKind::{Command, Local, Remote};
use super::spec::{CommandSpec, ParsedArgs};
use super::{account, directories, files, local};
use crate::net::command_error::CommandResult;
use crate::net::session::Session;
use crate::terminal::nearest::nearest;
use crate::terminal::output::print_wrapped;

/// Every command, in the order of `help`.
#[rustfmt::skip]
pub(crate) const COMMANDS: &[CommandSpec] = &[
    CommandSpec { name: "cd", aliases: &[], syntax: "cd [DIR]", help: "change the server's directory; without DIR to the home", details: "", arguments: &[Remote], count: (0, 1), options: "", run: directories::cd },
    CommandSpec { name: "ls", aliases: &["dir", "list"], syntax: "ls [PATH]", help: "list the server's directory; times are UTC", details: "", arguments: &[Remote], count: (0, 1), options: "l", run: directories::ls },
    CommandSpec { name: "pwd", aliases: &[], syntax: "pwd", help: "say the server's directory", details: "", arguments: &[], count: (0, 0), options: "", run: directories::pwd },
    CommandSpec { name: "get", aliases: &["download"], syntax: "get [-c] [-f] [-r] REMOTE [LOCAL]", help: "download a file, or with -r a directory", details: GET, arguments: &[Remote, Local], count: (1, 2), options: "cfr", run: files::get },
    CommandSpec { name: "put", aliases: &["upload"], syntax: "put [-c] [-f] [-r] LOCAL [REMOTE]", help: "upload a file, or with -r a directory", details: PUT, arguments: &[Local, Remote], count: (1, 2), options: "cfr", run: files::put },
    CommandSpec { name: "lcd", aliases: &[], syntax: "lcd [DIR]", help: "change the local directory; without DIR to your home", details: "", arguments: &[Local], count: (0, 1), options: "", run: local::lcd },
    CommandSpec { name: "lpwd", aliases: &[], syntax: "lpwd", help: "say the local directory", details: "", arguments: &[], count: (0, 0), options: "", run: local::lpwd },
    CommandSpec { name: "ldir", aliases: &["lls"], syntax: "ldir [PATH]", help: "list the local directory; times are UTC", details: "", arguments: &[Local], count: (0, 1), options: "", run: local::ldir },
    CommandSpec { name: "rename", aliases: &["mv"], syntax: "rename FROM TO", help: "rename a file or directory at the server", details: "", arguments: &[Remote], count: (2, 2), options: "", run: directories::rename },
    CommandSpec { name: "delete", aliases: &["rm"], syntax: "delete PATH", help: "delete a file or an empty directory at the server", details: "", arguments: &[Remote], count: (1, 1), options: "", run: directories::delete },
    CommandSpec { name: "rmdir", aliases: &["rd"], syntax: "rmdir DIR", help: "remove an empty directory at the server", details: "", arguments: &[Remote], count: (1, 1), options: "", run: directories::rmdir },
    CommandSpec { name: "mkdir", aliases: &["md"], syntax: "mkdir DIR", help: "make a directory at the server", details: "", arguments: &[Remote], count: (1, 1), options: "", run: directories::mkdir },
    CommandSpec { name: "!", aliases: &[], syntax: "!COMMAND", help: "do the rest of the line in the local shell", details: "", arguments: &[Local], count: (0, 0), options: "", run: local::local_shell },
    CommandSpec { name: "system", aliases: &[], syntax: "system", help: "say the server's platform", details: "", arguments: &[], count: (0, 0), options: "", run: account::system },
    CommandSpec { name: "status", aliases: &[], syntax: "status", help: "say user, directory, quota, what is used, and versions", details: "", arguments: &[], count: (0, 0), options: "", run: account::status },
    CommandSpec { name: "df", aliases: &["quota"], syntax: "df", help: "say the quota and what is used of it", details: "", arguments: &[], count: (0, 0), options: "", run: account::df },
    CommandSpec { name: "hash", aliases: &["md5", "checksum"], syntax: "hash [-s] PATH", help: "say the MD5 of a file at the server; -s the SHA-256", details: "", arguments: &[Remote], count: (1, 1), options: "s", run: files::hash },
    CommandSpec { name: "stages", aliases: &[], syntax: "stages [-d PATH]", help: "list unfinished uploads; -d drops one", details: "", arguments: &[Remote], count: (0, 1), options: "d", run: files::stages },
    CommandSpec { name: "passwd", aliases: &["password"], syntax: "passwd", help: "change your password; the old one is asked for too", details: "", arguments: &[], count: (0, 0), options: "", run: account::passwd },
    CommandSpec { name: "help", aliases: &["?"], syntax: "help [COMMAND]", help: "say what there is", details: "", arguments: &[Command], count: (0, 1), options: "", run: help },
    CommandSpec { name: "quit", aliases: &["bye", "exit"], syntax: "quit", help: "leave (so do bye and exit)", details: "", arguments: &[], count: (0, 0), options: "", run: account::quit },
];

/// What `help get` says.
const GET: &str = "\
-c  go on with an interrupted download without asking
-f  replace another file without asking
-r  fetch a directory

LOCAL is a name, a directory, a device, a FIFO, or - for standard output. a file \
that is replaced passes its permissions on, and a link stays a link. without LOCAL \
the file keeps its name.

a file here of the same size and time, or of the same digest, is not fetched \
again. another one is replaced if you say so, in a script only with -f.

with -r, files of the same size and digest are left, others are named, and replaced \
only with -f; without it the command fails. nobody is asked. links to directories \
are not followed.
";

/// What `help put` says.
const PUT: &str = "\
-c  go on with an interrupted upload without asking
-f  replace another file without asking
-r  send a directory

a file there of the same size and digest is not sent again. another one is \
replaced if you say so, in a script only with -f.

with -r, files of the same size and digest are left, others are named, and replaced \
only with -f; without it the command fails. nobody is asked. links to directories \
are not followed.
";

/// Why a word names no command.
#[derive(PartialEq, Eq, Debug)]
pub(crate) enum LookupError {
    /// Maybe with the command that was meant.
    Unknown(Option<&'static str>),
    /// The word begins the names of several commands, which are listed.
    Ambiguous(Vec<&'static str>),
}

/// Finds a command by its name, an alias, or an unambiguous beginning of these.
pub(crate) fn find(typed: &str) -> Result<&'static CommandSpec, LookupError> {
    if let Some(command) = COMMANDS
        .iter()
        .find(|command| command.names().any(|name| name == typed))
    {
        return Ok(command);
    }
    let begins = |command: &&CommandSpec| command.names().any(|name| name.starts_with(typed));
    let candidates: Vec<_> = COMMANDS.iter().filter(begins).collect();
    match candidates[..] {
        [] => {
            let names = COMMANDS.iter().flat_map(CommandSpec::names);
            Err(LookupError::Unknown(nearest(typed, names)))
        }
        [only] => Ok(only),
        _ => Err(LookupError::Ambiguous(
            candidates.iter().map(|command| command.name).collect(),
        )),
    }
}

/// `help`: prints this table, or the row of one command.
fn help(_: &mut Session, args: &ParsedArgs) -> CommandResult {
    let Some(word) = args.words.first() else {
        for command in COMMANDS {
            print_wrapped(&format!("{:<34}  {}", command.syntax, command.help));
        }
        return Ok(());
    };
    let typed = word.to_text();
    let command = find(&typed).map_err(|error| lookup_error(&typed, error))?;
    print_wrapped(&format!("usage: {}\n  {}", command.syntax, command.help));
    for line in command.details.lines() {
        print_wrapped(&format!("  {line}"));
    }
    if !command.aliases.is_empty() {
        print_wrapped(&format!("  also: {}", command.aliases.join(" ")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::lexer::Word;

    #[test]
    fn abbreviations() {
        assert_eq!(find("get").map(|command| command.name).ok(), Some("get"));
        assert_eq!(find("g").map(|command| command.name).ok(), Some("get"));
        assert_eq!(find("ren").map(|command| command.name).ok(), Some("rename"));
        assert_eq!(find("bye").map(|command| command.name).ok(), Some("quit"));
        assert_eq!(find("ex").map(|command| command.name).ok(), Some("quit"));
        assert_eq!(find("rm").map(|command| command.name).ok(), Some("delete"));
        assert_eq!(find("frob").err(), Some(LookupError::Unknown(None)));
        let meant = find("mkdri").err();
        assert_eq!(meant, Some(LookupError::Unknown(Some("mkdir"))));
        assert!(find("").is_err());
        let Err(LookupError::Ambiguous(candidates)) = find("st") else {
            panic!("st");
        };
        assert_eq!(candidates, ["status", "stages"]);
    }

    #[test]
    fn no_name_stands_twice() {
        let mut names: Vec<_> = COMMANDS.iter().flat_map(CommandSpec::names).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }

    #[test]
    fn all_commands_of_the_first_program_are_there() {
        for name in [
            "cd", "ls", "pwd", "get", "put", "lcd", "lpwd", "ldir", "rename", "delete", "mkdir",
            "!", "system", "status", "help", "bye", "quit",
        ] {
            assert!(find(name).is_ok(), "{name}");
        }
    }

    #[test]
    fn arguments_are_counted_and_options_known() {
        let parse_args = |line: &str| {
            let words: Vec<Word> = line.split(' ').map(Word::from).collect();
            find("put").unwrap().parse_args(&words)
        };
        let args = parse_args("-cf a -r b").ok().unwrap();
        assert!(args.has_option('c') && args.has_option('f') && args.has_option('r'));
        assert_eq!(args.words.len(), 2);
        assert_eq!(parse_args("-- -r").ok().unwrap().words.len(), 1);
        assert!(parse_args("-x a").err().unwrap().contains("-x"));
        assert!(parse_args("a b c").err().unwrap().contains("put [-c]"));
    }
}
