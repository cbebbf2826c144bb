//! Stage 5, report: what a node says back.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::part::{PartDone, PartFailed, PartReturned};
use crate::requests::{RequestClass, RequestCounts};

/// What became of attempts since the last report, and how the node is. Every attempt is answered once: as
/// done, failed or returned.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Attempts finished since the last report.
    pub done: Vec<PartDone>,
    /// Attempts given up since the last report, because something failed.
    pub failed: Vec<PartFailed>,
    /// Attempts dropped since the last report.
    pub returned: Vec<PartReturned>,
    /// How the node is.
    pub vitals: Vitals,
}

/// How a node is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Vitals {
    /// Bytes of parts moved since the node started: each counts half when it has been fetched, or stood in the
    /// plan, and half when it has been uploaded. Only ever grows.
    pub moved_bytes: u64,
    /// Bytes of parts still to be moved, counted likewise, of all attempts the node holds.
    pub left_bytes: u64,
    /// Requests it keeps in flight at most, at present.
    pub concurrency: u32,
    /// Whether it takes no more parts, because it is about to leave.
    pub is_draining: bool,
    /// Requests sent since the node started.
    pub requests: RequestCounts,
    /// Processor time of its process since that started, in milliseconds, with whatever else runs in it; 0 where the
    /// system does not tell.
    pub cpu_ms: u64,
    /// Memory of its process, in bytes; 0 where the system does not tell.
    pub resident_bytes: u64,
    /// Answers since the last report that asked to slow down, by place, whole buckets first.
    pub throttled: Vec<Throttled>,
}

/// S3 asked a node to slow down, there or elsewhere in the same bucket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Throttled {
    /// The bucket.
    pub bucket: String,
    /// Which of its places; none for all of it.
    pub place: Option<String>,
    /// What it was asked for.
    pub class: RequestClass,
    /// How often it said so; of the whole bucket, where it was not told apart in which place.
    pub refused: u64,
    /// How many requests of this class it was sent in the same time, those refused included.
    pub sent: u64,
}
