//! Answers commands that need neither a login nor a worker: FEAT, HOST, HELP, NOOP, and parameters
//! that have one value only.

use super::context::Context;
use super::dialect_rules::{Privacy, TlsPolicy};
use super::session::{Effect, State};
use crate::wire::command::{Command, Parameter};
use crate::wire::reply::{Features, HelpTopic, ParameterReply, Reply, TlsOffer};

/// The answer to a command that needs neither login nor worker.
pub(super) fn answer(command: Command, cx: &Context<'_>) -> Reply {
    match command {
        Command::Features => Reply::Features(Features {
            tls: tls_offer(cx),
            facts: cx.shared.parameters.facts,
            algorithm: cx.shared.parameters.algorithm,
        }),
        Command::Parameter(Parameter::OnlyValue(what)) => {
            Reply::Parameter(ParameterReply::OnlyValue(what))
        }
        _ => Reply::Noop,
    }
}

/// Answers HOST, which chooses the certificate that TLS will begin with, as a client's hello does;
/// behind that it has nothing to choose (RFC 7151 section 3.3).
pub(super) fn host(name: String, cx: &mut Context<'_>) -> Reply {
    let setup = &cx.shared.setup;
    if !setup.limits.hosts.include(&name) {
        return Reply::HostUnknown;
    }
    if setup.dialect_rules.privacy == Privacy::Clear {
        cx.effects.push(Effect::Host(name));
    }
    Reply::HostNoted
}

/// Answers HELP in any state; `state` stays.
pub(super) fn help(state: State, topic: Option<String>, cx: &mut Context<'_>) -> State {
    cx.reply(Reply::Help {
        topic: topic.map_or(HelpTopic::Overview, HelpTopic::Verb),
        tls: tls_offer(cx),
    });
    state
}

fn tls_offer(cx: &Context<'_>) -> TlsOffer {
    match cx.shared.setup.dialect_rules.tls {
        TlsPolicy::NotOffered => TlsOffer::Absent,
        TlsPolicy::Optional | TlsPolicy::Required => TlsOffer::Offered,
    }
}
