//! A versioned record, and what a client asked to change about one.

use serde::{Deserialize, Serialize};

/// The document of a record: its fields in schema order, without the sync metadata.
///
/// An attribute that is absent was never set (or was removed); `null` was stored on purpose.
/// Filters tell the two apart (`transformer.md` 6.6), readers see `null` for both.
pub type Fields = serde_json::Map<String, serde_json::Value>;

/// `_version`: 1 for a created record, plus one for every accepted write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Version(pub u32);

impl Version {
    /// The version of a record that has just been created.
    pub const FIRST: Version = Version(1);

    /// The version after one more write, or `None` where GraphQL's 32-bit `Int` ends (`sync-semantics` META-1).
    #[must_use]
    pub fn next(self) -> Option<Version> {
        (self.0 < i32::MAX as u32).then(|| Version(self.0 + 1))
    }
}

/// A point in time, in milliseconds since 1970 (UTC); the unit of `_lastChangedAt` and `startedAt`.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Timestamp(pub i64);

/// One stored version of a record. A tombstone keeps its fields (`sync-semantics` MUT-6).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Record {
    /// The document: key fields, plain fields, foreign keys and timestamps.
    pub fields: Fields,
    /// `_version`.
    #[serde(default = "first")]
    pub version: Version,
    /// `_lastChangedAt`.
    #[serde(default)]
    pub last_changed_at: Timestamp,
    /// Whether this is a tombstone (`_deleted: true`).
    #[serde(default)]
    pub deleted: bool,
}

fn first() -> Version {
    Version::FIRST
}

/// What an update asks for: only what the client sent, plus what the server sets itself.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Change {
    /// Fields to set; an explicit `null` removes the attribute (`sync-semantics` MUT-2). Keys are not in here.
    pub fields: Fields,
    /// The `_version` the client based its change on; `None` if it sent none.
    pub base: Option<Version>,
}
