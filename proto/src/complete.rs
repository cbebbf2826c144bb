//! Stage 7, complete: what S3 is asked to put together and to verify.

use serde::{Deserialize, Serialize};

use crate::batch::Upload;
use crate::crc::Crc;
use crate::plan::PartNumber;

/// A part as CompleteMultipartUpload names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompletedPart {
    /// Its number.
    pub number: PartNumber,
    /// Its ETag, without quotes.
    pub etag: String,
    /// Its CRC-32.
    pub crc32: u32,
}

/// Everything CompleteMultipartUpload needs. S3 verifies size and CRC before the archive exists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Completion {
    /// The upload.
    pub upload: Upload,
    /// All parts, numbered from 1 without gaps.
    pub parts: Vec<CompletedPart>,
    /// Parts that had more than one attempt: whichever reached S3 last, its ETag counts, and that one may not
    /// be the one reported (the bytes are the same, but under SSE-KMS the ETag differs each time).
    pub contested: Vec<PartNumber>,
    /// CRC and size of the whole archive, or of the segment.
    pub archive: Crc,
    /// Fail if there is an object at the destination.
    pub no_overwrite: bool,
}
