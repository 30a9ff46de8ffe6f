//! `driftless check`, `driftless clock` and `driftless restored`: what an operator asks of a database, and tells it.

use std::path::PathBuf;

use serde_json::json;

use super::{Failure, output};
use crate::config::{Config, Flags};
use crate::storage::{self, Place, Store};
use crate::telemetry;

/// Which database is meant.
#[derive(Debug, clap::Args)]
struct Which {
    /// The configuration file [default: driftless.toml, if there is one]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The database: postgres://… or sqlite:PATH; better in DRIFTLESS_DATABASE_URL, which others do not see
    #[arg(long, value_name = "URL")]
    database: Option<String>,
}

impl Which {
    async fn open(self) -> Result<Store, Failure> {
        Ok(storage::open_at(&self.place()?).await?)
    }

    fn place(self) -> Result<Place, Failure> {
        let flags = Flags {
            database: self.database,
            file: self.config,
            ..Flags::default()
        };
        let config = Config::production()
            .load(&flags)
            .map_err(|error| Failure::Usage(error.to_string()))?;
        telemetry::start(&config.log);
        Ok(config.place())
    }
}

#[derive(Debug, clap::Args)]
pub(super) struct Check {
    #[command(flatten)]
    which: Which,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Check {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let verdict = storage::check_at(&self.which.place()?).await?;
        if self.json {
            let findings = verdict.findings.iter();
            let findings: Vec<_> = findings
                .map(|finding| json!({"model": finding.model, "what": finding.what}))
                .collect();
            output::say(
                &json!({"records": verdict.records, "log": verdict.log_rows, "findings": findings})
                    .to_string(),
            );
        } else if verdict.findings.is_empty() {
            output::say(&format!(
                "{} records and {} rows of the log agree",
                verdict.records, verdict.log_rows
            ));
        }
        if verdict.findings.is_empty() {
            return Ok(());
        }
        let lines: Vec<_> = verdict.findings.iter().map(ToString::to_string).collect();
        Err(Failure::Wrong(lines.join("\n")))
    }
}

#[derive(Debug, clap::Args)]
pub(super) struct Clock {
    #[command(flatten)]
    which: Which,
    /// Tell every server that the clock is right
    #[arg(long)]
    right: bool,
}

impl Clock {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let store = self.which.open().await?;
        let ahead = store.clock_ahead();
        let told = self.right && store.believe_clock().await?;
        store.close().await;
        output::say(&match ahead {
            _ if told => {
                "every server believes the clock of the database within seconds".to_owned()
            }
            Some(ahead) => format!(
                "the clock of the database is {} s ahead of what servers believe. If it is right, say so: --right",
                ahead.as_secs()
            ),
            None => "the clock is believed".to_owned(),
        });
        Ok(())
    }
}

#[derive(Debug, clap::Args)]
pub(super) struct Restored {
    #[command(flatten)]
    which: Which,
}

impl Restored {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let store = self.which.open().await?;
        let begun = store.begin_epoch().await?;
        store.close().await;
        output::say(if begun {
            "a new epoch has begun: every client fetches everything at its next sync"
        } else {
            "a server has begun a new epoch already"
        });
        Ok(())
    }
}
