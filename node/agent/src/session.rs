//! The session with the coordinator. It outlives its connections: what was ordered and what is to be reported is
//! kept until it has arrived, and the node dials again and again.

use std::pin::Pin;
use std::time::{Duration, Instant};

use node::answers::report_bytes;
use node::farewell::Farewell;
use node::redial::Redial;
use proto::limits::{LEAVE_WITHIN_MS, SESSION_QUEUE_MESSAGES};
use proto::link::{Link, RESEND_MS};
use proto::report::Report;
use proto::session::{FromNode, Hello, Order, SessionId, ToNode, Welcome};
use proto_s3::S3;
use proto_session::{DialError, Dialer, dial};
use ractor::SpawnErr;
use tokio::sync::mpsc;
use tokio::time::{sleep, sleep_until, timeout};

use crate::config::NodeConfig;
use crate::handle::Node;

/// A connection that was lost sooner counts as a failure to connect.
const LASTED: Duration = Duration::from_secs(10);
/// Time beyond its deadline that a node has for its last reports.
const GRACE: Duration = Duration::from_secs(1);
/// Reports on their way from the node to its session: few, so that those that must wait become one.
const REPORTS_AHEAD: usize = 4;
/// Shortest times a coordinator may ask for.
const HEARTBEAT_MIN: Duration = Duration::from_millis(20);

/// Why a node stopped otherwise than was asked.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The actor cannot be started.
    #[error("the node's actor cannot be started, report this defect: {0}")]
    Start(#[from] SpawnErr),
    /// The coordinator has not heard that the node left.
    #[error("left without the coordinator's knowledge: what was not reported is made again by other nodes")]
    Unheard,
}

type Connection = proto_session::Connection<FromNode, ToNode>;

/// Works for the coordinator until told to leave.
///
/// `leave` completes when the node is to leave, with the time until which what it has begun may still be
/// finished. A coordinator that cannot be reached, or refuses, is tried again for ever; meanwhile what the node
/// holds goes on, until the coordinator has surely given it to others.
///
/// # Errors
/// When the node's actor cannot be started, or when the coordinator did not learn in time that the node left.
pub async fn run(
    config: NodeConfig,
    dialer: Dialer,
    s3: S3,
    leave: impl Future<Output = Instant> + Send,
) -> Result<(), RunError> {
    let started = Instant::now();
    let mut run = Run { config, s3, leave: Box::pin(leave), deadline: None, held: None, started };
    let mut redial = Redial::default();
    loop {
        let hello = run.hello();
        let resume = hello.resume;
        let dialled = tokio::select! {
            dialled = dial(&dialer, hello) => dialled,
            over = run.apart() => return over,
        };
        let wait = match dialled {
            Ok((welcome, mut connection)) => {
                let since = Instant::now();
                if run.welcomed(resume, welcome).await?
                    && let Some(over) = run.talk(&mut connection).await
                {
                    connection.close().await;
                    return over;
                }
                if since.elapsed() >= LASTED {
                    redial.lasted();
                }
                tracing::warn!("the connection to the coordinator was lost");
                redial.failed(rand::random())
            }
            Err(error) => pause(&error, &mut redial),
        };
        tokio::select! {
            () = sleep(wait) => {}
            over = run.apart() => return over,
        }
    }
}

fn pause(error: &DialError, redial: &mut Redial) -> Duration {
    if error.is_for_good() {
        tracing::warn!(%error, "the coordinator refuses this node; trying again now and then");
        Redial::refused(rand::random())
    } else {
        let wait = redial.failed(rand::random());
        tracing::warn!(%error, wait_ms = wait.as_millis(), "no coordinator; trying again");
        wait
    }
}

struct Run<F> {
    config: NodeConfig,
    s3: S3,
    leave: Pin<Box<F>>,
    /// When the node must have left; none while it is to stay.
    deadline: Option<Instant>,
    held: Option<Held>,
    started: Instant,
}

/// What belongs to one session.
struct Held {
    session: SessionId,
    node: Node,
    reports: mpsc::Receiver<Report>,
    /// The node has ended, and all its reports are in the link.
    is_over: bool,
    link: Link<Report>,
    /// When the coordinator was last heard.
    heard: Instant,
    silence: Duration,
    /// What came after the node had begun to leave. It may have ended before that came.
    farewell: Farewell,
}

impl Held {
    /// Hands the node an order.
    fn order(&mut self, order: Order, is_leaving: bool) {
        if let (true, Order::Grant(batch)) = (is_leaving, &order) {
            self.farewell.granted(batch);
        }
        self.node.order(order);
    }

    /// Takes in a report of the node's; `None` when it has ended.
    fn report(&mut self, report: Option<Report>) {
        let Some(report) = report else {
            self.is_over = true;
            return;
        };
        self.farewell.reported(&report);
        let bytes = report_bytes(&report);
        self.link.push(report, bytes);
    }

    /// Answers what a node that has ended can answer no more.
    fn hand_back(&mut self) {
        if let Some(report) = self.farewell.hand_back() {
            let bytes = report_bytes(&report);
            self.link.push(report, bytes);
        }
    }

    /// When the coordinator has surely given up on this node.
    fn lost_at(&self) -> Instant {
        self.heard + self.silence
    }
}

impl<F: Future<Output = Instant>> Run<F> {
    fn hello(&self) -> Hello {
        Hello { resume: self.held.as_ref().map(|held| held.session), ..self.config.hello() }
    }

    /// Waits, without a connection, until there is nothing more to wait for. Drops what the node holds when the
    /// coordinator has surely given it to others.
    async fn apart(&mut self) -> Result<(), RunError> {
        loop {
            let (deadline, lost_at) = (self.deadline, self.held.as_ref().map(Held::lost_at));
            if deadline.is_some() && self.held.is_none() {
                return Ok(());
            }
            tokio::select! {
                deadline = &mut self.leave, if deadline.is_none() => self.drain(deadline),
                () = until(deadline.map(|deadline| deadline + GRACE)) => return Err(RunError::Unheard),
                () = until(lost_at) => {
                    tracing::warn!("the coordinator has not been reached for too long; all work is dropped");
                    self.forget().await;
                }
            }
        }
    }

    fn drain(&mut self, deadline: Instant) {
        tracing::info!("leaving: taking no more parts");
        self.deadline = Some(deadline);
        if let Some(held) = &self.held {
            held.node.drain(deadline);
        }
    }

    async fn forget(&mut self) {
        if let Some(held) = self.held.take() {
            held.node.stop().await;
        }
    }

    /// Goes on with the session, or begins another. Tells whether there is one now.
    async fn welcomed(&mut self, resume: Option<SessionId>, welcome: Welcome) -> Result<bool, RunError> {
        let Welcome { session, heartbeat_ms, silence_ms } = welcome;
        match &mut self.held {
            Some(held) if held.session == session => {
                held.link.reconnected();
                held.heard = Instant::now();
                tracing::info!("reconnected to the coordinator");
                return Ok(true);
            }
            // All was dropped while dialling, and the coordinator does not know.
            None if resume == Some(session) => return Ok(false),
            Some(_) => tracing::warn!("the coordinator has forgotten this node; all work is dropped"),
            None => {}
        }
        self.forget().await;
        let (sender, reports) = mpsc::channel(REPORTS_AHEAD);
        let heartbeat = Duration::from_millis(heartbeat_ms.into()).max(HEARTBEAT_MIN);
        let silence = Duration::from_millis(silence_ms.into()).max(2 * heartbeat);
        let node = Node::start(self.config.clone(), self.s3.clone(), heartbeat, sender).await?;
        if let Some(deadline) = self.deadline {
            node.drain(deadline);
        }
        let (link, heard) = (Link::default(), Instant::now());
        let farewell = Farewell::default();
        self.held = Some(Held { session, node, reports, is_over: false, link, heard, silence, farewell });
        tracing::info!(node = self.config.name, "joined the coordinator");
        Ok(true)
    }

    /// Carries orders and reports as long as the connection lasts. Gives how all ended, if it has.
    async fn talk(&mut self, connection: &mut Connection) -> Option<Result<(), RunError>> {
        let mut resend = tokio::time::interval(Duration::from_millis(RESEND_MS / 4));
        let mut may_have_news = true;
        loop {
            let held = self.held.as_mut()?;
            let now_ms = self.started.elapsed().as_millis() as u64;
            let (deadline, lost_at) = (self.deadline, held.lost_at());
            // Also when something has come meanwhile: after a standstill of the whole machine it may be old.
            if Instant::now() >= lost_at {
                return None;
            }
            if held.is_over && deadline.is_none() {
                tracing::error!("the node's actor has failed; beginning anew");
                self.held = None;
                return None;
            }
            if held.is_over {
                held.hand_back();
            }
            // What acknowledges the last report comes after all that was granted before the coordinator had it.
            if held.is_over && held.link.unacknowledged() == 0 {
                let goodbye = timeout(GRACE, connection.outgoing.send(FromNode::Goodbye)).await;
                return matches!(goodbye, Ok(Ok(()))).then_some(Ok(()));
            }
            let has_room = held.link.unacknowledged() < SESSION_QUEUE_MESSAGES;
            tokio::select! {
                message = connection.incoming.next() => {
                    let Some(ToNode::Frame(frame)) = message else { return None };
                    held.heard = Instant::now();
                    let mut is_dismissed = false;
                    for order in held.link.accept(frame, now_ms) {
                        is_dismissed |= order == Order::Drain;
                        held.order(order, deadline.is_some());
                    }
                    if is_dismissed && deadline.is_none() {
                        self.drain(Instant::now() + Duration::from_millis(LEAVE_WITHIN_MS));
                    }
                    may_have_news = true;
                }
                report = held.reports.recv(), if !held.is_over && has_room => {
                    held.report(report);
                    may_have_news = true;
                }
                // A frame is made only when it can go.
                permit = connection.outgoing.reserve(), if may_have_news => {
                    let Ok(permit) = permit else { return None };
                    match held.link.frame(now_ms) {
                        Some(frame) => permit.send(FromNode::Frame(frame)),
                        None => may_have_news = false,
                    }
                }
                _ = resend.tick() => may_have_news = true,
                () = until(Some(lost_at)) => return None,
                deadline = &mut self.leave, if deadline.is_none() => self.drain(deadline),
                () = until(deadline.map(|deadline| deadline + GRACE)) => return Some(Err(RunError::Unheard)),
            }
        }
    }
}

/// Waits until then; for ever without a time.
async fn until(when: Option<Instant>) {
    match when {
        Some(when) => sleep_until(when.into()).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::batch::{Assignment, AttemptId, Batch, Upload};
    use proto::job::JobId;
    use proto::location::Location;
    use proto::plan::{PartNumber, PartWork};
    use proto_s3::Options;
    use proto_session::{Arrival, Caps, Listener};
    use std::net::SocketAddr;

    /// A node that leaves when `leave` says so, and where a coordinator waits for it.
    async fn joining<F: Future<Output = Instant>>(leave: F) -> (Run<F>, Dialer, mpsc::Receiver<Arrival>) {
        let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let listener = Listener::bind(anywhere, None, false, Caps::default()).unwrap();
        let dialer = Dialer::new(listener.local_addr().unwrap().to_string(), None);
        let (sender, arrivals) = mpsc::channel(1);
        tokio::spawn(async move { listener.serve(sender, std::future::pending()).await });
        let options = Options { endpoint_url: Some("http://127.0.0.1:9".into()), ..Options::default() };
        let config = NodeConfig {
            name: "node".into(),
            memory_bytes: 64 << 20,
            concurrency: 4,
            network_bytes_per_second: 1 << 30,
            keep_warm: 0,
        };
        let run = Run {
            config,
            s3: S3::connect(&options).await.unwrap(),
            leave: Box::pin(leave),
            deadline: None,
            held: None,
            started: Instant::now(),
        };
        (run, dialer, arrivals)
    }

    const WELCOME: Welcome = Welcome { session: SessionId(1), heartbeat_ms: 500, silence_ms: 60_000 };

    #[tokio::test]
    async fn a_node_that_fails_is_not_gone_on_with() {
        let (mut run, dialer, mut arrivals) = joining(std::future::pending()).await;
        let arrival = async { arrivals.recv().await.unwrap().welcome(WELCOME) };
        let (dialled, _coordinator) = tokio::join!(dial(&dialer, run.hello()), arrival);
        let (welcome, mut connection) = dialled.unwrap();
        assert!(run.welcomed(None, welcome).await.unwrap());
        run.held.as_ref().unwrap().node.fail();
        assert!(run.talk(&mut connection).await.is_none());
        assert_eq!(run.hello().resume, None, "another session begins");
    }

    /// A node that holds nothing ends at once, but the coordinator may have granted something before it knew.
    #[tokio::test]
    async fn what_is_granted_to_a_node_that_has_ended_is_handed_back_before_it_leaves() {
        let leave = std::future::ready(Instant::now() + Duration::from_secs(60));
        let (mut run, dialer, mut arrivals) = joining(leave).await;
        let arrival = async { arrivals.recv().await.unwrap().welcome(WELCOME) };
        let (dialled, mut coordinator) = tokio::join!(dial(&dialer, run.hello()), arrival);
        let (welcome, mut connection) = dialled.unwrap();
        assert!(run.welcomed(None, welcome).await.unwrap());

        let id = AttemptId { job: JobId(1), part: PartNumber(1), attempt: 1 };
        let work =
            PartWork { number: id.part, bytes: 0, bodies: Vec::new(), pieces: Vec::new(), below: None };
        let destination = Location { bucket: "out".into(), key: "a.zip".into() };
        let upload = Upload { destination, upload_id: "u".into() };
        let batch = Batch { upload, assignments: vec![Assignment { id, work, trace: None }] };
        let coordinates = async {
            let (mut link, mut returned) = (Link::default(), Vec::new());
            link.push(Order::Grant(batch), 100);
            let mut is_told = false;
            loop {
                match coordinator.incoming.next().await {
                    Some(FromNode::Frame(frame)) => {
                        for report in link.accept::<Report>(frame, 0) {
                            is_told |= report.vitals.is_draining;
                            returned.extend(report.returned.iter().map(|returned| returned.id));
                        }
                        // By the time it hears anything, the node has long said that it leaves, and ended.
                        sleep(Duration::from_millis(50)).await;
                        if is_told && let Some(frame) = link.frame(u64::MAX / 2) {
                            coordinator.outgoing.send(ToNode::Frame(frame)).await.unwrap();
                        }
                    }
                    Some(FromNode::Goodbye) => return returned,
                    other => panic!("neither reports nor a goodbye: {other:?}"),
                }
            }
        };
        let (over, returned) = tokio::join!(run.talk(&mut connection), coordinates);
        assert!(matches!(over, Some(Ok(()))));
        assert_eq!(returned, [id]);
    }
}
