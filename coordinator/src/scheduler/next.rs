//! What a node is granted next, and why.

use proto::batch::AttemptId;
use proto::job::JobId;

use super::NodeId;
use super::node::Queued;

/// A part moved from the back of one queue, and why: estimates in milliseconds, `None` where nobody can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stolen {
    /// The job.
    pub job: JobId,
    /// The part.
    pub part: Queued,
    /// Who has it now.
    pub thief: NodeId,
    /// Whose it was.
    pub victim: NodeId,
    /// When the thief would be done with what it had before.
    pub thief_left_ms: Option<u64>,
    /// When the victim would have been done.
    pub victim_left_ms: Option<u64>,
}

/// What a node with room is to be granted next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// A part of its own queue.
    Queued(JobId, Queued),
    /// A part of another's queue.
    Stolen(Stolen),
    /// Another attempt at a part in flight elsewhere.
    Hedge {
        /// The attempt in flight.
        attempt: AttemptId,
        /// What the part costs a node, in bytes.
        cost_bytes: u64,
        /// The node that has it.
        slow: NodeId,
        /// When the new attempt would be done, in milliseconds; `None` where nobody can tell.
        node_left_ms: Option<u64>,
        /// When the other would be, in milliseconds.
        slow_left_ms: Option<u64>,
    },
}
