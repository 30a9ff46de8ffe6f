//! What several tests share.

pub(crate) mod accounts;
pub(crate) mod audit;
pub(crate) mod backend;
pub(crate) mod bent;
pub(crate) mod cluster;
pub(crate) mod components;
pub(crate) mod issuer;
pub(crate) mod line;
pub(crate) mod models;
pub(crate) mod nats;
pub(crate) mod nats_operator;
pub(crate) mod pgbouncer;
pub(crate) mod postgres;
pub(crate) mod probe;
pub(crate) mod rig;
pub(crate) mod server;
pub(crate) mod signer;
pub(crate) mod site;
pub(crate) mod stores;
pub(crate) mod trace;
pub(crate) mod victim;
