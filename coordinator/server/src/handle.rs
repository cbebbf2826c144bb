//! The handle others hold of a running coordinator.

use std::time::Duration;

use coordinator::machine::{Event, Settings};
use coordinator::scheduler::NodeId;
use proto::api::{JobReport, Submitted};
use proto::explain::Explanation;
use proto::failure::{Failure, FailureKind};
use proto::job::{JobId, JobSpec, Outcome, Progress};
use proto::limits::{ORDERS_PENDING_MAX, SESSION_QUEUE_MESSAGES};
use proto::report::Report;
use proto::session::{Hello, Order};
use proto::timeline::Timeline;
use proto::view::{JobView, NodeView};
use proto_s3::S3;
use ractor::{Actor, ActorRef, SpawnErr};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::MissedTickBehavior;

use crate::actor::{CoordinatorActor, Message, Refusal, Start, State};
use crate::callback::{Callbacks, Records};
use crate::journal::Journal;
use crate::member::{Member, Orders};
use crate::metrics::Seen;
use crate::pump::pump;
use crate::reports::{NoReport, ReportBody};
use crate::roster::{JobRequest, Sight};

/// How often the machine is told that time has passed.
const TICK: Duration = Duration::from_millis(500);

/// A running coordinator.
#[derive(Clone, Debug)]
pub struct Coordinator {
    actor: ActorRef<Message>,
    callbacks: Callbacks,
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

/// The coordinator has ended: nobody is left to be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the coordinator has ended")]
pub struct Gone;

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
    /// Starts a coordinator without nodes or jobs. With a journal, uploads and callbacks are recorded where they
    /// outlive it.
    ///
    /// # Errors
    /// When the actor cannot be started.
    pub async fn start(s3: S3, settings: Settings, journal: Option<Journal>) -> Result<Self, SpawnErr> {
        let (stopping, is_stopping) = watch::channel(false);
        let records = journal.as_ref().map(|journal| Records::new(s3.clone(), journal.state().clone()));
        let callbacks = Callbacks::new(records, is_stopping);
        let start = Start { s3, settings, journal, callbacks: callbacks.clone(), stopping };
        let (actor, _) = Actor::spawn(None, CoordinatorActor, start).await?;
        tokio::spawn(tick(actor.clone()));
        Ok(Self { actor, callbacks })
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
        let _ = self.actor.cast(Message::Event(Box::new(event)));
    }

    /// Submits a job. Should it be refused, that is its outcome.
    #[must_use]
    pub fn submit(&self, spec: JobSpec) -> Job {
        let request = JobRequest::new(spec);
        let id = request.id;
        let ((reply, _), (ended, outcome)) = (oneshot::channel(), oneshot::channel());
        // If the coordinator is gone, `ended` is dropped and the outcome says so.
        let _ = self.actor.cast(Message::Submit(Box::new(request), reply, ended));
        Job { id, outcome }
    }

    /// Submits a job that others may ask for afterwards. Once it is taken, whoever it wants called back is: if this
    /// coordinator dies, by the next one.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn request(&self, request: JobRequest) -> Result<Submitted, Refusal> {
        if request.callback.is_none() {
            return self.hand_in(request).await;
        }
        // Before there is a task of it: those are as many as there are turns, however many wait.
        let turn = self.callbacks.turn().await;
        let coordinator = self.clone();
        // On its own: whoever stops waiting must not leave a record of what is no job.
        let handed_in = tokio::spawn(async move {
            if let Err(failure) = coordinator.callbacks.owe(&request).await {
                // Fails only when it is gone: then the next one removes what was written.
                let _ = coordinator.actor.cast(Message::Unrecorded(Box::new(request)));
                return Err(Refusal::Unrecorded(failure));
            }
            drop(turn);
            let id = request.id;
            let submitted = coordinator.hand_in(request).await;
            if submitted == Err(Refusal::Stopping) {
                // There may be nobody left who does it.
                coordinator.callbacks.forget(id).await;
            }
            submitted
        });
        handed_in.await.unwrap_or(Err(Refusal::Stopping))
    }

    /// Delivers callbacks.
    pub(crate) fn callbacks(&self) -> &Callbacks {
        &self.callbacks
    }

    async fn hand_in(&self, request: JobRequest) -> Result<Submitted, Refusal> {
        let ((reply, answer), (ended, _)) = (oneshot::channel(), oneshot::channel());
        let submitted = self.actor.cast(Message::Submit(Box::new(request), reply, ended));
        submitted.map_err(|_| Refusal::Stopping)?;
        answer.await.unwrap_or(Err(Refusal::Stopping))
    }

    /// Asks for a job to be ended; its outcome tells when nothing of it is left.
    pub fn cancel(&self, id: JobId) {
        self.tell(Event::Cancelled(id));
    }

    /// Asks for a node to finish or hand back what it has, and to leave. `None` when there is no node of that name.
    ///
    /// # Errors
    /// When the coordinator is gone.
    pub async fn dismiss(&self, name: &str) -> Result<Option<NodeView>, Gone> {
        let name = name.to_owned();
        let found = self.look(move |state| state.machine.node(&name)).await?;
        Ok(found.map(|(node, view)| {
            self.tell(Event::Dismissed(node));
            view
        }))
    }

    /// How far a job has come; `None` when it has ended.
    ///
    /// # Errors
    /// When the coordinator is gone.
    pub async fn progress(&self, id: JobId) -> Result<Option<Progress>, Gone> {
        self.look(move |state| state.machine.progress(id)).await
    }

    /// A job that has not ended, or is one of the last [`JOBS_REMEMBERED`](proto::limits::JOBS_REMEMBERED) that
    /// have.
    ///
    /// # Errors
    /// When the coordinator is gone.
    pub async fn job(&self, id: JobId) -> Result<Option<JobView>, Gone> {
        self.look(move |state| state.job(id)).await
    }

    /// Jobs submitted before this one, or all, that are `wanted`, the last first, as many as are asked for; and
    /// whether there are more. `None` when it is forgotten.
    ///
    /// # Errors
    /// When the coordinator is gone.
    pub async fn jobs_before(
        &self,
        job: Option<JobId>,
        most: usize,
        wanted: impl Fn(&JobView) -> bool + Send + 'static,
    ) -> Result<Option<(Vec<JobView>, bool)>, Gone> {
        self.look(move |state| state.jobs_before(job, most, wanted)).await
    }

    /// A job to be watched until it has ended; what is seen changes about twice a second. `None` when it is forgotten.
    ///
    /// # Errors
    /// When the coordinator is gone.
    pub async fn watch(&self, id: JobId) -> Result<Option<watch::Receiver<Sight>>, Gone> {
        let (reply, answer) = oneshot::channel();
        self.actor.cast(Message::Watch(id, reply)).map_err(|_| Gone)?;
        answer.await.map_err(|_| Gone)
    }

    /// The report of a job that has ended, also of one that is forgotten, as long as it is in the coordinator's
    /// state.
    ///
    /// # Errors
    /// See [`NoReport`].
    pub async fn report_body(&self, id: JobId) -> Result<ReportBody, NoReport> {
        let look = self.look(move |state| (state.owes_report(id), state.reports())).await;
        match look? {
            (true, _) => Err(NoReport::NotReady),
            (false, Some(reports)) => reports.open(id).await,
            (false, None) => Err(NoReport::Unknown),
        }
    }

    /// Why a job went as it did, or has gone so far; `None` when it is forgotten.
    ///
    /// # Errors
    /// When the coordinator is gone.
    pub async fn explanation(&self, id: JobId) -> Result<Option<Explanation>, Gone> {
        self.look(move |state| state.explanation(id)).await
    }

    /// Who worked at what when; `None` when it is forgotten.
    ///
    /// # Errors
    /// When the coordinator is gone.
    pub async fn timeline(&self, id: JobId) -> Result<Option<Timeline>, Gone> {
        self.look(move |state| state.timeline(id)).await
    }

    /// What there is to report of a job without its entries; `None` when it is forgotten.
    ///
    /// # Errors
    /// When the coordinator is gone.
    pub async fn report(&self, id: JobId) -> Result<Option<JobReport>, Gone> {
        self.look(move |state| state.report(id)).await
    }

    /// The nodes there are, by their names.
    ///
    /// # Errors
    /// When the coordinator is gone.
    pub async fn nodes(&self) -> Result<Vec<NodeView>, Gone> {
        let mut nodes = self.look(|state| state.machine.nodes()).await?;
        nodes.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(nodes)
    }

    /// What is counted.
    pub(crate) async fn seen(&self) -> Result<Seen, Gone> {
        self.look(Seen::of).await
    }

    /// Takes no more jobs, cancels those there are, and waits until they have ended and nothing of them is left;
    /// then the coordinator ends, a moment later if there were any.
    pub async fn stop(&self) {
        // Fails only when it is gone already.
        let _ = self.actor.cast(Message::Stop);
        self.ended().await;
    }

    /// Whether it was told to stop, or is gone.
    pub(crate) async fn is_stopping(&self) -> bool {
        self.look(State::is_stopping).await.unwrap_or(true)
    }

    /// Whether all jobs have ended and nothing of their uploads is left; reports and callbacks may be on their way.
    pub(crate) async fn is_settled(&self) -> bool {
        self.look(|state| state.roster.is_settled()).await.unwrap_or(true)
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

    /// What `at` sees in the actor's state.
    async fn look<T: Send + 'static>(
        &self,
        at: impl FnOnce(&State) -> T + Send + 'static,
    ) -> Result<T, Gone> {
        let (reply, answer) = oneshot::channel();
        let look = Message::Look(Box::new(move |state| {
            // Whoever asked may have stopped waiting.
            let _ = reply.send(at(state));
        }));
        self.actor.cast(look).map_err(|_| Gone)?;
        answer.await.map_err(|_| Gone)
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
