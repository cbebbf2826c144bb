//! The coordinator's actor, and the handle others hold of it.

use std::collections::BTreeMap;
use std::time::Instant;

use coordinator::machine::{Effect, Event, Machine};
use coordinator::scheduler::NodeId;
use proto::failure::{Failure, FailureKind};
use proto::job::{JobId, JobSpec, Outcome, Progress};
use proto::limits::SESSION_QUEUE_MESSAGES;
use proto::report::Report;
use proto::session::{Hello, Order};
use proto_s3::S3;
use ractor::{Actor, ActorProcessingErr, ActorRef, SpawnErr};
use tokio::sync::{mpsc, oneshot};

use crate::create::Suspects;
use crate::questions::ask;

/// A running coordinator.
#[derive(Clone, Debug)]
pub struct Coordinator {
    actor: ActorRef<Message>,
}

/// A node's end of its session.
#[derive(Debug)]
pub struct Session {
    /// What the coordinator wants; closes when the coordinator is gone.
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
    /// Starts a coordinator without nodes or jobs.
    ///
    /// # Errors
    /// When the actor cannot be started.
    pub async fn start(s3: S3) -> Result<Self, SpawnErr> {
        let (actor, _) = Actor::spawn(None, CoordinatorActor, s3).await?;
        Ok(Self { actor })
    }

    /// Welcomes a node.
    #[must_use]
    pub fn connect(&self, hello: Hello) -> Session {
        let node = NodeId(rand::random());
        let (order_sender, orders) = mpsc::channel(SESSION_QUEUE_MESSAGES);
        let (reports, mut report_receiver) = mpsc::channel(SESSION_QUEUE_MESSAGES);
        let actor = self.actor.clone();
        // Before anything else is: a job submitted next must be planned for this node.
        let mut alive = actor.cast(Message::Joined(node, hello, order_sender)).is_ok();
        tokio::spawn(async move {
            while alive && let Some(report) = report_receiver.recv().await {
                alive = actor.cast(Message::Event(Event::Reported(node, report))).is_ok();
            }
            // Fails only when the coordinator is gone, which then needs no telling.
            let _ = actor.cast(Message::Lost(node));
        });
        Session { orders, reports }
    }

    /// Submits a job.
    #[must_use]
    pub fn submit(&self, spec: JobSpec) -> Job {
        let id = JobId(rand::random());
        let (ended, outcome) = oneshot::channel();
        // If the coordinator is gone, `ended` is dropped and the outcome says so.
        let _ = self.actor.cast(Message::Submit(id, spec, ended));
        Job { id, outcome }
    }

    /// Asks for a job to be ended; its outcome tells when nothing of it is left.
    pub fn cancel(&self, id: JobId) {
        let _ = self.actor.cast(Message::Event(Event::Cancelled(id)));
    }

    /// How far a job has come; `None` when it has ended.
    pub async fn progress(&self, id: JobId) -> Option<Progress> {
        let (reply, answer) = oneshot::channel();
        let _ = self.actor.cast(Message::Progress(id, reply));
        answer.await.ok().flatten()
    }
}

pub(crate) enum Message {
    Event(Event),
    /// S3 answered the request for an upload, after answers were lost.
    Suspects(JobId, Suspects),
    Submit(JobId, JobSpec, oneshot::Sender<Outcome>),
    Joined(NodeId, Hello, mpsc::Sender<Order>),
    Lost(NodeId),
    Progress(JobId, oneshot::Sender<Option<Progress>>),
}

struct CoordinatorActor;

struct State {
    s3: S3,
    machine: Machine,
    started: Instant,
    nodes: BTreeMap<NodeId, mpsc::Sender<Order>>,
    waiting: BTreeMap<JobId, oneshot::Sender<Outcome>>,
    suspects: BTreeMap<JobId, Suspects>,
}

impl Actor for CoordinatorActor {
    type Msg = Message;
    type State = State;
    type Arguments = S3;

    async fn pre_start(&self, _myself: ActorRef<Message>, s3: S3) -> Result<State, ActorProcessingErr> {
        Ok(State {
            s3,
            machine: Machine::default(),
            started: Instant::now(),
            nodes: BTreeMap::new(),
            waiting: BTreeMap::new(),
            suspects: BTreeMap::new(),
        })
    }

    async fn handle(
        &self,
        myself: ActorRef<Message>,
        message: Message,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        let event = match message {
            Message::Event(event) => event,
            Message::Suspects(id, suspects) => {
                state.suspects.insert(id, suspects);
                return Ok(());
            }
            Message::Submit(id, spec, ended) => {
                tracing::info!(job = %id, sources = spec.sources.len(), destination = %spec.destination, "job submitted");
                state.waiting.insert(id, ended);
                Event::Submitted(id, spec)
            }
            Message::Joined(node, hello, orders) => {
                tracing::info!(node = hello.name, window_bytes = hello.body_budget_bytes, "node joined");
                state.nodes.insert(node, orders);
                Event::NodeJoined(node, hello)
            }
            Message::Lost(node) => {
                tracing::info!(?node, "node left");
                state.nodes.remove(&node);
                Event::NodeLost(node)
            }
            Message::Progress(id, reply) => {
                // Whoever asked may have stopped waiting.
                let _ = reply.send(state.machine.progress(id));
                return Ok(());
            }
        };
        let now_ms = state.started.elapsed().as_millis() as u64;
        for effect in state.machine.handle(event, now_ms) {
            state.carry_out(effect, &myself).await;
        }
        Ok(())
    }
}

impl State {
    async fn carry_out(&mut self, effect: Effect, myself: &ActorRef<Message>) {
        match effect {
            Effect::Order(node, order) => {
                // A node drains its orders without waiting for anything, so this does not block for
                // long; a closed channel means the node is lost, of which an event tells.
                if let Some(orders) = self.nodes.get(&node) {
                    let _ = orders.send(order).await;
                }
            }
            Effect::Finish(id, outcome) => self.finish(id, outcome),
            Effect::Ask(question) => {
                let (s3, actor) = (self.s3.clone(), myself.clone());
                tokio::spawn(async move {
                    // These fail only when the coordinator is gone, which then needs no answer.
                    let (event, suspects) = ask(&s3, question).await;
                    if let Some((id, suspects)) = suspects {
                        let _ = actor.cast(Message::Suspects(id, suspects));
                    }
                    let _ = actor.cast(Message::Event(event));
                });
            }
        }
    }

    /// Tells whoever waits for the job, with what it may have created unknowingly.
    fn finish(&mut self, id: JobId, mut outcome: Outcome) {
        match &outcome {
            Outcome::Completed(summary) => tracing::info!(job = %id, bytes = summary.bytes, "job completed"),
            Outcome::Failed { failure, .. } => tracing::info!(job = %id, %failure, "job failed"),
        }
        let Some(ended) = self.waiting.remove(&id) else { return };
        let (s3, suspects) = (self.s3.clone(), self.suspects.remove(&id));
        tokio::spawn(async move {
            if let Some(suspects) = suspects
                && let Some(left) = suspects.left(&s3).await
            {
                match &mut outcome {
                    Outcome::Completed(summary) => summary.warnings.push(left),
                    Outcome::Failed { left_behind, .. } => left_behind.push(left),
                }
            }
            // Whoever submitted it may have stopped waiting.
            let _ = ended.send(outcome);
        });
    }
}
