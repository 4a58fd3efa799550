//! Commands that are one job and one reply, and HASH.

use super::context::Context;
use super::hashing::{self, Hashing};
use super::job::{Completion, DigestNews, Job};
use super::session::{State, Then};
use crate::digest::{Algorithm, Sum};
use crate::path::{PathArg, VirtualPath};
use crate::scram::{Binding, MAX_ITERATIONS, MIN_ITERATIONS};
use crate::wire::command::{Command, NewVerifier};
use crate::wire::reply::{Deed, Malformed, Refusal, Reply, Status};

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
        _ => cx.conclude(Reply::BadSequence),
    }
}

fn ask(job: Job, simple: Simple, cx: &mut Context<'_>) -> State {
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
            (Self::Delete, Completion::Done) => Reply::Deleted,
            (Self::DropStage, Completion::Done) => Reply::StageDropped,
            (Self::SetPassword, Completion::Done) => Reply::PasswordChanged,
            (Self::Facts(path), Completion::Facts(facts)) => Reply::Facts { path, facts },
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

/// A HASH whose file is being opened.
pub(super) struct HashAsked {
    path: VirtualPath,
    algorithm: Algorithm,
}

pub(super) fn hash(arg: PathArg, algorithm: Algorithm, cx: &mut Context<'_>) -> State {
    match cx.resolve(&arg) {
        Ok(path) => {
            let job = cx.work(Job::OpenDownload { path: path.clone() });
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
        let remembered = match algorithm {
            Algorithm::Md5 => facts.md5.map(Sum::Md5),
            Algorithm::Sha256 => facts.sha256.map(Sum::Sha256),
            Algorithm::Sha512 => None,
        };
        let size = facts.size;
        match remembered {
            Some(sum) => {
                cx.close_file(DigestNews::None);
                cx.conclude(Reply::HashIs { path, size, sum })
            }
            None => Hashing::begin(hashing::For::Hash(path), size, algorithm, cx),
        }
    }
}
