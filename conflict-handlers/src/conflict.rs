//! The question a version conflict asks: everything that is known when it is decided.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::record::{Change, Fields, Record, Version};

/// How a stored value takes part in a merge (`sync-semantics` 6.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Strings, numbers, booleans, enums and every AWS scalar but `AWSJSON`.
    Scalar,
    /// A list of anything; merged by appending.
    List,
    /// A nested type; merged field by field.
    Map(Kinds),
    /// `AWSJSON`: JSON in a string, merged by what the text holds.
    Json,
}

/// The kinds of a type's fields, by field name.
pub type Kinds = BTreeMap<String, Kind>;

/// What the client asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Operation {
    /// `updateX`.
    #[default]
    Update,
    /// `deleteX`.
    Delete,
}

/// One of the versions that were written since the client looked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// The record as that write left it.
    pub record: Record,
    /// Who wrote it, if the log knows.
    #[serde(default)]
    pub writer: Option<String>,
}

/// A write that was based on another version than the stored one.
#[derive(Debug, Clone, Copy)]
pub struct Conflict<'a> {
    /// The model's name.
    pub model: &'a str,
    /// What the client asked for.
    pub operation: Operation,
    /// The record as it is stored now.
    pub stored: &'a Record,
    /// What the client asked to change; empty for a delete.
    pub change: &'a Change,
    /// The document this change alone would have made: the stored one overlaid by it (`newItem` of AppSync).
    pub proposed: &'a Fields,
    /// The record as the client saw it, if the log still holds that version and the strategy asked for it.
    pub base: Option<&'a Record>,
    /// The versions after that one up to the stored one, oldest first; empty unless the strategy asked for them.
    pub steps: &'a [Step],
    /// The kinds of the model's fields.
    pub kinds: &'a Kinds,
    /// Who asks, and how.
    pub request: &'a Request,
    /// How often this mutation has been decided, this time included.
    pub attempt: u32,
}

/// The mutation around a conflict, for handlers that are programs of their own.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Request {
    /// The name of the mutation's field, e.g. `updatePost`.
    pub field: String,
    /// The names of the key's fields, in key order.
    pub key: Vec<String>,
    /// The arguments of the field: `input` and, if it was given, `condition`.
    pub arguments: Fields,
    /// AppSync's identity object; null for API keys.
    pub identity: serde_json::Value,
    /// The caller as the log writes it, if that tells one device from another: somebody signed in, not the holder of a
    /// key that many devices share.
    pub device: Option<String>,
    /// The types of the model's fields as the schema writes them, e.g. `[String!]`.
    pub types: BTreeMap<String, String>,
    /// The names of fields that the server set, not the client.
    pub stamps: Vec<String>,
    /// How often a mutation is decided at most.
    pub max_attempts: u32,
}

impl Conflict<'_> {
    /// Whether the server set this field itself (`updatedAt`).
    #[must_use]
    pub fn is_stamp(&self, field: &str) -> bool {
        self.request.stamps.iter().any(|stamp| stamp == field)
    }

    /// The version the client based its change on.
    #[must_use]
    pub fn client_version(&self) -> Option<Version> {
        self.change.base
    }

    /// The fields the client wants removed: those it sent as null.
    pub fn removed(&self) -> impl Iterator<Item = &str> {
        let fields = self.change.fields.iter();
        fields.filter_map(|(name, value)| value.is_null().then_some(name.as_str()))
    }
}
