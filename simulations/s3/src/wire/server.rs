//! The socket: an accept loop, a bounded number of connections, and their end.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use s3s::service::S3ServiceBuilder;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};

use super::gate::Gate;
use super::guard::Guard;
use crate::ops::Operations;
use crate::twin::Twin;

/// Connections open at once; more wait to be accepted.
const CONNECTIONS: usize = 4096;

/// The most bytes of a request's head, and of a body read at once.
const BUFFER: usize = 256 * 1024;

/// The most headers of a request: S3 takes no more than 8 KiB of them.
const HEADERS: usize = 200;

/// How long a connection may be silent between requests: S3 closes idle ones after 5 to 20 seconds.
const IDLE: Duration = Duration::from_secs(20);

/// A twin on a socket. Dropping it closes the socket and every connection.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    accepting: JoinHandle<()>,
}

impl Twin {
    /// Serves HTTP/1.1 on a listener until the [`Server`] is dropped. A twin may be served on several.
    ///
    /// # Errors
    /// When the listener has no address.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn serve(&self, listener: TcpListener) -> io::Result<Server> {
        let mut service = S3ServiceBuilder::new(Operations(self.clone()));
        service.set_auth(Guard(self.clone()));
        service.set_access(Guard(self.clone()));
        let gate = Gate::new(self.clone(), service.build());
        Ok(Server { address: listener.local_addr()?, accepting: tokio::spawn(accept(listener, gate)) })
    }
}

impl Server {
    /// The URL at which it is reached, such as `http://127.0.0.1:9000`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Closes the socket and every connection; returns when all are closed.
    pub async fn stop(mut self) {
        self.accepting.abort();
        // It ends as cancelled, which is what was asked for.
        let _cancelled = (&mut self.accepting).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, gate: Gate) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    // Dropped with this task, and the connections with it.
    let mut connections = JoinSet::new();
    loop {
        let permit = room.clone().acquire_owned().await.expect("the semaphore is never closed");
        while connections.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, peer)) => {
                let gate = gate.clone();
                connections.spawn(async move {
                    serve(stream, peer.ip(), gate).await;
                    drop(permit);
                });
            }
            Err(error) => {
                // Out of descriptors, most likely; a pause lets connections end.
                tracing::warn!(%error, "cannot accept");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }
}

async fn serve(stream: TcpStream, peer: IpAddr, gate: Gate) {
    let latency = gate.connected();
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot set nodelay");
    }
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE)
        .max_buf_size(BUFFER)
        .max_headers(HEADERS)
        .serve_connection(TokioIo::new(stream), service_fn(move |request| gate.clone().answer(peer, request)))
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "connection ended");
    }
}
