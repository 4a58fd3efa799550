//! What a client sets for transfers to come (RFC 959 section 4.1.2), and where
//! their bytes are to go.

use core::net::SocketAddr;

use super::context::Context;
use super::files::{self, SimpleCommand};
use super::job::Job;
use super::manners::Channel;
use super::session::{Effect, State};
use crate::digest::Algorithm;
use crate::wire::command::{
    ByteRange, DataPort, Family, Parameter, PassiveForm, Protection, Representation,
};
use crate::wire::listing::{FactSet, Form};
use crate::wire::reply::{DataReply, ParameterReply, Reply};

/// The system's own services listen below it (RFC 2577 section 3).
const FIRST_FREE_PORT: u16 = 1024;

pub(super) struct Parameters {
    pub(super) representation: Representation,
    /// Where the next transfer begins, in bytes.
    mark: u64,
    allocated: Option<u64>,
    range: Option<ByteRange>,
    pub(super) algorithm: Algorithm,
    pub(super) facts: FactSet,
    pub(super) protection: Protection,
    pub(super) buffer_size: BufferSize,
    port: Port,
    passive: PassiveRule,
}

/// Whether PBSZ came, which must come before PROT.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum BufferSize {
    Unsaid,
    Said,
}

/// How the next data connection comes about.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Port {
    #[default]
    None,
    /// The client connects to where it was told.
    Passive,
    Active(SocketAddr),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum PassiveRule {
    Free,
    /// EPSV ALL (RFC 2428 section 4).
    ExtendedOnly,
}

impl Parameters {
    /// What holds when a session begins. Where TLS is there from the first byte,
    /// data connections are under it too unless the client says otherwise.
    pub(super) fn of(initial_channel: Channel) -> Self {
        let (protection, buffer_size) = match initial_channel {
            Channel::Clear => (Protection::Clear, BufferSize::Unsaid),
            Channel::Private => (Protection::Private, BufferSize::Said),
        };
        Self {
            representation: Representation::default(),
            mark: 0,
            allocated: None,
            range: None,
            algorithm: Algorithm::Sha256,
            facts: FactSet::ALL,
            protection,
            buffer_size,
            port: Port::None,
            passive: PassiveRule::Free,
        }
    }

    /// Good for one transfer.
    pub(super) fn take_mark(&mut self) -> u64 {
        std::mem::take(&mut self.mark)
    }

    pub(super) fn take_allocated(&mut self) -> Option<u64> {
        self.allocated.take()
    }

    pub(super) fn take_range(&mut self) -> Option<ByteRange> {
        self.range.take()
    }

    pub(super) fn take_port(&mut self) -> Port {
        std::mem::take(&mut self.port)
    }

    pub(super) fn port(&self) -> Port {
        self.port
    }

    /// With the facts that the client chose.
    pub(super) fn listed_as(&self, form: Form) -> Form {
        match form {
            Form::Machine(_) => Form::Machine(self.facts),
            other => other,
        }
    }

    pub(super) fn allocate(&mut self, bytes: u64) {
        self.allocated = Some(bytes);
    }
}

/// Between two dialogues.
pub(super) fn set(parameter: Parameter, cx: &mut Context<'_>) -> State {
    let parameters = &mut cx.shared.parameters;
    let reply = match parameter {
        Parameter::Type(representation) => {
            parameters.representation = representation;
            ParameterReply::Type(representation)
        }
        Parameter::OnlyValue(what) => ParameterReply::OnlyValue(what),
        Parameter::Restart(mark) => {
            parameters.mark = mark;
            ParameterReply::Restart(mark)
        }
        Parameter::Allocate(bytes) => {
            return files::run_job(Job::Usage, SimpleCommand::Allocate(bytes), cx);
        }
        Parameter::Range(range) => {
            parameters.range = range;
            ParameterReply::Range(range)
        }
        Parameter::Algorithm(algorithm) => {
            parameters.algorithm = algorithm.unwrap_or(parameters.algorithm);
            ParameterReply::Algorithm(parameters.algorithm)
        }
        Parameter::Facts(facts) => {
            parameters.facts = facts;
            ParameterReply::Facts(facts)
        }
    };
    cx.conclude(Reply::Parameter(reply))
}

/// PASV, EPSV, PORT, EPRT.
pub(super) fn port(port: DataPort, cx: &mut Context<'_>) -> State {
    let peer = cx.shared.setup.manners.peer;
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

/// The port that was asked for is open, or is not.
pub(super) fn listening(
    form: PassiveForm,
    address: Option<SocketAddr>,
    cx: &mut Context<'_>,
) -> State {
    let reply = match address {
        Some(address) => {
            cx.shared.parameters.port = Port::Passive;
            DataReply::Passive { address, form }
        }
        None => DataReply::NoPortFree,
    };
    cx.conclude(Reply::Data(reply))
}
