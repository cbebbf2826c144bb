//! The handle others hold of a running coordinator.

use std::time::Duration;

use coordinator::machine::{Event, Settings};
use coordinator::scheduler::NodeId;
use proto::explain::Explanation;
use proto::failure::{Failure, FailureKind};
use proto::job::{JobId, JobSpec, Outcome, Progress};
use proto::limits::{ORDERS_PENDING_MAX, SESSION_QUEUE_MESSAGES};
use proto::report::Report;
use proto::session::{Hello, Order};
use proto::view::{JobView, NodeView};
use proto_s3::S3;
use ractor::{Actor, ActorRef, SpawnErr};
use tokio::sync::{mpsc, oneshot};
use tokio::time::MissedTickBehavior;

use crate::actor::{CoordinatorActor, Message, Start, State};
use crate::journal::Journal;
use crate::member::{Member, Orders};
use crate::pump::pump;

/// How often the machine is told that time has passed.
const TICK: Duration = Duration::from_millis(500);

/// A running coordinator.
#[derive(Clone, Debug)]
pub struct Coordinator {
    actor: ActorRef<Message>,
}

/// A node's end of its session.
#[derive(Debug)]
pub struct Session {
    /// What the coordinator wants; closes when the coordinator has given the node up or is gone. Whoever leaves
    /// them lying is given up.
    pub orders: mpsc::Receiver<Order>,
    /// What the node says; the node is lost when this closes.
    pub reports: mpsc::Sender<Report>,
}

/// A submitted job.
#[derive(Debug)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    outcome: oneshot::Receiver<Outcome>,
}

impl Job {
    /// Waits for the job to end.
    pub async fn outcome(&mut self) -> Outcome {
        let message = "the coordinator stopped unexpectedly; an unfinished upload may remain";
        let failure = Failure::new(FailureKind::Internal, message);
        let gone = || Outcome::Failed { failure, left_behind: Vec::new() };
        (&mut self.outcome).await.unwrap_or_else(|_| gone())
    }
}

impl Coordinator {
    /// Starts a coordinator without nodes or jobs. With a journal, uploads are recorded where they outlive it.
    ///
    /// # Errors
    /// When the actor cannot be started.
    pub async fn start(s3: S3, settings: Settings, journal: Option<Journal>) -> Result<Self, SpawnErr> {
        let (actor, _) = Actor::spawn(None, CoordinatorActor, Start { s3, settings, journal }).await?;
        tokio::spawn(tick(actor.clone()));
        Ok(Self { actor })
    }

    /// Welcomes a node of this very process.
    #[must_use]
    pub fn connect(&self, hello: Hello) -> Session {
        let (order_sender, orders) = mpsc::channel(ORDERS_PENDING_MAX);
        let (reports, report_receiver) = mpsc::channel(SESSION_QUEUE_MESSAGES);
        let member = self.join(NodeId(rand::random()), hello, Orders::Here(order_sender));
        tokio::spawn(async move { pump(report_receiver, &member).await });
        Session { orders, reports }
    }

    /// Welcomes a node under an id that no other has.
    pub(crate) fn join(&self, node: NodeId, hello: Hello, orders: Orders) -> Member {
        // Before anything else is: a job submitted next must be planned for this node.
        let _ = self.actor.cast(Message::Joined(node, hello, orders));
        Member { node, coordinator: self.actor.clone() }
    }

    /// Tells that a node's connection broke, or that it has a new one.
    pub(crate) fn tell(&self, event: Event) {
        // As above.
        let _ = self.actor.cast(Message::Event(event));
    }

    /// Submits a job.
    #[must_use]
    pub fn submit(&self, spec: JobSpec) -> Job {
        let id = JobId(rand::random());
        let (ended, outcome) = oneshot::channel();
        // If the coordinator is gone, `ended` is dropped and the outcome says so.
        let _ = self.actor.cast(Message::Submit(id, Box::new(spec), ended));
        Job { id, outcome }
    }

    /// Asks for a job to be ended; its outcome tells when nothing of it is left.
    pub fn cancel(&self, id: JobId) {
        self.tell(Event::Cancelled(id));
    }

    /// How far a job has come; `None` when it has ended.
    pub async fn progress(&self, id: JobId) -> Option<Progress> {
        self.look(move |state| state.machine.progress(id)).await.flatten()
    }

    /// A job that has not ended, or is one of the last [`JOBS_REMEMBERED`](proto::limits::JOBS_REMEMBERED) that
    /// have.
    pub async fn job(&self, id: JobId) -> Option<JobView> {
        self.look(move |state| state.job(id)).await.flatten()
    }

    /// All jobs that have not ended, and those remembered, the last that ended first.
    pub async fn jobs(&self) -> Vec<JobView> {
        self.look(|state| state.jobs()).await.unwrap_or_default()
    }

    /// Why a job went as it did, or has gone so far; `None` when it is forgotten.
    pub async fn explanation(&self, id: JobId) -> Option<Explanation> {
        self.look(move |state| state.explanation(id)).await.flatten()
    }

    /// The nodes there are, by their names; `None` when the coordinator is gone.
    pub async fn nodes(&self) -> Option<Vec<NodeView>> {
        let mut nodes = self.look(|state| state.machine.nodes()).await?;
        nodes.sort_by(|one, other| one.name.cmp(&other.name));
        Some(nodes)
    }

    /// Takes no more jobs, cancels those there are, and waits until they have ended and nothing of them is left;
    /// then the coordinator ends, a moment later if there were any.
    pub async fn stop(&self) {
        // Fails only when it is gone already.
        let _ = self.actor.cast(Message::Stop);
        self.ended().await;
    }

    /// Whether all jobs have ended and nothing of them is left.
    pub(crate) async fn is_settled(&self) -> bool {
        self.look(|state| state.is_settled()).await.unwrap_or(true)
    }

    /// Waits until the coordinator has ended: stopped, or failed by a defect.
    pub async fn ended(&self) {
        // Without a limit there is none to be exceeded.
        let _ = self.actor.wait(None).await;
    }

    /// Ends the coordinator at once, whatever becomes of its jobs.
    pub(crate) fn kill(&self) {
        self.actor.kill();
    }

    /// What `at` sees in the actor's state; `None` when the coordinator is gone.
    async fn look<T: Send + 'static>(&self, at: impl FnOnce(&State) -> T + Send + 'static) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        let look = Message::Look(Box::new(move |state| {
            // Whoever asked may have stopped waiting.
            let _ = reply.send(at(state));
        }));
        self.actor.cast(look).ok()?;
        answer.await.ok()
    }
}

/// Tells the actor that time passes, but never before it has taken in the last time.
async fn tick(actor: ActorRef<Message>) {
    let mut interval = tokio::time::interval(TICK);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        let (handled, done) = oneshot::channel();
        if actor.cast(Message::Tick(handled)).is_err() {
            return;
        }
        // Nothing is ever sent through it.
        let _ = done.await;
    }
}
