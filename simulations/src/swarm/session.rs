//! A node as the coordinator knows it.

use proto::batch::Batch;
use proto::link::Link;
use proto::session::Order;

use super::world::{Carried, World};

/// About how many bytes a batch takes beside its literal bytes, for each object.
const BODY_BYTES: usize = 300;

/// A node's session.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) host: usize,
    pub(super) connection: Option<u64>,
    pub(super) link: Link<Order>,
    pub(super) body_budget_bytes: u64,
}

impl Session {
    pub(super) fn push(&mut self, order: Order) {
        let bytes = match &order {
            Order::Grant(batch) => bytes_of(batch),
            _ => BODY_BYTES,
        };
        self.link.push(order, bytes);
    }

    /// Sends what there is to say.
    pub(super) fn send(&mut self, world: &mut World) {
        let Some(connection) = self.connection else { return };
        while let Some(frame) = self.link.frame(world.now_ms()) {
            world.carry(Carried::Orders(self.host, connection, frame));
        }
    }
}

fn bytes_of(batch: &Batch) -> usize {
    let of_work =
        |work: &proto::plan::PartWork| BODY_BYTES * (work.bodies.len() + 1) + work.literal_bytes() as usize;
    batch.assignments.iter().map(|assignment| of_work(&assignment.work)).sum()
}
