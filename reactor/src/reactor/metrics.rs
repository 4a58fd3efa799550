//! Serves metrics: has a worker look at what only a worker may, and gathers the rest.

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use super::operator::ban_row;
use super::{Phase, Reactor};
use crate::connection::Connection;
use crate::event_loop::counters::REFUSED_NAMES;
use crate::metrics::http::{self, Path, Request, Status};
use crate::metrics::openmetrics::{self, Exposition};
use crate::metrics::page::{self, Listed, Page, ROWS_MAX, State};
use crate::workers::observation::{Asker, Observation};
use crate::workers::schedule::{Class, WorkKind};
use crate::workers::upkeep::Upkeep;
use crate::workers::work_item::WorkItem;

/// Places of connections that are looked at for a page.
const PLACES_MAX: usize = 4096;

const TEXT: &str = "text/plain; charset=utf-8";

impl Reactor {
    pub(super) fn on_metrics_ready(&mut self, slot: usize, now: Instant) {
        let asked = self.metrics.as_mut();
        let asked = asked.and_then(|metrics| metrics.on_ready(slot, now));
        let Some((asker, request)) = asked else {
            return;
        };
        match request.path {
            Path::Health => self.tell_health(asker, request, now),
            Path::Metrics | Path::Page => {
                let services = Arc::clone(&self.shared.services);
                let item = WorkItem::Upkeep(Upkeep::Observe { services, asker });
                let kind = WorkKind::of_daemon(Class::Short, None);
                self.shared.pool.submit(kind, item);
            }
        }
    }

    /// Accepts clients and ends those whose time is up; who has waited too long for a worker gets
    /// what is known without it.
    pub(super) fn turn_metrics(&mut self, now: Instant) {
        let Some(metrics) = &mut self.metrics else {
            return;
        };
        for (asker, _) in metrics.turn(&self.shared.registry, now) {
            self.answer_metrics(asker, None, now);
        }
    }

    pub(super) fn answer_metrics(
        &mut self,
        asker: Asker,
        observed: Option<&Observation>,
        now: Instant,
    ) {
        let waiting = self.metrics.as_ref();
        let Some(request) = waiting.and_then(|metrics| metrics.waiting(asker)) else {
            return;
        };
        let (content_type, text) = match request.path {
            Path::Page => (page::CONTENT_TYPE, self.page(observed, now).to_html()),
            Path::Metrics | Path::Health => {
                (openmetrics::CONTENT_TYPE, self.exposition(observed, now))
            }
        };
        let response = http::response(Status::Ok, content_type, &text, request.method);
        self.respond_metrics(asker, response, now);
    }

    fn tell_health(&mut self, asker: Asker, request: Request, now: Instant) {
        let (status, text) = match self.phase {
            Phase::Serving => (Status::Ok, "ok\n"),
            Phase::Draining(_) | Phase::Stopping(..) | Phase::Stopped => {
                (Status::ServiceUnavailable, "stopping\n")
            }
        };
        let response = http::response(status, TEXT, text, request.method);
        self.respond_metrics(asker, response, now);
    }

    fn respond_metrics(&mut self, asker: Asker, response: Vec<u8>, now: Instant) {
        if let Some(metrics) = &mut self.metrics {
            metrics.respond(asker.slot, response, now);
        }
    }

    fn exposition(&self, observed: Option<&Observation>, now: Instant) -> String {
        let mut text = Exposition::default();
        text.build(env!("CARGO_PKG_VERSION"));
        for (family, samples) in self.shared.counters.told(&self.gauges(now)) {
            text.family(family, &samples);
        }
        if let Some(metrics) = &self.metrics {
            text.timings(&metrics.timings);
        }
        if let Some(Observation { process, homes }) = observed {
            let used = homes.iter().map(|(_, usage)| usage.used.bytes).sum();
            let reserved = homes.iter().map(|(_, usage)| usage.reserved.bytes).sum();
            text.homes(used, reserved);
            text.process(process);
        }
        text.finish()
    }

    /// The connections that move most, and then the first that came.
    fn busiest(&self, now: Instant) -> impl Iterator<Item = &Connection> {
        let places = self.connections.iter().take(PLACES_MAX);
        let mut ranked: Vec<_> = places
            .map(|(_, connection)| (Reverse(connection.rate(now)), connection))
            .collect();
        ranked.sort_by_key(|(rate, connection)| (*rate, connection.number()));
        let first = ranked.into_iter().take(ROWS_MAX);
        first.map(|(_, connection)| connection)
    }

    fn page(&self, observed: Option<&Observation>, now: Instant) -> Page {
        let clock = SystemTime::now();
        let sessions = self.busiest(now);
        let sessions = sessions.map(|connection| connection.row(now)).collect();
        let bans = self.shared.admission.bans(now);
        let bans = bans
            .take(ROWS_MAX)
            .map(|(ban, why)| ban_row(ban, why, now, clock));
        let homes = observed.map(|observed| {
            let mut homes = observed.homes.clone();
            homes.sort_by(|a, b| a.0.cmp(&b.0));
            Listed::first_of(homes, observed.homes.len())
        });
        let so_far = self.shared.counters.refused_so_far();
        let hour = self.metrics.as_ref().map(|metrics| &metrics.last_hour);
        let grown = hour.map(|hour| hour.grown(now, so_far)).unwrap_or_default();
        Page {
            state: match self.phase {
                Phase::Serving => State::Serving,
                Phase::Draining(_) | Phase::Stopping(..) | Phase::Stopped => State::Stopping,
            },
            uptime_seconds: now.saturating_duration_since(self.started).as_secs(),
            sessions: Listed::first_of(sessions, self.connections.len()),
            homes,
            refused: REFUSED_NAMES.into_iter().zip(grown).collect(),
            bans: Listed::first_of(bans.collect(), self.shared.admission.bans(now).count()),
        }
    }

    /// To be called before anything of a turn is counted.
    pub(super) fn note_last_hour(&mut self, now: Instant) {
        if let Some(metrics) = &mut self.metrics {
            let counters = &self.shared.counters;
            metrics.last_hour.note(now, || counters.refused_so_far());
        }
    }
}
