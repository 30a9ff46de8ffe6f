//! What an operator asks about rules: who may do what to which record, and which rule decides. Asked at the command line
//! of a schema alone, or of a running server, which knows the stored records.

use std::sync::Arc;

use driftless_resolvers::Fields;
use driftless_resolvers::authz::{Explanation, Question, Reason, Rules, explain};
use driftless_resolvers::identity::{IamIdentity, Identity, LambdaIdentity, TokenIdentity};
use driftless_resolvers::schema::Schema;
use driftless_resolvers::schema::model::{Model, ModelOperation};
use driftless_resolvers::storage::Key;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::token::Kind;
use super::token::issuer::{User, claims_of};

/// A question, as `POST /admin/v1/explain` takes it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inquiry {
    /// How the caller proves who it is.
    #[serde(default)]
    pub mode: Mode,
    /// Its name: of a user, or the role of a service.
    #[serde(default)]
    pub user: String,
    /// Its subject; made from the name if not told, as the development issuer does.
    #[serde(default)]
    pub sub: Option<String>,
    /// Its groups.
    #[serde(default)]
    pub groups: Vec<String>,
    /// Further claims.
    #[serde(default)]
    pub claims: Map<String, Value>,
    /// A field of the API: `getNote`, `listNotes`, `onCreateNote` and so on.
    pub operation: String,
    /// The record it is about.
    #[serde(default)]
    pub record: Option<Subject>,
    /// What a create or an update sends.
    #[serde(default)]
    pub input: Option<Fields>,
}

/// How a caller proves who it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub enum Mode {
    /// A token of a user pool
    #[default]
    UserPool,
    /// A token of another issuer
    Oidc,
    /// An API key
    ApiKey,
    /// A signature of a signed-in user of an identity pool
    Authenticated,
    /// A signature of a guest of an identity pool
    Guest,
    /// A signature of a service or an administrator, whose role is the name
    Service,
    /// Whatever the authorizer function accepts
    Lambda,
}

/// The record that a question is about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Subject {
    /// Its document.
    Document(Fields),
    /// The values of its key, in key order: the stored record is meant.
    Key(Vec<Value>),
    /// The same, of a key that is one field.
    Id(Value),
}

impl Inquiry {
    /// The model and the operation that are asked about.
    pub fn find<'s>(&self, schema: &'s Schema) -> Result<(&'s Model, ModelOperation), String> {
        let models = || schema.models.values();
        let found = models().find_map(|model| {
            let operation = operation_of(model, &self.operation)?;
            Some((&**model, operation))
        });
        found.ok_or_else(|| {
            let names = models().filter_map(|model| model.operations.get.clone());
            let names: Vec<String> = names.take(3).collect();
            format!(
                "no model has the operation {}; there are, for example, {}",
                self.operation,
                names.join(", ")
            )
        })
    }

    /// The key of the stored record that is meant; `None` if none is.
    pub fn key(&self, model: &Model) -> Result<Option<Key>, String> {
        let values = match &self.record {
            None | Some(Subject::Document(_)) => return Ok(None),
            Some(Subject::Id(value)) => std::slice::from_ref(value),
            Some(Subject::Key(values)) => values.as_slice(),
        };
        let fields: Vec<&str> = model.key.fields().collect();
        if values.len() != fields.len() {
            return Err(format!(
                "the key of {} is a list of the values of {}",
                model.name,
                fields.join(", ")
            ));
        }
        Ok(Some(Key::from_values(values)))
    }

    /// What the rules of a schema decide, and why. `stored` is the record that [`Inquiry::key`] names.
    pub fn explain(
        &self,
        schema: &Schema,
        rules: &Rules,
        stored: Option<&Fields>,
    ) -> Result<Explanation, String> {
        let (model, operation) = self.find(schema)?;
        let identity = self.identity();
        let record = match &self.record {
            Some(Subject::Document(fields)) => Some(fields),
            _ => stored,
        };
        let question = Question {
            model,
            operation,
            identity: &identity,
            record,
            input: self.input.as_ref(),
        };
        Ok(explain(schema, rules, question))
    }

    fn identity(&self) -> Identity {
        let signer = |authenticated: Option<bool>| {
            let of_pool = || authenticated.map(|_| "local:pool".to_owned());
            Identity::Iam(Arc::new(IamIdentity {
                user_arn: format!(
                    "arn:aws:sts::{}:assumed-role/{}",
                    super::iam::ACCOUNT,
                    self.user
                ),
                identity_pool_id: of_pool(),
                identity_id: of_pool(),
                authenticated,
                ..IamIdentity::default()
            }))
        };
        match self.mode {
            Mode::UserPool => Identity::UserPool(self.token(Kind::UserPool)),
            Mode::Oidc => Identity::Oidc(self.token(Kind::Oidc)),
            Mode::ApiKey => Identity::ApiKey { id: String::new() },
            Mode::Authenticated => signer(Some(true)),
            Mode::Guest => signer(Some(false)),
            Mode::Service => signer(None),
            Mode::Lambda => Identity::Lambda(Arc::new(LambdaIdentity::default())),
        }
    }

    /// What a token of the user would say.
    fn token(&self, kind: Kind) -> Arc<TokenIdentity> {
        let user = User {
            name: self.user.clone(),
            subject: self.sub.clone(),
            groups: self.groups.clone(),
            claims: self.claims.clone(),
        };
        let claims = claims_of(kind, &user);
        let text = |name: &str| claims[name].as_str().unwrap_or_default().to_owned();
        Arc::new(TokenIdentity {
            issuer: text("iss"),
            subject: text("sub"),
            claims,
        })
    }
}

fn operation_of(model: &Model, field: &str) -> Option<ModelOperation> {
    let names = &model.operations;
    let is = |name: &Option<String>| name.as_deref() == Some(field);
    let listens = [&names.on_create, &names.on_update, &names.on_delete];
    let one = [
        (&names.get, ModelOperation::Get),
        (&names.list, ModelOperation::List),
        (&names.sync, ModelOperation::Sync),
        (&names.create, ModelOperation::Create),
        (&names.update, ModelOperation::Update),
        (&names.delete, ModelOperation::Delete),
    ];
    if let Some((_, operation)) = one.into_iter().find(|(name, _)| is(name)) {
        return Some(operation);
    }
    if listens
        .iter()
        .any(|names| names.iter().any(|name| name == field))
    {
        return Some(ModelOperation::Listen);
    }
    let indexed = model.indexes.iter().any(|index| is(&index.query_field));
    indexed.then_some(ModelOperation::List)
}

/// An explanation for machines.
#[must_use]
pub fn machine(explanation: &Explanation) -> Value {
    let reason = |reason: &Reason| {
        json!({
            "line": reason.span.map(|span| span.line),
            "column": reason.span.map(|span| span.column),
            "field": reason.field,
            "applies": reason.applies,
            "decides": reason.decides,
            "text": reason.text,
        })
    };
    json!({
        "allowed": explanation.allowed,
        "summary": explanation.summary,
        "reasons": explanation.reasons.iter().map(reason).collect::<Vec<_>>(),
    })
}

/// The same for people; `file` is what the schema is called.
#[must_use]
pub fn text(explanation: &Value, file: &str) -> String {
    let word = match explanation["allowed"] == true {
        true => "allowed",
        false => "refused",
    };
    let said = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let place = |reason: &Value| match (&reason["line"], &reason["column"]) {
        (Value::Null, _) | (_, Value::Null) => String::new(),
        (line, column) => format!("{file}:{line}:{column}"),
    };
    let reasons = explanation["reasons"].as_array();
    let reasons = || reasons.into_iter().flatten();
    let deciding: Vec<String> = reasons()
        .filter(|reason| reason["decides"] == true)
        .map(|reason| match place(reason) {
            place if place.is_empty() => "the configuration".to_owned(),
            place => place,
        })
        .collect();
    let decided = match deciding.as_slice() {
        [] => ", for no rule lets the caller".to_owned(),
        places => format!(", decided by {}", places.join(", ")),
    };
    let mut lines = vec![format!(
        "{word}: {}{decided}",
        said(&explanation["summary"])
    )];
    if explanation["stored"] == false {
        lines.push("  there is no such record: this is about any".to_owned());
    }
    for reason in reasons() {
        let sign = if reason["applies"] == true { "+" } else { "-" };
        let place = match place(reason) {
            place if place.is_empty() => place,
            place => format!("{place}: "),
        };
        let of = match &reason["field"] {
            Value::String(field) => format!("field {field}: "),
            _ => String::new(),
        };
        lines.push(format!("  {sign} {place}{of}{}", said(&reason["text"])));
    }
    lines.join("\n")
}
