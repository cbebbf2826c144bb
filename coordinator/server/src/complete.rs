//! Completing the upload, and finding out whether S3 did when its answer is lost.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use proto::complete::Completion;
use proto::failure::{Failure, FailureKind, S3ErrorKind};
use proto::job::JobId;
use proto_s3::{S3, with_retries};

pub(crate) async fn complete(s3: &S3, job: JobId, completion: &Completion) -> Result<String, Failure> {
    let answer_was_lost = AtomicBool::new(false);
    let completed = with_retries(async || {
        let completed = s3.complete_upload(completion).await;
        let is_lost = completed.as_ref().is_err_and(|error| error.kind() == S3ErrorKind::Transient);
        answer_was_lost.fetch_or(is_lost, Relaxed);
        completed
    });
    let error = match completed.await {
        Ok(etag) => return Ok(etag),
        Err(error) => error,
    };
    // The first request may have done it: the next then meets a finished upload, or its own archive.
    if answer_was_lost.into_inner()
        && let Some(etag) = find_own_archive(s3, job, completion).await
    {
        return Ok(etag);
    }
    let destination = &completion.upload.destination;
    Err(match error.kind() {
        S3ErrorKind::PreconditionFailed => Failure::new(
            FailureKind::Destination,
            format!("{destination} exists already and was not to be replaced"),
        ),
        S3ErrorKind::Conflict => Failure::new(
            FailureKind::Destination,
            format!("{destination} was written by someone else meanwhile: run the job again"),
        ),
        S3ErrorKind::NoSuchUpload => Failure::new(
            FailureKind::Destination,
            format!("the upload to {destination} was removed by someone else before it was complete"),
        ),
        _ => error.into(),
    })
}

/// The archive at the destination, if this very job put it there.
async fn find_own_archive(s3: &S3, job: JobId, completion: &Completion) -> Option<String> {
    let head = with_retries(async || s3.head(&completion.upload.destination).await).await.ok()?;
    let is_ours = head.job == Some(job) && head.size == completion.archive.bytes;
    is_ours.then(|| head.etag.to_string())
}
