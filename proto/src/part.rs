//! Stage 4, part: what became of an attempt.

use serde::{Deserialize, Serialize};

use crate::batch::AttemptId;
use crate::crc::Crc;
use crate::failure::Failure;

/// What an attempt took, whatever came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effort {
    /// Milliseconds from when it was begun.
    pub worked_ms: u32,
    /// GetObject requests.
    pub gets: u32,
    /// HeadObject requests.
    pub heads: u32,
    /// GetObjectAttributes requests.
    pub attributes: u32,
    /// UploadPart requests.
    pub uploads: u32,
    /// UploadPartCopy requests.
    pub copies: u32,
    /// CreateMultipartUpload requests, for what S3 composes a part of.
    pub creates: u32,
    /// CompleteMultipartUpload requests, likewise.
    pub completes: u32,
    /// DeleteObject requests, likewise.
    pub deletes: u32,
    /// Copies whose answer did not tell the CRC-32 of what was copied.
    pub copies_untold: u32,
    /// Bytes of objects received.
    pub received_bytes: u64,
    /// Bytes that S3 copied.
    pub copied_bytes: u64,
}

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
    /// What it took.
    pub effort: Effort,
}

/// An attempt that failed for good on its node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartFailed {
    /// The attempt.
    pub id: AttemptId,
    /// Why.
    pub failure: Failure,
    /// What it took.
    pub effort: Effort,
}

/// An attempt that was dropped though nothing failed: revoked, cancelled, or not begun when the node began to
/// drain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartReturned {
    /// The attempt.
    pub id: AttemptId,
    /// What it took; nothing if it was never begun.
    pub effort: Effort,
}
