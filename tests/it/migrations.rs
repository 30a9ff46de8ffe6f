//! A database comes to a new schema: step by step, while others read and write, and after being killed anywhere.

#![expect(
    clippy::unwrap_used,
    reason = "what a store must answer is what the case tests"
)]

mod command;
mod place;
mod plan;
mod reload;
mod removal;
mod steps;
mod views;
