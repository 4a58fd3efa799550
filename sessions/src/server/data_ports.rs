//! Answers PASV, EPSV, PORT and EPRT (RFC 959 section 4.1.2, RFC 2428): how the next data
//! connection will be made, and to whom it may never go (RFC 2577).

use core::net::SocketAddr;

use super::context::Context;
use super::parameters::{PassiveRule, Port};
use super::session::{Effect, NoPort, State};
use crate::wire::command::{DataPort, Family, PassiveForm};
use crate::wire::reply::{DataReply, Reply};

/// Lower ports belong to the client's system services (RFC 2577 section 3).
const FIRST_FREE_PORT: u16 = 1024;

/// Handles PASV, EPSV, PORT and EPRT.
pub(super) fn prepare(port: DataPort, cx: &mut Context<'_>) -> State {
    let peer = cx.shared.setup.dialect_rules.peer;
    let ours = if peer.is_ipv4() {
        Family::V4
    } else {
        Family::V6
    };
    let parameters = &mut cx.shared.parameters;
    let extended_only = parameters.passive == PassiveRule::ExtendedOnly;
    let reply = match port {
        DataPort::PassiveOnly => {
            parameters.passive = PassiveRule::ExtendedOnly;
            DataReply::PassiveOnly
        }
        DataPort::Active(_) | DataPort::Passive(PassiveForm::Address) if extended_only => {
            DataReply::PassiveOnlyInForce
        }
        DataPort::Passive(PassiveForm::Address) if ours == Family::V6 => DataReply::WrongFamily,
        DataPort::Passive(PassiveForm::PortOnly(Some(request))) if request != ours => {
            DataReply::WrongFamily
        }
        DataPort::Passive(form) => {
            parameters.port = Port::None;
            cx.effects.push(Effect::Listen(form));
            return State::Listening;
        }
        // Only to the client itself, and to no service of its system (RFC 2577).
        DataPort::Active(address)
            if address.ip().to_canonical() != peer.to_canonical()
                || address.port() < FIRST_FREE_PORT =>
        {
            DataReply::Foreign
        }
        DataPort::Active(address) => {
            cx.effects.push(Effect::CloseData);
            cx.shared.parameters.port = Port::Active(address);
            DataReply::Active
        }
    };
    cx.conclude(Reply::Data(reply))
}

/// Answers PASV or EPSV once the port is open, or is not.
pub(super) fn on_listening(
    form: PassiveForm,
    address: Result<SocketAddr, NoPort>,
    cx: &mut Context<'_>,
) -> State {
    let reply = match address {
        Ok(address) => {
            cx.shared.parameters.port = Port::Passive;
            DataReply::Passive { address, form }
        }
        Err(NoPort::NoneFree) => DataReply::NoPortFree,
        Err(NoPort::ShareTaken { most }) => DataReply::PortShareTaken { most },
    };
    cx.conclude(Reply::Data(reply))
}
