//! What a cluster shows of its jobs and nodes.

use serde::{Deserialize, Serialize};

use crate::explain::Explanation;
use crate::job::{JobId, Outcome, Priority, Progress};
use crate::location::Location;
use crate::report::Vitals;

/// A job as a cluster shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobView {
    /// Its id.
    pub id: JobId,
    /// Where the archive goes.
    pub destination: Location,
    /// How much of the fleet it gets.
    pub priority: Priority,
    /// How far it has come, or had when it ended.
    pub progress: Progress,
    /// How it ended; `None` while it has not.
    pub outcome: Option<Outcome>,
}

/// A node as a cluster shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeView {
    /// Its name.
    pub name: String,
    /// Version of its program.
    pub version: String,
    /// What it is up to.
    pub state: NodeState,
    /// Processor cores.
    pub cores: u32,
    /// Bytes of part bodies it can hold.
    pub body_budget_bytes: u64,
    /// Attempts it has and has not answered.
    pub attempts: u64,
    /// Bytes of parts that wait for it at the coordinator.
    pub queued_bytes: u64,
    /// Bytes of parts it moves a second, as measured; 0 until then.
    pub bytes_per_second: u64,
    /// How it said it is.
    pub vitals: Vitals,
}

/// What a node is up to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NodeState {
    /// It takes parts.
    Active,
    /// It has not been heard of for a while.
    Silent,
    /// It takes no more parts, because it is about to leave.
    Draining,
}

/// A job that has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// The job, with its outcome.
    pub view: JobView,
    /// Who did what, and why.
    pub explanation: Explanation,
}
