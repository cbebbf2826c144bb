//! Why S3 refuses a request, in its own words where they are recorded.

use crate::content::{Algorithm, ChecksumKind};

/// A refusal, one for each error code of S3 (and message, where code depends on one).
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum Refusal {
    #[error("The specified bucket does not exist")]
    NoSuchBucket,
    #[error("The specified key does not exist.")]
    NoSuchKey,
    #[error(
        "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed."
    )]
    NoSuchUpload,
    #[error("At least one of the pre-conditions you specified did not hold")]
    PreconditionFailed,
    #[error("Not Modified")]
    NotModified,
    #[error("The conditional request cannot succeed due to a conflicting operation against this resource.")]
    Conflict,
    #[error("The requested range is not satisfiable")]
    InvalidRange,
    #[error("The requested partnumber is not satisfiable")]
    InvalidPartNumber,
    #[error(
        "One or more of the specified parts could not be found. The part may not have been uploaded, or the specified entity tag may not match the part's entity tag."
    )]
    InvalidPart,
    #[error("The list of parts was not in ascending order. Parts must be ordered by part number.")]
    InvalidPartOrder,
    #[error("Your proposed upload is smaller than the minimum allowed size")]
    EntityTooSmall,
    #[error("Your proposed upload exceeds the maximum allowed size")]
    EntityTooLarge,
    #[error("The {0} you specified did not match the calculated checksum.")]
    BadChecksum(Algorithm),
    #[error("The Content-MD5 you specified did not match what we received.")]
    BadMd5,
    #[error("The Content-MD5 you specified is not valid.")]
    InvalidMd5,
    #[error("The XML you provided was not well-formed or did not validate against our published schema")]
    MalformedXml,
    #[error("Part number must be an integer between 1 and 10000, inclusive")]
    PartNumber,
    #[error(
        "Checksum Type mismatch occurred, expected checksum Type: {}, actual checksum Type: {}",
        .expected.name().to_lowercase(), .actual.map_or("null".to_owned(), |a| a.name().to_lowercase())
    )]
    ChecksumMismatch { expected: Algorithm, actual: Option<Algorithm> },
    #[error("The {kind} checksum type cannot be used with the {algorithm} checksum algorithm.", kind = .kind.name())]
    ChecksumKind { algorithm: Algorithm, kind: ChecksumKind },
    #[error("The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.")]
    KindWithoutAlgorithm,
    #[error(
        "The upload was created using the {} checksum mode. The complete request must use the same checksum mode.",
        .0.name()
    )]
    OtherKind(ChecksumKind),
    #[error(
        "The upload was created using a {} checksum. The complete request must include the checksum for each part. It was missing for part {number} in the request.",
        .algorithm.name().to_lowercase()
    )]
    PartWithoutChecksum { algorithm: Algorithm, number: i32 },
    #[error(
        "The provided 'x-amz-mp-object-size' header value {claimed} does not match what was computed: {actual}"
    )]
    SizeMismatch { claimed: u64, actual: u64 },
    #[error("Range specified is not valid for source object of size: {0}")]
    CopyRange(u64),
    #[error(
        "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy"
    )]
    CopyRangeForm,
    #[error(
        "The specified copy source is larger than the maximum allowable size for a copy source: 5368709120"
    )]
    CopySourceTooLarge,
    #[error("{0}")]
    InvalidRequest(&'static str),
    #[error("{0}")]
    InvalidArgument(&'static str),
    #[error("A header you provided implies functionality that is not implemented: {0}")]
    NotImplemented(&'static str),
}
