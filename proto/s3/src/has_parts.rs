//! ListParts, for one part: whether there is any.

use proto::batch::Upload;

use crate::attempt::{ANSWER_LIMIT, Target};
use crate::connect::S3;
use crate::error::Error;
use crate::operation::Operation;

impl S3 {
    /// Whether S3 holds any part of the upload.
    ///
    /// # Errors
    /// See [`Error::kind`]; `NoSuchUpload` when the upload is gone, and its parts with it.
    pub async fn has_parts(&self, upload: &Upload) -> Result<bool, Error> {
        let Upload { destination, upload_id } = upload;
        let target = Target::new(Operation::ListParts, &destination.bucket, &destination.key);
        let request = self.client.list_parts().bucket(&destination.bucket).key(&destination.key);
        let request = request.upload_id(upload_id).max_parts(1);
        let answer = self.attempt(&target, ANSWER_LIMIT, request.send()).await?;
        Ok(!answer.parts().is_empty())
    }
}
