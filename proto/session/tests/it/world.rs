//! A coordinator that answers, and nodes that call.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use proto::link::Frame;
use proto::session::{FromNode, Hello, Order, PROTOCOL_VERSIONS, SessionId, ToNode, Welcome};
use proto_session::{Arrival, Caps, Connection, DialError, Dialer, Listener, Tls, dial};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// The version of the protocol, as a header has it. A build that speaks others has to say so here.
pub(crate) const VERSION: &str = "4";
const _: () = assert!(*PROTOCOL_VERSIONS.start() == 4 && *PROTOCOL_VERSIONS.end() == 4);

/// Far longer than anything takes: only so that a failure ends.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) type NodeSide = Connection<FromNode, ToNode>;
pub(crate) type CoordinatorSide = Connection<ToNode, FromNode>;

/// A listener that is served, and the nodes that arrive.
pub(crate) struct Coordinator {
    pub(crate) listener: Arc<Listener>,
    pub(crate) addr: SocketAddr,
    pub(crate) arrivals: mpsc::Receiver<Arrival>,
    pub(crate) stop: oneshot::Sender<()>,
    pub(crate) served: JoinHandle<()>,
}

impl Coordinator {
    pub(crate) fn start(tls: Option<Tls>) -> Self {
        Self::start_speaking(tls, Caps::default(), PROTOCOL_VERSIONS)
    }

    pub(crate) fn start_speaking(tls: Option<Tls>, caps: Caps, versions: RangeInclusive<u32>) -> Self {
        let listener =
            Listener::bind(([127, 0, 0, 1], 0).into(), tls, false, caps).unwrap().speaking(versions);
        let listener = Arc::new(listener);
        let (arriving, arrivals) = mpsc::channel(16);
        let (stop, stopped) = oneshot::channel::<()>();
        let served = tokio::spawn({
            let listener = Arc::clone(&listener);
            async move {
                let stopped = async {
                    let _ = stopped.await;
                };
                listener.serve(arriving, stopped).await;
            }
        });
        Self { addr: listener.local_addr().unwrap(), listener, arrivals, stop, served }
    }

    pub(crate) fn dialer(&self, tls: Option<Tls>) -> Dialer {
        Dialer::new(format!("localhost:{}", self.addr.port()), tls)
    }

    /// Both ends of a session, welcomed.
    pub(crate) async fn session(&mut self, tls: Option<Tls>, name: &str) -> (NodeSide, CoordinatorSide) {
        let dialer = self.dialer(tls);
        let (dialled, arrival) = tokio::join!(dial(&dialer, hello(name)), self.next());
        // The answer must be given while the node waits, so it is given by `next`.
        (dialled.unwrap().1, arrival)
    }

    /// The next arrival, welcomed.
    pub(crate) async fn next(&mut self) -> CoordinatorSide {
        within(self.arrivals.recv()).await.unwrap().welcome(welcome())
    }

    /// Dials while every arrival is welcomed.
    pub(crate) async fn try_dial(&mut self, dialer: &Dialer, name: &str) -> Result<NodeSide, DialError> {
        let welcoming = async {
            let mut sessions = Vec::new();
            while let Some(arrival) = self.arrivals.recv().await {
                sessions.push(arrival.welcome(welcome()));
            }
        };
        tokio::select! {
            dialled = dial(dialer, hello(name)) => dialled.map(|(_, connection)| connection),
            () = welcoming => panic!("the listener stopped"),
        }
    }

    /// Waits until no connection is left.
    pub(crate) async fn is_empty(&self) {
        within(async {
            while self.listener.connections() > 0 {
                sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
    }
}

/// What comes of it, long before patience ends.
pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.expect("this takes far less time")
}

pub(crate) fn hello(name: &str) -> Hello {
    Hello {
        name: name.to_owned(),
        resume: None,
        version: "1.2.3".to_owned(),
        cores: 2,
        body_budget_bytes: 200 << 20,
        network_bytes_per_second: 0,
    }
}

pub(crate) fn welcome() -> Welcome {
    Welcome { session: SessionId(7), heartbeat_ms: 500, silence_ms: 8_000 }
}

pub(crate) fn frame_from_node(first: u64) -> FromNode {
    FromNode::Frame(Frame { first, expected: 0, items: vec![Arc::default()] })
}

/// An order of about so many bytes.
pub(crate) fn frame_to_node(first: u64, bytes: usize) -> ToNode {
    let order = Order::Warm(proto::job::JobId(1), vec!["b".repeat(bytes)]);
    ToNode::Frame(Frame { first, expected: 0, items: vec![Arc::new(order)] })
}
