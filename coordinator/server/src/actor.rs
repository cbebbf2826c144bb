//! The coordinator's actor: carries events to the machine and its effects to S3 and the nodes.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use coordinator::machine::{Effect, Event, Machine, Question, Settings};
use coordinator::scheduler::NodeId;
use proto::explain::Explanation;
use proto::failure::{Failure, FailureKind};
use proto::job::{JobId, JobSpec, Outcome};
use proto::limits::JOBS_REMEMBERED;
use proto::report::Report;
use proto::session::{Hello, Order};
use proto::view::{Ended, JobView};
use proto_s3::S3;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::sync::oneshot;

use crate::create::Suspects;
use crate::journal::Journal;
use crate::member::Orders;
use crate::pump::Handled;
use crate::questions::ask;

/// How long a coordinator that is told to stop stays after its jobs were cancelled: whoever watches one is still to
/// learn of it.
const FAREWELL: Duration = Duration::from_secs(2);

pub(crate) enum Message {
    Tick(Handled),
    Event(Event),
    Submit(JobId, Box<JobSpec>, oneshot::Sender<Outcome>),
    Joined(NodeId, Hello, Orders),
    Reported(NodeId, Vec<Report>, Handled),
    Lost(NodeId),
    /// S3 answered the request for an upload, after answers were lost.
    Suspects(JobId, Suspects),
    /// All that a job may have left is known, and no record of it remains.
    Settled(JobId, Outcome),
    Look(Box<dyn FnOnce(&State) + Send>),
    Stop,
    /// Something that the actor waits for will never come.
    Broken(String),
}

pub(crate) struct CoordinatorActor;

pub(crate) struct Start {
    pub(crate) s3: S3,
    pub(crate) settings: Settings,
    pub(crate) journal: Option<Journal>,
}

pub(crate) struct State {
    s3: S3,
    journal: Option<Journal>,
    pub(crate) machine: Machine,
    started: Instant,
    nodes: BTreeMap<NodeId, Orders>,
    /// Who waits for which job; every job that is not settled is here.
    waiting: BTreeMap<JobId, oneshot::Sender<Outcome>>,
    suspects: BTreeMap<JobId, Suspects>,
    /// Jobs of which the journal has, or may have, a record.
    recorded: BTreeSet<JobId>,
    /// The last that ended, the latest first. Those not settled have no outcome yet.
    remembered: VecDeque<Ended>,
    is_stopping: bool,
    /// How long it stays when nothing of its jobs is left; none when it has not been told to stop, or has been
    /// told when.
    farewell: Option<Duration>,
}

impl Actor for CoordinatorActor {
    type Msg = Message;
    type State = State;
    type Arguments = Start;

    async fn pre_start(&self, _: ActorRef<Message>, start: Start) -> Result<State, ActorProcessingErr> {
        Ok(State {
            s3: start.s3,
            journal: start.journal,
            machine: Machine::new(start.settings),
            started: Instant::now(),
            nodes: BTreeMap::new(),
            waiting: BTreeMap::new(),
            suspects: BTreeMap::new(),
            recorded: BTreeSet::new(),
            remembered: VecDeque::new(),
            is_stopping: false,
            farewell: None,
        })
    }

    async fn handle(
        &self,
        myself: ActorRef<Message>,
        message: Message,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            Message::Tick(_handled) => state.happened(Event::Tick, &myself),
            Message::Event(event) => state.happened(event, &myself),
            Message::Submit(id, spec, ended) => state.submit(id, *spec, ended, &myself),
            Message::Joined(node, hello, orders) => {
                tracing::info!(node = hello.name, window_bytes = hello.body_budget_bytes, "node joined");
                state.nodes.insert(node, orders);
                state.happened(Event::NodeJoined(node, hello), &myself);
            }
            Message::Reported(node, reports, _handled) => {
                for report in reports {
                    state.happened(Event::Reported(node, report), &myself);
                }
            }
            Message::Lost(node) => {
                // Unless it was given up before.
                if state.nodes.remove(&node).is_some() {
                    tracing::info!(node = state.machine.name(node), "node left");
                    state.happened(Event::NodeLost(node), &myself);
                }
            }
            Message::Suspects(id, suspects) => {
                state.suspects.insert(id, suspects);
            }
            Message::Settled(id, outcome) => state.settle(id, outcome),
            Message::Look(look) => look(state),
            Message::Stop => {
                let jobs = state.machine.jobs();
                state.is_stopping = true;
                state.farewell = Some(if jobs.is_empty() { Duration::ZERO } else { FAREWELL });
                for job in jobs {
                    state.happened(Event::Cancelled(job.id), &myself);
                }
            }
            Message::Broken(why) => return Err(why.into()),
        }
        if state.is_settled()
            && let Some(farewell) = state.farewell.take()
        {
            myself.exit_after(farewell);
        }
        Ok(())
    }
}

impl State {
    pub(crate) fn job(&self, id: JobId) -> Option<JobView> {
        self.machine.job(id).or_else(|| self.ended(id).map(|ended| ended.view.clone()))
    }

    pub(crate) fn jobs(&self) -> Vec<JobView> {
        let ended = self.remembered.iter().map(|ended| ended.view.clone());
        self.machine.jobs().into_iter().chain(ended).collect()
    }

    /// Whether all jobs have ended and nothing of them is left.
    pub(crate) fn is_settled(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(crate) fn explanation(&self, id: JobId) -> Option<Explanation> {
        self.machine.explanation(id).or_else(|| self.ended(id).map(|ended| ended.explanation.clone()))
    }

    fn ended(&self, id: JobId) -> Option<&Ended> {
        self.remembered.iter().find(|ended| ended.view.id == id)
    }

    fn submit(
        &mut self,
        id: JobId,
        spec: JobSpec,
        ended: oneshot::Sender<Outcome>,
        myself: &ActorRef<Message>,
    ) {
        if self.is_stopping {
            let failure = Failure::new(FailureKind::Unavailable, "the coordinator is stopping: try again");
            // Whoever submitted it may have stopped waiting.
            let _ = ended.send(Outcome::Failed { failure, left_behind: Vec::new() });
            return;
        }
        tracing::info!(job = %id, sources = spec.sources.len(), destination = %spec.destination, "job submitted");
        self.waiting.insert(id, ended);
        self.happened(Event::Submitted(id, spec), myself);
    }

    /// Has the machine take in an event, and what follows from carrying out its effects.
    fn happened(&mut self, event: Event, myself: &ActorRef<Message>) {
        let now_ms = self.started.elapsed().as_millis() as u64;
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            for effect in self.machine.handle(event, now_ms) {
                events.extend(self.carry_out(effect, myself));
            }
        }
    }

    fn carry_out(&mut self, effect: Effect, myself: &ActorRef<Message>) -> Option<Event> {
        match effect {
            Effect::Order(node, order) => self.order(node, order),
            Effect::Drop(node) => {
                // Its session ends when it sees that there will be no more orders.
                self.nodes.remove(&node);
                None
            }
            Effect::Refuse(id, failure) => {
                self.settle(id, Outcome::Failed { failure, left_behind: Vec::new() });
                None
            }
            Effect::Finish(ended) => {
                self.finish(*ended, myself);
                None
            }
            Effect::Ask(question) => {
                if let (Question::Create(job, ..), Some(_)) = (&question, &self.journal) {
                    self.recorded.insert(*job);
                }
                let (s3, journal) = (self.s3.clone(), self.journal.clone());
                aside(myself, async move {
                    let (event, suspects) = ask(&s3, journal.as_ref(), question).await;
                    let suspects = suspects.map(|(id, suspects)| Message::Suspects(id, suspects));
                    suspects.into_iter().chain([Message::Event(event)]).collect()
                });
                None
            }
        }
    }

    /// Never waits: one node that takes no orders must not hold up all others.
    fn order(&mut self, node: NodeId, order: Order) -> Option<Event> {
        if self.nodes.get(&node)?.give(order) {
            return None;
        }
        tracing::warn!(node = self.machine.name(node), "given up: it takes no orders");
        self.nodes.remove(&node);
        Some(Event::NodeLost(node))
    }

    /// Notes how a job ended; it is settled when all that it may have left is known.
    fn finish(&mut self, mut ended: Ended, myself: &ActorRef<Message>) {
        let id = ended.view.id;
        let mut outcome = ended.view.outcome.take().expect("a job that ended has an outcome");
        let is_clean = match &outcome {
            Outcome::Completed(summary) => {
                tracing::info!(job = %id, bytes = summary.bytes, "job completed");
                true
            }
            Outcome::Failed { failure, left_behind } => {
                tracing::info!(job = %id, %failure, "job failed");
                left_behind.is_empty()
            }
        };
        self.remembered.truncate(JOBS_REMEMBERED - 1);
        self.remembered.push_front(ended);
        // The record of an upload that could not be removed stays: the next coordinator tries again.
        let record = self.journal.clone().filter(|_| self.recorded.remove(&id) && is_clean);
        let suspects = self.suspects.remove(&id);
        if record.is_none() && suspects.is_none() {
            return self.settle(id, outcome);
        }
        let s3 = self.s3.clone();
        aside(myself, async move {
            if let Some(suspects) = suspects
                && let Some(left) = suspects.left(&s3).await
            {
                match &mut outcome {
                    Outcome::Completed(summary) => summary.warnings.push(left),
                    Outcome::Failed { left_behind, .. } => left_behind.push(left),
                }
            }
            if let Some(journal) = record {
                journal.forget(id).await;
            }
            vec![Message::Settled(id, outcome)]
        });
    }

    /// Tells whoever waits for the job.
    fn settle(&mut self, id: JobId, outcome: Outcome) {
        if let Some(ended) = self.remembered.iter_mut().find(|ended| ended.view.id == id) {
            ended.view.outcome = Some(outcome.clone());
        }
        if let Some(ended) = self.waiting.remove(&id) {
            // Whoever submitted it may have stopped waiting.
            let _ = ended.send(outcome);
        }
    }
}

/// Does `work` beside the actor, and gives it the messages that come of it. Were they lost, a job would wait for
/// ever; so if `work` panics the actor fails, and whoever waits is told.
fn aside(myself: &ActorRef<Message>, work: impl Future<Output = Vec<Message>> + Send + 'static) {
    let (actor, work) = (myself.clone(), tokio::spawn(work));
    tokio::spawn(async move {
        let messages = work.await.unwrap_or_else(|error| vec![Message::Broken(error.to_string())]);
        for message in messages {
            // Fails only when the coordinator is gone, which then needs no answer.
            let _ = actor.cast(message);
        }
    });
}
