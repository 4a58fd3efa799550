//! Handles commands that take one job and one reply, and the digests (HASH, XMD5 and their like).

use super::context::Context;
use super::continuations::{AfterDigest, AfterJob};
use super::hashing::Hashing;
use super::job::{Completion, DigestUpdate, Job, Reading};
use super::late_digest::FilePart;
use super::penalty::{self, Attempt};
use super::session::State;
use crate::digest::Algorithm;
use crate::path::{PathArg, VirtualPath};
use crate::rights::Right;
use crate::scram::{Binding, MAX_ITERATIONS, MIN_ITERATIONS};
use crate::wire::command::{
    ByteRange, Command, DigestForm, PasswordChange, Representation, SetAttributes,
};
use crate::wire::reply::{Malformed, Operation, ParameterReply, Refusal, Reply, Status, Usage};

/// A command whose job is at a worker, with what its reply needs.
pub(super) enum SimpleCommand {
    ChangeDirectory(VirtualPath),
    Facts(VirtualPath),
    Usage,
    Status,
    MakeDirectory(VirtualPath),
    MakeLink(VirtualPath),
    ReadLink(VirtualPath),
    Delete,
    /// DELE by an account that may remove no directory.
    DeleteFile,
    /// DELE by an account that may delete no file.
    DeleteDirectory,
    DropStage,
    SetPassword,
    Entry(VirtualPath),
    Available,
    /// ALLO of this many bytes.
    Allocate(u64),
    Size,
    ModifiedAt,
    SetModified(VirtualPath),
    SetMode,
    SetAttributes(VirtualPath),
    RemoveDirectory,
}

/// Handles a command that takes one job, or none, and one reply.
pub(super) fn run_simple(command: Command, cx: &mut Context<'_>) -> State {
    match command {
        Command::WorkingDirectory => {
            let cwd = cx.shared.cwd.clone();
            cx.conclude(Reply::Directory(cwd))
        }
        Command::System => {
            let platform = cx.shared.setup.limits.platform.clone();
            cx.conclude(Reply::Platform(platform))
        }
        Command::Status => run_job(Job::Usage, SimpleCommand::Status, cx),
        Command::Usage => run_job(Job::Usage, SimpleCommand::Usage, cx),
        Command::ChangeDirectory(arg) => run_on_path(&arg, Operation::ChangeDirectory, cx, |to| {
            (
                Job::ChangeDirectory { to: to.clone() },
                SimpleCommand::ChangeDirectory(to),
            )
        }),
        Command::Facts(arg) => run_on_path(&arg, Operation::Facts, cx, |path| {
            (
                Job::Facts { path: path.clone() },
                SimpleCommand::Facts(path),
            )
        }),
        Command::MakeDirectory(arg) => run_on_path(&arg, Operation::MakeDirectory, cx, |path| {
            (
                Job::MakeDirectory { path: path.clone() },
                SimpleCommand::MakeDirectory(path),
            )
        }),
        Command::Delete(arg) => match cx.resolve(&arg) {
            Ok(path) => remove(path, cx),
            Err(why) => cx.refuse(Operation::Delete, why),
        },
        Command::DropStage(arg) => run_on_path(&arg, Operation::DropStage, cx, |path| {
            (Job::DropStage { path }, SimpleCommand::DropStage)
        }),
        Command::SetPassword(change) => set_password(change, cx),
        Command::Entry(arg) => match cx.resolve_or_cwd(arg.as_ref()) {
            Ok(path) => run_job(
                Job::Entry { path: path.clone() },
                SimpleCommand::Entry(path),
                cx,
            ),
            Err(why) => cx.refuse(Operation::Facts, why),
        },
        Command::Available(arg) => match cx.resolve_or_cwd(arg.as_ref()) {
            Ok(folder) => run_job(Job::UsageIn { folder }, SimpleCommand::Available, cx),
            Err(why) => cx.refuse(Operation::Usage, why),
        },
        other => run_on_name(other, cx),
    }
}

/// Removes a file or an empty directory, or what of the two the account may remove.
fn remove(path: VirtualPath, cx: &mut Context<'_>) -> State {
    let rights = cx.granted_of(&path).rights;
    let (files, directories) = (
        rights.has(Right::Delete),
        rights.has(Right::RemoveDirectory),
    );
    match (files, directories) {
        (true, false) => run_job(Job::RemoveFile { path }, SimpleCommand::DeleteFile, cx),
        (false, true) => {
            let job = Job::RemoveDirectory { path };
            run_job(job, SimpleCommand::DeleteDirectory, cx)
        }
        _ => run_job(Job::Remove { path }, SimpleCommand::Delete, cx),
    }
}

/// Handles the commands that work on one name.
fn run_on_name(command: Command, cx: &mut Context<'_>) -> State {
    match command {
        Command::Size(_) if cx.shared.parameters.representation == Representation::Ascii => {
            cx.conclude(Reply::Parameter(ParameterReply::NotInAscii))
        }
        Command::Size(arg) => run_on_path(&arg, Operation::Size, cx, |path| {
            (Job::Size { path }, SimpleCommand::Size)
        }),
        Command::ModifiedAt(arg) => run_on_path(&arg, Operation::Facts, cx, |path| {
            (Job::ModifiedAt { path }, SimpleCommand::ModifiedAt)
        }),
        Command::SetModified { path, modified } => {
            run_on_path(&path, Operation::SetModified, cx, |path| {
                let simple = SimpleCommand::SetModified(path.clone());
                (Job::SetModified { path, modified }, simple)
            })
        }
        Command::SetMode { path, mode } => run_on_path(&path, Operation::SetMode, cx, |path| {
            (Job::SetMode { path, mode }, SimpleCommand::SetMode)
        }),
        Command::SetAttributes(SetAttributes {
            path,
            modified,
            mode,
        }) => run_on_path(&path, Operation::SetAttributes, cx, |path| {
            let simple = SimpleCommand::SetAttributes(path.clone());
            let job = Job::SetAttributes {
                path,
                modified,
                mode,
            };
            (job, simple)
        }),
        Command::MakeLink { path, target } => run_on_path(&path, Operation::MakeLink, cx, |path| {
            let simple = SimpleCommand::MakeLink(path.clone());
            (Job::MakeLink { path, target }, simple)
        }),
        Command::ReadLink(arg) => run_on_path(&arg, Operation::ReadLink, cx, |path| {
            let simple = SimpleCommand::ReadLink(path.clone());
            (Job::ReadLink { path }, simple)
        }),
        Command::RemoveFile(arg) => run_on_path(&arg, Operation::Delete, cx, |path| {
            (Job::RemoveFile { path }, SimpleCommand::Delete)
        }),
        Command::RemoveDirectory(arg) => {
            run_on_path(&arg, Operation::RemoveDirectory, cx, |path| {
                (
                    Job::RemoveDirectory { path },
                    SimpleCommand::RemoveDirectory,
                )
            })
        }
        _ => cx.conclude(Reply::BadSequence),
    }
}

/// Starts the job; `simple` makes the reply of its answer.
fn run_job(job: Job, simple: SimpleCommand, cx: &mut Context<'_>) -> State {
    let job = cx.start_job(job);
    State::working(job, AfterJob::SimpleCommand(simple))
}

/// Resolves a path and starts the job that `make` makes of it.
fn run_on_path(
    arg: &PathArg,
    operation: Operation,
    cx: &mut Context<'_>,
    make: impl FnOnce(VirtualPath) -> (Job, SimpleCommand),
) -> State {
    match cx.resolve(arg) {
        Ok(path) => {
            let (job, simple) = make(path);
            run_job(job, simple, cx)
        }
        Err(why) => cx.refuse(operation, why),
    }
}

/// PASSWD, only under TLS: whoever overhears a verifier can guess the password.
fn set_password(change: Box<PasswordChange>, cx: &mut Context<'_>) -> State {
    let binding = cx.shared.setup.binding.clone();
    if binding == Binding::None {
        return cx.conclude(Reply::PasswordNeedsTls);
    }
    let iterations = MIN_ITERATIONS..=MAX_ITERATIONS;
    if !iterations.contains(&change.new.iterations) || !(16..=64).contains(&change.new.salt.len()) {
        let syntax = "PASSWD salt=16..64 bytes iterations=10000..10000000 stored= server= proof=";
        return cx.conclude(Reply::Malformed(Malformed::BadArguments { syntax }));
    }
    run_job(
        Job::SetPassword { change, binding },
        SimpleCommand::SetPassword,
        cx,
    )
}

impl SimpleCommand {
    fn operation(&self) -> Operation {
        match self {
            Self::ChangeDirectory(_) => Operation::ChangeDirectory,
            Self::Facts(_) => Operation::Facts,
            Self::Usage | Self::Status => Operation::Usage,
            Self::MakeDirectory(_) => Operation::MakeDirectory,
            Self::MakeLink(_) => Operation::MakeLink,
            Self::ReadLink(_) => Operation::ReadLink,
            Self::Delete | Self::DeleteFile | Self::DeleteDirectory => Operation::Delete,
            Self::DropStage => Operation::DropStage,
            Self::SetPassword => Operation::SetPassword,
            Self::Entry(_) | Self::ModifiedAt => Operation::Facts,
            Self::Available => Operation::Usage,
            Self::Allocate(_) => Operation::Store,
            Self::Size => Operation::Size,
            Self::SetModified(_) => Operation::SetModified,
            Self::SetMode => Operation::SetMode,
            Self::SetAttributes(_) => Operation::SetAttributes,
            Self::RemoveDirectory => Operation::RemoveDirectory,
        }
    }

    pub(super) fn on_completed(self, completion: Completion, cx: &mut Context<'_>) -> State {
        let operation = self.operation();
        let reply = match (self, completion) {
            // Whoever finds an open session guesses no faster than at a login.
            (Self::SetPassword, Completion::Refused(Refusal::WrongPassword)) => {
                return penalty::fail(cx.user().to_owned(), Attempt::PasswordChange, cx);
            }
            (Self::DeleteFile, Completion::Refused(Refusal::IsADirectory)) => {
                let why = Refusal::NoRight(Right::RemoveDirectory);
                Reply::Refused { operation, why }
            }
            (Self::DeleteDirectory, Completion::Refused(Refusal::NotADirectory)) => {
                let why = Refusal::NoRight(Right::Delete);
                Reply::Refused { operation, why }
            }
            (_, Completion::Refused(why)) => Reply::Refused { operation, why },
            (Self::ChangeDirectory(to), Completion::Done) => {
                cx.shared.cwd = to.clone();
                Reply::DirectoryChanged(to)
            }
            (Self::MakeDirectory(path) | Self::MakeLink(path), Completion::Done) => {
                Reply::Created(path)
            }
            (Self::ReadLink(path), Completion::LinkTarget(target)) => {
                Reply::LinkLeadsTo { path, target }
            }
            (Self::Delete | Self::RemoveDirectory, Completion::Done) => Reply::Deleted,
            (Self::DeleteFile | Self::DeleteDirectory, Completion::Done) => Reply::Deleted,
            (Self::DropStage, Completion::Done) => Reply::StageDropped,
            (Self::SetPassword, Completion::Done) => Reply::PasswordChanged,
            (Self::Facts(path) | Self::SetAttributes(path), Completion::Facts(facts)) => {
                Reply::Facts { path, facts }
            }
            (Self::Entry(path), Completion::Entry(entry)) => Reply::Entry {
                rights: cx.granted_to_entry(&path),
                path,
                entry,
                set: cx.shared.parameters.facts,
            },
            (Self::Size, Completion::Size(size)) => Reply::Size(size),
            (Self::ModifiedAt, Completion::ModifiedAt(modified)) => Reply::ModifiedAt(modified),
            (Self::SetModified(path), Completion::ModifiedAt(modified)) => {
                Reply::ModifiedSet { path, modified }
            }
            (Self::SetMode, Completion::Done) => Reply::ModeSet,
            (Self::Available, Completion::Usage(usage)) => match usage.held {
                Some(held) => Reply::Available(held.free),
                None => Reply::Refused {
                    operation,
                    why: Refusal::NotReady,
                },
            },
            (Self::Allocate(bytes), Completion::Usage(usage)) => allocate(bytes, &usage, cx),
            (Self::Usage, Completion::Usage(usage)) => Reply::Usage(usage),
            (Self::Status, Completion::Usage(usage)) => Reply::Status(Box::new(Status {
                user: cx.user().to_owned(),
                usage,
                server: cx.shared.setup.limits.server.clone(),
            })),
            _ => Reply::Refused {
                operation,
                why: Refusal::Fault,
            },
        };
        cx.conclude(reply)
    }
}

/// Handles ALLO: asks for the quota first.
pub(super) fn ask_to_allocate(bytes: u64, cx: &mut Context<'_>) -> State {
    run_job(Job::Usage, SimpleCommand::Allocate(bytes), cx)
}

/// Refuses what can never fit. What may fit, by replacing a file, is decided when the upload
/// begins.
fn allocate(bytes: u64, usage: &Usage, cx: &mut Context<'_>) -> Reply {
    if bytes > usage.limit {
        let why = Refusal::OverQuota {
            needed: bytes,
            available: usage.held.map_or(usage.limit, |held| held.free),
        };
        return Reply::Refused {
            operation: Operation::Store,
            why,
        };
    }
    cx.shared.parameters.allocate(bytes);
    Reply::Parameter(ParameterReply::Allocated(bytes))
}

/// A HASH whose file is being opened.
pub(super) struct HashRequest {
    path: VirtualPath,
    algorithm: Algorithm,
}

pub(super) fn hash(arg: PathArg, algorithm: Algorithm, cx: &mut Context<'_>) -> State {
    match cx.resolve(&arg) {
        Ok(path) => {
            let job = cx.start_job(Job::OpenDownload {
                path: path.clone(),
                reading: Reading::Parts,
            });
            State::working(job, AfterJob::Hash(HashRequest { path, algorithm }))
        }
        Err(why) => cx.refuse(Operation::Hash, why),
    }
}

impl HashRequest {
    /// Hashes the file: a remembered digest may not be that of what is on the disk now.
    pub(super) fn on_completed(self, completion: Completion, cx: &mut Context<'_>) -> State {
        let Self { path, algorithm } = self;
        let facts = match completion {
            Completion::Download(facts) => facts,
            Completion::Refused(why) => return cx.refuse(Operation::Hash, why),
            _ => return cx.refuse(Operation::Hash, Refusal::Fault),
        };
        let remembered = facts.remembered.by(algorithm);
        let purpose = AfterDigest::Hash { path, remembered };
        Hashing::begin(purpose, facts.size, algorithm, cx)
    }
}

/// A digest of a range whose file is being opened.
pub(super) struct DigestRequest {
    path: VirtualPath,
    algorithm: Algorithm,
    range: Option<ByteRange>,
    form: DigestForm,
}

pub(super) fn digest(
    arg: &PathArg,
    algorithm: Option<Algorithm>,
    range: Option<ByteRange>,
    form: DigestForm,
    cx: &mut Context<'_>,
) -> State {
    let algorithm = algorithm.unwrap_or(cx.shared.parameters.algorithm);
    let range = range.or_else(|| cx.shared.parameters.take_range());
    match cx.resolve(arg) {
        Ok(path) => {
            let request = DigestRequest {
                path: path.clone(),
                algorithm,
                range,
                form,
            };
            let job = cx.start_job(Job::OpenDownload {
                path,
                reading: Reading::Parts,
            });
            State::working(job, AfterJob::Digest(request))
        }
        Err(why) => cx.refuse(Operation::Hash, why),
    }
}

impl DigestRequest {
    /// Answers with the digest that was kept for this client, or hashes the range.
    pub(super) fn on_completed(self, completion: Completion, cx: &mut Context<'_>) -> State {
        let Self {
            path,
            algorithm,
            range,
            form,
        } = self;
        let facts = match completion {
            Completion::Download(facts) => facts,
            Completion::Refused(why) => return cx.refuse(Operation::Hash, why),
            _ => return cx.refuse(Operation::Hash, Refusal::Fault),
        };
        let whole = ByteRange {
            start: 0,
            end: facts.size,
        };
        let range = range.unwrap_or(whole);
        if range.end > facts.size || range.start > range.end {
            cx.close_file(DigestUpdate::None);
            let why = Refusal::BadOffset {
                offset: range.end.max(range.start),
                size: facts.size,
            };
            return cx.refuse(Operation::Hash, why);
        }
        let part = FilePart {
            path,
            range,
            algorithm,
            size: facts.size,
            modified: facts.modified,
            changed: facts.changed,
            remembered: facts.remembered.by(algorithm).filter(|_| range == whole),
            form,
        };
        let late = cx.shared.late_digest.as_ref();
        match late.and_then(|late| late.digest_of(&part)) {
            Some(sum) => {
                cx.close_file(DigestUpdate::None);
                cx.conclude(Reply::DigestIs {
                    path: part.path,
                    range,
                    sum,
                    form,
                })
            }
            None => {
                let purpose = AfterDigest::Range(Box::new(part));
                Hashing::begin_range(purpose, range, algorithm, cx)
            }
        }
    }
}
