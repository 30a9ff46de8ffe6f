//! The answers a conflict can get, and why each field came out as it did.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::record::Fields;

/// What shall become of a conflicting write.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// Store these fields as the next version; the mutation succeeds with them.
    Replace(Fields),
    /// Write nothing; the mutation succeeds with what is stored.
    Keep,
    /// Make the record a tombstone; the mutation succeeds with it.
    Remove,
    /// Refuse; the client gets `ConflictUnhandled` with the stored record.
    Reject(Rejection),
    /// Refuse with an error of the handler's own making.
    Fail(CustomError),
}

impl Decision {
    /// A refusal without further words.
    #[must_use]
    pub fn reject() -> Self {
        Decision::Reject(Rejection::default())
    }

    /// One word for logs and lists.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Decision::Replace(_) => "resolved",
            Decision::Keep => "kept",
            Decision::Remove => "removed",
            Decision::Reject(_) => "rejected",
            Decision::Fail(_) => "failed",
        }
    }
}

/// What a refusal says beyond AppSync's fixed words.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rejection {
    /// Instead of "Conflict resolver rejects mutation.".
    pub message: Option<String>,
    /// `errorInfo`. Android's and Flutter's clients do not bear one that is not null (`client-native` R19).
    pub info: Option<Value>,
}

/// An error with a type of the handler's choice.
#[derive(Debug, Clone, PartialEq)]
pub struct CustomError {
    /// `errorType`.
    pub error_type: String,
    /// `message`.
    pub message: String,
    /// `errorInfo`.
    pub info: Option<Value>,
}

/// A decision and its reasons.
#[derive(Debug, Clone, PartialEq)]
pub struct Resolution {
    /// What shall happen.
    pub decision: Decision,
    /// Why, field by field. Fields that nobody touched are not listed.
    pub verdicts: Vec<Verdict>,
}

impl Resolution {
    /// A decision that does not go by fields.
    #[must_use]
    pub fn whole(decision: Decision) -> Self {
        Resolution {
            decision,
            verdicts: Vec::new(),
        }
    }
}

/// What became of one field that the client sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The field; members of nested values are written `stats.points`.
    pub field: String,
    /// The rule that decided.
    pub rule: Rule,
}

/// A rule that decides a field. The first four are the words of AppSync's conflict log (`sync-semantics` 6.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// The stored value stays, the client's is dropped.
    Rejected,
    /// Nothing was stored; the client's value is.
    Added,
    /// The client's list was put behind the stored one.
    Appended,
    /// Both values are in the result, member by member.
    Merged,
    /// Both say the same.
    Equal,
    /// The client did not change it since the version it saw.
    Untouched,
    /// Only the client changed it since the version it saw: its value is stored.
    Applied,
    /// The client's value replaces the stored one, whoever else changed it.
    Overwritten,
    /// What the client added or took away was added to the stored number.
    Counted,
    /// The greater of both values.
    Greatest,
    /// The lesser of both values.
    Least,
    /// Every element once.
    United,
    /// A handler made a value that neither side had.
    Computed,
    /// The value is gone.
    Removed,
}

impl Rule {
    /// The rule in one word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Rule::Rejected => "rejected",
            Rule::Added => "added",
            Rule::Appended => "appended",
            Rule::Merged => "merged",
            Rule::Equal => "equal",
            Rule::Untouched => "untouched",
            Rule::Applied => "applied",
            Rule::Overwritten => "overwritten",
            Rule::Counted => "counted",
            Rule::Greatest => "greatest",
            Rule::Least => "least",
            Rule::United => "united",
            Rule::Computed => "computed",
            Rule::Removed => "removed",
        }
    }

    /// The rule in one sentence, for people who wonder where their value went.
    #[must_use]
    pub fn explanation(self) -> &'static str {
        match self {
            Rule::Rejected => "the stored value stays, the client's is dropped",
            Rule::Added => "nothing was stored, so the client's value is",
            Rule::Appended => "the client's list was put behind the stored one",
            Rule::Merged => "both values are in the result, member by member",
            Rule::Equal => "both sides say the same",
            Rule::Untouched => "the client did not change it since the version it saw",
            Rule::Applied => "only the client changed it, so its value is stored",
            Rule::Overwritten => "the client's value replaces the stored one",
            Rule::Counted => "what the client added was added to the stored number",
            Rule::Greatest => "the greater of both values",
            Rule::Least => "the lesser of both values",
            Rule::United => "every element of both sides once",
            Rule::Computed => "the handler made a value that neither side had",
            Rule::Removed => "the value is gone",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

/// The verdicts on a document that somebody else made, by comparing it with what went in.
#[must_use]
pub fn compared(stored: &Fields, incoming: &Fields, result: &Fields) -> Vec<Verdict> {
    let null = &Value::Null;
    let mut names: Vec<&String> = incoming.keys().collect();
    let changed = |name: &&String| {
        !incoming.contains_key(*name)
            && stored.get(*name).unwrap_or(null) != result.get(*name).unwrap_or(null)
    };
    names.extend(result.keys().filter(changed));
    names.extend(
        stored
            .keys()
            .filter(|name| !result.contains_key(*name))
            .filter(changed),
    );
    names
        .into_iter()
        .map(|name| {
            let of = |fields: &Fields| fields.get(name).cloned().unwrap_or(Value::Null);
            let (was, sent, is) = (of(stored), of(incoming), of(result));
            let asked = incoming.contains_key(name);
            let rule = match () {
                () if asked && was == sent && is == sent => Rule::Equal,
                () if asked && was.is_null() && is == sent => Rule::Added,
                () if is.is_null() => Rule::Removed,
                () if asked && is == sent => Rule::Overwritten,
                () if is == was => Rule::Rejected,
                () => Rule::Computed,
            };
            Verdict {
                field: name.clone(),
                rule,
            }
        })
        .collect()
}
