//! Stage 5, report: what a node says back.

use serde::{Deserialize, Serialize};

use crate::part::{PartDone, PartFailed};

/// What became of attempts since the last report.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Attempts finished since the last report.
    pub done: Vec<PartDone>,
    /// Attempts given up since the last report, cancelled ones included: every attempt is answered once.
    pub failed: Vec<PartFailed>,
}
