//! The state in which an uploaded stream is published. Until that is done, ABOR still stops it.

use std::time::Instant;

use super::{Interruption, Upload};
use crate::path::VirtualPath;
use crate::server::context::Context;
use crate::server::continuations::AfterJob;
use crate::server::job::{Completion, Job, JobId};
use crate::server::session::{Accepts, Effect, State};
use crate::wire::command::Command;
use crate::wire::reply::{CloseReason, Refusal, Reply, UnderWay};

/// An upload whose bytes are complete and whose file is being renamed into place.
pub(in crate::server) struct Publishing {
    upload: Upload,
    /// Bytes that the transfer moved.
    moved: u64,
    began: Instant,
    interruption: Interruption,
}

impl Publishing {
    pub(in crate::server) fn accepts(&self) -> Accepts {
        match self.interruption {
            Interruption::Abort => Accepts::Nothing,
            Interruption::None | Interruption::Stall => Accepts::UrgentOnly,
        }
    }

    pub(super) fn begin(upload: Upload, moved: u64, began: Instant, cx: &mut Context<'_>) -> State {
        let job = cx.start_job(Job::PublishStream);
        Self {
            upload,
            moved,
            began,
            interruption: Interruption::None,
        }
        .at(job)
    }

    fn at(self, job: JobId) -> State {
        State::working(job, AfterJob::StreamPublished(self))
    }

    /// Handles a command during the publishing.
    pub(in crate::server) fn on_command(
        mut self,
        command: &Command,
        job: JobId,
        cx: &mut Context<'_>,
    ) -> State {
        match command {
            Command::Abort => {
                self.interruption = Interruption::Abort;
                cx.effects.push(Effect::StopTransfer);
            }
            Command::Status => cx.reply(Reply::UnderWay(UnderWay {
                moved: self.moved,
                of: self.upload.expected(),
                seconds: cx.now.duration_since(self.began).as_secs(),
            })),
            _ => cx.reply(Reply::Noop),
        }
        self.at(job)
    }

    pub(in crate::server) fn on_peer_closed(self, job: JobId, cx: &mut Context<'_>) -> State {
        cx.shared.close_when_done = Some(CloseReason::Asked);
        self.at(job)
    }

    pub(in crate::server) fn on_published(
        self,
        completion: Completion,
        cx: &mut Context<'_>,
    ) -> State {
        let Self {
            upload,
            interruption,
            ..
        } = self;
        match completion {
            Completion::Published { size } => stored(upload.name, size, interruption, cx),
            Completion::Refused(_) if interruption == Interruption::Abort => {
                cx.conclude(Reply::Aborted)
            }
            Completion::Refused(why) => cx.refuse(upload.operation, why),
            _ => cx.refuse(upload.operation, Refusal::Fault),
        }
    }
}

/// Replies that the file is published, and under which `name` if the server chose it.
pub(super) fn stored(
    name: Option<VirtualPath>,
    size: u64,
    interruption: Interruption,
    cx: &mut Context<'_>,
) -> State {
    cx.reply(Reply::StreamStored { size, name });
    match interruption {
        // ABOR came too late.
        Interruption::Abort => cx.conclude(Reply::NothingToAbort),
        Interruption::None | Interruption::Stall => State::ready(),
    }
}
