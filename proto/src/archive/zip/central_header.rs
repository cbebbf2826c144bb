//! Central directory header (4.3.12).

use super::{
    EntryHeader, FLAGS, MADE_BY, METHOD, central_header_len, dos_time, put_extra_time, put_extra_zip64,
    saturate_32,
};

/// A regular file everybody may read; mode 0 would extract as one nobody may.
const ATTRIBUTES_FILE: u32 = 0o100_644 << 16;
/// A directory, in Unix terms and with the DOS directory bit.
const ATTRIBUTES_DIRECTORY: u32 = (0o040_755 << 16) | 0x10;

/// The record of an entry in the central directory.
#[must_use]
pub fn central_header(entry: &EntryHeader<'_>) -> Vec<u8> {
    let len = central_header_len(entry.name.len(), entry.size, entry.offset, entry.modified);
    let extra_len = len - 46 - entry.name.len() as u64;
    let attributes = if entry.is_directory() { ATTRIBUTES_DIRECTORY } else { ATTRIBUTES_FILE };
    let mut record = Vec::with_capacity(len as usize);
    record.extend_from_slice(b"PK\x01\x02");
    record.extend_from_slice(&MADE_BY.to_le_bytes());
    record.extend_from_slice(&entry.version_needed().to_le_bytes());
    record.extend_from_slice(&FLAGS.to_le_bytes());
    record.extend_from_slice(&METHOD.to_le_bytes());
    record.extend_from_slice(&dos_time::time_and_date(entry.modified));
    record.extend_from_slice(&entry.crc32.to_le_bytes());
    record.extend_from_slice(&saturate_32(entry.size));
    record.extend_from_slice(&saturate_32(entry.size));
    record.extend_from_slice(&(entry.name.len() as u16).to_le_bytes());
    record.extend_from_slice(&(extra_len as u16).to_le_bytes());
    // Comment length, disk number, internal attributes.
    record.extend_from_slice(&[0; 6]);
    record.extend_from_slice(&attributes.to_le_bytes());
    record.extend_from_slice(&saturate_32(entry.offset));
    record.extend_from_slice(entry.name.as_bytes());
    put_zip64(&mut record, entry);
    if let Some(seconds) = entry.extra_time() {
        put_extra_time(&mut record, seconds);
    }
    debug_assert_eq!(record.len() as u64, len);
    record
}

/// Only the values whose 32-bit field is saturated, in this order (4.5.3).
fn put_zip64(record: &mut Vec<u8>, entry: &EntryHeader<'_>) {
    match (entry.size_is_large(), entry.offset_is_large()) {
        (false, false) => {}
        (false, true) => put_extra_zip64(record, &[entry.offset]),
        (true, false) => put_extra_zip64(record, &[entry.size, entry.size]),
        (true, true) => put_extra_zip64(record, &[entry.size, entry.size, entry.offset]),
    }
}
