//! The Driftless server: everything that touches the world.
//!
//! * [`cli`] – the commands; [`config`] – what they are told; [`app`] – a running server;
//! * [`http`] – routes and refusals, one port for HTTP and TLS ([`tls`]);
//! * [`realtime`] – subscriptions over WebSockets;
//! * [`auth`] – credentials become identities; [`conflict`] – who decides conflicts;
//! * [`storage`] – the stores behind the ports; [`schema`] – the schema's file; [`migration`] – what it means for a store;
//! * [`wasm`] – running components that nobody trusts;
//! * [`telemetry`], [`metrics`], [`files`] – logs, figures and small files.

pub mod app;
pub mod auth;
pub mod cli;
pub mod config;
pub mod conflict;
pub mod files;
pub mod http;
pub mod metrics;
pub mod migration;
pub mod realtime;
pub mod schema;
pub mod storage;
pub mod telemetry;
pub mod tls;
pub mod wasm;
