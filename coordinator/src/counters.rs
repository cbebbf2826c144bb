//! What has happened since the coordinator started, counted over all jobs and nodes.

use proto::failure::FailureKind;
use proto::job::Outcome;
use proto::requests::RequestCounts;

/// Counts that only ever grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Submissions that became jobs.
    pub jobs_submitted: u64,
    /// Submissions that were refused.
    pub jobs_refused: u64,
    /// Jobs whose archive is there.
    pub jobs_completed: u64,
    /// Jobs that failed.
    pub jobs_failed: u64,
    /// Jobs that were cancelled.
    pub jobs_cancelled: u64,
    /// Attempts granted, those below included.
    pub attempts_granted: u64,
    /// Attempts at parts that were taken from another node's queue before.
    pub attempts_stolen: u64,
    /// Second attempts at parts in flight elsewhere.
    pub attempts_hedged: u64,
    /// Attempts that made their part.
    pub attempts_done: u64,
    /// Attempts that failed.
    pub attempts_failed: u64,
    /// Attempts lost with their nodes.
    pub attempts_lost: u64,
    /// Attempts that were dropped or handed back.
    pub attempts_dropped: u64,
    /// Moves of a part out of one node's queue to another node.
    pub parts_stolen: u64,
    /// Second attempts that came first.
    pub hedges_won: u64,
    /// Archive bytes uploaded.
    pub bytes_done: u64,
    /// Entries of archives that are there.
    pub entries_archived: u64,
    /// Nodes that joined.
    pub nodes_joined: u64,
    /// Nodes that were lost while they held attempts.
    pub nodes_lost: u64,
    /// Processor time of nodes since they joined, in milliseconds, as far as they have told.
    pub nodes_cpu_ms: u64,
    /// Requests to S3: those of nodes as far as they have told, and the coordinator's for its jobs.
    pub requests: RequestCounts,
}

impl Counters {
    /// Notes how a job ended.
    pub(crate) fn ended(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Completed(summary) => {
                self.jobs_completed += 1;
                self.entries_archived += summary.entries;
            }
            Outcome::Failed { failure, .. } if failure.kind == FailureKind::Cancelled => {
                self.jobs_cancelled += 1
            }
            Outcome::Failed { .. } => self.jobs_failed += 1,
        }
    }
}
