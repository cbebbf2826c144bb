//! What the machine asks of S3, and the event that answers it.

use coordinator::machine::{Event, Question};
use proto::crc::{StoredChecksum, StoredKind};
use proto::failure::{Failure, S3ErrorKind};
use proto::job::JobId;
use proto::listing::{Page, SourceObject};
use proto::location::{Location, Source};
use proto_s3::{S3, with_retries};

use crate::abort::abort;
use crate::complete::complete;
use crate::create::{Suspects, create, create_own, create_recorded};
use crate::discard::discard;
use crate::journal::Journal;
use crate::manifest::{self, Allowed};
use crate::state::StateLocation;

/// Asks S3; gives the event that answers, and uploads that may be ours although nobody told.
pub(crate) async fn ask(
    s3: &S3,
    journal: Option<&Journal>,
    question: Question,
) -> (Event, Option<(JobId, Suspects)>) {
    let event = match question {
        Question::List { job, index, source, from } => {
            tracing::debug!(%job, %source, ?from, "listing");
            let page = list_page(s3, index, &source, from.as_deref(), journal.map(Journal::state)).await;
            Event::Listed(job, index, page)
        }
        Question::Create { job, segment: Some(segment), destination, .. } => {
            tracing::debug!(%job, %destination, "creating the upload of a segment");
            let (upload, suspects) = create_own(s3, job, &destination).await;
            let event = Event::UploadCreated(job, Some(segment), upload);
            return (event, suspects.map(|suspects| (job, suspects)));
        }
        Question::Create { job, segment: None, destination, no_overwrite } => {
            tracing::debug!(%job, %destination, "creating the upload");
            let (upload, suspects) = match journal {
                Some(journal) => create_recorded(s3, journal, job, &destination, no_overwrite).await,
                None => create(s3, job, &destination, no_overwrite).await,
            };
            return (Event::UploadCreated(job, None, upload), suspects.map(|suspects| (job, suspects)));
        }
        Question::Complete(job, segment, completion) => {
            let what = if segment.is_some() { "segment" } else { "archive" };
            Event::Completed(job, segment, complete(s3, job, what, completion).await)
        }
        Question::Abort(job, upload) => Event::Aborted(job, abort(s3, &upload).await),
        Question::Discard(job, left) => Event::Discarded(job, discard(s3, left).await),
    };
    (event, None)
}

/// Lists one page of a source, which is number `index` of its job. Manifests must not name what is at `state`.
///
/// # Errors
/// When S3 refuses, a single object is not there, or a manifest has a bad line.
pub async fn list_page(
    s3: &S3,
    index: u16,
    source: &Source,
    from: Option<&str>,
    state: Option<&StateLocation>,
) -> Result<Page, Failure> {
    match source {
        Source::Prefix { bucket, prefix } => {
            Ok(with_retries(async || s3.list_page(index, bucket, prefix, from).await).await?)
        }
        Source::Object(location) => single(s3, index, location).await,
        Source::Manifest { location, within } => {
            manifest::page(s3, index, location, Allowed { within, state }, from).await
        }
    }
}

async fn single(s3: &S3, index: u16, location: &Location) -> Result<Page, Failure> {
    let head = with_retries(async || s3.head(location).await).await.map_err(|error| {
        let is_missing = error.kind() == S3ErrorKind::NoSuchKey;
        let mut failure = Failure::from(error);
        if is_missing {
            let advice = match location.key.contains(['*', '?']) {
                true => "to select by a pattern name the folder and use --include".to_owned(),
                false => format!(
                    "for everything below it write {location}/, for every key that begins with it {location}*"
                ),
            };
            failure.message = format!("{}; {advice}", failure.message);
        }
        failure
    })?;
    let object = SourceObject {
        source: index,
        bucket: 0,
        stored: head.stored.map_or(StoredKind::None, StoredChecksum::kind),
        key: location.key.as_str().into(),
        size: head.size,
        etag: head.etag,
        modified: head.modified,
    };
    Ok(Page { objects: vec![object], buckets: vec![location.bucket.clone()], next: None })
}
