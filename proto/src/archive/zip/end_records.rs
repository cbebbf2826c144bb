//! End of central directory, with its zip64 record and locator where needed (4.3.14 to 4.3.16).

use super::{EntryHeader, MADE_BY, SATURATED_16, SATURATED_32, VERSION_ZIP64, central_header, saturate_32};

const END_LEN: usize = 22;
const ZIP64_LEN: usize = 56;
const LOCATOR_LEN: usize = 20;
const LOCATOR_SIGNATURE: &[u8; 4] = b"PK\x06\x07";

/// What the end records say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndRecords<'a> {
    /// Number of entries.
    pub entries: u64,
    /// Where the central directory begins, in bytes from the start of the archive.
    pub directory_offset: u64,
    /// Size of the central directory without these records, in bytes.
    pub directory_bytes: u64,
    /// The last entry, if there is any.
    pub last: Option<EntryHeader<'a>>,
}

impl EndRecords<'_> {
    /// Length of the records, in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let zip64 = if self.needs_zip64() { ZIP64_LEN + LOCATOR_LEN } else { 0 };
        (zip64 + END_LEN) as u64
    }

    fn needs_zip64(&self) -> bool {
        self.entries >= SATURATED_16
            || self.directory_bytes >= SATURATED_32
            || self.directory_offset >= SATURATED_32
            || self.last.is_some_and(|last| reads_as_locator(&last))
    }
}

/// Whether the last central header would be taken for a zip64 locator.
///
/// Many readers look for the locator's signature 20 bytes before the end record without asking whether
/// any field is saturated. Without zip64 records those bytes are the tail of the last central header,
/// where a name or an offset may happen to hold the signature, and the whole archive is refused. Writing
/// the true records there settles it.
fn reads_as_locator(last: &EntryHeader<'_>) -> bool {
    let record = central_header(last);
    record[record.len() - LOCATOR_LEN..].starts_with(LOCATOR_SIGNATURE)
}

/// The last bytes of an archive.
#[must_use]
pub fn end_records(end: &EndRecords<'_>) -> Vec<u8> {
    let mut records = Vec::with_capacity(end.bytes() as usize);
    if end.needs_zip64() {
        put_zip64(&mut records, end);
    }
    let entries = (end.entries.min(SATURATED_16) as u16).to_le_bytes();
    records.extend_from_slice(b"PK\x05\x06");
    // This disk and the directory's disk.
    records.extend_from_slice(&[0; 4]);
    records.extend_from_slice(&entries);
    records.extend_from_slice(&entries);
    records.extend_from_slice(&saturate_32(end.directory_bytes));
    records.extend_from_slice(&saturate_32(end.directory_offset));
    // No comment: one could hold a second end record.
    records.extend_from_slice(&[0; 2]);
    debug_assert_eq!(records.len() as u64, end.bytes());
    records
}

fn put_zip64(records: &mut Vec<u8>, end: &EndRecords<'_>) {
    records.extend_from_slice(b"PK\x06\x06");
    // The size of what follows this field; 56 here makes 7-Zip refuse the archive.
    records.extend_from_slice(&(ZIP64_LEN as u64 - 12).to_le_bytes());
    records.extend_from_slice(&MADE_BY.to_le_bytes());
    records.extend_from_slice(&VERSION_ZIP64.to_le_bytes());
    // This disk and the directory's disk.
    records.extend_from_slice(&[0; 8]);
    records.extend_from_slice(&end.entries.to_le_bytes());
    records.extend_from_slice(&end.entries.to_le_bytes());
    records.extend_from_slice(&end.directory_bytes.to_le_bytes());
    records.extend_from_slice(&end.directory_offset.to_le_bytes());

    records.extend_from_slice(LOCATOR_SIGNATURE);
    records.extend_from_slice(&[0; 4]);
    records.extend_from_slice(&(end.directory_offset + end.directory_bytes).to_le_bytes());
    // One disk in all.
    records.extend_from_slice(&1u32.to_le_bytes());
}
