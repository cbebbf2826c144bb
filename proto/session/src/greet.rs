//! The first words on a connection, at the coordinator.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::pin::Pin;

use proto::limits::{GIB, NODE_NAME_BYTES_MAX, OUTGOING_MESSAGES};
use proto::session::{FromNode, Hello, ToNode, Welcome, is_node_name};
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt};
use tonic::server::StreamingService;
use tonic::{Request, Response, Status, Streaming};

use crate::connection::{Connection, Incoming, Line};
use crate::gate::Visitor;
use crate::tls::Identity;
use crate::version;

/// A node at the door: it has said a valid Hello and waits for an answer.
#[derive(Debug)]
pub struct Arrival {
    /// Its first words.
    pub hello: Hello,
    /// Where it calls from.
    pub peer: SocketAddr,
    answer: oneshot::Sender<Result<mpsc::Receiver<ToNode>, Status>>,
    incoming: Incoming<FromNode>,
}

impl Arrival {
    /// Takes the node in. Should it have left meanwhile, the connection ends at once.
    #[must_use]
    pub fn welcome(self, welcome: Welcome) -> Connection<ToNode, FromNode> {
        let (outgoing, waiting) = mpsc::channel(OUTGOING_MESSAGES);
        outgoing.try_send(ToNode::Welcome(welcome)).expect("the channel is new and has room");
        // A node that has left no longer waits for the answer.
        let _ = self.answer.send(Ok(waiting));
        Connection { outgoing, incoming: self.incoming }
    }

    /// Sends the node away for good: until a person has changed what the sentence says, it need not come again.
    pub fn refuse(self, sentence: impl Into<String>) {
        self.send_away(Status::failed_precondition(sentence));
    }

    /// Sends the node away for now: it will try again.
    pub fn turn_away(self, sentence: impl Into<String>) {
        self.send_away(Status::unavailable(sentence));
    }

    fn send_away(self, status: Status) {
        // A node that has left no longer waits for the answer.
        let _ = self.answer.send(Err(status));
    }
}

/// What is known of a connection before its first words.
#[derive(Clone)]
pub(crate) struct Opening {
    pub(crate) arrivals: mpsc::Sender<Arrival>,
    pub(crate) versions: RangeInclusive<u32>,
    /// Whose certificate it showed; none without TLS.
    pub(crate) identity: Option<Identity>,
    pub(crate) peer: SocketAddr,
    pub(crate) visitor: Visitor,
    pub(crate) line: Line,
}

type Outgoing = Pin<Box<dyn Stream<Item = Result<ToNode, Status>> + Send>>;

impl Opening {
    async fn greet(self, request: Request<Streaming<FromNode>>) -> Result<Response<Outgoing>, Status> {
        let version = version::agree(request.metadata(), &self.versions)?;
        let mut messages = request.into_inner();
        let Some(FromNode::Hello(hello)) = messages.message().await? else {
            return Err(Status::invalid_argument("nothing was said"));
        };
        check(&hello)?;
        if let Some(identity) = &self.identity {
            identity.may_be_called(&hello.name).map_err(|sentence| {
                tracing::warn!("refused: {sentence}");
                Status::permission_denied(sentence)
            })?;
        }
        self.visitor.greeted()?;
        let (answer, answered) = oneshot::channel();
        let incoming = Incoming::new(messages, self.line);
        let arrival = Arrival { hello, peer: self.peer, answer, incoming };
        let gone = |_| Status::unavailable("this coordinator is about to stop");
        self.arrivals
            .send(arrival)
            .await
            .map_err(|_| Status::unavailable("this coordinator is about to stop"))?;
        let waiting = answered.await.map_err(gone)??;
        let outgoing: Outgoing = Box::pin(ReceiverStream::new(waiting).map(Ok));
        let mut response = Response::new(outgoing);
        version::confirm(response.metadata_mut(), version);
        Ok(response)
    }
}

impl StreamingService<FromNode> for Opening {
    type Response = ToNode;
    type ResponseStream = Outgoing;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Outgoing>, Status>> + Send>>;

    fn call(&mut self, request: Request<Streaming<FromNode>>) -> Self::Future {
        Box::pin(self.clone().greet(request))
    }
}

/// Whether a Hello makes sense.
fn check(hello: &Hello) -> Result<(), Status> {
    if !is_node_name(&hello.name) {
        // Never the name itself: it may be long, and a terminal may show it.
        return Err(Status::invalid_argument(format!(
            "a node's name has 1 to {NODE_NAME_BYTES_MAX} of the characters a-z, 0-9, '.' and '-', \
             and begins with a letter or digit"
        )));
    }
    if hello.version.len() > VERSION_BYTES_MAX || hello.version.chars().any(char::is_control) {
        return Err(Status::invalid_argument(format!(
            "a node's version has at most {VERSION_BYTES_MAX} bytes, and none that command a terminal"
        )));
    }
    if !(BODY_BUDGET_MIN..=BODY_BUDGET_MAX).contains(&hello.body_budget_bytes) {
        return Err(Status::invalid_argument(format!(
            "a node holds {BODY_BUDGET_MIN} to {BODY_BUDGET_MAX} bytes of parts, not {}",
            hello.body_budget_bytes
        )));
    }
    Ok(())
}

/// Longest version of a program, in bytes.
const VERSION_BYTES_MAX: usize = 64;
/// Least a node can work with, in bytes, as `limits::body_budget_bytes` has it.
const BODY_BUDGET_MIN: u64 = 2 * proto::limits::PART_BYTES_MIN;
/// More than any machine has, in bytes: far from where sums overflow.
const BODY_BUDGET_MAX: u64 = 65_536 * GIB;
