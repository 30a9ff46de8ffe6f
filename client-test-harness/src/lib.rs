//! A minimal sync client written from the wire protocol only, and scenarios that prove convergence.
//!
//! It shares no code with the server, so that a bug cannot agree with itself. In reading order:
//!
//! * [`schema`], [`record`], [`document`] – the models under test and how they look on the wire;
//! * [`family`] – what differs between JS, iOS and Android clients;
//! * [`http`], [`realtime`], [`sync`] – the protocol;
//! * [`local_store`], [`outbox`], [`engine`] – the sync client;
//! * [`ledger`], [`frames`], [`oracle`], [`history`] – what was sent, what came back, and whether that can be true;
//! * [`chaos`] – breaking connections;
//! * [`trace`], [`scenario`], [`converge`], [`shrink`] – seeded runs, their verdicts and their smallest failures;
//! * [`crash`], [`witness`] – writers and a subscriber that nodes must not betray when some are killed;
//! * [`restore`] – devices that must agree with a server again that fell back to an older state;
//! * [`deployment`], [`writes`] – sending until it is answered, and what is sent;
//! * [`bench`] – measuring a server against the least program that could do its work;
//! * [`report`], [`cli`] – counting and commands.

pub mod bench;
pub mod chaos;
pub mod cli;
pub mod converge;
pub mod crash;
pub mod deployment;
pub mod document;
pub mod engine;
pub mod family;
pub mod frames;
pub mod history;
pub mod http;
pub mod ledger;
pub mod local_store;
pub mod oracle;
pub mod outbox;
pub mod realtime;
pub mod record;
pub mod report;
pub mod restore;
pub mod scenario;
pub mod schema;
pub mod shrink;
pub mod sync;
pub mod trace;
pub mod witness;
pub mod writes;
