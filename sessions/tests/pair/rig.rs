//! Holds what a test is run with: the sizes of buffers between the ends, the forms of an upload,
//! and the files that all tests send.

use skiff_sessions::client::PutOrder;
use skiff_sessions::path::PathArg;
use skiff_sessions::scram::Binding;
use skiff_sessions::wire::command::{Replace, Store, Turn};
use skiff_sessions::wire::stamp::Stamp;

use super::local::Local;
use super::server::Workers;
use super::wire::{Cut, Pipe};

pub(super) const NEW: &[u8] = b"the quick brown fox jumps over the lazy dog";
pub(super) const OLD: &[u8] = b"what was there before";
/// As long as `NEW`.
pub(super) const OTHER: &[u8] = b"THE QUICK BROWN FOX JUMPS OVER THE LAZY CAT";
pub(super) const NEW_TIME: Stamp = Stamp(1_700_000_000);

/// How large everything between the ends is.
#[derive(Clone, Debug)]
pub(super) struct Rig {
    pub(super) pipe: Pipe,
    /// Of each burst, in bytes.
    pub(super) budget: u64,
    /// A frame has four bytes less, so that small files have many.
    pub(super) scratch: usize,
    pub(super) to_server: Cut,
    pub(super) to_client: Cut,
    pub(super) binding: Binding,
    pub(super) owner: u32,
    pub(super) workers: Workers,
}

impl Rig {
    /// Frames of a few bytes, and room for whole dialogues.
    pub(super) fn roomy() -> Self {
        Self {
            pipe: Pipe {
                holds: 1 << 20,
                each_turn: 1 << 20,
            },
            budget: 1 << 20,
            scratch: 20,
            to_server: Cut::Whole,
            to_client: Cut::Whole,
            binding: Binding::None,
            owner: 1,
            workers: Workers::FirstFirst,
        }
    }

    /// Every write is short, and every burst goes home early. What the pipe
    /// holds is more than any reply: no peer here refuses to read.
    pub(super) fn tight() -> Self {
        let pipe = Pipe {
            holds: 256,
            each_turn: 5,
        };
        let workers = Workers::LastFirst;
        Self {
            pipe,
            budget: 3,
            scratch: 12,
            workers,
            ..Self::roomy()
        }
    }
}

/// How an upload is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct How {
    pub(super) turn: Turn,
    pub(super) replace: Replace,
}

pub(super) const PLAIN: How = How {
    turn: Turn::Negotiate,
    replace: Replace::Never,
};
pub(super) const REPLACING: How = How {
    turn: Turn::Negotiate,
    replace: Replace::Yes,
};
pub(super) const AT_ONCE: How = How {
    turn: Turn::Skipped,
    replace: Replace::Never,
};

impl How {
    pub(super) fn order(self, path: PathArg, local: &Local) -> PutOrder {
        let Self { turn, replace } = self;
        let size = local.source.len() as u64;
        Store {
            path,
            size,
            modified: Some(NEW_TIME),
            digest: local.digest,
            declared: None,
            replace,
            turn,
        }
    }
}
