//! Stage 4, part: what became of an attempt.

use serde::{Deserialize, Serialize};

use crate::batch::AttemptId;
use crate::crc::Crc;
use crate::failure::Failure;

/// A part that is in S3.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartDone {
    /// The attempt that put it there.
    pub id: AttemptId,
    /// The part's ETag as S3 gave it, without quotes.
    pub etag: String,
    /// CRC of the part, confirmed by S3.
    pub crc: Crc,
    /// CRC of each body, `rest` included, in the order of `PartWork::bodies`.
    pub bodies: Vec<Crc>,
}

/// An attempt that failed for good on its node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartFailed {
    /// The attempt.
    pub id: AttemptId,
    /// Why.
    pub failure: Failure,
}
