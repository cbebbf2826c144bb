//! CompleteMultipartUpload.

use std::time::Duration;

use aws_sdk_s3::types::{ChecksumType, CompletedMultipartUpload, CompletedPart};
use proto::batch::Upload;
use proto::complete::Completion;
use proto::failure::S3ErrorKind;
use proto::listing::Etag;

use crate::attempt::Target;
use crate::connect::S3;
use crate::decode::crc32_to_base64;
use crate::error::Error;
use crate::operation::Operation;

/// "Processing of a CompleteMultipartUpload request could take several minutes to finalize"
/// (S3: CompleteMultipartUpload).
const COMPLETE_LIMIT: Duration = Duration::from_secs(15 * 60);

impl S3 {
    /// Has S3 put the parts together, provided their joint size and CRC-32 are as given, and returns the
    /// archive's ETag without quotes.
    ///
    /// # Errors
    /// See [`Error::kind`]. `Mismatch` when S3 holds other bytes, `PreconditionFailed` and `Conflict` when
    /// nothing may be overwritten and something is at the destination or was since the upload began.
    /// `NoSuchUpload` may mean that an earlier attempt succeeded although its answer was lost.
    pub async fn complete_upload(&self, completion: &Completion) -> Result<String, Error> {
        let Completion { upload: Upload { destination, upload_id }, parts, archive, no_overwrite, .. } =
            completion;
        let target = Target::new(Operation::CompleteUpload, &destination.bucket, &destination.key);
        let too_large = |_| target.error(S3ErrorKind::Refused, "beyond what S3 can name");
        let mut upload = CompletedMultipartUpload::builder();
        for part in parts {
            let number = i32::try_from(part.number.0).map_err(too_large)?;
            let etag = format!("\"{}\"", part.etag);
            upload = upload.parts(CompletedPart::builder().part_number(number).e_tag(etag).build());
        }
        let request =
            self.client.complete_multipart_upload().bucket(&destination.bucket).key(&destination.key);
        let request = request.upload_id(upload_id).multipart_upload(upload.build());
        // S3 takes a CRC without its type for a wrong one.
        let request =
            request.checksum_type(ChecksumType::FullObject).checksum_crc32(crc32_to_base64(archive.value));
        let request = request.mpu_object_size(i64::try_from(archive.bytes).map_err(too_large)?);
        let request = request.set_if_none_match(no_overwrite.then(|| "*".to_owned()));
        let answer = self.attempt(&target, COMPLETE_LIMIT, request.send()).await?;
        match answer.e_tag() {
            Some(etag) => Ok(Etag::parse(etag).to_string()),
            None => Err(target.malformed("no ETag")),
        }
    }
}
