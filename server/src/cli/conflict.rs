//! `driftless conflict`: what conflicts came to and why, and what another strategy would have made of them.

use std::path::{Path, PathBuf};

use driftless_conflict_handlers::decision::compared;
use driftless_conflict_handlers::{Handler, Recorded, Verdict};
use driftless_resolvers::journal::{JournalEntry, JournalQuery};
use serde_json::{Map, Value, json};

use super::{Failure, output};
use crate::config::{Choice, Config, Flags, Function, Plugin, Strategy};
use crate::conflict::Maker;
use crate::conflict::replay::replayed;
use crate::storage::{self, Store};

#[derive(Debug, clap::Args)]
pub(super) struct ConflictCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// List recorded conflicts, newest first. A SQLite file must not be in use by a server
    List {
        /// Only of this model
        #[arg(long)]
        model: Option<String>,
        /// At most so many
        #[arg(long, default_value_t = 20)]
        limit: usize,
        #[command(flatten)]
        place: Place,
    },
    /// Show a recorded conflict, field by field
    Show {
        /// Its number in the list
        id: i64,
        #[command(flatten)]
        place: Place,
    },
    /// Decide a recorded or hand-written conflict again and show the verdict, field by field; nothing is stored
    Replay {
        /// A number of the list, or a JSON file as `conflict show --json` prints it
        conflict: String,
        /// A built-in strategy
        #[arg(long, value_name = "NAME", group = "by")]
        strategy: Option<Strategy>,
        /// A plugin's file
        #[arg(long, value_name = "FILE", group = "by")]
        plugin: Option<PathBuf>,
        /// The URL of a function
        #[arg(long, value_name = "URL", group = "by")]
        http: Option<url::Url>,
        #[command(flatten)]
        place: Place,
    },
}

#[derive(Debug, clap::Args)]
struct Place {
    /// Where the records are: sqlite:PATH or postgres://… [default: as configured, else the local cloud of this folder]
    #[arg(long, value_name = "URL")]
    database: Option<String>,
    /// The configuration file [default: driftless.toml]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl ConflictCommand {
    pub(super) async fn run(self) -> Result<(), Failure> {
        match self.action {
            Action::List {
                model,
                limit,
                place,
            } => list(model, limit, &place).await,
            Action::Show { id, place } => {
                let entry = recorded(id, &place).await?;
                if place.json {
                    output::say(&format!("{:#}", shown(&entry.conflict)?));
                } else {
                    output::say(&page(&entry.conflict, &entry.conflict.verdicts));
                }
                Ok(())
            }
            Action::Replay {
                conflict,
                strategy,
                plugin,
                http,
                place,
            } => {
                let recorded = match conflict.parse() {
                    Ok(id) => recorded(id, &place).await?.conflict,
                    Err(_) => read(Path::new(&conflict))?,
                };
                let choice = match (strategy, plugin, http) {
                    (_, Some(path), _) => Choice::Plugin(Plugin::at(path)),
                    (_, _, Some(url)) => Choice::Http(Function::at(url)),
                    (strategy, ..) => Choice::from(strategy.unwrap_or_default()),
                };
                replay(recorded, &choice, place.json).await
            }
        }
    }
}

async fn open(place: &Place) -> Result<Store, Failure> {
    let flags = Flags {
        database: place.database.clone(),
        file: place.config.clone(),
        ..Flags::default()
    };
    let config = Config::production()
        .load(&flags)
        .map_err(|error| Failure::Usage(error.to_string()))?;
    Ok(storage::open_at(&config.place()).await?)
}

async fn list(model: Option<String>, limit: usize, place: &Place) -> Result<(), Failure> {
    let store = open(place).await?;
    let query = JournalQuery {
        model,
        limit,
        ..JournalQuery::default()
    };
    let entries = store.journal().conflicts(&query).await?;
    store.close().await;
    for JournalEntry { id, conflict } in &entries {
        if place.json {
            let mut line = shown(conflict)?;
            line["id"] = json!(id);
            output::say(&line.to_string());
            continue;
        }
        output::say(&format!(
            "{id:>6}  {}  {:<9}  {:<16}  {} {}  version {} met {}  {}",
            time(conflict),
            conflict.outcome,
            conflict.strategy,
            conflict.model,
            conflict.key,
            seen(conflict),
            conflict.stored.version.0,
            conflict.actor.as_deref().unwrap_or("?"),
        ));
    }
    if entries.is_empty() && !place.json {
        output::say("no conflicts are recorded");
    }
    Ok(())
}

async fn recorded(id: i64, place: &Place) -> Result<JournalEntry, Failure> {
    let store = open(place).await?;
    let entry = store.journal().conflict(id).await;
    store.close().await;
    entry?.ok_or_else(|| Failure::Wrong(format!("error: no conflict {id} is recorded")))
}

fn read(path: &Path) -> Result<Recorded, Failure> {
    let place = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::Wrong(format!("error: cannot read {place}: {error}")))?;
    serde_json::from_str(&text)
        .map_err(|error| Failure::Wrong(format!("error: {place} holds no conflict: {error}")))
}

async fn replay(recorded: Recorded, choice: &Choice, as_json: bool) -> Result<(), Failure> {
    let handler: Handler = Maker::default()
        .handler(choice)
        .await
        .map_err(|error| Failure::Wrong(format!("error: {error}")))?;
    let recorded = replayed(recorded, &handler)
        .await
        .map_err(|fault| Failure::Wrong(format!("error: {}: {fault}", handler.name())))?;
    if as_json {
        output::say(&format!("{:#}", shown(&recorded)?));
    } else {
        output::say(&page(&recorded, &recorded.verdicts));
    }
    Ok(())
}

fn shown(conflict: &Recorded) -> Result<Value, Failure> {
    Ok(serde_json::to_value(conflict)?)
}

fn seen(conflict: &Recorded) -> String {
    match conflict.client_version {
        Some(version) => version.0.to_string(),
        None => "none".to_owned(),
    }
}

fn time(conflict: &Recorded) -> String {
    jiff::Timestamp::from_millisecond(conflict.at.0)
        .unwrap_or_default()
        .to_string()
}

/// A conflict for people: what met, and for each field what each side held and why it came out as it did.
fn page(conflict: &Recorded, verdicts: &[Verdict]) -> String {
    let mut lines = vec![format!(
        "{} {}: version {} met version {} · {} · {}",
        conflict.model,
        conflict.key,
        seen(conflict),
        conflict.stored.version.0,
        conflict.strategy,
        conflict.outcome
    )];
    if let Some(reason) = &conflict.reason {
        lines.push(format!("  because: {reason}"));
    }
    if conflict.base.is_none() {
        lines.push("  what the client saw is not known".to_owned());
    }
    let result = conflict.result.as_ref().map(|record| &record.fields);
    let compared = match result {
        Some(result) if verdicts.is_empty() => {
            compared(&conflict.stored.fields, &conflict.incoming, result)
        }
        _ => verdicts.to_vec(),
    };
    for Verdict { field, rule } in &compared {
        let base = conflict.base.as_ref().map(|record| &record.fields);
        lines.push(format!("  {field}: {rule} – {}", rule.explanation()));
        for (side, fields) in [
            ("seen", base),
            ("sent", Some(&conflict.incoming)),
            ("stored", Some(&conflict.stored.fields)),
            ("result", result),
        ] {
            if let Some(fields) = fields {
                lines.push(format!("      {side:<6} {}", value(fields, field)));
            }
        }
    }
    lines.join("\n")
}

/// A member by its path.
fn value(fields: &Map<String, Value>, path: &str) -> String {
    let mut names = path.split('.');
    let mut value = names.next().and_then(|name| fields.get(name));
    for name in names {
        value = value.and_then(|value| value.get(name));
    }
    value.map_or_else(|| "–".to_owned(), Value::to_string)
}
