//! What rules let whom do, from outside: the decision table (`auth` 5) row by row, and what rules must not leak.

mod attacks;
mod every_field;
mod fields;
mod groups;
mod guesses;
mod owners;
mod providers;
mod published;
mod subscriptions;

use driftless::auth::token::Kind;
use driftless::auth::token::issuer::{Use, User};
use driftless::config::Config;
use driftless_resolvers::identity::AuthMode;
use serde_json::{Map, Value, json};

use crate::support::site::{Plan, Site};

/// One model for every kind of rule of the table.
const RULES: Plan = Plan::of(include_str!("../schemas/rules.graphql")).configured(users_first);

/// Users' tokens are the default mode; API keys and tokens of other issuers are taken too.
fn users_first(config: &mut Config) {
    config.auth.default = Some(AuthMode::UserPool);
}

/// The callers of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    /// alice, in no group.
    A,
    /// alice, by her id token.
    AliceById,
    /// bob, in no group.
    B,
    /// gina of the group Admin.
    G,
    /// dan of the group Devs.
    D,
    /// The holder of an API key.
    K,
    /// A user of another issuer.
    Oidc,
}

use Who::{A, AliceById, B, D, G, K, Oidc};

impl Who {
    fn user(self) -> User {
        let (name, subject, groups): (_, _, &[&str]) = match self {
            A | AliceById => ("alice", "sA", &[]),
            B => ("bob", "sB", &[]),
            G => ("gina", "sG", &["Admin"]),
            D => ("dan", "sD", &["Devs"]),
            Oidc => ("olga", "sO", &[]),
            K => panic!("the holder of a key is no user"),
        };
        User {
            name: name.to_owned(),
            subject: Some(subject.to_owned()),
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
            ..User::default()
        }
    }

    /// The header that says who it is.
    fn credential(self, site: &Site) -> (&'static str, String) {
        let token = |kind, purpose| site.server.token_of(kind, &self.user(), purpose, 3_600);
        match self {
            K => ("x-api-key", site.server.key.clone()),
            Oidc => ("authorization", token(Kind::Oidc, Use::Access)),
            AliceById => ("authorization", token(Kind::UserPool, Use::Id)),
            _ => ("authorization", token(Kind::UserPool, Use::Access)),
        }
    }

    /// Runs a document.
    async fn asks(self, site: &Site, query: &str) -> Reply {
        self.asks_as("aws-amplify/6.22.1", site, query).await
    }

    /// Runs a document as a client of this kind.
    async fn asks_as(self, agent: &str, site: &Site, query: &str) -> Reply {
        let (name, value) = self.credential(site);
        let headers = [("x-amz-user-agent", agent), (name, value.as_str())];
        let response = site.server.ask(query, &headers).await;
        assert_eq!(response.status(), 200, "{self:?}: {query}");
        let text = response.text().await.expect("a body");
        let body = serde_json::from_str(&text).expect("JSON");
        let query = query.to_owned();
        Reply { body, query }
    }
}

/// The body of an answer with status 200.
#[derive(Debug)]
struct Reply {
    body: Value,
    query: String,
}

impl Reply {
    fn data(&self) -> &Map<String, Value> {
        self.body["data"]
            .as_object()
            .unwrap_or_else(|| panic!("no data: {self:#?}"))
    }

    fn errors(&self) -> &[Value] {
        self.body["errors"].as_array().map_or(&[], Vec::as_slice)
    }

    /// The value of the one field; there are no errors.
    #[track_caller]
    fn value(&self) -> Value {
        assert_eq!(self.errors(), [Value::Null; 0], "{self:#?}");
        self.data().values().next().expect("a field").clone()
    }

    /// The ids on the page that is the value; there are no errors.
    #[track_caller]
    fn ids(&self) -> Vec<String> {
        let page = self.value();
        let items = page["items"]
            .as_array()
            .unwrap_or_else(|| panic!("no page: {self:#?}"));
        let mut ids: Vec<String> = items
            .iter()
            .map(|item| item["id"].as_str().expect("an id").to_owned())
            .collect();
        ids.sort();
        ids
    }

    /// The one error, of a field that is null.
    #[track_caller]
    fn refusal(&self) -> &Value {
        assert_eq!(self.data().values().next(), Some(&Value::Null), "{self:#?}");
        let [error] = self.errors() else {
            panic!("not one error: {self:#?}");
        };
        error
    }

    /// The field is null and not the caller's to access; nothing else is told.
    #[track_caller]
    fn is_unauthorized(&self) {
        let error = self.refusal();
        assert_eq!(error["errorType"], "Unauthorized", "{self:#?}");
        assert_eq!(error["data"], Value::Null, "{self:#?}");
        let field = error["path"][0].as_str().expect("a path");
        let parent = if self.query.trim_start().starts_with("mutation") {
            "Mutation"
        } else {
            "Query"
        };
        let expected = format!("Not Authorized to access {field} on type {parent}");
        assert_eq!(error["message"], expected.as_str());
    }

    /// The input's field is not the caller's to write.
    #[track_caller]
    fn is_unauthorized_on(&self, field: &str) {
        let error = self.refusal();
        assert_eq!(error["errorType"], "Unauthorized", "{self:#?}");
        assert_eq!(error["data"], Value::Null, "{self:#?}");
        assert_eq!(
            error["message"],
            format!("Unauthorized on [{field}]").as_str()
        );
    }

    /// The field is null and of this type of error.
    #[track_caller]
    fn is_refused_as(&self, error_type: &str) {
        assert_eq!(self.refusal()["errorType"], error_type, "{self:#?}");
    }
}

/// Creates a record.
async fn create(site: &Site, who: Who, model: &str, input: &str) -> Reply {
    let query = format!("mutation {{ create{model}(input: {{{input}}}) {{ id }} }}");
    who.asks(site, &query).await
}

/// Reads a record's id.
async fn get(site: &Site, who: Who, model: &str, id: &str) -> Reply {
    who.asks(site, &format!("{{ get{model}(id: \"{id}\") {{ id }} }}"))
        .await
}

/// Lists ids.
async fn list(site: &Site, who: Who, models: &str) -> Reply {
    who.asks(
        site,
        &format!("{{ list{models} {{ items {{ id }} nextToken }} }}"),
    )
    .await
}

/// Lists ids as DataStore does.
async fn sync(site: &Site, who: Who, models: &str) -> Reply {
    let query = format!("{{ sync{models} {{ items {{ id }} nextToken startedAt }} }}");
    who.asks(site, &query).await
}

/// Changes a record.
async fn update(site: &Site, who: Who, model: &str, input: &str) -> Reply {
    let query = format!("mutation {{ update{model}(input: {{{input}}}) {{ id }} }}");
    who.asks(site, &query).await
}

/// Deletes a record of a version.
async fn delete(site: &Site, who: Who, model: &str, id: &str, version: u32) -> Reply {
    let query = format!(
        "mutation {{ delete{model}(input: {{id: \"{id}\", _version: {version}}}) {{ id }} }}"
    );
    who.asks(site, &query).await
}

/// What a socket's `start` is authorized with.
fn authorization(site: &Site, who: Who) -> Value {
    let mut authorization = json!({"host": "localhost", "x-amz-user-agent": "aws-amplify/6.22.1"});
    match who.credential(site) {
        ("x-api-key", key) => authorization["x-api-key"] = key.into(),
        (_, token) => authorization["Authorization"] = token.into(),
    }
    authorization
}
