//! Implements the commands on names at the server: cd, ls, pwd, rename, delete, rmdir, mkdir.

use skiff_sessions::client::Dialogue;
use skiff_sessions::path::PathArg;
use skiff_sessions::wire::command::Command;
use skiff_sessions::wire::native::replies::ReplyLine;
use skiff_sessions::wire::reply::{Facts, Kind};

use super::lexer::Word;
use super::spec::ParsedArgs;
use super::targets::{remote_kind, remote_path};
use crate::net::command_error::{CommandError, CommandResult};
use crate::net::session::{NoFile, Session, absolute_path, expect_reply};
use crate::terminal::format::{count, escape_name, format_entry, format_reply};
use crate::terminal::output::print_line;
use crate::terminal::progress::{Progress, ProgressPlace};

/// A listing of up to this many entries is printed sorted, a longer one as it arrives.
const SORTED_MAX: usize = 10_000;

/// The same for one whose names take more bytes than this.
const SORTED_BYTES_MAX: usize = 4 << 20;

/// `cd`: changes the working directory at the server, to the home without an argument.
pub(crate) fn cd(session: &mut Session, args: &ParsedArgs) -> CommandResult {
    let word = args.words.first().cloned().unwrap_or_else(|| "/".into());
    let answered = session.request_ok(
        word.as_bytes(),
        Command::ChangeDirectory(remote_path(&word)?),
    )?;
    let path = absolute_path(&answered);
    session.cwd = match path {
        Some(path) => path,
        None => session.working_directory()?.1,
    };
    print_line(format_args!("250 {}", escape_name(&session.cwd)));
    Ok(())
}

/// `pwd`: prints the working directory at the server.
pub(crate) fn pwd(session: &mut Session, _: &ParsedArgs) -> CommandResult {
    let (answered, path) = session.working_directory()?;
    session.cwd = path;
    print_line(format_reply(&answered));
    Ok(())
}

/// `ls`: prints the entries of a directory at the server.
pub(crate) fn ls(session: &mut Session, args: &ParsedArgs) -> CommandResult {
    let word = args.words.first();
    let path = word.map(remote_path).transpose()?;
    let what = word.map(Word::as_bytes).unwrap_or_default();
    let mut lines = SortedListing::default();
    let ended = session.list(what, Command::list(path), |name, facts| {
        lines.add(name, facts);
    })?;
    lines.flush();
    if let Some(hidden) = ended.hidden.filter(|&hidden| hidden > 0) {
        print_line(format_args!(
            "{} not shown: the server could not list them",
            count(hidden, "entry is", "entries are")
        ));
    }
    Ok(())
}

/// `rename`: renames a file or directory at the server.
pub(crate) fn rename(session: &mut Session, args: &ParsedArgs) -> CommandResult {
    let [from, to] = &args.words[..] else {
        return Ok(());
    };
    let (source, target) = (remote_path(from)?, remote_path(to)?);
    let mut no_file = NoFile {
        progress: Progress::new(
            ProgressPlace::Alone(session.progress_style),
            from.as_bytes(),
        ),
    };
    let outcome =
        session.run_dialogue(|out| Dialogue::rename(source, target, out), &mut no_file)?;
    let answered = expect_reply(outcome)?;
    match answered.code {
        250 => print_reply(&answered),
        401 => Err(CommandError::from_reply(to.as_bytes(), &answered)),
        _ => Err(CommandError::from_reply(from.as_bytes(), &answered)),
    }
}

/// `delete`: deletes a file or an empty directory at the server.
pub(crate) fn delete(session: &mut Session, args: &ParsedArgs) -> CommandResult {
    request_for_each(session, args, Command::Delete)
}

/// `rmdir`: removes an empty directory at the server. The protocol has one command for files and
/// directories, so what has the name is asked first.
pub(crate) fn rmdir(session: &mut Session, args: &ParsedArgs) -> CommandResult {
    for word in &args.words {
        if remote_kind(session, word)? != Some(Kind::Directory) {
            return Err(CommandError::refused(
                escape_name(word.as_bytes()),
                "no directory; delete is for files",
            ));
        }
    }
    request_for_each(session, args, Command::Delete)
}

/// `mkdir`: makes a directory at the server.
pub(crate) fn mkdir(session: &mut Session, args: &ParsedArgs) -> CommandResult {
    request_for_each(session, args, Command::MakeDirectory)
}

/// Sends `command` for each argument and prints the replies.
fn request_for_each(
    session: &mut Session,
    args: &ParsedArgs,
    command: fn(PathArg) -> Command,
) -> CommandResult {
    for word in &args.words {
        let answered = session.request_ok(word.as_bytes(), command(remote_path(word)?))?;
        print_reply(&answered)?;
    }
    Ok(())
}

/// Prints a reply; never fails.
fn print_reply(answered: &ReplyLine) -> CommandResult {
    print_line(format_reply(answered));
    Ok(())
}

/// Prints entries sorted while they are few; beyond [`SORTED_MAX`] it keeps none.
#[derive(Default)]
struct SortedListing {
    kept: Vec<(Vec<u8>, Facts)>,
    /// Bytes of the names that are kept.
    kept_bytes: usize,
    mode: PrintMode,
}

/// Whether entries are kept to be sorted.
#[derive(Default, PartialEq, Eq)]
enum PrintMode {
    #[default]
    Sorted,
    AsReceived,
}

impl SortedListing {
    fn add(&mut self, name: &[u8], facts: &Facts) {
        if self.mode == PrintMode::AsReceived {
            return print_line(format_entry(name, facts));
        }
        self.kept.push((name.to_vec(), *facts));
        self.kept_bytes += name.len();
        if self.kept.len() > SORTED_MAX || self.kept_bytes > SORTED_BYTES_MAX {
            self.mode = PrintMode::AsReceived;
            self.flush();
        }
    }

    /// Prints the kept entries, sorted by name.
    fn flush(&mut self) {
        self.kept
            .sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        for (name, facts) in self.kept.drain(..) {
            print_line(format_entry(&name, &facts));
        }
    }
}
