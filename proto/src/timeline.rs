//! Who did what when: each attempt of a job as a bar in its node's row.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::plan::PartNumber;

/// The attempts of one job.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Timeline {
    /// The names of the nodes, each a row.
    pub nodes: Vec<String>,
    /// The attempts, in the order they ended; those that have not ended come last.
    pub bars: Vec<Bar>,
    /// Attempts beyond `BARS_MAX`, which are not shown.
    pub unshown: u64,
}

/// One attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Bar {
    /// Which part.
    pub part: PartNumber,
    /// Position of its node in `Timeline::nodes`.
    pub node: u32,
    /// When it was granted, in milliseconds from the job's submission.
    pub granted_ms: u32,
    /// When the node began it, likewise; the same as `ended_ms` when it never did, or has not ended.
    pub began_ms: u32,
    /// When the coordinator learnt of its end, likewise; now if it has not ended.
    pub ended_ms: u32,
    /// How it came about.
    pub origin: Origin,
    /// What became of it.
    pub end: End,
}

/// How an attempt came about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// The part was put in the node's queue and stayed there.
    #[default]
    Granted,
    /// The node took it from another's queue, at once or by way of its own.
    Stolen,
    /// Another node had it, and was slower.
    Hedge,
}

/// What became of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// It goes on.
    Open,
    /// It made the part.
    Done,
    /// Another came first, or the node handed it back.
    Dropped,
    /// It failed.
    Failed,
    /// It was lost with its node.
    Lost,
}
