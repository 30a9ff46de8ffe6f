//! What is counted while the server runs, in the text form that Prometheus reads.
//!
//! The registry is written by hand: counters and histograms with a few labels are all there is, and the text format is
//! a page. Label values come from the schema, the configuration and closed lists, never from clients.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use driftless_conflict_handlers::Recorded;
use driftless_resolvers::journal::Tally;

/// The content type of [`Metrics::text`].
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Upper bounds of times, in seconds.
const SECONDS: [f64; 12] = [
    0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5, 8.0,
];

/// Everything that is counted.
#[derive(Debug)]
pub struct Metrics {
    /// HTTP answers.
    pub requests: Counter,
    /// How long they took.
    pub request_seconds: Histogram,
    /// Mutations and what they came to.
    pub mutations: Counter,
    /// Conflicts and what they came to.
    pub conflicts: Counter,
    /// Calls of plugins and functions.
    pub handler_calls: Counter,
    /// How long they took.
    pub handler_seconds: Histogram,
    /// Events written to sockets.
    pub events: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        Metrics {
            requests: Counter::new(
                "driftless_http_requests_total",
                "HTTP answers by route and status.",
                &["route", "status"],
            ),
            request_seconds: Histogram::new(
                "driftless_http_request_seconds",
                "Time from the head of a request to the head of its answer.",
                &["route"],
            ),
            mutations: Counter::new(
                "driftless_mutations_total",
                "Mutations by model, operation and outcome: ok, unavailable, or an errorType.",
                &["model", "operation", "outcome"],
            ),
            conflicts: Counter::new(
                "driftless_conflicts_total",
                "Conflicts by model, strategy and outcome.",
                &["model", "strategy", "outcome"],
            ),
            handler_calls: Counter::new(
                "driftless_conflict_handler_calls_total",
                "Calls of plugins and functions by result: answered, or how they failed.",
                &["handler", "result"],
            ),
            handler_seconds: Histogram::new(
                "driftless_conflict_handler_seconds",
                "How long plugins and functions take.",
                &["handler"],
            ),
            events: Counter::new(
                "driftless_events_delivered_total",
                "Events written to sockets.",
                &[],
            ),
        }
    }
}

impl Metrics {
    /// All figures, and these that are true at this moment: name, description, value.
    #[must_use]
    pub fn text(&self, now: &[(&str, &str, usize)]) -> String {
        let mut text = String::new();
        for (name, help, value) in now {
            head(&mut text, name, help, "gauge");
            let _ = writeln!(text, "{name} {value}");
        }
        for counter in [
            &self.requests,
            &self.mutations,
            &self.conflicts,
            &self.handler_calls,
            &self.events,
        ] {
            counter.write(&mut text);
        }
        for histogram in [&self.request_seconds, &self.handler_seconds] {
            histogram.write(&mut text);
        }
        text
    }
}

impl Tally for Metrics {
    fn mutation(&self, model: &str, operation: &'static str, outcome: &str) {
        self.mutations.add(&[model, operation, outcome], 1);
    }

    fn conflict(&self, conflict: &Recorded) {
        let labels = [&conflict.model, &conflict.strategy, &conflict.outcome];
        self.conflicts.add(&labels.map(String::as_str), 1);
    }
}

/// What the series of a family have in common, and one value for each.
#[derive(Debug)]
struct Family<T> {
    name: &'static str,
    help: &'static str,
    labels: &'static [&'static str],
    series: Mutex<BTreeMap<Vec<String>, T>>,
}

impl<T: Default + Clone> Family<T> {
    fn change(&self, labels: &[&str], change: impl FnOnce(&mut T)) {
        let mut series = self.series.lock().unwrap_or_else(PoisonError::into_inner);
        let labels: Vec<String> = labels.iter().map(|&label| label.to_owned()).collect();
        change(series.entry(labels).or_default());
    }

    fn series(&self) -> BTreeMap<Vec<String>, T> {
        let series = self.series.lock().unwrap_or_else(PoisonError::into_inner);
        series.clone()
    }

    /// The labels of a series as they are written, without braces.
    fn labelled(&self, values: &[String]) -> String {
        let pairs = self.labels.iter().zip(values);
        let pairs = pairs.map(|(label, value)| format!("{label}=\"{}\"", escaped(value)));
        pairs.collect::<Vec<_>>().join(",")
    }
}

/// A number that only grows.
#[derive(Debug)]
pub struct Counter(Family<u64>);

impl Counter {
    fn new(name: &'static str, help: &'static str, labels: &'static [&'static str]) -> Self {
        Counter(Family {
            name,
            help,
            labels,
            series: Mutex::default(),
        })
    }

    /// Counts; one value for each label.
    pub fn add(&self, labels: &[&str], count: u64) {
        self.0.change(labels, |value| *value += count);
    }

    fn write(&self, text: &mut String) {
        let Counter(family) = self;
        head(text, family.name, family.help, "counter");
        for (labels, value) in family.series() {
            let labels = braced(&family.labelled(&labels));
            let _ = writeln!(text, "{}{labels} {value}", family.name);
        }
    }
}

/// How many times fell below each bound, how many there were, and their sum.
#[derive(Debug, Clone, Default)]
struct Times {
    below: [u64; SECONDS.len()],
    count: u64,
    sum: f64,
}

/// A distribution of times.
#[derive(Debug)]
pub struct Histogram(Family<Times>);

impl Histogram {
    fn new(name: &'static str, help: &'static str, labels: &'static [&'static str]) -> Self {
        Histogram(Family {
            name,
            help,
            labels,
            series: Mutex::default(),
        })
    }

    /// Counts a time; one value for each label.
    pub fn observe(&self, labels: &[&str], time: Duration) {
        let seconds = time.as_secs_f64();
        self.0.change(labels, |times| {
            for (below, bound) in times.below.iter_mut().zip(SECONDS) {
                *below += u64::from(seconds <= bound);
            }
            times.count += 1;
            times.sum += seconds;
        });
    }

    fn write(&self, text: &mut String) {
        let Histogram(family) = self;
        head(text, family.name, family.help, "histogram");
        let name = family.name;
        for (labels, times) in family.series() {
            let labels = family.labelled(&labels);
            let comma = if labels.is_empty() { "" } else { "," };
            for (below, bound) in times.below.iter().zip(SECONDS) {
                let _ = writeln!(
                    text,
                    "{name}_bucket{{{labels}{comma}le=\"{bound}\"}} {below}"
                );
            }
            let (count, sum) = (times.count, times.sum);
            let _ = writeln!(text, "{name}_bucket{{{labels}{comma}le=\"+Inf\"}} {count}");
            let braced = braced(&labels);
            let _ = writeln!(text, "{name}_sum{braced} {sum}");
            let _ = writeln!(text, "{name}_count{braced} {count}");
        }
    }
}

fn head(text: &mut String, name: &str, help: &str, kind: &str) {
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn braced(labels: &str) -> String {
    if labels.is_empty() {
        String::new()
    } else {
        format!("{{{labels}}}")
    }
}

fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_written_as_prometheus_reads_them() {
        let metrics = Metrics::default();
        metrics.requests.add(&["graphql", "200"], 2);
        metrics.requests.add(&["graphql", "401"], 1);
        metrics.handler_calls.add(&["plugin:a\\\"b\n", "broken"], 1);
        metrics.events.add(&[], 3);
        let slow = Duration::from_secs(60);
        for time in [Duration::from_micros(700), slow] {
            metrics.handler_seconds.observe(&["h"], time);
        }
        let text = metrics.text(&[("driftless_sockets", "Open WebSockets.", 4)]);
        let lines: Vec<&str> = text.lines().collect();
        for line in [
            "# TYPE driftless_sockets gauge",
            "driftless_sockets 4",
            "# TYPE driftless_http_requests_total counter",
            "driftless_http_requests_total{route=\"graphql\",status=\"200\"} 2",
            "driftless_http_requests_total{route=\"graphql\",status=\"401\"} 1",
            "driftless_conflict_handler_calls_total{handler=\"plugin:a\\\\\\\"b\\n\",result=\"broken\"} 1",
            "driftless_events_delivered_total 3",
            "# TYPE driftless_conflict_handler_seconds histogram",
            "driftless_conflict_handler_seconds_bucket{handler=\"h\",le=\"0.0005\"} 0",
            "driftless_conflict_handler_seconds_bucket{handler=\"h\",le=\"0.001\"} 1",
            "driftless_conflict_handler_seconds_bucket{handler=\"h\",le=\"8\"} 1",
            "driftless_conflict_handler_seconds_bucket{handler=\"h\",le=\"+Inf\"} 2",
            "driftless_conflict_handler_seconds_sum{handler=\"h\"} 60.0007",
            "driftless_conflict_handler_seconds_count{handler=\"h\"} 2",
        ] {
            assert!(lines.contains(&line), "{line} is not in\n{text}");
        }
    }
}
