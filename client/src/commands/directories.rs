//! Implements the commands on names at the server: cd, pwd, rename, mkdir, ln.

use skiff_sessions::path::{LINK_TARGET_MAX, LinkTarget};
use skiff_sessions::wire::command::Command;
use skiff_sessions::wire::native::causes::Cause;
use skiff_sessions::wire::reply::Kind;

use super::each::for_each;
use super::lexer::Word;
use super::spec::ParsedArgs;
use super::targets::{remote_kind, remote_path, remote_target, upload_target};
use crate::net::changes::{self, Change};
use crate::net::command_error::{CommandError, CommandResult};
use crate::net::session::{Session, absolute_path};
use crate::terminal::format::{escape_name, format_reply};
use crate::terminal::output::{print_line, print_reply};

/// `cd`: changes the working directory at the server, to the home without an argument, and with `-`
/// to the one before.
pub(crate) fn cd(session: &mut Session, args: &ParsedArgs) -> CommandResult {
    let word = match args.words.first() {
        None => "/".into(),
        Some(word) if word.as_bytes() == b"-" => {
            let before = session.previous_cwd.clone();
            before
                .map(Word::from)
                .ok_or_else(|| CommandError::refused("cd -", "there was no directory before"))?
        }
        Some(word) => word.clone(),
    };
    let answered = session.request_ok(
        word.as_bytes(),
        Command::ChangeDirectory(remote_path(&word)?),
    )?;
    let now = match absolute_path(&answered) {
        Some(path) => path,
        None => session.working_directory()?.1,
    };
    session.previous_cwd = Some(std::mem::replace(&mut session.cwd, now));
    print_reply(&format!("250 {}", escape_name(&session.cwd)));
    Ok(())
}

/// `pwd`: prints the working directory at the server.
pub(crate) fn pwd(session: &mut Session, _: &ParsedArgs) -> CommandResult {
    let (answered, path) = session.working_directory()?;
    session.cwd = path;
    print_reply(&format_reply(&answered));
    Ok(())
}

/// `rename`: renames files and directories at the server, or moves them into a directory.
pub(crate) fn rename(session: &mut Session, args: &ParsedArgs) -> CommandResult {
    let to = upload_target(session, args.target.as_ref(), args.words.len(), false)?;
    for_each(session, &args.words, |session, from| {
        rename_one(session, from, to.as_ref())
    })
}

fn rename_one(session: &mut Session, from: &Word, to: Option<&Word>) -> CommandResult {
    let source = remote_path(from)?;
    let target = remote_target(from.as_local_path(), to)?;
    let answered = match changes::rename(session, &source, &target)? {
        Change::Answered(answered) => answered,
        Change::Found => {
            let (from, to) = (escape_name(from.as_bytes()), escape_name(target.as_bytes()));
            print_line(format_args!(
                "{from}: renamed to {to}, as the server shows; its answer was lost"
            ));
            return Ok(());
        }
    };
    match answered.code {
        250 => {
            print_reply(&format_reply(&answered));
            Ok(())
        }
        401 => Err(CommandError::from_reply(target.as_bytes(), &answered)),
        _ => Err(CommandError::from_reply(from.as_bytes(), &answered)),
    }
}

/// `mkdir`: makes directories at the server, with `-p` those that they are in too.
pub(crate) fn mkdir(session: &mut Session, args: &ParsedArgs) -> CommandResult {
    for_each(session, &args.words, |session, word| {
        if args.has_option('p') {
            return make_path(session, word);
        }
        let made = changes::make_directory(session, &remote_path(word)?)?;
        tell_change(word, made, "there")
    })
}

/// `ln`: makes a symbolic link at the server.
pub(crate) fn make_link(session: &mut Session, args: &ParsedArgs) -> CommandResult {
    let [target, name] = &args.words[..] else {
        return Err(CommandError::refused(
            "ln",
            "a link to what, by which name?",
        ));
    };
    let to = LinkTarget::new(target.as_bytes()).ok_or_else(|| {
        let why = format!("a link leads to 1 to {LINK_TARGET_MAX} bytes");
        CommandError::refused(escape_name(target.as_bytes()), why)
    })?;
    let made = changes::make_link(session, &remote_path(name)?, &to)?;
    tell_change(name, made, "there")
}

/// Makes each directory of a path that is not there.
fn make_path(session: &mut Session, word: &Word) -> CommandResult {
    let bytes = word.as_bytes();
    let mut begin = 0;
    let mut made = None;
    for part in bytes.split(|&b| b == b'/') {
        let path = &bytes[..begin + part.len()];
        begin += part.len() + 1;
        if matches!(part, b"" | b"." | b"..") {
            continue;
        }
        made = match changes::make_directory(session, &remote_path(&path.to_vec().into())?)? {
            Change::Answered(answered) => match (answered.code, answered.why) {
                (200..300, _) => Some(Change::Answered(answered)),
                (_, Some(Cause::Exists)) => None,
                _ => return Err(CommandError::from_reply(path, &answered)),
            },
            Change::Found => Some(Change::Found),
        };
    }
    match made {
        Some(made) => tell_change(word, made, "there"),
        None if remote_kind(session, word)? == Some(Kind::Directory) => Ok(()),
        None => Err(CommandError::refused(
            escape_name(bytes),
            "a file has the name",
        )),
    }
}

/// Prints what became of the change of a name: the reply, or what the server shows (`found`) where
/// that was lost.
///
/// # Errors
///
/// A reply other than 2xx.
pub(super) fn tell_change(word: &Word, change: Change, found: &str) -> CommandResult {
    match change.or_refused(word.as_bytes())? {
        Change::Answered(answered) => print_reply(&format_reply(&answered)),
        Change::Found => print_line(format_args!(
            "{}: is {found} now; the server's answer was lost with the connection",
            escape_name(word.as_bytes())
        )),
    }
    Ok(())
}
