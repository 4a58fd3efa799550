//! The last step of an upload: until it is done, ABOR and the end of a client
//! that nothing else tells of still count.

use std::time::Instant;

use super::{Upload, Wish, goes_on_alone};
use crate::path::VirtualPath;
use crate::server::context::Context;
use crate::server::job::{Completion, JobId, StreamEnd};
use crate::server::session::{Effect, Listens, State, Then};
use crate::wire::command::Command;
use crate::wire::reply::{Farewell, Refusal, Reply, UnderWay};

/// All bytes are here; the file gets its name.
pub(in crate::server) struct Publishing {
    upload: Upload,
    end: StreamEnd,
    /// Bytes of the transfer, and when it began.
    moved: u64,
    began: Instant,
    wish: Wish,
}

impl Publishing {
    pub(in crate::server) fn listens(&self) -> Listens {
        match self.wish {
            Wish::Abort => Listens::Nothing,
            Wish::GoOn | Wish::Stall => Listens::Urgent,
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
            wish: Wish::GoOn,
        }
        .at(job)
    }

    fn at(self, job: JobId) -> State {
        State::working(job, Then::StreamPublished(self))
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
                self.wish = Wish::Abort;
                cx.effects.push(Effect::StopTransfer);
            }
            Command::Status => cx.say(Reply::UnderWay(UnderWay {
                moved: self.moved,
                of: self.upload.expected(),
                seconds: cx.now.duration_since(self.began).as_secs(),
            })),
            _ => cx.say(Reply::Noop),
        }
        self.at(job)
    }

    pub(in crate::server) fn on_peer_closed(self, job: JobId, cx: &mut Context<'_>) -> State {
        if self.end == StreamEnd::Told || goes_on_alone(cx) {
            cx.shared.leaving = Some(Farewell::Asked);
            return self.at(job);
        }
        cx.close()
    }

    pub(in crate::server) fn on_published(
        self,
        completion: Completion,
        cx: &mut Context<'_>,
    ) -> State {
        let Self { upload, wish, .. } = self;
        match completion {
            Completion::Published { size } => stored(upload.name, size, wish, cx),
            Completion::Refused(_) if wish == Wish::Abort => cx.conclude(Reply::Aborted),
            Completion::Refused(why) => cx.refuse(upload.deed, why),
            _ => cx.refuse(upload.deed, Refusal::Fault),
        }
    }
}

/// It has its name, `name` where the server chose that.
pub(super) fn stored(
    name: Option<VirtualPath>,
    size: u64,
    wish: Wish,
    cx: &mut Context<'_>,
) -> State {
    cx.say(Reply::StreamStored { size, name });
    match wish {
        // It came too late.
        Wish::Abort => cx.conclude(Reply::NothingToAbort),
        Wish::GoOn | Wish::Stall => State::ready(),
    }
}
