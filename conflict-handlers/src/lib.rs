//! What a versioned record is, and how two versions of it become one.
//!
//! Every decision is a pure function of values: no GraphQL, no SQL, no sockets, no clock. Handlers that are programs of
//! the user's are reached through a port. In reading order:
//!
//! * [`record`] – a record, its version, and what a client asked to change;
//! * [`conflict`] – the question a conflict asks, with everything that is known;
//! * [`decision`] – the answers it can get, and why each field came out as it did;
//! * [`handler`] – who answers: a rule of ours or a program of the user's;
//! * [`automerge`] – AppSync's Automerge rules (the default); [`optimistic`] – refuse and show the stored record;
//! * [`three_way`], [`last_writer`], [`policies`] – better strategies, chosen by name;
//! * [`payload`], [`answer`] – the same question and answers as AppSync's Lambda handlers know them, and more;
//! * [`recorded`] – a conflict written down, to be read and decided again.

pub mod answer;
pub mod automerge;
pub mod conflict;
pub mod decision;
pub mod handler;
mod json_text;
pub mod last_writer;
#[cfg(test)]
mod laws;
mod number;
pub mod optimistic;
pub mod past;
pub mod payload;
pub mod policies;
pub mod record;
pub mod recorded;
#[cfg(test)]
mod testing;
pub mod three_way;
mod trail;

pub use conflict::{Conflict, Kind, Kinds, Operation, Request, Step};
pub use decision::{Decision, Resolution, Rule, Verdict};
pub use handler::{External, Fault, Handler, Needs, Strategy};
pub use record::{Change, Fields, Record, Timestamp, Version};
pub use recorded::Recorded;
