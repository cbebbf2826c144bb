//! Where a job keeps its segments: next to the archive, so that whoever may write the one may write the others.

use proto::job::JobId;
use proto::location::Location;

/// What the keys of all segments of archives with this key begin with, whichever job they are of.
#[must_use]
pub fn below_all(key: &str) -> String {
    format!("{key}.zipfleet-")
}

/// What the keys of a job's segments begin with, in the destination's bucket.
#[must_use]
pub fn below(destination: &Location, job: JobId) -> String {
    format!("{}{job}/", below_all(&destination.key))
}

/// Where a segment becomes an object.
#[must_use]
pub fn location(destination: &Location, job: JobId, segment: u32) -> Location {
    Location { bucket: destination.bucket.clone(), key: format!("{}{segment}", below(destination, job)) }
}
