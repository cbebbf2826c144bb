//! How a node reaches its coordinator.

use std::error::Error;
use std::io;
use std::ops::RangeInclusive;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::client::conn::http2;
use hyper::rt::Executor;
use hyper_util::rt::{TokioIo, TokioTimer};
use proto::limits::{
    CONNECT_DEADLINE_MS, HEADER_BYTES_MAX, HELLO_DEADLINE_MS, KEEPALIVE_MS, KEEPALIVE_TIMEOUT_MS, LINGER_MS,
    OUTGOING_MESSAGES, WINDOW_BYTES,
};
use proto::session::{FromNode, Hello, PROTOCOL_VERSIONS, ToNode, Welcome};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::body::Body;
use tonic::{Code, Request, Status, Streaming};

use crate::METHOD;
use crate::codec::{Exchange, Message};
use crate::connection::{Connection, HungUp, Incoming, line};
use crate::crew::Crew;
use crate::error::DialError;
use crate::metered::{Meter, Metered};
use crate::tls::Tls;
use crate::version;

/// Where a node's coordinator is, and how to speak to it.
#[derive(Clone, Debug)]
pub struct Dialer {
    coordinator: String,
    tls: Option<Tls>,
    versions: RangeInclusive<u32>,
}

impl Dialer {
    /// A coordinator at `HOST:PORT`.
    #[must_use]
    pub fn new(coordinator: impl Into<String>, tls: Option<Tls>) -> Self {
        Self { coordinator: coordinator.into(), tls, versions: PROTOCOL_VERSIONS }
    }

    /// Speaks other versions of the protocol than this build does.
    #[must_use]
    pub fn speaking(self, versions: RangeInclusive<u32>) -> Self {
        Self { versions, ..self }
    }

    fn unreachable(&self, reason: impl ToString) -> DialError {
        DialError::Unreachable { coordinator: self.coordinator.clone(), reason: reason.to_string() }
    }

    fn failed(&self, reason: impl Into<String>) -> DialError {
        DialError::Failed { coordinator: self.coordinator.clone(), reason: reason.into() }
    }

    /// The host of the address, which is also the name the coordinator's certificate must have, and the port.
    fn host_and_port(&self) -> Option<(&str, u16)> {
        let (host, port) = self.coordinator.rsplit_once(':')?;
        let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let host = inner.unwrap_or(host);
        // A bare IPv6 address cannot be told from one with a port.
        let is_clear = !host.is_empty() && (inner.is_some() || !host.contains(':'));
        is_clear.then_some((host, port.parse().ok()?))
    }

    /// What a status in place of a Welcome says.
    fn declined(&self, status: &Status) -> Trouble {
        // With a cause it is tonic that speaks, of a connection that broke.
        if let Some(cause) = status.source() {
            return Trouble::Broken(reasons(cause));
        }
        Trouble::Told(match status.code() {
            Code::FailedPrecondition | Code::InvalidArgument | Code::PermissionDenied => {
                DialError::Refused(status.message().to_owned())
            }
            Code::Unavailable => DialError::TurnedAway(status.message().to_owned()),
            _ => return Trouble::Broken(status.message().to_owned()),
        })
    }

    /// A coordinator that could not show who it is.
    fn unproven(&self, reason: &str) -> DialError {
        let is_name = reason.contains("not valid for name");
        let advice = "; it must be for the host that nodes dial (`zipfleet certs issue --host`)";
        self.failed(format!("TLS: {reason}{}", if is_name { advice } else { "" }))
    }

    /// A connection that broke before there was a Welcome, for a reason that often lies in the certificates.
    fn broken(&self, reason: String) -> DialError {
        // In TLS 1.3 a node only learns afterwards what the coordinator made of its certificate.
        if reason.contains("fatal alert") {
            return self.failed(format!(
                "the coordinator does not accept this node's certificate ({reason}): it must be from the authority \
                 that the coordinator trusts, and of the node's role"
            ));
        }
        if self.tls.is_none() {
            return self.failed(format!(
                "{reason}; if the coordinator asks for TLS, give --tls-ca, --tls-cert and --tls-key"
            ));
        }
        self.failed(reason)
    }
}

/// Makes one attempt at a connection: dials, says `hello`, and waits for the answer.
///
/// # Errors
/// When there is none, or it is no. [`DialError::is_for_good`] tells whether trying again is of use.
pub async fn dial(
    dialer: &Dialer,
    hello: Hello,
) -> Result<(Welcome, Connection<FromNode, ToNode>), DialError> {
    let address = dialer.host_and_port().ok_or_else(|| DialError::Address(dialer.coordinator.clone()))?;
    let connecting = timeout(Duration::from_millis(CONNECT_DEADLINE_MS), TcpStream::connect(address)).await;
    let socket = connecting
        .map_err(|_| dialer.unreachable(format!("no answer within {CONNECT_DEADLINE_MS} ms")))?
        .map_err(|error| dialer.unreachable(error))?;
    // Without it reports only come later.
    let _ = socket.set_nodelay(true);
    let meter = Arc::new(Meter::default());
    meter.trust();
    let socket = Metered::new(socket, meter);
    let greeting = async {
        let Some(tls) = &dialer.tls else { return greet(dialer, socket, hello).await };
        let name = ServerName::try_from(address.0.to_owned())
            .map_err(|_| DialError::Address(dialer.coordinator.clone()))?;
        let stream =
            tls.connector().connect(name, socket).await.map_err(|error| dialer.unproven(&reasons(&error)))?;
        greet(dialer, stream, hello).await
    };
    let greeted = timeout(Duration::from_millis(HELLO_DEADLINE_MS), greeting).await;
    greeted.map_err(|_| dialer.failed(format!("no answer within {HELLO_DEADLINE_MS} ms")))?
}

async fn greet(
    dialer: &Dialer,
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    hello: Hello,
) -> Result<(Welcome, Connection<FromNode, ToNode>), DialError> {
    let crew = Crew::default();
    let (sender, connection) = http2::Builder::new(crew.recruiter())
        .timer(TokioTimer::new())
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .max_header_list_size(HEADER_BYTES_MAX)
        .keep_alive_interval(Duration::from_millis(KEEPALIVE_MS))
        .keep_alive_timeout(Duration::from_millis(KEEPALIVE_TIMEOUT_MS))
        .keep_alive_while_idle(true)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| dialer.broken(reasons(&error)))?;
    let (line, hung_up) = line();
    let (tell, ended) = oneshot::channel();
    crew.recruiter().execute(async {
        if let Err(error) = connection.await {
            let reason = reasons(&error);
            tracing::debug!(reason, "the connection to the coordinator ended");
            // Nobody asks once there is a session.
            let _ = tell.send(reason);
        }
    });
    tokio::spawn(drive(crew, hung_up));
    match converse(dialer, sender, hello).await {
        Ok((welcome, outgoing, messages)) => {
            Ok((welcome, Connection { outgoing, incoming: Incoming::new(messages, line) }))
        }
        Err(Trouble::Told(error)) => Err(error),
        Err(Trouble::Broken(reason)) => {
            // The connection knows why it ended; whoever spoke through it only that it did.
            let known = timeout(Duration::from_millis(LINGER_MS), ended).await;
            Err(dialer.broken(known.ok().and_then(Result::ok).unwrap_or(reason)))
        }
    }
}

/// Why there is no Welcome.
enum Trouble {
    /// The coordinator said why.
    Told(DialError),
    /// The connection broke, which looks like this from above.
    Broken(String),
}

/// Says hello and waits for the answer.
async fn converse(
    dialer: &Dialer,
    sender: http2::SendRequest<Body>,
    hello: Hello,
) -> Result<(Welcome, mpsc::Sender<FromNode>, Streaming<ToNode>), Trouble> {
    let (outgoing, waiting) = mpsc::channel(OUTGOING_MESSAGES);
    outgoing.try_send(FromNode::Hello(hello)).expect("the channel is new and has room");
    let mut request = Request::new(ReceiverStream::new(waiting));
    version::propose(request.metadata_mut(), &dialer.versions);
    let origin = http::Uri::from_static("http://coordinator");
    let mut grpc =
        tonic::client::Grpc::with_origin(Stub(sender), origin).max_decoding_message_size(ToNode::BYTES_MAX);
    grpc.ready().await.map_err(|error| Trouble::Broken(reasons(&error)))?;
    let method = http::uri::PathAndQuery::from_static(METHOD);
    let response = grpc
        .streaming(request, method, Exchange::default())
        .await
        .map_err(|status| dialer.declined(&status))?;
    if !version::is_confirmed(response.metadata(), &dialer.versions) {
        let sentence = "whoever answers there is no coordinator this node can speak to";
        return Err(Trouble::Told(dialer.failed(sentence)));
    }
    let mut messages = response.into_inner();
    match messages.message().await {
        Ok(Some(ToNode::Welcome(welcome))) => Ok((welcome, outgoing, messages)),
        Ok(_) => Err(Trouble::Broken("the coordinator hung up".to_owned())),
        Err(status) => Err(dialer.declined(&status)),
    }
}

/// Keeps a connection going until it ends, or until a moment after nobody has any use for it.
async fn drive(crew: Crew, mut hung_up: HungUp) {
    hung_up.wait().await;
    let _ = timeout(Duration::from_millis(LINGER_MS), crew.ended()).await;
}

/// An error and what is behind it, the outermost first.
fn reasons(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |&error| error.source());
    let sentence = |cause: &(dyn Error + 'static)| {
        let is_end = |error: &io::Error| error.kind() == io::ErrorKind::UnexpectedEof;
        // What TLS says of it is for programmers.
        if cause.downcast_ref().is_some_and(is_end) { "it hung up".to_owned() } else { cause.to_string() }
    };
    causes.map(sentence).collect::<Vec<_>>().join(": ")
}

/// hyper's end of a connection as what tonic speaks through.
struct Stub(http2::SendRequest<Body>);

impl tower_service::Service<http::Request<Body>> for Stub {
    type Response = http::Response<hyper::body::Incoming>;
    type Error = hyper::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, hyper::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), hyper::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(self.0.send_request(request))
    }
}
