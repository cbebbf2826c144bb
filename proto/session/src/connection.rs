//! A session's connection, as either side holds it.

use std::convert::Infallible;
use std::time::Duration;

use proto::limits::LINGER_MS;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tonic::{Code, Streaming};

/// A live connection on which `O` is sent and `I` is read.
///
/// Its end, which is all that [`Incoming::next`] says, tells nothing of the session: the other side may come
/// back on a new connection.
#[derive(Debug)]
pub struct Connection<O, I> {
    /// The way out. It holds a few messages; a sender waits while the other side does not read, and is told when
    /// the connection has ended.
    pub outgoing: mpsc::Sender<O>,
    /// What the other side says. Dropping it hangs up.
    pub incoming: Incoming<I>,
}

impl<O, I> Connection<O, I> {
    /// Ends the connection once all that was sent has arrived, or has had its time.
    pub async fn close(self) {
        let Self { outgoing, mut incoming } = self;
        drop(outgoing);
        let _ = timeout(Duration::from_millis(LINGER_MS), async { while incoming.next().await.is_some() {} })
            .await;
    }
}

/// What the other side says.
#[derive(Debug)]
pub struct Incoming<I> {
    messages: Streaming<I>,
    _line: Line,
}

impl<I> Incoming<I> {
    pub(crate) fn new(messages: Streaming<I>, line: Line) -> Self {
        Self { messages, _line: line }
    }

    /// The next message; none when the connection has ended, for whatever reason. Nothing is lost when this is
    /// dropped before it has answered.
    pub async fn next(&mut self) -> Option<I> {
        self.messages.message().await.unwrap_or_else(|status| {
            let reason = status.message();
            if matches!(status.code(), Code::InvalidArgument | Code::OutOfRange) {
                tracing::warn!(reason, "hangs up on what may not be sent");
            } else {
                tracing::debug!(reason, "a connection ended");
            }
            None
        })
    }
}

/// Held by all who still have use for a connection; when none does, whoever drives it hangs up.
#[derive(Clone, Debug)]
pub(crate) struct Line(
    #[expect(dead_code, reason = "only its being dropped says something")] mpsc::Sender<Infallible>,
);

/// The driver's end of a [`Line`].
pub(crate) struct HungUp(mpsc::Receiver<Infallible>);

impl HungUp {
    /// Waits until nobody holds the line.
    pub(crate) async fn wait(&mut self) {
        self.0.recv().await;
    }
}

pub(crate) fn line() -> (Line, HungUp) {
    let (sender, receiver) = mpsc::channel(1);
    (Line(sender), HungUp(receiver))
}
