//! The state of an upload whose data connection has ended without TLS close_notify, where the
//! operator only prefers one: for a moment the control connection is watched.
//!
//! A client that was killed, or whose network went, loses both connections within that moment; one
//! that has sent everything waits for its reply.

use std::time::{Duration, Instant};

use super::{Purpose, Upload};
use crate::server::context::Context;
use crate::server::job::{Evidence, KeptBecause};
use crate::server::session::{Effect, State};
use crate::wire::command::Command;
use crate::wire::reply::{CloseReason, Reply, Truncation, UnderWay};

/// How long the control connection must outlive such an upload for it to be published.
pub(in crate::server) const CONTROL_GRACE: Duration = Duration::from_millis(250);

/// An upload without close_notify whose client may be alive.
pub(in crate::server) struct Unconfirmed {
    upload: Upload,
    /// Bytes of the file.
    position: u64,
    began: Instant,
}

impl Unconfirmed {
    pub(super) fn begin(upload: Upload, position: u64, began: Instant) -> State {
        State::Unconfirmed(Self {
            upload,
            position,
            began,
        })
    }

    pub(in crate::server) fn on_command(self, command: &Command, cx: &mut Context<'_>) -> State {
        match command {
            Command::Abort => {
                let purpose = Purpose::Upload(self.upload);
                purpose.close_and_reply(Reply::Aborted, KeptBecause::ByClient, cx)
            }
            Command::Status => {
                cx.reply(Reply::UnderWay(UnderWay {
                    moved: self.position.saturating_sub(self.upload.from),
                    of: self.upload.expected(),
                    seconds: cx.now.duration_since(self.began).as_secs(),
                }));
                State::Unconfirmed(self)
            }
            _ => {
                cx.reply(Reply::Noop);
                State::Unconfirmed(self)
            }
        }
    }

    /// Publishes the upload: the control connection is still open.
    pub(in crate::server) fn on_timeout(self, cx: &mut Context<'_>) -> State {
        cx.effects
            .push(Effect::NoCloseNotify(Evidence::LiveControl));
        self.upload.publish(self.position, self.began, cx)
    }

    /// Keeps the upload: its client ended with it.
    pub(in crate::server) fn on_peer_closed(self, cx: &mut Context<'_>) -> State {
        cx.shared.close_when_done = Some(CloseReason::Asked);
        Purpose::Upload(self.upload).keep(Truncation::ControlEnded, cx)
    }
}
