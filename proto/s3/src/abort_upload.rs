//! AbortMultipartUpload.

use proto::batch::Upload;
use proto::failure::S3ErrorKind;

use crate::attempt::{ANSWER_LIMIT, Target};
use crate::connect::S3;
use crate::error::Error;
use crate::operation::Operation;

impl S3 {
    /// Removes the upload and its parts. One that no longer exists is done with.
    ///
    /// Parts still being uploaded may survive (S3: AbortMultipartUpload): abort when they have ended, and
    /// see with [`S3::has_parts`] whether to abort again.
    ///
    /// # Errors
    /// See [`Error::kind`].
    pub async fn abort_upload(&self, upload: &Upload) -> Result<(), Error> {
        let Upload { destination, upload_id } = upload;
        let target = Target::new(Operation::AbortUpload, &destination.bucket, &destination.key);
        let request = self.client.abort_multipart_upload().bucket(&destination.bucket).key(&destination.key);
        match self.attempt(&target, ANSWER_LIMIT, request.upload_id(upload_id).send()).await {
            Err(error) if error.kind() != S3ErrorKind::NoSuchUpload => Err(error),
            _ => Ok(()),
        }
    }
}
