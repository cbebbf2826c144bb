//! GetObjectAttributes, for the CRC-32 of each part an object was uploaded in, page by page.

use aws_sdk_s3::types::{ObjectAttributes, ObjectPart};
use proto::crc::Crc;
use proto::failure::S3ErrorKind;
use proto::listing::Etag;
use proto::plan::{Body, PartNumber};

use crate::attempt::{ANSWER_LIMIT, Target};
use crate::connect::S3;
use crate::decode::crc32_from_base64;
use crate::error::Error;
use crate::operation::Operation;

/// Some of the parts an object was uploaded in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartCrcs {
    /// At most 1,000, in the order their bytes have in the object.
    pub crcs: Vec<Crc>,
    /// After which the next page begins; `None` when this is the last.
    pub next: Option<PartNumber>,
}

impl S3 {
    /// The CRC-32 of the parts that the object behind `source` was uploaded in, of the first thousand or of those
    /// after part `after`. `None` when S3 does not tell them: it does for objects with a COMPOSITE CRC-32 only.
    ///
    /// # Errors
    /// See [`Error::kind`]; `PreconditionFailed` when the object has changed since it was listed.
    pub async fn part_crcs(
        &self,
        source: &Body,
        after: Option<PartNumber>,
    ) -> Result<Option<PartCrcs>, Error> {
        let target = Target::new(Operation::GetAttributes, &source.bucket, &source.key);
        let request = self.client.get_object_attributes().bucket(&source.bucket).key(&source.key);
        let request = [ObjectAttributes::Etag, ObjectAttributes::ObjectSize, ObjectAttributes::ObjectParts]
            .into_iter()
            .fold(request, |request, asked| request.object_attributes(asked));
        let request = request.set_part_number_marker(after.map(|after| after.to_string()));
        let answer = self.attempt(&target, ANSWER_LIMIT, request.send()).await?;

        // No condition can be put on this request. Its ETag is the only one that comes without quotes.
        let (Some(etag), Some(size)) = (answer.e_tag(), answer.object_size()) else {
            return Err(target.malformed("no ETag or size"));
        };
        if Etag::parse(etag) != Etag::parse(&source.etag) || u64::try_from(size) != Ok(source.object_bytes) {
            let reason = "the object has changed since it was listed";
            return Err(target.error(S3ErrorKind::PreconditionFailed, reason));
        }
        let Some(parts) = answer.object_parts() else { return Ok(None) };
        let known: Option<Vec<(i32, Crc)>> = parts.parts().iter().map(part_crc).collect();
        let Some(known) = known.filter(|known| !known.is_empty()) else { return Ok(None) };
        let before = after.map_or(Ok(0), |after| i32::try_from(after.0));
        let is_ahead = before.is_ok_and(|before| before < known[0].0);
        // Otherwise pages might never end, or stretches would be joined in the wrong order.
        if !is_ahead || !known.is_sorted_by(|a, b| a.0 < b.0) {
            return Err(target.malformed("parts out of order"));
        }
        let last = known.last().and_then(|(number, _)| u32::try_from(*number).ok()).map(PartNumber);
        let next = last.filter(|_| parts.is_truncated() == Some(true));
        Ok(Some(PartCrcs { crcs: known.into_iter().map(|(_, crc)| crc).collect(), next }))
    }
}

fn part_crc(part: &ObjectPart) -> Option<(i32, Crc)> {
    let crc32 = crc32_from_base64(part.checksum_crc32()?)?;
    Some((part.part_number()?, Crc::known(crc32, part.size()?.try_into().ok()?)))
}
