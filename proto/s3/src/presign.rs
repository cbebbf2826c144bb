//! A URL with which anybody can GetObject for a while.

use std::time::Duration;

use aws_sdk_s3::presigning::PresigningConfig;
use proto::failure::S3ErrorKind;
use proto::location::Location;

use crate::attempt::Target;
use crate::connect::S3;
use crate::error::Error;
use crate::operation::Operation;

impl S3 {
    /// A URL at which an object can be downloaded for `good_for`, at most seven days, or until the credentials it is
    /// signed with end. S3 itself is not asked, so whether there is such an object shows when it is used.
    ///
    /// # Errors
    /// When there are no credentials, or `good_for` is too long.
    pub async fn presigned_url(&self, object: &Location, good_for: Duration) -> Result<String, Error> {
        let target = Target::new(Operation::GetObject, &object.bucket, &object.key);
        let config = PresigningConfig::expires_in(good_for);
        let config = config.map_err(|error| target.error(S3ErrorKind::Refused, &error.to_string()))?;
        let request = self.client.get_object().bucket(&object.bucket).key(&object.key);
        let signed = request.presigned(config).await.map_err(|error| self.explain(&target, &error))?;
        Ok(signed.uri().to_owned())
    }
}
