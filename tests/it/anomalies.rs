//! The anomalies of `sync-design.md` 14, each under its number: what goes wrong in naive designs is provoked on purpose,
//! with clocks and pauses in the test's hand. `docs/anomalies.md` lists them all.
//!
//! A case is a function over a [`Rig`](crate::support::rig::Rig). It must hold on every store; over a store with the
//! naive way built in ([`crate::support::bent::Flaw`]) it must fail, or it would prove nothing.

mod bent_sql;
mod clocks;
mod deltas;
mod events;
mod indexes;
mod loops;
mod order;
mod pages;
mod purges;
mod retries;
mod tokens;
