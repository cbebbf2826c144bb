//! CreateMultipartUpload.

use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumType};
use proto::batch::Upload;
use proto::job::JobId;
use proto::location::Location;

use crate::attempt::{ANSWER_LIMIT, Target};
use crate::connect::S3;
use crate::error::Error;
use crate::operation::Operation;

/// The object metadata that tells which job wrote an archive, so that a completion whose answer was lost can
/// be told from someone else's object.
pub(crate) const JOB_METADATA: &str = "zipfleet-job";

impl S3 {
    /// Begins the multipart upload of job `job`'s archive. S3 will verify a CRC-32 of the whole.
    ///
    /// # Errors
    /// See [`Error::kind`].
    pub async fn create_upload(&self, destination: &Location, job: JobId) -> Result<Upload, Error> {
        self.create_upload_of(destination, job, "application/zip").await
    }

    /// Begins the multipart upload of something else that belongs to job `job`.
    ///
    /// # Errors
    /// See [`Error::kind`].
    pub async fn create_upload_of(
        &self,
        destination: &Location,
        job: JobId,
        content_type: &str,
    ) -> Result<Upload, Error> {
        let target = Target::new(Operation::CreateUpload, &destination.bucket, &destination.key);
        let request = self.client.create_multipart_upload().bucket(&destination.bucket).key(&destination.key);
        let request =
            request.checksum_algorithm(ChecksumAlgorithm::Crc32).checksum_type(ChecksumType::FullObject);
        let request = request.content_type(content_type).metadata(JOB_METADATA, job.to_string());
        let answer = self.attempt(&target, ANSWER_LIMIT, request.send()).await?;
        match answer.upload_id {
            Some(upload_id) if !upload_id.is_empty() => {
                Ok(Upload { destination: destination.clone(), upload_id })
            }
            _ => Err(target.malformed("no upload id")),
        }
    }
}

/// Reads a job id as [`JOB_METADATA`] holds it.
pub(crate) fn parse_job(text: &str) -> Option<JobId> {
    u64::from_str_radix(text, 16).ok().map(JobId).filter(|job| job.to_string() == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn job_ids_come_back() {
        assert_eq!(parse_job(&JobId(0x2a).to_string()), Some(JobId(0x2a)));
        assert_eq!(parse_job("2a"), None);
        assert_eq!(parse_job("job"), None);
    }
}
