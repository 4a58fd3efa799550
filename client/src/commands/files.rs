//! Implements the commands on files: get, put, hash, stages.

use skiff_sessions::client::CommandTiming;
use skiff_sessions::digest::Algorithm;
use skiff_sessions::wire::command::{Command, Replace, Turn};

use super::spec::ParsedArgs;
use super::targets::{local_target, remote_path, remote_target};
use super::trees;
use crate::net::command_error::{CommandError, CommandResult};
use crate::net::session::Session;
use crate::terminal::format::{escape_name, format_reply, format_time};
use crate::terminal::output::print_line;
use crate::transfer::download::find_local_copy;
use crate::transfer::file::{FileDownload, FileUpload, download_file, upload_file};
use crate::transfer::local_file::SyncPolicy;
use crate::transfer::policy::{Overwrite, Resume, UploadPolicy};

/// `get`: downloads a file, or with `-r` a directory.
pub(crate) fn get(session: &mut Session, args: &ParsedArgs) -> CommandResult {
    if args.has_option('r') {
        return trees::get(session, args);
    }
    let from = &args.words[0];
    let to = local_target(from, args.words.get(1))?;
    let order = FileDownload {
        path: remote_path(from)?,
        local: find_local_copy(&to),
        to,
        turn: Turn::Negotiate,
        command: CommandTiming::Now,
        resume: resume(args),
        sync: SyncPolicy::EachFile,
        style: session.progress_style,
    };
    download_file(session, order).map(|outcome| print_line(outcome.line))
}

/// `put`: uploads a file, or with `-r` a directory.
pub(crate) fn put(session: &mut Session, args: &ParsedArgs) -> CommandResult {
    if args.has_option('r') {
        return trees::put(session, args);
    }
    let from = args.words[0].as_local_path();
    let to = remote_target(from, args.words.get(1))?;
    let replace = if args.has_option('f') {
        Replace::Yes
    } else {
        Replace::Never
    };
    let policy = UploadPolicy {
        resume: resume(args),
        overwrite: Overwrite::Ask,
    };
    let style = session.progress_style;
    let order = FileUpload {
        from,
        to,
        policy,
        replace,
        turn: Turn::Negotiate,
        style,
    };
    upload_file(session, order).map(|outcome| print_line(outcome.line))
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
    print_line(format_args!(
        "213 {}: {size} bytes, {} {sum}",
        escape_name(word.as_bytes()),
        algorithm.name()
    ));
    Ok(())
}

/// `stages`: lists the unfinished uploads, or with `-d` drops one.
pub(crate) fn stages(session: &mut Session, args: &ParsedArgs) -> CommandResult {
    match (args.has_option('d'), args.words.first()) {
        (true, Some(word)) => {
            let answered =
                session.request_ok(word.as_bytes(), Command::DropStage(remote_path(word)?))?;
            print_line(format_reply(&answered));
            Ok(())
        }
        (false, None) => {
            session.list(b"", Command::Stages, |path, facts| {
                let (size, time) = (facts.size, format_time(facts.modified));
                print_line(format_args!("{size:>14} {time} {}", escape_name(path)));
            })?;
            Ok(())
        }
        _ => Err(CommandError::refused(
            "stages",
            "write it so: stages, or stages -d PATH",
        )),
    }
}

/// Returns `Always` with `-c`, else `Ask`.
pub(crate) fn resume(args: &ParsedArgs) -> Resume {
    if args.has_option('c') {
        Resume::Always
    } else {
        Resume::Ask
    }
}
