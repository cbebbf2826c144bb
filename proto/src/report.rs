//! Stage 5, report: what a node says back.

use serde::{Deserialize, Serialize};

use crate::batch::AttemptId;
use crate::part::{PartDone, PartFailed};

/// Heartbeat, result and capacity at once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// How many more bytes of parts the node would take now.
    pub room_bytes: u64,
    /// Attempts begun or waiting on the node.
    pub in_progress: Vec<AttemptId>,
    /// Attempts finished since the last report.
    pub done: Vec<PartDone>,
    /// Attempts given up since the last report.
    pub failed: Vec<PartFailed>,
}
