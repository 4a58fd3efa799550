//! The text format of OpenMetrics 1.0, <https://prometheus.io/docs/specs/om/open_metrics_spec/>.

use std::fmt::Write;

use super::Timings;
use super::histogram::{BOUNDS, Histogram};
use crate::event_loop::counters::{Family, Sample, gauge};
use crate::workers::observation::Process;

pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

const BUILD: Family = gauge("skiffd_build_info", "the version; the number is always 1");
const RESERVED: Family = gauge(
    "skiffd_reserved_bytes",
    "bytes that running uploads have reserved, in open homes",
);
const USED: Family = gauge(
    "skiffd_used_bytes",
    "bytes that open homes use, with kept parts of uploads",
);
const OPEN_DESCRIPTORS: Family = gauge("process_open_fds", "open descriptors");
const MOST_DESCRIPTORS: Family = gauge("process_max_fds", "descriptors that may be open");
const RESIDENT: Family = gauge("process_resident_memory_bytes", "memory that is in use");
const VIRTUAL: Family = gauge("process_virtual_memory_bytes", "memory that is mapped");
const THREADS: Family = gauge("process_threads", "threads");

/// A text that grows by families, until it is finished.
#[derive(Default)]
pub(crate) struct Exposition(String);

impl Exposition {
    /// A family without numbers is left out.
    pub(crate) fn family(&mut self, family: &Family, samples: &[Sample]) {
        if samples.is_empty() {
            return;
        }
        self.head(family.base_name(), family.kind.name(), family.help);
        for Sample { labels, value } in samples {
            self.0.push_str(family.name);
            self.labels(labels);
            // A write to a string does not fail, here and below.
            let _ = writeln!(self.0, " {value}");
        }
    }

    pub(crate) fn build(&mut self, version: &str) {
        let labels = vec![("version", version.to_owned())];
        self.family(&BUILD, &[Sample { labels, value: 1 }]);
    }

    /// Bytes that open homes use, and have reserved.
    pub(crate) fn homes(&mut self, used: u64, reserved: u64) {
        self.one(&USED, Some(used));
        self.one(&RESERVED, Some(reserved));
    }

    pub(crate) fn process(&mut self, process: &Process) {
        let &Process {
            open_descriptors,
            most_descriptors,
            resident_bytes,
            virtual_bytes,
            threads,
        } = process;
        self.one(&OPEN_DESCRIPTORS, open_descriptors);
        self.one(&MOST_DESCRIPTORS, most_descriptors);
        self.one(&RESIDENT, resident_bytes);
        self.one(&VIRTUAL, virtual_bytes);
        self.one(&THREADS, threads);
    }

    pub(crate) fn timings(&mut self, timings: &Timings) {
        let Timings { turns, bursts } = timings;
        let turn = "how long turns of the event loop took, without their waits";
        self.histogram("skiffd_loop_turn_seconds", turn, turns);
        let burst = "how long a worker had a transfer at a time";
        self.histogram("skiffd_burst_seconds", burst, bursts);
    }

    pub(crate) fn finish(mut self) -> String {
        self.0.push_str("# EOF\n");
        self.0
    }

    fn one(&mut self, family: &Family, value: Option<u64>) {
        let labels = Vec::new();
        let sample = value.map(|value| Sample { labels, value });
        self.family(family, sample.as_slice());
    }

    fn histogram(&mut self, name: &str, help: &str, histogram: &Histogram) {
        self.head(name, "histogram", help);
        let bounds = BOUNDS.iter().map(|(_, told)| *told).chain(["+Inf"]);
        let cumulative = histogram.cumulative();
        for (bound, count) in bounds.zip(cumulative) {
            let _ = writeln!(self.0, "{name}_bucket{{le=\"{bound}\"}} {count}");
        }
        let (sum, count) = (histogram.sum(), cumulative[BOUNDS.len()]);
        let (seconds, nanos) = (sum.as_secs(), sum.subsec_nanos());
        let _ = writeln!(self.0, "{name}_sum {seconds}.{nanos:09}");
        let _ = writeln!(self.0, "{name}_count {count}");
    }

    fn head(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# TYPE {name} {kind}");
        let help = escaped(help);
        let _ = writeln!(self.0, "# HELP {name} {help}");
    }

    fn labels(&mut self, labels: &[(&'static str, String)]) {
        for (index, (name, value)) in labels.iter().enumerate() {
            let before = if index == 0 { '{' } else { ',' };
            let value = escaped(value);
            let _ = write!(self.0, "{before}{name}=\"{value}\"");
        }
        if !labels.is_empty() {
            self.0.push('}');
        }
    }
}

/// A text as it may stand between quotes, or behind a name.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn values_of_labels_are_escaped() {
        let mut text = Exposition::default();
        text.build("a\\b\"c\nd");
        assert_eq!(
            text.finish(),
            "# TYPE skiffd_build_info gauge\n\
             # HELP skiffd_build_info the version; the number is always 1\n\
             skiffd_build_info{version=\"a\\\\b\\\"c\\nd\"} 1\n\
             # EOF\n"
        );
    }

    #[test]
    fn histograms_have_all_their_buckets_a_sum_and_a_count() {
        let mut timings = Timings::default();
        timings.burst(Duration::from_micros(70));
        timings.burst(Duration::from_secs(3));
        let mut text = Exposition::default();
        text.timings(&timings);
        let text = text.finish();
        for line in [
            "# TYPE skiffd_burst_seconds histogram",
            "skiffd_burst_seconds_bucket{le=\"0.00005\"} 0",
            "skiffd_burst_seconds_bucket{le=\"0.0001\"} 1",
            "skiffd_burst_seconds_bucket{le=\"+Inf\"} 2",
            "skiffd_burst_seconds_sum 3.000070000",
            "skiffd_burst_seconds_count 2",
            "skiffd_loop_turn_seconds_count 0",
        ] {
            assert!(text.lines().any(|told| told == line), "{line}\n{text}");
        }
    }

    #[test]
    fn what_the_kernel_does_not_tell_is_left_out() {
        let mut text = Exposition::default();
        text.process(&Process {
            threads: Some(3),
            ..Process::default()
        });
        let told = text.finish();
        assert_eq!(told.lines().nth(2), Some("process_threads 3"));
        assert_eq!(told.lines().count(), 4);
    }
}
