//! Bodies made slow, short or wrong on their way.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use s3s::{Body, StdError};
use tokio::time::{Instant, Sleep, sleep_until, timeout};

use super::toll::Toll;
use crate::ops::{FRAME, next_data};

/// How long a client may be silent in the middle of a body that is not wanted any more.
const SILENCE: Duration = Duration::from_millis(500);

/// Reads and forgets what is left of a request's body, so that a client that is still sending is ready to
/// receive the answer: at most `limit` bytes of it, and only while they come.
pub(super) async fn drain(mut body: Body, limit: u64) {
    let mut left = limit;
    while let Ok(Ok(Some(data))) = timeout(SILENCE, next_data(&mut body)).await
        && left > 0
    {
        left = left.saturating_sub(data.len() as u64);
    }
}

/// How a body ends before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// It just ends.
    Short,
    /// With an error.
    Broken,
}

/// What is done to a body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Shape {
    /// Bytes a second.
    pub(super) bandwidth: Option<u64>,
    /// After how many bytes it ends, and how.
    pub(super) cut: Option<(u64, Ending)>,
    /// Which byte of it is flipped.
    pub(super) flip: Option<u64>,
}

/// Where a body is left that nobody read to its end.
pub(super) type Leftover = Arc<Mutex<Option<Body>>>;

/// A body with a [`Shape`].
pub(super) struct Shaped {
    inner: Body,
    shape: Shape,
    /// Data of `inner` that is still to be passed on.
    pending: Bytes,
    passed: u64,
    pace: Option<(Instant, Pin<Box<Sleep>>)>,
    toll: Option<Toll>,
    /// Whether what was passed on was given time to be written before the cut.
    settled: bool,
    leftover: Leftover,
}

impl Shaped {
    /// Gives a body a shape, and has it pay toll. It is left in `leftover` when this one is dropped.
    pub(super) fn new(inner: Body, shape: Shape, toll: Option<Toll>, leftover: Leftover) -> Self {
        Self { inner, shape, pending: Bytes::new(), passed: 0, pace: None, toll, settled: false, leftover }
    }

    /// How much of `pending` is passed on at once, in bytes.
    fn step(&self) -> u64 {
        let mut step = self.pending.len() as u64;
        if let Some((at, _)) = self.shape.cut {
            step = step.min(at - self.passed);
        }
        // A fiftieth of a second, so that the flow is even.
        self.shape.bandwidth.map_or(step, |bandwidth| step.min((bandwidth / 50).clamp(1, FRAME)))
    }

    /// Ready when so many bytes may have passed.
    fn poll_pace(&mut self, bytes: u64, cx: &mut Context<'_>) -> Poll<()> {
        let Some(bandwidth) = self.shape.bandwidth else {
            return Poll::Ready(());
        };
        let (start, sleep) =
            self.pace.get_or_insert_with(|| (Instant::now(), Box::pin(sleep_until(Instant::now()))));
        let due = *start + Duration::from_secs_f64(bytes as f64 / bandwidth as f64);
        if sleep.deadline() != due {
            sleep.as_mut().reset(due);
        }
        sleep.as_mut().poll(cx)
    }

    fn flipped(&self, data: Bytes) -> Bytes {
        match self.shape.flip.and_then(|at| usize::try_from(at.checked_sub(self.passed)?).ok()) {
            Some(at) if at < data.len() => {
                let mut copy = data.to_vec();
                copy[at] ^= 1;
                copy.into()
            }
            _ => data,
        }
    }
}

impl http_body::Body for Shaped {
    type Data = Bytes;
    type Error = StdError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, StdError>>> {
        let this = self.get_mut();
        if let Some((at, ending)) = this.shape.cut
            && this.passed >= at
        {
            // The writer looks after its buffer only when there is nothing to read, and drops it on an error.
            if !std::mem::replace(&mut this.settled, true) {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            return Poll::Ready((ending == Ending::Broken).then(|| Err("cut by a fault".into())));
        }
        while this.pending.is_empty() {
            let Some(frame) = ready!(Pin::new(&mut this.inner).poll_frame(cx)?) else {
                return Poll::Ready(None);
            };
            match frame.into_data() {
                Ok(data) => this.pending = data,
                Err(frame) => return Poll::Ready(Some(Ok(frame))),
            }
        }
        let mut step = this.step();
        ready!(this.poll_pace(this.passed + step, cx));
        if let Some(toll) = &mut this.toll {
            step = ready!(toll.poll_grant(step, cx));
        }
        let data = this.pending.split_to(usize::try_from(step).expect("part of what is pending"));
        let data = this.flipped(data);
        this.passed += step;
        Poll::Ready(Some(Ok(Frame::data(data))))
    }

    fn size_hint(&self) -> SizeHint {
        let pending = self.pending.len() as u64;
        let inner = self.inner.size_hint();
        let mut hint = SizeHint::new();
        if let Some(upper) = inner.upper() {
            hint.set_upper(upper + pending);
        }
        hint.set_lower(inner.lower() + pending);
        hint
    }
}

impl Drop for Shaped {
    fn drop(&mut self) {
        let body = std::mem::take(&mut self.inner);
        *self.leftover.lock().unwrap_or_else(PoisonError::into_inner) = Some(body);
    }
}
