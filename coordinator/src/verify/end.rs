//! The end of an archive: end record, zip64 end record and its locator (4.3.14 to 4.3.16).

use std::ops::Range;

use super::extra::MARK;
use super::fields::Fields;
use super::finding::{Findings, Kind, Place};

/// How many of the archive's last bytes to look at: the longest comment and the three records.
pub const TAIL_BYTES: u64 = 65_535 + END as u64 + LOCATOR as u64 + RECORD as u64;

const END: usize = 22;
const LOCATOR: usize = 20;
const RECORD: usize = 56;
const END_SIGNATURE: [u8; 4] = *b"PK\x05\x06";
const LOCATOR_SIGNATURE: [u8; 4] = *b"PK\x06\x07";
const RECORD_SIGNATURE: [u8; 4] = *b"PK\x06\x06";
/// Signature and size field, which the record's own size leaves out (4.3.14.1).
const RECORD_UNCOUNTED: u64 = 12;
/// A 16-bit count of this value refers to the zip64 record (4.4.1.4).
const COUNT_MARK: u64 = 0xFFFF;

/// What the end of an archive says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ends {
    /// How many entries there should be.
    pub entries: u64,
    /// Where the central directory is, in bytes of the archive.
    pub directory: Range<u64>,
}

/// Entries on this disk, entries, directory size, directory offset.
type Numbers = [u64; 4];
const NAMES: [&str; 4] = ["number of entries on this disk", "number of entries", "size", "offset"];
const LIMITS: Numbers = [COUNT_MARK, COUNT_MARK, MARK, MARK];

/// Reads the end of an archive of `total` bytes from its last ones: all of them, or `TAIL_BYTES`.
/// `None` when it says too little to read the directory; then there is a finding that tells why.
pub fn find(tail: &[u8], total: u64, findings: &mut Findings) -> Option<Ends> {
    let base = total.saturating_sub(tail.len() as u64);
    let (at, numbers) = find_end(tail, base, findings)?;
    let (records, numbers) = match at.checked_sub(LOCATOR).map(|at| (at, &tail[at..])) {
        Some((locator_at, locator)) if locator.starts_with(&LOCATOR_SIGNATURE) => {
            match read_zip64(tail, base, locator_at, findings) {
                Some((record_at, wide)) => {
                    compare(&numbers, &wide, Place::byte(base + at as u64), findings);
                    check_needed(&wide, &tail[..record_at], base + record_at as u64, findings);
                    (record_at, wide)
                }
                // The bytes may be the end of a name; then the numbers here are right for some readers.
                None => (at, numbers),
            }
        }
        _ => {
            if marked(&numbers) {
                let what = "the end record holds a zip64 mark, but there is no zip64 locator";
                findings.add(Kind::AbsentZip64, Place::byte(base + at as u64), || what.into());
            }
            (at, numbers)
        }
    };
    let [here, entries, size, offset] = numbers;
    let records = Place::byte(base + records as u64);
    if here != entries {
        findings.add(Kind::Disks, records, || format!("of {entries} entries only {here} are on this disk"));
    }
    locate(entries, offset, size, base + at as u64, records, findings)
}

/// The directory must end where the end records begin.
fn locate(
    entries: u64,
    offset: u64,
    size: u64,
    end_at: u64,
    records: Place<'_>,
    findings: &mut Findings,
) -> Option<Ends> {
    let end = offset.checked_add(size).filter(|end| *end <= end_at);
    let Some(end) = end else {
        let what =
            || format!("a directory of {size} bytes at byte {offset} does not fit before the end record");
        findings.add(Kind::EndRecords, records, what);
        return None;
    };
    if Some(end) != records.offset {
        let what = || format!("the directory should end here, but ends at byte {end}");
        findings.add(Kind::EndRecords, records, what);
    }
    Some(Ends { entries, directory: offset..end })
}

/// Finds the end record as readers do: backwards, the first whose comment reaches the archive's end.
fn find_end(tail: &[u8], base: u64, findings: &mut Findings) -> Option<(usize, Numbers)> {
    let last = tail.len().checked_sub(END);
    let candidates = last
        .into_iter()
        .flat_map(|last| (0..=last).rev())
        .filter(|at| tail[*at..].starts_with(&END_SIGNATURE));
    let mut doubtful = None;
    for at in candidates {
        let (comment, after) = (usize::from(Fields(&tail[at + 20..]).u16()?), tail.len() - at - END);
        if comment == after {
            if comment > 0 {
                let what = || format!("the archive has a comment of {comment} bytes");
                findings.add(Kind::Comment, Place::byte(base + (at + END) as u64), what);
            }
            if let Some(later) = doubtful {
                let what = "another end record stands in the archive's comment, and some readers take that";
                findings.add(Kind::EndRecords, Place::byte(base + later as u64), || what.into());
            }
            return read_end(tail, at, base, findings);
        }
        doubtful.get_or_insert(at);
    }
    let Some(at) = doubtful else {
        let what = "there is no end record: this is no ZIP archive, or one that was cut off";
        findings.add(Kind::NoEnd, Place::byte(base + tail.len() as u64), || what.into());
        return None;
    };
    let what = || {
        format!("{} bytes follow the end record, and its comment has not that length", tail.len() - at - END)
    };
    findings.add(Kind::AfterEnd, Place::byte(base + (at + END) as u64), what);
    read_end(tail, at, base, findings)
}

fn read_end(tail: &[u8], at: usize, base: u64, findings: &mut Findings) -> Option<(usize, Numbers)> {
    let mut fields = Fields(&tail[at + 4..]);
    let disks = [fields.u16()?, fields.u16()?];
    // 0xFFFF refers to the zip64 record, whose disks are checked like these.
    if disks.iter().any(|disk| *disk != 0 && u64::from(*disk) != COUNT_MARK) {
        findings.add(Kind::Disks, Place::byte(base + at as u64), || {
            "the end record is not that of disk 0".into()
        });
    } else if disks != [0, 0] {
        let what = "the end record leaves the disk number to the zip64 record";
        findings.add(Kind::NeedlessZip64, Place::byte(base + at as u64), || what.into());
    }
    let counts = [fields.u16()?, fields.u16()?].map(u64::from);
    let extent = [fields.u32()?, fields.u32()?].map(u64::from);
    Some((at, [counts[0], counts[1], extent[0], extent[1]]))
}

/// Reads the zip64 end record that the locator at `at` of `tail` points to.
fn read_zip64(tail: &[u8], base: u64, at: usize, findings: &mut Findings) -> Option<(usize, Numbers)> {
    let place = Place::byte(base + at as u64);
    let mut locator = Fields(&tail[at + LOCATOR_SIGNATURE.len()..]);
    let (disk, offset, disks) = (locator.u32()?, locator.u64()?, locator.u32()?);
    let record_at = offset.checked_sub(base).and_then(|at| usize::try_from(at).ok());
    let Some((record_at, record)) = record_at
        .and_then(|start| Some((start, tail.get(start..at)?)))
        .filter(|(_, record)| record.len() >= RECORD && record.starts_with(&RECORD_SIGNATURE))
    else {
        let what = "what looks like a zip64 locator points at no zip64 end record before it";
        findings.add(Kind::EndRecords, place, || what.into());
        return None;
    };
    if disk != 0 || disks > 1 {
        findings.add(Kind::Disks, place, || format!("the zip64 locator speaks of disk {disk} of {disks}"));
    } else if disks == 0 {
        findings.add(Kind::Attributes, place, || "the zip64 locator counts no disks, instead of one".into());
    }
    let place = Place::byte(offset);
    let mut fields = Fields(&record[RECORD_SIGNATURE.len()..]);
    let rest = fields.u64()?;
    if rest.checked_add(RECORD_UNCOUNTED) != Some(record.len() as u64) {
        let what = "the zip64 end record does not end where its locator begins";
        findings.add(Kind::EndRecords, place, || what.into());
    } else if record.len() > RECORD {
        findings.add(Kind::Extra, place, || {
            "the zip64 end record has an extensible data sector (4.3.14.2)".into()
        });
    }
    let versions = [fields.u16()?, fields.u16()?];
    if versions != [0x032D, 45] {
        let [by, needed] = versions;
        let what = || format!("the zip64 end record is made by {by:#06x} and needs version {needed}");
        findings.add(Kind::Version, place, what);
    }
    if [fields.u32()?, fields.u32()?] != [0, 0] {
        findings.add(Kind::Disks, place, || "the zip64 end record is not that of disk 0".into());
    }
    Some((record_at, [fields.u64()?, fields.u64()?, fields.u64()?, fields.u64()?]))
}

/// Each number of the end record must be that of the zip64 record, or the mark that refers to it.
fn compare(plain: &Numbers, wide: &Numbers, place: Place<'_>, findings: &mut Findings) {
    for (((plain, wide), limit), name) in plain.iter().zip(wide).zip(LIMITS).zip(NAMES) {
        if *plain == limit {
            if *wide < limit {
                findings
                    .add(Kind::NeedlessZip64, place, || format!("the {name} is marked as zip64, but fits"));
            }
        } else if plain != wide {
            let what = || format!("the {name} is {plain} in the end record and {wide} in the zip64 one");
            findings.add(Kind::EndRecords, place, what);
        }
    }
}

/// Zip64 records that nothing needs trouble some readers, but are right where the bytes before them
/// would pass for a locator without them.
fn check_needed(wide: &Numbers, before: &[u8], record: u64, findings: &mut Findings) {
    let needed = wide.iter().zip(LIMITS).any(|(wide, limit)| *wide >= limit);
    let shields = before.last_chunk::<LOCATOR>().is_some_and(|last| last.starts_with(&LOCATOR_SIGNATURE));
    if !needed && !shields {
        let what = "there is a zip64 end record although everything fits without";
        findings.add(Kind::NeedlessZip64, Place::byte(record), || what.into());
    }
}

fn marked(numbers: &Numbers) -> bool {
    numbers.iter().zip(LIMITS).any(|(number, limit)| *number == limit)
}
