//! Local file header (4.3.7).

use super::{
    EntryHeader, FLAGS, METHOD, SATURATED_32, dos_time, local_header_len, put_extra_time, put_extra_zip64,
    saturate_32,
};

/// The record that stands before an entry's bytes.
#[must_use]
pub fn local_header(entry: &EntryHeader<'_>) -> Vec<u8> {
    let len = local_header_len(entry.name.len(), entry.size, entry.modified);
    let extra_len = len - 30 - entry.name.len() as u64;
    let mut record = Vec::with_capacity(len as usize);
    record.extend_from_slice(b"PK\x03\x04");
    record.extend_from_slice(&entry.version_needed().to_le_bytes());
    record.extend_from_slice(&FLAGS.to_le_bytes());
    record.extend_from_slice(&METHOD.to_le_bytes());
    record.extend_from_slice(&dos_time::time_and_date(entry.modified));
    record.extend_from_slice(&entry.crc32.to_le_bytes());
    record.extend_from_slice(&saturate_32(entry.size));
    record.extend_from_slice(&saturate_32(entry.size));
    record.extend_from_slice(&(entry.name.len() as u16).to_le_bytes());
    record.extend_from_slice(&(extra_len as u16).to_le_bytes());
    record.extend_from_slice(entry.name.as_bytes());
    if entry.size >= SATURATED_32 {
        // Both sizes, always, and never the offset (4.5.3).
        put_extra_zip64(&mut record, &[entry.size, entry.size]);
    }
    if let Some(seconds) = entry.extra_time() {
        put_extra_time(&mut record, seconds);
    }
    debug_assert_eq!(record.len() as u64, len);
    record
}
