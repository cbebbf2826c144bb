//! Why a job went as it did: who made what, and what was moved from whom to whom.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::job::JobId;
use crate::plan::PartNumber;

/// Who did what for one job, and each decision that was more than handing out the next part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Explanation {
    /// The job.
    pub job: JobId,
    /// Each node that had to do with it, by name.
    pub nodes: Vec<NodeShare>,
    /// The decisions in order; alike steals within a second are told as one.
    pub decisions: Vec<Decision>,
    /// Decisions beyond `DECISIONS_MAX`, which are not told.
    pub untold: u64,
}

impl Explanation {
    /// Of a job with which nothing has happened.
    #[must_use]
    pub fn of_nothing(job: JobId) -> Self {
        Self { job, nodes: Vec::new(), decisions: Vec::new(), untold: 0 }
    }
}

/// One node's share of a job.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NodeShare {
    /// The node's name.
    pub name: String,
    /// Parts whose first report came from it.
    pub parts: u64,
    /// Archive bytes in them.
    pub bytes: u64,
    /// Parts it took from other nodes' queues, be it that they were taken from its own again.
    pub stolen: u64,
    /// Parts others took from its queue.
    pub robbed: u64,
    /// Second attempts it was given at parts in flight elsewhere.
    pub hedges: u64,
    /// Second attempts of its own that came first.
    pub hedges_won: u64,
    /// Attempts of its own that were dropped because another came first.
    pub outrun: u64,
    /// Attempts that failed on it.
    pub failed: u64,
    /// Attempts lost with it.
    pub lost: u64,
    /// Attempts it handed back when it drained.
    pub handed_back: u64,
}

/// A decision and when it was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Decision {
    /// Milliseconds from the job's submission.
    pub at_ms: u64,
    /// What was decided, and why.
    pub what: What,
}

/// What was decided, and why. Times are estimates, in milliseconds; `None` where nobody can tell: the node stands
/// still, or has not worked long enough for its speed to be known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// A node that had room took parts from the back of the queue that would have finished last.
    Stole {
        /// How many.
        parts: u64,
        /// The node that took them.
        thief: String,
        /// The node whose queue they were in.
        victim: String,
        /// When the thief would be done with what it had.
        thief_left_ms: Option<u64>,
        /// When the victim would have been done.
        victim_left_ms: Option<u64>,
    },
    /// Nothing was left to hand out, and a node would finish this part sooner than the one that had it.
    Hedged {
        /// The part.
        part: PartNumber,
        /// The node that was given a second attempt.
        node: String,
        /// The node that had it.
        slow: String,
        /// When the new attempt would be done.
        node_left_ms: Option<u64>,
        /// When the other would be done.
        slow_left_ms: Option<u64>,
    },
    /// Of several attempts at a part this node's came first; the others were dropped.
    Won {
        /// The part.
        part: PartNumber,
        /// The node that came first.
        node: String,
    },
    /// A node has not been heard of; its queue went to others.
    Silent {
        /// The node.
        node: String,
        /// For how long.
        silent_ms: u64,
        /// Parts that were in its queue.
        queued: u64,
    },
    /// A node's connection broke; its queue went to others.
    CutOff {
        /// The node.
        node: String,
        /// Parts that were in its queue.
        queued: u64,
    },
    /// A node was lost; its attempts went back to the front.
    Lost {
        /// The node.
        node: String,
        /// Attempts it had not answered.
        attempts: u64,
    },
    /// A node drains: its queue went to others, and what it had not begun comes back.
    Draining {
        /// The node.
        node: String,
        /// Parts that were in its queue.
        queued: u64,
    },
    /// A node joined while the job was running.
    Joined {
        /// The node.
        node: String,
    },
    /// An attempt failed and the part was given out again.
    Failed {
        /// The part.
        part: PartNumber,
        /// The node.
        node: String,
        /// Why.
        why: String,
    },
}

impl What {
    /// Whether something went wrong, and was mended.
    #[must_use]
    pub fn is_problem(&self) -> bool {
        match self {
            Self::Silent { .. } | Self::CutOff { .. } | Self::Lost { .. } | Self::Failed { .. } => true,
            Self::Stole { .. } | Self::Hedged { .. } | Self::Won { .. } => false,
            Self::Draining { .. } | Self::Joined { .. } => false,
        }
    }
}
