//! Tests that every dialogue has the same outcome however its bytes are cut.

use std::cell::RefCell;
use std::fmt::Debug;
use std::rc::Rc;

use skiff_sessions::client::{Note, Outcome, Question};

use super::disk::{Disk, Seen};
use super::drive::Pair;
use super::local::Local;
use super::rig::Rig;
use super::wire::Cut;

const CHUNKS: &[usize] = &[1, 2, 3, 4, 5, 7, 13, 64];

/// What a dialogue came to, at both ends.
#[derive(PartialEq, Debug)]
pub(super) struct Came<T> {
    pub(super) said: T,
    disk: Seen,
    local: Local,
    notes: Vec<Note>,
    asked: Vec<Question>,
}

/// Where a dialogue begins.
pub(super) type World = (Disk, Local);

/// Runs `act` with the bytes delivered whole, in chunks, and split at every
/// position of either direction, each with room and without; all runs must come
/// to the same, with the server ready for the next command.
pub(super) fn at_every_cut<T: PartialEq + Debug>(
    world: impl Fn() -> World,
    act: impl Fn(&mut Pair) -> T,
) -> Came<T> {
    let mut first: Option<Came<T>> = None;
    for rig in [Rig::roomy(), Rig::tight()] {
        let (came, lengths) = run(rig.clone(), &world, &act);
        if let Some(first) = &first {
            assert_eq!(&came, first, "{rig:?}");
        }
        for cut in cuts(&rig, lengths) {
            assert_eq!(run(cut.clone(), &world, &act).0, came, "{cut:?}");
        }
        first.get_or_insert(came);
    }
    first.unwrap()
}

/// The same for dialogues whose outcome is all that matters.
pub(super) fn outcome_at_every_cut(
    world: impl Fn() -> World,
    act: impl Fn(&mut Pair) -> Outcome,
) -> Came<Outcome> {
    at_every_cut(world, act)
}

fn run<T>(
    rig: Rig,
    world: impl Fn() -> World,
    act: impl Fn(&mut Pair) -> T,
) -> (Came<T>, (usize, usize)) {
    let (disk, local) = world();
    let mut pair = Pair::rigged(rig, Rc::new(RefCell::new(disk)), local);
    let said = act(&mut pair);
    pair.is_ready();
    let lengths = (pair.to_server.sent().len(), pair.to_client.sent().len());
    let (disk, client) = (pair.disk().seen(), &pair.client);
    let (notes, asked) = (client.notes.clone(), client.asked.clone());
    (
        Came {
            said,
            disk,
            local: client.local.clone(),
            notes,
            asked,
        },
        lengths,
    )
}

pub(super) fn cuts(rig: &Rig, (to_server, to_client): (usize, usize)) -> Vec<Rig> {
    let both = |&step: &usize| {
        let cut = Cut::Every(step);
        Rig {
            to_server: cut,
            to_client: cut,
            ..rig.clone()
        }
    };
    let server = |at| Rig {
        to_server: Cut::At(at),
        ..rig.clone()
    };
    let client = |at| Rig {
        to_client: Cut::At(at),
        ..rig.clone()
    };
    let chunks = CHUNKS.iter().map(both);
    chunks
        .chain((0..to_server).map(server))
        .chain((0..to_client).map(client))
        .collect()
}

impl<T> Came<T> {
    pub(super) fn asked(&self) -> &[Question] {
        &self.asked
    }

    pub(super) fn notes(&self) -> &[Note] {
        &self.notes
    }

    pub(super) fn local(&self) -> &Local {
        &self.local
    }
}

impl Came<Outcome> {
    /// Of the reply that ended it.
    pub(super) fn code(&self) -> u16 {
        match &self.said {
            Outcome::Replied(answered) => answered.code,
            other => panic!("{other:?}"),
        }
    }
}
