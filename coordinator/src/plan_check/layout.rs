//! Where entries, directory and parts lie.

use proto::plan::{Part, Plan, Way};
use std::ops::Range;

use super::fault::{Fault, Mismatch, Record};
use super::records::{central_len, data_end, data_start, end_len};
use super::uploads;

/// Finds everything that does not lie where the rules put it.
pub(super) fn check(plan: &Plan, faults: &mut Vec<Fault>) {
    let entries_end = entries(plan, faults);
    uploads::check(plan, faults);
    let locals = plan.entries.iter().map(|entry| entry.offset..data_start(entry));
    listed(plan, Record::LocalHeader, locals, faults);
    let Some(found) = &plan.directory else {
        faults.push(Fault::Unfinished);
        return;
    };
    directory(plan, entries_end, found, faults);
    let mut next = found.start;
    let centrals = plan.entries.iter().map(|entry| {
        let start = next;
        next = start.saturating_add(central_len(entry));
        start..next
    });
    listed(plan, Record::CentralHeader, centrals, faults);
}

/// A part's size; 0 for a range that runs backwards.
pub(super) fn size(part: &Part) -> u64 {
    part.bytes.end.saturating_sub(part.bytes.start)
}

/// Whether a part copies a segment: then its bytes are those of parts before it once more.
pub(super) fn is_joined(part: &Part) -> bool {
    matches!(part.way, Way::Joined(_))
}

/// Returns where the last entry's data ends.
fn entries(plan: &Plan, faults: &mut Vec<Fault>) -> u64 {
    let mut expected = 0;
    for (index, entry) in plan.entries.iter().enumerate() {
        let mismatch = Mismatch::between(expected, entry.offset);
        faults.extend(mismatch.map(|mismatch| Fault::EntryMisplaced(index, mismatch)));
        // From where it is, so that one displaced entry is not reported once for each after it.
        expected = data_end(entry);
    }
    expected
}

fn directory(plan: &Plan, entries_end: u64, found: &Range<u64>, faults: &mut Vec<Fault>) {
    faults.extend(Mismatch::between(entries_end, found.start).map(Fault::DirectoryMisplaced));
    let bytes = plan.entries.iter().map(central_len).sum();
    let found_bytes = found.end.saturating_sub(found.start);
    faults.extend(Mismatch::between(bytes, found_bytes).map(Fault::DirectoryMissized));
    let directory_end = entries_end.saturating_add(bytes);
    let archive_end = directory_end.saturating_add(end_len(plan, entries_end, bytes));
    let parts_end = plan.parts.last().map_or(0, |part| part.bytes.end);
    faults.extend(Mismatch::between(archive_end, parts_end).map(Fault::ArchiveMissized));
    if plan.parts.last().is_some_and(|last| last.bytes.start > directory_end) {
        faults.push(Fault::EndRecordsCut);
    }
}

/// Whether the parts list every record once, in order, and each lies wholly in the part that lists it.
/// From that follows that a part lists exactly the records that lie wholly in it.
fn listed(
    plan: &Plan,
    record: Record,
    mut records: impl Iterator<Item = Range<u64>>,
    faults: &mut Vec<Fault>,
) {
    let mut expected = 0;
    for (index, part) in plan.parts.iter().enumerate() {
        if is_joined(part) {
            continue;
        }
        let list = match record {
            Record::LocalHeader => part.headers.clone(),
            Record::CentralHeader => part.directory.clone(),
        };
        // An empty list of local headers still says which entry the part continues: the one before.
        if list.is_empty() && record == Record::CentralHeader {
            continue;
        }
        if list.start != expected || list.end < list.start {
            faults.push(Fault::ListedOutOfOrder(index, record, expected));
            return;
        }
        expected = list.end;
        for entry in list {
            let Some(bytes) = records.next() else {
                faults.push(Fault::ListedBeyondEntries(index, record, entry));
                return;
            };
            if bytes.end <= part.bytes.start || bytes.start >= part.bytes.end {
                faults.push(Fault::ListedElsewhere(index, record, entry));
            } else if bytes.start < part.bytes.start || bytes.end > part.bytes.end {
                faults.push(Fault::HeaderCut(index, record, entry));
            }
        }
    }
    if records.next().is_some() {
        faults.push(Fault::NotListed(record, expected));
    }
}
