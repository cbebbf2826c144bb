//! HTTP on a socket: so many connections at a time, and none that dawdles over its headers.
//!
//! A connection that says nothing is closed after three seconds, and there is room for more of them than a machine
//! opens in that time by mistake; so whoever does speak waits for at most that long.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use proto::limits::{API_BUFFER_BYTES, API_CONNECTIONS_MAX, API_HEADERS_MS, API_SILENCE_MS};
use proto_session::{ServerTls, without_stall};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// How long to wait when no connection can be accepted, for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves whoever connects, until it is dropped.
pub(crate) async fn serve(listener: TcpListener, tls: Option<ServerTls>, router: Router) {
    let room = Arc::new(Semaphore::new(API_CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    loop {
        let permit = Arc::clone(&room).acquire_owned().await.expect("the semaphore is never closed");
        while connections.try_join_next().is_some() {}
        let socket = match listener.accept().await {
            Ok((socket, _)) => socket,
            Err(error) => {
                tracing::warn!(%error, "the job API cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let (tls, router) = (tls.clone(), router.clone());
        connections.spawn(async move {
            if let Err(reason) = converse(socket, tls, router).await {
                tracing::debug!(reason, "a connection to the job API ended");
            }
            drop(permit);
        });
    }
}

async fn converse(socket: TcpStream, tls: Option<ServerTls>, router: Router) -> Result<(), String> {
    // Without it events only come later.
    let _ = socket.set_nodelay(true);
    let spoke = timeout(Duration::from_millis(API_SILENCE_MS), socket.readable()).await;
    spoke.map_err(|_| "it said nothing")?.map_err(|error| error.to_string())?;
    match tls {
        Some(tls) => {
            let stream = tls.accept(socket).await.map_err(|error| error.to_string())?;
            requests(stream, router).await
        }
        None => requests(without_stall(socket), router).await,
    }
}

async fn requests(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    router: Router,
) -> Result<(), String> {
    let mut http = http1::Builder::new();
    let limit = Duration::from_millis(API_HEADERS_MS);
    http.timer(TokioTimer::new()).header_read_timeout(limit).max_buf_size(API_BUFFER_BYTES);
    let served = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router)).await;
    served.map_err(|error| error.to_string())
}
