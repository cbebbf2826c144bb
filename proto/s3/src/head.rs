//! HeadObject.

use aws_sdk_s3::types::ChecksumMode;
use proto::crc::StoredChecksum;
use proto::job::JobId;
use proto::listing::Etag;
use proto::location::Location;

use crate::attempt::{ANSWER_LIMIT, Target};
use crate::connect::S3;
use crate::create_upload::{JOB_METADATA, parse_job};
use crate::decode::whole_checksum;
use crate::error::Error;
use crate::operation::Operation;

/// What S3 knows of one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Size in bytes.
    pub size: u64,
    /// ETag.
    pub etag: Etag,
    /// Last-modified, in seconds since 1970 UTC.
    pub modified: i64,
    /// The stored checksum of the whole object, if S3 has one of use.
    pub stored: Option<StoredChecksum>,
    /// The job that wrote it, if zipfleet did.
    pub job: Option<JobId>,
}

impl S3 {
    /// Looks up one object without reading it.
    ///
    /// # Errors
    /// See [`Error::kind`]. S3 does not say whether it is the object or the bucket that is missing.
    pub async fn head(&self, location: &Location) -> Result<Head, Error> {
        let target = Target::new(Operation::HeadObject, &location.bucket, &location.key);
        let request = self.client.head_object().bucket(&location.bucket).key(&location.key);
        let request = request.checksum_mode(ChecksumMode::Enabled);
        let answer = self.attempt(&target, ANSWER_LIMIT, request.send()).await?;
        let size = answer.content_length().and_then(|size| u64::try_from(size).ok());
        let (Some(size), Some(etag), Some(modified)) = (size, answer.e_tag(), answer.last_modified()) else {
            return Err(target.malformed("no size, ETag or date"));
        };
        Ok(Head {
            size,
            etag: Etag::parse(etag),
            modified: modified.secs(),
            stored: whole_checksum(
                answer.checksum_type(),
                answer.checksum_crc32(),
                answer.checksum_crc64_nvme(),
            ),
            job: answer.metadata().and_then(|metadata| parse_job(metadata.get(JOB_METADATA)?)),
        })
    }
}
