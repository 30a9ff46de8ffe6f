//! What an authorizer is told, and what it answers, in AppSync's words (`auth` 1.5). Pure.

use serde_json::{Map, Value, json};

use crate::auth::credentials::Presented;

/// Nobody's decision holds for longer, in seconds.
const LONGEST_TTL: u64 = 3_600;

/// The event for a request.
pub(super) fn event(token: &str, presented: &Presented<'_>) -> Value {
    let operation = presented.operation;
    let headers: Map<String, Value> = presented
        .credentials
        .headers()
        .iter()
        .map(|(name, value)| (name.clone(), value.as_str().into()))
        .collect();
    json!({
        "authorizationToken": token,
        "requestContext": {
            "apiId": "driftless",
            "accountId": crate::auth::iam::ACCOUNT,
            "requestId": presented.request_id,
            "queryString": operation.map_or("", |operation| operation.query.as_str()),
            "operationName": operation.and_then(|operation| operation.operation_name.as_deref()),
            "variables": operation.map(|operation| &operation.variables),
        },
        "requestHeaders": headers,
    })
}

/// What the authorizer said.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Decision {
    /// Whether the caller is let in.
    pub(super) allowed: bool,
    /// What it says about the caller.
    pub(super) context: Map<String, Value>,
    /// Fields that are null for this caller, as (type, field).
    pub(super) denied_fields: Vec<(String, String)>,
    /// How many seconds the decision holds, if it says so itself.
    pub(super) ttl: Option<u64>,
}

impl Decision {
    /// Reads an answer. What is not understood makes it no answer: a field that shall be hidden must not be shown
    /// because its name was spelled in an unknown way.
    pub(super) fn read(answer: &Value) -> Result<Decision, String> {
        let allowed = answer["isAuthorized"]
            .as_bool()
            .ok_or("isAuthorized is no boolean")?;
        let denied = match &answer["deniedFields"] {
            Value::Null => &[],
            Value::Array(fields) => fields.as_slice(),
            _ => return Err("deniedFields is no list".to_owned()),
        };
        let denied_fields = denied
            .iter()
            .map(|field| {
                let name = field.as_str().and_then(type_and_field);
                name.ok_or_else(|| {
                    format!("{field} in deniedFields is neither Type.field nor the ARN of a field")
                })
            })
            .collect::<Result<_, _>>()?;
        let ttl = match &answer["ttlOverride"] {
            Value::Null => None,
            ttl => Some(ttl.as_u64().ok_or("ttlOverride is no number of seconds")?),
        };
        Ok(Decision {
            allowed,
            context: context(&answer["resolverContext"])?,
            denied_fields,
            ttl: ttl.map(|ttl| ttl.min(LONGEST_TTL)),
        })
    }
}

/// Only scalars are passed on; nested values are dropped, as by AppSync.
fn context(value: &Value) -> Result<Map<String, Value>, String> {
    match value {
        Value::Null => Ok(Map::new()),
        Value::Object(members) => Ok(members
            .iter()
            .filter(|(_, value)| !value.is_object() && !value.is_array() && !value.is_null())
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()),
        _ => Err("resolverContext is no object".to_owned()),
    }
}

/// `Type.field`, or `arn:aws:appsync:…:apis/ID/types/Type/fields/field`.
fn type_and_field(text: &str) -> Option<(String, String)> {
    let (name, field) = match text.strip_prefix("arn:") {
        Some(arn) => arn.split_once("/types/")?.1.split_once("/fields/")?,
        None => text.split_once('.')?,
    };
    let is_name = |text: &str| {
        !text.is_empty()
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    (is_name(name) && is_name(field)).then(|| (name.to_owned(), field.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_in_appsyncs_words() {
        let answer = json!({
            "isAuthorized": true,
            "resolverContext": {"tenant": "t1", "level": 3, "admin": false, "nested": {"a": 1}, "list": []},
            "deniedFields": ["Post.secret", "arn:aws:appsync:us-east-1:111122223333:apis/abc/types/Mutation/fields/createPost"],
            "ttlOverride": 10,
        });
        let decision = Decision::read(&answer).expect("an answer");
        assert!(decision.allowed);
        assert_eq!(
            Value::Object(decision.context),
            json!({"tenant": "t1", "level": 3, "admin": false})
        );
        let names = |name: &str, field: &str| (name.to_owned(), field.to_owned());
        assert_eq!(
            decision.denied_fields,
            [names("Post", "secret"), names("Mutation", "createPost")]
        );
        assert_eq!(decision.ttl, Some(10));
        let least = Decision::read(&json!({"isAuthorized": false})).expect("an answer");
        assert_eq!(least, Decision::default());
    }

    #[test]
    fn an_answer_that_is_not_understood_is_none() {
        for answer in [
            json!({}),
            json!(null),
            json!([]),
            json!({"isAuthorized": "true"}),
            json!({"isAuthorized": true, "deniedFields": "Post.secret"}),
            json!({"isAuthorized": true, "deniedFields": ["secret"]}),
            json!({"isAuthorized": true, "deniedFields": ["Post.secret.deep"]}),
            json!({"isAuthorized": true, "deniedFields": [7]}),
            json!({"isAuthorized": true, "deniedFields": ["arn:aws:appsync:x"]}),
            json!({"isAuthorized": true, "resolverContext": "x"}),
            json!({"isAuthorized": true, "ttlOverride": -1}),
            json!({"isAuthorized": true, "ttlOverride": "10"}),
        ] {
            assert!(Decision::read(&answer).is_err(), "{answer}");
        }
    }
}
