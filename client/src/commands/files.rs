//! Implements the commands on files: get, put, hash, stages.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;

use skiff_sessions::client::{CommandTiming, LocalCopy};
use skiff_sessions::digest::Algorithm;
use skiff_sessions::wire::command::{Command, Replace, SetAttributes, Turn};
use skiff_sessions::wire::reply::Kind;

use super::directories::tell_change;
use super::each::for_each;
use super::lexer::Word;
use super::listing::LISTED_ANEW;
use super::spec::ParsedArgs;
use super::targets::{
    download_target, local_target, remote_kind, remote_path, remote_target, upload_target,
};
use super::trees;
use crate::net::changes;
use crate::net::command_error::{CommandError, CommandResult};
use crate::net::listing::Listed;
use crate::net::session::Session;
use crate::terminal::format::{IoCause, count, escape_name, escape_path, format_time};
use crate::terminal::output::{print_line, print_note, print_record};
use crate::terminal::progress::ProgressPlace;
use crate::terminal::records::{DIGEST, ENTRY, Record};
use crate::transfer::destination::{Destination, StreamTarget};
use crate::transfer::file::{FileDownload, FileResult, FileUpload, download_file, upload_file};
use crate::transfer::local_file::SyncPolicy;
use crate::transfer::policy::{Overwrite, Resume, TransferPolicy};

/// `get`: downloads files, and with `-r` directories.
pub(crate) fn get(session: &mut Session, args: &ParsedArgs) -> CommandResult {
    let to = download_target(args.target.as_ref(), args.words.len())?;
    for_each(session, &args.words, |session, from| {
        get_one(session, args, from, to.as_ref())
    })
}

fn get_one(
    session: &mut Session,
    args: &ParsedArgs,
    from: &Word,
    to: Option<&Word>,
) -> CommandResult {
    if args.has_option('r') && remote_kind(session, from)? == Some(Kind::Directory) {
        return trees::get(session, args, from, to);
    }
    let (to, destination) = destination(from, to)?;
    let is_stdout = matches!(destination, Destination::Stream(StreamTarget::Stdout));
    let order = FileDownload {
        path: remote_path(from)?,
        local: match &destination {
            Destination::File(target) => target.local_copy(),
            Destination::Stream(_) => LocalCopy::default(),
        },
        to,
        destination,
        turn: Turn::Negotiate,
        command: CommandTiming::Now,
        policy: policy(args),
        sync: SyncPolicy::EachFile,
        place: ProgressPlace::Alone(session.progress_style),
    };
    let mode = match args.has_option('p') && !is_stdout {
        true => session.request(Command::Facts(order.path.clone()))?.facts,
        false => None,
    };
    let path = order.to.clone();
    let outcome = download_file(session, order)?;
    if let Some(mode) = mode.and_then(|facts| facts.mode)
        && outcome.result != FileResult::LeftDifferent
    {
        let set = fs::set_permissions(&path, Permissions::from_mode(mode & 0o777));
        set.map_err(|error| CommandError::refused(escape_path(&path), IoCause(&error)))?;
    }
    match is_stdout {
        // The bytes alone are on standard output.
        true => outcome.into_line().map(print_note),
        false => outcome.print(),
    }
}

/// Returns the local end of a download, by name and by what that leads to. `-` is standard output.
fn destination(from: &Word, to: Option<&Word>) -> Result<(PathBuf, Destination), CommandError> {
    if to.is_some_and(|to| to.as_bytes() == b"-") {
        let stdout = Destination::Stream(StreamTarget::Stdout);
        return Ok((PathBuf::from("standard output"), stdout));
    }
    let to = local_target(from, to)?;
    let found = Destination::find(&to);
    let found = found.map_err(|error| CommandError::refused(escape_path(&to), IoCause(&error)))?;
    Ok((to, found))
}

/// `put`: uploads files, and with `-r` directories.
pub(crate) fn put(session: &mut Session, args: &ParsedArgs) -> CommandResult {
    let is_directory = |word: &Word| word.as_local_path().is_dir();
    let is_tree = args.has_option('r') && args.words.iter().any(is_directory);
    let to = upload_target(session, args.target.as_ref(), args.words.len(), is_tree)?;
    for_each(session, &args.words, |session, from| {
        put_one(session, args, from, to.as_ref())
    })
}

fn put_one(
    session: &mut Session,
    args: &ParsedArgs,
    word: &Word,
    to: Option<&Word>,
) -> CommandResult {
    let from = word.as_local_path();
    if args.has_option('r') && from.is_dir() {
        return trees::put(session, args, word, to);
    }
    let to = remote_target(from, to)?;
    let policy = policy(args);
    let replace = match policy.overwrite {
        Overwrite::Always => Replace::Yes,
        Overwrite::Ask | Overwrite::Never => Replace::Never,
    };
    let place = ProgressPlace::Alone(session.progress_style);
    let mode = match args.has_option('p') {
        true => fs::metadata(from).ok().map(|found| found.mode() & 0o777),
        false => None,
    };
    let set = SetAttributes {
        path: to.clone(),
        modified: None,
        mode,
    };
    let order = FileUpload {
        from,
        to,
        policy,
        replace,
        turn: Turn::Negotiate,
        place,
    };
    let outcome = upload_file(session, order)?;
    if set.mode.is_some() && outcome.result != FileResult::LeftDifferent {
        changes::set_attributes(session, &set)?.or_refused(set.path.as_bytes())?;
    }
    outcome.print()
}

/// `hash`: prints the digest of a file at the server, MD5 or with `-s` SHA-256.
pub(crate) fn hash(session: &mut Session, args: &ParsedArgs) -> CommandResult {
    let algorithm = if args.has_option('s') {
        Algorithm::Sha256
    } else {
        Algorithm::Md5
    };
    let word = &args.words[0];
    let answered = session.request_ok(
        word.as_bytes(),
        Command::Hash {
            path: remote_path(word)?,
            algorithm,
        },
    )?;
    let Some(sum) = answered.sum else {
        return Err(CommandError::from_reply(word.as_bytes(), &answered));
    };
    let size = answered.size.unwrap_or_default();
    let record = || {
        Record::new(&DIGEST)
            .name("name", word.as_bytes())
            .number("size", size)
            .text("algorithm", algorithm.name())
            .text("digest", &sum.to_string())
    };
    print_record(record, || {
        let name = escape_name(word.as_bytes());
        let (bytes, algorithm) = (count(size, "byte", "bytes"), algorithm.name());
        format!("213 {name}: {bytes}, {algorithm} {sum}")
    });
    Ok(())
}

/// `stages`: lists the unfinished uploads, or with `-d` drops one.
pub(crate) fn stages(session: &mut Session, args: &ParsedArgs) -> CommandResult {
    match (args.has_option('d'), args.words.first()) {
        (true, Some(word)) => {
            let dropped = changes::drop_stage(session, &remote_path(word)?)?;
            tell_change(word, dropped, "gone")
        }
        (false, None) => {
            session.list(b"", Command::Stages, |part| match part {
                Listed::Entry(path, facts) => {
                    let (size, time) = (facts.size, format_time(facts.modified));
                    print_record(
                        || Record::new(&ENTRY).name("name", path).facts(facts),
                        || format!("{size:>14} {time} {}", escape_name(path)),
                    );
                }
                Listed::Anew => print_line(LISTED_ANEW),
            })?;
            Ok(())
        }
        _ => Err(CommandError::refused("stages", "usage: stages [-d PATH]")),
    }
}

/// Returns what the options allow: `-c` to resume, `-f` to replace.
fn policy(args: &ParsedArgs) -> TransferPolicy {
    TransferPolicy {
        resume: match args.has_option('c') {
            true => Resume::Always,
            false => Resume::Ask,
        },
        overwrite: match args.has_option('f') {
            true => Overwrite::Always,
            false => Overwrite::Ask,
        },
    }
}
