//! What the machine asks of S3, and the event that answers it.

use coordinator::machine::{Effect, Event};
use proto::crc::{StoredChecksum, StoredKind};
use proto::failure::{Failure, S3ErrorKind};
use proto::listing::{Page, SourceObject};
use proto::location::{Location, Source};
use proto_s3::{S3, with_retries};

use crate::{abort::abort, complete::complete, create::create};

/// Carries out an effect that is a question to S3; `None` for the others.
pub(crate) async fn ask_s3(s3: &S3, effect: Effect) -> Option<Event> {
    match effect {
        Effect::List { job, index, source, from } => {
            let page = list_page(s3, index, &source, from.as_deref()).await;
            Some(Event::Listed(job, index, page))
        }
        Effect::CreateUpload(job, destination) => {
            let (upload, remark) = create(s3, &destination, job).await;
            Some(Event::UploadCreated(job, upload, remark))
        }
        Effect::Complete(job, completion) => {
            Some(Event::Completed(job, complete(s3, job, &completion).await))
        }
        Effect::Abort(job, upload) => Some(Event::Aborted(job, abort(s3, &upload).await)),
        Effect::Order(..) | Effect::Finish(..) => None,
    }
}

/// Lists one page of a source, which is number `index` of its job.
///
/// # Errors
/// When S3 refuses, or a single object is not there.
pub async fn list_page(s3: &S3, index: u16, source: &Source, from: Option<&str>) -> Result<Page, Failure> {
    match source {
        Source::Prefix { bucket, prefix } => {
            Ok(with_retries(async || s3.list_page(index, bucket, prefix, from).await).await?)
        }
        Source::Object(location) => single(s3, index, location).await,
    }
}

async fn single(s3: &S3, index: u16, location: &Location) -> Result<Page, Failure> {
    let head = with_retries(async || s3.head(location).await).await.map_err(|error| {
        let is_missing = error.kind() == S3ErrorKind::NoSuchKey;
        let mut failure = Failure::from(error);
        if is_missing {
            failure.message = format!("{}; for everything below it write {location}/", failure.message);
        }
        failure
    })?;
    let object = SourceObject {
        source: index,
        stored: head.stored.map_or(StoredKind::None, StoredChecksum::kind),
        key: location.key.as_str().into(),
        size: head.size,
        etag: head.etag,
        modified: head.modified,
    };
    Ok(Page { objects: vec![object], next: None })
}
