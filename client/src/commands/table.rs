//! Lists all commands: one row drives parsing, help, and completion.

use super::spec::ArgumentKind::{Command, Host, Local, Other, Remote, Side, Topic};
use super::spec::LastArgument::{Another, Target};
use super::spec::OutputKind::{Pages, Report, Text, Transfer};
use super::spec::{CommandSpec, MANY};
use super::{
    account, attributes, connections, directories, edit, files, help, jobs, lines, listing, local,
};
use super::{looking, remove, sync};
use crate::terminal::nearest::nearest;

/// Every command, in the order of `help`.
#[rustfmt::skip]
pub(crate) const COMMANDS: &[CommandSpec] = &[
    CommandSpec { name: "cd", aliases: &[], syntax: "cd [DIR]", help: "change the server's directory: to the home, or with - back", details: "", arguments: &[Remote], count: (0, 1), last: Another, output: Report, options: "", run: directories::cd },
    CommandSpec { name: "ls", aliases: &["dir", "list"], syntax: "ls [-1ahlrSt] [--utc] [PATH...]", help: "list directories at the server", details: LS, arguments: &[Remote], count: (0, MANY), last: Another, output: Pages, options: "1ahlrStu", run: listing::ls },
    CommandSpec { name: "pwd", aliases: &[], syntax: "pwd", help: "say the server's directory", details: "", arguments: &[], count: (0, 0), last: Another, output: Text, options: "", run: directories::pwd },
    CommandSpec { name: "get", aliases: &["download"], syntax: "get [-cfprlL] [-j N] [--no-links] REMOTE... [LOCAL]", help: "download files, with -r directories too", details: GET, arguments: &[Remote, Local], count: (1, MANY), last: Target, output: Transfer, options: "cfprlLNj:", run: files::get },
    CommandSpec { name: "put", aliases: &["upload"], syntax: "put [-cfprlL] [-j N] [--no-links] LOCAL... [REMOTE]", help: "upload files, with -r directories too", details: PUT, arguments: &[Local, Remote], count: (1, MANY), last: Target, output: Transfer, options: "cfprlLNj:", run: files::put },
    CommandSpec { name: "sync", aliases: &["mirror"], syntax: "sync [-nplL] [-x GLOB] [-j N] [--delete] [--checksum] [--no-links] FROM TO", help: "make a directory like another, at the server or here", details: SYNC, arguments: &[Side], count: (2, 2), last: Another, output: Transfer, options: "nplLDCNx:j:", run: sync::sync },
    CommandSpec { name: "lcd", aliases: &[], syntax: "lcd [DIR]", help: "change the local directory; without DIR to your home", details: "", arguments: &[Local], count: (0, 1), last: Another, output: Report, options: "", run: local::lcd },
    CommandSpec { name: "lpwd", aliases: &[], syntax: "lpwd", help: "say the local directory", details: "", arguments: &[], count: (0, 0), last: Another, output: Text, options: "", run: local::lpwd },
    CommandSpec { name: "ldir", aliases: &["lls"], syntax: "ldir [-1ahlrSt] [--utc] [PATH...]", help: "list local directories", details: LS, arguments: &[Local], count: (0, MANY), last: Another, output: Pages, options: "1ahlrStu", run: listing::ldir },
    CommandSpec { name: "rename", aliases: &["mv"], syntax: "rename FROM... TO", help: "rename files or directories at the server, or move them", details: RENAME, arguments: &[Remote], count: (2, MANY), last: Target, output: Report, options: "", run: directories::rename },
    CommandSpec { name: "delete", aliases: &["rm"], syntax: "delete [-r] [-f] PATH...", help: "delete files or empty directories at the server, with -r full ones", details: DELETE, arguments: &[Remote], count: (1, MANY), last: Another, output: Report, options: "fr", run: remove::delete },
    CommandSpec { name: "rmdir", aliases: &["rd"], syntax: "rmdir DIR...", help: "remove empty directories at the server", details: "", arguments: &[Remote], count: (1, MANY), last: Another, output: Report, options: "", run: remove::rmdir },
    CommandSpec { name: "mkdir", aliases: &["md"], syntax: "mkdir [-p] DIR...", help: "make directories at the server; -p those above them too", details: "", arguments: &[Remote], count: (1, MANY), last: Another, output: Report, options: "p", run: directories::mkdir },
    CommandSpec { name: "ln", aliases: &["symlink"], syntax: "ln [-s] TARGET NAME", help: "make a symbolic link at the server", details: LN, arguments: &[Other, Remote], count: (2, 2), last: Another, output: Report, options: "s", run: directories::make_link },
    CommandSpec { name: "cat", aliases: &[], syntax: "cat PATH...", help: "write files at the server to standard output", details: CAT, arguments: &[Remote], count: (1, MANY), last: Another, output: Pages, options: "", run: looking::cat },
    CommandSpec { name: "more", aliases: &["less", "view"], syntax: "more PATH...", help: "show files at the server in PAGER, or less", details: CAT, arguments: &[Remote], count: (1, MANY), last: Another, output: Report, options: "", run: looking::more },
    CommandSpec { name: "edit", aliases: &[], syntax: "edit PATH", help: "change a file at the server with VISUAL, EDITOR or vi", details: EDIT, arguments: &[Remote], count: (1, 1), last: Another, output: Report, options: "", run: edit::edit },
    CommandSpec { name: "find", aliases: &[], syntax: "find [DIR [PATTERN]]", help: "list all below a directory, or what matches by name", details: "", arguments: &[Remote, Other], count: (0, 2), last: Another, output: Pages, options: "", run: looking::find },
    CommandSpec { name: "du", aliases: &[], syntax: "du [-h] [PATH...]", help: "sum up the bytes of all files below", details: "", arguments: &[Remote], count: (0, MANY), last: Another, output: Pages, options: "h", run: looking::du },
    CommandSpec { name: "stat", aliases: &[], syntax: "stat [--utc] PATH...", help: "say type, size and time", details: "", arguments: &[Remote], count: (1, MANY), last: Another, output: Text, options: "u", run: looking::stat },
    CommandSpec { name: "chmod", aliases: &[], syntax: "chmod MODE PATH...", help: "set permissions, in octal as in 640", details: "", arguments: &[Other, Remote], count: (2, MANY), last: Another, output: Report, options: "", run: attributes::chmod },
    CommandSpec { name: "touch", aliases: &[], syntax: "touch PATH...", help: "set the time of what is there to now", details: "", arguments: &[Remote], count: (1, MANY), last: Another, output: Report, options: "", run: attributes::touch },
    CommandSpec { name: "!", aliases: &[], syntax: "!COMMAND", help: "do the rest of the line in the local shell", details: "", arguments: &[Local], count: (0, 0), last: Another, output: Report, options: "", run: local::local_shell },
    CommandSpec { name: "system", aliases: &[], syntax: "system", help: "say the server's platform", details: "", arguments: &[], count: (0, 0), last: Another, output: Text, options: "", run: account::system },
    CommandSpec { name: "status", aliases: &[], syntax: "status", help: "say user, directory, quota, what is used, and versions", details: "", arguments: &[], count: (0, 0), last: Another, output: Text, options: "", run: account::status },
    CommandSpec { name: "df", aliases: &["quota"], syntax: "df", help: "say the quota and what is used of it", details: "", arguments: &[], count: (0, 0), last: Another, output: Text, options: "", run: account::df },
    CommandSpec { name: "hash", aliases: &["md5", "checksum"], syntax: "hash [-s] PATH", help: "say the MD5 of a file at the server; -s the SHA-256", details: "", arguments: &[Remote], count: (1, 1), last: Another, output: Text, options: "s", run: files::hash },
    CommandSpec { name: "stages", aliases: &[], syntax: "stages [-d PATH]", help: "list unfinished uploads; -d drops one", details: "", arguments: &[Remote], count: (0, 1), last: Another, output: Text, options: "d", run: files::stages },
    CommandSpec { name: "passwd", aliases: &["password"], syntax: "passwd", help: "change your password; the old one is asked for too", details: "", arguments: &[], count: (0, 0), last: Another, output: Report, options: "", run: account::passwd },
    CommandSpec { name: "open", aliases: &["connect"], syntax: "open [[USER@]HOST[:PORT]]", help: "log in elsewhere, or without HOST anew", details: OPEN, arguments: &[Host], count: (0, 1), last: Another, output: Report, options: "", run: connections::open },
    CommandSpec { name: "reconnect", aliases: &[], syntax: "reconnect", help: "connect anew; a lost connection comes back by itself", details: RECONNECT, arguments: &[], count: (0, 0), last: Another, output: Report, options: "", run: connections::reconnect },
    CommandSpec { name: "close", aliases: &["disconnect"], syntax: "close", help: "end the connection and stay here", details: "", arguments: &[], count: (0, 0), last: Another, output: Report, options: "", run: connections::close },
    CommandSpec { name: "jobs", aliases: &[], syntax: "jobs", help: "list what runs in the background, and how far it is", details: JOBS, arguments: &[], count: (0, 0), last: Another, output: Text, options: "", run: jobs::jobs },
    CommandSpec { name: "wait", aliases: &[], syntax: "wait [%N]", help: "wait for a job in the background, or for all", details: JOBS, arguments: &[Other], count: (0, 1), last: Another, output: Report, options: "", run: jobs::wait },
    CommandSpec { name: "kill", aliases: &[], syntax: "kill %N...", help: "stop jobs in the background", details: JOBS, arguments: &[Other], count: (1, MANY), last: Another, output: Report, options: "", run: jobs::kill },
    CommandSpec { name: "alias", aliases: &[], syntax: "alias [-d] [NAME [COMMAND]]", help: "give a command a name, list the names, or drop one with -d", details: ALIAS, arguments: &[Command, Other], count: (0, MANY), last: Another, output: Text, options: "d", run: lines::alias },
    CommandSpec { name: "history", aliases: &[], syntax: "history [-c] [N]", help: "print the last lines that were typed; -c forgets them", details: HISTORY, arguments: &[Other], count: (0, 1), last: Another, output: Pages, options: "c", run: lines::history },
    CommandSpec { name: "help", aliases: &["?"], syntax: "help [COMMAND|TOPIC]", help: "say what there is", details: "", arguments: &[Topic], count: (0, 1), last: Another, output: Pages, options: "", run: help::help },
    CommandSpec { name: "quit", aliases: &["bye", "exit"], syntax: "quit", help: "leave (so do bye and exit)", details: "", arguments: &[], count: (0, 0), last: Another, output: Report, options: "", run: account::quit },
];

/// What `help jobs` says.
const JOBS: &str = "\
get, put and sync with an & behind them run in the background, on sessions of their \
own, while you go on. what they say is shown at the next prompt after they have ended. \
jobs tells how far each is, wait waits for them, and kill %1 stops the first one as \
Ctrl-C would. leaving asks while any run; a script waits for them at its end.
";

/// What `help alias` says.
const ALIAS: &str = "\
alias ll 'ls -lh' lets ll stand for ls -lh, and what is typed behind it follows. a \
command with options or quotes of its own is quoted as a whole. an alias may have the \
name of a command, and means that inside itself; other aliases mean nothing there. it \
holds from the next line on. \
those that are to stay stand in the settings: aliases: {\"ll\": \"ls -lh\"}.
";

/// What `help history` says.
const HISTORY: &str = "\
each line is kept when it is typed, for all prompts of yours. a line that begins with \
a blank is not kept, nor one with a password in it.
";

/// What `help cat` says.
const CAT: &str = "\
cat FILE > NAME writes to a file here, which is replaced, and cat FILE | COMMAND to a \
command of the local shell, up to the end of the line; so do ls, find, du, stat, hash, \
stages, help. inside a word both characters belong to the name. each file is verified at \
its end. a file or a pipe gets the bytes as they are; at a terminal what would command it \
is shown as \\xHH.

* ? and [a-z] match names; in quotes they are themselves.
";

/// What `help edit` says.
const EDIT: &str = "\
the file is fetched to a private folder, and put back, verified, if you changed it. \
where the one at the server changed meanwhile it stays, and so does yours, here. an editor that fails stores nothing.
";

/// What `help get` says.
const GET: &str = "\
-c  go on with an interrupted download without asking
-f  replace another file without asking
-p  give it the permissions that it has at the server
-r  fetch a directory
-l  with -r, make links of links; one that could lead out is not made
-L  with -r, walk into links to directories
--no-links  with -r, leave links out
-j N  with -r, over N sessions

of several names the last one is where the others go: a directory, or -. \
* ? and [a-z] match names at the server; in quotes they are themselves.

LOCAL is a name, a directory, a device, a FIFO, or - for standard output. a file \
that is replaced passes its permissions on, and a link stays a link. without LOCAL \
the file keeps its name.

a file here of the same size and time, or of the same digest, is not fetched \
again. another one is replaced if you say so, in a script only with -f.

with -r, files of the same size and digest are left, others are named, and replaced \
only with -f; without it the command fails. nobody is asked. links to directories \
are not followed.
";

/// What `help ls` and `help ldir` say.
const LS: &str = "\
at a terminal names stand in columns and in the colours of LS_COLORS (none with \
NO_COLOR), elsewhere one on a line, as with -1.

-l  long lines: kind, permissions, size, time, name; times are local (TZ)
-a  names that begin with a dot too
-t  the latest first
-S  the largest first
-r  the other way round
-h  sizes in kB, MB..
--utc  times in UTC (or -u)

* ? and [a-z] match names; in quotes they are themselves.
";

/// What `help delete` says.
const DELETE: &str = "\
-r counts what is to go and asks once; links are deleted, not followed.
-f asks nothing, and what is not there is no failure. in a script -r needs it.
* ? and [a-z] match names; in quotes they are themselves.
";

/// What `help rename` says.
const RENAME: &str = "\
where TO is a directory, FROM moves into it. several names need one.
* ? and [a-z] match names; in quotes they are themselves.
";

/// What `help put` says.
const PUT: &str = "\
-c  go on with an interrupted upload without asking
-f  replace another file without asking
-p  give it the permissions that it has here
-r  send a directory
-l  with -r, make links of links; one that could lead out is not made
-L  with -r, walk into links to directories
--no-links  with -r, leave links out
-j N  with -r, over N sessions

of several names the last one is the directory at the server that the others go \
to; a file goes into REMOTE where that is a directory. * ? and [a-z] match names \
here; in quotes they are themselves.

a file there of the same size and digest is not sent again. another one is \
replaced if you say so, in a script only with -f.

with -r, files of the same size and digest are left, others are named, and replaced \
only with -f; without it the command fails. nobody is asked. links to directories \
are not followed.
";

/// What `help ln` says.
const LN: &str = "\
the link leads to TARGET as it is given, from where NAME is. it must stay in the home: \
TARGET is relative, and each .. in it comes first.
";

/// What `help open` says.
const OPEN: &str = "\
HOST without a port may be one of the hosts of the settings, which then say user, \
password, certificate and directories. skiff hosts lists them.
";

/// What `help sync` says.
const SYNC: &str = "\
the server's side begins with a colon: sync docs :backup/docs, sync :photos photos. \
TO becomes like FROM: what is missing is copied, and files of another size or time \
are replaced.

-n  say what would be done, in the same lines, and do nothing
-p  carry permissions too
-x GLOB  leave out names that match; with a / in it, paths below FROM
-j N  over N sessions
-l  make links at TO; one that could lead out of TO, or of the home, fails
-L  walk into links to directories
--no-links  leave links out
--checksum  compare digests, not times
--delete  delete what only TO has, after all else; nothing where FROM could not be \
listed completely

without -l links to files are copied as these files.
";

/// What `help reconnect` says.
const RECONNECT: &str = "\
a connection that is lost is made again, with pauses that grow: the login is repeated \
without a question, transfers go on where they were, and what changes nothing is done \
again. of delete, rename, mkdir, ln, chmod, touch and stages -d the server is asked first what became of \
them. what was written to a device, a FIFO or standard output in part is not gone on with. \
--retry N says how often it is tried. Ctrl-C ends it. where the server's certificate has changed nothing is sent; open asks about it.
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
        assert_eq!(candidates, ["stat", "status", "stages"]);
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
        assert_eq!(args.words, ["a".into()]);
        assert_eq!(args.target, Some("b".into()));
        assert_eq!(parse_args("-- -r").ok().unwrap().words.len(), 1);
        assert!(parse_args("-x a").err().unwrap().contains("-x"));
        let args = parse_args("a b c").ok().unwrap();
        assert_eq!((args.words.len(), args.target), (2, Some("c".into())));
        assert_eq!(parse_args("a").ok().unwrap().target, None);
        let args = parse_args("-rj4 -j 2 a").ok().unwrap();
        let values: Vec<_> = args.values_of('j').map(Word::to_text).collect();
        assert_eq!(
            (values.join(" "), args.options.as_str()),
            ("4 2".into(), "r")
        );
        assert!(parse_args("a -j").err().unwrap().contains("needs a value"));
        assert!(parse_args("-: a").is_err());
        assert!(parse_args("-c").err().unwrap().contains("put [-cfprlL]"));
    }
}
