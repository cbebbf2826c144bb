//! DeleteObject.

use proto::failure::S3ErrorKind;
use proto::location::Location;

use crate::attempt::{ANSWER_LIMIT, Target};
use crate::connect::S3;
use crate::error::Error;
use crate::operation::Operation;

impl S3 {
    /// Deletes an object. One that is not there is done with.
    ///
    /// # Errors
    /// See [`Error::kind`].
    pub async fn delete(&self, location: &Location) -> Result<(), Error> {
        let target = Target::new(Operation::DeleteObject, &location.bucket, &location.key);
        let request = self.client.delete_object().bucket(&location.bucket).key(&location.key);
        match self.attempt(&target, ANSWER_LIMIT, request.send()).await {
            Err(error) if error.kind() != S3ErrorKind::NoSuchKey => Err(error),
            _ => Ok(()),
        }
    }
}
