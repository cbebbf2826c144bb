//! Stage 5, report: what a node says back.

use serde::{Deserialize, Serialize};

use crate::part::{PartDone, PartFailed};

/// Heartbeat, result and capacity at once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// How many bytes of parts the node wants to have at a time, done or not. A window rather than the
    /// room left in it: what is granted while a report is under way would make the room wrong.
    pub window_bytes: u64,
    /// Attempts finished since the last report.
    pub done: Vec<PartDone>,
    /// Attempts given up since the last report, cancelled ones included: every attempt is answered once.
    pub failed: Vec<PartFailed>,
}
