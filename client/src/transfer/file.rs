//! Downloads or uploads one file and words the result for the user.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use skiff_sessions::client::{CommandTiming, Dialogue, GetOrder, LocalCopy, Outcome, PutOrder};
use skiff_sessions::digest::Sum;
use skiff_sessions::path::PathArg;
use skiff_sessions::wire::command::{Replace, Retrieve, Turn};
use skiff_sessions::wire::native::replies::ReplyLine;
use skiff_sessions::wire::reply::Refusal;

use super::download::Download;
use super::local_file::SyncPolicy;
use super::policy::{Resume, UploadPolicy};
use super::upload::Upload;
use crate::net::command_error::CommandError;
use crate::net::session::Session;
use crate::terminal::format::{escape_name, format_pace};
use crate::terminal::progress::{Progress, ProgressStyle};

/// What to download, to where, and how.
pub(crate) struct FileDownload {
    pub(crate) path: PathArg,
    pub(crate) to: PathBuf,
    /// What is at `to` already.
    pub(crate) local: LocalCopy,
    pub(crate) turn: Turn,
    /// Whether the request was sent ahead already.
    pub(crate) command: CommandTiming,
    pub(crate) resume: Resume,
    pub(crate) sync: SyncPolicy,
    pub(crate) style: ProgressStyle,
}

/// A file that is complete at both ends, and the line that says so.
pub(crate) struct FileOutcome {
    pub line: String,
    /// Bytes that went over the connection; `None` where nothing had to be transferred.
    pub carried: Option<u64>,
}

impl FileOutcome {
    fn transferred(line: String, progress: &Progress) -> Self {
        Self {
            line,
            carried: Some(progress.carried_bytes_and_time().0),
        }
    }

    fn unchanged(line: String) -> Self {
        Self {
            line,
            carried: None,
        }
    }
}

/// Downloads one file.
pub(crate) fn download_file(
    session: &mut Session,
    order: FileDownload,
) -> Result<FileOutcome, CommandError> {
    let name = order.to.as_os_str().as_bytes().to_vec();
    let progress = Progress::new(order.style, &name);
    let asker = session.asker.clone();
    let mut download = Download::new(order.to, order.resume, order.sync, asker, progress);
    let asked = GetOrder {
        what: Retrieve {
            path: order.path.clone(),
            digest: session.digest,
            turn: order.turn,
        },
        command: order.command,
        local: order.local,
    };
    let outcome = session.run_dialogue(|out| Dialogue::get(asked, out), &mut download)?;
    download.progress.finish();
    let shown = escape_name(&name);
    match outcome {
        Outcome::Verified(sent) => Ok(describe_success(&shown, &sent, &download.progress)),
        Outcome::AlreadyThere { size, sum } => {
            let proof = describe_proof(sum);
            Ok(FileOutcome::unchanged(format!(
                "400 {shown}: {size} bytes are here already, {proof}"
            )))
        }
        Outcome::ResumeDeclined => Ok(FileOutcome::unchanged(format!(
            "401 {shown}: not resumed, the part stays as it is"
        ))),
        Outcome::Differs(_) => Err(CommandError::Refused(format!(
            "550 {shown}: not verified, the digests differ; nothing was kept, try again"
        ))),
        other => Err(command_error(
            order.path.as_bytes(),
            other,
            download.error.take(),
            "get",
        )),
    }
}

/// What to upload, to where, and how.
pub(crate) struct FileUpload<'a> {
    pub from: &'a Path,
    pub to: PathArg,
    pub policy: UploadPolicy,
    pub replace: Replace,
    pub turn: Turn,
    pub style: ProgressStyle,
}

/// Uploads one file.
pub(crate) fn upload_file(
    session: &mut Session,
    order: FileUpload<'_>,
) -> Result<FileOutcome, CommandError> {
    let FileUpload {
        from,
        to,
        policy,
        replace,
        turn,
        style,
    } = order;
    let here = from.as_os_str().as_bytes();
    let progress = Progress::new(style, here);
    let upload = Upload::open(from, policy, session.asker.clone(), progress);
    let mut upload = upload.map_err(|error| CommandError::refused(escape_name(here), error))?;
    let asked = PutOrder {
        path: to.clone(),
        size: upload.size(),
        modified: Some(upload.modified()),
        digest: session.digest,
        declared: None,
        replace,
        turn,
    };
    let outcome = session.run_dialogue(|out| Dialogue::put(asked, out), &mut upload)?;
    upload.progress.finish();
    let shown = escape_name(to.as_bytes());
    match outcome {
        Outcome::Verified(_) if upload.has_changed() => Err(CommandError::Refused(format!(
            "226 {shown}: stored, but {} changed while it was sent; put it again",
            escape_name(here)
        ))),
        Outcome::Verified(stored) => Ok(describe_success(&shown, &stored, &upload.progress)),
        Outcome::AlreadyThere { size, sum } => {
            let proof = describe_proof(sum);
            Ok(FileOutcome::unchanged(format!(
                "200 {shown}: {size} bytes are there already, {proof}"
            )))
        }
        Outcome::ResumeDeclined => Ok(FileOutcome::unchanged(format!(
            "410 {shown}: not resumed, the part stays as it is"
        ))),
        Outcome::NotReplaced(why) => Err(CommandError::Refused(format!(
            "550 {shown}: another file is there ({}); put -f replaces it",
            why.code
        ))),
        Outcome::Differs(_) => Err(CommandError::Refused(format!(
            "550 {shown}: the server stored other bytes than were sent; put -f it again"
        ))),
        other => Err(command_error(
            to.as_bytes(),
            other,
            upload.error.take(),
            "put",
        )),
    }
}

/// Words a verified transfer: `226 a.iso: 7000000 bytes in 0.4 s (17 MB/s), stored and verified
/// (md5 5eb6..)`.
fn describe_success(name: &str, answered: &ReplyLine, progress: &Progress) -> FileOutcome {
    let size = answered.size.unwrap_or_default();
    let (carried, took) = progress.carried_bytes_and_time();
    let part = if carried < size {
        format!(" ({carried} of them now)")
    } else {
        String::new()
    };
    let pace = format_pace(carried, took);
    let sum = answered
        .sum
        .map(|sum| format!(" ({})", format_sum(sum)))
        .unwrap_or_default();
    let line = format!(
        "{} {name}: {size} bytes{part} {pace}, stored and verified{sum}",
        answered.code
    );
    FileOutcome::transferred(line, progress)
}

/// Words how it is known that both ends have the same file.
fn describe_proof(sum: Option<Sum>) -> String {
    match sum {
        Some(sum) => format!("verified ({})", format_sum(sum)),
        None => "of the same time".into(),
    }
}

/// Formats a digest such as `md5 5eb6..`.
fn format_sum(sum: Sum) -> String {
    format!("{} {sum}", sum.algorithm().name())
}

/// Words an outcome that is no success; `verb` is the command that would go on.
fn command_error(
    name: &[u8],
    outcome: Outcome,
    local_error: Option<String>,
    verb: &str,
) -> CommandError {
    let shown = escape_name(name);
    match outcome {
        Outcome::Replied(answered) => CommandError::from_reply(name, &answered),
        Outcome::Stopped => {
            CommandError::Stopped(format!("{shown}: stopped; {verb} it again to go on"))
        }
        Outcome::LocalFailed => CommandError::Local(
            local_error.unwrap_or_else(|| format!("{shown}: the local file failed")),
        ),
        Outcome::BadData(Refusal::TooLong) => CommandError::Local(format!(
            "{shown}: the server sent more bytes than it had said"
        )),
        Outcome::BadData(_) => {
            CommandError::Local(format!("{shown}: the server's data breaks the rules"))
        }
        other => CommandError::Refused(format!("{shown}: the server ended it oddly: {other:?}")),
    }
}
