//! Handles STOR of the native dialect (PROTOCOL.md section 8): the stage that may be there, the
//! receiving, the check, the publishing.

use super::context::Context;
use super::continuations::{AfterDigest, AfterJob};
use super::hashing::Hashing as HashingState;
use super::job::{Completion, Job, KeptBecause, Reading};
use super::session::State;
use crate::digest::{Algorithm, Sum};
use crate::path::VirtualPath;
use crate::transfer::{End, Hashing, Task};
use crate::wire::command::{Answer, Command, Store, Turn};
use crate::wire::reply::{Mismatch, Operation, Refusal, Reply};
use crate::wire::stamp::Stamp;

/// A STOR whose stage is being opened.
pub(super) struct Request {
    path: VirtualPath,
    turn: Turn,
    plan: Plan,
}

/// What the client announced of the file, and the offset to go on from.
pub(super) struct Plan {
    size: u64,
    modified: Option<Stamp>,
    digest: Algorithm,
    declared: Option<Sum>,
    from: u64,
    turn: Turn,
}

/// 210 was sent; the client says whether to resume.
pub(super) struct Partial {
    plan: Plan,
}

/// The file's frames are being received.
pub(super) struct Receiving {
    plan: Plan,
}

/// All frames came; the client's digest (225) is next.
pub(super) struct Received {
    plan: Plan,
    position: u64,
    sum: Option<Sum>,
}

pub(super) fn store(store: Store, cx: &mut Context<'_>) -> State {
    let Store {
        path,
        size,
        modified,
        digest,
        declared,
        replace,
        turn,
    } = store;
    match cx.resolve(&path) {
        Ok(path) => {
            let grant = cx.granted_of(&path);
            let job = cx.start_job(Job::OpenUpload {
                path: path.clone(),
                size,
                replace,
                grant,
            });
            let plan = Plan {
                size,
                modified,
                digest,
                declared,
                from: 0,
                turn,
            };
            State::working(job, AfterJob::Upload(Request { path, turn, plan }))
        }
        Err(why) => answer(
            Reply::Refused {
                operation: Operation::Store,
                why,
            },
            turn,
            cx,
        ),
    }
}

/// The refusal that a worker's answer means.
fn not_stored(completion: &Completion) -> Reply {
    let why = match completion {
        Completion::Refused(why) => *why,
        _ => Refusal::Fault,
    };
    Reply::Refused {
        operation: Operation::Store,
        why,
    }
}

/// Replies with something else than 150; frames that come all the same are discarded.
fn answer(reply: Reply, turn: Turn, cx: &mut Context<'_>) -> State {
    match turn {
        Turn::Negotiate => cx.conclude(reply),
        Turn::Skipped => {
            cx.reply(reply);
            cx.begin_task(Task::Discard);
            State::Discarding
        }
    }
}

impl Request {
    pub(super) fn on_completed(self, completion: Completion, cx: &mut Context<'_>) -> State {
        let Self { path, turn, plan } = self;
        match completion {
            Completion::Upload { have, .. } => plan.opened(have, cx),
            Completion::AlreadyThere => {
                let job = cx.start_job(Job::OpenDownload {
                    path: path.clone(),
                    reading: Reading::Parts,
                });
                let digest = plan.digest;
                let existing = Existing { path, turn, digest };
                State::working(job, AfterJob::Existing(existing))
            }
            other => answer(not_stored(&other), turn, cx),
        }
    }
}

/// A published file of the same size as an upload, which is being opened.
pub(super) struct Existing {
    path: VirtualPath,
    turn: Turn,
    digest: Algorithm,
}

impl Existing {
    /// Hashes the file, to tell the client the digest of what is on the disk.
    pub(super) fn on_completed(self, completion: Completion, cx: &mut Context<'_>) -> State {
        let Self { path, turn, digest } = self;
        match completion {
            Completion::Download(facts) => {
                let purpose = AfterDigest::Existing {
                    path,
                    turn,
                    remembered: facts.remembered.by(digest),
                };
                HashingState::begin(purpose, facts.size, digest, cx)
            }
            other => answer(not_stored(&other), turn, cx),
        }
    }
}

pub(super) fn already_there(size: u64, sum: Sum, turn: Turn, cx: &mut Context<'_>) -> State {
    answer(Reply::AlreadyThere { size, sum }, turn, cx)
}

impl Plan {
    /// Goes on with the open stage. A stage longer than the file cannot be its prefix.
    fn opened(mut self, have: u64, cx: &mut Context<'_>) -> State {
        if have == 0 {
            return self.receive(Reply::SendNow, cx);
        }
        if self.turn == Turn::Skipped || have > self.size {
            let job = cx.start_job(Job::Restart);
            return State::working(job, AfterJob::Receive(self, Reply::SendNow));
        }
        self.from = have;
        let digest = self.digest;
        HashingState::begin(AfterDigest::PartOffer(self), have, digest, cx)
    }

    pub(super) fn part_hashed(self, sum: Sum, cx: &mut Context<'_>) -> State {
        cx.reply(Reply::PartHere {
            have: self.from,
            sum,
        });
        State::Partial(Partial { plan: self })
    }

    fn restart(mut self, cx: &mut Context<'_>) -> State {
        self.from = 0;
        let job = cx.start_job(Job::Restart);
        State::working(job, AfterJob::Receive(self, Reply::SendFrom { offset: 0 }))
    }

    pub(super) fn on_restarted(
        self,
        go: Reply,
        completion: Completion,
        cx: &mut Context<'_>,
    ) -> State {
        match completion {
            Completion::Done => self.receive(go, cx),
            other => answer(not_stored(&other), self.turn, cx),
        }
    }

    fn receive(self, go: Reply, cx: &mut Context<'_>) -> State {
        cx.reply(go);
        let (from, at_most) = (self.from, self.size);
        cx.begin_task(Task::Receive {
            from,
            at_most,
            hashing: Hashing::By(self.digest),
        });
        State::Receiving(Receiving { plan: self })
    }
}

impl Partial {
    pub(super) fn on_command(self, command: Command, cx: &mut Context<'_>) -> State {
        match command {
            Command::Answer(Answer::ResumeUpload) => {
                let offset = self.plan.from;
                self.plan.receive(Reply::SendFrom { offset }, cx)
            }
            Command::Answer(Answer::FromStart) => self.plan.restart(cx),
            Command::Answer(Answer::Working) => State::Partial(self),
            Command::Answer(Answer::DeclineUpload) => {
                cx.start_job(Job::Suspend {
                    cause: KeptBecause::ByClient,
                });
                State::ready()
            }
            other => suspend_and_handle(other, cx),
        }
    }
}

fn suspend_and_handle(command: Command, cx: &mut Context<'_>) -> State {
    let job = cx.start_job(Job::Suspend {
        cause: KeptBecause::ByClient,
    });
    State::working(job, AfterJob::Handle(Box::new(command)))
}

impl Receiving {
    pub(super) fn on_end(self, end: End, cx: &mut Context<'_>) -> State {
        match end {
            End::Complete { position, sum, .. } => State::Received(Received {
                plan: self.plan,
                position,
                sum,
            }),
            End::Refused(why) => fail(why, cx),
            End::Stopped if cx.shared.close_when_done.is_none() => fail(Refusal::Busy, cx),
            _ => {
                let job = cx.start_job(Job::Suspend {
                    cause: KeptBecause::ByClient,
                });
                State::working(job, AfterJob::Reply(Reply::Aborted))
            }
        }
    }
}

/// Refuses the upload at once and discards the frames that still come.
fn fail(why: Refusal, cx: &mut Context<'_>) -> State {
    cx.reply(Reply::Refused {
        operation: Operation::Store,
        why,
    });
    cx.start_job(Job::close_refused_upload(why));
    cx.begin_task(Task::Discard);
    State::Discarding
}

impl Received {
    pub(super) fn on_command(self, command: Command, cx: &mut Context<'_>) -> State {
        match command {
            Command::Answer(Answer::AllSent { sum }) => self.verify(sum, cx),
            Command::Answer(Answer::Working) => State::Received(self),
            other => suspend_and_handle(other, cx),
        }
    }

    fn verify(self, claimed: Sum, cx: &mut Context<'_>) -> State {
        match self.mismatch(claimed) {
            Some(mismatch) => {
                let job = cx.start_job(Job::Discard);
                State::working(job, AfterJob::Reply(Reply::NotVerified(mismatch)))
            }
            None => {
                let job = cx.start_job(Job::Publish {
                    sum: claimed,
                    modified: self.plan.modified,
                });
                State::working(job, AfterJob::Published(self))
            }
        }
    }

    fn mismatch(&self, claimed: Sum) -> Option<Mismatch> {
        let received = self.position;
        if received != self.plan.size {
            return Some(Mismatch::Size {
                promised: self.plan.size,
                received,
            });
        }
        let equal = self.sum == Some(claimed);
        let declared = self
            .plan
            .declared
            .is_none_or(|declared| declared == claimed);
        (!equal || !declared).then_some(Mismatch::Digest)
    }

    pub(super) fn progress(&self) -> (u64, u64) {
        (self.position, self.plan.size)
    }

    pub(super) fn on_published(self, completion: Completion, cx: &mut Context<'_>) -> State {
        match (completion, self.sum) {
            (Completion::Published { size }, Some(sum)) => cx.conclude(Reply::Stored { size, sum }),
            (Completion::Refused(why), _) => cx.refuse(Operation::Store, why),
            _ => cx.refuse(Operation::Store, Refusal::Fault),
        }
    }
}
