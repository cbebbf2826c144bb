//! Ctrl-C, SIGTERM and a closed terminal: the first asks for an orderly end, the second ends at once.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::exit_code::{HUNG_UP, INTERRUPTED, TERMINATED};

/// Hears the signals that ask to stop.
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    /// Begins to listen; from now on they no longer end the process by themselves.
    pub(crate) fn listen() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// From now on the next one ends the process at once, with the exit code it stands for.
    pub(crate) fn next_exits(mut self) {
        tokio::spawn(async move { std::process::exit(i32::from(self.next().await)) });
    }

    /// Waits for the next one; gives the exit code it stands for.
    pub(crate) async fn next(&mut self) -> u8 {
        tokio::select! {
            _ = self.interrupt.recv() => INTERRUPTED,
            _ = self.terminate.recv() => TERMINATED,
            _ = self.hangup.recv() => HUNG_UP,
        }
    }
}
