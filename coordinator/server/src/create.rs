//! Creating the upload, and finding the ones whose creation S3 never told us of.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use proto::batch::Upload;
use proto::failure::{Failure, FailureKind, S3ErrorKind};
use proto::job::JobId;
use proto::location::Location;
use proto_s3::{Error, S3, with_retries};

use crate::abort::{abort, command_that_removes};
use crate::journal::Journal;

/// How much S3's whole-second timestamps and our own measure of time may differ, in seconds.
pub(crate) const SLACK_S: i64 = 2;

/// Uploads of which some may be ours: to our destination, begun while S3's answers to our creating one were
/// lost. They look like anyone else's, and to remove another's would fail their job. So they are never
/// removed, only named, if nobody has used them by the end of the job.
#[derive(Debug)]
pub(crate) struct Suspects {
    destination: Location,
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
    let answer_was_lost = AtomicBool::new(false);
    let created = with_retries(async || {
        let created = s3.create_upload(destination, job).await;
        let is_lost = created.as_ref().is_err_and(|error| error.kind() == S3ErrorKind::Transient);
        answer_was_lost.fetch_or(is_lost, Relaxed);
        created
    });
    let created = created.await;
    let suspects = match answer_was_lost.into_inner() {
        false => None,
        true => {
            let found = find(s3, destination, created.as_ref().ok(), began.elapsed()).await;
            let found = found.map_err(|error| error.to_string());
            Some(Suspects { destination: destination.clone(), found })
        }
    };
    (created.map_err(Failure::from), suspects)
}

/// Creates the upload, and has the journal know of it from before it is until the job has ended.
pub(crate) async fn create_recorded(
    s3: &S3,
    journal: &Journal,
    job: JobId,
    destination: &Location,
    no_overwrite: bool,
) -> (Result<Upload, Failure>, Option<Suspects>) {
    if let Err(failure) = journal.begin(job, destination).await {
        return (Err(failure), None);
    }
    let (created, suspects) = create(s3, job, destination, no_overwrite).await;
    let Ok(upload) = created else { return (created, suspects) };
    let Err(mut failure) = journal.begun(job, &upload).await else { return (Ok(upload), suspects) };
    if let Err(left) = abort(s3, &upload).await {
        failure.message = format!("{failure}; and {left}");
    }
    (Err(failure), suspects)
}

/// Creates the upload of a segment. Its key is this job's alone, so an upload there that nobody told of is its own.
pub(crate) async fn create_own(s3: &S3, job: JobId, destination: &Location) -> Result<Upload, Failure> {
    let (created, suspects) = create(s3, job, destination, false).await;
    for upload in suspects.and_then(|suspects| suspects.found.ok()).unwrap_or_default() {
        if let Err(failure) = abort(s3, &upload).await {
            tracing::warn!(%job, %destination, %failure, "an unused upload is left");
        }
    }
    created
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
    /// What may be left at the end of the job: a sentence, with the command that removes it.
    pub(crate) async fn left(self, s3: &S3) -> Option<String> {
        let may_be_left = format!("an unused upload may be left at {}", self.destination);
        let found = match self.found {
            Ok(found) => found,
            Err(why) => return Some(format!("{may_be_left}: {why}")),
        };
        let mut unused = Vec::new();
        for upload in found {
            match with_retries(async || s3.has_parts(&upload).await).await {
                Ok(true) => {}
                Err(error) if error.kind() == S3ErrorKind::NoSuchUpload => {}
                Ok(false) | Err(_) => unused.push(command_that_removes(&upload)),
            }
        }
        let commands = unused.join(" and ");
        let advice = "unless someone else has just begun it, remove it with";
        (!unused.is_empty())
            .then(|| format!("{may_be_left}, because S3's answer was lost; {advice} {commands}"))
    }
}

/// Seconds since 1970 UTC.
pub(crate) fn unix_now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64)
}
