//! Completing the upload, and finding out whether S3 did when its answer is lost.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use proto::complete::Completion;
use proto::failure::{Failure, FailureKind, S3ErrorKind};
use proto::job::JobId;
use proto::plan::PartNumber;
use proto_s3::{S3, with_retries};

use crate::create::exists;

/// How often to look whether S3 has finished what it was told without an answer; putting thousands of
/// parts together may take it a minute or more.
const LOOKS_MAX: u32 = 12;
/// Time between two looks grows by this much.
const LOOK_STEP: Duration = Duration::from_secs(1);

/// How often the ETags of contested parts are read back, should one change while S3 completes: only attempts
/// that were dropped too late do that, and they end soon.
const READ_BACKS_MAX: u32 = 3;

/// Has S3 put together what a failure calls `what`, such as the archive, and gives its ETag.
pub(crate) async fn complete(
    s3: &S3,
    job: JobId,
    what: &str,
    mut completion: Completion,
) -> Result<String, Failure> {
    let mut read_backs = 0;
    loop {
        if !completion.contested.is_empty() {
            read_back(s3, &mut completion).await?;
            read_backs += 1;
        }
        match complete_as_told(s3, job, what, &completion).await {
            Err(failure) if failure.kind == FailureKind::Corrupt && read_backs < READ_BACKS_MAX => {
                tracing::debug!(%job, %failure, "a part was uploaded again meanwhile");
                // Also by its only attempt, whose first answer was lost: then it may be any part.
                completion.contested = completion.parts.iter().map(|part| part.number).collect();
            }
            result => return result,
        }
    }
}

/// Takes over the ETags that contested parts have now.
async fn read_back(s3: &S3, completion: &mut Completion) -> Result<(), Failure> {
    let Completion { upload, parts, contested, .. } = completion;
    let destination = &upload.destination;
    let corrupt = |number: PartNumber, what: &str| {
        let message =
            format!("part {number} of {destination} {what}: run the job again, and report it if it repeats");
        Failure::new(FailureKind::Corrupt, message)
    };
    let mut wanted: BTreeSet<PartNumber> = contested.iter().copied().collect();
    while let Some(from) = wanted.first().copied() {
        let page = match with_retries(async || s3.list_parts(upload, from).await).await {
            Ok(page) => page,
            // Whoever may upload may still not be allowed to look. Then the ETags reported must do, and where
            // they are of the bytes they do.
            Err(error) if error.kind() == S3ErrorKind::Denied => {
                tracing::warn!(%error, "the ETags of parts uploaded twice cannot be read back");
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        for held in page.parts.into_iter().filter(|held| wanted.remove(&held.number)) {
            let Ok(index) = parts.binary_search_by_key(&held.number, |part| part.number) else { continue };
            if held.crc32.is_some_and(|crc32| crc32 != parts[index].crc32) {
                return Err(corrupt(held.number, "holds other bytes in S3 than its node reported"));
            }
            parts[index].etag = held.etag;
        }
        let end = page.next.unwrap_or(PartNumber(u32::MAX));
        if let Some(missing) = wanted.first().filter(|number| **number < end) {
            return Err(corrupt(*missing, "is not in S3 although its node reported it"));
        }
    }
    Ok(())
}

async fn complete_as_told(
    s3: &S3,
    job: JobId,
    what: &str,
    completion: &Completion,
) -> Result<String, Failure> {
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
    let destination = &completion.upload.destination;
    // A request without an answer may have done it: a later one then meets a finished upload, or what it made.
    if answer_was_lost.into_inner() {
        match find_own(s3, job, what, completion).await {
            Fate::Made(etag) => return Ok(etag),
            Fate::NotMade => {}
            Fate::Unknown(why) => {
                let message = format!(
                    "it is not known whether the {what} is at {destination}: S3's answer was lost ({error}), and {why}"
                );
                return Err(Failure::new(FailureKind::Unavailable, message));
            }
        }
    }
    let by_others = |what| Failure::new(FailureKind::Destination, format!("{what}: run the job again"));
    Err(match error.kind() {
        S3ErrorKind::PreconditionFailed => exists(destination),
        S3ErrorKind::Conflict => by_others(format!("{destination} was written by someone else meanwhile")),
        S3ErrorKind::NoSuchUpload => by_others(format!(
            "the upload to {destination} was removed by someone else before it was complete"
        )),
        _ => error.into(),
    })
}

/// What became of an upload that S3 was told to complete without an answer.
enum Fate {
    /// What was put together is there, with this ETag.
    Made(String),
    /// The upload is still open.
    NotMade,
    /// Neither can be seen; the reason is a sentence.
    Unknown(String),
}

/// Looks for what this very job may have made, until it is there or can no longer come.
async fn find_own(s3: &S3, job: JobId, what: &str, completion: &Completion) -> Fate {
    let destination = &completion.upload.destination;
    let mut why = String::new();
    for look in 1..=LOOKS_MAX {
        match with_retries(async || s3.head(destination).await).await {
            Ok(head) if head.job == Some(job) && head.size == completion.archive.bytes => {
                return Fate::Made(head.etag.to_string());
            }
            Ok(_) => why = format!("another {what} is there"),
            Err(error) if error.kind() == S3ErrorKind::NoSuchKey => why = format!("there is no {what} yet"),
            // Looking again will not be allowed either.
            Err(error) => return Fate::Unknown(error.to_string()),
        }
        // As long as the upload is open, S3 has not begun, or will answer the next request.
        if look > 1 && with_retries(async || s3.has_parts(&completion.upload).await).await.is_ok() {
            return Fate::NotMade;
        }
        tokio::time::sleep(LOOK_STEP * look.min(5)).await;
    }
    Fate::Unknown(why)
}

#[cfg(test)]
mod tests;
