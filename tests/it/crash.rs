//! Ends without warning, of the server and of what it stands on, at every moment of a write: what was acknowledged is
//! stored, nothing is half done, and a client that sends its mutation again gets through.

mod backups;
mod clock;
mod disk;
mod failover;
mod ledger;
mod migration;
mod nodes;
mod points;
mod postgres;
mod power;
mod restore;
mod server;
mod takeover;
mod unknown;
mod writers;
