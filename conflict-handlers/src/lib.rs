//! What a versioned record is, and how two versions of it become one.
//!
//! Everything here is a pure function of values: no GraphQL, no SQL, no sockets, no clock.
//! In reading order:
//!
//! * [`record`] – a record, its version, and what a client asked to change;
//! * [`handler`] – the question a conflict asks and the answers it can get;
//! * [`automerge`] – AppSync's Automerge rules (the default);
//! * [`optimistic`] – Optimistic Concurrency: refuse and show the stored record.

pub mod automerge;
pub mod handler;
pub mod optimistic;
pub mod record;

pub use handler::{Conflict, ConflictHandler, Kind, Kinds, Resolution};
pub use record::{Change, Fields, Record, Timestamp, Version};
