//! Holds the session's transfers to its rates.

use std::sync::atomic::Ordering;
use std::time::Instant;

use skiff_sessions::server::terms::Rates;
use skiff_sessions::server::{Direction, Event};

use super::{Connection, Stage};
use crate::event_loop::shared::Shared;

impl Connection {
    /// Takes the rates that hold now.
    pub(super) fn refresh_rates(&mut self, shared: &mut Shared, now: Instant) {
        let account = match &self.stage {
            Stage::Conversing(conversation) => conversation.session().account(),
            Stage::Handshake(..) | Stage::StartingTls(..) => None,
        };
        let none = (Rates::NONE, Rates::NONE);
        let rates = account.map_or(none, |account| {
            (account.terms.user_rates, account.terms.session_rates)
        });
        let before = self.rates.take();
        self.rates = shared.rates.of_session(self.account, rates, before, now);
    }

    /// Whether the transfer is held back now. One that is to be stopped is not.
    pub(super) fn is_held(&mut self, now: Instant) -> bool {
        let direction = self.limited_direction();
        let (Some(rates), Some(direction)) = (&mut self.rates, direction) else {
            return false;
        };
        !self.stop.load(Ordering::Relaxed) && rates.holds(direction, now)
    }

    /// What the next burst may move; `None` where nothing limits it.
    pub(super) fn take_allowance(&mut self) -> Option<u64> {
        self.limited_direction()?;
        self.rates.as_mut()?.allowance()
    }

    pub(super) fn settle_allowance(&mut self, moved: u64, now: Instant) {
        if let Some(rates) = &mut self.rates {
            rates.settle(moved, now);
        }
    }

    /// Says that a transfer which is held does not stall, and goes on with it where its time has come.
    pub(super) fn release_held(&mut self, shared: &mut Shared, now: Instant) {
        let Some(rates) = &mut self.rates else { return };
        if rates.held_until().is_some() {
            rates.release(now);
            self.on_event(Event::HeldBack, shared, now);
        }
    }

    /// When the transfer that is held may go on.
    pub(super) fn held_until(&self) -> Option<Instant> {
        self.rates.as_ref()?.held_until()
    }

    /// That of the transfer under way, where bytes of files are moved.
    fn limited_direction(&self) -> Option<Direction> {
        self.pace.as_ref()?.direction
    }
}
