//! The node's actor: orders in, reports out, transfers in between.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use node::answers::{Answer, Answers};
use node::concurrency::Concurrency;
use node::pool::Pool;
use node::tally::Tally;
use node::window::{Cost, Window};
use proto::batch::{Assignment, AttemptId, Batch, Upload};
use proto::failure::{Failure, FailureKind};
use proto::part::{Effort, PartDone, PartFailed, PartReturned};
use proto::report::{Report, Vitals};
use proto::session::Order;
use proto_s3::S3;
use proto_session::Taken;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use crate::config::NodeConfig;
use crate::meter::Meter;
use crate::part::{Made, make};
use crate::requests::Requests;
use crate::transfer::Transfer;
use crate::warm::Warmth;

/// Results that come within this time of a report share the next one.
const REPORT_GAP: Duration = Duration::from_millis(5);
/// The same as long as granted parts wait to be begun: the node then needs no more soon, and a coordinator of a
/// thousand nodes is spared most messages.
const REPORT_GAP_BUSY: Duration = Duration::from_millis(200);
/// How long to wait when reports are not taken.
const REPORT_RETRY: Duration = Duration::from_millis(50);
/// How often throughput is looked at, at least.
const TICK_MAX: Duration = Duration::from_millis(250);

pub(crate) struct NodeActor;

pub(crate) struct Start {
    pub(crate) config: NodeConfig,
    pub(crate) s3: S3,
    /// Time between two reports when there is nothing to say.
    pub(crate) heartbeat: Duration,
    pub(crate) reports: mpsc::Sender<Report>,
}

pub(crate) enum Message {
    Order(Order),
    Ended(Ended),
    Tick,
    Flush,
    Drain(Instant),
    /// The time to drain is over.
    Late,
}

/// An attempt that is over.
pub(crate) struct Ended {
    id: AttemptId,
    /// None when it was dropped.
    result: Option<Result<PartDone, Failure>>,
    buffer: Option<Bytes>,
}

/// An attempt that has begun.
struct Running {
    transfer: Transfer,
    meter: Arc<Meter>,
    cost: Cost,
    /// Size of its part.
    bytes: u64,
}

pub(crate) struct State {
    requests: Arc<Requests>,
    concurrency: Concurrency,
    window: Window,
    pool: Pool,
    running: BTreeMap<AttemptId, Running>,
    /// All that is held: begun or not.
    tally: Tally,
    warmth: Warmth,
    /// What the process took when it was last looked at: reports may be many more than is worth a look.
    taken: Taken,
    is_draining: bool,
    reporting: Reporting,
}

/// What there is to report, and when.
struct Reporting {
    reports: mpsc::Sender<Report>,
    answers: Answers,
    heartbeat: Duration,
    last: Instant,
    is_due: bool,
    is_flush_planned: bool,
}

impl Actor for NodeActor {
    type Msg = Message;
    type State = State;
    type Arguments = Start;

    async fn pre_start(&self, myself: ActorRef<Message>, start: Start) -> Result<State, ActorProcessingErr> {
        let Start { config, s3, heartbeat, reports } = start;
        myself.send_interval((heartbeat / 2).min(TICK_MAX), || Message::Tick);
        let concurrency = Concurrency::new(config.concurrency);
        Ok(State {
            window: Window::new(config.body_budget_bytes(), concurrency.level()),
            pool: Pool::default(),
            running: BTreeMap::new(),
            taken: Taken::now().unwrap_or_default(),
            tally: Tally::default(),
            warmth: Warmth::new(s3.clone(), config.keep_warm),
            is_draining: false,
            reporting: Reporting {
                reports,
                answers: Answers::default(),
                heartbeat,
                last: Instant::now(),
                is_due: false,
                is_flush_planned: false,
            },
            requests: Arc::new(Requests::new(s3, concurrency.level())),
            concurrency,
        })
    }

    async fn handle(
        &self,
        myself: ActorRef<Message>,
        message: Message,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            Message::Order(order) => state.order(order),
            Message::Ended(ended) => state.ended(ended),
            Message::Tick => state.tick(),
            Message::Flush => state.reporting.is_flush_planned = false,
            Message::Drain(deadline) => {
                state.drain();
                myself.send_after(deadline.saturating_duration_since(Instant::now()), || Message::Late);
            }
            Message::Late => state.running.values().for_each(|running| running.transfer.abort()),
        }
        state.begin(&myself);
        state.report(&myself);
        if state.is_draining && state.tally.is_empty() && state.reporting.is_all_said() {
            myself.stop(None);
        }
        Ok(())
    }
}

impl State {
    fn order(&mut self, order: Order) {
        match order {
            Order::Grant(batch) => self.grant(batch),
            Order::Revoke(attempts) => {
                let gone: BTreeSet<AttemptId> = attempts.into_iter().collect();
                self.give_back(|id| gone.contains(&id));
            }
            Order::Cancel(job) => {
                self.warmth.over(job);
                self.give_back(|id| id.job == job);
            }
            Order::Warm(job, buckets) => self.warmth.announce(job, buckets, self.concurrency.level()),
            Order::Pace(paces) => self.requests.pace(paces),
            // Whoever holds the session has it drain, and then leave.
            Order::Drain => {}
        }
    }

    fn grant(&mut self, Batch { upload, assignments }: Batch) {
        self.warmth.remember(&upload.destination.bucket);
        for assignment in assignments {
            self.warmth.over(assignment.id.job);
            if self.is_draining {
                // It was sent before the coordinator knew.
                self.reporting.answers.push(never_begun(assignment.id));
            } else if self.tally.hold(assignment.id, assignment.work.moved_bytes()) {
                self.window.queue(upload.clone(), assignment);
            }
        }
    }

    /// Drops what `is_gone`. What has begun is answered when it has stopped.
    fn give_back(&mut self, is_gone: impl Fn(AttemptId) -> bool) {
        for (_, running) in self.running.iter().filter(|(id, _)| is_gone(**id)) {
            running.transfer.abort();
        }
        for id in self.window.surrender(is_gone) {
            self.tally.release(id);
            self.reporting.answers.push(never_begun(id));
        }
    }

    /// Takes no more, gives back what has not begun, and says so at once.
    fn drain(&mut self) {
        self.is_draining = true;
        self.reporting.is_due = true;
        for id in self.window.surrender(|_| true) {
            self.tally.release(id);
            self.reporting.answers.push(never_begun(id));
        }
    }

    /// Begins what there is memory for.
    fn begin(&mut self, myself: &ActorRef<Message>) {
        while let Some((upload, assignment)) = self.window.begin() {
            let work = &assignment.work;
            let mut cost = Cost::of(work);
            let buffer = if work.is_made_by_s3() {
                BytesMut::new()
            } else {
                self.pool.take(work.bytes, self.window.room_bytes())
            };
            let excess = (buffer.capacity() as u64).saturating_sub(work.bytes);
            self.window.charge(excess);
            cost.bytes += excess;
            let id = assignment.id;
            let running = self.spawn(upload, assignment, buffer, cost, myself.clone());
            self.running.insert(id, running);
        }
    }

    /// A task for the transfer, and one that learns how it ended whether it finished, was dropped or
    /// panicked: every attempt is answered, or its job would wait forever.
    fn spawn(
        &self,
        upload: Upload,
        assignment: Assignment,
        buffer: BytesMut,
        cost: Cost,
        actor: ActorRef<Message>,
    ) -> Running {
        let (id, bytes) = (assignment.id, assignment.work.bytes);
        let meter = Arc::new(Meter::start(assignment.work.is_made_by_s3()));
        let transfer =
            tokio::spawn(make(Arc::clone(&self.requests), Arc::clone(&meter), upload, assignment, buffer));
        let handle = Transfer::new(transfer.abort_handle());
        tokio::spawn(async move {
            let (result, buffer) = match transfer.await {
                Ok(Ok(Made { done, bytes })) => (Some(Ok(done)), Some(bytes)),
                Ok(Err(failure)) => (Some(Err(failure)), None),
                Err(error) if error.is_cancelled() => (None, None),
                Err(error) => {
                    let failure = Failure::new(FailureKind::Internal, format!("{id} failed: {error}"));
                    (Some(Err(failure)), None)
                }
            };
            // Fails only when the actor is gone, and then nobody waits.
            let _ = actor.cast(Message::Ended(Ended { id, result, buffer }));
        });
        Running { transfer: handle, meter, cost, bytes }
    }

    fn ended(&mut self, Ended { id, result, buffer }: Ended) {
        let mut effort = Effort::default();
        if let Some(running) = self.running.remove(&id) {
            let (fetched, uploaded) = running.meter.read();
            self.tally.note(id, fetched, uploaded);
            effort = running.meter.effort();
            self.window.end(running.cost);
        }
        self.tally.release(id);
        if let Some(buffer) = buffer {
            self.pool.put(buffer);
        }
        self.reporting.answers.push(match result {
            Some(Ok(done)) => Answer::Done(done),
            Some(Err(failure)) => {
                tracing::debug!(attempt = %id, %failure, "attempt failed");
                Answer::Failed(PartFailed { id, failure, effort })
            }
            None => Answer::Returned(PartReturned { id, effort }),
        });
    }

    /// Adapts to what S3 gives, and sees whether it is time to say something.
    fn tick(&mut self) {
        let now_ms = self.requests.now_ms();
        self.read_meters();
        self.taken = Taken::now().unwrap_or_default();
        if self.requests.take_was_refused() {
            self.concurrency.throttled(now_ms);
        }
        self.concurrency.measure(self.tally.moved_bytes(), self.requests.take_was_full(), now_ms);
        self.requests.resize(self.concurrency.level());
        self.window.follow(self.concurrency.level());
        if self.running.is_empty() {
            self.warmth.keep();
        }
        // Ticks come at twice that rate, early or late.
        self.reporting.is_due |= self.reporting.last.elapsed() >= self.reporting.heartbeat * 3 / 4;
    }

    fn read_meters(&mut self) {
        for (id, running) in &mut self.running {
            let (fetched, uploaded) = running.meter.read();
            self.tally.note(*id, fetched, uploaded);
            if fetched >= running.bytes {
                self.window.fetched(&mut running.cost);
            }
        }
    }

    /// Says what there is to say, as soon as it may be said.
    fn report(&mut self, myself: &ActorRef<Message>) {
        while self.reporting.is_due || !self.reporting.answers.is_empty() {
            let gap = if self.window.has_waiting() { REPORT_GAP_BUSY } else { REPORT_GAP };
            if self.reporting.last.elapsed() < gap && !self.reporting.is_due {
                return self.reporting.later(gap, myself);
            }
            // Never waits: whoever takes the reports may be waiting for this actor to take orders.
            match self.reporting.reports.clone().try_reserve() {
                Ok(permit) => {
                    self.read_meters();
                    let mut report = self.reporting.answers.report();
                    report.vitals = self.vitals();
                    permit.send(report);
                }
                Err(TrySendError::Full(())) => return self.reporting.later(REPORT_RETRY, myself),
                // The coordinator is gone; the orders then close too, and the actor stops.
                Err(TrySendError::Closed(())) => return,
            }
            self.reporting.is_due = false;
            self.reporting.last = Instant::now();
        }
    }

    fn vitals(&self) -> Vitals {
        Vitals {
            moved_bytes: self.tally.moved_bytes(),
            left_bytes: self.tally.left_bytes(),
            concurrency: u32::try_from(self.concurrency.level()).unwrap_or(u32::MAX),
            is_draining: self.is_draining,
            requests: self.requests.s3.requests(),
            cpu_ms: self.taken.cpu_ms,
            resident_bytes: self.taken.resident_bytes,
            throttled: self.requests.take_throttled(),
        }
    }
}

/// The answer to an attempt that was dropped before it began.
fn never_begun(id: AttemptId) -> Answer {
    Answer::Returned(PartReturned { id, effort: Effort::default() })
}

impl Reporting {
    fn later(&mut self, wait: Duration, myself: &ActorRef<Message>) {
        if !self.is_flush_planned {
            self.is_flush_planned = true;
            myself.send_after(wait, || Message::Flush);
        }
    }

    fn is_all_said(&self) -> bool {
        !self.is_due && self.answers.is_empty()
    }
}
