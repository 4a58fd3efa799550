//! Commands that are one job and one reply, and HASH.

use super::context::Context;
use super::hashing::{self, Hashing};
use super::job::{Completion, DigestNews, Job, Reading};
use super::manners::TlsPolicy;
use super::session::{State, Then};
use crate::digest::Algorithm;
use crate::path::{PathArg, VirtualPath};
use crate::scram::{Binding, MAX_ITERATIONS, MIN_ITERATIONS};
use crate::wire::command::{
    ByteRange, Command, DigestForm, NewVerifier, Parameter, Representation,
};
use crate::wire::reply::{
    Deed, Features, Malformed, ParameterReply, Refusal, Reply, Status, TlsOffer, Usage,
};
use crate::wire::stamp::Stamp;

/// What the one reply will be about.
pub(super) enum Simple {
    ChangeDirectory(VirtualPath),
    Facts(VirtualPath),
    Usage,
    Status,
    MakeDirectory(VirtualPath),
    Delete,
    DropStage,
    SetPassword,
    Entry(VirtualPath),
    Available,
    /// So many bytes are to come.
    Allocate(u64),
    Size,
    ModifiedAt,
    SetModified(VirtualPath, Stamp),
    SetMode,
    RemoveDirectory,
}

/// What is answered at once, login or not.
pub(super) fn anytime(command: Command, cx: &Context<'_>) -> Reply {
    match command {
        Command::Features => Reply::Features(Features {
            tls: match cx.shared.setup.manners.tls {
                TlsPolicy::NotOffered => TlsOffer::Absent,
                TlsPolicy::Optional | TlsPolicy::Required => TlsOffer::Offered,
            },
            facts: cx.shared.parameters.facts,
            algorithm: cx.shared.parameters.algorithm,
        }),
        Command::Host(_) => Reply::HostNoted,
        Command::Parameter(Parameter::AsItIs(what)) => {
            Reply::Parameter(ParameterReply::AsItIs(what))
        }
        _ => Reply::Noop,
    }
}

pub(super) fn simple(command: Command, cx: &mut Context<'_>) -> State {
    match command {
        Command::WorkingDirectory => {
            let cwd = cx.shared.cwd.clone();
            cx.conclude(Reply::Directory(cwd))
        }
        Command::System => {
            let platform = cx.shared.setup.limits.platform.clone();
            cx.conclude(Reply::Platform(platform))
        }
        Command::Status => ask(Job::Usage, Simple::Status, cx),
        Command::Usage => ask(Job::Usage, Simple::Usage, cx),
        Command::ChangeDirectory(arg) => on_path(&arg, Deed::ChangeDirectory, cx, |to| {
            (
                Job::ChangeDirectory { to: to.clone() },
                Simple::ChangeDirectory(to),
            )
        }),
        Command::Facts(arg) => on_path(&arg, Deed::Facts, cx, |path| {
            (Job::Facts { path: path.clone() }, Simple::Facts(path))
        }),
        Command::MakeDirectory(arg) => on_path(&arg, Deed::MakeDirectory, cx, |path| {
            (
                Job::MakeDirectory { path: path.clone() },
                Simple::MakeDirectory(path),
            )
        }),
        Command::Delete(arg) => on_path(&arg, Deed::Delete, cx, |path| {
            (Job::Remove { path }, Simple::Delete)
        }),
        Command::DropStage(arg) => on_path(&arg, Deed::DropStage, cx, |path| {
            (Job::DropStage { path }, Simple::DropStage)
        }),
        Command::SetPassword(verifier) => set_password(verifier, cx),
        Command::Entry(arg) => match cx.resolve_or_here(arg.as_ref()) {
            Ok(path) => ask(Job::Facts { path: path.clone() }, Simple::Entry(path), cx),
            Err(why) => cx.refuse(Deed::Facts, why),
        },
        Command::Available(_) => ask(Job::Usage, Simple::Available, cx),
        other => on_names(other, cx),
    }
}

/// One job about one name.
fn on_names(command: Command, cx: &mut Context<'_>) -> State {
    match command {
        Command::Size(_) if cx.shared.parameters.representation == Representation::Ascii => {
            cx.conclude(Reply::Parameter(ParameterReply::NotInAscii))
        }
        Command::Size(arg) => on_path(&arg, Deed::Size, cx, |path| {
            (Job::Size { path }, Simple::Size)
        }),
        Command::ModifiedAt(arg) => on_path(&arg, Deed::Facts, cx, |path| {
            (Job::ModifiedAt { path }, Simple::ModifiedAt)
        }),
        Command::SetModified { path, modified } => on_path(&path, Deed::SetModified, cx, |path| {
            let simple = Simple::SetModified(path.clone(), modified);
            (Job::SetModified { path, modified }, simple)
        }),
        Command::SetMode { path, mode } => on_path(&path, Deed::SetMode, cx, |path| {
            (Job::SetMode { path, mode }, Simple::SetMode)
        }),
        Command::RemoveFile(arg) => on_path(&arg, Deed::Delete, cx, |path| {
            (Job::RemoveFile { path }, Simple::Delete)
        }),
        Command::RemoveDirectory(arg) => on_path(&arg, Deed::RemoveDirectory, cx, |path| {
            (Job::RemoveDirectory { path }, Simple::RemoveDirectory)
        }),
        _ => cx.conclude(Reply::BadSequence),
    }
}

pub(super) fn ask(job: Job, simple: Simple, cx: &mut Context<'_>) -> State {
    let job = cx.work(job);
    State::working(job, Then::Simple(simple))
}

fn on_path(
    arg: &PathArg,
    deed: Deed,
    cx: &mut Context<'_>,
    make: impl FnOnce(VirtualPath) -> (Job, Simple),
) -> State {
    match cx.resolve(arg) {
        Ok(path) => {
            let (job, simple) = make(path);
            ask(job, simple, cx)
        }
        Err(why) => cx.refuse(deed, why),
    }
}

/// A verifier is as good as a password to whoever overhears it.
fn set_password(verifier: Box<NewVerifier>, cx: &mut Context<'_>) -> State {
    if cx.shared.setup.binding == Binding::None {
        return cx.conclude(Reply::PasswordNeedsTls);
    }
    let iterations = MIN_ITERATIONS..=MAX_ITERATIONS;
    if !iterations.contains(&verifier.iterations) || !(16..=64).contains(&verifier.salt.len()) {
        let syntax = "PASSWD salt=16..64 bytes iterations=10000..10000000 stored= server=";
        return cx.conclude(Reply::Malformed(Malformed::BadArguments { syntax }));
    }
    ask(Job::SetPassword { verifier }, Simple::SetPassword, cx)
}

impl Simple {
    fn deed(&self) -> Deed {
        match self {
            Self::ChangeDirectory(_) => Deed::ChangeDirectory,
            Self::Facts(_) => Deed::Facts,
            Self::Usage | Self::Status => Deed::Usage,
            Self::MakeDirectory(_) => Deed::MakeDirectory,
            Self::Delete => Deed::Delete,
            Self::DropStage => Deed::DropStage,
            Self::SetPassword => Deed::SetPassword,
            Self::Entry(_) | Self::ModifiedAt => Deed::Facts,
            Self::Available => Deed::Usage,
            Self::Allocate(_) => Deed::Store,
            Self::Size => Deed::Size,
            Self::SetModified(..) => Deed::SetModified,
            Self::SetMode => Deed::SetMode,
            Self::RemoveDirectory => Deed::RemoveDirectory,
        }
    }

    pub(super) fn on_completed(self, completion: Completion, cx: &mut Context<'_>) -> State {
        let deed = self.deed();
        let reply = match (self, completion) {
            (_, Completion::Refused(why)) => Reply::Refused { deed, why },
            (Self::ChangeDirectory(to), Completion::Done) => {
                cx.shared.cwd = to.clone();
                Reply::DirectoryChanged(to)
            }
            (Self::MakeDirectory(path), Completion::Done) => Reply::Created(path),
            (Self::Delete | Self::RemoveDirectory, Completion::Done) => Reply::Deleted,
            (Self::DropStage, Completion::Done) => Reply::StageDropped,
            (Self::SetPassword, Completion::Done) => Reply::PasswordChanged,
            (Self::Facts(path), Completion::Facts(facts)) => Reply::Facts { path, facts },
            (Self::Entry(path), Completion::Facts(facts)) => Reply::Entry {
                path,
                facts,
                set: cx.shared.parameters.facts,
                access: cx.access(),
            },
            (Self::Size, Completion::Size(size)) => Reply::Size(size),
            (Self::ModifiedAt, Completion::ModifiedAt(modified)) => Reply::ModifiedAt(modified),
            (Self::SetModified(path, modified), Completion::Done) => {
                Reply::ModifiedSet { path, modified }
            }
            (Self::SetMode, Completion::Done) => Reply::ModeSet,
            (Self::Available, Completion::Usage(usage)) => Reply::Available(usage.available()),
            (Self::Allocate(bytes), Completion::Usage(usage)) => allocate(bytes, &usage, cx),
            (Self::Usage, Completion::Usage(usage)) => Reply::Usage(usage),
            (Self::Status, Completion::Usage(usage)) => Reply::Status(Box::new(Status {
                user: cx.user().to_owned(),
                usage,
                server: cx.shared.setup.limits.server.clone(),
            })),
            _ => Reply::Refused {
                deed,
                why: Refusal::Fault,
            },
        };
        cx.conclude(reply)
    }
}

/// What can never fit is refused at once; what may fit, by replacing a file, is
/// decided when the upload begins.
fn allocate(bytes: u64, usage: &Usage, cx: &mut Context<'_>) -> Reply {
    if bytes > usage.limit {
        let why = Refusal::OverQuota {
            needed: bytes,
            available: usage.available(),
        };
        return Reply::Refused {
            deed: Deed::Store,
            why,
        };
    }
    cx.shared.parameters.allocate(bytes);
    Reply::Parameter(ParameterReply::Allocated(bytes))
}

/// A HASH whose file is being opened.
pub(super) struct HashAsked {
    path: VirtualPath,
    algorithm: Algorithm,
}

pub(super) fn hash(arg: PathArg, algorithm: Algorithm, cx: &mut Context<'_>) -> State {
    match cx.resolve(&arg) {
        Ok(path) => {
            let job = cx.work(Job::OpenDownload {
                path: path.clone(),
                reading: Reading::Parts,
            });
            State::working(job, Then::Hash(HashAsked { path, algorithm }))
        }
        Err(why) => cx.refuse(Deed::Hash, why),
    }
}

impl HashAsked {
    /// A remembered digest costs nothing.
    pub(super) fn on_completed(self, completion: Completion, cx: &mut Context<'_>) -> State {
        let Self { path, algorithm } = self;
        let facts = match completion {
            Completion::Download(facts) => facts,
            Completion::Refused(why) => return cx.refuse(Deed::Hash, why),
            _ => return cx.refuse(Deed::Hash, Refusal::Fault),
        };
        let size = facts.size;
        match facts.remembered.by(algorithm) {
            Some(sum) => {
                cx.close_file(DigestNews::None);
                cx.conclude(Reply::HashIs { path, size, sum })
            }
            None => Hashing::begin(hashing::For::Hash(path), size, algorithm, cx),
        }
    }
}

/// A digest of a range, whose file is being opened.
pub(super) struct DigestAsked {
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
            let asked = DigestAsked {
                path: path.clone(),
                algorithm,
                range,
                form,
            };
            let job = cx.work(Job::OpenDownload {
                path,
                reading: Reading::Parts,
            });
            State::working(job, Then::Digest(asked))
        }
        Err(why) => cx.refuse(Deed::Hash, why),
    }
}

impl DigestAsked {
    /// A remembered digest is of the whole file.
    pub(super) fn on_completed(self, completion: Completion, cx: &mut Context<'_>) -> State {
        let Self {
            path,
            algorithm,
            range,
            form,
        } = self;
        let facts = match completion {
            Completion::Download(facts) => facts,
            Completion::Refused(why) => return cx.refuse(Deed::Hash, why),
            _ => return cx.refuse(Deed::Hash, Refusal::Fault),
        };
        let whole = ByteRange {
            start: 0,
            end: facts.size,
        };
        let range = range.unwrap_or(whole);
        if range.end > facts.size || range.start > range.end {
            cx.close_file(DigestNews::None);
            let why = Refusal::BadOffset {
                offset: range.end.max(range.start),
                size: facts.size,
            };
            return cx.refuse(Deed::Hash, why);
        }
        let part = hashing::Part {
            path,
            range,
            algorithm,
            size: facts.size,
            modified: facts.modified,
            form,
        };
        let remembered = facts.remembered.by(algorithm).filter(|_| range == whole);
        let kept = cx.shared.kept_digest.as_ref();
        match remembered.or_else(|| kept.and_then(|kept| kept.answers(&part))) {
            Some(sum) => {
                cx.close_file(DigestNews::None);
                cx.conclude(Reply::DigestIs {
                    path: part.path,
                    range,
                    sum,
                    form,
                })
            }
            None => {
                let purpose = hashing::For::Digest(Box::new(part));
                Hashing::begin_range(purpose, range, algorithm, cx)
            }
        }
    }
}
