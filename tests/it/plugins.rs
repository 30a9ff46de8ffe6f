//! Plugins: what a component may do, what becomes of one that does more, and what a client sees of it.

mod admin;
mod examples;
mod functions;
mod journal;
mod renamed;
mod sandbox;
mod seen_by_clients;
