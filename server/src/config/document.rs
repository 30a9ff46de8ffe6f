//! The form of `driftless.toml`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use driftless_resolvers::engine::{MissingVersion, Published, RejectionData};
use driftless_resolvers::schema::suggestion::nearest;
use serde::Deserialize;
use toml::{Table, Value};

use super::compat::Compat;
use super::lifetime::{self, Lifetime};
use super::{Config, ConfigError, Database, SchemaSource, TlsMode};
use super::{auth, conflict, feed, models, rules};
use crate::realtime::{EventLimit, Oversized};

const DEFAULT_FILE: &str = "driftless.toml";

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Document {
    compat: Option<Compat>,
    schema: Option<PathBuf>,
    listen: Listen,
    database: DatabaseSection,
    feed: feed::Section,
    conflict: conflict::Section,
    auth: auth::Auth,
    admin: auth::Admin,
    limits: Limits,
    models: models::Models,
    realtime: Realtime,
    sync: Sync,
    log: Log,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Listen {
    address: Option<SocketAddr>,
    public_hosts: Vec<String>,
    share_port: Option<bool>,
    proxies: Option<usize>,
    tls: Option<Tls>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Tls {
    Word(String),
    Files { cert: PathBuf, key: PathBuf },
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct DatabaseSection {
    url: Option<String>,
    direct_url: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Limits {
    body: Option<usize>,
    page: Option<usize>,
    page_bytes: Option<usize>,
    depth: Option<usize>,
    fields: Option<usize>,
    roots: Option<usize>,
    rate_principal: Option<u32>,
    rate_address: Option<u32>,
    sockets: Option<usize>,
    subscriptions: Option<usize>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Realtime {
    keep_alive_s: Option<u64>,
    repairs: Option<bool>,
    selection: Option<Selection>,
    denial: Option<Denial>,
    event_limit: Option<usize>,
    over_event_limit: Option<Over>,
    drain_s: Option<u64>,
}

/// Times in minutes, as AppSync's (`errata.md` rows 30, 32).
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Sync {
    delta_ttl: Option<u32>,
    own_clock_overlap: Option<u32>,
    tombstone_ttl: Option<Lifetime>,
    log_ttl: Option<Lifetime>,
    create_on_tombstone: Option<OnTombstone>,
    create_replay: Option<bool>,
    update_replay: Option<bool>,
    rejection_data: Option<Shown>,
    hide_tombstones: Option<bool>,
    slow_loops: Option<bool>,
    missing_version: Option<Missing>,
    same_writer: Option<bool>,
}

/// What a create does with an id whose record was deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum OnTombstone {
    /// It is refused, as by AppSync.
    Error,
    /// It makes the next version.
    Revive,
}

/// Which rejections show the stored record.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Shown {
    Always,
    Conflicts,
}

/// What events hold of a record.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Selection {
    FullRow,
    Mutation,
}

/// What DataStore's JavaScript client is told where a start is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Denial {
    OperationDisabled,
    Unauthorized,
}

/// What becomes of an event that is too large.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Over {
    Close,
    Drop,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Missing {
    Conflict,
    Latest,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Log {
    level: Option<String>,
    json: Option<bool>,
}

/// The table in the file; empty if no file is named and there is none.
pub(super) fn read(named: Option<&Path>) -> Result<Table, ConfigError> {
    let path = named.unwrap_or(Path::new(DEFAULT_FILE));
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => {
            return Ok(Table::new());
        }
        Err(error) => {
            return Err(ConfigError(format!(
                "cannot read {}: {error}",
                path.display()
            )));
        }
    };
    let table: Table = text
        .parse()
        .map_err(|error| ConfigError(format!("{}: {error}", path.display())))?;
    // Judged alone, so that a typing error is told with its place in the file.
    let checked: Result<Document, _> = toml::from_str(&text);
    checked.map_err(|error| {
        let hint = suggestion(error.message()).unwrap_or_default();
        ConfigError(format!("{}: {error}{hint}", path.display()))
    })?;
    Ok(table)
}

/// What was probably meant, where the parser says what it does not know and lists what it does.
fn suggestion(message: &str) -> Option<String> {
    let words = message.strip_prefix("unknown ")?;
    let mut names = words.split('`').skip(1).step_by(2);
    let unknown = names.next()?;
    let known = nearest(unknown, names)?;
    Some(format!("did you mean `{known}`?\n"))
}

/// Lays a table over a configuration.
pub(super) fn apply(config: &mut Config, table: Table) -> Result<(), ConfigError> {
    let document = Document::deserialize(Value::Table(table))
        .map_err(|error| ConfigError(format!("the configuration makes no sense: {error}")))?;
    if let Some(compat) = document.compat {
        compat.apply(config);
    }
    if let Some(schema) = document.schema {
        config.schema = SchemaSource::File(schema);
    }
    if let Some(url) = document.database.url {
        config.database = Database(url);
    }
    if let Some(url) = document.database.direct_url {
        config.direct_database = Some(Database(url));
    }
    if let Some(feed) = document.feed.place()? {
        config.feed = Some(feed);
    }
    let Config {
        conflict, engine, ..
    } = config;
    document.conflict.apply(conflict, engine);
    listen(config, document.listen)?;
    let mut auth = document.auth;
    rules::apply(config, std::mem::take(&mut auth.rules));
    set(&mut config.engine.introspection, auth.introspection);
    auth::apply(&mut config.auth, &mut config.engine.authz, auth)?;
    if let Some(secret) = document.admin.secret()? {
        config.admin = Some(secret);
    }
    limits(config, &document.limits);
    models::apply(config, document.models);
    realtime(config, &document.realtime);
    sync(config, &document.sync);
    log(config, document.log);
    Ok(())
}

fn listen(config: &mut Config, listen: Listen) -> Result<(), ConfigError> {
    if let Some(address) = listen.address {
        config.listen.address = address;
    }
    config.listen.public_hosts.extend(listen.public_hosts);
    set(&mut config.listen.share_port, listen.share_port);
    set(&mut config.limits.proxies, listen.proxies);
    match listen.tls {
        None => {}
        Some(Tls::Files { cert, key }) => {
            config.listen.tls = TlsMode::Files {
                certificate: cert,
                key,
            };
        }
        Some(Tls::Word(word)) => match word.as_str() {
            "off" => config.listen.tls = TlsMode::Off,
            "local" => {
                if !matches!(config.listen.tls, TlsMode::Local(_)) {
                    config.listen.tls = TlsMode::Local(".driftless/tls".into());
                }
            }
            other => {
                let text = format!(
                    "listen.tls is \"local\", \"off\" or {{ cert = …, key = … }}, not \"{other}\""
                );
                return Err(ConfigError(text));
            }
        },
    }
    Ok(())
}

fn limits(config: &mut Config, limits: &Limits) {
    set(&mut config.limits.body, limits.body);
    set(&mut config.engine.page_limit, limits.page);
    // Every page holds a record.
    set(
        &mut config.engine.page_bytes,
        limits.page_bytes.map(|bytes| bytes.max(1)),
    );
    set(&mut config.engine.depth_limit, limits.depth);
    set(&mut config.engine.field_limit, limits.fields);
    set(&mut config.engine.root_limit, limits.roots);
    // Zero is no limit, as with AppSync's own limits.
    let rate = |given: Option<u32>| given.map(|rate| Some(rate).filter(|rate| *rate > 0));
    set(
        &mut config.limits.rates.principal,
        rate(limits.rate_principal),
    );
    set(&mut config.limits.rates.address, rate(limits.rate_address));
    set(&mut config.realtime.sockets, limits.sockets);
    set(&mut config.realtime.subscriptions, limits.subscriptions);
}

fn realtime(config: &mut Config, realtime: &Realtime) {
    let seconds = |value: Option<u64>| value.map(Duration::from_secs);
    // A period of nothing would never end sending.
    let period = seconds(realtime.keep_alive_s.map(|value| value.max(1)));
    set(&mut config.realtime.keep_alive, period);
    set(&mut config.realtime.repairs, realtime.repairs);
    let published = realtime.selection.map(|selection| match selection {
        Selection::FullRow => Published::FullRow,
        Selection::Mutation => Published::Selection,
    });
    set(&mut config.engine.published, published);
    let gentle = realtime
        .denial
        .map(|denial| denial == Denial::OperationDisabled);
    set(&mut config.realtime.gentle_denials, gentle);
    let over = realtime.over_event_limit.map(|over| match over {
        Over::Close => Oversized::Close,
        Over::Drop => Oversized::Drop,
    });
    // Zero is no limit.
    let limit = realtime.event_limit.map(|bytes| {
        (bytes > 0).then_some(EventLimit {
            bytes,
            over: Oversized::default(),
        })
    });
    set(&mut config.realtime.event_limit, limit);
    if let (Some(limit), Some(over)) = (&mut config.realtime.event_limit, over) {
        limit.over = over;
    }
    set(&mut config.drain, seconds(realtime.drain_s));
}

fn sync(config: &mut Config, sync: &Sync) {
    if let Some(minutes) = sync.delta_ttl {
        config.engine.delta_window = Some(lifetime::milliseconds(minutes));
    }
    let overlap = sync.own_clock_overlap.map(lifetime::milliseconds);
    set(&mut config.engine.own_clock_overlap, overlap);
    let tombstones = sync.tombstone_ttl.as_ref().map(Lifetime::milliseconds);
    set(&mut config.engine.tombstone_ttl, tombstones);
    let log = sync.log_ttl.as_ref().map(Lifetime::milliseconds);
    set(&mut config.log_ttl, log);
    let revive = sync
        .create_on_tombstone
        .map(|does| does == OnTombstone::Revive);
    set(&mut config.engine.revive, revive);
    set(&mut config.engine.create_replay, sync.create_replay);
    set(&mut config.engine.update_replay, sync.update_replay);
    let shown = sync.rejection_data.map(|shown| match shown {
        Shown::Always => RejectionData::Always,
        Shown::Conflicts => RejectionData::Conflicts,
    });
    set(&mut config.engine.rejection_data, shown);
    set(&mut config.engine.hide_tombstones, sync.hide_tombstones);
    set(&mut config.engine.slow_loops, sync.slow_loops);
    let missing = sync.missing_version.map(|missing| match missing {
        Missing::Conflict => MissingVersion::Conflict,
        Missing::Latest => MissingVersion::Latest,
    });
    set(&mut config.engine.missing_version, missing);
    set(&mut config.engine.same_writer, sync.same_writer);
}

fn log(config: &mut Config, log: Log) {
    set(&mut config.log.filter, log.level);
    set(&mut config.log.json, log.json);
}

fn set<T>(target: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *target = value;
    }
}
