//! Handles AUTH, PBSZ, PROT and CCC: TLS on a connection that began in clear (RFC 4217).

use super::context::Context;
use super::dialect_rules::{ClientCertificate, Privacy, TlsPolicy};
use super::parameters::BufferSize;
use super::session::{Effect, State};
use crate::wire::command::{Protection, Security};
use crate::wire::reply::{Reply, SecurityReply};

/// Handles a command in any state that takes lines; `state` stays unless TLS begins.
pub(super) fn on_command(state: State, security: Security, cx: &mut Context<'_>) -> State {
    let dialect_rules = &cx.shared.setup.dialect_rules;
    let parameters = &mut cx.shared.parameters;
    let private = dialect_rules.privacy == Privacy::Private;
    let reply = match security {
        Security::StartTls if private => SecurityReply::AlreadyInTls,
        Security::StartTls if dialect_rules.tls == TlsPolicy::NotOffered => {
            SecurityReply::NotOffered
        }
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
            match (protection, dialect_rules.tls) {
                (Protection::Clear, TlsPolicy::Required) => SecurityReply::ClearDataRefused,
                _ => {
                    parameters.protection = protection;
                    SecurityReply::Protects(protection)
                }
            }
        }
        _ => SecurityReply::OutOfOrder,
    };
    cx.reply(Reply::Security(reply));
    state
}

/// Goes on under TLS, without a login.
pub(super) fn secured(certificate: ClientCertificate, cx: &mut Context<'_>) -> State {
    let dialect_rules = &mut cx.shared.setup.dialect_rules;
    (dialect_rules.privacy, dialect_rules.certificate) = (Privacy::Private, certificate);
    State::New
}

/// Refuses data connections in clear where the operator demands TLS.
pub(super) fn check_data(cx: &Context<'_>) -> Result<(), Reply> {
    let clear = cx.shared.parameters.protection == Protection::Clear;
    match (cx.shared.setup.dialect_rules.tls, clear) {
        (TlsPolicy::Required, true) => Err(Reply::Security(SecurityReply::DataNeedsTls)),
        _ => Ok(()),
    }
}
