//! The layout of a ZIP: how long each record is, and therefore where everything lies.
//!
//! Sizes and CRC stand in the local header and there is never a data descriptor, because stored entries
//! with descriptors cannot be read as a stream. The length of a header depends on name, size and time
//! only, so every offset is known before any byte is read. zip64 is used only where a value does not
//! fit, because some readers refuse small archives that use it needlessly.

mod central_header;
mod dos_time;
mod end_records;
mod local_header;

pub use central_header::central_header;
pub use end_records::{EndRecords, end_records};
pub use local_header::local_header;

/// The value of a 32-bit field that says "see zip64"; a size or offset that equals it does not fit.
const SATURATED_32: u64 = 0xFFFF_FFFF;
/// The value of the 16-bit entry count that says "see zip64".
const SATURATED_16: u64 = 0xFFFF;
/// Version needed to extract, 2.0: directories and stored files (4.4.3.2).
const VERSION_PLAIN: u16 = 20;
/// Version needed to extract, 4.5: zip64 (4.4.3.2).
const VERSION_ZIP64: u16 = 45;
/// Made by Unix, by version 4.5 of the specification (4.4.2).
const MADE_BY: u16 = 0x032D;
/// Bit 11: the name is UTF-8 (4.4.4). Bit 3, the data descriptor, is never set.
const FLAGS: u16 = 0x0800;
/// Method 0: stored.
const METHOD: u16 = 0;
/// Extra field of zip64 (4.5.3).
const EXTRA_ZIP64: u16 = 0x0001;
/// Info-ZIP's extended timestamp, "UT".
const EXTRA_TIME: u16 = 0x5455;
/// Length of our extended timestamp: header, flags, one 32-bit time.
const EXTRA_TIME_LEN: u64 = 9;
/// Where the CRC-32 stands in a local header.
pub const LOCAL_CRC_AT: usize = 14;
/// Where the CRC-32 stands in a central header.
pub const CENTRAL_CRC_AT: usize = 16;

/// What the headers of an entry say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryHeader<'a> {
    /// Entry name: UTF-8, relative; a directory's ends in `/`.
    pub name: &'a str,
    /// Size in bytes.
    pub size: u64,
    /// Where its local header begins, in bytes from the start of the archive.
    pub offset: u64,
    /// Last-modified, in seconds since 1970 UTC.
    pub modified: i64,
    /// CRC-32 of its bytes.
    pub crc32: u32,
}

impl EntryHeader<'_> {
    fn is_directory(&self) -> bool {
        self.name.ends_with('/')
    }

    /// The time for the extended timestamp, if it fits its signed 32 bits and is not before 1970.
    fn extra_time(&self) -> Option<i32> {
        i32::try_from(self.modified).ok().filter(|seconds| *seconds >= 0)
    }

    fn size_is_large(&self) -> bool {
        self.size >= SATURATED_32
    }

    fn offset_is_large(&self) -> bool {
        self.offset >= SATURATED_32
    }

    /// One version for both headers: System.IO.Packaging calls the archive corrupt when they differ.
    fn version_needed(&self) -> u16 {
        if self.size_is_large() || self.offset_is_large() { VERSION_ZIP64 } else { VERSION_PLAIN }
    }
}

fn extra_time_len(modified: i64) -> u64 {
    let fits = i32::try_from(modified).is_ok_and(|seconds| seconds >= 0);
    if fits { EXTRA_TIME_LEN } else { 0 }
}

/// Length of an entry's local header, in bytes.
#[must_use]
pub fn local_header_len(name_bytes: usize, size: u64, modified: i64) -> u64 {
    let zip64 = if size >= SATURATED_32 { 20 } else { 0 };
    30 + name_bytes as u64 + extra_time_len(modified) + zip64
}

/// Length of an entry's central header, in bytes.
#[must_use]
pub fn central_header_len(name_bytes: usize, size: u64, offset: u64, modified: i64) -> u64 {
    let values = 16 * u64::from(size >= SATURATED_32) + 8 * u64::from(offset >= SATURATED_32);
    let zip64 = if values > 0 { 4 + values } else { 0 };
    46 + name_bytes as u64 + extra_time_len(modified) + zip64
}

fn put_extra_time(record: &mut Vec<u8>, seconds: i32) {
    record.extend_from_slice(&EXTRA_TIME.to_le_bytes());
    record.extend_from_slice(&5u16.to_le_bytes());
    // Only the modification time follows.
    record.push(1);
    record.extend_from_slice(&seconds.to_le_bytes());
}

fn put_extra_zip64(record: &mut Vec<u8>, values: &[u64]) {
    record.extend_from_slice(&EXTRA_ZIP64.to_le_bytes());
    record.extend_from_slice(&((8 * values.len()) as u16).to_le_bytes());
    for value in values {
        record.extend_from_slice(&value.to_le_bytes());
    }
}

fn saturate_32(value: u64) -> [u8; 4] {
    (value.min(SATURATED_32) as u32).to_le_bytes()
}

#[cfg(test)]
mod tests;
