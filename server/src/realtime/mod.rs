//! Subscriptions over WebSockets, in AppSync's `graphql-ws` protocol (`realtime.md`).
//!
//! * [`protocol`] – the frames;
//! * [`handshake`] – what the upgrade request says: credentials in three styles, the subprotocol;
//! * [`session`] – one connection as a pure step function;
//! * [`socket`] – the task around a session that does what it says;
//! * [`hub`] – who listens to what, and the fan-out of events;
//! * [`room`] – who listens in one place; [`channel`] – one model's part of the hub: its log read in order;
//! * [`recent`] – what changed a moment ago, for replay and settling.

pub mod channel;
pub mod handshake;
pub mod hub;
pub mod protocol;
pub mod recent;
pub mod room;
pub mod session;
pub mod socket;

use std::time::Duration;

/// A limit to the size of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventLimit {
    /// The most bytes an event's payload may have.
    pub bytes: usize,
    /// What becomes of a greater one.
    pub over: Oversized,
}

/// What becomes of an event that is too large.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Oversized {
    /// Its sockets are closed, so that their clients come back and sync.
    #[default]
    Close,
    /// It is dropped, as by AppSync, and its subscribers never hear of it.
    Drop,
}

/// Times and bounds of sockets.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Between two `ka` frames (`errata.md` row 34).
    pub keep_alive: Duration,
    /// What `connection_ack` tells the client (`errata.md` row 35).
    pub connection_timeout_ms: u64,
    /// Live subscriptions per socket (`errata.md` row 37).
    pub subscriptions: usize,
    /// Sockets of this process; more are refused before the upgrade.
    pub sockets: usize,
    /// Frames waiting for a slow reader before its socket is closed.
    pub queue: usize,
    /// The largest frame a client may send.
    pub frame: usize,
    /// Tell DataStore's JavaScript client `OperationDisabled` where a start is refused: it drops all its subscriptions
    /// on `Unauthorized`, and one on this (`errata.md` row 8).
    pub gentle_denials: bool,
    /// Events of more bytes than this are not sent; without it all are (`errata.md` row 38).
    pub event_limit: Option<EventLimit>,
    /// Send DataStore clients what changed a moment ago, after `start_ack` and after bursts (`client-js` 13.1, 13.2).
    pub repairs: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            keep_alive: Duration::from_secs(30),
            connection_timeout_ms: 300_000,
            subscriptions: 1_000,
            sockets: 20_000,
            queue: 4_096,
            frame: 1 << 20,
            gentle_denials: true,
            event_limit: None,
            repairs: true,
        }
    }
}
