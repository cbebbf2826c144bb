//! The parts of the archive's upload and of its segments' uploads.

use proto::plan::{Part, Plan, Way};

use super::fault::{Fault, Mismatch};
use super::layout::size;
use super::records::{data_end, data_start};

/// Most parts of one upload.
const PARTS_MAX: u64 = 10_000;
/// Smallest part but the last, in bytes.
const PART_BYTES_MIN: u64 = 5 << 20;
/// Largest part, in bytes.
const PART_BYTES_MAX: u64 = 5 << 30;

/// Finds parts that S3 would not take, that leave a gap or overlap, and segments that are not what is joined.
pub(super) fn check(plan: &Plan, faults: &mut Vec<Fault>) {
    let mut archive = Upload::default();
    // The leaves of the segment of this number, since the one before was joined.
    let (mut segment, mut leaves) = (0, None::<Upload>);
    for (index, part) in plan.parts.iter().enumerate() {
        match (part.way, part.within) {
            (Way::Joined(number), _) => {
                joined(part, index, faults);
                let gathered = leaves.take().filter(|_| number == segment);
                if let Some(gathered) = &gathered {
                    let mismatch = Mismatch::between(gathered.end, part.bytes.end);
                    faults.extend(mismatch.map(|mismatch| Fault::JoinedMissized(index, mismatch)));
                } else {
                    faults.push(Fault::JoinedAstray(index, number));
                }
                segment = number.saturating_add(1);
                archive.add(part, index, faults);
            }
            (_, Some(number)) => {
                if number != segment {
                    faults.push(Fault::LeafAstray(index, number));
                }
                let begun = Upload { end: archive.end, ..Upload::default() };
                leaves.get_or_insert(begun).add(part, index, faults);
            }
            (_, None) => {
                if leaves.take().is_some() {
                    faults.push(Fault::JoinedAstray(index, segment));
                }
                archive.add(part, index, faults);
            }
        }
        if part.way == Way::Copied && !is_data_of_one(plan, part) {
            faults.push(Fault::CopiedHoldsMore(index));
        }
        if part.way == Way::Composed && !begins_with_entries(plan, part) {
            faults.push(Fault::ComposedHoldsNoEntry(index));
        }
        if part.within.is_some() && holds_directory(plan, part) {
            faults.push(Fault::DirectoryInSegment(index));
        }
    }
    if leaves.is_some() {
        faults.push(Fault::NotJoined);
    }
}

/// One upload, as far as its parts were seen.
#[derive(Default)]
struct Upload {
    parts: u64,
    /// Where its last part ends.
    end: u64,
    /// That part, if only the last of all may be so small.
    small: Option<usize>,
}

impl Upload {
    fn add(&mut self, part: &Part, index: usize, faults: &mut Vec<Fault>) {
        self.parts += 1;
        if self.parts > PARTS_MAX {
            faults.push(Fault::TooManyParts(index));
        }
        let mismatch = Mismatch::between(self.parts, u64::from(part.number.0));
        faults.extend(mismatch.map(|mismatch| Fault::PartMisnumbered(index, mismatch)));
        let mismatch = Mismatch::between(self.end, part.bytes.start);
        faults.extend(mismatch.map(|mismatch| Fault::PartMisplaced(index, mismatch)));
        // From where it is, so that one displaced part is not reported once for each after it.
        self.end = part.bytes.end;
        faults.extend(self.small.take().map(Fault::PartTooSmall));
        match size(part) {
            0 => faults.push(Fault::PartEmpty(index)),
            bytes if bytes > PART_BYTES_MAX => faults.push(Fault::PartTooLarge(index)),
            bytes if bytes < PART_BYTES_MIN => self.small = Some(index),
            _ => {}
        }
    }
}

fn joined(part: &Part, index: usize, faults: &mut Vec<Fault>) {
    if part.within.is_some() || !part.headers.is_empty() || !part.directory.is_empty() {
        faults.push(Fault::JoinedHoldsMore(index));
    }
}

/// Whether some of the directory or of the end records lies in a part.
fn holds_directory(plan: &Plan, part: &Part) -> bool {
    !part.directory.is_empty() || plan.directory.as_ref().is_some_and(|it| part.bytes.end > it.start)
}

/// Whether a part begins with a header and holds some of the data behind one: only then can S3 compose it.
fn begins_with_entries(plan: &Plan, part: &Part) -> bool {
    let entries =
        plan.entries.get(part.headers.start as usize..part.headers.end as usize).unwrap_or_default();
    entries.first().is_some_and(|entry| entry.offset == part.bytes.start)
        && entries.iter().any(|entry| entry.object.size > 0 && data_start(entry) < part.bytes.end)
}

/// Whether a part lies within the data of one entry.
fn is_data_of_one(plan: &Plan, part: &Part) -> bool {
    let before = plan.entries.partition_point(|entry| entry.offset <= part.bytes.start).checked_sub(1);
    before.is_some_and(|before| {
        let entry = &plan.entries[before];
        data_start(entry) <= part.bytes.start && part.bytes.end <= data_end(entry)
    })
}
