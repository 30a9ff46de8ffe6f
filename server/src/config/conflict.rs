//! Who decides conflicts: `[conflict]`.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use driftless_conflict_handlers::policies::Policy;
use driftless_resolvers::journal::Retention;
use driftless_resolvers::schema::suggestion::did_you_mean;
use serde::Deserialize;
use serde::de::{Deserializer, Error};
use toml::{Table, Value};
use url::Url;

/// Who decides conflicts.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Conflicts {
    /// For models without an entry.
    pub default: Choice,
    /// Per model.
    pub models: BTreeMap<String, Choice>,
    /// What the journal keeps.
    pub journal: Retention,
}

/// Who decides the conflicts of a model.
#[derive(Debug, Clone, PartialEq)]
pub enum Choice {
    /// One of our rules.
    Builtin {
        /// Which.
        strategy: Strategy,
        /// Policies of single fields; the strategy decides the others.
        fields: BTreeMap<String, Policy>,
    },
    /// A Wasm component.
    Plugin(Plugin),
    /// A function behind HTTP that speaks AppSync's Lambda format.
    Http(Function),
}

impl Default for Choice {
    fn default() -> Self {
        Choice::from(Strategy::default())
    }
}

impl From<Strategy> for Choice {
    fn from(strategy: Strategy) -> Self {
        Choice::Builtin {
            strategy,
            fields: BTreeMap::new(),
        }
    }
}

impl Choice {
    /// The name for people and logs.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Choice::Builtin { strategy, fields } if fields.is_empty() => strategy.name().to_owned(),
            Choice::Builtin { strategy, .. } => format!("{}+fields", strategy.name()),
            Choice::Plugin(plugin) => format!("plugin:{}", plugin.path.display()),
            Choice::Http(function) => format!("http:{}", function.url),
        }
    }
}

/// A built-in conflict strategy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Strategy {
    /// Merge field by field, as AppSync does.
    #[default]
    Automerge,
    /// Refuse, and show the stored record.
    Optimistic,
    /// Merge what the client changed against the version it saw.
    #[value(name = "automerge_3way")]
    ThreeWay,
    /// Take every write.
    #[value(name = "last_writer_wins")]
    LastWriterWins,
}

impl Strategy {
    const ALL: [Strategy; 4] = [
        Strategy::Automerge,
        Strategy::Optimistic,
        Strategy::ThreeWay,
        Strategy::LastWriterWins,
    ];

    /// Its name in configuration and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Strategy::Automerge => "automerge",
            Strategy::Optimistic => "optimistic",
            Strategy::ThreeWay => "automerge_3way",
            Strategy::LastWriterWins => "last_writer_wins",
        }
    }

    /// The strategy of this name, or what to say.
    pub(crate) fn named(name: &str) -> Result<Strategy, String> {
        let found = Strategy::ALL.into_iter().find(|known| known.name() == name);
        found.ok_or_else(|| {
            let names = Strategy::ALL.map(Strategy::name);
            let all = format!("The strategies are {}.", names.join(", "));
            format!(
                "`{name}` is no conflict strategy. {}",
                did_you_mean(name, names, &all)
            )
        })
    }
}

/// A Wasm component and its limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plugin {
    /// The component's file.
    pub path: PathBuf,
    /// How long one call may take.
    pub time: Duration,
    /// How many bytes of memory one call may have.
    pub memory: usize,
    /// How many bytes one answer may have.
    pub output: usize,
    /// What it finds with `host.config`.
    pub settings: BTreeMap<String, String>,
    /// Whether it may read the time.
    pub clock: bool,
    /// Whether it may draw random numbers.
    pub random: bool,
}

impl Plugin {
    /// A component with the limits of `errata.md` row 49 and nothing granted.
    #[must_use]
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Plugin {
            path: path.into(),
            time: Duration::from_millis(250),
            memory: 64 * 1024 * 1024,
            output: 400 * 1024,
            settings: BTreeMap::new(),
            clock: false,
            random: false,
        }
    }
}

/// A function behind HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Where events are posted.
    pub url: Url,
    /// Keys that sign every request; two while one replaces the other.
    pub secrets: Vec<Secret>,
    /// How long one call may take, its repetitions included.
    pub timeout: Duration,
    /// How often a call that certainly did not arrive, or that is asked to come back, is repeated.
    pub retries: u32,
}

impl Function {
    /// A function without a signature, with the limits of `errata.md` row 49.
    #[must_use]
    pub fn at(url: Url) -> Self {
        Function {
            url,
            secrets: Vec::new(),
            timeout: Duration::from_secs(5),
            retries: 1,
        }
    }
}

/// A text that is not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("(secret)")
    }
}

/// The section of the file.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Section {
    default: Option<Choice>,
    models: BTreeMap<String, Choice>,
    max_attempts: Option<u32>,
    journal: Journal,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Journal {
    entries: Option<u32>,
    days: Option<u32>,
}

impl Section {
    /// Lays the section over what is configured already.
    pub(super) fn apply(
        self,
        conflicts: &mut Conflicts,
        engine: &mut driftless_resolvers::engine::Settings,
    ) {
        if let Some(choice) = self.default {
            conflicts.default = choice;
        }
        conflicts.models.extend(self.models);
        if let Some(attempts) = self.max_attempts {
            engine.max_conflicts = attempts.max(1);
        }
        if let Some(entries) = self.journal.entries {
            conflicts.journal.entries = entries;
        }
        if let Some(days) = self.journal.days {
            conflicts.journal.age = i64::from(days) * 24 * 3_600_000;
        }
    }
}

/// Keys of each kind of entry, the one that tells the kind first.
const BUILTIN: &[&str] = &["strategy", "fields"];
const PLUGIN: &[&str] = &[
    "plugin",
    "time_ms",
    "memory_mb",
    "output_kb",
    "config",
    "grant",
];
const HTTP: &[&str] = &[
    "http",
    "secret",
    "secret_file",
    "old_secret",
    "timeout_ms",
    "retries",
];

impl<'de> Deserialize<'de> for Choice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(name) => Strategy::named(&name).map(Choice::from),
            Value::Table(table) => from_table(&table),
            _ => Err(
                "a conflict strategy is a name, { plugin = \"…\" }, { http = \"…\" } or { strategy = \"…\", fields = { … } }"
                    .to_owned(),
            ),
        }
        .map_err(D::Error::custom)
    }
}

fn from_table(table: &Table) -> Result<Choice, String> {
    let kinds = [PLUGIN, HTTP, BUILTIN];
    let kind = kinds.into_iter().find(|keys| table.contains_key(keys[0]));
    let known = kind.map_or_else(|| kinds.concat(), <[&str]>::to_vec);
    if let Some(key) = table.keys().find(|key| !known.contains(&key.as_str())) {
        let all = format!("The keys here are {}.", known.join(", "));
        let hint = did_you_mean(key, known, &all);
        return Err(format!("unknown key `{key}`. {hint}"));
    }
    match kind {
        Some(PLUGIN) => plugin(table).map(Choice::Plugin),
        Some(HTTP) => function(table).map(Choice::Http),
        _ => builtin(table),
    }
}

fn builtin(table: &Table) -> Result<Choice, String> {
    let strategy = match text(table, "strategy")? {
        Some(name) => Strategy::named(&name)?,
        None => Strategy::default(),
    };
    let mut fields = BTreeMap::new();
    for (field, name) in texts(table, "fields")? {
        let policy = Policy::named(&name).ok_or_else(|| {
            let names = Policy::ALL.map(|(known, _)| known);
            let all = format!("The policies are {}.", names.join(", "));
            let hint = did_you_mean(&name, names, &all);
            format!("`{name}` is no policy for `{field}`. {hint}")
        })?;
        fields.insert(field, policy);
    }
    Ok(Choice::Builtin { strategy, fields })
}

fn plugin(table: &Table) -> Result<Plugin, String> {
    let mut plugin = Plugin::at(text(table, "plugin")?.unwrap_or_default());
    let number = |key: &str, most: u64| number(table, key, most);
    if let Some(time) = number("time_ms", 5_000)? {
        plugin.time = Duration::from_millis(time);
    }
    let size = |value: u64, unit: usize| usize::try_from(value).unwrap_or(usize::MAX) * unit;
    if let Some(memory) = number("memory_mb", 1_024)? {
        plugin.memory = size(memory, 1024 * 1024);
    }
    if let Some(output) = number("output_kb", 4_096)? {
        plugin.output = size(output, 1024);
    }
    plugin.settings = texts(table, "config")?;
    for grant in list(table, "grant")? {
        match grant.as_str() {
            "clock" => plugin.clock = true,
            "random" => plugin.random = true,
            other => {
                let all = "What can be granted is clock and random.";
                let hint = did_you_mean(other, ["clock", "random"], all);
                return Err(format!("`{other}` cannot be granted. {hint}"));
            }
        }
    }
    Ok(plugin)
}

fn function(table: &Table) -> Result<Function, String> {
    let url = text(table, "http")?.unwrap_or_default();
    let url = Url::parse(&url)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        .ok_or_else(|| {
            format!("`http` is a URL such as https://functions.example/conflict, not `{url}`")
        })?;
    let mut function = Function::at(url);
    if let Some(timeout) = number(table, "timeout_ms", 7_000)? {
        function.timeout = Duration::from_millis(timeout);
    }
    if let Some(retries) = number(table, "retries", 5)? {
        function.retries = u32::try_from(retries).unwrap_or_default();
    }
    let from_file = |path: String| {
        std::fs::read_to_string(&path)
            .map(|text| text.trim().to_owned())
            .map_err(|error| format!("`secret_file`: cannot read {path}: {error}"))
    };
    let mut secret = text(table, "secret")?;
    if let Some(path) = text(table, "secret_file")? {
        secret = Some(from_file(path)?);
    }
    let secrets = [secret, text(table, "old_secret")?];
    function.secrets = secrets.into_iter().flatten().map(Secret).collect();
    Ok(function)
}

fn text(table: &Table, key: &str) -> Result<Option<String>, String> {
    match table.get(key) {
        None => Ok(None),
        Some(Value::String(text)) if !text.is_empty() => Ok(Some(text.clone())),
        Some(other) => Err(format!("`{key}` is a text, not {other}")),
    }
}

/// A whole number from 1 (or 0, for counts) up to a bound that makes sense.
fn number(table: &Table, key: &str, most: u64) -> Result<Option<u64>, String> {
    let least = u64::from(key != "retries");
    match table.get(key) {
        None => Ok(None),
        Some(value) => value
            .as_integer()
            .and_then(|value| u64::try_from(value).ok())
            .filter(|value| (least..=most).contains(value))
            .map(Some)
            .ok_or_else(|| {
                format!("`{key}` is a whole number from {least} to {most}, not {value}")
            }),
    }
}

fn list(table: &Table, key: &str) -> Result<Vec<String>, String> {
    let wrong = || format!("`{key}` is a list of texts");
    match table.get(key) {
        None => Ok(Vec::new()),
        Some(Value::Array(items)) => items
            .iter()
            .map(|item| item.as_str().map(str::to_owned).ok_or_else(wrong))
            .collect(),
        Some(_) => Err(wrong()),
    }
}

fn texts(table: &Table, key: &str) -> Result<BTreeMap<String, String>, String> {
    let wrong = || format!("`{key}` is a table of texts, such as {{ name = \"value\" }}");
    match table.get(key) {
        None => Ok(BTreeMap::new()),
        Some(Value::Table(inner)) => inner
            .iter()
            .map(|(name, value)| {
                let value = value.as_str().ok_or_else(wrong)?;
                Ok((name.clone(), value.to_owned()))
            })
            .collect(),
        Some(_) => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(text: &str) -> Result<Section, String> {
        toml::from_str(text).map_err(|error| error.to_string())
    }

    fn choice(text: &str) -> Result<Choice, String> {
        Ok(section(text)?.default.expect("a default"))
    }

    #[test]
    fn a_strategy_is_a_name_or_a_table() {
        assert_eq!(
            choice("default = \"automerge_3way\""),
            Ok(Choice::from(Strategy::ThreeWay))
        );
        let fields = BTreeMap::from([
            ("count".to_owned(), Policy::Counter),
            ("tags".to_owned(), Policy::SetUnion),
        ]);
        assert_eq!(
            choice(
                "default = { strategy = \"optimistic\", fields = { count = \"counter\", tags = \"set-union\" } }"
            ),
            Ok(Choice::Builtin {
                strategy: Strategy::Optimistic,
                fields
            })
        );
    }

    #[test]
    fn plugins_and_functions_have_limits_of_their_own() {
        let text = "[models.Stock]\nplugin = \"stock.wasm\"\ntime_ms = 100\nmemory_mb = 8\ngrant = [\"clock\"]\n\
                    config = { bonus = \"2\" }\n[models.Order]\nhttp = \"http://localhost:9000/\"\nsecret = \"s\"\n\
                    timeout_ms = 900\nretries = 0\n";
        let section = section(text).expect("a section");
        let Choice::Plugin(plugin) = &section.models["Stock"] else {
            panic!("no plugin");
        };
        assert_eq!(plugin.time, Duration::from_millis(100));
        assert_eq!(plugin.memory, 8 * 1024 * 1024);
        assert_eq!(plugin.output, 400 * 1024);
        assert_eq!((plugin.clock, plugin.random), (true, false));
        let Choice::Http(function) = &section.models["Order"] else {
            panic!("no function");
        };
        assert_eq!(
            (function.timeout, function.retries),
            (Duration::from_millis(900), 0)
        );
        assert!(!format!("{function:?}").contains("\"s\""), "{function:?}");
    }

    #[test]
    fn what_makes_no_sense_is_named_with_the_nearest_that_does() {
        for (text, told) in [
            ("default = \"automerg\"", "Did you mean `automerge`?"),
            ("default = \"lambda\"", "The strategies are automerge"),
            ("default = 5", "{ plugin = "),
            ("default = { plgin = \"x.wasm\" }", "Did you mean `plugin`?"),
            ("default = { plugin = \"x.wasm\", memory = 5 }", "memory_mb"),
            (
                "default = { plugin = \"x.wasm\", time_ms = 0 }",
                "from 1 to 5000",
            ),
            (
                "default = { plugin = \"x.wasm\", grant = [\"clok\"] }",
                "Did you mean `clock`?",
            ),
            ("default = { plugin = 7 }", "`plugin` is a text"),
            ("default = { http = \"functions.example\" }", "is a URL"),
            (
                "default = { fields = { a = \"cuonter\" } }",
                "Did you mean `counter`?",
            ),
            (
                "default = { strategy = \"automerge\", fields = [] }",
                "a table of texts",
            ),
            ("defualt = \"automerge\"", "default"),
            ("[journal]\nentrys = 5", "entries"),
        ] {
            let error = section(text).expect_err(text);
            assert!(error.contains(told), "{text}: {error}");
        }
    }
}
