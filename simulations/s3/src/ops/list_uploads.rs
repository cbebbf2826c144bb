//! ListParts and ListMultipartUploads.

use s3s::dto::*;
use s3s::{S3Request, S3Response, S3Result};

use super::convert::{algorithm_out, count_out, etag_out, kind_out, page_size, set_checksum, size_out};
use super::list::encoding;
use crate::content::Algorithm;
use crate::store::{self, Refusal, Terms};
use crate::twin::Twin;

pub(super) async fn parts(
    twin: &Twin,
    req: S3Request<ListPartsInput>,
) -> S3Result<S3Response<ListPartsOutput>> {
    let input = req.input;
    let max = page_size(input.max_parts)?;
    let marker = input.part_number_marker.unwrap_or(0).max(0);
    let store = twin.store();
    let upload = store.bucket(&input.bucket)?.upload(&input.key, &input.upload_id)?;
    let terms = upload.terms;
    let mut after = upload.parts.range(marker + 1..);
    let page: Vec<Part> =
        after.by_ref().take(max).map(|(number, part)| part_out(terms, *number, part)).collect();
    Ok(S3Response::new(ListPartsOutput {
        bucket: Some(input.bucket),
        key: Some(input.key),
        upload_id: Some(input.upload_id),
        checksum_algorithm: terms.declared.then(|| algorithm_out(terms.algorithm)),
        checksum_type: terms.declared.then(|| kind_out(terms.kind)),
        is_truncated: Some(after.next().is_some()),
        max_parts: Some(count_out(max)),
        part_number_marker: Some(marker),
        next_part_number_marker: Some(page.last().and_then(|part| part.part_number).unwrap_or(0)),
        parts: Some(page),
        storage_class: Some(StorageClass::from_static(StorageClass::STANDARD)),
        ..ListPartsOutput::default()
    }))
}

fn part_out(terms: Terms, number: i32, part: &store::Part) -> Part {
    let mut out = Part {
        part_number: Some(number),
        size: Some(size_out(part.content.len())),
        e_tag: Some(etag_out(&part.etag)),
        last_modified: Some(part.last_modified.into()),
        ..Part::default()
    };
    if terms.declared {
        set_checksum!(out, terms.algorithm, part.checksum.clone());
    }
    out
}

pub(super) async fn uploads(
    twin: &Twin,
    req: S3Request<ListMultipartUploadsInput>,
) -> S3Result<S3Response<ListMultipartUploadsOutput>> {
    let input = req.input;
    if input.delimiter.as_ref().is_some_and(|delimiter| !delimiter.is_empty()) {
        return Err(Refusal::NotImplemented("delimiter").into());
    }
    let encode = encoding(input.encoding_type.as_ref())?;
    let max = page_size(input.max_uploads)?;
    let prefix = input.prefix.as_deref().unwrap_or_default();
    // Without an id, the marker is after all uploads of its key.
    let is_after = |key: &str, id: &str| match (&input.key_marker, &input.upload_id_marker) {
        (None, _) => true,
        (Some(marker), None) => key > marker.as_str(),
        (Some(marker), Some(id_marker)) => (key, id) > (marker.as_str(), id_marker.as_str()),
    };
    let store = twin.store();
    let listed = store.bucket(&input.bucket)?.uploads();
    let mut after = listed.filter(|(key, id, _)| key.starts_with(prefix) && is_after(key, id));
    let page: Vec<_> = after.by_ref().take(max).collect();
    let truncated = after.next().is_some();
    let last = page.last().filter(|_| truncated);
    Ok(S3Response::new(ListMultipartUploadsOutput {
        is_truncated: Some(truncated),
        next_key_marker: last.map(|(key, _, _)| encode(key)),
        next_upload_id_marker: last.map(|(_, id, _)| (*id).to_owned()),
        uploads: Some(page.iter().map(|(key, id, upload)| upload_out(encode(key), id, upload)).collect()),
        max_uploads: Some(count_out(max)),
        prefix: input.prefix.as_deref().map(encode),
        key_marker: input.key_marker.as_deref().map(encode),
        upload_id_marker: input.upload_id_marker,
        encoding_type: input.encoding_type,
        bucket: Some(input.bucket),
        ..ListMultipartUploadsOutput::default()
    }))
}

fn upload_out(key: String, id: &str, upload: &store::Upload) -> MultipartUpload {
    let terms = upload.terms;
    MultipartUpload {
        key: Some(key),
        upload_id: Some(id.to_owned()),
        initiated: Some(upload.initiated.into()),
        checksum_algorithm: terms.declared.then(|| algorithm_out(terms.algorithm)),
        checksum_type: terms.declared.then(|| kind_out(terms.kind)),
        storage_class: Some(StorageClass::from_static(StorageClass::STANDARD)),
        ..MultipartUpload::default()
    }
}
