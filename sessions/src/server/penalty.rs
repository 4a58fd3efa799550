//! Delays the answer to a failed login, twice as long each time, and closes the session after too
//! many.

use std::time::Instant;

use super::context::Context;
use super::session::{Effect, State};
use crate::wire::reply::{CloseReason, Reply};

/// A failed login that is not answered yet.
pub(super) struct Penalty {
    until: Instant,
}

/// Counts and reports a failed login, and delays its answer.
pub(super) fn fail(user: String, cx: &mut Context<'_>) -> State {
    cx.effects.push(Effect::LoginFailed { user });
    cx.shared.attempts += 1;
    let doublings = (cx.shared.attempts - 1).min(6);
    let until = cx.now + cx.shared.setup.limits.penalty * (1 << doublings);
    State::Penalty(Penalty { until })
}

impl Penalty {
    pub(super) fn until(&self) -> Instant {
        self.until
    }

    /// Answers the failed login.
    pub(super) fn over(self, cx: &mut Context<'_>) -> State {
        cx.reply(Reply::BadCredentials);
        if cx.shared.attempts >= cx.shared.setup.limits.attempts {
            return cx.close_with(CloseReason::TooManyAttempts);
        }
        State::New
    }
}
