//! Multipart uploads: create, upload a part, complete, abort.

use s3s::dto::*;
use s3s::{S3Request, S3Response, S3Result};

use super::convert::{
    algorithm, algorithm_out, attributes, claimed_checksum, etag_out, kind, kind_out, now, set_checksum,
    wanted,
};
use super::ingest::{Claims, Kept, receive};
use crate::content::Algorithm;
use crate::store::{self, ClaimedPart, Completion, Refusal, Terms, WriteConditions, check_number};
use crate::twin::Twin;

pub(super) async fn create(
    twin: &Twin,
    req: S3Request<CreateMultipartUploadInput>,
) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
    let input = req.input;
    let algorithm = algorithm(input.checksum_algorithm.as_ref())?;
    let terms = Terms::new(algorithm, kind(input.checksum_type.as_ref())?)?;
    let mut store = twin.store();
    let bucket = store.bucket_mut(&input.bucket)?;
    let upload_id = bucket.create_upload(&input.key, terms, attributes!(input), now());
    Ok(S3Response::new(CreateMultipartUploadOutput {
        bucket: Some(input.bucket),
        key: Some(input.key),
        upload_id: Some(upload_id),
        checksum_algorithm: terms.declared.then(|| algorithm_out(terms.algorithm)),
        checksum_type: terms.declared.then(|| kind_out(terms.kind)),
        ..CreateMultipartUploadOutput::default()
    }))
}

pub(super) async fn part(
    twin: &Twin,
    req: S3Request<UploadPartInput>,
) -> S3Result<S3Response<UploadPartOutput>> {
    let mut input = req.input;
    check_number(input.part_number)?;
    let terms = twin.store().bucket(&input.bucket)?.upload(&input.key, &input.upload_id)?.terms;
    let checksum = claimed_checksum!(input)?;
    // A checksum in the trailer is announced in the head, as the checksum algorithm.
    let announced = algorithm(input.checksum_algorithm.as_ref())?;
    terms.accept(checksum.as_ref().map(|(algorithm, _)| *algorithm).or(announced))?;
    let claims = Claims {
        length: input.content_length,
        md5: input.content_md5.take(),
        checksum,
        trailers: req.trailing_headers,
    };
    let received = receive(input.body.take(), claims, Kept::Part(terms.algorithm)).await?;
    let (algorithm, value) = received.checksum;
    let etag = twin.part_etag(received.etag);
    let mut output = UploadPartOutput { e_tag: Some(etag_out(&etag)), ..UploadPartOutput::default() };
    if terms.declared {
        set_checksum!(output, algorithm, value.clone());
    }
    let part = store::Part { content: received.content, etag, checksum: value, last_modified: now() };
    let mut store = twin.store();
    let upload = store.bucket_mut(&input.bucket)?.upload_mut(&input.key, &input.upload_id)?;
    upload.parts.insert(input.part_number, part);
    Ok(S3Response::new(output))
}

pub(super) async fn complete(
    twin: &Twin,
    req: S3Request<CompleteMultipartUploadInput>,
) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
    let input = req.input;
    let completion = completion(&input)?;
    let mut store = twin.store();
    let bucket = store.bucket_mut(&input.bucket)?;
    let object = bucket.complete(&input.key, &input.upload_id, &completion, now())?;
    let mut output = CompleteMultipartUploadOutput {
        e_tag: Some(etag_out(&object.etag)),
        location: Some(format!("/{}/{}", input.bucket, input.key)),
        bucket: Some(input.bucket),
        key: Some(input.key),
        ..CompleteMultipartUploadOutput::default()
    };
    if let Some(checksum) = &object.checksum {
        set_checksum!(output, checksum.algorithm, checksum.value.clone());
        output.checksum_type = Some(kind_out(checksum.kind));
    }
    Ok(S3Response::new(output))
}

fn completion(input: &CompleteMultipartUploadInput) -> Result<Completion, Refusal> {
    let parts = input.multipart_upload.as_ref().and_then(|upload| upload.parts.as_deref());
    let claimed = |part: &CompletedPart| {
        Ok(ClaimedPart {
            number: part.part_number.ok_or(Refusal::MalformedXml)?,
            etag: part.e_tag.as_ref().ok_or(Refusal::MalformedXml)?.value().to_owned(),
            checksum: claimed_checksum!(part)?,
        })
    };
    let size = input.mpu_object_size.map(u64::try_from).transpose();
    Ok(Completion {
        parts: parts.unwrap_or_default().iter().map(claimed).collect::<Result<_, Refusal>>()?,
        checksum: claimed_checksum!(input)?,
        kind: kind(input.checksum_type.as_ref())?,
        size: size.map_err(|_| {
            Refusal::InvalidRequest("Value for x-amz-mp-object-size header is less than zero")
        })?,
        conditions: WriteConditions {
            if_match: input.if_match.as_ref().map(wanted),
            if_none_match: input.if_none_match.as_ref().map(wanted),
        },
    })
}

pub(super) async fn abort(
    twin: &Twin,
    req: S3Request<AbortMultipartUploadInput>,
) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
    let input = req.input;
    twin.store().bucket_mut(&input.bucket)?.abort(&input.key, &input.upload_id)?;
    Ok(S3Response::new(AbortMultipartUploadOutput::default()))
}
