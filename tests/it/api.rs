//! The API as clients see it, over HTTP, with SQLite and with Postgres.

mod conflicts;
mod mutations;
