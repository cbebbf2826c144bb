//! PutObject, for small objects.

use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use proto::location::Location;

use crate::attempt::{ANSWER_LIMIT, Target};
use crate::connect::S3;
use crate::error::Error;
use crate::operation::Operation;

impl S3 {
    /// Writes a small object whole, over any that is there. S3 verifies the bytes by their signature.
    ///
    /// # Errors
    /// See [`Error::kind`].
    pub async fn put(&self, location: &Location, bytes: Bytes) -> Result<(), Error> {
        let target = Target::new(Operation::PutObject, &location.bucket, &location.key);
        let request = self.client.put_object().bucket(&location.bucket).key(&location.key);
        self.attempt(&target, ANSWER_LIMIT, request.body(ByteStream::from(bytes)).send()).await?;
        Ok(())
    }
}
