//! Refusals of the store as errors of S3.

use s3s::{S3Error, S3ErrorCode};

use crate::store::Refusal;

impl From<Refusal> for S3Error {
    fn from(refusal: Refusal) -> Self {
        let code = match &refusal {
            Refusal::NoSuchBucket => S3ErrorCode::NoSuchBucket,
            Refusal::NoSuchKey => S3ErrorCode::NoSuchKey,
            Refusal::NoSuchUpload => S3ErrorCode::NoSuchUpload,
            Refusal::PreconditionFailed => S3ErrorCode::PreconditionFailed,
            Refusal::NotModified => S3ErrorCode::NotModified,
            Refusal::Conflict => S3ErrorCode::ConditionalRequestConflict,
            Refusal::InvalidRange => S3ErrorCode::InvalidRange,
            Refusal::InvalidPartNumber => return custom("InvalidPartNumber", 416, &refusal),
            Refusal::InvalidPart => S3ErrorCode::InvalidPart,
            Refusal::InvalidPartOrder => S3ErrorCode::InvalidPartOrder,
            Refusal::EntityTooSmall => S3ErrorCode::EntityTooSmall,
            Refusal::EntityTooLarge => S3ErrorCode::EntityTooLarge,
            Refusal::BadChecksum(_) | Refusal::BadMd5 => S3ErrorCode::BadDigest,
            Refusal::InvalidMd5 => S3ErrorCode::InvalidDigest,
            Refusal::MalformedXml => S3ErrorCode::MalformedXML,
            Refusal::PartNumber
            | Refusal::CopyRange(_)
            | Refusal::CopyRangeForm
            | Refusal::InvalidArgument(_) => S3ErrorCode::InvalidArgument,
            Refusal::ChecksumMismatch { .. }
            | Refusal::ChecksumKind { .. }
            | Refusal::KindWithoutAlgorithm
            | Refusal::OtherKind(_)
            | Refusal::PartWithoutChecksum { .. }
            | Refusal::SizeMismatch { .. }
            | Refusal::CopySourceTooLarge
            | Refusal::InvalidRequest(_) => S3ErrorCode::InvalidRequest,
            Refusal::NotImplemented(_) => S3ErrorCode::NotImplemented,
        };
        Self::with_message(code, refusal.to_string())
    }
}

/// An error whose code s3s does not know.
pub(super) fn custom(code: &'static str, status: u16, message: &impl ToString) -> S3Error {
    let mut error = S3Error::with_message(S3ErrorCode::Custom(code.into()), message.to_string());
    error.set_status_code(http::StatusCode::from_u16(status).expect("a status of S3"));
    error
}
