//! ListMultipartUploads, for one key or a folder.

use aws_sdk_s3::types::EncodingType;
use proto::batch::Upload;
use proto::failure::S3ErrorKind;
use proto::location::Location;

use crate::attempt::{ANSWER_LIMIT, Target};
use crate::connect::S3;
use crate::decode::url_decoded_key;
use crate::error::Error;
use crate::operation::Operation;

/// Most pages read, of 1,000 uploads each.
const PAGES_MAX: usize = 100;

/// A multipart upload that was neither completed nor aborted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenUpload {
    /// S3's name for it.
    pub upload_id: String,
    /// When it began, in seconds since 1970 UTC.
    pub initiated: i64,
}

impl S3 {
    /// All open uploads of exactly this destination.
    ///
    /// # Errors
    /// See [`Error::kind`]; `Refused` when there are more than 100,000.
    pub async fn list_uploads(&self, destination: &Location) -> Result<Vec<OpenUpload>, Error> {
        let Location { bucket, key } = destination;
        // Uploads come in the order of their keys, and the key itself before all that it is a prefix of.
        let open = self.open_uploads(bucket, key, |found| found == key).await?;
        Ok(open.into_iter().map(|(_, upload)| upload).collect())
    }

    /// All open uploads to keys that begin with `prefix`.
    ///
    /// # Errors
    /// See [`Error::kind`]; `Refused` when there are more than 100,000.
    pub async fn list_uploads_below(&self, bucket: &str, prefix: &str) -> Result<Vec<Upload>, Error> {
        let open = self.open_uploads(bucket, prefix, |found| found.starts_with(prefix)).await?;
        let upload = |(key, OpenUpload { upload_id, .. })| Upload {
            destination: Location { bucket: bucket.to_owned(), key },
            upload_id,
        };
        Ok(open.into_iter().map(upload).collect())
    }

    /// The open uploads to keys that are `wanted`, the first of those that begin with `prefix`.
    async fn open_uploads(
        &self,
        bucket: &str,
        prefix: &str,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<Vec<(String, OpenUpload)>, Error> {
        let target = Target::new(Operation::ListUploads, bucket, prefix);
        let (mut key_marker, mut id_marker) = (None, None);
        let mut uploads = Vec::new();
        for _ in 0..PAGES_MAX {
            let request = self.client.list_multipart_uploads().bucket(bucket).prefix(prefix);
            let request = request.encoding_type(EncodingType::Url);
            let request = request.set_key_marker(key_marker).set_upload_id_marker(id_marker);
            let answer = self.attempt(&target, ANSWER_LIMIT, request.send()).await?;
            for upload in answer.uploads() {
                let Some(key) = upload.key().and_then(url_decoded_key).filter(|key| wanted(key)) else {
                    continue;
                };
                let (Some(upload_id), Some(initiated)) = (upload.upload_id(), upload.initiated()) else {
                    return Err(target.malformed("an upload without id or date"));
                };
                let upload = OpenUpload { upload_id: upload_id.to_owned(), initiated: initiated.secs() };
                uploads.push((key, upload));
            }
            if answer.is_truncated() != Some(true) {
                return Ok(uploads);
            }
            key_marker = answer.next_key_marker().and_then(url_decoded_key);
            id_marker = answer.next_upload_id_marker().map(ToOwned::to_owned);
            if !key_marker.as_deref().is_some_and(&wanted) {
                return Ok(uploads);
            }
        }
        Err(target.error(S3ErrorKind::Refused, "there are too many; abort some"))
    }
}
