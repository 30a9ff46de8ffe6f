//! `driftless serve`: the same server for production.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::{
    Failure,
    schema::render,
    stop::{Hangup, Stop},
};
use crate::app::{App, StartError};
use crate::config::{Config, Flags, Strategy};
use crate::schema::SchemaError;
use crate::telemetry;

#[derive(Debug, clap::Args)]
pub(super) struct Serve {
    /// The configuration file [default: driftless.toml, if there is one]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The schema [default: schema.graphql]
    #[arg(long, value_name = "FILE")]
    schema: Option<PathBuf>,
    /// Where to listen [default: 0.0.0.0:8080]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// Where to keep records: postgres://… or sqlite:PATH; better in DRIFTLESS_DATABASE_URL, which others do not see
    #[arg(long, value_name = "URL")]
    database: Option<String>,
    /// Who decides conflicts
    #[arg(long, value_name = "NAME")]
    conflict: Option<Strategy>,
}

impl Serve {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let mut stop = Stop::listen()?;
        let mut hangup = Hangup::listen()?;
        let flags = Flags {
            schema: self.schema,
            listen: self.listen,
            database: self.database,
            conflict: self.conflict,
            hosts: Vec::new(),
            file: self.config,
        };
        let config = Config::production()
            .load(&flags)
            .map_err(|error| Failure::Usage(error.to_string()))?;
        telemetry::start(&config.log);
        if config.auth.modes().is_empty() {
            return Err(Failure::Wrong(
                "error: nobody could call this server: no way to authenticate is configured.\n\
                 help: set DRIFTLESS_AUTH_API_KEYS, or providers under [auth.providers.NAME] in driftless.toml"
                    .to_owned(),
            ));
        }
        let mut app = App::start(config).await.map_err(explain)?;
        tracing::info!(endpoint = app.endpoint(), "listening");
        for warning in &app.loaded().warnings {
            let (line, column) = (warning.span.line, warning.span.column);
            tracing::warn!(
                line,
                column,
                code = warning.code,
                "schema: {}",
                warning.message
            );
        }
        tokio::select! {
            ready = app.ready() => ready.map_err(explain)?,
            () = stop.wished() => {
                app.stop().await;
                return Ok(());
            }
        }
        tracing::info!("ready");
        loop {
            tokio::select! {
                () = stop.wished() => break,
                () = hangup.wished() => take_anew(&mut app, &flags).await,
            }
        }
        tracing::info!("draining");
        app.stop().await;
        Ok(())
    }
}

/// Takes what the configuration says now of who may call. A mistake changes nothing.
async fn take_anew(app: &mut App, flags: &Flags) {
    let loaded = Config::production().load(flags);
    let taken = match loaded {
        Ok(config) => app
            .reload_auth(config.auth)
            .await
            .map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    if let Err(reason) = taken {
        tracing::error!(
            reason,
            "the configuration is not taken; the former one holds on"
        );
    }
}

fn explain(error: StartError) -> Failure {
    match error {
        StartError::Schema(SchemaError::Wrong { diagnostics, file }) => {
            Failure::Wrong(render(&diagnostics, &file))
        }
        error => Failure::Wrong(format!("error: {error}")),
    }
}
