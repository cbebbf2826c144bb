//! A socket that notices when the other side sends too much too early, or takes nothing any more.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use proto::limits::{GREETING_BYTES_MAX, KEEPALIVE_MS, KEEPALIVE_TIMEOUT_MS};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

/// Time in which the other side must take some of what is to be written. A blocked connection cannot even be
/// asked whether it is alive, so the keepalive of HTTP/2 alone would not end it.
const STALL: Duration = Duration::from_millis(KEEPALIVE_MS + KEEPALIVE_TIMEOUT_MS);

/// What a connection has sent so far, and whether that is limited.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    heard_bytes: AtomicUsize,
    is_trusted: AtomicBool,
}

impl Meter {
    /// Whether nothing has come yet.
    pub(crate) fn is_silent(&self) -> bool {
        self.heard_bytes.load(Ordering::Relaxed) == 0
    }

    /// Lifts the limit.
    pub(crate) fn trust(&self) {
        self.is_trusted.store(true, Ordering::Relaxed);
    }

    fn hear(&self, bytes: usize) -> io::Result<()> {
        let heard = self.heard_bytes.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        if heard > GREETING_BYTES_MAX && !self.is_trusted.load(Ordering::Relaxed) {
            return Err(io::Error::other("more bytes than any greeting has"));
        }
        Ok(())
    }
}

/// A TCP connection under a [`Meter`].
pub(crate) struct Metered {
    socket: TcpStream,
    meter: Arc<Meter>,
    /// Runs while a write waits.
    stall: Option<Pin<Box<Sleep>>>,
}

impl Metered {
    pub(crate) fn new(socket: TcpStream, meter: Arc<Meter>) -> Self {
        Self { socket, meter, stall: None }
    }

    /// What a write came to, unless it has waited for too long.
    fn unless_stalled(
        &mut self,
        written: Poll<io::Result<usize>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.stall = None;
            return written;
        }
        ready!(self.stall.get_or_insert_with(|| Box::pin(sleep(STALL))).as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the other side takes nothing any more")))
    }
}

impl AsyncRead for Metered {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.socket).poll_read(context, buffer))?;
        Poll::Ready(self.meter.hear(buffer.filled().len() - before))
    }
}

impl AsyncWrite for Metered {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write(context, bytes);
        self.unless_stalled(written, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write_vectored(context, bytes);
        self.unless_stalled(written, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}
