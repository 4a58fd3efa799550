//! Implements the commands that look at files at the server: cat, more, du, find, stat.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use skiff_sessions::client::{CommandTiming, LocalCopy};
use skiff_sessions::path::PathArg;
use skiff_sessions::wire::command::{Command, Turn};
use skiff_sessions::wire::reply::{Facts, Kind};

use super::each::for_each;
use super::lexer::Word;
use super::local_time::Zone;
use super::output::to_pager;
use super::spec::ParsedArgs;
use super::targets::remote_path;
use crate::net::command_error::{CommandError, CommandResult};
use crate::net::session::Session;
use crate::terminal::format::{escape_name, format_size, format_time};
use crate::terminal::output::{OutputFormat, format, print_line, print_object, print_record};
use crate::terminal::progress::{ProgressPlace, ProgressStyle};
use crate::terminal::records::{ENTRY, Record, SUM};
use crate::terminal::redirect::is_screen;
use crate::transfer::destination::{Destination, StreamTarget};
use crate::transfer::file::{FileDownload, download_file};
use crate::transfer::glob::Pattern;
use crate::transfer::local_file::SyncPolicy;
use crate::transfer::policy::{Overwrite, Resume, TransferPolicy};
use crate::transfer::tree::walk::walk;

/// `cat`: writes files at the server to standard output; escaped at a terminal, else as they are.
pub(crate) fn cat(session: &mut Session, args: &ParsedArgs) -> CommandResult {
    match is_screen() {
        true => cat_to(session, args, StreamTarget::Screen),
        false => cat_to(session, args, StreamTarget::Stdout),
    }
}

/// `more`: shows files at the server in the pager; without a terminal it is `cat`.
pub(crate) fn more(session: &mut Session, args: &ParsedArgs) -> CommandResult {
    match is_screen() {
        true => to_pager(|| cat_to(session, args, StreamTarget::Screen)),
        false => cat_to(session, args, StreamTarget::Stdout),
    }
}

fn cat_to(session: &mut Session, args: &ParsedArgs, target: StreamTarget) -> CommandResult {
    for_each(session, &args.words, |session, word| {
        let order = FileDownload {
            path: remote_path(word)?,
            to: PathBuf::from(OsStr::from_bytes(word.as_bytes())),
            destination: Destination::Stream(target.clone()),
            local: LocalCopy::default(),
            turn: Turn::Negotiate,
            command: CommandTiming::Now,
            policy: TransferPolicy {
                resume: Resume::Always,
                overwrite: Overwrite::Always,
            },
            sync: SyncPolicy::AtEnd,
            place: ProgressPlace::Alone(ProgressStyle::Hidden),
        };
        download_file(session, order)?.into_line()?;
        Ok(())
    })
}

/// `stat`: prints what is known of files and directories; links are followed.
pub(crate) fn stat(session: &mut Session, args: &ParsedArgs) -> CommandResult {
    let zone = match args.has_option('u') {
        true => Zone::default(),
        false => Zone::of_user(),
    };
    for_each(session, &args.words, |session, word| {
        let found = facts(session, word)?;
        if format() == OutputFormat::Json {
            print_object(|| entry_record(word.as_bytes(), &found));
            return Ok(());
        }
        let kind = match found.kind {
            Kind::File => "file",
            Kind::Directory => "directory",
            Kind::Link => "link",
            Kind::Other => "neither file nor directory",
        };
        print_line(escape_name(word.as_bytes()));
        print_line(format_args!("  type  {kind}"));
        if found.kind == Kind::File {
            let size = found.size;
            print_line(format_args!("  size  {size} bytes ({})", format_size(size)));
        }
        if let Some(mode) = found.mode {
            print_line(format_args!("  mode  {:03o}", mode & 0o7777));
        }
        let time = format_time(zone.to_local(found.modified));
        print_line(format_args!("  time  {time}"));
        Ok(())
    })
}

/// `du`: prints the sum of the bytes of all files below each path.
pub(crate) fn du(session: &mut Session, args: &ParsedArgs) -> CommandResult {
    let here = [Word::from(".")];
    let words = match args.words.is_empty() {
        true => &here[..],
        false => &args.words,
    };
    for_each(session, words, |session, word| {
        let found = facts(session, word)?;
        let mut sum = 0_u64;
        if found.kind == Kind::Directory {
            walk(session, remote_path(word)?, |_, facts| {
                if facts.kind == Kind::File {
                    sum = sum.saturating_add(facts.size);
                }
                Ok(())
            })?;
        } else {
            sum = found.size;
        }
        let shown = match args.has_option('h') {
            true => format_size(sum),
            false => sum.to_string(),
        };
        print_record(
            || {
                Record::new(&SUM)
                    .name("name", word.as_bytes())
                    .number("bytes", sum)
            },
            || format!("{shown:>14} {}", escape_name(word.as_bytes())),
        );
        Ok(())
    })
}

/// `find`: prints the paths below a directory, with a pattern those whose names match it.
pub(crate) fn find(session: &mut Session, args: &ParsedArgs) -> CommandResult {
    let root = args.words.first().cloned().unwrap_or_else(|| ".".into());
    // Nothing but a pattern can stand here, in quotes or not.
    let pattern = args.words.get(1);
    let pattern = pattern.map(|word| Pattern::compile(word.as_bytes(), |_| true));
    let fits = |path: &PathArg| {
        let name = path.as_bytes().rsplit(|&b| b == b'/').next();
        let matches = |pattern: &Pattern| name.is_some_and(|name| pattern.matches(name));
        pattern.as_ref().is_none_or(matches)
    };
    let show = |path: &PathArg, facts: &Facts| {
        if fits(path) {
            let mark = match facts.kind {
                Kind::Directory => "/",
                Kind::File | Kind::Link | Kind::Other => "",
            };
            print_record(
                || entry_record(path.as_bytes(), facts),
                || format!("{}{mark}", escape_name(path.as_bytes())),
            );
        }
        Ok(())
    };
    let path = remote_path(&root)?;
    let found = facts(session, &root)?;
    match found.kind {
        Kind::Directory => walk(session, path, show),
        Kind::File | Kind::Link | Kind::Other => show(&path, &found),
    }
}

fn entry_record(name: &[u8], facts: &Facts) -> Record {
    Record::new(&ENTRY).name("name", name).facts(facts)
}

fn facts(session: &mut Session, word: &Word) -> Result<Facts, CommandError> {
    let answered = session.request_ok(word.as_bytes(), Command::Facts(remote_path(word)?))?;
    answered
        .facts
        .ok_or_else(|| CommandError::from_reply(word.as_bytes(), &answered))
}
