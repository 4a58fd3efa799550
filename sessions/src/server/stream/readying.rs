//! The states of an upload in clear whose stream has ended, of no announced size: its bytes are
//! synced, and its control connection is watched for a moment. A client that was killed loses both
//! connections within that moment; one that has sent everything waits for its reply.

use std::time::Instant;

use super::publishing::Publishing;
use super::{Interruption, Purpose, Upload};
use crate::server::context::Context;
use crate::server::continuations::AfterJob;
use crate::server::job::{Completion, Job, JobId, KeptBecause};
use crate::server::session::{Accepts, Effect, State};
use crate::wire::command::Command;
use crate::wire::reply::{Refusal, Reply, UnderWay};

/// An upload whose bytes are being synced.
pub(in crate::server) struct Readying {
    upload: Upload,
    /// Bytes that the transfer moved.
    moved: u64,
    began: Instant,
    /// When the stream ended.
    ended: Instant,
    interruption: Interruption,
    control: Control,
}

/// Whether the control connection has ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Control {
    Open,
    Ended,
}

/// An upload that is ready to get its name.
pub(in crate::server) struct Watched {
    upload: Upload,
    moved: u64,
    began: Instant,
    until: Instant,
}

impl Readying {
    pub(super) fn begin(upload: Upload, moved: u64, began: Instant, cx: &mut Context<'_>) -> State {
        let job = cx.start_job(Job::ReadyStream);
        Self {
            upload,
            moved,
            began,
            ended: cx.now,
            interruption: Interruption::None,
            control: Control::Open,
        }
        .at(job)
    }

    fn at(self, job: JobId) -> State {
        State::working(job, AfterJob::StreamReady(self))
    }

    pub(in crate::server) fn accepts(&self) -> Accepts {
        accepts(self.interruption)
    }

    pub(in crate::server) fn on_command(
        mut self,
        command: &Command,
        job: JobId,
        cx: &mut Context<'_>,
    ) -> State {
        match command {
            Command::Abort => self.interruption = Interruption::Abort,
            other => answer(other, &self.upload, self.moved, self.began, cx),
        }
        self.at(job)
    }

    /// Handles the end of the control connection: it is acted on when the worker gives the file
    /// back.
    pub(in crate::server) fn on_peer_closed(self, job: JobId) -> State {
        let control = Control::Ended;
        Self { control, ..self }.at(job)
    }

    pub(in crate::server) fn on_completed(
        self,
        completion: Completion,
        cx: &mut Context<'_>,
    ) -> State {
        let grace = match completion {
            Completion::StreamReady { grace } => grace,
            Completion::Refused(why) => return cx.refuse(self.upload.operation, why),
            _ => return cx.refuse(self.upload.operation, Refusal::Fault),
        };
        if self.control == Control::Ended {
            return lose(cx);
        }
        if self.interruption == Interruption::Abort {
            return abort(self.upload, cx);
        }
        let until = self.ended + grace;
        Watched::begin(self.upload, self.moved, self.began, until, cx)
    }
}

impl Watched {
    pub(super) fn begin(
        upload: Upload,
        moved: u64,
        began: Instant,
        until: Instant,
        cx: &mut Context<'_>,
    ) -> State {
        let watched = Self {
            upload,
            moved,
            began,
            until,
        };
        match cx.now < watched.until {
            true => State::Watched(watched),
            false => watched.on_timeout(cx),
        }
    }

    pub(in crate::server) fn until(&self) -> Instant {
        self.until
    }

    pub(in crate::server) fn on_command(self, command: &Command, cx: &mut Context<'_>) -> State {
        if *command == Command::Abort {
            return abort(self.upload, cx);
        }
        answer(command, &self.upload, self.moved, self.began, cx);
        State::Watched(self)
    }

    /// Publishes the upload: the control connection is still open.
    pub(in crate::server) fn on_timeout(self, cx: &mut Context<'_>) -> State {
        Publishing::begin(self.upload, self.moved, self.began, cx)
    }

    /// Keeps the upload: its client ended with it.
    pub(in crate::server) fn on_peer_closed(self, cx: &mut Context<'_>) -> State {
        lose(cx)
    }
}

fn accepts(interruption: Interruption) -> Accepts {
    match interruption {
        Interruption::Abort => Accepts::Nothing,
        Interruption::None | Interruption::Stall => Accepts::UrgentOnly,
    }
}

fn answer(command: &Command, upload: &Upload, moved: u64, began: Instant, cx: &mut Context<'_>) {
    cx.reply(match command {
        Command::Status => Reply::UnderWay(UnderWay {
            moved,
            of: upload.expected(),
            seconds: cx.now.duration_since(began).as_secs(),
        }),
        _ => Reply::Noop,
    });
}

fn abort(upload: Upload, cx: &mut Context<'_>) -> State {
    Purpose::Upload(upload).close_and_reply(Reply::Aborted, KeptBecause::ByClient, cx)
}

fn lose(cx: &mut Context<'_>) -> State {
    cx.effects
        .push(Effect::Interrupted(KeptBecause::ControlLost));
    cx.close()
}
