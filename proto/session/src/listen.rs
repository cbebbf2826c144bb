//! Where nodes arrive.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use proto::limits::{
    HEADER_BYTES_MAX, KEEPALIVE_MS, KEEPALIVE_TIMEOUT_MS, LINGER_MS, NODES_MAX_DEFAULT,
    UNGREETED_MAX_DEFAULT, WINDOW_BYTES,
};
use proto::session::PROTOCOL_VERSIONS;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tonic::Status;
use tonic::body::Body;

use crate::METHOD;
use crate::codec::{Exchange, Message};
use crate::connection::{HungUp, line};
use crate::crew::Crew;
use crate::error::BindError;
use crate::gate::{Gate, Patience, Stay};
use crate::greet::{Arrival, Opening};
use crate::metered::Metered;
use crate::tls::{Identity, Tls};

/// Connections the system may keep for us until they are accepted: a whole fleet may come at once. The system has
/// a limit of its own.
const BACKLOG: u32 = 4_096;
/// Streams one connection may have: the session, and one to be told that there is but one.
const STREAMS_MAX: u32 = 2;
/// Pause after the system could not give us a connection, for want of memory or file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
const LINGER: Duration = Duration::from_millis(LINGER_MS);

/// How many connections there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caps {
    /// Without a valid Hello yet. Each takes at most about 100 KiB.
    pub ungreeted: usize,
    /// With one.
    pub greeted: usize,
}

impl Default for Caps {
    fn default() -> Self {
        Self { ungreeted: UNGREETED_MAX_DEFAULT, greeted: NODES_MAX_DEFAULT }
    }
}

/// A coordinator's open door.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    tls: Option<Tls>,
    gate: Arc<Gate>,
    versions: RangeInclusive<u32>,
}

impl Listener {
    /// Listens on `addr`. Without TLS anyone who reaches it can join, so it must then be a loopback address,
    /// unless `allow_plaintext` says otherwise.
    ///
    /// # Errors
    /// When that is not so, or the system refuses.
    pub fn bind(
        addr: SocketAddr,
        tls: Option<Tls>,
        allow_plaintext: bool,
        caps: Caps,
    ) -> Result<Self, BindError> {
        if tls.is_none() && !allow_plaintext && !addr.ip().is_loopback() {
            return Err(BindError::Unprotected(addr));
        }
        let socket = open(addr).map_err(|error| BindError::Refused { addr, error })?;
        Ok(Self { socket, tls, gate: Arc::new(Gate::new(caps)), versions: PROTOCOL_VERSIONS })
    }

    /// Speaks other versions of the protocol than this build does.
    #[must_use]
    pub fn speaking(self, versions: RangeInclusive<u32>) -> Self {
        Self { versions, ..self }
    }

    /// Where it listens.
    ///
    /// # Errors
    /// When the system does not know.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Connections there are, greeted or not.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.gate.connections()
    }

    /// Hands every node that arrives to `arrivals`, until `shutdown`. Then takes no more, and gives those there are
    /// a moment to say what they have to. The port is free again when the listener is dropped.
    pub async fn serve(&self, arrivals: mpsc::Sender<Arrival>, shutdown: impl Future<Output = ()>) {
        let mut shutdown = pin!(shutdown);
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                (socket, peer) = self.accept() => {
                    let (stay, patience) = self.gate.enter();
                    let (line, hung_up) = line();
                    let opening = Opening {
                        arrivals: arrivals.clone(),
                        versions: self.versions.clone(),
                        identity: None,
                        peer,
                        visitor: stay.visitor().clone(),
                        line,
                    };
                    connections.spawn(host(socket, self.tls.clone(), opening, hung_up, stay, patience));
                }
                Some(ended) = connections.join_next() => {
                    if let Err(error) = ended {
                        tracing::error!(%error, "a connection's task failed");
                    }
                }
                () = &mut shutdown => break,
            }
        }
        drop(arrivals);
        let _ = timeout(LINGER, async { while connections.join_next().await.is_some() {} }).await;
    }

    /// The next connection, once there is room for it.
    async fn accept(&self) -> (TcpStream, SocketAddr) {
        loop {
            self.gate.has_room().await;
            match self.socket.accept().await {
                Ok(accepted) => return accepted,
                Err(error) => {
                    tracing::warn!(%error, "cannot accept connections of nodes; trying on");
                    self.gate.clear();
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

fn open(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = if addr.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    socket.listen(BACKLOG)
}

/// Sees a connection through, from the first byte to the last.
async fn host(
    socket: TcpStream,
    tls: Option<Tls>,
    opening: Opening,
    hung_up: HungUp,
    stay: Stay,
    patience: Patience,
) {
    let peer = opening.peer;
    let reason = tokio::select! {
        ended = converse(socket, tls, opening, hung_up) => ended,
        () = patience.exhausted() => Err("it did not greet in time".to_owned()),
    };
    drop(stay);
    if let Err(reason) = reason {
        tracing::debug!(%peer, reason, "a connection ended");
    }
}

async fn converse(
    socket: TcpStream,
    tls: Option<Tls>,
    mut opening: Opening,
    hung_up: HungUp,
) -> Result<(), String> {
    // Without it orders only come later.
    let _ = socket.set_nodelay(true);
    let socket = Metered::new(socket, opening.visitor.meter());
    let Some(tls) = tls else { return exchange(socket, opening, hung_up).await };
    let stream = match tls.acceptor().accept(socket).into_fallible().await {
        Ok(stream) => stream,
        Err((error, socket)) => {
            let _ = timeout(LINGER, part(socket)).await;
            return Err(error.to_string());
        }
    };
    let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
    opening.identity = Some(shown.ok_or_else(|| "no certificate".to_owned()).and_then(Identity::of)?);
    exchange(stream, opening, hung_up).await
}

/// Lets the other side read why TLS failed: to close a socket with something unread in it takes back what was sent.
async fn part(mut socket: Metered) {
    let mut unread = [0; 1_024];
    let _ = socket.shutdown().await;
    while socket.read(&mut unread).await.is_ok_and(|bytes| bytes > 0) {}
}

/// HTTP/2 on a connection of which at most its end is encrypted.
async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    opening: Opening,
    mut hung_up: HungUp,
) -> Result<(), String> {
    let opening = Mutex::new(Some(opening));
    let service = service_fn(move |request| {
        let opening = opening.lock().unwrap_or_else(PoisonError::into_inner).take();
        answer(request, opening)
    });
    let crew = Crew::default();
    let mut connection = pin!(
        http2::Builder::new(crew.recruiter())
            .timer(TokioTimer::new())
            .initial_stream_window_size(WINDOW_BYTES)
            .initial_connection_window_size(WINDOW_BYTES)
            .max_concurrent_streams(STREAMS_MAX)
            .max_header_list_size(HEADER_BYTES_MAX)
            .keep_alive_interval(Duration::from_millis(KEEPALIVE_MS))
            .keep_alive_timeout(Duration::from_millis(KEEPALIVE_TIMEOUT_MS))
            .serve_connection(TokioIo::new(stream), service)
    );
    tokio::select! {
        ended = connection.as_mut() => return ended.map_err(|error| error.to_string()),
        () = hung_up.wait() => {}
    }
    connection.as_mut().graceful_shutdown();
    let ended = timeout(LINGER, connection).await;
    ended.map_err(|_| "it took too long to part".to_owned())?.map_err(|error| error.to_string())
}

async fn answer(
    request: http::Request<hyper::body::Incoming>,
    opening: Option<Opening>,
) -> Result<http::Response<Body>, Infallible> {
    let Some(opening) = opening else {
        return Ok(Status::resource_exhausted("a connection carries one session").into_http());
    };
    if request.uri().path() != METHOD {
        return Ok(Status::unimplemented("this is a zipfleet coordinator, and no such method").into_http());
    }
    let mut grpc = tonic::server::Grpc::new(Exchange::default())
        .max_decoding_message_size(proto::session::FromNode::BYTES_MAX);
    Ok(grpc.streaming(opening, request).await)
}
