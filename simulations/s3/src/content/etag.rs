//! ETags, without their quotes.
//!
//! S3 promises an MD5 only for single uploads without KMS encryption; parts, copies and synthetic objects get a
//! digest made of CRCs here, as they would be no MD5 on a bucket encrypted with KMS either. It costs nothing.

use s3s::crypto::{Checksum as _, Md5};

use super::crc::Crc;
use super::rope::Rope;
use super::synthetic::mix;

/// The MD5 of content: what S3 gives an object that was put whole. Reads every byte.
pub(crate) fn md5(content: &Rope) -> [u8; 16] {
    let mut hash = Md5::new();
    content.chunks().for_each(|chunk| hash.update(&chunk));
    hash.finalize()
}

/// A digest of content that costs nothing where the content is synthetic: the same for the same bytes, in
/// whatever extents they lie.
pub(crate) fn of_content(content: &Rope) -> String {
    let crc64 = content.crc(Crc::Crc64Nvme);
    let other = mix(mix(content.crc(Crc::Crc32)) ^ content.len());
    hex(u128::from(mix(crc64)) << 64 | u128::from(other))
}

/// The ETag of a multipart object: a digest of the parts' ETags and their count.
pub(crate) fn of_parts<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    let mut hash = Md5::new();
    let mut count = 0;
    for etag in parts {
        hash.update(etag.as_bytes());
        count += 1;
    }
    format!("{}-{count}", hex(u128::from_be_bytes(hash.finalize())))
}

/// A 128-bit digest as S3 writes it: 32 lower-case hexadecimal digits.
pub(crate) fn hex(digest: u128) -> String {
    format!("{digest:032x}")
}
