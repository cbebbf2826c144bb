//! Creating the upload, without leaving a second one behind when S3's answer is lost.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use proto::batch::Upload;
use proto::failure::{Failure, S3ErrorKind};
use proto::job::JobId;
use proto::location::Location;
use proto_s3::{Error, S3, with_retries};

/// How much S3's whole-second timestamps and our own measure of time may differ, in seconds.
const SLACK_S: i64 = 2;

/// The upload, and what the person should know about its creation.
pub(crate) async fn create(
    s3: &S3,
    destination: &Location,
    job: JobId,
) -> (Result<Upload, Failure>, Option<String>) {
    let began = Instant::now();
    let answers_lost = AtomicUsize::new(0);
    let created = with_retries(async || {
        let created = s3.create_upload(destination, job).await;
        let is_lost = created.as_ref().is_err_and(|error| error.kind() == S3ErrorKind::Transient);
        answers_lost.fetch_add(usize::from(is_lost), Relaxed);
        created
    });
    let created = created.await;
    let remark = match answers_lost.into_inner() {
        0 => None,
        lost => remove_orphans(s3, destination, created.as_ref().ok(), began.elapsed(), lost).await.err(),
    };
    let remark = remark.map(|why| format!("an unused upload may be left at {destination}: {why}"));
    (created.map_err(Failure::from), remark)
}

/// Removes uploads that S3 created although its answer never came: those to the same destination, begun
/// while we were asking, into which nobody has uploaded anything. Timed by S3's clock where one of our
/// own uploads tells it. If there are more than answers were lost, some are another's, and all are left.
async fn remove_orphans(
    s3: &S3,
    destination: &Location,
    ours: Option<&Upload>,
    took: Duration,
    lost: usize,
) -> Result<(), String> {
    let told = |error: Error| error.to_string();
    let open = with_retries(async || s3.list_uploads(destination).await).await.map_err(told)?;
    let own = ours.and_then(|ours| open.iter().find(|upload| upload.upload_id == ours.upload_id));
    let last = own.map_or_else(unix_now, |own| own.initiated) + SLACK_S;
    let first = last - took.as_secs() as i64 - 2 * SLACK_S;
    let mut orphans = Vec::new();
    for upload in open.into_iter().filter(|upload| (first..=last).contains(&upload.initiated)) {
        let orphan = Upload { destination: destination.clone(), upload_id: upload.upload_id };
        if Some(&orphan) != ours && !with_retries(async || s3.has_parts(&orphan).await).await.map_err(told)? {
            orphans.push(orphan);
        }
    }
    if orphans.len() > lost {
        return Err("others are writing there too".to_owned());
    }
    for orphan in &orphans {
        with_retries(async || s3.abort_upload(orphan).await).await.map_err(told)?;
    }
    Ok(())
}

fn unix_now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64)
}
