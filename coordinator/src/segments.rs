//! Where a job keeps its segments: next to the archive, so that whoever may write the one may write the others.

use proto::job::JobId;
use proto::location::Location;

/// What stands between the archive's key and the job.
const MARK: &str = ".zipfleet-";

/// Whether this is the key of a segment of an archive with the key `archive`, whichever job it is of.
#[must_use]
pub fn is_of(key: &str, archive: &str) -> bool {
    let rest = key.strip_prefix(archive).and_then(|rest| rest.strip_prefix(MARK));
    let Some((job, segment)) = rest.and_then(|rest| rest.split_once('/')) else { return false };
    job.parse::<JobId>().is_ok() && segment.parse::<u32>().is_ok()
}

/// What the keys of a job's segments begin with, in the destination's bucket.
#[must_use]
pub fn below(destination: &Location, job: JobId) -> String {
    format!("{}{MARK}{job}/", destination.key)
}

/// Where a segment becomes an object.
#[must_use]
pub fn location(destination: &Location, job: JobId, segment: u32) -> Location {
    Location { bucket: destination.bucket.clone(), key: format!("{}{segment}", below(destination, job)) }
}
