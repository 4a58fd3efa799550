//! The login: SCRAM's server end (RFC 5802 section 3), its refusals and their price.

use std::time::Instant;

use super::context::{Account, Context, Standing};
use super::job::{Completion, Job};
use super::session::{AfterJob, Effect, State};
use super::{files, ready, security};
use crate::scram::{ClientFirst, ScramError, ServerProof};
use crate::wire::command::Command;
use crate::wire::reply::{Farewell, Operation, Refusal, Reply};

/// A client-first-message whose account is being looked up.
pub(super) struct Request {
    first: ClientFirst,
}

/// The challenge is out.
pub(super) struct AwaitProof {
    user: String,
    standing: Standing,
    proof: ServerProof,
}

/// A failed login waits for its answer.
pub(super) struct Penalty {
    until: Instant,
}

/// Before the login.
pub(super) fn on_command(state: State, command: Command, cx: &mut Context<'_>) -> State {
    match command {
        Command::Login { first } => begin(&first, cx),
        Command::Prove { .. } => {
            cx.reply(Reply::BadSequence);
            state
        }
        Command::Help(topic) => ready::help(state, topic, cx),
        Command::User(user) => security::user(user, cx),
        Command::Password(_) => {
            cx.reply(Reply::BadSequence);
            state
        }
        other => aside(state, other, cx),
    }
}

/// What has nothing to do with a login, and may be asked without one.
pub(super) fn aside(state: State, command: Command, cx: &mut Context<'_>) -> State {
    match command {
        Command::Security(security) => security::on_command(state, security, cx),
        Command::Reinitialize => security::reinitialize(cx),
        other => {
            cx.reply(files::anytime(other, cx));
            state
        }
    }
}

fn begin(first: &[u8], cx: &mut Context<'_>) -> State {
    match ClientFirst::parse(first) {
        Ok(first) => {
            let job = cx.start_job(Job::FindAccount {
                user: first.user().to_owned(),
            });
            State::working(job, AfterJob::Challenge(Box::new(Request { first })))
        }
        Err(_) => fail(String::new(), cx),
    }
}

impl Request {
    pub(super) fn on_completed(self, completion: Completion, cx: &mut Context<'_>) -> State {
        let user = self.first.user().to_owned();
        let Completion::Account { verifier, standing } = completion else {
            return fail(user, cx);
        };
        let nonce = cx.shared.nonce();
        match self
            .first
            .challenge(&verifier, &cx.shared.setup.binding, &nonce)
        {
            Ok((proof, scram)) => {
                cx.reply(Reply::Challenge { scram });
                State::Proof(Box::new(AwaitProof {
                    user,
                    standing,
                    proof,
                }))
            }
            Err(ScramError::BindingRequired | ScramError::BindingUnsupported) => {
                cx.reply(Reply::BindingRefused);
                State::New
            }
            Err(_) => fail(user, cx),
        }
    }
}

impl AwaitProof {
    pub(super) fn on_command(self: Box<Self>, command: Command, cx: &mut Context<'_>) -> State {
        match command {
            Command::Prove { last } => self.check(&last, cx),
            Command::Login { first } => begin(&first, cx),
            other => on_command(State::Proof(self), other, cx),
        }
    }

    /// A decoy's proof is checked all the same: both ways cost the same.
    fn check(self, last: &[u8], cx: &mut Context<'_>) -> State {
        match (self.proof.verify(last), self.standing) {
            (Ok(scram), Standing::Known) => {
                let job = cx.start_job(Job::OpenHome);
                State::working(
                    job,
                    AfterJob::Welcome {
                        user: self.user,
                        scram,
                    },
                )
            }
            _ => fail(self.user, cx),
        }
    }
}

/// The home is open, or is not.
pub(super) fn welcome(
    user: String,
    scram: Vec<u8>,
    completion: Completion,
    cx: &mut Context<'_>,
) -> State {
    match completion {
        Completion::HomeOpen(access, rights) => {
            cx.shared.account = Some(Account {
                user,
                access,
                rights,
            });
            let digest = cx.shared.setup.manners.digest;
            cx.conclude(Reply::LoggedIn { scram, digest })
        }
        Completion::Refused(why) => {
            cx.reply(Reply::Refused {
                operation: Operation::Login,
                why,
            });
            State::New
        }
        _ => {
            cx.reply(Reply::Refused {
                operation: Operation::Login,
                why: Refusal::Fault,
            });
            State::New
        }
    }
}

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

    pub(super) fn over(self, cx: &mut Context<'_>) -> State {
        cx.reply(Reply::BadCredentials);
        if cx.shared.attempts >= cx.shared.setup.limits.attempts {
            return cx.close_with(Farewell::TooManyAttempts);
        }
        State::New
    }
}
