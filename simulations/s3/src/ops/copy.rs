//! Copies on the server: UploadPartCopy and CopyObject.

use std::ops::Range;
use std::sync::Arc;

use http::HeaderMap;
use s3s::dto::{
    CopyObjectInput, CopyObjectOutput, CopyObjectResult, CopyPartResult, CopySource, MetadataDirective,
    UploadPartCopyInput, UploadPartCopyOutput,
};
use s3s::{S3Request, S3Response, S3Result, s3_error};

use super::convert::{
    algorithm, attributes, etag_out, kind_out, now, refuse_version, set_checksum, system_time,
    wanted_in_quotes, write_conditions,
};
use super::ingest::aside;
use crate::content::{Algorithm, Checksum, ChecksumKind, Rope, etag};
use crate::op::Op;
use crate::store::{LARGEST_PART, Object, Part, ReadConditions, Refusal, check_number};
use crate::twin::Twin;

/// How many bytes an operation copied, for the model of how long that takes. Goes with the response.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Copied(pub(crate) u64);

pub(super) async fn part(
    twin: &Twin,
    req: S3Request<UploadPartCopyInput>,
) -> S3Result<S3Response<UploadPartCopyOutput>> {
    let input = req.input;
    check_number(input.part_number)?;
    let terms = twin.store().bucket(&input.bucket)?.upload(&input.key, &input.upload_id)?.terms;
    let conditions = ReadConditions {
        if_modified_since: input.copy_source_if_modified_since.map(system_time),
        if_unmodified_since: input.copy_source_if_unmodified_since.map(system_time),
        ..tag_conditions(&req.headers)
    };
    let object = source(twin, &input.copy_source, &conditions)?;
    let range = match &input.copy_source_range {
        Some(range) => parse_range(range, object.size())?,
        None => 0..object.size(),
    };
    let content = sized(object.content.slice(range))?;
    let digests = move |content: &Rope| (etag::of_content(content), terms.algorithm.of(content));
    let (digest, checksum) = aside(&content, digests).await;
    let etag = twin.part_etag(digest);
    let now = now();
    let mut result = CopyPartResult {
        e_tag: Some(etag_out(&etag)),
        last_modified: Some(now.into()),
        ..Default::default()
    };
    if terms.declared && twin.copy_returns_checksum() {
        set_checksum!(result, terms.algorithm, checksum.clone());
    }
    let copied = Copied(content.len());
    let part = Part { content, etag, checksum, last_modified: now };
    let mut store = twin.store();
    let upload = store.bucket_mut(&input.bucket)?.upload_mut(&input.key, &input.upload_id)?;
    upload.parts.insert(input.part_number, part);
    let output = UploadPartCopyOutput { copy_part_result: Some(result), ..Default::default() };
    Ok(with_size(output, copied))
}

pub(super) async fn object(
    twin: &Twin,
    req: S3Request<CopyObjectInput>,
) -> S3Result<S3Response<CopyObjectOutput>> {
    let input = req.input;
    twin.store().bucket(&input.bucket)?;
    let conditions = ReadConditions {
        if_modified_since: input.copy_source_if_modified_since.clone().map(system_time),
        if_unmodified_since: input.copy_source_if_unmodified_since.clone().map(system_time),
        ..tag_conditions(&req.headers)
    };
    let source = source(twin, &input.copy_source, &conditions)?;
    let content = sized(source.content.clone())?;
    let kept = source.checksum.as_ref().map_or(Algorithm::Crc64Nvme, |sum| sum.algorithm);
    let algorithm = algorithm(input.checksum_algorithm.as_ref())?.unwrap_or(kept);
    let digests = move |content: &Rope| (etag::of_content(content), Checksum::full(algorithm, content));
    let (etag, checksum) = aside(&content, digests).await;
    let replaces = |directive: &MetadataDirective| directive.as_str() == MetadataDirective::REPLACE;
    let attributes = match input.metadata_directive.as_ref().is_some_and(replaces) {
        true => attributes!(input),
        false => source.attributes.clone(),
    };
    let now = now();
    let mut result = CopyObjectResult {
        e_tag: Some(etag_out(&etag)),
        last_modified: Some(now.into()),
        checksum_type: Some(kind_out(ChecksumKind::FullObject)),
        ..Default::default()
    };
    set_checksum!(result, algorithm, checksum.value.clone());
    let copied = Copied(content.len());
    let copy =
        Object { content, etag, last_modified: now, checksum: Some(checksum), parts: Vec::new(), attributes };
    let conditions = write_conditions(&req.headers)?;
    twin.store().bucket_mut(&input.bucket)?.put(&input.key, copy, &conditions)?;
    let output = CopyObjectOutput { copy_object_result: Some(result), ..Default::default() };
    Ok(with_size(output, copied))
}

fn with_size<T>(output: T, copied: Copied) -> S3Response<T> {
    let mut response = S3Response::new(output);
    response.extensions.insert(copied);
    response
}

fn tag_conditions(headers: &HeaderMap) -> ReadConditions {
    ReadConditions {
        if_match: wanted_in_quotes(headers, "x-amz-copy-source-if-match"),
        if_none_match: wanted_in_quotes(headers, "x-amz-copy-source-if-none-match"),
        ..ReadConditions::default()
    }
}

/// The object that is copied, if it may be read and the conditions hold.
fn source(twin: &Twin, source: &CopySource, conditions: &ReadConditions) -> S3Result<Arc<Object>> {
    let CopySource::Bucket { bucket, key, version_id } = source else {
        return Err(Refusal::NotImplemented("access points as copy sources").into());
    };
    refuse_version(version_id.as_deref())?;
    if twin.access().denies(Op::GetObject, bucket, key) {
        return Err(s3_error!(AccessDenied, "Access Denied"));
    }
    let object = twin.store().bucket(bucket)?.object(key)?;
    conditions.check_source(&object)?;
    Ok(object)
}

fn sized(content: Rope) -> Result<Rope, Refusal> {
    if content.len() > LARGEST_PART { Err(Refusal::CopySourceTooLarge) } else { Ok(content) }
}

/// Reads `bytes=first-last`. Unlike a read's range it must be complete, and within the source.
fn parse_range(text: &str, size: u64) -> Result<Range<u64>, Refusal> {
    let number = |digits: &str| {
        let all = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        digits.parse::<u64>().ok().filter(|_| all)
    };
    let bounds = text.strip_prefix("bytes=").and_then(|range| range.split_once('-'));
    let bounds = bounds.and_then(|(first, last)| Some((number(first)?, number(last)?)));
    let (first, last) = bounds.filter(|(first, last)| first <= last).ok_or(Refusal::CopyRangeForm)?;
    if last >= size {
        return Err(Refusal::CopyRange(size));
    }
    Ok(first..last + 1)
}
