//! Handles RETR of the native dialect (PROTOCOL.md section 7): the offer, the check of the client's
//! part, the sending, and the client's report.

use super::context::Context;
use super::continuations::{AfterDigest, AfterJob};
use super::hashing::Hashing as HashingState;
use super::job::{Completion, DigestUpdate, Job, Reading};
use super::ready::Ready;
use super::session::State;
use crate::digest::{Algorithm, Sum};
use crate::path::VirtualPath;
use crate::transfer::{End, Hashing, StopLine, Task, Until};
use crate::wire::command::{Answer, Command, Retrieve, Turn};
use crate::wire::reply::{Operation, Refusal, Reply};

/// The digest that a download is verified by at both ends.
#[derive(Clone, Copy)]
enum DigestSource {
    /// The digest of the file as it was stored; nothing is hashed again.
    Remembered(Sum),
    /// A digest by this algorithm, computed while the file is sent.
    Computed(Algorithm),
    /// The digest of the whole file, which was just read from the disk; and what is to be learnt
    /// from it.
    Read(Sum, DigestUpdate),
}

/// A RETR whose file is being opened.
pub(super) struct Request {
    path: VirtualPath,
    digest: Algorithm,
    turn: Turn,
}

/// 150 was sent; the client says from where to send.
pub(super) struct Offered {
    path: VirtualPath,
    size: u64,
    digest: DigestSource,
}

/// The file's frames are being sent.
pub(super) struct SendingFile {
    path: VirtualPath,
    size: u64,
    digest: DigestSource,
}

pub(super) fn retrieve(retrieve: Retrieve, cx: &mut Context<'_>) -> State {
    let Retrieve { path, digest, turn } = retrieve;
    match cx.resolve(&path) {
        Ok(path) => {
            let job = cx.start_job(Job::OpenDownload {
                path: path.clone(),
                reading: Reading::Parts,
            });
            State::working(job, AfterJob::Offer(Request { path, digest, turn }))
        }
        Err(why) => cx.refuse(Operation::Retrieve, why),
    }
}

impl DigestSource {
    fn algorithm(self) -> Algorithm {
        match self {
            Self::Remembered(sum) | Self::Read(sum, _) => sum.algorithm(),
            Self::Computed(algorithm) => algorithm,
        }
    }
}

impl Request {
    pub(super) fn on_completed(self, completion: Completion, cx: &mut Context<'_>) -> State {
        let facts = match completion {
            Completion::Download(facts) => facts,
            Completion::Refused(why) => return cx.refuse(Operation::Retrieve, why),
            _ => return cx.refuse(Operation::Retrieve, Refusal::Fault),
        };
        let digest = match facts.remembered.verified {
            Some(sum) => DigestSource::Remembered(sum),
            None => DigestSource::Computed(self.digest),
        };
        cx.reply(Reply::Offer {
            size: facts.size,
            modified: facts.modified,
            digest: digest.algorithm(),
        });
        let offered = Offered {
            path: self.path,
            size: facts.size,
            digest,
        };
        match self.turn {
            Turn::Negotiate => State::Offered(offered),
            Turn::Skipped => offered.send(0, cx),
        }
    }
}

impl Offered {
    pub(super) fn on_command(self, command: Command, cx: &mut Context<'_>) -> State {
        match command {
            Command::Answer(Answer::FromStart) => self.send_all(cx),
            Command::Answer(Answer::ResumeDownload { offset, sum }) => self.prove(offset, sum, cx),
            Command::Answer(Answer::Working) => State::Offered(self),
            Command::Answer(Answer::HaveAlready | Answer::DeclineDownload) => {
                cx.close_file(DigestUpdate::None);
                State::ready()
            }
            other => {
                let job = cx.start_job(Job::CloseFile {
                    digest: DigestUpdate::None,
                });
                State::working(job, AfterJob::Handle(Box::new(other)))
            }
        }
    }

    fn prove(self, offset: u64, claimed: Sum, cx: &mut Context<'_>) -> State {
        // One digest runs over the prefix and the rest.
        if offset > self.size || claimed.algorithm() != self.digest.algorithm() {
            return self.send_all(cx);
        }
        let purpose = AfterDigest::ResumeDownload {
            offered: self,
            claimed,
        };
        HashingState::begin(purpose, offset, claimed.algorithm(), cx)
    }

    pub(super) fn prefix_hashed(
        mut self,
        claimed: Sum,
        read: Sum,
        offset: u64,
        cx: &mut Context<'_>,
    ) -> State {
        if claimed != read {
            return self.send_all(cx);
        }
        if offset == self.size {
            let remembered = match self.digest {
                DigestSource::Remembered(sum) => Some(sum),
                DigestSource::Computed(_) | DigestSource::Read(..) => None,
            };
            self.digest = DigestSource::Read(read, cx.learn(&self.path, remembered, read));
        }
        cx.reply(Reply::SendingFrom { offset });
        self.send(offset, cx)
    }

    fn send_all(self, cx: &mut Context<'_>) -> State {
        cx.reply(Reply::SendingAll { size: self.size });
        self.send(0, cx)
    }

    fn send(self, from: u64, cx: &mut Context<'_>) -> State {
        let hashing = match self.digest {
            DigestSource::Remembered(_) | DigestSource::Read(..) => Hashing::Off,
            DigestSource::Computed(algorithm) => Hashing::By(algorithm),
        };
        let until = Until::Offset(self.size);
        cx.begin_task(Task::Send {
            from,
            until,
            hashing,
            stop: StopLine::Abort,
        });
        State::SendingFile(SendingFile {
            path: self.path,
            size: self.size,
            digest: self.digest,
        })
    }
}

impl SendingFile {
    pub(super) fn on_end(self, end: End, cx: &mut Context<'_>) -> State {
        match end {
            End::Complete { sum, .. } => self.sent(sum, cx),
            End::Refused(why) => {
                cx.close_file(DigestUpdate::None);
                cx.refuse(Operation::Retrieve, why)
            }
            End::Stopped if cx.shared.close_when_done.is_none() => {
                cx.close_file(DigestUpdate::None);
                State::Stopped
            }
            _ => {
                cx.close_file(DigestUpdate::None);
                cx.conclude(Reply::Aborted)
            }
        }
    }

    fn sent(self, sum: Option<Sum>, cx: &mut Context<'_>) -> State {
        let (news, sum) = match (self.digest, sum) {
            (DigestSource::Remembered(sum), _) => (DigestUpdate::None, Some(sum)),
            (DigestSource::Read(sum, update), _) => (update, Some(sum)),
            (DigestSource::Computed(_), Some(sum)) => (DigestUpdate::Computed(sum), Some(sum)),
            (DigestSource::Computed(_), None) => (DigestUpdate::None, None),
        };
        cx.close_file(news);
        match sum {
            Some(sum) => {
                cx.reply(Reply::Sent {
                    size: self.size,
                    sum,
                });
                State::Ready(Ready {
                    report: Some(self.path),
                })
            }
            None => cx.refuse(Operation::Retrieve, Refusal::Fault),
        }
    }
}

/// Hashes a file again whose download differed at the client.
pub(super) fn recheck(path: VirtualPath, cx: &mut Context<'_>) -> State {
    let job = cx.start_job(Job::OpenDownload {
        path: path.clone(),
        reading: Reading::Parts,
    });
    State::working(job, AfterJob::Recheck(path))
}

pub(super) fn recheck_opened(
    path: VirtualPath,
    completion: Completion,
    cx: &mut Context<'_>,
) -> State {
    let Completion::Download(facts) = completion else {
        return State::ready();
    };
    let Some(remembered) = facts.remembered.verified else {
        cx.close_file(DigestUpdate::None);
        return State::ready();
    };
    let purpose = AfterDigest::Recheck { path, remembered };
    HashingState::begin(purpose, facts.size, remembered.algorithm(), cx)
}

/// Drops the remembered digest, and has it logged, if the file on the disk differs from it.
pub(super) fn rechecked(
    path: VirtualPath,
    remembered: Sum,
    sum: Sum,
    cx: &mut Context<'_>,
) -> State {
    let update = cx.learn(&path, Some(remembered), sum);
    cx.close_file(update);
    State::ready()
}
