//! `DRIFTLESS_*`: every key of the file as a variable.

use toml::{Table, Value};

use super::{ConfigError, lifetime};

const PREFIX: &str = "DRIFTLESS_";

/// How a variable's text becomes a value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Text,
    Number,
    Switch,
    /// Of time.
    Minutes,
    /// Minutes, or the word for no end.
    Lifetime,
    /// Separated by commas.
    List,
    /// Read by a command, not part of the configuration.
    Elsewhere,
}

/// Variable (without the prefix), the key it sets, its form, and whether `…_FILE` may name a file that holds it.
const VARIABLES: &[(&str, &str, Form, bool)] = &[
    ("ADMIN_SECRET", "admin.secret", Form::Text, true),
    (
        "AUTH_API_KEYS",
        "auth.providers.environment.keys",
        Form::List,
        true,
    ),
    (
        "AUTH_INTROSPECTION",
        "auth.introspection",
        Form::Switch,
        false,
    ),
    // Where the tests of clients find the server's program.
    ("BIN", "", Form::Elsewhere, false),
    ("COMPAT", "compat", Form::Text, false),
    ("CONFLICT_DEFAULT", "conflict.default", Form::Text, false),
    (
        "DATABASE_DIRECT_URL",
        "database.direct_url",
        Form::Text,
        true,
    ),
    ("DATABASE_URL", "database.url", Form::Text, true),
    ("FEED_CA", "feed.ca", Form::Text, false),
    ("FEED_CERT", "feed.cert", Form::Text, false),
    ("FEED_CREDENTIALS", "feed.credentials", Form::Text, false),
    ("FEED_KEY", "feed.key", Form::Text, false),
    ("FEED_URL", "feed.url", Form::Text, true),
    ("HEALTH_URL", "", Form::Elsewhere, false),
    ("LIMITS_BODY", "limits.body", Form::Number, false),
    ("LIMITS_DEPTH", "limits.depth", Form::Number, false),
    ("LIMITS_FIELDS", "limits.fields", Form::Number, false),
    (
        "LIMITS_RATE_ADDRESS",
        "limits.rate_address",
        Form::Number,
        false,
    ),
    (
        "LIMITS_RATE_PRINCIPAL",
        "limits.rate_principal",
        Form::Number,
        false,
    ),
    ("LIMITS_ROOTS", "limits.roots", Form::Number, false),
    ("LIMITS_PAGE", "limits.page", Form::Number, false),
    (
        "LIMITS_PAGE_BYTES",
        "limits.page_bytes",
        Form::Number,
        false,
    ),
    ("LIMITS_SOCKETS", "limits.sockets", Form::Number, false),
    (
        "LIMITS_SUBSCRIPTIONS",
        "limits.subscriptions",
        Form::Number,
        false,
    ),
    ("LISTEN_ADDRESS", "listen.address", Form::Text, false),
    ("LISTEN_PROXIES", "listen.proxies", Form::Number, false),
    (
        "LISTEN_PUBLIC_HOSTS",
        "listen.public_hosts",
        Form::List,
        false,
    ),
    (
        "LISTEN_SHARE_PORT",
        "listen.share_port",
        Form::Switch,
        false,
    ),
    ("LISTEN_TLS", "listen.tls", Form::Text, false),
    ("LISTEN_TLS_CERT", "listen.tls.cert", Form::Text, false),
    ("LISTEN_TLS_KEY", "listen.tls.key", Form::Text, false),
    ("LOG_JSON", "log.json", Form::Switch, false),
    ("LOG_LEVEL", "log.level", Form::Text, false),
    ("REALTIME_DENIAL", "realtime.denial", Form::Text, false),
    ("REALTIME_DRAIN_S", "realtime.drain_s", Form::Number, false),
    (
        "REALTIME_EVENT_LIMIT",
        "realtime.event_limit",
        Form::Number,
        false,
    ),
    (
        "REALTIME_OVER_EVENT_LIMIT",
        "realtime.over_event_limit",
        Form::Text,
        false,
    ),
    (
        "REALTIME_KEEP_ALIVE_S",
        "realtime.keep_alive_s",
        Form::Number,
        false,
    ),
    ("REALTIME_REPAIRS", "realtime.repairs", Form::Switch, false),
    (
        "REALTIME_SELECTION",
        "realtime.selection",
        Form::Text,
        false,
    ),
    ("SCHEMA", "schema", Form::Text, false),
    (
        "SYNC_CREATE_ON_TOMBSTONE",
        "sync.create_on_tombstone",
        Form::Text,
        false,
    ),
    (
        "SYNC_CREATE_REPLAY",
        "sync.create_replay",
        Form::Switch,
        false,
    ),
    (
        "SYNC_UPDATE_REPLAY",
        "sync.update_replay",
        Form::Switch,
        false,
    ),
    (
        "SYNC_REJECTION_DATA",
        "sync.rejection_data",
        Form::Text,
        false,
    ),
    (
        "CONFLICT_MAX_ATTEMPTS",
        "conflict.max_attempts",
        Form::Number,
        false,
    ),
    (
        "SYNC_MISSING_VERSION",
        "sync.missing_version",
        Form::Text,
        false,
    ),
    ("SYNC_SAME_WRITER", "sync.same_writer", Form::Switch, false),
    ("SYNC_DELTA_TTL", "sync.delta_ttl", Form::Minutes, false),
    (
        "SYNC_HIDE_TOMBSTONES",
        "sync.hide_tombstones",
        Form::Switch,
        false,
    ),
    ("SYNC_LOG_TTL", "sync.log_ttl", Form::Lifetime, false),
    (
        "SYNC_OWN_CLOCK_OVERLAP",
        "sync.own_clock_overlap",
        Form::Minutes,
        false,
    ),
    ("SYNC_SLOW_LOOPS", "sync.slow_loops", Form::Switch, false),
    (
        "SYNC_TOMBSTONE_TTL",
        "sync.tombstone_ttl",
        Form::Lifetime,
        false,
    ),
];

/// The variables of this process that are ours.
pub(super) fn variables() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(name, value)| {
        let name = name.into_string().ok()?;
        name.starts_with(PREFIX)
            .then(|| (name, value.to_string_lossy().into_owned()))
    })
}

/// One variable, if it is set and not empty.
pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Lays variables over the table of the file. An empty variable counts as not set.
pub(super) fn overlay(
    table: &mut Table,
    variables: impl IntoIterator<Item = (String, String)>,
) -> Result<(), ConfigError> {
    for (name, text) in variables {
        let short = name.strip_prefix(PREFIX).unwrap_or(&name);
        if is_not_configuration(short) {
            continue;
        }
        let (base, from_file) = match short.strip_suffix("_FILE") {
            Some(base) if known(base).is_some_and(|found| found.3) => (base, true),
            _ => (short, false),
        };
        let Some((_, key, form, _)) = known(base) else {
            return Err(unknown(&name, short));
        };
        if *form == Form::Elsewhere || text.is_empty() {
            continue;
        }
        let text = if from_file { read(&name, &text)? } else { text };
        insert(table, key, value(&name, &text, *form)?);
    }
    Ok(())
}

fn known(short: &str) -> Option<&'static (&'static str, &'static str, Form, bool)> {
    VARIABLES.iter().find(|(name, ..)| *name == short)
}

/// Kubernetes tells every container where a service named `driftless` is, in variables with our prefix; tests of this
/// project have some too.
fn is_not_configuration(short: &str) -> bool {
    short == "PORT"
        || ["PORT_", "SERVICE_", "TEST_"]
            .iter()
            .any(|other| short.starts_with(other))
}

fn unknown(name: &str, short: &str) -> ConfigError {
    let nearest = VARIABLES
        .iter()
        .map(|(known, ..)| *known)
        .min_by_key(|known| distance(short, known));
    let hint = nearest
        .map(|known| format!("; did you mean {PREFIX}{known}?"))
        .unwrap_or_default();
    ConfigError(format!("the environment variable {name} is unknown{hint}"))
}

fn read(name: &str, path: &str) -> Result<String, ConfigError> {
    std::fs::read_to_string(path)
        .map(|text| text.trim().to_owned())
        .map_err(|error| ConfigError(format!("{name}: cannot read {path}: {error}")))
}

fn value(name: &str, text: &str, form: Form) -> Result<Value, ConfigError> {
    let wrong = |what: &str| ConfigError(format!("{name} is {what}, not \"{text}\""));
    match form {
        Form::Text | Form::Elsewhere => Ok(Value::String(text.to_owned())),
        Form::Number => text
            .parse()
            .map(Value::Integer)
            .map_err(|_| wrong("a whole number")),
        Form::Minutes => minutes(text).ok_or_else(|| wrong("a number of minutes")),
        Form::Lifetime if text == lifetime::NEVER => Ok(Value::String(text.to_owned())),
        Form::Lifetime => minutes(text).ok_or_else(|| wrong(lifetime::EXPECTED)),
        Form::Switch => text
            .parse()
            .map(Value::Boolean)
            .map_err(|_| wrong("true or false")),
        Form::List => {
            let parts = text
                .split([',', '\n'])
                .map(str::trim)
                .filter(|part| !part.is_empty());
            Ok(Value::Array(
                parts.map(|part| Value::String(part.to_owned())).collect(),
            ))
        }
    }
}

fn minutes(text: &str) -> Option<Value> {
    let minutes: u32 = text.parse().ok()?;
    Some(Value::Integer(minutes.into()))
}

fn insert(table: &mut Table, key: &str, value: Value) {
    let mut parts: Vec<&str> = key.split('.').collect();
    let Some(last) = parts.pop() else { return };
    let mut place = table;
    for part in parts {
        let entry = place
            .entry(part)
            .or_insert_with(|| Value::Table(Table::new()));
        if !entry.is_table() {
            *entry = Value::Table(Table::new());
        }
        let Value::Table(inner) = entry else { return };
        place = inner;
    }
    place.insert(last.to_owned(), value);
    if key.starts_with("auth.providers.") {
        place.insert("type".to_owned(), Value::String("api_key".to_owned()));
    }
}

/// How many letters must change for `one` to become `other`.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (index, letter) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for (column, target) in other.iter().enumerate() {
            let change = diagonal + usize::from(letter != *target);
            diagonal = row[column + 1];
            row[column + 1] = change.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}
