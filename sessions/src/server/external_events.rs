//! Handles events from outside the dialogue: timers, eviction by another session of the user, and
//! shutdown.

use super::context::Context;
use super::continuations::AfterJob;
use super::dialect_rules::FirstSpeaker;
use super::job::{Job, KeptBecause};
use super::session::{Effect, State, Timer, Working};
use crate::wire::reply::{CloseReason, Reply};

/// Sends the greeting where the server speaks first.
pub(super) fn on_started(state: State, cx: &mut Context<'_>) -> State {
    if cx.shared.setup.dialect_rules.first_speaker == FirstSpeaker::Server {
        let text = cx.shared.setup.limits.greeting();
        cx.reply(Reply::Greeting { text });
    }
    state
}

/// Handles the end of the timer that runs in `state`.
pub(super) fn on_timeout(state: State, timer: Timer, cx: &mut Context<'_>) -> State {
    match (timer, state) {
        (Timer::Login, _) => cx.close_with(CloseReason::LoginTimeout),
        (Timer::Idle, _) => cx.close_with(CloseReason::IdleTimeout),
        (Timer::Stall, State::Receiving(_) | State::Discarding) => {
            cx.close_with(CloseReason::Stalled)
        }
        (Timer::Stall | Timer::Data, State::Streaming(streaming)) => streaming.on_timeout(cx),
        // A line among frames would be taken for data.
        (Timer::Stall, _) => cx.close(),
        (Timer::Data, State::Opening(opening)) => opening.on_timeout(cx),
        (Timer::ControlGrace, State::Unconfirmed(upload)) => upload.on_timeout(cx),
        (Timer::Watch, State::Watched(upload)) => upload.on_timeout(cx),
        (Timer::LongWork, State::Hashing(hashing)) => hashing.on_timeout(cx),
        (Timer::Penalty, State::Penalty(penalty)) => penalty.over(cx),
        (Timer::Progress, state) => {
            let (done, of) = match &state {
                State::Hashing(hashing) => hashing.progress(),
                State::Working(Working {
                    after: AfterJob::Published(received),
                    ..
                }) => received.progress(),
                _ => (0, 0),
            };
            cx.reply(Reply::Working { done, of });
            state
        }
        (_, state) => state,
    }
}

/// Stops a running transfer or digest; closes a session that waits for its peer.
pub(super) fn on_stop(state: State, cx: &mut Context<'_>) -> State {
    match state {
        State::Receiving(_)
        | State::SendingFile(_)
        | State::SendingRange(_)
        | State::SendingListing(_)
        | State::Streaming(_)
        | State::ListingInReply
        | State::Hashing(_) => {
            cx.effects.push(Effect::StopTransfer);
            state
        }
        State::Opening(opening) => opening.stop(cx),
        // It is decided in a moment.
        State::Working(_) | State::Penalty(_) => state,
        State::Unconfirmed(_) | State::Watched(_) => state,
        _ => cx.close_with(
            cx.shared
                .close_when_done
                .unwrap_or(CloseReason::ShuttingDown),
        ),
    }
}

/// Stops an upload, whose name another session of the user wants to write.
pub(super) fn on_evicted(state: State, cx: &mut Context<'_>) -> State {
    match state {
        State::Receiving(receiving) => {
            cx.effects.push(Effect::StopTransfer);
            State::Receiving(receiving)
        }
        State::Streaming(streaming) => {
            cx.effects.push(Effect::StopTransfer);
            State::Streaming(streaming)
        }
        State::Opening(opening) => opening.stop(cx),
        State::Partial(_) | State::Received(_) => {
            cx.start_job(Job::Suspend {
                cause: KeptBecause::ByServer,
            });
            State::ready()
        }
        other => other,
    }
}

/// Closes a session that was asked to, once it is between two dialogues.
pub(super) fn close_when_done(state: State, cx: &mut Context<'_>) -> State {
    match (state, cx.shared.close_when_done) {
        (State::New | State::Proof(_) | State::Ready(_), Some(reason)) => cx.close_with(reason),
        (State::Password(_), Some(reason)) => cx.close_with(reason),
        (state, _) => state,
    }
}
