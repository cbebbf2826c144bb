//! Creating the upload, without leaving a second one behind when S3's answer is lost.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use proto::batch::Upload;
use proto::failure::{Failure, S3ErrorKind};
use proto::job::JobId;
use proto::location::Location;
use proto_s3::{Error, S3, with_retries};

/// How much S3's whole-second timestamps and our own measure of time may differ, in seconds.
const SLACK_S: i64 = 2;

pub(crate) async fn create(s3: &S3, destination: &Location, job: JobId) -> Result<Upload, Failure> {
    let began = Instant::now();
    let answer_was_lost = AtomicBool::new(false);
    let created = with_retries(async || {
        let created = s3.create_upload(destination, job).await;
        let is_lost = created.as_ref().is_err_and(|error| error.kind() == S3ErrorKind::Transient);
        answer_was_lost.fetch_or(is_lost, Relaxed);
        created
    });
    let created = created.await;
    if answer_was_lost.into_inner() {
        remove_orphans(s3, destination, created.as_ref().ok(), began.elapsed()).await;
    }
    Ok(created?)
}

/// Removes uploads that S3 created although its answer never came: those to the same destination, begun
/// while we were asking, into which nobody has uploaded anything. Timed by S3's clock where one of our
/// own uploads tells it.
async fn remove_orphans(s3: &S3, destination: &Location, ours: Option<&Upload>, took: Duration) {
    let removed = async {
        let open = with_retries(async || s3.list_uploads(destination).await).await?;
        let own = ours.and_then(|ours| open.iter().find(|upload| upload.upload_id == ours.upload_id));
        let last = own.map_or_else(unix_now, |own| own.initiated) + SLACK_S;
        let first = last - took.as_secs() as i64 - 2 * SLACK_S;
        for upload in open.iter().filter(|upload| (first..=last).contains(&upload.initiated)) {
            let orphan = Upload { destination: destination.clone(), upload_id: upload.upload_id.clone() };
            if Some(&orphan) != ours && !with_retries(async || s3.has_parts(&orphan).await).await? {
                with_retries(async || s3.abort_upload(&orphan).await).await?;
            }
        }
        Ok::<(), Error>(())
    };
    if let Err(error) = removed.await {
        tracing::warn!(%destination, %error, "an unused upload may be left at the destination");
    }
}

fn unix_now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64)
}
