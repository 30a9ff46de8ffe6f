//! Logs: to stderr, as text or JSON lines. Nothing that is logged holds a credential.

use std::io::IsTerminal;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// How much is said, and in which form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// A level (`info`), or levels per part (`warn,driftless=debug`).
    pub filter: String,
    /// JSON lines instead of text.
    pub json: bool,
}

impl Default for Log {
    fn default() -> Self {
        Log {
            filter: "info".to_owned(),
            json: false,
        }
    }
}

/// Sends everything that is logged to stderr from now on. A second call changes nothing.
pub fn start(log: &Log) {
    let writer = std::io::stderr;
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(writer)
        .with_target(false);
    let registry = tracing_subscriber::registry().with(filter(&log.filter));
    // Fails only if logging was started before, which is fine.
    let _ = if log.json {
        registry.with(lines.json()).try_init()
    } else {
        registry
            .with(lines.with_ansi(std::io::stderr().is_terminal()))
            .try_init()
    };
}

/// What passes. The libraries below speak up only when something is wrong, unless they are asked.
fn filter(text: &str) -> Targets {
    let asked: Targets = text.parse().unwrap_or_default();
    let level = asked.default_level().unwrap_or(LevelFilter::INFO);
    [
        "hyper",
        "rustls",
        "tokio_rustls",
        "tungstenite",
        "sqlx",
        "h2",
    ]
    .into_iter()
    .map(|library| (library, level.min(LevelFilter::WARN)))
    // Each attempt to connect would be an error of its own; what matters is said once by whoever connects.
    .chain([("async_nats", LevelFilter::OFF)])
    .collect::<Targets>()
    .with_default(level)
    .with_targets(asked)
}
