//! ListObjectsV2.

use std::ops::Bound;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use s3s::dto::*;
use s3s::{S3Request, S3Response, S3Result};

use super::convert::{algorithm_out, count_out, etag_out, kind_out, page_size, size_out, url_encoded};
use crate::store::{self, Found, Listing, Refusal};
use crate::twin::Twin;

pub(super) async fn objects(
    twin: &Twin,
    req: S3Request<ListObjectsV2Input>,
) -> S3Result<S3Response<ListObjectsV2Output>> {
    let input = req.input;
    let encode = encoding(input.encoding_type.as_ref())?;
    let from = match (&input.continuation_token, &input.start_after) {
        (Some(token), _) => parse_token(token)?,
        (None, Some(key)) => Bound::Excluded(key.clone()),
        (None, None) => Bound::Unbounded,
    };
    let listing = Listing {
        prefix: input.prefix.as_deref().unwrap_or_default(),
        delimiter: input.delimiter.as_deref().filter(|delimiter| !delimiter.is_empty()),
        from,
        max: page_size(input.max_keys)?,
    };
    let page = twin.store().bucket(&input.bucket)?.list(&listing);
    let mut output = ListObjectsV2Output {
        max_keys: Some(count_out(listing.max)),
        key_count: Some(count_out(page.found.len())),
        is_truncated: Some(page.next.is_some()),
        next_continuation_token: page.next.as_ref().map(token),
        name: Some(input.bucket),
        prefix: Some(encode(listing.prefix)),
        delimiter: listing.delimiter.map(encode),
        start_after: input.start_after.as_deref().map(encode),
        continuation_token: input.continuation_token,
        encoding_type: input.encoding_type,
        ..ListObjectsV2Output::default()
    };
    for found in page.found {
        match found {
            Found::Object(key, object) => {
                output.contents.get_or_insert_default().push(entry(encode(&key), &object));
            }
            Found::CommonPrefix(prefix) => {
                let prefix = CommonPrefix { prefix: Some(encode(&prefix)) };
                output.common_prefixes.get_or_insert_default().push(prefix);
            }
        }
    }
    Ok(S3Response::new(output))
}

fn entry(key: String, object: &store::Object) -> Object {
    Object {
        key: Some(key),
        size: Some(size_out(object.size())),
        e_tag: Some(etag_out(&object.etag)),
        last_modified: Some(object.last_modified.into()),
        checksum_algorithm: object.checksum.as_ref().map(|sum| vec![algorithm_out(sum.algorithm)]),
        checksum_type: object.checksum.as_ref().map(|sum| kind_out(sum.kind)),
        storage_class: Some(ObjectStorageClass::from_static(ObjectStorageClass::STANDARD)),
        ..Object::default()
    }
}

/// How the texts of an answer are written.
pub(super) fn encoding(asked: Option<&EncodingType>) -> Result<fn(&str) -> String, Refusal> {
    match asked.map(EncodingType::as_str) {
        None => Ok(str::to_owned),
        Some(EncodingType::URL) => Ok(url_encoded),
        Some(_) => Err(Refusal::InvalidArgument("Invalid Encoding Method specified in Request")),
    }
}

/// A place in a listing as a text that means nothing to its reader.
fn token(next: &Bound<String>) -> String {
    URL_SAFE_NO_PAD.encode(match next {
        Bound::Included(key) => format!("i{key}"),
        Bound::Excluded(key) => format!("x{key}"),
        Bound::Unbounded => String::new(),
    })
}

fn parse_token(token: &str) -> Result<Bound<String>, Refusal> {
    let text = URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let bound = text.and_then(|text| match text.split_at_checked(1)? {
        ("i", key) => Some(Bound::Included(key.to_owned())),
        ("x", key) => Some(Bound::Excluded(key.to_owned())),
        _ => None,
    });
    bound.ok_or(Refusal::InvalidArgument("The continuation token provided is incorrect"))
}
