//! How far a body has come.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// What is handed to the network at once, in bytes: small beside a part, large beside the cost of counting.
const PIECE: usize = 128 << 10;

/// Bytes that the network has taken, counted while they go. Clones share one count.
///
/// It runs ahead of what has arrived by what the HTTP client and the sockets hold, and does not go back when an
/// attempt fails.
#[derive(Clone, Debug, Default)]
pub struct Progress(Arc<AtomicU64>);

impl Progress {
    /// How many so far.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// A body in memory, handed over piece by piece without a copy, and counted.
#[derive(Debug)]
pub(crate) struct Counted {
    left: Bytes,
    progress: Progress,
}

impl Counted {
    pub(crate) fn new(body: Bytes, progress: Progress) -> Self {
        Self { left: body, progress }
    }
}

impl Body for Counted {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let size = self.left.len().min(PIECE);
        if size == 0 {
            return Poll::Ready(None);
        }
        self.progress.0.fetch_add(size as u64, Relaxed);
        Poll::Ready(Some(Ok(Frame::data(self.left.split_to(size)))))
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left.len() as u64)
    }
}
