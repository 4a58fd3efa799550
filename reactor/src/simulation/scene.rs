//! [`Scene`], what a peer sees of the world, and [`Figures`], what was done in it.

use std::net::SocketAddr;

use skiff_vfs::simulated::Random;

use super::books::Books;
use super::daemon::USERS;
use super::errand::{Done, Errand};

/// What a peer sees of the world.
pub(super) struct Scene<'a> {
    pub(super) random: &'a mut Random,
    /// Those of the peer's home.
    pub(super) books: &'a mut Books,
    pub(super) next_id: &'a mut u64,
    pub(super) figures: &'a mut Figures,
    pub(super) ftp: SocketAddr,
    pub(super) native: SocketAddr,
    /// Whether peers vanish and give up.
    pub(super) cuts: bool,
    /// Whether the disk fails calls.
    pub(super) faults: bool,
    pub(super) user: usize,
}

impl Figures {
    pub(super) fn add(&mut self, other: &Self) {
        let Self {
            steps,
            power_cuts,
            kills,
            restarts,
            calls,
            failed_calls,
            stages,
            done,
            refused,
            lost,
        } = other;
        self.steps += steps;
        self.power_cuts += power_cuts;
        self.kills += kills;
        self.restarts += restarts;
        self.calls += calls;
        self.failed_calls += failed_calls;
        self.stages += stages;
        self.done += done;
        self.refused += refused;
        self.lost += lost;
    }
}

impl Scene<'_> {
    pub(super) fn count(&mut self, errand: &Errand, done: Done) {
        match done {
            _ if errand.is_unseen() => {}
            Done::Yes => self.figures.done += 1,
            Done::No | Done::Unknown => self.figures.refused += 1,
        }
    }

    /// Whether a peer of the same home may have made `name`.
    pub(super) fn may_be(&self, name: &str) -> bool {
        name.strip_prefix('s')
            .and_then(|rest| rest.split('-').next()?.parse::<usize>().ok())
            .is_some_and(|slot| slot % USERS == self.user)
    }
}

/// What was done in a world.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Figures {
    pub(super) steps: u64,
    pub(super) power_cuts: u64,
    pub(super) kills: u64,
    pub(super) restarts: u64,
    pub(super) calls: u64,
    pub(super) failed_calls: u64,
    pub(super) stages: u64,
    /// Errands that ended well, in a refusal, and without a word.
    pub(super) done: u64,
    pub(super) refused: u64,
    pub(super) lost: u64,
}
