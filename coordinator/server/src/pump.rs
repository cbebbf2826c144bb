//! Handing a node's reports on to the coordinator.

use proto::report::Report;
use tokio::sync::{mpsc, oneshot};

use crate::member::Member;

/// Most reports handed on in one message.
const TOGETHER_MAX: usize = 64;

/// Comes with a message and is dropped when that has been handled.
pub(crate) type Handled = oneshot::Sender<()>;

/// Hands on whatever comes, as many reports at a time as have come, and the next only when those have been
/// handled: ractor's mailboxes have no bound, but what waits in `reports` does. Returns when the channel is closed
/// and empty, or the coordinator gone.
pub(crate) async fn pump(mut reports: mpsc::Receiver<Report>, member: &Member) {
    let mut together = Vec::new();
    while reports.recv_many(&mut together, TOGETHER_MAX).await > 0 {
        let (handled, done) = oneshot::channel();
        if !member.report(std::mem::take(&mut together), handled) {
            return;
        }
        // Nothing is ever sent through it.
        let _ = done.await;
    }
}
