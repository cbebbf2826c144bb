//! Creating the upload, and finding the ones whose creation S3 never told us of.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use proto::batch::Upload;
use proto::failure::{Failure, FailureKind, S3ErrorKind};
use proto::job::JobId;
use proto::location::Location;
use proto_s3::{Error, S3, with_retries};

/// How much S3's whole-second timestamps and our own measure of time may differ, in seconds.
const SLACK_S: i64 = 2;

/// Uploads one or more of which may be ours: to our destination, begun while S3's answers to our creating
/// one were lost. They look like anyone else's, so what becomes of them is watched until the job ends.
#[derive(Debug)]
pub(crate) struct Suspects {
    destination: Location,
    /// How many answers were lost: as many uploads of ours there may be.
    lost: usize,
    found: Result<Vec<Upload>, String>,
}

/// Creates the upload, unless `no_overwrite` and there is an object at the destination already.
pub(crate) async fn create(
    s3: &S3,
    job: JobId,
    destination: &Location,
    no_overwrite: bool,
) -> (Result<Upload, Failure>, Option<Suspects>) {
    // Only to fail before the work instead of after it: S3 looks again when the archive is complete.
    if no_overwrite && s3.head(destination).await.is_ok() {
        return (Err(exists(destination)), None);
    }
    let began = Instant::now();
    let answers_lost = AtomicUsize::new(0);
    let created = with_retries(async || {
        let created = s3.create_upload(destination, job).await;
        let is_lost = created.as_ref().is_err_and(|error| error.kind() == S3ErrorKind::Transient);
        answers_lost.fetch_add(usize::from(is_lost), Relaxed);
        created
    });
    let created = created.await;
    let suspects = match answers_lost.into_inner() {
        0 => None,
        lost => {
            let found = find(s3, destination, created.as_ref().ok(), began.elapsed()).await;
            let found = found.map_err(|error| error.to_string());
            Some(Suspects { destination: destination.clone(), lost, found })
        }
    };
    (created.map_err(Failure::from), suspects)
}

/// What is said when there is an object at the destination that is not to be replaced.
#[must_use]
pub fn exists(destination: &Location) -> Failure {
    let message = format!("{destination} exists already and was not to be replaced");
    Failure::new(FailureKind::Destination, message)
}

/// Timed by S3's clock where one of our own uploads tells it.
async fn find(
    s3: &S3,
    destination: &Location,
    ours: Option<&Upload>,
    took: Duration,
) -> Result<Vec<Upload>, Error> {
    let open = with_retries(async || s3.list_uploads(destination).await).await?;
    let own = ours.and_then(|ours| open.iter().find(|upload| upload.upload_id == ours.upload_id));
    let last = own.map_or_else(unix_now, |own| own.initiated) + SLACK_S;
    let first = last - took.as_secs() as i64 - 2 * SLACK_S;
    let begun_then = open.into_iter().filter(|upload| (first..=last).contains(&upload.initiated));
    let uploads =
        begun_then.map(|upload| Upload { destination: destination.clone(), upload_id: upload.upload_id });
    Ok(uploads.filter(|upload| Some(upload) != ours).collect())
}

impl Suspects {
    /// At the end of the job removes those into which nobody has uploaded anything meanwhile. If they are
    /// more than answers were lost, some are another's, and all are left.
    ///
    /// # Errors
    /// A sentence about what may be left.
    pub(crate) async fn remove(self, s3: &S3) -> Result<(), String> {
        let destination = &self.destination;
        let left = |why: String| format!("an unused upload may be left at {destination}: {why}");
        let mut orphans = Vec::new();
        for upload in self.found.map_err(left)? {
            match with_retries(async || s3.has_parts(&upload).await).await {
                Ok(true) => {}
                Ok(false) => orphans.push(upload),
                Err(error) if error.kind() == S3ErrorKind::NoSuchUpload => {}
                Err(error) => return Err(left(error.to_string())),
            }
        }
        if orphans.len() > self.lost {
            return Err(left("others are writing there too".to_owned()));
        }
        for orphan in &orphans {
            with_retries(async || s3.abort_upload(orphan).await)
                .await
                .map_err(|error| left(error.to_string()))?;
        }
        Ok(())
    }
}

fn unix_now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64)
}
