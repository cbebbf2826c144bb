//! Removing many things from S3: these, or all whose keys begin alike.

use std::time::Duration;

use coordinator::planner::Examples;
use proto::batch::Upload;
use proto::limits::REMOVALS_AT_ONCE;
use proto::location::Location;
use proto_s3::{Error, S3, with_retries};
use tokio::task::{JoinError, JoinSet};
use tracing::Instrument;

use crate::abort::{abort, quoted};

/// How long after its upload is gone an object may still appear, because S3 was already putting it together when
/// its answer was lost.
pub(crate) const LATE: Duration = Duration::from_secs(1);
/// How often it is looked for what was made on the way, as long as there are uploads that may become such.
const SWEEPS_MAX: usize = 8;
/// How often nothing may be found, one time after the other, before nothing more is expected of nodes that were told to
/// stop: S3 may be beginning an upload at the request of one.
const QUIET_SWEEPS: usize = 2;

/// Something to be removed.
pub(crate) enum Left {
    /// An upload and all it holds.
    Upload(Upload),
    /// An object.
    Object(Location),
}

/// Removes all that was made on the way to an archive, and uploads that are to become such: everything below `place`,
/// also what comes within a second or two because the job was broken off. What could not be removed, a sentence each.
pub(crate) async fn sweep(s3: &S3, place: &Location, is_broken_off: bool) -> Vec<String> {
    let mut told = Vec::new();
    let mut quiet = if is_broken_off { 0 } else { QUIET_SWEEPS - 1 };
    for _ in 0..SWEEPS_MAX {
        let found = sweep_once(s3, place, &mut told).await;
        quiet = if found == 0 { quiet + 1 } else { 0 };
        if quiet >= QUIET_SWEEPS || !told.is_empty() {
            return told;
        }
        // S3 may also be putting one together at the request of a node that was told to stop.
        tokio::time::sleep(LATE).await;
    }
    let (bucket, below) = (quoted(&place.bucket), quoted(&place.key));
    let all = quoted(&format!("s3://{}/{}", place.bucket, place.key));
    told.push(format!(
        "things are still being made on the way to an archive below {place}: when that has come to an end, remove the objects with `aws s3 rm --recursive {all}`, and the uploads that `aws s3api list-multipart-uploads --bucket {bucket} --prefix {below}` lists"
    ));
    told
}

/// Removes what is below `place` at the moment, and tells how many uploads there were; what could not be removed, a
/// sentence each.
pub(crate) async fn sweep_once(s3: &S3, place: &Location, told: &mut Vec<String>) -> usize {
    let (bucket, below) = (&place.bucket, &place.key);
    let may_be_left = |what, error: Error| {
        format!("{what} made on the way to an archive may be left below {place}, remove them: {error}")
    };
    let uploads = remove_uploads_below(s3, "leftover", bucket, below).await;
    // Even when uploads cannot be looked for: another permission is needed for that.
    let objects = remove_objects_below(s3, "leftover", bucket, below).await;
    let (found, left) = match uploads {
        Ok(removed) => (removed.found, removed.left),
        Err(error) => (0, vec![may_be_left("uploads", error)]),
    };
    told.extend(left);
    told.extend(objects.unwrap_or_else(|error| vec![may_be_left("objects", error)]));
    found
}

/// Uploads that were removed.
pub(crate) struct Removed {
    /// How many there were.
    pub(crate) found: usize,
    /// What could not be removed, a sentence each.
    pub(crate) left: Vec<String>,
}

/// Removes all objects whose keys begin with `prefix`, each a `what`; what could not be removed, a sentence each, and how many
/// more there are.
pub(crate) async fn remove_objects_below(
    s3: &S3,
    what: &'static str,
    bucket: &str,
    prefix: &str,
) -> Result<Vec<String>, Error> {
    let mut told = Examples::default();
    let mut next = None;
    loop {
        let page = with_retries(async || s3.list_page(0, bucket, prefix, next.as_deref()).await).await?;
        let location = |key: &str| Location { bucket: bucket.to_owned(), key: key.to_owned() };
        let objects: Vec<Left> =
            page.objects.iter().map(|object| Left::Object(location(&object.key))).collect();
        remove_all(s3, what, objects, &mut told).await;
        next = page.next;
        // A start of the coordinator waits for this: what fails here would fail page after page.
        if next.is_none() || !told.is_empty() {
            return Ok(sentences(told, what));
        }
    }
}

/// Removes all uploads to keys that begin with `prefix`, each of a `what`; what could not be removed, in the same way.
pub(crate) async fn remove_uploads_below(
    s3: &S3,
    what: &'static str,
    bucket: &str,
    prefix: &str,
) -> Result<Removed, Error> {
    let uploads = with_retries(async || s3.list_uploads_below(bucket, prefix).await).await?;
    let (mut told, found) = (Examples::default(), uploads.len());
    remove_all(s3, what, uploads.into_iter().map(Left::Upload), &mut told).await;
    Ok(Removed { found, left: sentences(told, what) })
}

/// Removes all of these, several at a time, and comes back when it was tried with each.
pub(crate) async fn remove_all(
    s3: &S3,
    what: &'static str,
    left: impl IntoIterator<Item = Left, IntoIter: Send>,
    told: &mut Examples,
) {
    let mut tell = |removal: Result<Option<String>, JoinError>| {
        let sentence = removal.unwrap_or_else(|error| Some(format!("a {what} may be left: {error}")));
        if let Some(sentence) = sentence {
            told.push(|| sentence);
        }
    };
    let mut removals = JoinSet::new();
    for left in left {
        if removals.len() >= REMOVALS_AT_ONCE {
            removals.join_next().await.map(&mut tell);
        }
        let s3 = s3.clone();
        removals.spawn(async move { remove(&s3, what, left).await }.in_current_span());
    }
    while let Some(removal) = removals.join_next().await {
        tell(removal);
    }
}

async fn remove(s3: &S3, what: &str, left: Left) -> Option<String> {
    match left {
        Left::Upload(upload) => abort(s3, &upload)
            .await
            .err()
            .map(|failure| format!("of the {what} at {} {failure}", upload.destination)),
        Left::Object(location) => {
            let deleted = with_retries(async || s3.delete(&location).await).await;
            let command =
                format!("`aws s3 rm {}`", quoted(&format!("s3://{}/{}", location.bucket, location.key)));
            deleted.err().map(|error| {
                format!("the {what} at {location} could not be removed ({error}): remove it with {command}")
            })
        }
    }
}

/// What is told of those that could not be removed, a sentence each.
pub(crate) fn sentences(told: Examples, what: &str) -> Vec<String> {
    let more = told.count - told.first.len() as u64;
    let more = (more > 0).then(|| format!("{more} more {what}s could not be removed"));
    told.first.into_iter().chain(more).collect()
}
