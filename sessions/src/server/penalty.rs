//! Delays the answer to a wrong password, twice as long each time, and closes the session after too
//! many: of logins, and of changes of the password.

use std::time::Instant;

use super::context::Context;
use super::session::{Effect, State};
use crate::wire::reply::{CloseReason, LoginRefusal, Operation, Refusal, Reply};

/// A wrong password that is not answered yet.
pub(super) struct Penalty {
    until: Instant,
    attempt: Attempt,
}

/// What the password was given for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Attempt {
    /// It failed, and the client is told this.
    Login(LoginRefusal),
    /// The user is logged in, and stays so.
    PasswordChange,
}

/// Counts and reports a failed attempt, and delays its answer. The count is the session's: neither a
/// login nor a change begins it anew.
pub(super) fn fail(user: String, attempt: Attempt, cx: &mut Context<'_>) -> State {
    cx.effects.push(Effect::LoginFailed { user });
    cx.shared.attempts += 1;
    let doublings = (cx.shared.attempts - 1).min(6);
    let until = cx.now + cx.shared.setup.limits.penalty * (1 << doublings);
    State::Penalty(Penalty { until, attempt })
}

impl Penalty {
    pub(super) fn until(&self) -> Instant {
        self.until
    }

    /// Answers the failed attempt.
    pub(super) fn over(self, cx: &mut Context<'_>) -> State {
        let (reply, next) = match self.attempt {
            Attempt::Login(why) => (Reply::LoginRefused(why), State::New),
            Attempt::PasswordChange => {
                let refused = Reply::Refused {
                    operation: Operation::SetPassword,
                    why: Refusal::WrongPassword,
                };
                (refused, State::ready())
            }
        };
        cx.reply(reply);
        if cx.shared.attempts >= cx.shared.setup.limits.attempts {
            return cx.close_with(CloseReason::TooManyAttempts);
        }
        next
    }
}
