//! Measuring a server against the least program that could do the same work, in the same run on the same machine.
//!
//! Absolute numbers say more about the machine and the hour than about the server; the ratio of two programs measured
//! in turns holds. The limit program ([`limit`]) speaks hand-written HTTP and WebSocket and runs the least SQL; it has
//! no GraphQL, no authorization and no versions to compare, so it is a bound and no competitor.

pub mod fanout;
pub mod limit;
pub mod load;
pub mod plan;
pub mod process;
pub mod table;
