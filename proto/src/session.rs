//! What a node and its coordinator say to each other.
//!
//! A node dials, says [`Hello`] and is answered [`Welcome`]. From then on orders go one way and reports the
//! other, numbered by a [`Link`](crate::link::Link) on each side, so that whatever the connection loses,
//! repeats or delays, each arrives once and in order, also across a new connection of the same session.

use serde::{Deserialize, Serialize};

use crate::batch::{AttemptId, Batch};
use crate::job::JobId;
use crate::limits::NODE_NAME_BYTES_MAX;
use crate::link::Frame;
use crate::report::Report;
use crate::requests::RequestClass;

/// Versions of this protocol that this build speaks, the oldest and the newest. The layout of a message never
/// changes within a version, because bincode says nothing about what it holds.
pub const PROTOCOL_VERSIONS: std::ops::RangeInclusive<u32> = 4..=4;

/// Names one session: the time a node is known to a coordinator, whatever happens to the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SessionId(pub u64);

/// Whether a node may be called this: certificates carry it as a DNS name, and terminals show it. Case does not
/// count in DNS, so there is only one.
#[must_use]
pub fn is_node_name(name: &str) -> bool {
    let is_good = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-');
    (1..=NODE_NAME_BYTES_MAX).contains(&name.len())
        && name.bytes().all(is_good)
        && !name.starts_with(['.', '-'])
}

/// A node's first words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// Its name, unique among a coordinator's nodes.
    pub name: String,
    /// The session to go on with, after a connection was lost.
    pub resume: Option<SessionId>,
    /// Version of the program, for people.
    pub version: String,
    /// Processor cores.
    pub cores: u32,
    /// Bytes of part bodies it can hold.
    pub body_budget_bytes: u64,
    /// Bytes a second its network carries each way; 0 where nobody said.
    pub network_bytes_per_second: u64,
}

/// The coordinator's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// The session from now on. Another than the node asked for: all it still holds is forgotten there, and it
    /// must drop it.
    pub session: SessionId,
    /// Milliseconds between two reports of a node that has nothing to say.
    pub heartbeat_ms: u32,
    /// Milliseconds of silence after which the other side counts as lost.
    pub silence_ms: u32,
}

/// What the coordinator wants of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Order {
    /// Make these parts.
    Grant(Batch),
    /// Drop these attempts, begun or not, and return them.
    Revoke(Vec<AttemptId>),
    /// Drop everything that belongs to this job, and return each of its attempts.
    Cancel(JobId),
    /// A job has been submitted and is being listed: open connections to its buckets.
    Warm(JobId, Vec<String>),
    /// Send no more than this many requests a second: all paces there are, those absent being lifted.
    Pace(Vec<Pace>),
    /// Leave: take no more parts, finish or hand back what is held, and go.
    Drain,
}

/// How many requests of one class one node may send to one bucket, or one of its places.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pace {
    /// The bucket.
    pub bucket: String,
    /// Which of its places; none for all of it, whose places then have no paces of their own.
    pub place: Option<String>,
    /// Reads or writes.
    pub class: RequestClass,
    /// Requests a second, in thousandths.
    pub millihertz: u64,
}

/// What a node sends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FromNode {
    /// The first message of every connection.
    Hello(Hello),
    /// Reports.
    Frame(Frame<Report>),
    /// The last message of a node that leaves for good: it holds nothing any more.
    Goodbye,
}

/// What a coordinator sends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToNode {
    /// The first message of every connection.
    Welcome(Welcome),
    /// Orders.
    Frame(Frame<Order>),
}
