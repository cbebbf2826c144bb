//! PutObject.

use s3s::dto::*;
use s3s::{S3Request, S3Response, S3Result};

use super::convert::{attributes, claimed_checksum, etag_out, kind_out, now, set_checksum, wanted};
use super::ingest::{Claims, Kept, receive};
use crate::content::{Algorithm, Checksum as Stored, ChecksumKind};
use crate::store::{self, WriteConditions};
use crate::twin::Twin;

pub(super) async fn object(
    twin: &Twin,
    req: S3Request<PutObjectInput>,
) -> S3Result<S3Response<PutObjectOutput>> {
    let mut input = req.input;
    twin.store().bucket(&input.bucket)?;
    let claims = Claims {
        length: input.content_length,
        md5: input.content_md5.take(),
        checksum: claimed_checksum!(input)?,
        trailers: req.trailing_headers,
    };
    let received = receive(input.body.take(), claims, Kept::Object).await?;
    let (algorithm, value) = received.checksum;
    let conditions = WriteConditions {
        if_match: input.if_match.as_ref().map(wanted),
        if_none_match: input.if_none_match.as_ref().map(wanted),
    };
    let mut output = PutObjectOutput {
        e_tag: Some(etag_out(&received.etag)),
        checksum_type: Some(kind_out(ChecksumKind::FullObject)),
        ..PutObjectOutput::default()
    };
    set_checksum!(output, algorithm, value.clone());
    let object = store::Object {
        content: received.content,
        etag: received.etag,
        last_modified: now(),
        checksum: Some(Stored { algorithm, kind: ChecksumKind::FullObject, value }),
        parts: Vec::new(),
        attributes: attributes!(input),
    };
    twin.store().bucket_mut(&input.bucket)?.put(&input.key, object, &conditions)?;
    Ok(S3Response::new(output))
}
