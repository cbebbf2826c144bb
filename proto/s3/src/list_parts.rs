//! ListParts, page by page.

use aws_sdk_s3::types::Part;
use proto::batch::Upload;
use proto::listing::Etag;
use proto::plan::PartNumber;

use crate::attempt::{ANSWER_LIMIT, Target};
use crate::connect::S3;
use crate::decode::crc32_from_base64;
use crate::error::Error;
use crate::operation::Operation;

/// A part that S3 holds: of several uploads with one number the last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadedPart {
    /// Its number.
    pub number: PartNumber,
    /// Size in bytes.
    pub bytes: u64,
    /// ETag, without quotes.
    pub etag: String,
    /// CRC-32 of its bytes. Not every server tells it.
    pub crc32: Option<u32>,
}

/// Some of an upload's parts, in the order of their numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartsPage {
    /// At most 1,000.
    pub parts: Vec<UploadedPart>,
    /// Where the next page begins; `None` when this is the last.
    pub next: Option<PartNumber>,
}

impl S3 {
    /// The parts of an upload that have the number `from` or a higher one, or the first thousand of them.
    ///
    /// # Errors
    /// See [`Error::kind`]; `NoSuchUpload` when the upload is gone, and its parts with it.
    pub async fn list_parts(&self, upload: &Upload, from: PartNumber) -> Result<PartsPage, Error> {
        let Upload { destination, upload_id } = upload;
        let target = Target::new(Operation::ListParts, &destination.bucket, &destination.key);
        let request = self.client.list_parts().bucket(&destination.bucket).key(&destination.key);
        let before = from.0.checked_sub(1).filter(|marker| *marker > 0);
        let request = request.upload_id(upload_id).set_part_number_marker(before.map(|n| n.to_string()));
        let answer = self.attempt(&target, ANSWER_LIMIT, request.send()).await?;
        let parts: Option<Vec<UploadedPart>> = answer.parts().iter().map(uploaded).collect();
        let Some(parts) = parts else { return Err(target.malformed("a part without number, size or ETag")) };
        let ordered = parts.is_sorted_by(|a, b| a.number < b.number);
        if !ordered || parts.first().is_some_and(|part| part.number < from) {
            return Err(target.malformed("parts out of order"));
        }
        let last = parts.last().map(|part| part.number);
        let next = match (answer.is_truncated(), last) {
            (Some(true), None) => return Err(target.malformed("more parts, but none here")),
            (Some(true), Some(last)) => Some(PartNumber(last.0 + 1)),
            _ => None,
        };
        Ok(PartsPage { parts, next })
    }
}

fn uploaded(part: &Part) -> Option<UploadedPart> {
    Some(UploadedPart {
        number: PartNumber(part.part_number()?.try_into().ok()?),
        bytes: part.size()?.try_into().ok()?,
        etag: Etag::parse(part.e_tag()?).to_string(),
        crc32: part.checksum_crc32().and_then(crc32_from_base64),
    })
}
