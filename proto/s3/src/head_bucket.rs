//! HeadBucket.

use crate::attempt::{ANSWER_LIMIT, Target};
use crate::connect::S3;
use crate::error::Error;
use crate::operation::Operation;

impl S3 {
    /// Asks whether a bucket is there. Many of these at once open connections, which the requests of a job then
    /// find open.
    ///
    /// # Errors
    /// See [`Error::kind`].
    pub async fn head_bucket(&self, bucket: &str) -> Result<(), Error> {
        let target = Target::new(Operation::HeadBucket, bucket, "");
        self.attempt(&target, ANSWER_LIMIT, self.client.head_bucket().bucket(bucket).send()).await?;
        Ok(())
    }
}
