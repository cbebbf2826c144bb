//! What can go wrong, sorted by what the person can do about it.

use serde::{Deserialize, Serialize};
use std::fmt;
use utoipa::ToSchema;

/// The kinds of failure a job can end with. Each maps to one exit code of the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The request makes no sense as written; it must be changed.
    BadRequest,
    /// No object matched; the sources or filters must be changed.
    NothingToArchive,
    /// A bucket or object is not there; the address must be corrected.
    NotFound,
    /// S3 refused the caller; credentials or permissions must be mended.
    Denied,
    /// Entry names are unsafe or collide; they must be mapped, skipped or excluded.
    BadNames,
    /// A source changed, vanished or disagrees with its stored checksum; the job must be run again.
    SourceChanged,
    /// The destination exists, changed meanwhile, or lies inside a source; another must be chosen.
    Destination,
    /// The archive does not fit S3's limits as configured; part size or memory must be raised.
    TooLarge,
    /// S3 or the network kept failing; the job must be tried later.
    Unavailable,
    /// S3 found that the uploaded bytes are not those we meant to send; the job must be tried again and,
    /// if it repeats, reported.
    Corrupt,
    /// The job was cancelled on request.
    Cancelled,
    /// A defect of zipfleet itself; it must be reported.
    Internal,
}

/// A failure with its sentence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error, ToSchema)]
pub struct Failure {
    /// What the person can do about it.
    pub kind: FailureKind,
    /// What failed, naming the bucket, object or option.
    pub message: String,
}

impl Failure {
    /// A failure of `kind` told by `message`.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// What one S3 request failed with, as far as deciding what to do next needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum S3ErrorKind {
    /// 503 SlowDown and its relatives: back off.
    Throttled,
    /// 5xx, resets, time-outs, short or corrupted bodies: the same request may succeed.
    Transient,
    /// 404 for the bucket.
    NoSuchBucket,
    /// 404 for the object.
    NoSuchKey,
    /// 404 for the multipart upload.
    NoSuchUpload,
    /// 403, or credentials that are missing, wrong or expired.
    Denied,
    /// 412: If-Match or If-None-Match did not hold.
    PreconditionFailed,
    /// 409: the destination was written between creating and completing the upload.
    Conflict,
    /// 400 BadDigest, InvalidPart and their like: S3 holds other bytes than we sent.
    Mismatch,
    /// The bucket lives in another region or endpoint.
    WrongRegion,
    /// Anything else S3 refuses.
    Refused,
}

impl S3ErrorKind {
    /// Whether the same request may succeed when sent again.
    #[must_use]
    pub fn is_retryable(self) -> bool {
        matches!(self, Self::Throttled | Self::Transient)
    }

    /// How a job ends when this is what stopped it while reading or writing.
    #[must_use]
    pub fn failure_kind(self) -> FailureKind {
        match self {
            Self::Throttled | Self::Transient => FailureKind::Unavailable,
            Self::NoSuchBucket | Self::NoSuchKey => FailureKind::NotFound,
            Self::NoSuchUpload | Self::Conflict => FailureKind::Destination,
            Self::Denied => FailureKind::Denied,
            Self::PreconditionFailed => FailureKind::SourceChanged,
            Self::Mismatch => FailureKind::Corrupt,
            Self::WrongRegion | Self::Refused => FailureKind::BadRequest,
        }
    }
}
