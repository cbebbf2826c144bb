//! The coordinator's actor: carries events to the machine and its effects to S3 and the nodes.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use coordinator::machine::{Effect, Event, Machine, Question, Settings};
use coordinator::scheduler::NodeId;
use proto::api::{JobReport, Submitted};
use proto::explain::Explanation;
use proto::failure::Failure;
use proto::job::{JobId, JobSpec, Outcome};
use proto::report::Report;
use proto::session::{Hello, Order};
use proto::timeline::Timeline;
use proto::view::JobView;
use proto_s3::S3;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::sync::{oneshot, watch};
use tracing::{Instrument, Span};

use crate::callback::Callbacks;
use crate::create::Suspects;
use crate::journal::Journal;
use crate::member::Orders;
use crate::metrics::Times;
use crate::pump::Handled;
use crate::questions::ask;
use crate::reports::{Reports, Unwritten};
use crate::roster::{JobRequest, Roster, Sight, problems, report};
use crate::spans;

mod ending;

use ending::{Ending, Written};

/// How long a coordinator that is told to stop stays after its jobs were cancelled: whoever watches one is still to
/// learn of it.
const FAREWELL: Duration = Duration::from_secs(2);

pub(crate) enum Message {
    Tick(Handled),
    Event(Box<Event>),
    Submit(Box<JobRequest>, oneshot::Sender<Result<Submitted, Refusal>>, oneshot::Sender<Outcome>),
    /// The callback of a job could not be recorded, so it was not submitted.
    Unrecorded(Box<JobRequest>),
    Watch(JobId, oneshot::Sender<Option<watch::Receiver<Sight>>>),
    Joined(NodeId, Hello, Orders),
    Reported(NodeId, Vec<Report>, Handled),
    Lost(NodeId),
    /// S3 answered the request for an upload, after answers were lost.
    Suspects(JobId, Suspects),
    /// All that a job may have left is known, and no record of it remains.
    Settled(JobId, Outcome),
    /// Something begun for a job that is over is done.
    ErrandDone,
    /// The report of a job is written, or lost.
    ReportDone(JobId),
    Look(Box<dyn FnOnce(&State) + Send>),
    Stop,
    /// Something that the actor waits for will never come.
    Broken(String),
}

/// Why a submission did not become a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The job makes no sense, or no more are taken.
    Job(Failure),
    /// Its owner has as many jobs as allowed, of which this is the number.
    TooMany(usize),
    /// Its callback cannot be recorded, so that it would be lost with this coordinator.
    Unrecorded(Failure),
    /// Its key was used for another.
    Mismatch(JobId),
    /// The coordinator is about to end, or has.
    Stopping,
}

pub(crate) struct CoordinatorActor;

pub(crate) struct Start {
    pub(crate) s3: S3,
    pub(crate) settings: Settings,
    pub(crate) journal: Option<Journal>,
    pub(crate) callbacks: Callbacks,
    /// Tells callbacks, and whoever asks, that the coordinator is about to end.
    pub(crate) stopping: watch::Sender<bool>,
}

pub(crate) struct State {
    s3: S3,
    journal: Option<Journal>,
    pub(crate) machine: Machine,
    clock: Clock,
    nodes: BTreeMap<NodeId, Orders>,
    pub(crate) roster: Roster,
    pub(crate) times: Times,
    /// The span of each job that is not settled.
    spans: BTreeMap<JobId, Span>,
    /// Why the machine refused a submission.
    refused: Option<Failure>,
    /// What is still done for jobs that are settled.
    errands: usize,
    /// Where reports go; none without a journal.
    reports: Option<Reports>,
    callbacks: Callbacks,
    /// Jobs that have ended and are not settled.
    ending: BTreeMap<JobId, Box<Ending>>,
    /// Reports of jobs that have ended.
    unwritten: Unwritten,
    /// Tells that the coordinator is about to end.
    stopping: watch::Sender<bool>,
    suspects: BTreeMap<JobId, Vec<Suspects>>,
    /// Jobs of which the journal has, or may have, a record.
    recorded: BTreeSet<JobId>,
    /// How long it stays when nothing of its jobs is left; none when it has not been told to stop, or has been
    /// told when.
    farewell: Option<Duration>,
}

impl Actor for CoordinatorActor {
    type Msg = Message;
    type State = State;
    type Arguments = Start;

    async fn pre_start(&self, _: ActorRef<Message>, start: Start) -> Result<State, ActorProcessingErr> {
        let reports = start.journal.as_ref().map(|journal| {
            // Not counted with any job.
            Reports::new(start.s3.clone(), journal.state().clone())
        });
        Ok(State {
            reports,
            callbacks: start.callbacks,
            ending: BTreeMap::new(),
            unwritten: Unwritten::default(),
            stopping: start.stopping,
            s3: start.s3,
            journal: start.journal,
            machine: Machine::new(start.settings),
            clock: Clock::start(),
            nodes: BTreeMap::new(),
            roster: Roster::default(),
            times: Times::default(),
            spans: BTreeMap::new(),
            refused: None,
            errands: 0,
            suspects: BTreeMap::new(),
            recorded: BTreeSet::new(),
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
            Message::Tick(_handled) => {
                state.happened(Event::Tick, &myself);
                state.show_watched();
            }
            Message::Event(event) => state.happened(*event, &myself),
            Message::Submit(request, reply, ended) => {
                // Whoever submitted it may have stopped waiting.
                let _ = reply.send(state.submit(*request, ended, &myself));
            }
            Message::Unrecorded(request) => state.undo(Written::of(&request), &myself),
            Message::Watch(id, reply) => {
                // As above.
                let _ = reply.send(state.watch(id));
            }
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
                let held = state.suspects.entry(id).or_default();
                // Of segments it is enough to know once.
                if !held.contains(&suspects) {
                    held.push(suspects);
                }
            }
            Message::Settled(id, outcome) => state.settle(id, outcome, &myself),
            Message::ErrandDone => state.errands -= 1,
            Message::ReportDone(id) => {
                state.unwritten.remove(id);
            }
            Message::Look(look) => look(state),
            Message::Stop => {
                let jobs = state.machine.jobs();
                state.stopping.send_replace(true);
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
        self.machine.job(id).or_else(|| self.roster.kept(id).map(|kept| kept.view.clone()))
    }

    /// Jobs submitted before this one, or all, that are `wanted`, the last first, as many as are asked for; and
    /// whether there are more. `None` when it is forgotten.
    pub(crate) fn jobs_before(
        &self,
        job: Option<JobId>,
        most: usize,
        wanted: impl Fn(&JobView) -> bool,
    ) -> Option<(Vec<JobView>, bool)> {
        let ids = self.roster.before(job)?;
        let mut wanted = ids.filter_map(|id| self.job(id)).filter(|job| wanted(job));
        let jobs = wanted.by_ref().take(most).collect();
        Some((jobs, wanted.next().is_some()))
    }

    /// Whether it takes no more jobs, because it is about to end.
    pub(crate) fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    /// Whether all jobs have ended and nothing of them is left.
    pub(crate) fn is_settled(&self) -> bool {
        self.roster.is_settled() && self.errands == 0
    }

    pub(crate) fn explanation(&self, id: JobId) -> Option<Explanation> {
        let explanation = self.machine.explanation(id);
        let explanation = explanation.or_else(|| self.roster.kept(id).map(|kept| kept.explanation.clone()));
        explanation.or_else(|| self.machine.job(id).map(|_| Explanation::of_nothing(id)))
    }

    pub(crate) fn timeline(&self, id: JobId) -> Option<Timeline> {
        let timeline = self.machine.timeline(id);
        let timeline = timeline.or_else(|| self.roster.kept(id).map(|kept| kept.timeline.clone()));
        timeline.or_else(|| self.machine.job(id).map(|_| Timeline::default()))
    }

    /// The report of a job, without its entries.
    pub(crate) fn report(&self, id: JobId) -> Option<JobReport> {
        if let Some(kept) = self.roster.kept(id) {
            return Some(kept.report());
        }
        let requests = self.machine.requests(id).unwrap_or_default();
        Some(report(self.machine.job(id)?, self.explanation(id)?, requests))
    }

    /// When it started, in milliseconds of its clock.
    pub(crate) fn started_ms(&self) -> u64 {
        self.clock.started_ms
    }

    fn sight(&self, id: JobId) -> Option<Sight> {
        Some(Sight { view: self.job(id)?, problems: problems(&self.explanation(id)?) })
    }

    fn watch(&mut self, id: JobId) -> Option<watch::Receiver<Sight>> {
        let now = self.sight(id)?;
        Some(self.roster.watch(id, now))
    }

    fn show_watched(&mut self) {
        for id in self.roster.watched() {
            if let Some(sight) = self.sight(id) {
                self.roster.show(id, sight);
            }
        }
    }

    /// Takes a job in, and removes what was written for it if it is none.
    fn submit(
        &mut self,
        request: JobRequest,
        ended: oneshot::Sender<Outcome>,
        myself: &ActorRef<Message>,
    ) -> Result<Submitted, Refusal> {
        let written = Written::of(&request);
        let submitted = self.take(request, ended, myself);
        if !submitted.as_ref().is_ok_and(|submitted| submitted.is_new) {
            self.undo(written, myself);
        }
        submitted
    }

    fn take(
        &mut self,
        mut request: JobRequest,
        ended: oneshot::Sender<Outcome>,
        myself: &ActorRef<Message>,
    ) -> Result<Submitted, Refusal> {
        let (id, owner) = (request.id, request.spec.owner.clone());
        if let Some((key, fingerprint)) = &request.key
            && let Some((known, before)) = self.roster.known(owner.as_deref(), key)
        {
            let is_same = before == *fingerprint;
            return if is_same {
                Ok(Submitted { id: known, is_new: false })
            } else {
                Err(Refusal::Mismatch(known))
            };
        }
        if self.is_stopping() {
            return Err(Refusal::Stopping);
        }
        if let Some(failure) = self.unwritten.refusal() {
            let outcome = Outcome::Failed { failure: failure.clone(), left_behind: Vec::new() };
            // Whoever submitted it may have stopped waiting.
            let _ = ended.send(outcome);
            return Err(Refusal::Job(failure));
        }
        if let Some(most) = request.jobs_max
            && self.roster.unsettled_of(owner.as_deref()) >= most
        {
            return Err(Refusal::TooMany(most));
        }
        self.spans.insert(id, spans::of_job(id, &mut request.spec));
        let JobSpec { sources, destination, .. } = &request.spec;
        tracing::info!(job = %id, sources = sources.len(), %destination, owner, "job submitted");
        self.roster.add(&request, ended);
        self.happened(Event::Submitted(id, request.spec), myself);
        match self.refused.take() {
            None => Ok(Submitted { id, is_new: true }),
            Some(failure) => {
                let outcome = Outcome::Failed { failure: failure.clone(), left_behind: Vec::new() };
                self.spans.remove(&id);
                self.roster.settle(id, outcome);
                self.roster.refuse(id);
                Err(Refusal::Job(failure))
            }
        }
    }

    /// Has the machine take in an event, and what follows from carrying out its effects.
    fn happened(&mut self, event: Event, myself: &ActorRef<Message>) {
        let now_ms = self.clock.now_ms();
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
            Effect::Refuse(_, failure) => {
                self.refused = Some(failure);
                None
            }
            Effect::Finish(ended) => {
                self.finish(*ended, myself);
                None
            }
            Effect::Ask(question) => {
                if let (Question::Create { job, segment: None, .. }, Some(_)) = (&question, &self.journal) {
                    self.recorded.insert(*job);
                }
                let (s3, journal) = (self.s3.tallied(), self.journal.clone());
                let job = question.job();
                let span = spans::of_question(self.spans.get(&job), &question);
                aside(myself, async move {
                    let (event, suspects) = ask(&s3, journal.as_ref(), question).instrument(span).await;
                    let suspects = suspects.map(|(id, suspects)| Message::Suspects(id, suspects));
                    let spent = Message::Event(Box::new(Event::Spent(job, s3.requests())));
                    // First, because after the answer the job may be over.
                    [spent].into_iter().chain(suspects).chain([Message::Event(Box::new(event))]).collect()
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
}

/// Milliseconds since 1970 UTC, that never go back: told by the system once, and then by its monotonic clock.
struct Clock {
    started_ms: u64,
    started: Instant,
}

impl Clock {
    fn start() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { started_ms: since.as_millis() as u64, started: Instant::now() }
    }

    fn now_ms(&self) -> u64 {
        self.started_ms + self.started.elapsed().as_millis() as u64
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

#[cfg(test)]
mod tests;
