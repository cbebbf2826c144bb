//! Stage 3, batch: parts granted to one node together.

use serde::{Deserialize, Serialize};
use std::fmt;

use crate::job::{JobId, Trace};
use crate::location::Location;
use crate::plan::{PartNumber, PartWork};

/// A multipart upload under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upload {
    /// Where the archive goes, or a segment of it.
    pub destination: Location,
    /// S3's name for the upload.
    pub upload_id: String,
}

/// One try at one part by one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AttemptId {
    /// The job.
    pub job: JobId,
    /// The part, by its place in the plan.
    pub part: PartNumber,
    /// Which try at that part, from 1.
    pub attempt: u32,
}

impl fmt::Display for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "job {} part {} attempt {}", self.job, self.part, self.attempt)
    }
}

/// One part to be made and uploaded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignment {
    /// Which try it is.
    pub id: AttemptId,
    /// What to make.
    pub work: PartWork,
    /// Of which span this attempt is a part, when someone traces it.
    pub trace: Option<Trace>,
}

/// Parts of one upload granted to one node together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// Where the parts go.
    pub upload: Upload,
    /// The parts, the most urgent first.
    pub assignments: Vec<Assignment>,
}
