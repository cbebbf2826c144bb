//! Content as a body of s3s, and bodies of s3s read piece by piece.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use s3s::{Body, StdError};

use crate::content::Rope;

/// The largest frame of a body in bytes: large enough that frames cost nothing, small enough to share a core.
pub(crate) const FRAME: u64 = 1 << 20;

/// Content as a body, without a copy.
pub(super) struct RopeBody {
    rope: Rope,
    at: u64,
}

impl RopeBody {
    /// All of the rope. It stays what it was, whatever becomes of the object it was read from.
    pub(super) fn new(rope: Rope) -> Self {
        Self { rope, at: 0 }
    }
}

impl http_body::Body for RopeBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let chunk = self.rope.chunk(self.at, FRAME);
        self.at += chunk.len() as u64;
        Poll::Ready((!chunk.is_empty()).then(|| Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.at == self.rope.len()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rope.len() - self.at)
    }
}

/// The next piece of a body's data, `None` at its end.
pub(crate) async fn next_data(body: &mut Body) -> Result<Option<Bytes>, StdError> {
    loop {
        match std::future::poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await.transpose()? {
            None => return Ok(None),
            Some(frame) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
        }
    }
}
