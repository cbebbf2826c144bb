//! What a body pays of its client's budget before it moves on.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

use crate::behaviour::throttle::Peer;
use crate::twin::Twin;

/// How long a body waits before it asks again, at most, so that a throttle that is lifted or changed has its
/// effect on those that wait.
const PATIENCE: Duration = Duration::from_millis(50);

/// Where one body asks for its bytes to pass.
pub(super) struct Toll {
    twin: Twin,
    peer: Arc<Peer>,
    waiting: Option<Pin<Box<Sleep>>>,
}

impl Toll {
    /// For a body that a peer sends or receives.
    pub(super) fn new(twin: Twin, peer: Arc<Peer>) -> Self {
        Self { twin, peer, waiting: None }
    }

    /// Ready with how many of `wanted` bytes pass.
    pub(super) fn poll_grant(&mut self, wanted: u64, cx: &mut Context<'_>) -> Poll<u64> {
        loop {
            if let Some(waiting) = &mut self.waiting {
                ready!(waiting.as_mut().poll(cx));
                self.waiting = None;
            }
            let now = Instant::now().into_std();
            let wait = match self.twin.throttles().grant(&self.peer, wanted, now) {
                Ok(granted) => return Poll::Ready(granted),
                Err(wait) => wait,
            };
            self.waiting = Some(Box::pin(sleep(wait.min(PATIENCE))));
        }
    }
}
