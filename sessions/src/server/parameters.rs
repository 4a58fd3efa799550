//! The parameters that a client sets for transfers to come (RFC 959 section 4.1.2).

use core::net::SocketAddr;

use super::dialect_rules::Privacy;
use crate::digest::Algorithm;
use crate::wire::command::{ByteRange, Parameter, Protection, Representation};
use crate::wire::listing::{FactSet, Form};
use crate::wire::reply::ParameterReply;

/// The parameters of a session.
pub(super) struct Parameters {
    pub(super) representation: Representation,
    /// The restart mark: where the next transfer begins, in bytes.
    mark: u64,
    /// Bytes that ALLO announced for the next upload.
    allocated: Option<u64>,
    /// The range that RANG set for the next digest.
    range: Option<ByteRange>,
    pub(super) algorithm: Algorithm,
    pub(super) facts: FactSet,
    pub(super) protection: Protection,
    pub(super) buffer_size: BufferSize,
    pub(super) port: Port,
    pub(super) passive: PassiveRule,
}

/// What became of a parameter that the client set.
pub(super) enum Setting {
    Done(ParameterReply),
    /// ALLO of `bytes`, whose answer needs the quota.
    NeedsQuota {
        bytes: u64,
    },
}

/// Whether PBSZ came, which must come before PROT (RFC 4217 section 8).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum BufferSize {
    Unsaid,
    Said,
}

/// How the next data connection will be made.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Port {
    #[default]
    None,
    /// The client connects to the port that it was told.
    Passive,
    Active(SocketAddr),
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum PassiveRule {
    Free,
    /// After EPSV ALL (RFC 2428 section 4).
    ExtendedOnly,
}

impl Parameters {
    /// The parameters of a new session. Where TLS is there from the first byte, data connections
    /// are under it too unless the client says otherwise.
    pub(super) fn of(initial_privacy: Privacy) -> Self {
        let (protection, buffer_size) = match initial_privacy {
            Privacy::Clear => (Protection::Clear, BufferSize::Unsaid),
            Privacy::Private => (Protection::Private, BufferSize::Said),
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

    /// Takes the restart mark, which holds for one transfer.
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

    /// The form of a listing, with the facts that the client chose.
    pub(super) fn listed_as(&self, form: Form) -> Form {
        match form {
            Form::Machine(_) => Form::Machine(self.facts),
            other => other,
        }
    }

    pub(super) fn allocate(&mut self, bytes: u64) {
        self.allocated = Some(bytes);
    }

    /// Sets `parameter`; or says that the quota must be asked first.
    pub(super) fn set(&mut self, parameter: &Parameter) -> Setting {
        Setting::Done(match *parameter {
            Parameter::Type(representation) => {
                self.representation = representation;
                ParameterReply::Type(representation)
            }
            Parameter::OnlyValue(what) => ParameterReply::OnlyValue(what),
            Parameter::Restart(mark) => {
                self.mark = mark;
                ParameterReply::Restart(mark)
            }
            Parameter::Allocate(bytes) => return Setting::NeedsQuota { bytes },
            Parameter::Range(range) => {
                self.range = range;
                ParameterReply::Range(range)
            }
            Parameter::Algorithm(algorithm) => {
                self.algorithm = algorithm.unwrap_or(self.algorithm);
                ParameterReply::Algorithm(self.algorithm)
            }
            Parameter::Facts(facts) => {
                self.facts = facts;
                ParameterReply::Facts(facts)
            }
        })
    }
}
