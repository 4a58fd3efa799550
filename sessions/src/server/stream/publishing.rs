//! The last step of an upload: until it is done, ABOR and the end of a client
//! that nothing else tells of still count.

use std::time::Instant;

use super::{Interruption, Upload, outlives_control};
use crate::path::VirtualPath;
use crate::server::context::Context;
use crate::server::continuations::AfterJob;
use crate::server::job::{Completion, JobId, StreamEnd};
use crate::server::session::{Accepts, Effect, State};
use crate::wire::command::Command;
use crate::wire::reply::{Farewell, Refusal, Reply, UnderWay};

/// All bytes are here; the file gets its name.
pub(in crate::server) struct Publishing {
    upload: Upload,
    end: StreamEnd,
    /// Bytes of the transfer, and when it began.
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

    pub(super) fn begin(
        upload: Upload,
        end: StreamEnd,
        moved: u64,
        began: Instant,
        job: JobId,
    ) -> State {
        Self {
            upload,
            end,
            moved,
            began,
            interruption: Interruption::None,
        }
        .at(job)
    }

    fn at(self, job: JobId) -> State {
        State::working(job, AfterJob::StreamPublished(self))
    }

    /// Until the very last step, ABOR and the end of a client have their way.
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
        if self.end == StreamEnd::Told || outlives_control(cx) {
            cx.shared.close_when_done = Some(Farewell::Asked);
            return self.at(job);
        }
        cx.close()
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

/// It has its name, `name` where the server chose that.
pub(super) fn stored(
    name: Option<VirtualPath>,
    size: u64,
    interruption: Interruption,
    cx: &mut Context<'_>,
) -> State {
    cx.reply(Reply::StreamStored { size, name });
    match interruption {
        // It came too late.
        Interruption::Abort => cx.conclude(Reply::NothingToAbort),
        Interruption::None | Interruption::Stall => State::ready(),
    }
}
