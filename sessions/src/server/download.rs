//! RETR: the offer, the client's part proven or not, the sending, the report.

use super::context::Context;
use super::hashing::{self, Hashing as HashingState};
use super::job::{Completion, DigestNews, DownloadFacts, Job, Reading};
use super::ready::Ready;
use super::session::{Effect, State, Then};
use crate::digest::{Algorithm, Md5Sum, Sum};
use crate::path::{PathArg, VirtualPath};
use crate::transfer::{End, Hashing, StopLine, Task, Until};
use crate::wire::command::{Answer, Command, Turn};
use crate::wire::reply::{Deed, Refusal, Reply};

/// A RETR whose file is being opened.
pub(super) struct Asked {
    path: VirtualPath,
    turn: Turn,
}

/// 150 is out: from where?
pub(super) struct Offered {
    path: VirtualPath,
    facts: DownloadFacts,
}

pub(super) struct SendingFile {
    path: VirtualPath,
    facts: DownloadFacts,
}

pub(super) fn retrieve(arg: PathArg, turn: Turn, cx: &mut Context<'_>) -> State {
    match cx.resolve(&arg) {
        Ok(path) => {
            let job = cx.work(Job::OpenDownload {
                path: path.clone(),
                reading: Reading::Parts,
            });
            State::working(job, Then::Offer(Asked { path, turn }))
        }
        Err(why) => cx.refuse(Deed::Retrieve, why),
    }
}

impl Asked {
    pub(super) fn on_completed(self, completion: Completion, cx: &mut Context<'_>) -> State {
        let facts = match completion {
            Completion::Download(facts) => facts,
            Completion::Refused(why) => return cx.refuse(Deed::Retrieve, why),
            _ => return cx.refuse(Deed::Retrieve, Refusal::Fault),
        };
        cx.say(Reply::Offer {
            size: facts.size,
            modified: facts.modified,
        });
        let offered = Offered {
            path: self.path,
            facts,
        };
        match self.turn {
            Turn::Negotiate => State::Offered(offered),
            Turn::Straight => offered.send(0, cx),
        }
    }
}

impl Offered {
    pub(super) fn on_command(self, command: Command, cx: &mut Context<'_>) -> State {
        match command {
            Command::Answer(Answer::FromStart) => self.send_all(cx),
            Command::Answer(Answer::ResumeDownload { offset, md5 }) => self.prove(offset, md5, cx),
            Command::Answer(Answer::Working) => State::Offered(self),
            Command::Answer(Answer::HaveAlready | Answer::DeclineDownload) => {
                cx.close_file(DigestNews::None);
                State::ready()
            }
            other => {
                let job = cx.work(Job::CloseFile {
                    digest: DigestNews::None,
                });
                State::working(job, Then::Handle(Box::new(other)))
            }
        }
    }

    fn prove(self, offset: u64, claimed: Md5Sum, cx: &mut Context<'_>) -> State {
        if offset > self.facts.size {
            return self.send_all(cx);
        }
        let purpose = hashing::For::ResumeDownload {
            offered: self,
            claimed,
        };
        HashingState::begin(purpose, offset, Algorithm::Md5, cx)
    }

    pub(super) fn prefix_hashed(self, same: bool, offset: u64, cx: &mut Context<'_>) -> State {
        if !same {
            return self.send_all(cx);
        }
        cx.say(Reply::SendingFrom { offset });
        self.send(offset, cx)
    }

    fn send_all(self, cx: &mut Context<'_>) -> State {
        cx.say(Reply::SendingAll {
            size: self.facts.size,
        });
        self.send(0, cx)
    }

    /// What is remembered is not hashed again.
    fn send(self, from: u64, cx: &mut Context<'_>) -> State {
        let hashing = if self.facts.md5.is_some() {
            Hashing::Off
        } else {
            Hashing::Md5
        };
        let until = Until::Offset(self.facts.size);
        cx.begin(Task::Send {
            from,
            until,
            hashing,
            stop: StopLine::Abort,
        });
        State::SendingFile(SendingFile {
            path: self.path,
            facts: self.facts,
        })
    }
}

impl SendingFile {
    pub(super) fn on_end(self, end: End, cx: &mut Context<'_>) -> State {
        match end {
            End::Complete { sum, .. } => self.sent(sum, cx),
            End::Refused(why) => {
                cx.close_file(DigestNews::None);
                cx.refuse(Deed::Retrieve, why)
            }
            End::Stopped if cx.shared.leaving.is_none() => {
                cx.close_file(DigestNews::None);
                State::Stopped
            }
            _ => {
                cx.close_file(DigestNews::None);
                cx.conclude(Reply::Aborted)
            }
        }
    }

    fn sent(self, sum: Option<Sum>, cx: &mut Context<'_>) -> State {
        let news = match (self.facts.md5, sum) {
            (None, Some(sum)) => DigestNews::Computed(sum),
            _ => DigestNews::None,
        };
        cx.close_file(news);
        match self.facts.md5.or_else(|| sum.and_then(|sum| sum.md5())) {
            Some(md5) => {
                cx.say(Reply::Sent {
                    size: self.facts.size,
                    md5,
                });
                State::Ready(Ready {
                    report: Some(self.path),
                })
            }
            None => cx.refuse(Deed::Retrieve, Refusal::Fault),
        }
    }
}

/// A client reported a mismatch: the disk is asked again.
pub(super) fn recheck(path: VirtualPath, cx: &mut Context<'_>) -> State {
    let job = cx.work(Job::OpenDownload {
        path: path.clone(),
        reading: Reading::Parts,
    });
    State::working(job, Then::Recheck(path))
}

pub(super) fn recheck_opened(
    path: VirtualPath,
    completion: Completion,
    cx: &mut Context<'_>,
) -> State {
    let Completion::Download(facts) = completion else {
        return State::ready();
    };
    let purpose = hashing::For::Recheck {
        path,
        remembered: facts.md5,
    };
    HashingState::begin(purpose, facts.size, Algorithm::Md5, cx)
}

pub(super) fn rechecked(
    path: VirtualPath,
    remembered: Option<Md5Sum>,
    sum: Sum,
    cx: &mut Context<'_>,
) -> State {
    if remembered.is_some_and(|remembered| Sum::Md5(remembered) != sum) {
        cx.effects.push(Effect::ChangedOnDisk { path });
        cx.close_file(DigestNews::Wrong);
    } else {
        cx.close_file(DigestNews::None);
    }
    State::ready()
}
