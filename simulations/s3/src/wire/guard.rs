//! A twin's keys and denials as s3s asks for them.

use async_trait::async_trait;
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{S3Auth, SecretKey};
use s3s::{S3Result, s3_error};

use crate::op::Op;
use crate::twin::Twin;

/// Answers s3s's questions from a twin's keys and denials.
pub(crate) struct Guard(pub(crate) Twin);

#[async_trait]
impl S3Auth for Guard {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        let access = self.0.access();
        if access.expired.contains(access_key) {
            return Err(s3_error!(ExpiredToken, "The provided token has expired."));
        }
        match access.secrets.get(access_key) {
            Some(secret) => Ok(secret.as_str().into()),
            None => Err(s3_error!(
                InvalidAccessKeyId,
                "The AWS Access Key Id you provided does not exist in our records."
            )),
        }
    }
}

#[async_trait]
impl S3Access for Guard {
    async fn check(&self, cx: &mut S3AccessContext<'_>) -> S3Result<()> {
        let op = cx.s3_op().name().parse().unwrap_or(Op::Other);
        let bucket = cx.s3_path().get_bucket_name().unwrap_or_default();
        let key = cx.s3_path().get_object_key().unwrap_or_default();
        if cx.credentials().is_none() || self.0.access().denies(op, bucket, key) {
            return Err(s3_error!(AccessDenied, "Access Denied"));
        }
        Ok(())
    }
}
