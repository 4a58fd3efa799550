//! Logs in with USER and PASS, whose password is sent as it is (RFC 959 section 4.1.1), or with USER
//! alone, where the client's certificate is the user's.

use super::context::{Account, Context};
use super::continuations::AfterJob;
use super::dialect_rules::{ClientCertificate, Privacy, TlsPolicy};
use super::job::{Completion, Job, Standing};
use super::login;
use super::penalty::{self, Attempt};
use super::session::{Effect, State};
use crate::wire::command::Secret;
use crate::wire::reply::{LoginRefusal, Refusal, Reply, SecurityReply};

/// What a login was proven by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum ProvenBy {
    Password,
    Certificate,
}

/// Handles USER.
pub(super) fn user(user: String, cx: &mut Context<'_>) -> State {
    if let Err(reply) = check_login(cx) {
        cx.effects.push(Effect::LoginNeedsTls { user });
        cx.reply(reply);
        return State::New;
    }
    match cx.shared.setup.dialect_rules.certificate {
        ClientCertificate::None => ask_for_password(user, cx),
        ClientCertificate::Shown => {
            let job = cx.start_job(Job::CheckCertificate { user: user.clone() });
            State::working(job, AfterJob::Recognize(user))
        }
    }
}

fn ask_for_password(user: String, cx: &mut Context<'_>) -> State {
    cx.reply(Reply::NeedPassword);
    State::Password(user)
}

/// Goes on without a password where the client's certificate stands for it (RFC 2228 section 5).
pub(super) fn recognized(user: String, completion: Completion, cx: &mut Context<'_>) -> State {
    match completion {
        Completion::Identified(Standing::Known) => open_home(user, ProvenBy::Certificate, cx),
        Completion::Refused(why) => login::refuse_home(why, cx),
        _ => ask_for_password(user, cx),
    }
}

fn open_home(user: String, by: ProvenBy, cx: &mut Context<'_>) -> State {
    let job = cx.start_job(Job::OpenHome);
    State::working(job, AfterJob::Enter(user, by))
}

fn check_login(cx: &Context<'_>) -> Result<(), Reply> {
    let dialect_rules = &cx.shared.setup.dialect_rules;
    match (dialect_rules.tls, dialect_rules.privacy) {
        (TlsPolicy::Required, Privacy::Clear) => Err(Reply::Security(SecurityReply::LoginNeedsTls)),
        _ => Ok(()),
    }
}

/// Handles PASS after USER.
pub(super) fn password(user: String, password: Secret, cx: &mut Context<'_>) -> State {
    let job = cx.start_job(Job::CheckPassword {
        user: user.clone(),
        password,
    });
    State::working(job, AfterJob::Identify(user))
}

/// Opens the home for the right password; a wrong one and an unknown user get the same answer.
pub(super) fn identified(user: String, completion: Completion, cx: &mut Context<'_>) -> State {
    match completion {
        Completion::Identified(Standing::Known) => open_home(user, ProvenBy::Password, cx),
        Completion::Refused(why) => login::refuse_home(why, cx),
        _ => penalty::fail(user, Attempt::Login(LoginRefusal::Credentials), cx),
    }
}

/// Ends the login: the home is open, or is refused.
pub(super) fn enter(
    user: String,
    by: ProvenBy,
    completion: Completion,
    cx: &mut Context<'_>,
) -> State {
    let why = match completion {
        Completion::HomeOpen(terms) => {
            cx.shared.account = Some(Account {
                user: user.clone(),
                terms,
            });
            return cx.conclude(match by {
                ProvenBy::Password => Reply::Authenticated { user },
                ProvenBy::Certificate => Reply::Recognized { user },
            });
        }
        Completion::Refused(why) => why,
        _ => Refusal::Fault,
    };
    login::refuse_home(why, cx)
}
