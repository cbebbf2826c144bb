//! A running node, as whoever started it holds it.

use std::time::{Duration, Instant};

use proto::limits::HEARTBEAT_MS;
use proto::report::Report;
use proto::session::Order;
use proto_s3::S3;
use ractor::{Actor, ActorRef, SpawnErr};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::actor::{Message, NodeActor, Start};
use crate::config::NodeConfig;

/// A running node.
#[derive(Debug)]
pub struct Node {
    actor: ActorRef<Message>,
    ended: JoinHandle<()>,
}

/// Starts a node. It works until `orders` closes.
///
/// # Errors
/// When the actor cannot be started.
pub async fn start(
    config: NodeConfig,
    s3: S3,
    mut orders: mpsc::Receiver<Order>,
    reports: mpsc::Sender<Report>,
) -> Result<Node, SpawnErr> {
    let node = Node::start(config, s3, Duration::from_millis(HEARTBEAT_MS), reports).await?;
    let actor = node.actor.clone();
    tokio::spawn(async move {
        while let Some(order) = orders.recv().await {
            if actor.cast(Message::Order(order)).is_err() {
                return;
            }
        }
        actor.stop(None);
    });
    Ok(node)
}

impl Node {
    /// Starts a node that says something at least every `heartbeat`.
    pub(crate) async fn start(
        config: NodeConfig,
        s3: S3,
        heartbeat: Duration,
        reports: mpsc::Sender<Report>,
    ) -> Result<Self, SpawnErr> {
        let (actor, ended) = Actor::spawn(None, NodeActor, Start { config, s3, heartbeat, reports }).await?;
        Ok(Self { actor, ended })
    }

    /// Gives it an order. One that has ended does nothing.
    pub(crate) fn order(&self, order: Order) {
        let _ = self.actor.cast(Message::Order(order));
    }

    /// Lets it take no more parts: what has not begun is returned at once, what has begun is finished, or
    /// returned at `deadline`. It ends when it holds nothing and all has been reported.
    pub fn drain(&self, deadline: Instant) {
        let _ = self.actor.cast(Message::Drain(deadline));
    }

    /// Waits until it has ended: by draining, because its orders closed, or by a defect.
    pub async fn ended(&mut self) {
        // A panic of the actor is caught and logged by its supervisor; ended it has.
        let _ = (&mut self.ended).await;
    }

    /// Ends it. All it holds is dropped, without a word.
    pub(crate) async fn stop(mut self) {
        self.actor.stop(None);
        self.ended().await;
    }

    /// Ends it as a defect would.
    #[cfg(test)]
    pub(crate) fn fail(&self) {
        self.actor.kill();
    }
}
