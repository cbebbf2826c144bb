//! The records of a ZIP, computed a second time from the tables of the format.

use proto::plan::{Entry, EntryName, Plan};

/// A value that equals it does not fit a 32-bit field.
const MAX_32: u64 = 0xFFFF_FFFF;
/// A count that equals it does not fit a 16-bit field.
const MAX_16: u64 = 0xFFFF;
/// Where the CRC-32 stands in a local header.
pub(super) const LOCAL_CRC: usize = 14;
/// Where the CRC-32 stands in a central header.
pub(super) const CENTRAL_CRC: usize = 16;

/// The entry's name; empty, and so unsafe, when it begins beyond the key.
pub(super) fn name(entry: &Entry) -> &str {
    match &entry.name {
        EntryName::KeyFrom(from) => entry.object.key.get(usize::from(*from)..).unwrap_or(""),
        EntryName::Mapped(name) => name,
    }
}

/// 30 + n + T + 20*[s >= M].
pub(super) fn local_len(entry: &Entry) -> u64 {
    30 + name(entry).len() as u64 + time_len(entry) + if entry.object.size >= MAX_32 { 20 } else { 0 }
}

/// 46 + n + T + z.
pub(super) fn central_len(entry: &Entry) -> u64 {
    46 + name(entry).len() as u64 + time_len(entry) + central_zip64_len(entry)
}

/// Where the entry's data begins.
pub(super) fn data_start(entry: &Entry) -> u64 {
    entry.offset.saturating_add(local_len(entry))
}

/// Where the entry's data ends.
pub(super) fn data_end(entry: &Entry) -> u64 {
    data_start(entry).saturating_add(entry.object.size)
}

/// 22, or 98 with zip64 records.
pub(super) fn end_len(plan: &Plan, directory_offset: u64, directory_bytes: u64) -> u64 {
    if end_needs_zip64(plan, directory_offset, directory_bytes) { 98 } else { 22 }
}

/// The local header, with a CRC of 0.
pub(super) fn local(entry: &Entry) -> Vec<u8> {
    let size = entry.object.size;
    let extra = local_len(entry) - 30 - name(entry).len() as u64;
    let mut record = b"PK\x03\x04".to_vec();
    put_common(&mut record, entry, extra);
    record.extend(name(entry).bytes());
    if size >= MAX_32 {
        record.extend([0x01, 0, 16, 0]);
        record.extend(size.to_le_bytes());
        record.extend(size.to_le_bytes());
    }
    put_time(&mut record, entry);
    record
}

/// The central header, with a CRC of 0.
pub(super) fn central(entry: &Entry) -> Vec<u8> {
    let size = entry.object.size;
    let zip64 = central_zip64_len(entry);
    let mut record = b"PK\x01\x02\x2D\x03".to_vec();
    put_common(&mut record, entry, time_len(entry) + zip64);
    record.extend([0; 6]);
    let is_directory = name(entry).ends_with('/');
    record.extend(if is_directory { [0x10, 0, 0xED, 0x41] } else { [0, 0, 0xA4, 0x81] });
    record.extend(field_32(entry.offset));
    record.extend(name(entry).bytes());
    if zip64 > 0 {
        record.extend([0x01, 0, (zip64 - 4) as u8, 0]);
    }
    if size >= MAX_32 {
        record.extend(size.to_le_bytes());
        record.extend(size.to_le_bytes());
    }
    if entry.offset >= MAX_32 {
        record.extend(entry.offset.to_le_bytes());
    }
    put_time(&mut record, entry);
    record
}

/// The end records, zip64 ones included where needed.
pub(super) fn end(plan: &Plan, directory_offset: u64, directory_bytes: u64) -> Vec<u8> {
    let entries = plan.entries.len() as u64;
    let mut records = Vec::new();
    if end_needs_zip64(plan, directory_offset, directory_bytes) {
        records.extend(b"PK\x06\x06");
        records.extend(44u64.to_le_bytes());
        records.extend([0x2D, 0x03, 45, 0]);
        records.extend([0; 8]);
        for value in [entries, entries, directory_bytes, directory_offset] {
            records.extend(value.to_le_bytes());
        }
        records.extend(b"PK\x06\x07\0\0\0\0");
        records.extend((directory_offset + directory_bytes).to_le_bytes());
        records.extend(1u32.to_le_bytes());
    }
    let count = (entries.min(MAX_16) as u16).to_le_bytes();
    records.extend(b"PK\x05\x06\0\0\0\0");
    records.extend([count, count].concat());
    records.extend(field_32(directory_bytes));
    records.extend(field_32(directory_offset));
    records.extend([0; 2]);
    records
}

/// Besides values that do not fit: when the last 20 bytes of the directory would be taken for a locator.
fn end_needs_zip64(plan: &Plan, directory_offset: u64, directory_bytes: u64) -> bool {
    let reads_as_locator = |last: &Entry| {
        let tail = central(last);
        tail[tail.len() - 20..].starts_with(b"PK\x06\x07")
    };
    plan.entries.len() as u64 >= MAX_16
        || directory_offset >= MAX_32
        || directory_bytes >= MAX_32
        || plan.entries.last().is_some_and(reads_as_locator)
}

/// From "version needed" to "extra length": the same in both headers.
fn put_common(record: &mut Vec<u8>, entry: &Entry, extra_len: u64) {
    let size = entry.object.size;
    let version: u16 = if size >= MAX_32 || entry.offset >= MAX_32 { 45 } else { 20 };
    record.extend(version.to_le_bytes());
    record.extend([0x00, 0x08, 0, 0]);
    record.extend(dos_time(entry.object.modified));
    record.extend([0; 4]);
    record.extend(field_32(size));
    record.extend(field_32(size));
    record.extend((name(entry).len() as u16).to_le_bytes());
    record.extend((extra_len as u16).to_le_bytes());
}

fn put_time(record: &mut Vec<u8>, entry: &Entry) {
    if time_len(entry) > 0 {
        record.extend([0x55, 0x54, 5, 0, 1]);
        record.extend((entry.object.modified as u32).to_le_bytes());
    }
}

fn time_len(entry: &Entry) -> u64 {
    if (0..=0x7FFF_FFFF).contains(&entry.object.modified) { 9 } else { 0 }
}

fn central_zip64_len(entry: &Entry) -> u64 {
    match (entry.object.size >= MAX_32, entry.offset >= MAX_32) {
        (false, false) => 0,
        (false, true) => 12,
        (true, false) => 20,
        (true, true) => 28,
    }
}

fn field_32(value: u64) -> [u8; 4] {
    (value.min(MAX_32) as u32).to_le_bytes()
}

/// Time and date, in UTC, clamped to 1980-01-01 00:00:00 .. 2107-12-31 23:59:58 and rounded down.
fn dos_time(modified: i64) -> [u8; 4] {
    const FIRST: i64 = 315_532_800;
    const LAST: i64 = 4_354_819_198;
    let seconds = modified.clamp(FIRST, LAST) as u64;
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    let time = ((second / 3_600) << 11) | ((second / 60 % 60) << 5) | (second % 60 / 2);
    let date = ((year - 1980) << 9) | (month << 5) | day;
    ((date << 16 | time) as u32).to_le_bytes()
}

/// Year, month and day of a count of days since 1970, by walking the calendar: a century of years at
/// most, and plainly right.
fn civil(mut days: u64) -> (u64, u64, u64) {
    let mut year = 1970;
    let is_leap =
        |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    while days >= 365 + u64::from(is_leap(year)) {
        days -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let mut month = 1;
    for length in [31, 28 + u64::from(is_leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    (year, month, days + 1)
}
