//! A node as its coordinator holds it, and the coordinator as a node's session holds it.

use coordinator::scheduler::NodeId;
use proto::report::Report;
use proto::session::Order;
use ractor::ActorRef;
use tokio::sync::mpsc::{self, error::TrySendError};

use crate::actor::Message;
use crate::pump::Handled;
use crate::session;

/// Where a node's orders go. Dropped, there will be no more, and whoever takes them ends.
pub(crate) enum Orders {
    /// To a node of this process.
    Here(mpsc::Sender<Order>),
    /// To the session of a node elsewhere, which bounds what it has not passed on.
    There(ToSession),
}

pub(crate) struct ToSession(pub(crate) ActorRef<session::Message>);

impl Drop for ToSession {
    fn drop(&mut self) {
        self.0.stop(None);
    }
}

impl Orders {
    /// Passes an order on without waiting; `false` when the node leaves too many lying. One that has gone is
    /// told of by a message.
    pub(crate) fn give(&self, order: Order) -> bool {
        match self {
            Self::Here(orders) => !matches!(orders.try_send(order), Err(TrySendError::Full(_))),
            Self::There(ToSession(session)) => {
                let _ = session.cast(session::Message::Order(Box::new(order)));
                true
            }
        }
    }
}

/// A node's membership of the fleet: the node is lost when it is dropped.
pub(crate) struct Member {
    pub(crate) node: NodeId,
    pub(crate) coordinator: ActorRef<Message>,
}

impl Member {
    /// Hands on what the node reports; `handled` is dropped when that has been taken in. `false` when the
    /// coordinator is gone.
    pub(crate) fn report(&self, reports: Vec<Report>, handled: Handled) -> bool {
        self.coordinator.cast(Message::Reported(self.node, reports, handled)).is_ok()
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        // Fails only when the coordinator is gone, which then needs no telling.
        let _ = self.coordinator.cast(Message::Lost(self.node));
    }
}
