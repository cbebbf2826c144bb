//! Removing the upload for good.

use std::time::Duration;

use proto::batch::Upload;
use proto::failure::{Failure, FailureKind, S3ErrorKind};
use proto_s3::{S3, with_retries};

/// S3 may keep a part that arrived while the abort was under way, and then wants to be told again
/// (AbortMultipartUpload, "it might be necessary to abort a given multipart upload multiple times").
const ROUNDS_MAX: u32 = 5;

pub(crate) async fn abort(s3: &S3, upload: &Upload) -> Result<(), Failure> {
    abort_until_gone(s3, upload).await.map_err(|error| {
        let command = command_that_removes(upload);
        let message = format!("its upload could not be removed ({error}): remove it with {command}");
        Failure::new(FailureKind::Unavailable, message)
    })
}

/// For a shell, in whose single quotes only the quote itself needs care.
pub(crate) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// The command that removes an upload.
pub(crate) fn command_that_removes(upload: &Upload) -> String {
    let Upload { destination, upload_id } = upload;
    let (bucket, key, id) = (quoted(&destination.bucket), quoted(&destination.key), quoted(upload_id));
    format!("`aws s3api abort-multipart-upload --bucket {bucket} --key {key} --upload-id {id}`")
}

async fn abort_until_gone(s3: &S3, upload: &Upload) -> Result<(), String> {
    for round in 1..=ROUNDS_MAX {
        with_retries(async || s3.abort_upload(upload).await).await.map_err(|error| error.to_string())?;
        match with_retries(async || s3.has_parts(upload).await).await {
            Ok(_) => tokio::time::sleep(Duration::from_millis(100) * round).await,
            Err(error) if error.kind() == S3ErrorKind::NoSuchUpload => return Ok(()),
            // Whoever may abort uploads may still not be allowed to look into them.
            Err(error) if error.kind() == S3ErrorKind::Denied => return Ok(()),
            Err(error) => return Err(error.to_string()),
        }
    }
    Err("S3 still keeps it".to_owned())
}
