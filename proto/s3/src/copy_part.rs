//! UploadPartCopy.

use std::ops::Range;
use std::time::Duration;

use proto::batch::Upload;
use proto::failure::S3ErrorKind;
use proto::listing::Etag;
use proto::plan::{Body, PartNumber};

use crate::attempt::{ANSWER_LIMIT, Target};
use crate::connect::S3;
use crate::decode::{copy_source, crc32_from_base64, range_header};
use crate::error::Error;
use crate::operation::Operation;

/// The slowest copy waited for, in bytes a second: a fortieth of what S3 usually copies per request, but single
/// ones have been seen to take many times as long as others.
const SLOWEST_BYTES_PER_SECOND: u64 = 2 << 20;

/// A part that S3 copied by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    /// Its ETag, without quotes.
    pub etag: String,
    /// CRC-32 of what was copied. S3 tells it where the upload was created with CRC-32; not every server does.
    pub crc32: Option<u32>,
}

impl S3 {
    /// Has S3 copy the bytes `range` of the object behind `source` into one part, provided its ETag is still the
    /// listed one. To be repeated when the answer is lost: the part is the same.
    ///
    /// # Errors
    /// See [`Error::kind`]; `PreconditionFailed` when the object has changed, or ends before the range does.
    ///
    /// # Panics
    /// When `range` is empty: no header can ask for no bytes.
    pub async fn copy_part(
        &self,
        upload: &Upload,
        number: PartNumber,
        source: &Body,
        range: Range<u64>,
    ) -> Result<Copied, Error> {
        let Upload { destination, upload_id } = upload;
        // What can go wrong nearly always has to do with the object.
        let target = Target::new(Operation::CopyPart, &source.bucket, &source.key);
        let target = Target { range: Some(range.clone()), ..target };
        let part_number =
            i32::try_from(number.0).map_err(|_| target.error(S3ErrorKind::Refused, "no such part number"))?;
        let request = self.client.upload_part_copy().bucket(&destination.bucket).key(&destination.key);
        let request = request.upload_id(upload_id).part_number(part_number);
        // S3 compares it quotes and all.
        let request = request.copy_source_if_match(format!("\"{}\"", source.etag));
        let request = request.copy_source(copy_source(&source.bucket, &source.key));
        // S3 documents ranges only for objects of more than 5 MB; a whole one needs none.
        let is_whole = range == (0..source.object_bytes);
        let request = request.set_copy_source_range((!is_whole).then(|| range_header(&range)));
        let bytes = range.end - range.start;
        let limit = ANSWER_LIMIT + Duration::from_secs(bytes / SLOWEST_BYTES_PER_SECOND);
        let answer = self.attempt(&target, limit, request.send()).await?;

        let result = answer.copy_part_result();
        let Some(etag) = result.and_then(|result| result.e_tag()) else {
            return Err(target.malformed("no ETag"));
        };
        self.counts.copied(bytes);
        let crc32 = result.and_then(|result| result.checksum_crc32()).and_then(crc32_from_base64);
        Ok(Copied { etag: Etag::parse(etag).to_string(), crc32 })
    }
}
