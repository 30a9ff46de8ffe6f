//! From an Amplify schema to the AppSync API it promises, and what every field of that API does.
//!
//! Decisions are pure functions of values; reading and writing happens behind the ports [`storage::Storage`]
//! and [`feed::Feed`], time and ids behind [`clock`]. This crate knows neither SQL nor HTTP nor sockets.
//! In reading order:
//!
//! * [`schema`] – SDL → the model IR, with every problem of the schema at once;
//! * [`api`] – the generated API: types, validation, coercion, execution, errors;
//! * [`identity`], [`authz`] – who calls, and what a rule lets them do;
//! * [`filter`] – the one predicate behind filters, conditions, selective sync and row rules;
//! * [`query`], [`mutation`], [`sync`], [`relation`], [`subscription`] – what the fields do;
//! * [`tombstone`] – when a deleted record is gone for good;
//! * [`engine`] – what resolvers work with; [`page`] – sealed page tokens; [`asked`] – what the log keeps of a request;
//!   [`pacing`] – clients in a loop; [`weight`] – what records take;
//! * [`storage`], [`feed`], [`notice`], [`journal`], [`clock`] – the ports.

pub mod api;
pub mod asked;
pub mod authz;
pub mod clock;
pub mod engine;
pub mod feed;
pub mod filter;
#[cfg(test)]
mod fixtures;
pub mod identity;
pub mod journal;
pub mod mutation;
pub mod notice;
pub mod pacing;
pub mod page;
pub mod query;
pub mod relation;
pub mod schema;
pub mod storage;
pub mod subscription;
pub mod sync;
pub mod tombstone;
pub mod weight;

pub use driftless_conflict_handlers::{Fields, Record, Timestamp, Version};
