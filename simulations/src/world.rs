//! What all parts of the world share: time, S3, chance, and what is noted for the outcome.

use proto::report::Report;
use proto::session::Order;
use serde::Serialize;

use crate::agenda::Agenda;
use crate::dice::Dice;
use crate::histogram::Histogram;
use crate::model::Model;
use crate::node::Key;
use crate::s3::S3;

/// The bucket that objects are in.
pub(crate) const SOURCE_BUCKET: &str = "in";
/// The bucket that the archive goes to.
pub(crate) const ARCHIVE_BUCKET: &str = "out";

/// Something that happens in the world.
#[derive(Debug)]
pub(crate) enum Happening {
    /// The coordinator hears of something.
    Heard(Box<coordinator::machine::Event>),
    /// The coordinator has time for the next thing it has heard of.
    Free,
    /// The coordinator's clock ticks.
    Tick,
    /// Something happens to a node.
    Node(usize, Alarm),
    /// A machine is gone.
    Lost(usize),
    /// Another has taken its place.
    Replaced(usize),
    /// How much went through the network is looked at.
    Look,
}

/// Something that happens to a node.
#[derive(Debug)]
pub(crate) enum Alarm {
    /// An order arrives.
    Order(Box<Order>),
    /// It is time to look at throughput.
    Tick,
    /// Reports may be sent again.
    Flush,
    /// So many connections to one of the buckets were opened ahead.
    Warm(usize, usize),
    /// What a request waits for has come.
    Request(Key),
    /// Bytes have come through, if no later look was planned.
    Moved(u64),
}

/// Where the time of requests went, in microseconds, added up over all requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Times {
    /// Waiting for the fleet's pace.
    pub turn_us: u64,
    /// Waiting to be sent again after a refusal.
    pub backoff_us: u64,
    /// Waiting for other requests of the node to end.
    pub permit_us: u64,
    /// Opening connections.
    pub connect_us: u64,
    /// Waiting for the first byte of objects.
    pub first_byte_us: u64,
    /// Receiving objects.
    pub receiving_us: u64,
    /// Sending parts.
    pub sending_us: u64,
    /// Waiting for S3's answer to parts, and to what has no bytes.
    pub answer_us: u64,
    /// Waiting for S3 to copy.
    pub copying_us: u64,
}

/// The world but for the fleet.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) agenda: Agenda<Happening>,
    pub(crate) model: Model,
    pub(crate) s3: S3,
    /// How often nodes have put padding there, which stays until the job ends.
    pub(crate) paddings: usize,
    /// Of waits before something is sent again.
    pub(crate) jitter: Dice,
    /// Of when clocks tick.
    pub(crate) phases: Dice,
    pub(crate) times: Times,
    pub(crate) gets: Histogram,
    pub(crate) puts: Histogram,
    pub(crate) copies: Histogram,
    pub(crate) parts: Histogram,
}

impl World {
    pub(crate) fn new(model: &Model, seed: u64) -> Self {
        Self {
            agenda: Agenda::default(),
            s3: S3::new(&model.s3, seed),
            paddings: 0,
            jitter: Dice::new(seed, "jitter"),
            phases: Dice::new(seed, "phases"),
            times: Times::default(),
            gets: Histogram::default(),
            puts: Histogram::default(),
            copies: Histogram::default(),
            parts: Histogram::default(),
            model: model.clone(),
        }
    }

    /// Has something happen to a node, so many microseconds from now.
    pub(crate) fn alarm(&mut self, node: usize, in_us: u64, alarm: Alarm) {
        self.agenda.after(in_us, Happening::Node(node, alarm));
    }

    /// Likewise at a time.
    pub(crate) fn alarm_at(&mut self, node: usize, at_us: u64, alarm: Alarm) {
        self.agenda.at(at_us, Happening::Node(node, alarm));
    }

    /// Has the coordinator hear of something, so many microseconds from now.
    pub(crate) fn tell(&mut self, in_us: u64, event: coordinator::machine::Event) {
        self.agenda.after(in_us, Happening::Heard(Box::new(event)));
    }

    /// Sends a node's report on its way.
    pub(crate) fn report(&mut self, node: usize, report: Report) {
        let event = coordinator::machine::Event::Reported(crate::fleet::node_id(node), report);
        self.tell(self.message_us(), event);
    }

    /// How long a message takes between a node and the coordinator, in microseconds.
    pub(crate) fn message_us(&self) -> u64 {
        self.model.network.message_us as u64
    }

    /// Opens connections ahead; how long that takes, in microseconds.
    pub(crate) fn warm(&mut self, connections: u64) -> u64 {
        self.s3.warmed(connections);
        (self.model.connections.set_up_ms * 1e3) as u64 + self.phases.latency_us(self.model.s3.head)
    }
}
