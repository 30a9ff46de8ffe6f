//! The wish to stop: Ctrl-C, or SIGTERM from whoever runs containers.

use std::io;

/// Hears the wish from the moment it is made, so that none is lost between being ready and waiting for it.
pub(super) struct Stop {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
}

/// The wish of an operator that the configuration is read anew: SIGHUP.
pub(super) struct Hangup {
    #[cfg(unix)]
    signal: tokio::signal::unix::Signal,
}

impl Hangup {
    /// Begins to listen.
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Hangup {
            #[cfg(unix)]
            signal: tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup())?,
        })
    }

    /// Waits for the wish.
    pub(super) async fn wished(&mut self) {
        #[cfg(unix)]
        if self.signal.recv().await.is_some() {
            return;
        }
        std::future::pending::<()>().await;
    }
}

impl Stop {
    /// Begins to listen; from now on a signal does not end the process by itself.
    #[cfg(unix)]
    pub(super) fn listen() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Stop {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for the wish.
    #[cfg(unix)]
    pub(super) async fn wished(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// Begins to listen.
    #[cfg(not(unix))]
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Stop {})
    }

    /// Waits for the wish.
    #[cfg(not(unix))]
    pub(super) async fn wished(&mut self) {
        let _ = tokio::signal::ctrl_c().await;
    }
}
