//! Downloads or uploads one file and words the result for the user.

use std::io::{self, IsTerminal};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use skiff_sessions::client::{CommandTiming, Dialogue, GetOrder, LocalCopy, Outcome, PutOrder};
use skiff_sessions::digest::Sum;
use skiff_sessions::path::PathArg;
use skiff_sessions::wire::command::{Replace, Retrieve, Turn};
use skiff_sessions::wire::native::causes::Cause;
use skiff_sessions::wire::native::replies::ReplyLine;
use skiff_sessions::wire::reply::Refusal;

use super::destination::{Destination, StreamTarget};
use super::download::{Download, DownloadPolicy, LocalError, Output};
use super::local_file::SyncPolicy;
use super::policy::{Overwrite, Resume, TransferPolicy};
use super::stream::{Stream, StreamError};
use super::upload::Upload;
use crate::net::command_error::{CommandError, CommandResult};
use crate::net::link::LinkError;
use crate::net::session::Session;
use crate::terminal::format::{DigestForm, IoCause, count, escape_name, format_pace, format_sum};
use crate::terminal::interrupt::Interrupt;
use crate::terminal::output::{print_object, print_record};
use crate::terminal::progress::{Progress, ProgressPlace, ProgressStyle};
use crate::terminal::records::{Record, TRANSFER};

/// What to download, to where, and how.
pub(crate) struct FileDownload {
    pub(crate) path: PathArg,
    /// The target as the user named it.
    pub(crate) to: PathBuf,
    /// What that name leads to.
    pub(crate) destination: Destination,
    /// What is there already.
    pub(crate) local: LocalCopy,
    pub(crate) turn: Turn,
    /// Whether the request was sent ahead already.
    pub(crate) command: CommandTiming,
    pub(crate) policy: TransferPolicy,
    pub(crate) sync: SyncPolicy,
    pub(crate) place: ProgressPlace,
}

/// What became of one file, and the line that says so.
pub(crate) struct FileOutcome {
    /// The target, escaped for the terminal.
    pub name: String,
    pub line: String,
    pub result: FileResult,
}

/// What became of one file. Bytes are those that went over the connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum FileResult {
    Transferred {
        bytes: u64,
    },
    /// Another file had the name before.
    Replaced {
        bytes: u64,
    },
    Unchanged,
    /// Another file has the name and may not be replaced.
    LeftDifferent,
}

/// How often a transfer whose connection was made again is tried where the server refuses it for the
/// moment: it may still hold the name for the lost one, or count the home after a restart.
#[derive(Default)]
struct Persistence {
    left: u32,
}

impl Persistence {
    const TRIES: u32 = 5;
    const PAUSE: Duration = Duration::from_secs(2);

    fn begin(&mut self) {
        self.left = Self::TRIES;
    }

    /// Waits where the transfer may succeed in a moment; false where it is over.
    fn waits(&mut self, outcome: &Outcome, interrupt: &Interrupt) -> bool {
        let may_pass = |answered: &ReplyLine| answered.why.is_some_and(Cause::may_pass);
        let passes = matches!(outcome, Outcome::Replied(answered) if may_pass(answered));
        if !passes || self.left == 0 {
            return false;
        }
        self.left -= 1;
        interrupt.pause(Self::PAUSE)
    }
}

/// Downloads one file.
pub(crate) fn download_file(
    session: &mut Session,
    mut order: FileDownload,
) -> Result<FileOutcome, CommandError> {
    let name = escape_name(order.to.as_os_str().as_bytes());
    let mut persistence = Persistence::default();
    loop {
        let (ended, download) = run_download(session, &order)?;
        let outcome = match ended {
            Ok(outcome) => outcome,
            Err(cause) => {
                match &order.destination {
                    Destination::File(_) => {}
                    Destination::Stream(StreamTarget::Stdout | StreamTarget::Screen)
                        if !download.has_streamed() => {}
                    // What a stream was given cannot be compared with the server's, and the reader
                    // of a FIFO has seen its end.
                    Destination::Stream(_) => return Err(CommandError::SessionEnded(cause)),
                }
                session.restore(cause)?;
                persistence.begin();
                if let Destination::File(target) = &order.destination {
                    order.local.part = target.local_copy().part;
                    order.policy.resume = Resume::Always;
                }
                order.turn = Turn::Negotiate;
                order.command = CommandTiming::Now;
                continue;
            }
        };
        if persistence.waits(&outcome, &session.interrupt) {
            order.command = CommandTiming::Now;
            continue;
        }
        if !matches!(outcome, Outcome::LocalDiffers { .. }) {
            return download_result(name, outcome, download, (&order, session.digest_form));
        }
        let replace = match order.policy.overwrite {
            Overwrite::Ask => {
                let question = format!("{name}: another file is here, replace it?");
                session.asker.confirm(&question, false)
            }
            Overwrite::Always | Overwrite::Never => Some(false),
        };
        match replace {
            // The two have been compared.
            Some(true) => {
                order.policy.overwrite = Overwrite::Always;
                order.local.whole = None;
            }
            Some(false) => {
                return Ok(FileOutcome {
                    line: format!("{name}: another file is here; get -f replaces it"),
                    name,
                    result: FileResult::LeftDifferent,
                });
            }
            None => {
                return Err(CommandError::Stopped(format!(
                    "{name}: stopped, the file here stays as it is"
                )));
            }
        }
    }
}

/// Runs the dialogue of a download; the inner error is that of the connection.
fn run_download(
    session: &mut Session,
    order: &FileDownload,
) -> Result<(Result<Outcome, LinkError>, Download), CommandError> {
    let replace = match order.policy.overwrite {
        Overwrite::Always => Replace::Yes,
        Overwrite::Ask | Overwrite::Never => Replace::Never,
    };
    let policy = DownloadPolicy {
        resume: order.policy.resume,
        replace,
        sync: order.sync,
    };
    let output = open_output(session, order, policy)?;
    let place = match &order.destination {
        // A bar would stand amid the bytes.
        Destination::Stream(StreamTarget::Stdout) if io::stdout().is_terminal() => {
            ProgressPlace::Alone(ProgressStyle::Hidden)
        }
        Destination::Stream(StreamTarget::Screen) => ProgressPlace::Alone(ProgressStyle::Hidden),
        _ => order.place.clone(),
    };
    let progress = Progress::new(place, order.to.as_os_str().as_bytes());
    let asker = session.asker.clone();
    let mut download = Download::new(order.to.clone(), output, asker, progress);
    let asked = GetOrder {
        what: Retrieve {
            path: order.path.clone(),
            digest: session.digest,
            turn: order.turn,
        },
        command: order.command,
        local: order.local,
        replace,
    };
    let outcome = session.run_dialogue(|out| Dialogue::get(asked, out), &mut download);
    download.progress.finish();
    Ok((outcome, download))
}

/// Prepares what takes the bytes of a download; opens a stream.
fn open_output(
    session: &Session,
    order: &FileDownload,
    policy: DownloadPolicy,
) -> Result<Output, CommandError> {
    let target = match &order.destination {
        Destination::File(target) => {
            return Ok(Output::part(target.clone(), order.local.part, policy));
        }
        Destination::Stream(target) => target,
    };
    let name = || escape_name(order.to.as_os_str().as_bytes());
    let opened = Stream::open(target, session.interrupt.clone());
    opened.map(Output::Stream).map_err(|error| match error {
        StreamError::Interrupted => {
            CommandError::Stopped(format!("{}: stopped before it was opened", name()))
        }
        StreamError::Io(error) => CommandError::Local(format!("{}: {}", name(), IoCause(&error))),
    })
}

/// Words how a download ended.
fn download_result(
    name: String,
    outcome: Outcome,
    mut download: Download,
    (order, form): (&FileDownload, DigestForm),
) -> Result<FileOutcome, CommandError> {
    let (line, result) = match outcome {
        Outcome::Verified(sent) => {
            let (bytes, _) = download.progress.carried_bytes_and_time();
            let (done, result) = match &order.destination {
                Destination::Stream(_) => ("written", FileResult::Transferred { bytes }),
                Destination::File(target) if target.old().is_some() => {
                    ("stored", FileResult::Replaced { bytes })
                }
                Destination::File(_) => ("stored", FileResult::Transferred { bytes }),
            };
            let how = (done, form);
            let line = describe_success(&name, &sent, &download.progress, how);
            (line, result)
        }
        Outcome::AlreadyThere { size, sum } => {
            let proof = describe_proof(sum, form);
            let size = count(size, "byte is", "bytes are");
            let line = format!("{name}: {size} here already, {proof}");
            (line, FileResult::Unchanged)
        }
        Outcome::ResumeDeclined => {
            let line = format!("{name}: not resumed, the part stays as it is");
            (line, FileResult::Unchanged)
        }
        Outcome::Differs(_) => {
            let kept = match &order.destination {
                Destination::File(_) => "nothing was kept, try again",
                Destination::Stream(_) => "what was written is not the file",
            };
            return Err(CommandError::Refused(format!(
                "{name}: not verified, the digests differ; {kept}"
            )));
        }
        other => {
            let error = download.error.take();
            return Err(command_error(order.path.as_bytes(), other, error, "get"));
        }
    };
    Ok(FileOutcome { name, line, result })
}

/// What to upload, to where, and how.
pub(crate) struct FileUpload<'a> {
    pub from: &'a Path,
    pub to: PathArg,
    pub policy: TransferPolicy,
    pub replace: Replace,
    pub turn: Turn,
    pub place: ProgressPlace,
}

/// Uploads one file.
pub(crate) fn upload_file(
    session: &mut Session,
    order: FileUpload<'_>,
) -> Result<FileOutcome, CommandError> {
    upload_persistently(session, order, Persistence::default())
}

/// Uploads a file that was under way when the connection was lost: some of it may be there.
pub(super) fn upload_again(
    session: &mut Session,
    mut order: FileUpload<'_>,
) -> Result<FileOutcome, CommandError> {
    let mut persistence = Persistence::default();
    persistence.begin();
    order.policy.resume = Resume::Always;
    order.turn = Turn::Negotiate;
    upload_persistently(session, order, persistence)
}

fn upload_persistently(
    session: &mut Session,
    mut order: FileUpload<'_>,
    mut persistence: Persistence,
) -> Result<FileOutcome, CommandError> {
    loop {
        let mut upload = open_upload(session, &order)?;
        let asked = put_order(session, &order, &upload);
        match session.run_dialogue(|out| Dialogue::put(asked, out), &mut upload) {
            Ok(outcome) => {
                upload.progress.finish();
                if persistence.waits(&outcome, &session.interrupt) {
                    continue;
                }
                return upload_result(outcome, upload, (&order, session.digest_form));
            }
            Err(cause) => {
                upload.progress.finish();
                session.restore(cause)?;
                persistence.begin();
                if upload.replaced() == Replace::Yes {
                    order.replace = Replace::Yes;
                }
                order.policy.resume = Resume::Always;
                order.turn = Turn::Negotiate;
            }
        }
    }
}

pub(super) fn open_upload(
    session: &Session,
    order: &FileUpload<'_>,
) -> Result<Upload, CommandError> {
    let here = order.from.as_os_str().as_bytes();
    let progress = Progress::new(order.place.clone(), here);
    let upload = Upload::open(order.from, order.policy, session.asker.clone(), progress);
    upload.map_err(|error| CommandError::refused(escape_name(here), IoCause(&error)))
}

/// What the server is asked for.
pub(super) fn put_order(session: &Session, order: &FileUpload<'_>, upload: &Upload) -> PutOrder {
    PutOrder {
        path: order.to.clone(),
        size: upload.size(),
        modified: Some(upload.modified()),
        digest: session.digest,
        declared: None,
        replace: order.replace,
        turn: order.turn,
    }
}

/// Words how an upload ended.
pub(super) fn upload_result(
    outcome: Outcome,
    mut upload: Upload,
    (order, form): (&FileUpload<'_>, DigestForm),
) -> Result<FileOutcome, CommandError> {
    let FileUpload { to, replace, .. } = order;
    let name = escape_name(to.as_bytes());
    let (line, result) = match outcome {
        Outcome::Verified(_) if upload.has_changed() => {
            return Err(CommandError::Refused(format!(
                "{name}: stored, but {} changed while it was sent; put it again",
                upload.name()
            )));
        }
        Outcome::Verified(stored) => {
            let (bytes, _) = upload.progress.carried_bytes_and_time();
            let result = match (replace, upload.replaced()) {
                (Replace::Never, Replace::Never) => FileResult::Transferred { bytes },
                _ => FileResult::Replaced { bytes },
            };
            let how = ("stored", form);
            let line = describe_success(&name, &stored, &upload.progress, how);
            (line, result)
        }
        Outcome::AlreadyThere { size, sum } => {
            let proof = describe_proof(sum, form);
            let size = count(size, "byte is", "bytes are");
            let line = format!("{name}: {size} there already, {proof}");
            (line, FileResult::Unchanged)
        }
        Outcome::ResumeDeclined => {
            let line = format!("{name}: not resumed, the part stays as it is");
            (line, FileResult::Unchanged)
        }
        Outcome::NotReplaced(why) => {
            let code = why.code;
            let line = format!("{name}: another file is there ({code}); put -f replaces it");
            (line, FileResult::LeftDifferent)
        }
        Outcome::Differs(_) => {
            return Err(CommandError::Refused(format!(
                "{name}: the server stored other bytes than were sent; put -f it again"
            )));
        }
        other => {
            let error = upload.error.take().map(LocalError::Failed);
            return Err(command_error(to.as_bytes(), other, error, "put"));
        }
    };
    Ok(FileOutcome { name, line, result })
}

impl FileOutcome {
    /// The outcome of an upload that was under way when the connection was lost: what is there now
    /// is what was sent.
    pub(super) fn of_lost_upload(self, size: u64) -> Self {
        match self.result {
            FileResult::Unchanged => Self {
                result: FileResult::Transferred { bytes: size },
                ..self
            },
            _ => self,
        }
    }

    /// Returns what became of the file, for programs.
    pub(crate) fn record(&self) -> Record {
        let (result, bytes) = match self.result {
            FileResult::Transferred { bytes } => ("transferred", bytes),
            FileResult::Replaced { bytes } => ("replaced", bytes),
            FileResult::Unchanged => ("unchanged", 0),
            FileResult::LeftDifferent => ("left", 0),
        };
        Record::new(&TRANSFER)
            .shown_name("name", &self.name)
            .text("result", result)
            .number("bytes", bytes)
            .text("text", &self.line)
    }

    /// Prints what became of a file that was transferred alone.
    pub(crate) fn print(self) -> CommandResult {
        match self.result {
            FileResult::LeftDifferent => print_object(|| self.record()),
            _ => print_record(|| self.record(), || &self.line),
        }
        self.into_line().map(|_| ())
    }

    /// Returns the line of a single transfer, for which a file that was left is a failure.
    pub(crate) fn into_line(self) -> Result<String, CommandError> {
        match self.result {
            FileResult::LeftDifferent => Err(CommandError::Refused(self.line)),
            FileResult::Transferred { .. }
            | FileResult::Replaced { .. }
            | FileResult::Unchanged => Ok(self.line),
        }
    }
}

/// Words a verified transfer: `226 a.iso: 7000000 bytes in 0.4 s (17 MB/s), stored and verified
/// (md5 5eb63bbb…)`.
/// `done` is what became of the bytes.
fn describe_success(
    name: &str,
    answered: &ReplyLine,
    progress: &Progress,
    (done, form): (&str, DigestForm),
) -> String {
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
        .map(|sum| format!(" ({})", format_sum(sum, form)))
        .unwrap_or_default();
    format!(
        "{} {name}: {}{part} {pace}, {done} and verified{sum}",
        answered.code,
        count(size, "byte", "bytes")
    )
}

/// Words how it is known that both ends have the same file.
fn describe_proof(sum: Option<Sum>, form: DigestForm) -> String {
    match sum {
        Some(sum) => format!("verified ({})", format_sum(sum, form)),
        None => "of the same time".into(),
    }
}

/// Words an outcome that is no success; `verb` is the command that would go on.
fn command_error(
    name: &[u8],
    outcome: Outcome,
    local_error: Option<LocalError>,
    verb: &str,
) -> CommandError {
    let shown = escape_name(name);
    match outcome {
        Outcome::Replied(answered) => CommandError::from_reply(name, &answered),
        Outcome::Stopped => {
            CommandError::Stopped(format!("{shown}: stopped; {verb} it again to go on"))
        }
        Outcome::LocalFailed => match local_error {
            Some(LocalError::Failed(why)) => CommandError::Local(why),
            Some(LocalError::NoRoom(why)) => CommandError::NoRoom(why),
            Some(LocalError::Interrupted) => CommandError::Stopped(format!("{shown}: stopped")),
            None => CommandError::Local(format!("{shown}: the local file failed")),
        },
        Outcome::BadData(Refusal::TooLong) => CommandError::Local(format!(
            "{shown}: the server sent more bytes than it had said"
        )),
        Outcome::BadData(_) => {
            CommandError::Local(format!("{shown}: the server's data breaks the rules"))
        }
        other => CommandError::Refused(format!("{shown}: the server ended it oddly: {other:?}")),
    }
}
