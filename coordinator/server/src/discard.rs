//! Removing what a job's segments have left.

use coordinator::job::Leftovers;
use proto::batch::Upload;
use proto::limits::{EXAMPLES_MAX, REMOVALS_AT_ONCE};
use proto::location::Location;
use proto_s3::{Error, S3, with_retries};
use tokio::task::JoinSet;
use tracing::Instrument;

use crate::abort::{abort, quoted};

/// Something to be removed.
enum Left {
    Upload(Upload),
    Object(Location),
}

/// Removes uploads, then objects; what could not be removed, a sentence each, and how many more there are.
pub(crate) async fn discard(s3: &S3, left: Leftovers) -> Vec<String> {
    let Leftovers { uploads, objects } = left;
    let left = uploads.into_iter().map(Left::Upload).chain(objects.into_iter().map(Left::Object));
    let (mut told, mut untold) = (Vec::new(), 0);
    let mut tell = |sentence: Option<String>| match sentence {
        Some(sentence) if told.len() < EXAMPLES_MAX => told.push(sentence),
        Some(_) => untold += 1,
        None => {}
    };
    let mut removals = JoinSet::new();
    for left in left {
        if removals.len() >= REMOVALS_AT_ONCE {
            tell(removals.join_next().await.and_then(outcome));
        }
        let s3 = s3.clone();
        removals.spawn(async move { remove(&s3, left).await }.in_current_span());
    }
    while let Some(removal) = removals.join_next().await {
        tell(outcome(removal));
    }
    if untold > 0 {
        told.push(format!("{untold} more segments could not be removed"));
    }
    told
}

fn outcome(removal: Result<Option<String>, tokio::task::JoinError>) -> Option<String> {
    removal.unwrap_or_else(|error| Some(format!("a segment may be left: {error}")))
}

async fn remove(s3: &S3, left: Left) -> Option<String> {
    match left {
        Left::Upload(upload) => abort(s3, &upload)
            .await
            .err()
            .map(|failure| format!("of the segment at {} {failure}", upload.destination)),
        Left::Object(location) => {
            let deleted = with_retries(async || s3.delete(&location).await).await;
            let command =
                format!("`aws s3 rm {}`", quoted(&format!("s3://{}/{}", location.bucket, location.key)));
            deleted.err().map(|error| {
                format!("the segment at {location} could not be removed ({error}): remove it with {command}")
            })
        }
    }
}

/// Removes all objects whose keys begin with `prefix`.
pub(crate) async fn remove_objects_below(s3: &S3, bucket: &str, prefix: &str) -> Result<(), Error> {
    let mut next = None;
    loop {
        let page = with_retries(async || s3.list_page(0, bucket, prefix, next.as_deref()).await).await?;
        for object in page.objects {
            let location = Location { bucket: bucket.to_owned(), key: object.key.into() };
            with_retries(async || s3.delete(&location).await).await?;
        }
        next = page.next;
        if next.is_none() {
            return Ok(());
        }
    }
}

/// Removes all uploads to keys that begin with `prefix`; what could not be removed, a sentence each.
pub(crate) async fn remove_uploads_below(s3: &S3, bucket: &str, prefix: &str) -> Result<Vec<String>, Error> {
    let mut left = Vec::new();
    for upload in with_retries(async || s3.list_uploads_below(bucket, prefix).await).await? {
        left.extend(abort(s3, &upload).await.err().map(|failure| failure.message));
    }
    Ok(left)
}
