//! A server with a fresh store of either kind, and a client that speaks plain HTTP with it.

use std::path::PathBuf;
use std::time::Duration;

use driftless::auth::KeySetting;
use driftless::config::{Choice, Config, Database, Plugin, SchemaSource, Strategy, TlsMode};
use serde_json::{Map, Value, json};
use sqlx::{Connection as _, SqliteConnection};
use tempfile::TempDir;

use super::postgres;
use super::server::{DATASTORE, Server};

/// All nodes take the same key.
const KEY: &str = "da2-sitesitesitesitesitesitesi";

/// What a server is made of.
#[derive(Clone, Copy)]
pub(crate) struct Plan {
    /// The Amplify schema.
    pub(crate) schema: &'static str,
    /// Who decides conflicts.
    pub(crate) strategy: Strategy,
    /// The plugin or function that decides them instead.
    pub(crate) decider: Option<&'static Choice>,
    /// What else is configured.
    pub(crate) configure: fn(&mut Config),
}

impl Plan {
    /// A server of this schema that merges.
    pub(crate) const fn of(schema: &'static str) -> Plan {
        Plan {
            schema,
            strategy: Strategy::Automerge,
            decider: None,
            configure: |_| {},
        }
    }

    /// A server of this schema that refuses stale writes.
    pub(crate) const fn optimistic(schema: &'static str) -> Plan {
        Plan {
            schema,
            strategy: Strategy::Optimistic,
            decider: None,
            configure: |_| {},
        }
    }

    /// A server of this schema whose conflicts a plugin decides.
    pub(crate) fn decided_by(schema: &'static str, plugin: PathBuf) -> Plan {
        Plan::asking(schema, Choice::Plugin(Plugin::at(plugin)))
    }

    /// A server of this schema whose conflicts are decided by whoever this is.
    pub(crate) fn asking(schema: &'static str, decider: Choice) -> Plan {
        Plan {
            decider: Some(Box::leak(Box::new(decider))),
            ..Plan::of(schema)
        }
    }

    /// The same with a changed configuration.
    pub(crate) const fn configured(self, configure: fn(&mut Config)) -> Plan {
        Plan { configure, ..self }
    }
}

/// A running server.
pub(crate) struct Site {
    pub(crate) server: Server,
    home: Home,
    client: reqwest::Client,
    headers: Vec<(&'static str, &'static str)>,
}

enum Home {
    File(TempDir),
    Database(postgres::Database),
}

/// The body of an answer with status 200.
#[derive(Debug)]
pub(crate) struct Answer(pub(crate) Value);

impl Site {
    /// A server over a SQLite file.
    pub(crate) async fn sqlite(plan: Plan) -> Site {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let url = url_in(&directory);
        Site::start(plan, url, Home::File(directory)).await
    }

    /// A server over a Postgres database.
    pub(crate) async fn postgres(plan: Plan) -> Site {
        let database = postgres::Database::create().await;
        let url = database.url.clone();
        Site::start(plan, url, Home::Database(database)).await
    }

    async fn start(plan: Plan, database: String, home: Home) -> Site {
        Site {
            server: serve(plan, database).await,
            home,
            client: reqwest::Client::new(),
            headers: vec![("x-amz-user-agent", DATASTORE)],
        }
    }

    /// Another server over the same database.
    pub(crate) async fn another_node(&self, plan: Plan) -> Server {
        match &self.home {
            Home::Database(database) => serve(plan, database.url.clone()).await,
            Home::File(_) => panic!("a SQLite file belongs to one process"),
        }
    }

    /// Ends the server and starts another one over the same database.
    pub(crate) async fn restarted(self, plan: Plan) -> Site {
        let Site {
            server,
            home,
            client,
            headers,
        } = self;
        server.app.stop().await;
        let database = match &home {
            Home::Database(database) => database.url.clone(),
            Home::File(directory) => url_in(directory),
        };
        Site {
            server: serve(plan, database).await,
            home,
            client,
            headers,
        }
    }

    /// Speaks with other headers from now on.
    pub(crate) fn speak_as(&mut self, headers: &[(&'static str, &'static str)]) {
        self.headers = headers.to_vec();
    }

    /// Serves another schema over the same records.
    pub(crate) async fn reload(&mut self, schema: &str) {
        let source = SchemaSource::Text(schema.to_owned());
        let loaded =
            driftless::schema::load(&source, &driftless_resolvers::schema::Options::default())
                .expect("the schema loads");
        self.server
            .app
            .reload(loaded)
            .await
            .expect("the store follows");
    }

    /// Runs SQL beside the server, as an operator would.
    pub(crate) async fn database(&self, sql: &'static str) {
        match &self.home {
            Home::Database(database) => {
                let done = sqlx::raw_sql(sql)
                    .execute(&mut database.connect().await)
                    .await;
                done.expect("the database takes the statement");
            }
            Home::File(directory) => {
                let connection = SqliteConnection::connect(&url_in(directory)).await;
                let mut connection = connection.expect("the file can be opened");
                let done = sqlx::raw_sql(sql).execute(&mut connection).await;
                done.expect("the file takes the statement");
                connection.close().await.expect("the file can be closed");
            }
        }
    }

    /// Stops the server and removes what it stored.
    pub(crate) async fn finish(self) {
        self.server.app.stop().await;
        match self.home {
            Home::File(directory) => drop(directory),
            Home::Database(database) => database.remove().await,
        }
    }

    /// Posts a body as it is and gives back status, the header `x-amzn-errortype`, and the answer.
    pub(crate) async fn post(&self, body: String) -> (u16, Option<String>, Value) {
        let mut request = self
            .client
            .post(self.server.url("/graphql"))
            .header("content-type", "application/json")
            .header("x-api-key", &self.server.key)
            .body(body);
        for (name, value) in &self.headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.expect("the server answers");
        let status = response.status().as_u16();
        let kind = response.headers().get("x-amzn-errortype");
        let kind = kind.map(|value| value.to_str().expect("a word").to_owned());
        let text = response.text().await.expect("the answer ends");
        let body = serde_json::from_str(&text).unwrap_or_else(|_| panic!("no JSON: {text}"));
        (status, kind, body)
    }

    /// Runs a document.
    pub(crate) async fn ask(&self, query: &str, variables: Value) -> Answer {
        let body = json!({"query": query, "variables": variables}).to_string();
        let (status, _, body) = self.post(body).await;
        assert_eq!(status, 200, "{body}");
        Answer(body)
    }

    /// Runs a query without variables and gives back the value of its one field.
    pub(crate) async fn read(&self, query: &str) -> Value {
        self.ask(query, json!({})).await.value()
    }

    /// Sends `createX`, `updateX` or `deleteX` as clients do.
    pub(crate) async fn mutate(&self, mutation: &str, input: Value, selection: &str) -> Answer {
        self.mutate_if(mutation, input, Value::Null, selection)
            .await
    }

    /// Sends a mutation with a condition.
    pub(crate) async fn mutate_if(
        &self,
        mutation: &str,
        input: Value,
        condition: Value,
        selection: &str,
    ) -> Answer {
        let end = mutation
            .find(char::is_uppercase)
            .expect("a mutation is named after a model");
        let model = &mutation[end..];
        let kind = format!("{}{}", mutation[..1].to_uppercase(), &mutation[1..end]);
        let query = format!(
            "mutation operation($input: {kind}{model}Input!, $condition: Model{model}ConditionInput) {{ \
             {mutation}(input: $input, condition: $condition) {{ {selection} }} }}"
        );
        let variables = json!({"input": input, "condition": condition});
        self.ask(&query, variables).await
    }

    /// All pages of a connection query, joined; `{next}` in the query is the place of the token argument.
    pub(crate) async fn walk(&self, query: &str) -> Vec<Value> {
        let mut items = Vec::new();
        let mut next = Value::Null;
        for _ in 0..1_000 {
            let text = query.replace("{next}", &format!("nextToken: {next}"));
            let page = self.read(&text).await;
            items.extend(page["items"].as_array().expect("items").iter().cloned());
            next = page["nextToken"].clone();
            if next.is_null() {
                return items;
            }
        }
        panic!("the pages do not end: {query}");
    }
}

fn url_in(directory: &TempDir) -> String {
    format!("sqlite:{}", directory.path().join("data.db").display())
}

async fn serve(plan: Plan, database: String) -> Server {
    let mut server = Server::start_with(|config| {
        config.schema = SchemaSource::Text(plan.schema.to_owned());
        config.listen.tls = TlsMode::Off;
        config.database = Database(database);
        config.conflict.default = plan.strategy.into();
        if let Some(decider) = plan.decider {
            config.conflict.default = decider.clone();
        }
        config.drain = Duration::ZERO;
        config
            .auth
            .add_key(KeySetting::plain(KEY).expect("a good key"));
        (plan.configure)(config);
    })
    .await;
    KEY.clone_into(&mut server.key);
    server
}

impl Answer {
    /// The value of the one field; there must be no errors.
    pub(crate) fn value(self) -> Value {
        let Answer(body) = self;
        assert!(body.get("errors").is_none(), "{body:#}");
        single(&body["data"]).clone()
    }

    /// The one error of the one field, which is null (`sync-semantics` MUT-9).
    pub(crate) fn refusal(self) -> Value {
        let Answer(body) = self;
        assert_eq!(*single(&body["data"]), Value::Null, "{body:#}");
        self::errors(&body, 1).swap_remove(0)
    }

    /// The message of the one error of a request that is not run at all.
    pub(crate) fn invalid(self) -> String {
        let Answer(body) = self;
        assert_eq!(body["data"], Value::Null, "{body:#}");
        let error = self::errors(&body, 1).swap_remove(0);
        assert_eq!(error["errorType"], Value::Null, "{body:#}");
        error["message"].as_str().expect("a message").to_owned()
    }
}

/// The value of the one member.
fn single(data: &Value) -> &Value {
    let members: &Map<String, Value> = data
        .as_object()
        .unwrap_or_else(|| panic!("no data: {data}"));
    assert_eq!(members.len(), 1, "{data}");
    members.values().next().expect("one member")
}

fn errors(body: &Value, count: usize) -> Vec<Value> {
    let errors = body["errors"].as_array();
    let errors = errors.unwrap_or_else(|| panic!("no errors: {body:#}"));
    assert_eq!(errors.len(), count, "{body:#}");
    errors.clone()
}

/// Runs each case against a fresh server over each store.
macro_rules! on_both_stores {
    ($plan:expr; $($(#[doc = $doc:literal])* async fn $name:ident($site:ident: $ty:ty) $body:block)+) => {$(
        $(#[doc = $doc])*
        mod $name {
            #[allow(unused_imports, reason = "not every case names something of its file")]
            use super::*;

            async fn case($site: $ty) $body

            #[tokio::test]
            async fn on_sqlite() {
                let mut site = crate::support::site::Site::sqlite($plan).await;
                case(&mut site).await;
                site.finish().await;
            }

            #[tokio::test]
            async fn on_postgres() {
                let mut site = crate::support::site::Site::postgres($plan).await;
                case(&mut site).await;
                site.finish().await;
            }
        }
    )+};
}

pub(crate) use on_both_stores;
