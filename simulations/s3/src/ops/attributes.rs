//! GetObjectAttributes.

use s3s::dto::*;
use s3s::{S3Request, S3Response, S3Result};

use super::convert::{count_out, etag_out, kind_out, page_size, refuse_version, set_checksum, size_out};
use crate::content::{Algorithm, Checksum as Stored};
use crate::store::{self, Refusal};
use crate::twin::Twin;

pub(super) async fn get(
    twin: &Twin,
    req: S3Request<GetObjectAttributesInput>,
) -> S3Result<S3Response<GetObjectAttributesOutput>> {
    let input = req.input;
    refuse_version(input.version_id.as_deref())?;
    let object = twin.store().bucket(&input.bucket)?.object(&input.key)?;
    let mut output = GetObjectAttributesOutput {
        last_modified: Some(object.last_modified.into()),
        ..GetObjectAttributesOutput::default()
    };
    // As one header with commas, as the AWS CLI sends them, or one header each, as s3s expects them.
    let asked = input.object_attributes.iter().flat_map(|asked| asked.as_str().split(',')).map(str::trim);
    for asked in asked {
        match asked {
            ObjectAttributes::ETAG => output.e_tag = Some(etag_out(&object.etag)),
            ObjectAttributes::CHECKSUM => output.checksum = object.checksum.as_ref().map(checksum),
            ObjectAttributes::OBJECT_PARTS => {
                let marker = input.part_number_marker.unwrap_or(0);
                output.object_parts = parts(&object, marker, page_size(input.max_parts)?);
            }
            ObjectAttributes::OBJECT_SIZE => output.object_size = Some(size_out(object.size())),
            ObjectAttributes::STORAGE_CLASS => {
                output.storage_class = Some(StorageClass::from_static(StorageClass::STANDARD));
            }
            _ => return Err(Refusal::InvalidArgument("Invalid attribute name specified.").into()),
        }
    }
    Ok(S3Response::new(output))
}

fn checksum(stored: &Stored) -> Checksum {
    let mut checksum = Checksum { checksum_type: Some(kind_out(stored.kind)), ..Checksum::default() };
    set_checksum!(checksum, stored.algorithm, stored.value.clone());
    checksum
}

/// The parts of an object that was uploaded in parts: one by one only where S3 keeps their checksums.
fn parts(object: &store::Object, marker: i32, max: usize) -> Option<GetObjectAttributesParts> {
    if object.parts.is_empty() {
        return None;
    }
    let total_parts_count = Some(count_out(object.parts.len()));
    let listed = object.parts.iter().filter(|part| part.checksum.is_some());
    let after: Vec<&store::ObjectPart> = listed.filter(|part| part.number > marker).collect();
    if object.parts.iter().all(|part| part.checksum.is_none()) {
        return Some(GetObjectAttributesParts { total_parts_count, ..GetObjectAttributesParts::default() });
    }
    let page = &after[..max.min(after.len())];
    Some(GetObjectAttributesParts {
        is_truncated: Some(page.len() < after.len()),
        max_parts: Some(count_out(max)),
        next_part_number_marker: Some(page.last().map_or(0, |part| part.number)),
        part_number_marker: Some(marker),
        parts: Some(page.iter().map(|part| part_out(object, part)).collect()),
        total_parts_count,
    })
}

fn part_out(object: &store::Object, part: &store::ObjectPart) -> ObjectPart {
    let mut out = ObjectPart {
        part_number: Some(part.number),
        size: Some(size_out(part.size)),
        ..ObjectPart::default()
    };
    if let (Some(stored), Some(value)) = (&object.checksum, &part.checksum) {
        set_checksum!(out, stored.algorithm, value.clone());
    }
    out
}
