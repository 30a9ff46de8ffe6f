//! `driftless migrate`: bring a database to a schema.

use std::ops::ControlFlow;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::{Failure, diff, output, schema};
use crate::config::{Config, Flags};
use crate::migration::{Consent, Plan, refusal};
use crate::storage::{self, Leftover, Outlook, Progress, Store, Work};
use crate::telemetry;

#[derive(Debug, clap::Args)]
pub(super) struct Migrate {
    /// The configuration file [default: driftless.toml, if there is one]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The schema [default: schema.graphql]
    #[arg(long, value_name = "FILE")]
    schema: Option<PathBuf>,
    /// The database: postgres://… or sqlite:PATH; better in DRIFTLESS_DATABASE_URL, which others do not see
    #[arg(long, value_name = "URL")]
    database: Option<String>,
    /// Only tell what would be done
    #[arg(long)]
    dry_run: bool,
    /// Also remove what the schema does not need any more: models with their records and history, columns of former
    /// indexes. Nodes with a former schema must be gone
    #[arg(long)]
    allow_destructive: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Migrate {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let flags = Flags {
            schema: self.schema.clone(),
            database: self.database.clone(),
            file: self.config.clone(),
            ..Flags::default()
        };
        let config = Config::production()
            .load(&flags)
            .map_err(|error| Failure::Usage(error.to_string()))?;
        telemetry::start(&config.log);
        let options = config.schema_options();
        let loaded = crate::schema::load(&config.schema, &options).map_err(schema::explain)?;
        let store = storage::open_at(&config.place()).await?;
        let plan = Plan::of(&store, &loaded.schema, &options).await?;
        let outlook = store.look(&loaded.schema).await?;
        let refused = plan.refused(Consent::Author);
        let apply = !self.dry_run && refused.is_empty();
        if !self.json {
            output::say(&text(&plan, &outlook, self.allow_destructive));
        }
        if apply {
            self.apply(&store, &loaded.schema).await?;
        }
        store.close().await;
        if self.json {
            output::say(&json(&plan, &outlook, apply).to_string());
        }
        if !refused.is_empty() {
            return Err(Failure::Wrong(format!("error: {}", refusal(&refused))));
        }
        if apply && !self.json {
            output::say(&format!(
                "\nthe database is prepared for {}",
                loaded.source.name
            ));
        }
        Ok(())
    }

    async fn apply(
        &self,
        store: &Store,
        schema: &driftless_resolvers::schema::Schema,
    ) -> Result<(), Failure> {
        let observer = |progress: Progress| {
            output::complain(&done(&progress));
            ControlFlow::Continue(())
        };
        store.migrate(schema, &observer).await?;
        if self.allow_destructive {
            store.contract(schema).await?;
            output::complain("what the schema does not need is removed");
        }
        Ok(())
    }
}

fn done(progress: &Progress) -> String {
    match progress {
        Progress::Expanded => "tables and columns are there".to_owned(),
        Progress::Shown => "SQL views show the schema".to_owned(),
        Progress::Filled { model, records } => format!("{model}: {records} more records filled"),
        Progress::Indexed { model } => format!("{model}: an index is built"),
    }
}

fn text(plan: &Plan, outlook: &Outlook, allow_destructive: bool) -> String {
    let mut lines = vec![diff::text(&plan.changes)];
    if plan.known && !plan.changes.is_empty() {
        lines.push("the database was prepared for this schema before".to_owned());
    }
    if !outlook.work.is_empty() {
        lines.push("\nto do:".to_owned());
        lines.extend(outlook.work.iter().map(|work| format!("  {work}")));
    }
    if !outlook.leftovers.is_empty() {
        lines.push(if allow_destructive {
            "\nto be removed:".to_owned()
        } else {
            "\nkept, although the schema does not need it (--allow-destructive removes it):"
                .to_owned()
        });
        lines.extend(outlook.leftovers.iter().map(|kept| format!("  {kept}")));
    }
    lines.join("\n")
}

fn json(plan: &Plan, outlook: &Outlook, applied: bool) -> Value {
    let mut said = diff::json(&plan.changes);
    said["known"] = json!(plan.known);
    said["work"] = outlook.work.iter().map(Work::to_json).collect();
    said["leftovers"] = outlook.leftovers.iter().map(Leftover::to_json).collect();
    said["applied"] = json!(applied);
    said
}
