//! The node's actor: orders in, reports out, transfers in between.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use node::pool::Pool;
use node::window::{Cost, Window};
use proto::batch::{Assignment, AttemptId, Upload};
use proto::failure::{Failure, FailureKind};
use proto::job::JobId;
use proto::limits::body_budget_bytes;
use proto::part::{PartDone, PartFailed};
use proto::report::Report;
use proto::session::{Hello, Order};
use proto_s3::S3;
use ractor::{Actor, ActorProcessingErr, ActorRef, SpawnErr};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::{AbortHandle, JoinHandle};

use crate::part::{Made, make};

/// What a node may use.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// Its name, unique among a coordinator's nodes.
    pub name: String,
    /// Memory for part bodies and connections, in bytes.
    pub memory_bytes: u64,
    /// Requests in flight at a time.
    pub concurrency: usize,
}

impl NodeConfig {
    /// What the node says first.
    #[must_use]
    pub fn hello(&self) -> Hello {
        Hello {
            name: self.name.clone(),
            body_budget_bytes: body_budget_bytes(self.memory_bytes, self.concurrency),
        }
    }
}

/// Starts a node. It works until `orders` closes, and the task given back ends after that.
///
/// # Errors
/// When the actor cannot be started.
pub async fn start(
    config: NodeConfig,
    s3: S3,
    mut orders: mpsc::Receiver<Order>,
    reports: mpsc::Sender<Report>,
) -> Result<JoinHandle<()>, SpawnErr> {
    let (actor, ended) = Actor::spawn(None, NodeActor, Start { config, s3, reports }).await?;
    tokio::spawn(async move {
        while let Some(order) = orders.recv().await {
            if actor.cast(Message::Order(order)).is_err() {
                return;
            }
        }
        actor.stop(None);
    });
    Ok(ended)
}

struct NodeActor;

struct Start {
    config: NodeConfig,
    s3: S3,
    reports: mpsc::Sender<Report>,
}

enum Message {
    Order(Order),
    Ended(Ended),
}

/// An attempt that is over.
struct Ended {
    id: AttemptId,
    cost: Cost,
    result: Result<PartDone, Failure>,
    buffer: Option<Bytes>,
}

/// A part under way; dropped with the state, however the actor ends, it stops.
struct Transfer(AbortHandle);

impl Drop for Transfer {
    fn drop(&mut self) {
        self.0.abort();
    }
}

struct State {
    s3: S3,
    reports: mpsc::Sender<Report>,
    window: Window,
    pool: Pool,
    /// One permit a request.
    requests: Arc<Semaphore>,
    running: BTreeMap<AttemptId, Transfer>,
}

impl Actor for NodeActor {
    type Msg = Message;
    type State = State;
    type Arguments = Start;

    async fn pre_start(&self, _myself: ActorRef<Message>, start: Start) -> Result<State, ActorProcessingErr> {
        let Start { config, s3, reports } = start;
        Ok(State {
            s3,
            reports,
            window: Window::new(config.hello().body_budget_bytes, config.concurrency),
            pool: Pool::default(),
            requests: Arc::new(Semaphore::new(config.concurrency)),
            running: BTreeMap::new(),
        })
    }

    async fn handle(
        &self,
        myself: ActorRef<Message>,
        message: Message,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            Message::Order(Order::Grant(batch)) => {
                for assignment in batch.assignments {
                    state.window.queue(batch.upload.clone(), assignment);
                }
            }
            Message::Order(Order::Cancel(job)) => state.cancel(job).await,
            Message::Ended(ended) => state.ended(ended).await,
        }
        state.begin(&myself);
        Ok(())
    }
}

impl State {
    /// Begins what there is memory for.
    fn begin(&mut self, myself: &ActorRef<Message>) {
        while let Some((upload, assignment)) = self.window.begin() {
            let work = &assignment.work;
            let buffer = self.pool.take(work.bytes, self.window.room_bytes());
            let mut cost = Cost::of(work);
            let excess = (buffer.capacity() as u64).saturating_sub(work.bytes);
            self.window.charge(excess);
            cost.bytes += excess;
            let id = assignment.id;
            let transfer = self.spawn(upload, assignment, buffer, cost, myself.clone());
            self.running.insert(id, transfer);
        }
    }

    /// A task for the transfer, and one that learns how it ended whether it finished, was cancelled or
    /// panicked: every attempt is answered, or its job would wait forever.
    fn spawn(
        &self,
        upload: Upload,
        assignment: Assignment,
        buffer: BytesMut,
        cost: Cost,
        actor: ActorRef<Message>,
    ) -> Transfer {
        let id = assignment.id;
        let transfer =
            tokio::spawn(make(self.s3.clone(), Arc::clone(&self.requests), upload, assignment, buffer));
        let handle = Transfer(transfer.abort_handle());
        tokio::spawn(async move {
            let (result, buffer) = match transfer.await {
                Ok(Ok(Made { done, bytes })) => (Ok(done), Some(bytes)),
                Ok(Err(failure)) => (Err(failure), None),
                Err(error) if error.is_cancelled() => (Err(cancelled()), None),
                Err(error) => {
                    (Err(Failure::new(FailureKind::Internal, format!("{id} failed: {error}"))), None)
                }
            };
            // Fails only when the actor is gone, and then nobody waits.
            let _ = actor.cast(Message::Ended(Ended { id, cost, result, buffer }));
        });
        handle
    }

    async fn ended(&mut self, ended: Ended) {
        self.running.remove(&ended.id);
        self.window.end(ended.cost);
        if let Some(buffer) = ended.buffer {
            self.pool.put(buffer);
        }
        let mut report = Report::default();
        match ended.result {
            Ok(done) => report.done.push(done),
            Err(failure) => {
                tracing::debug!(attempt = %ended.id, %failure, "attempt failed");
                report.failed.push(PartFailed { id: ended.id, failure });
            }
        }
        self.report(report).await;
    }

    async fn cancel(&mut self, job: JobId) {
        for transfer in self.running.iter().filter(|(id, _)| id.job == job).map(|(_, transfer)| transfer) {
            transfer.0.abort();
        }
        let failed = self.window.surrender(job).into_iter();
        let failed =
            failed.map(|assignment| PartFailed { id: assignment.id, failure: cancelled() }).collect();
        self.report(Report { failed, ..Report::default() }).await;
    }

    async fn report(&self, report: Report) {
        // Fails only when the coordinator is gone; the orders then close too, and the actor stops.
        let _ = self.reports.send(report).await;
    }
}

fn cancelled() -> Failure {
    Failure::new(FailureKind::Cancelled, "the job was cancelled")
}
