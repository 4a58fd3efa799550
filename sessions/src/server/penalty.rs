//! Delays the answer to a failed login, twice as long each time, and closes the session after too
//! many.

use std::time::Instant;

use super::context::Context;
use super::session::{Effect, State};
use crate::wire::reply::{CloseReason, LoginRefusal, Reply};

/// A failed login that is not answered yet.
pub(super) struct Penalty {
    until: Instant,
    why: LoginRefusal,
}

/// Counts and reports a failed login, and delays its answer.
pub(super) fn fail(user: String, why: LoginRefusal, cx: &mut Context<'_>) -> State {
    cx.effects.push(Effect::LoginFailed { user });
    cx.shared.attempts += 1;
    let doublings = (cx.shared.attempts - 1).min(6);
    let until = cx.now + cx.shared.setup.limits.penalty * (1 << doublings);
    State::Penalty(Penalty { until, why })
}

impl Penalty {
    pub(super) fn until(&self) -> Instant {
        self.until
    }

    /// Answers the failed login.
    pub(super) fn over(self, cx: &mut Context<'_>) -> State {
        cx.reply(Reply::LoginRefused(self.why));
        if cx.shared.attempts >= cx.shared.setup.limits.attempts {
            return cx.close_with(CloseReason::TooManyAttempts);
        }
        State::New
    }
}
