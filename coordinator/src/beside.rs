//! Where a job keeps what S3 makes on the way: next to the archive, so that whoever may write the one may write the
//! others.

use proto::job::JobId;
use proto::limits::KEY_BYTES_MAX;
use proto::location::Location;

/// What stands between the archive's key and the job.
const MARK: &str = ".zipfleet-";
/// What the keys of padding go on with, behind what they all begin with.
const PADDING: &str = "padding.";
/// Longest end of a key that is written beside an archive, in bytes: three numbers of ten digits, or padding.
const NAME_BYTES_MAX: usize = 32;

/// Whether this is the key of something made on the way to an archive with the key `archive`, whichever job it is of:
/// a segment, which has a number; an object of which a part is composed, which has part, attempt and number; padding.
#[must_use]
pub fn is_of(key: &str, archive: &str) -> bool {
    let rest = key.strip_prefix(archive).and_then(|rest| rest.strip_prefix(MARK));
    let Some((job, name)) = rest.and_then(|rest| rest.split_once('/')) else { return false };
    let is_number = |text: &str| text.parse::<u32>().is_ok_and(|number| number.to_string() == text);
    let is_made = match name.strip_prefix(PADDING) {
        Some(random) => random.len() == 16 && u64::from_str_radix(random, 16).is_ok(),
        None => matches!(name.split('.').count(), 1 | 3) && name.split('.').all(is_number),
    };
    job.parse::<JobId>().is_ok() && is_made
}

/// What the keys of all that a job makes on the way begin with, in the destination's bucket.
#[must_use]
pub fn below(destination: &Location, job: JobId) -> String {
    format!("{}{MARK}{job}/", destination.key)
}

/// Where all that a job makes on the way is: the bucket, and what all keys begin with.
#[must_use]
pub fn place(destination: &Location, job: JobId) -> Location {
    Location { bucket: destination.bucket.clone(), key: below(destination, job) }
}

/// Whether S3 takes keys beside an archive with this key.
#[must_use]
pub fn has_room(archive: &str) -> bool {
    let job = JobId(u64::MAX).to_string();
    archive.len() + MARK.len() + job.len() + 1 + NAME_BYTES_MAX <= KEY_BYTES_MAX
}

/// Where a segment becomes an object.
#[must_use]
pub fn segment(destination: &Location, job: JobId, segment: u32) -> Location {
    Location { bucket: destination.bucket.clone(), key: format!("{}{segment}", below(destination, job)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_on_the_way_is_told_from_what_only_looks_like_it() {
        let job = JobId(0x2a);
        for name in ["0", "9999", "17.2.0", "4294967295.12.4294967295", "padding.00000000000000ff"] {
            assert!(is_of(&format!("a.zip.zipfleet-{job}/{name}"), "a.zip"), "{name}");
            assert!(name.len() <= NAME_BYTES_MAX, "{name}");
        }
        for name in ["", "x", "1.2", "1.2.3.4", "01", "+1", "1.2.x", "padding.", "padding.1", "1/2"] {
            assert!(!is_of(&format!("a.zip.zipfleet-{job}/{name}"), "a.zip"), "{name}");
        }
        assert!(!is_of("a.zip.zipfleet-nonsense/1", "a.zip") && !is_of("b.zip", "a.zip"));
    }

    #[test]
    fn a_key_may_be_too_long_to_have_others_beside_it() {
        assert!(has_room(&"k".repeat(900)) && !has_room(&"k".repeat(1_000)));
    }
}
