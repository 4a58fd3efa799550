//! Implements the commands that delete at the server: delete, with `-r` trees too, and rmdir.

use skiff_sessions::path::PathArg;
use skiff_sessions::wire::command::Command;
use skiff_sessions::wire::native::causes::Cause;
use skiff_sessions::wire::reply::Kind;

use super::directories::tell_change;
use super::each::for_each;
use super::lexer::Word;
use super::spec::ParsedArgs;
use super::targets::{remote_kind, remote_path};
use crate::net::changes::{self, Change};
use crate::net::command_error::{CommandError, CommandResult};
use crate::net::listing::Listed;
use crate::net::session::Session;
use crate::terminal::format::escape_name;
use crate::terminal::output::{print_error, print_line};
use crate::transfer::tree::remove::{Deleted, Doomed};

/// `delete`: deletes files and empty directories at the server, with `-r` trees.
pub(crate) fn delete(session: &mut Session, args: &ParsedArgs) -> CommandResult {
    if args.has_option('r') {
        return delete_trees(session, args);
    }
    for_each(session, &args.words, |session, word| match changes::delete(
        session,
        &remote_path(word)?,
    )? {
        Change::Answered(answered)
            if args.has_option('f') && answered.why == Some(Cause::NotFound) =>
        {
            Ok(())
        }
        deleted => tell_change(word, deleted, "gone"),
    })
}

/// `rmdir`: removes empty directories at the server. The protocol has one command for files and
/// directories, so what has the name is asked first.
pub(crate) fn rmdir(session: &mut Session, args: &ParsedArgs) -> CommandResult {
    for_each(session, &args.words, |session, word| {
        if remote_kind(session, word)? != Some(Kind::Directory) {
            return Err(CommandError::refused(
                escape_name(word.as_bytes()),
                "no directory; delete is for files",
            ));
        }
        let removed = changes::delete(session, &remote_path(word)?)?;
        tell_change(word, removed, "gone")
    })
}

/// `delete -r`: counts all that is named, asks once unless `-f` is given, and deletes it.
fn delete_trees(session: &mut Session, args: &ParsedArgs) -> CommandResult {
    let asks = !args.has_option('f');
    if asks && !session.asker.can_ask() {
        return Err(CommandError::refused(
            "delete -r",
            "nobody can be asked here; delete -rf does it unasked",
        ));
    }
    let mut doomed = Doomed::default();
    for word in &args.words {
        match named_kind(session, word)? {
            Some((path, Kind::Directory)) => doomed.add_directory(session, path)?,
            Some((path, _)) => doomed.add_file(path)?,
            None if args.has_option('f') => {}
            None => {
                let name = escape_name(word.as_bytes());
                return Err(CommandError::refused(name, "no such file or directory"));
            }
        }
    }
    let sum = counted(doomed.files(), doomed.directories());
    if asks {
        match session.asker.confirm(&format!("delete {sum}?"), false) {
            Some(true) => {}
            Some(false) => return Err(CommandError::Refused("nothing was deleted".into())),
            None => return Err(CommandError::Stopped("stopped, nothing was deleted".into())),
        }
    }
    let mut deleted = Deleted::default();
    let ended = doomed.delete(session, &mut deleted);
    let done = counted(deleted.files, deleted.directories);
    match ended {
        Ok(()) if deleted.failed > 0 => Err(CommandError::Refused(format!(
            "{done} of {sum} deleted, the rest is there still"
        ))),
        Ok(()) => {
            print_line(format_args!("250 {done} deleted"));
            Ok(())
        }
        Err(CommandError::Stopped(_)) => Err(CommandError::Stopped(format!(
            "stopped; at least {done} of {sum} were deleted"
        ))),
        Err(other) => {
            print_error(format_args!("at least {done} of {sum} were deleted"));
            Err(other)
        }
    }
}

/// Finds out what a name itself is: STAT follows links, so a directory is looked for in the listing
/// of the one that it is in. `None` where nothing has the name.
fn named_kind(session: &mut Session, word: &Word) -> Result<Option<(PathArg, Kind)>, CommandError> {
    let refused = |why: &str| CommandError::refused(escape_name(word.as_bytes()), why);
    let bytes = word.as_bytes();
    let end = bytes
        .iter()
        .rposition(|&b| b != b'/')
        .map_or(0, |at| at + 1);
    let path = &bytes[..end];
    let (folder, name) =
        path.split_at(path.iter().rposition(|&b| b == b'/').map_or(0, |at| at + 1));
    match name {
        b"" => return Err(refused("the home itself is not deleted")),
        b"." | b".." => return Err(refused("name the directory, or what is in it")),
        _ => {}
    }
    let path = remote_path(&path.to_vec().into())?;
    let mut found = None;
    let parent = match folder {
        b"" => None,
        folder => Some(remote_path(&folder.to_vec().into())?),
    };
    session.list(folder, Command::list(parent), |part| match part {
        Listed::Entry(entry, facts) if entry == name => found = Some(facts.kind),
        Listed::Entry(..) => {}
        Listed::Anew => found = None,
    })?;
    Ok(found.map(|kind| (path, kind)))
}

/// Words a number of files and directories.
fn counted(files: u64, directories: u64) -> String {
    let files = match files {
        1 => "1 file".into(),
        files => format!("{files} files"),
    };
    match directories {
        0 => files,
        1 => format!("{files} and 1 directory"),
        directories => format!("{files} and {directories} directories"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_in_words() {
        assert_eq!(counted(1, 0), "1 file");
        assert_eq!(counted(0, 1), "0 files and 1 directory");
        assert_eq!(counted(12, 3), "12 files and 3 directories");
    }
}
