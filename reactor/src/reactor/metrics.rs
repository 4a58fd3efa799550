//! Serves metrics: has a worker look at what only a worker may, and gathers the rest.

use std::sync::Arc;
use std::time::Instant;

use super::{Phase, Reactor};
use crate::metrics::http::{self, Path, Request, Status};
use crate::metrics::openmetrics::{CONTENT_TYPE, Exposition};
use crate::workers::observation::{Asker, Observation};
use crate::workers::schedule::{Class, WorkKind};
use crate::workers::upkeep::Upkeep;
use crate::workers::work_item::WorkItem;

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
            Path::Metrics => {
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
        let text = self.exposition(observed, now);
        let response = http::response(Status::Ok, CONTENT_TYPE, &text, request.method);
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
}
