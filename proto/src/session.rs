//! What a node and its coordinator say to each other.

use serde::{Deserialize, Serialize};

use crate::batch::Batch;
use crate::job::JobId;

/// A node's first words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// Its name, unique among a coordinator's nodes.
    pub name: String,
    /// Bytes of part bodies it can hold.
    pub body_budget_bytes: u64,
}

/// What the coordinator wants of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Order {
    /// Make these parts.
    Grant(Batch),
    /// Drop everything that belongs to this job, and report each of its attempts as failed.
    Cancel(JobId),
}
