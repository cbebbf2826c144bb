//! Creating the upload, and finding the ones whose creation S3 never told us of.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use coordinator::beside;
use proto::batch::Upload;
use proto::failure::{Failure, FailureKind, S3ErrorKind};
use proto::job::JobId;
use proto::location::Location;
use proto_s3::{Error, S3, with_retries};

use crate::abort::{abort, command_that_removes};
use crate::journal::Journal;
use crate::sweep::sweep;

/// How much S3's whole-second timestamps and our own measure of time may differ, in seconds.
pub(crate) const SLACK_S: i64 = 2;

/// Uploads of which some may be ours, because S3's answers to our creating one were lost.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Suspects {
    /// To the archive's destination, begun meanwhile. They look like anyone else's, and to remove another's would
    /// fail their job. So they are never removed, only named, if nobody has used them by the end of the job.
    OfArchive(Result<Vec<Upload>, String>),
    /// Of segments, whose keys are the job's alone: whatever is there at the end of the job is removed.
    OfSegments,
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
    let (created, answer_was_lost) = ask_for_one(s3, job, destination).await;
    let suspects = match answer_was_lost {
        false => None,
        true => {
            let found = find(s3, destination, created.as_ref().ok(), began.elapsed()).await;
            Some(Suspects::OfArchive(found.map_err(|error| error.to_string())))
        }
    };
    (created.map_err(Failure::from), suspects)
}

/// Has S3 create an upload; also whether an answer was lost, so that there may be more than one.
async fn ask_for_one(s3: &S3, job: JobId, destination: &Location) -> (Result<Upload, Error>, bool) {
    let answer_was_lost = AtomicBool::new(false);
    let created = with_retries(async || {
        let created = s3.create_upload(destination, job).await;
        let is_lost = created.as_ref().is_err_and(|error| error.kind() == S3ErrorKind::Transient);
        answer_was_lost.fetch_or(is_lost, Relaxed);
        created
    });
    (created.await, answer_was_lost.into_inner())
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

/// Creates the upload of a segment.
pub(crate) async fn create_own(
    s3: &S3,
    job: JobId,
    destination: &Location,
) -> (Result<Upload, Failure>, Option<Suspects>) {
    let (created, answer_was_lost) = ask_for_one(s3, job, destination).await;
    (created.map_err(Failure::from), answer_was_lost.then_some(Suspects::OfSegments))
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
    /// Whether they are the job's beyond doubt, so that the next coordinator may remove what this one cannot.
    pub(crate) fn are_own(&self) -> bool {
        *self == Self::OfSegments
    }

    /// What may be left at the end of a job to `destination`, a sentence each, with the command that removes it.
    pub(crate) async fn left(self, s3: &S3, job: JobId, destination: &Location) -> Vec<String> {
        match self {
            Self::OfArchive(found) => unused(s3, destination, found).await.into_iter().collect(),
            Self::OfSegments => sweep(s3, &beside::place(destination, job), false).await,
        }
    }
}

/// Those of the uploads found at the archive's destination that nobody has used: a sentence, if there are any.
async fn unused(s3: &S3, destination: &Location, found: Result<Vec<Upload>, String>) -> Option<String> {
    let may_be_left = format!("an unused upload may be left at {destination}");
    let found = match found {
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
    (!unused.is_empty()).then(|| format!("{may_be_left}, because S3's answer was lost; {advice} {commands}"))
}

/// Seconds since 1970 UTC.
pub(crate) fn unix_now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64)
}
