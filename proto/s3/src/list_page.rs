//! ListObjectsV2.

use std::time::Duration;

use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumType, EncodingType, Object};
use proto::crc::StoredKind;
use proto::listing::{Etag, Page, SourceObject};

use crate::attempt::Target;
use crate::connect::S3;
use crate::decode::url_decoded_key;
use crate::error::Error;
use crate::operation::Operation;

/// How long one page may take: seconds are usual where many deleted versions lie between the keys.
const PAGE_LIMIT: Duration = Duration::from_secs(60);

impl S3 {
    /// One page, up to 1,000 objects, of the keys in `bucket` that begin with `prefix`; `token` is the
    /// `next` of the page before. The objects are told to be of source `source`.
    ///
    /// # Errors
    /// See [`Error::kind`].
    pub async fn list_page(
        &self,
        source: u16,
        bucket: &str,
        prefix: &str,
        token: Option<&str>,
    ) -> Result<Page, Error> {
        let target = Target::new(Operation::ListObjects, bucket, prefix);
        let request = self.client.list_objects_v2().bucket(bucket).prefix(prefix);
        // Keys may hold characters that XML cannot.
        let request =
            request.encoding_type(EncodingType::Url).set_continuation_token(token.map(ToOwned::to_owned));
        let answer = self.attempt(&target, PAGE_LIMIT, request.send()).await?;

        let next = match answer.is_truncated() {
            Some(true) => answer.next_continuation_token().map(ToOwned::to_owned),
            _ => None,
        };
        // Either would make a listing that never ends or ends too early.
        if answer.is_truncated() == Some(true) && (next.is_none() || next.as_deref() == token) {
            return Err(target.malformed("more keys, but no way to ask for them"));
        }
        let objects = answer.contents().iter().map(|object| {
            source_object(source, object).filter(|object| object.key.starts_with(prefix)).ok_or_else(|| {
                target.malformed(&format!("not an object below the prefix: {:?}", object.key()))
            })
        });
        Ok(Page { objects: objects.collect::<Result<_, _>>()?, buckets: vec![bucket.to_owned()], next })
    }
}

fn source_object(source: u16, object: &Object) -> Option<SourceObject> {
    Some(SourceObject {
        source,
        bucket: 0,
        stored: stored_kind(object),
        key: url_decoded_key(object.key()?)?.into(),
        size: object.size()?.try_into().ok()?,
        etag: Etag::parse(object.e_tag()?),
        modified: object.last_modified()?.secs(),
    })
}

fn stored_kind(object: &Object) -> StoredKind {
    let has = |algorithm| object.checksum_algorithm().contains(&algorithm);
    match object.checksum_type() {
        Some(ChecksumType::FullObject) if has(ChecksumAlgorithm::Crc32) => StoredKind::Crc32,
        Some(ChecksumType::FullObject) if has(ChecksumAlgorithm::Crc64Nvme) => StoredKind::Crc64Nvme,
        Some(ChecksumType::Composite) if has(ChecksumAlgorithm::Crc32) => StoredKind::Crc32OfParts,
        _ => StoredKind::None,
    }
}
