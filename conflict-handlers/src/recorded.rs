//! A conflict written down: what met, who decided, and why each field came out as it did. It holds all that is needed to
//! decide it again, by the same rule or by another.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::conflict::{Conflict, Kind, Kinds, Operation, Request, Step};
use crate::decision::Verdict;
use crate::record::{Change, Fields, Record, Timestamp, Version};

/// One conflict and its outcome, as the journal keeps it. Written by hand it needs `model`, `stored` and `incoming` only.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Recorded {
    /// The model's name.
    pub model: String,
    /// What the client asked for.
    #[serde(default)]
    pub operation: Operation,
    /// The record's key in its canonical form.
    #[serde(default)]
    pub key: String,
    /// When it was decided, in milliseconds since 1970.
    #[serde(default)]
    pub at: Timestamp,
    /// Who asked, as the log writes it.
    #[serde(default)]
    pub actor: Option<String>,
    /// Who decided, e.g. `automerge`.
    #[serde(default)]
    pub strategy: String,
    /// What came of it, in one word: `resolved`, `rejected`, `removed`, `kept`, `failed`, `condition`.
    #[serde(default)]
    pub outcome: String,
    /// Why there was no decision that could be used, if there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How often it was decided, because the record moved meanwhile.
    #[serde(default)]
    pub attempts: u32,
    /// The version the client saw; none if it sent none.
    #[serde(default)]
    pub client_version: Option<Version>,
    /// The record as the client saw it, as far as it is known.
    #[serde(default)]
    pub base: Option<Record>,
    /// What was written since then, as far as it was looked at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Step>,
    /// The record as it was stored.
    pub stored: Record,
    /// What the client sent, nulls for what it wants removed.
    #[serde(default)]
    pub incoming: Fields,
    /// The record afterwards, if something was written.
    #[serde(default)]
    pub result: Option<Record>,
    /// Why each field came out as it did.
    #[serde(default)]
    pub verdicts: Vec<Verdict>,
    /// The mutation's field, e.g. `updatePost`.
    #[serde(default)]
    pub field: String,
    /// The mutation's arguments.
    #[serde(default)]
    pub arguments: Fields,
    /// The caller as AppSync shows it to handlers.
    #[serde(default)]
    pub identity: Value,
    /// The types of the model's fields as the schema writes them.
    #[serde(default)]
    pub types: BTreeMap<String, String>,
    /// The names of the key's fields.
    #[serde(default)]
    pub key_fields: Vec<String>,
    /// The fields the server set itself.
    #[serde(default)]
    pub stamps: Vec<String>,
}

/// A recorded conflict, ready to be decided again.
#[derive(Debug, Clone)]
pub struct Replay {
    recorded: Recorded,
    change: Change,
    proposed: Fields,
    kinds: Kinds,
    request: Request,
}

impl Recorded {
    /// The same question again.
    #[must_use]
    pub fn replay(self) -> Replay {
        let mut proposed = self.stored.fields.clone();
        for (name, value) in &self.incoming {
            if value.is_null() {
                proposed.shift_remove(name);
            } else {
                proposed.insert(name.clone(), value.clone());
            }
        }
        Replay {
            change: Change {
                fields: self.incoming.clone(),
                base: self.client_version,
            },
            proposed,
            kinds: self
                .types
                .iter()
                .map(|(name, ty)| (name.clone(), kind(ty)))
                .collect(),
            request: Request {
                field: self.field.clone(),
                key: self.key_fields.clone(),
                arguments: self.arguments.clone(),
                identity: self.identity.clone(),
                device: self
                    .actor
                    .clone()
                    .filter(|actor| actor.contains(" session:")),
                types: self.types.clone(),
                stamps: self.stamps.clone(),
                max_attempts: self.attempts.max(1),
            },
            recorded: self,
        }
    }
}

impl Replay {
    /// The question.
    #[must_use]
    pub fn conflict(&self) -> Conflict<'_> {
        Conflict {
            model: &self.recorded.model,
            operation: self.recorded.operation,
            stored: &self.recorded.stored,
            change: &self.change,
            proposed: &self.proposed,
            base: self.recorded.base.as_ref(),
            steps: &self.recorded.steps,
            kinds: &self.kinds,
            request: &self.request,
            attempt: self.recorded.attempts.max(1),
        }
    }

    /// What was written down.
    #[must_use]
    pub fn recorded(&self) -> &Recorded {
        &self.recorded
    }
}

/// What a type's name tells of how its values merge; nested types merge by the shape of what they hold.
fn kind(ty: &str) -> Kind {
    let plain = ty.trim_end_matches('!');
    if plain.starts_with('[') {
        Kind::List
    } else if plain == "AWSJSON" {
        Kind::Json
    } else {
        Kind::Scalar
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::automerge::Automerge;
    use crate::decision::Decision;
    use crate::handler::Strategy;

    #[test]
    fn a_conflict_written_by_hand_is_decided_as_a_recorded_one() {
        let recorded: Recorded = serde_json::from_value(json!({
            "model": "Player",
            "stored": {"fields": {"id": "p", "points": [1], "meta": "{\"k\":1}"}, "version": 3},
            "incoming": {"points": [2], "meta": "{\"z\":2}"},
            "types": {"points": "[Int!]", "meta": "AWSJSON"}
        }))
        .unwrap();
        let replay = recorded.replay();
        let resolution = Automerge.resolve(&replay.conflict());
        let expected = json!({"id": "p", "points": [1, 2], "meta": "{\"k\":1,\"z\":2}"});
        let Decision::Replace(fields) = resolution.decision else {
            panic!("no document");
        };
        assert_eq!(Value::Object(fields), expected);
    }
}
