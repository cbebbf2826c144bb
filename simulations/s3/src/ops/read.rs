//! GetObject and HeadObject.

use std::sync::Arc;

use s3s::dto::*;
use s3s::{Body, S3Request, S3Response, S3Result};

use super::body::RopeBody;
use super::convert::{
    count_out, etag_out, kind_out, read_conditions, refuse_version, set_checksum, size_out,
};
use crate::content::Algorithm;
use crate::store::{self, Refusal, Selected, Selection};
use crate::twin::Twin;

pub(super) async fn get(
    twin: &Twin,
    req: S3Request<GetObjectInput>,
) -> S3Result<S3Response<GetObjectOutput>> {
    let input = req.input;
    refuse_version(input.version_id.as_deref())?;
    let object = twin.store().bucket(&input.bucket)?.object(&input.key)?;
    read_conditions!(input).check(&object)?;
    let selected = object.select(selection(input.range, input.part_number)?)?;
    let content = object.content.slice(selected.range.clone());
    let mut output = described(&object, &selected, input.checksum_mode.as_ref());
    output.body = Some(StreamingBlob::new(Body::http_body(RopeBody::new(content))));
    Ok(S3Response::new(output))
}

pub(super) async fn head(
    twin: &Twin,
    req: S3Request<HeadObjectInput>,
) -> S3Result<S3Response<HeadObjectOutput>> {
    let input = req.input;
    refuse_version(input.version_id.as_deref())?;
    let object = twin.store().bucket(&input.bucket)?.object(&input.key)?;
    read_conditions!(input).check(&object)?;
    let selected = object.select(selection(input.range, input.part_number)?)?;
    let found = described(&object, &selected, input.checksum_mode.as_ref());
    Ok(S3Response::new(HeadObjectOutput {
        accept_ranges: found.accept_ranges,
        cache_control: found.cache_control,
        checksum_crc32: found.checksum_crc32,
        checksum_crc32c: found.checksum_crc32c,
        checksum_crc64nvme: found.checksum_crc64nvme,
        checksum_sha1: found.checksum_sha1,
        checksum_sha256: found.checksum_sha256,
        checksum_type: found.checksum_type,
        content_disposition: found.content_disposition,
        content_encoding: found.content_encoding,
        content_language: found.content_language,
        content_length: found.content_length,
        content_range: found.content_range,
        content_type: found.content_type,
        e_tag: found.e_tag,
        last_modified: found.last_modified,
        metadata: found.metadata,
        parts_count: found.parts_count,
        ..HeadObjectOutput::default()
    }))
}

fn selection(range: Option<Range>, part_number: Option<i32>) -> Result<Selection, Refusal> {
    match (range, part_number) {
        (None, None) => Ok(Selection::Whole),
        (Some(Range::Int { first, last: Some(last) }), None) => Ok(Selection::Between(first, last)),
        (Some(Range::Int { first, last: None }), None) => Ok(Selection::From(first)),
        (Some(Range::Suffix { length }), None) => Ok(Selection::Last(length)),
        (None, Some(number)) => Ok(Selection::Part(number)),
        (Some(_), Some(_)) => {
            Err(Refusal::InvalidRequest("Cannot specify both Range header and partNumber query parameter"))
        }
    }
}

/// The answer to a read but for the content.
fn described(
    object: &Arc<store::Object>,
    selected: &Selected,
    mode: Option<&ChecksumMode>,
) -> GetObjectOutput {
    let attributes = &object.attributes;
    let Selected { range, partial, part } = selected;
    let content_type = attributes.content_type.as_deref().unwrap_or("binary/octet-stream");
    let mut output = GetObjectOutput {
        accept_ranges: Some("bytes".to_owned()),
        cache_control: attributes.cache_control.clone(),
        content_disposition: attributes.content_disposition.clone(),
        content_encoding: attributes.content_encoding.clone(),
        content_language: attributes.content_language.clone(),
        content_length: Some(size_out(range.end - range.start)),
        content_range: partial.then(|| format!("bytes {}-{}/{}", range.start, range.end - 1, object.size())),
        content_type: Some(content_type.to_owned()),
        e_tag: Some(etag_out(&object.etag)),
        last_modified: Some(object.last_modified.into()),
        metadata: Some(attributes.metadata.clone().into_iter().collect()),
        parts_count: part.map(|_| count_out(object.parts.len())),
        ..GetObjectOutput::default()
    };
    let enabled = mode.is_some_and(|mode| mode.as_str() == ChecksumMode::ENABLED);
    if let Some(checksum) = object.checksum.as_ref().filter(|_| enabled) {
        let value = match part {
            Some(index) => object.parts[*index].checksum.clone(),
            None => (range.end - range.start == object.size()).then(|| checksum.value.clone()),
        };
        if let Some(value) = value {
            set_checksum!(output, checksum.algorithm, value);
            output.checksum_type = Some(kind_out(checksum.kind));
        }
    }
    output
}
