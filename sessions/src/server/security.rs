//! TLS on a connection that began in clear (RFC 4217), and the login whose
//! password comes as it is.

use super::context::{Account, Context, Standing};
use super::job::{Completion, Job};
use super::login;
use super::manners::{Channel, TlsPolicy};
use super::parameters::{BufferSize, Parameters};
use super::session::{AfterJob, Effect, State};
use crate::path::VirtualPath;
use crate::wire::command::{Protection, Secret, Security};
use crate::wire::reply::{Operation, Refusal, Reply, SecurityReply};

/// In any state that listens; `state` stays unless TLS begins.
pub(super) fn on_command(state: State, security: Security, cx: &mut Context<'_>) -> State {
    let manners = &cx.shared.setup.manners;
    let parameters = &mut cx.shared.parameters;
    let private = manners.channel == Channel::Private;
    let reply = match security {
        Security::StartTls if private => SecurityReply::AlreadyInTls,
        Security::StartTls if manners.tls == TlsPolicy::NotOffered => SecurityReply::NotOffered,
        Security::StartTls if cx.shared.account.is_some() => SecurityReply::OutOfOrder,
        Security::StartTls => {
            cx.reply(Reply::Security(SecurityReply::TlsFollows));
            cx.effects.push(Effect::StartTls);
            return State::StartingTls;
        }
        Security::ClearControl if private => SecurityReply::ControlStaysPrivate,
        Security::BufferSize if private => {
            parameters.buffer_size = BufferSize::Said;
            SecurityReply::BufferSize
        }
        Security::Protect(protection) if private && parameters.buffer_size == BufferSize::Said => {
            parameters.protection = protection;
            SecurityReply::Protects(protection)
        }
        _ => SecurityReply::OutOfOrder,
    };
    cx.reply(Reply::Security(reply));
    state
}

/// The handshake is done.
pub(super) fn secured(cx: &mut Context<'_>) -> State {
    cx.shared.setup.manners.channel = Channel::Private;
    State::New
}

/// Whether data may go as it would now.
pub(super) fn check_data(cx: &Context<'_>) -> Result<(), Reply> {
    let clear = cx.shared.parameters.protection == Protection::Clear;
    match (cx.shared.setup.manners.tls, clear) {
        (TlsPolicy::Required, true) => Err(Reply::Security(SecurityReply::DataNeedsTls)),
        _ => Ok(()),
    }
}

pub(super) fn user(user: String, cx: &mut Context<'_>) -> State {
    if let Err(reply) = check_login(cx) {
        cx.reply(reply);
        return State::New;
    }
    cx.reply(Reply::NeedPassword);
    State::Password(user)
}

fn check_login(cx: &Context<'_>) -> Result<(), Reply> {
    let manners = &cx.shared.setup.manners;
    match (manners.tls, manners.channel) {
        (TlsPolicy::Required, Channel::Clear) => Err(Reply::Security(SecurityReply::LoginNeedsTls)),
        _ => Ok(()),
    }
}

/// Somebody said who he is, and this.
pub(super) fn password(user: String, password: Secret, cx: &mut Context<'_>) -> State {
    let job = cx.start_job(Job::CheckPassword {
        user: user.clone(),
        password,
    });
    State::working(job, AfterJob::Identify(user))
}

/// A wrong password and an unknown name are one answer.
pub(super) fn identified(user: String, completion: Completion, cx: &mut Context<'_>) -> State {
    match completion {
        Completion::Identified(Standing::Known) => {
            let job = cx.start_job(Job::OpenHome);
            State::working(job, AfterJob::Enter(user))
        }
        _ => login::fail(user, cx),
    }
}

pub(super) fn enter(user: String, completion: Completion, cx: &mut Context<'_>) -> State {
    let why = match completion {
        Completion::HomeOpen(access, rights) => {
            cx.shared.account = Some(Account {
                user: user.clone(),
                access,
                rights,
            });
            return cx.conclude(Reply::Authenticated { user });
        }
        Completion::Refused(why) => why,
        _ => Refusal::Fault,
    };
    cx.reply(Reply::Refused {
        operation: Operation::Login,
        why,
    });
    State::New
}

/// As if the connection had just been made; TLS stays (RFC 959 section 4.1.1).
pub(super) fn reinitialize(cx: &mut Context<'_>) -> State {
    cx.effects.push(Effect::CloseData);
    if cx.shared.account.take().is_some() {
        cx.effects.push(Effect::Logout);
    }
    cx.shared.cwd = VirtualPath::root();
    cx.shared.parameters = Parameters::of(cx.shared.initial_channel);
    cx.shared.login_due = cx.now + cx.shared.setup.limits.login;
    cx.reply(Reply::Reinitialized);
    State::New
}
