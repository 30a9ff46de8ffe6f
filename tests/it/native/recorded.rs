//! Every recorded document, run.

use driftless::auth::token::Kind;
use driftless::auth::token::issuer::{Use, User};
use driftless_resolvers::engine::MissingVersion;
use driftless_resolvers::identity::AuthMode;
use driftless_resolvers::schema::model::{Relation, RelationKind, Via};
use serde_json::{Map, Value, json};

use super::case::{Case, recorded};
use super::sample::Types;
use super::shape::misfits;
use crate::support::server::{PATIENCE, Socket};
use crate::support::site::{Plan, Site};

/// A client without DataStore sends no versions; users' tokens are the default mode, keys are taken too.
fn plan(schema: &str) -> Plan {
    let schema: &'static str = Box::leak(schema.to_owned().into_boxed_str());
    Plan::of(schema).configured(|config| {
        config.engine.missing_version = MissingVersion::Latest;
        config.auth.default = Some(AuthMode::UserPool);
    })
}

/// Who runs the documents of a case, and against what.
struct Client<'a> {
    site: &'a Site,
    types: &'a Types,
    case: &'a Case,
    token: String,
}

impl Client<'_> {
    async fn ask(&self, document: &str, variables: &Map<String, Value>) -> Value {
        let body = json!({"query": document, "variables": variables}).to_string();
        let request = reqwest::Client::new()
            .post(self.site.server.url("/graphql"))
            .header("authorization", &self.token)
            .header("user-agent", self.case.agent())
            .header("content-type", "application/json")
            .body(body);
        let response = request.send().await.expect("an answer");
        assert_eq!(response.status(), 200, "{}", self.case.name);
        serde_json::from_str(&response.text().await.expect("a body")).expect("JSON")
    }

    /// Makes a record of which the document may speak; these values are in it.
    async fn make(&self, model: &str, given: &Map<String, Value>) -> Map<String, Value> {
        let kind = format!("Create{model}Input");
        let mut input = self.types.input(&kind, given);
        input.remove("_version");
        Box::pin(self.make_parents(model, &input)).await;
        let document = format!(
            "mutation m($input: {kind}!) {{ create{model}(input: $input) {{ __typename }} }}"
        );
        let answer = self.ask(&document, &one("input", &input)).await;
        let found = &answer["data"][format!("create{model}")]["__typename"];
        assert_eq!(found, model, "{}: {input:?}: {answer}", self.case.name);
        input
    }

    /// Makes the records that one of these fields leads to by their keys, where there has to be one.
    async fn make_parents(&self, model: &str, fields: &Map<String, Value>) {
        let schema = &self.site.server.app.loaded().schema;
        for field in schema.models[model].fields.values() {
            let Some(Relation {
                target,
                via: Via::Key(ours),
                kind: RelationKind::BelongsTo | RelationKind::HasOne,
                ..
            }) = &field.relation
            else {
                continue;
            };
            let keys = schema.models[target].key.fields().map(str::to_owned);
            let values = ours.iter().map(|name| fields.get(name).cloned());
            let key: Option<Map<_, _>> = keys
                .zip(values)
                .map(|(name, value)| Some((name, value.filter(|value| !value.is_null())?)))
                .collect();
            if let (Some(key), true) = (key, field.ty.required) {
                self.make(target, &key).await;
            }
        }
    }

    /// Runs the case; what its client would choke on.
    async fn run(&self) -> Vec<String> {
        match self.case.operation.as_str() {
            "subscription" => self.listens().await,
            "create" => {
                let model = self.model("Mutation");
                if let Some(Value::Object(input)) = self.case.variables.values().next() {
                    self.make_parents(model, input).await;
                }
                self.writes(None).await
            }
            "update" | "delete" => {
                let model = self.model("Mutation");
                let given = self.case.variables["input"].as_object().expect("an input");
                self.make(model, given).await;
                self.writes(Some(1)).await
            }
            "get" => {
                self.make(self.model("Query"), &self.case.variables).await;
                self.reads(&self.case.document, &self.case.variables, &self.case.shape)
                    .await
            }
            _ => self.pages().await,
        }
    }

    fn model(&self, root: &str) -> &str {
        let field = self.case.field();
        let found = self.types.result(root, field);
        found.unwrap_or_else(|| panic!("{}: {root} has no {field}", self.case.name))
    }

    async fn writes(&self, version: Option<i64>) -> Vec<String> {
        let mut variables = self.case.variables.clone();
        let input = variables.get_mut("input").and_then(Value::as_object_mut);
        if let (Some(version), Some(input)) = (version, input)
            && input.contains_key("_version")
        {
            input.insert("_version".to_owned(), version.into());
        }
        let answer = self.ask(&self.case.document, &variables).await;
        let conditional = variables.get("condition").is_some_and(Value::is_object);
        let refused = &answer["errors"][0]["errorType"];
        if conditional && *refused == "ConditionalCheckFailedException" {
            // Whether it holds is chance here; that it is understood is not.
            return Vec::new();
        }
        let mut wrong = self.looks(&answer, &self.case.shape);
        if answer["data"][self.case.field()].is_null() {
            wrong.push("nothing is written".to_owned());
        }
        wrong
    }

    async fn pages(&self) -> Vec<String> {
        let prefix = &self.case.operation;
        let mut document = self.case.document.clone();
        let mut shape = self.case.shape.clone();
        let mut field = self.case.field().to_owned();
        if self.types.result("Query", &field).is_none() {
            // A plural of a client's own tests, which no generator makes.
            let plural = self.case.plurals.iter().find(|it| field.ends_with(*it));
            let plural = plural.unwrap_or_else(|| panic!("{}: no {field}", self.case.name));
            let singular = plural.trim_end_matches('s');
            let page = format!("Model{singular}Connection");
            let ours = self.types.query(prefix, &page).expect("a query");
            document = document.replacen(&format!("{field}("), &format!("{ours}("), 1);
            let inner = shape[&field].take();
            shape = json!({ ours: inner });
            field = ours.to_owned();
        }
        let page = self.types.result("Query", &field).expect("a page");
        let model = page
            .trim_start_matches("Model")
            .trim_end_matches("Connection");
        self.make(model, &Map::new()).await;
        let mut variables = self.case.variables.clone();
        if let Some(token) = variables.get_mut("nextToken") {
            *token = Value::Null;
        }
        self.reads(&document, &variables, &shape).await
    }

    async fn reads(
        &self,
        document: &str,
        variables: &Map<String, Value>,
        shape: &Value,
    ) -> Vec<String> {
        let answer = self.ask(document, variables).await;
        self.looks(&answer, shape)
    }

    fn looks(&self, answer: &Value, shape: &Value) -> Vec<String> {
        if answer.get("errors").is_some() {
            return vec![format!("{answer}")];
        }
        misfits(shape, &answer["data"], "data")
    }

    async fn listens(&self) -> Vec<String> {
        let model = self.model("Subscription");
        let mut socket = self.subscribed().await;
        let mut given = Map::from_iter([("id".to_owned(), "made".into())]);
        if let Some(Value::Object(filter)) = self.case.variables.get("filter") {
            for (field, test) in filter {
                given.insert(field.clone(), test["eq"].clone());
            }
        }
        let made = self.make(model, &given).await;
        for (kind, operation) in [("onUpdate", "Update"), ("onDelete", "Delete")] {
            if self.case.field().starts_with(kind) {
                let input = self.types.input(&format!("{operation}{model}Input"), &made);
                let document = format!(
                    "mutation m($input: {operation}{model}Input!) {{ {}{model}(input: $input) {{ __typename }} }}",
                    operation.to_lowercase()
                );
                self.ask(&document, &one("input", &input)).await;
            }
        }
        let Ok(frame) = tokio::time::timeout(PATIENCE / 2, socket.frame()).await else {
            return vec!["no event comes".to_owned()];
        };
        let payload = &frame["payload"];
        let mut wrong = self.looks(payload, &self.case.shape);
        if payload["data"][self.case.field()].is_null() {
            wrong.push(format!("no record: {frame}"));
        }
        wrong
    }

    async fn subscribed(&self) -> Socket {
        let mut socket = self.site.server.session().await;
        let data = json!({"query": self.case.document, "variables": self.case.variables});
        let authorization = json!({
            "host": "localhost",
            "Authorization": self.token,
            "User-Agent": self.case.agent(),
        });
        let payload = json!({
            "data": data.to_string(),
            "extensions": {"authorization": authorization},
        });
        socket
            .send(json!({"id": "1", "type": "start", "payload": payload}))
            .await;
        let ack = socket.frame().await;
        assert_eq!(ack["type"], "start_ack", "{}: {ack}", self.case.name);
        socket
    }
}

fn one(name: &str, value: &Map<String, Value>) -> Map<String, Value> {
    Map::from_iter([(name.to_owned(), Value::from(value.clone()))])
}

/// Runs a case against a server of its own; what its client would choke on.
async fn run(site: &Site, case: &Case) -> Vec<String> {
    let types = Types::of(site).await;
    let user = User {
        name: case.user().to_owned(),
        subject: Some(case.user().to_owned()),
        groups: case.groups(),
        ..User::default()
    };
    let access = Use::Access;
    let token = site.server.token_of(Kind::UserPool, &user, access, 3_600);
    let client = Client {
        site,
        types: &types,
        case,
        token,
    };
    let found = client.run().await.into_iter();
    found.map(|it| format!("{}: {it}", case.name)).collect()
}

/// Runs every recorded document.
async fn every_document(postgres: bool) {
    let mut wrong = Vec::new();
    for case in recorded() {
        let site = if postgres {
            Site::postgres(plan(&case.schema)).await
        } else {
            Site::sqlite(plan(&case.schema)).await
        };
        wrong.extend(run(&site, &case).await);
        site.finish().await;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn every_recorded_document_is_answered_as_its_client_expects_on_sqlite() {
    every_document(false).await;
}

#[tokio::test]
async fn every_recorded_document_is_answered_as_its_client_expects_on_postgres() {
    every_document(true).await;
}
