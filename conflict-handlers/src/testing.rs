//! Conflicts for tests, with as little ceremony as possible.

use serde_json::{Value, json};

use crate::conflict::{Conflict, Kind, Kinds, Operation, Request, Step};
use crate::decision::{Decision, Resolution, Rule};
use crate::handler::Strategy;
use crate::record::{Change, Fields, Record, Timestamp, Version};

/// The members of a JSON object.
pub(crate) fn object(value: Value) -> Fields {
    match value {
        Value::Object(members) => members,
        other => panic!("not an object: {other}"),
    }
}

/// A live record of this version.
pub(crate) fn record(version: u32, fields: Value) -> Record {
    Record {
        fields: object(fields),
        version: Version(version),
        last_changed_at: Timestamp(i64::from(version) * 1_000),
        deleted: false,
    }
}

/// A conflict that can be varied.
pub(crate) struct Case {
    pub(crate) operation: Operation,
    pub(crate) stored: Record,
    pub(crate) base: Option<Record>,
    pub(crate) steps: Vec<Step>,
    pub(crate) change: Change,
    pub(crate) kinds: Kinds,
    pub(crate) request: Request,
}

impl Case {
    /// Version 5 is stored, the client saw version 4 and sends this; nothing else is known.
    pub(crate) fn new(stored: Value, incoming: Value) -> Self {
        let nested = Kinds::from([
            ("a".to_owned(), Kind::Scalar),
            ("b".to_owned(), Kind::List),
            ("meta".to_owned(), Kind::Json),
        ]);
        Case {
            operation: Operation::Update,
            stored: record(5, stored),
            base: None,
            steps: Vec::new(),
            change: Change {
                fields: object(incoming),
                base: Some(Version(4)),
            },
            kinds: Kinds::from([
                ("name".to_owned(), Kind::Scalar),
                ("jersey".to_owned(), Kind::Scalar),
                ("points".to_owned(), Kind::List),
                ("nested".to_owned(), Kind::Map(nested)),
                ("meta".to_owned(), Kind::Json),
            ]),
            request: Request {
                field: "updatePlayer".to_owned(),
                key: vec!["id".to_owned()],
                arguments: object(json!({"input": {"id": "p", "_version": 4}})),
                stamps: vec!["updatedAt".to_owned()],
                max_attempts: 10,
                ..Request::default()
            },
        }
    }

    /// The same, and this is what the client saw.
    pub(crate) fn over(base: Value, stored: Value, incoming: Value) -> Self {
        let mut case = Case::new(stored, incoming);
        case.base = Some(record(4, base));
        case.steps = vec![Step {
            record: case.stored.clone(),
            writer: Some("somebody else".to_owned()),
        }];
        case
    }

    pub(crate) fn ask<T>(&self, question: impl FnOnce(&Conflict<'_>) -> T) -> T {
        let mut proposed = self.stored.fields.clone();
        for (name, value) in &self.change.fields {
            if value.is_null() {
                proposed.shift_remove(name);
            } else {
                proposed.insert(name.clone(), value.clone());
            }
        }
        question(&Conflict {
            model: "Player",
            operation: self.operation,
            stored: &self.stored,
            change: &self.change,
            proposed: &proposed,
            base: self.base.as_ref(),
            steps: &self.steps,
            kinds: &self.kinds,
            request: &self.request,
            attempt: 1,
        })
    }

    pub(crate) fn resolve(&self, strategy: &dyn Strategy) -> Resolution {
        self.ask(|conflict| strategy.resolve(conflict))
    }

    /// The document a strategy makes.
    pub(crate) fn merged(&self, strategy: &dyn Strategy) -> Value {
        match self.resolve(strategy).decision {
            Decision::Replace(fields) => Value::Object(fields),
            other => panic!("no document: {other:?}"),
        }
    }
}

/// The rule that decided a field.
pub(crate) fn rule(resolution: &Resolution, field: &str) -> Option<Rule> {
    let verdict = |verdict: &&crate::Verdict| verdict.field == field;
    Some(resolution.verdicts.iter().find(verdict)?.rule)
}
