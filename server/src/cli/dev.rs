//! `driftless dev`: a local cloud in one process.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::{Value, json};

use super::project::Project;
use super::watch::Watch;
use super::{Failure, diff, output, schema::render, stop::Stop};
use crate::app::{App, StartError};
use crate::auth::KeySetting;
use crate::config::{Config, Database, Flags, SchemaSource, Secret, Strategy};
use crate::schema::{self, SchemaError};
use crate::{files, telemetry, tls};

/// What `Config::load` reads where no file is named.
const CONFIGURATION: &str = "driftless.toml";

#[derive(Debug, clap::Args)]
pub(super) struct Dev {
    /// The schema; without it schema.graphql, else amplify/backend/api/*/schema.graphql, else an example is written
    schema: Option<PathBuf>,
    /// Where to listen; port 0 picks a free one [default: 127.0.0.1:20002]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// Where to keep records: sqlite:PATH or postgres://… [default: sqlite:.driftless/data.db]
    #[arg(long, value_name = "URL", conflicts_with = "ephemeral")]
    database: Option<String>,
    /// Keep records nowhere: they are gone when the server stops
    #[arg(long)]
    ephemeral: bool,
    /// Who decides conflicts [default: automerge]
    #[arg(long, value_name = "NAME")]
    conflict: Option<Strategy>,
    /// A further name or address that clients use; the certificate is made for it too
    #[arg(long = "host", value_name = "HOST")]
    hosts: Vec<String>,
    /// When ready, print one line of JSON instead of text
    #[arg(long)]
    json: bool,
    /// Do not take the schema anew when its file changes
    #[arg(long)]
    no_watch: bool,
}

impl Dev {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let begun = Instant::now();
        let mut stop = Stop::listen()?;
        let project = Project::here();
        project.prepare()?;
        let key = project.key()?;
        let config = self.config(&project, &key)?;
        let mut log = config.log.clone();
        if log == telemetry::Log::default() {
            "warn".clone_into(&mut log.filter);
        }
        telemetry::start(&log);
        // From before the schema is read, so that no change of it is missed.
        let watch = self.watch(&config);
        let settings = (!self.no_watch).then(|| Watch::start(Path::new(CONFIGURATION)));
        let mut app = App::start(config).await.map_err(explain)?;
        tokio::select! {
            ready = app.ready() => ready.map_err(explain)?,
            () = stop.wished() => {
                app.stop().await;
                return Ok(());
            }
        }
        let line = ready_line(&app, &key);
        project.note_running(&line)?;
        if self.json {
            output::say(&line.to_string());
        } else {
            output::say(&screen(&app, &key, begun));
            if watch.is_some() {
                output::say(&format!("\n  watching {}", app.loaded().source.name));
            }
        }
        let changes = Changes {
            schema: watch,
            configuration: settings.flatten(),
        };
        changes
            .follow(&mut app, &mut stop, || self.config(&project, &key))
            .await;
        project.forget_running();
        app.stop().await;
        Ok(())
    }

    fn watch(&self, config: &Config) -> Option<Watch> {
        match &config.schema {
            SchemaSource::File(path) if !self.no_watch => Watch::start(path),
            _ => None,
        }
    }

    fn config(&self, project: &Project, key: &str) -> Result<Config, Failure> {
        let flags = Flags {
            schema: self.schema.clone(),
            listen: self.listen,
            database: self.database.clone(),
            conflict: self.conflict,
            hosts: self.hosts.clone(),
            file: None,
        };
        let mut config = Config::development(project.folder());
        let configured = config.schema.clone();
        config = config
            .load(&flags)
            .map_err(|error| Failure::Usage(error.to_string()))?;
        if self.ephemeral {
            config.database = Database::memory();
        }
        if config.schema == configured {
            config.schema = SchemaSource::File(found_or_written(Path::new("."))?);
        }
        config.auth.add_key(KeySetting::plain(key)?);
        if config.admin.is_none() {
            config.admin = Some(Secret(project.admin_secret()?));
        }
        Ok(config)
    }
}

/// The files a running local cloud follows.
struct Changes {
    schema: Option<Watch>,
    configuration: Option<Watch>,
}

impl Changes {
    /// Takes schema and configuration anew whenever they change, until it is time to stop.
    async fn follow(
        mut self,
        app: &mut App,
        stop: &mut Stop,
        configuration: impl Fn() -> Result<Config, Failure>,
    ) {
        loop {
            tokio::select! {
                () = stop.wished() => return,
                () = changed(&mut self.schema) => take_anew(app).await,
                () = changed(&mut self.configuration) => take_auth_anew(app, configuration()).await,
            }
        }
    }
}

async fn changed(watch: &mut Option<Watch>) {
    match watch {
        Some(watch) => watch.changed().await,
        None => std::future::pending().await,
    }
}

/// Of the configuration only who may call is taken while the server runs. A mistake changes nothing.
async fn take_auth_anew(app: &mut App, configuration: Result<Config, Failure>) {
    let taken = match configuration {
        Ok(config) => app.reload_auth(config.auth).await.map_err(explain),
        Err(failure) => Err(failure),
    };
    match taken {
        Ok(()) => output::complain("[auth] taken anew; other settings need a restart"),
        Err(Failure::Wrong(text) | Failure::Usage(text)) => {
            output::complain(&text);
            output::complain("the former configuration holds on");
        }
    }
}

/// A schema that is wrong changes nothing: the last good one is served on.
async fn take_anew(app: &mut App) {
    let begun = Instant::now();
    let loaded = match schema::load(&app.config().schema, &app.config().schema_options()) {
        Ok(loaded) if loaded.source.text == app.loaded().source.text => return,
        Ok(loaded) => loaded,
        Err(error) => {
            if let Failure::Wrong(text) = explain(error.into()) {
                output::complain(&text);
            }
            output::complain("the last good schema is served on");
            return;
        }
    };
    match app.reload(loaded).await {
        Ok(changes) => {
            let (name, took) = (&app.loaded().source.name, begun.elapsed().as_millis());
            output::complain(&diff::text(&changes));
            output::complain(&format!("{name} taken anew in {took} ms: {}", summary(app)));
        }
        Err(error) => {
            output::complain(&format!("the schema cannot be taken: {error}"));
            output::complain("the last good schema is served on");
        }
    }
}

/// The project's schema; an example where there is none.
fn found_or_written(project: &Path) -> Result<PathBuf, Failure> {
    if let Some(path) = schema::find(project) {
        return Ok(path
            .strip_prefix(project)
            .map(Path::to_owned)
            .unwrap_or(path));
    }
    let path = PathBuf::from("schema.graphql");
    files::write(&project.join(&path), schema::EXAMPLE)?;
    output::complain("no schema found: wrote schema.graphql with an example");
    Ok(path)
}

fn explain(error: StartError) -> Failure {
    match error {
        StartError::Schema(SchemaError::Wrong { diagnostics, file }) => {
            Failure::Wrong(render(&diagnostics, &file))
        }
        error => Failure::Wrong(format!("error: {error}")),
    }
}

fn ready_line(app: &App, key: &str) -> Value {
    json!({
        "endpoint": app.endpoint(),
        "http_endpoint": app.http_endpoint(),
        "realtime": app.realtime_endpoint(),
        "api_key": key,
        "ca": app.ca().map(|path| std::path::absolute(&path).unwrap_or(path)),
        "console": Value::Null,
        "pid": std::process::id(),
        "schema": app.loaded().source.name,
        "database": app.config().database.describe(),
    })
}

/// One screen: where, with what, and what to do next.
fn screen(app: &App, key: &str, begun: Instant) -> String {
    let mut lines = vec![
        format!(
            "  driftless {}  dev{:>42}",
            env!("CARGO_PKG_VERSION"),
            format!("ready in {} ms", begun.elapsed().as_millis())
        ),
        format!(
            "  schema    {}   {}",
            app.loaded().source.name,
            summary(app)
        ),
        format!("  store     {}", store(app)),
        String::new(),
        format!("  GraphQL   {}", app.endpoint()),
        format!(
            "            {}   (in clear, same port)",
            app.http_endpoint()
        ),
        format!("  realtime  {}", app.realtime_endpoint()),
    ];
    lines.extend(mobile(app));
    lines.push(format!("  API key   {key}"));
    lines.push(
        "  tokens    driftless token NAME --group GROUP   (for rules about users)".to_owned(),
    );
    lines.push(String::new());
    if let Some(ca) = app.ca() {
        lines.push(format!("  certificate authority  {}", ca.display()));
        lines.push("            trust it on this machine:  driftless trust".to_owned());
        lines.push(format!(
            "            Node:  NODE_EXTRA_CA_CERTS={} node app.js",
            ca.display()
        ));
    }
    for warning in &app.loaded().warnings {
        let span = warning.span;
        let place = format!("{}:{}:{}", app.loaded().source.name, span.line, span.column);
        lines.push(format!(
            "  warning   {place}: {} {}",
            warning.message, warning.help
        ));
    }
    lines.join("\n")
}

fn summary(app: &App) -> String {
    let models = app.loaded().schema.models.len();
    let subscriptions: usize = app
        .loaded()
        .schema
        .models
        .values()
        .map(|model| {
            let names = &model.operations;
            names.on_create.len() + names.on_update.len() + names.on_delete.len()
        })
        .sum();
    let conflict = app.config().conflict.default.name();
    format!("{models} models, {subscriptions} subscriptions, {conflict}")
}

fn store(app: &App) -> String {
    if app.config().database.is_ephemeral() {
        "in memory: gone when this stops".to_owned()
    } else {
        format!(
            "{}   (delete .driftless/ to start over)",
            app.config().database.describe()
        )
    }
}

/// Android and Flutter dial port 443 whatever they are told (`dx.md` 2).
fn mobile(app: &App) -> Vec<String> {
    let mut lines = Vec::new();
    match app.took_443() {
        Some(Ok(())) => {
            lines.push(
                "  Android   https://10.0.2.2/graphql   (emulator; port 443 ok; Flutter alike)"
                    .to_owned(),
            );
        }
        Some(Err(reason)) => {
            lines.push(format!(
                "  Android and Flutter need port 443, which is not free for us: {reason}"
            ));
            if cfg!(target_os = "linux") {
                lines.push(
                    "            allow it: sudo sysctl net.ipv4.ip_unprivileged_port_start=443"
                        .to_owned(),
                );
            }
        }
        None => {}
    }
    let everywhere = app.address().ip().is_unspecified();
    if let Some(address) = tls::lan_address().filter(|_| everywhere) {
        lines.push(format!(
            "  LAN       https://{address}:{}/graphql",
            app.address().port()
        ));
    }
    lines
}
