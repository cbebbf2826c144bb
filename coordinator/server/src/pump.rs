//! Handing what comes through a channel on to an actor.

use ractor::ActorRef;
use tokio::sync::{mpsc, oneshot};

/// Most items handed on in one message.
const TOGETHER_MAX: usize = 64;

/// Comes with a message and is dropped when that has been handled.
pub(crate) type Handled = oneshot::Sender<()>;

/// Hands on to `actor` whatever comes, as many items at a time as have come, and the next only when those have
/// been handled: ractor's mailboxes have no bound, but what waits in `items` does. Returns when the channel is
/// closed and empty, or the actor gone.
pub(crate) async fn pump<T, M: ractor::Message>(
    mut items: mpsc::Receiver<T>,
    actor: &ActorRef<M>,
    message: impl Fn(Vec<T>, Handled) -> M,
) {
    let mut together = Vec::new();
    while items.recv_many(&mut together, TOGETHER_MAX).await > 0 {
        let (handled, done) = oneshot::channel();
        if actor.cast(message(std::mem::take(&mut together), handled)).is_err() {
            return;
        }
        // Nothing is ever sent through it.
        let _ = done.await;
    }
}
