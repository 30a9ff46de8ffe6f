//! The API as clients see it, over HTTP, with SQLite and with Postgres.

mod conflicts;
mod events;
mod extremes;
mod faults;
mod filters;
mod introspection;
mod keys;
mod mutations;
mod nodes;
mod operators;
mod published;
mod queries;
mod random;
mod reading;
mod relations;
mod scalar_tables;
mod scalars;
mod selections;
mod switches;
mod syncs;
mod tombstones;
mod unserved;
mod writing;
