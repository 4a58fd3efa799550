//! The state in which a data connection is opened, and then put under TLS.

use super::{DataEvent, Purpose, Readiness, outlives_control, progress_reply};
use crate::server::context::Context;
use crate::server::job::KeptBecause;
use crate::server::session::{Effect, State};
use crate::wire::command::{Command, Protection};
use crate::wire::reply::{CloseReason, DataReply, Reply};

/// A data connection that is being opened.
pub(in crate::server) struct OpeningData {
    purpose: Purpose,
    step: Step,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Connecting,
    /// 150 was sent; the TLS handshake is under way.
    Securing,
}

impl OpeningData {
    pub(super) fn of(purpose: Purpose) -> State {
        State::Opening(Self {
            purpose,
            step: Step::Connecting,
        })
    }

    pub(in crate::server) fn on_data(self, event: DataEvent, cx: &mut Context<'_>) -> State {
        let reply = match (event, self.step) {
            (DataEvent::Open, Step::Connecting) => return self.opened(cx),
            (DataEvent::Secured, Step::Securing) => return self.purpose.start(cx),
            (DataEvent::Deferred, Step::Securing) => {
                return self.purpose.begin(Readiness::Handshaking, cx);
            }
            (DataEvent::NotOpened, _) => DataReply::NotOpened,
            (DataEvent::NotResumed, _) => DataReply::NotResumed,
            _ => DataReply::NotSecured,
        };
        self.give_up(Reply::Data(reply), KeptBecause::DataLost, cx)
    }

    fn give_up(self, reply: Reply, cause: KeptBecause, cx: &mut Context<'_>) -> State {
        cx.effects.push(Effect::CloseData);
        self.purpose.close_and_reply(reply, cause, cx)
    }

    fn opened(self, cx: &mut Context<'_>) -> State {
        cx.reply(self.purpose.preliminary());
        match cx.shared.parameters.protection {
            Protection::Clear => self.purpose.start(cx),
            Protection::Private => {
                let (direction, handshake) = (self.purpose.direction(), self.purpose.handshake());
                cx.effects.push(Effect::SecureData(direction, handshake));
                State::Opening(Self {
                    step: Step::Securing,
                    ..self
                })
            }
        }
    }

    pub(in crate::server) fn on_command(self, command: &Command, cx: &mut Context<'_>) -> State {
        match command {
            Command::Abort => self.give_up(Reply::Aborted, KeptBecause::ByClient, cx),
            Command::Status => {
                let reply = progress_reply(&self.purpose, 0, cx.now, cx);
                cx.reply(reply);
                State::Opening(self)
            }
            _ => {
                cx.reply(Reply::Noop);
                State::Opening(self)
            }
        }
    }

    /// Handles the end of the control connection without QUIT. Its client may have sent all its
    /// commands at once, and still be there for what it is sent; an upload would have nobody to
    /// vouch for its end.
    pub(in crate::server) fn on_peer_closed(self, cx: &mut Context<'_>) -> State {
        match self.purpose {
            Purpose::Upload(_) if !outlives_control(cx) => cx.close(),
            _ => {
                cx.shared.close_when_done = Some(CloseReason::Asked);
                State::Opening(self)
            }
        }
    }

    pub(in crate::server) fn on_timeout(self, cx: &mut Context<'_>) -> State {
        let reply = match self.step {
            Step::Connecting => DataReply::NotOpened,
            Step::Securing => DataReply::NotSecured,
        };
        self.give_up(Reply::Data(reply), KeptBecause::Stalled, cx)
    }

    pub(in crate::server) fn stop(self, cx: &mut Context<'_>) -> State {
        self.give_up(Reply::Stopped, KeptBecause::ByServer, cx)
    }
}
