//! How far away S3 is.

use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::connect::S3;

/// Connections opened to find out: the first may have to wait for DNS, and any for a busy machine.
const TRIES: usize = 3;
/// Longest time for each.
const TRY_LIMIT: Duration = Duration::from_secs(1);

impl S3 {
    /// How long it takes to open a connection to S3, at best of a few: within a region a millisecond or two. `None`
    /// when none could be opened, as through a proxy.
    pub async fn connect_time(&self) -> Option<Duration> {
        let mut best = None;
        for _ in 0..TRIES {
            let began = Instant::now();
            if let Ok(Ok(stream)) = timeout(TRY_LIMIT, TcpStream::connect(&*self.address)).await {
                // On this very machine only how busy that is would be measured.
                let is_here = stream.peer_addr().is_ok_and(|address| address.ip().is_loopback());
                let took = if is_here { Duration::ZERO } else { began.elapsed() };
                best = Some(best.map_or(took, |best: Duration| best.min(took)));
            }
        }
        best
    }
}
