//! Golden bytes, field by field, and the lengths the planner counts on.

use super::*;
use proptest::prelude::*;

/// 2026-03-04 05:06:07 UTC; little-endian hex `bfbda769`, DOS time `c328` and date `645c`.
const MODIFIED: i64 = 1_772_600_767;

fn entry(name: &str, size: u64, offset: u64) -> EntryHeader<'_> {
    EntryHeader { name, size, offset, modified: MODIFIED, crc32: 0x1234_5678 }
}

fn end(entries: u64, directory_offset: u64, directory_bytes: u64) -> EndRecords<'static> {
    EndRecords { entries, directory_offset, directory_bytes, last: None }
}

#[track_caller]
fn golden(bytes: &[u8], fields: &str) {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, fields.replace(' ', ""));
}

#[test]
fn plain_local_header() {
    golden(
        &local_header(&entry("a", 5, 0)),
        "504b0304 1400 0008 0000 c328 645c 78563412 05000000 05000000 0100 0900 61 5554 0500 01 bfbda769",
    );
}

#[test]
fn plain_central_header() {
    golden(
        &central_header(&entry("a", 5, 0x0102_0304)),
        "504b0102 2d03 1400 0008 0000 c328 645c 78563412 05000000 05000000 0100 0900 0000 0000 0000 0000a481 \
         04030201 61 5554 0500 01 bfbda769",
    );
}

#[test]
fn directory_headers() {
    let folder = EntryHeader { crc32: 0, ..entry("d/", 0, 7) };
    golden(
        &local_header(&folder),
        "504b0304 1400 0008 0000 c328 645c 00000000 00000000 00000000 0200 0900 642f 5554 0500 01 bfbda769",
    );
    golden(
        &central_header(&folder),
        "504b0102 2d03 1400 0008 0000 c328 645c 00000000 00000000 00000000 0200 0900 0000 0000 0000 1000ed41 \
         07000000 642f 5554 0500 01 bfbda769",
    );
}

#[test]
fn zip64_begins_exactly_at_the_sentinel() {
    // One below: plain.
    let below = entry("a", 0xFFFF_FFFE, 0xFFFF_FFFE);
    golden(
        &local_header(&below),
        "504b0304 1400 0008 0000 c328 645c 78563412 feffffff feffffff 0100 0900 61 5554 0500 01 bfbda769",
    );
    // The size itself: both sizes in both headers, version 4.5 in both.
    let size = entry("a", 0xFFFF_FFFF, 0);
    golden(
        &local_header(&size),
        "504b0304 2d00 0008 0000 c328 645c 78563412 ffffffff ffffffff 0100 1d00 61 \
         0100 1000 ffffffff00000000 ffffffff00000000 5554 0500 01 bfbda769",
    );
    golden(
        &central_header(&size),
        "504b0102 2d03 2d00 0008 0000 c328 645c 78563412 ffffffff ffffffff 0100 1d00 0000 0000 0000 0000a481 \
         00000000 61 0100 1000 ffffffff00000000 ffffffff00000000 5554 0500 01 bfbda769",
    );
    // The offset: only in the central header, but the version in both.
    let offset = entry("a", 5, 0xFFFF_FFFF);
    golden(
        &local_header(&offset),
        "504b0304 2d00 0008 0000 c328 645c 78563412 05000000 05000000 0100 0900 61 5554 0500 01 bfbda769",
    );
    golden(
        &central_header(&offset),
        "504b0102 2d03 2d00 0008 0000 c328 645c 78563412 05000000 05000000 0100 1500 0000 0000 0000 0000a481 \
         ffffffff 61 0100 0800 ffffffff00000000 5554 0500 01 bfbda769",
    );
    let both = entry("a", 0x1_0000_0000, 0x2_0000_0000);
    golden(
        &central_header(&both),
        "504b0102 2d03 2d00 0008 0000 c328 645c 78563412 ffffffff ffffffff 0100 2500 0000 0000 0000 0000a481 \
         ffffffff 61 0100 1800 0000000001000000 0000000001000000 0000000002000000 5554 0500 01 bfbda769",
    );
}

#[test]
fn times_outside_what_the_fields_hold() {
    // Before 1970: no extended time, DOS time clamped to its first day.
    let early = EntryHeader { modified: -1, ..entry("a", 0, 0) };
    golden(&local_header(&early)[10..14], "0000 2100");
    assert_eq!(local_header(&early).len(), 31);
    // 1970 itself still fits the extended time.
    let epoch = EntryHeader { modified: 0, ..entry("a", 0, 0) };
    golden(
        &local_header(&epoch)[10..],
        "0000 2100 78563412 00000000 00000000 0100 0900 61 5554 0500 01 00000000",
    );
    // Past 2038: DOS time only.
    let late = EntryHeader { modified: 0x8000_0000, ..entry("a", 0, 0) };
    golden(&local_header(&late)[10..14], "c419 3374");
    assert_eq!(local_header(&late).len(), 31);
    // Past 2107: clamped to the last moment.
    let last = EntryHeader { modified: i64::MAX, ..entry("a", 0, 0) };
    golden(&local_header(&last)[10..14], "7dbf 9fff");
}

#[test]
fn plain_end_records() {
    golden(&end_records(&end(3, 0x0102, 0x0304)), "504b0506 0000 0000 0300 0300 04030000 02010000 0000");
    golden(
        &end_records(&end(0xFFFE, 0xFFFF_FFFE, 0xFFFF_FFFE)),
        "504b0506 0000 0000 feff feff feffffff feffffff 0000",
    );
}

#[test]
fn zip64_end_records_saturate_only_what_does_not_fit() {
    golden(
        &end_records(&end(0xFFFF, 0x0102, 0x0304)),
        "504b0606 2c00000000000000 2d03 2d00 00000000 00000000 ffff000000000000 ffff000000000000 \
         0403000000000000 0201000000000000 504b0607 00000000 0604000000000000 01000000 \
         504b0506 0000 0000 ffff ffff 04030000 02010000 0000",
    );
    golden(
        &end_records(&end(3, 0xFFFF_FFFF, 0x0304)),
        "504b0606 2c00000000000000 2d03 2d00 00000000 00000000 0300000000000000 0300000000000000 \
         0403000000000000 ffffffff00000000 504b0607 00000000 0303000001000000 01000000 \
         504b0506 0000 0000 0300 0300 04030000 ffffffff 0000",
    );
    let large_directory = end_records(&end(3, 0, 0xFFFF_FFFF));
    golden(&large_directory[76..], "504b0506 0000 0000 0300 0300 ffffffff 00000000 0000");
}

#[test]
fn a_last_header_that_reads_as_a_locator_gets_true_zip64_records() {
    let by_name = entry("xPK\u{6}\u{7}1234567", 0, 0);
    // A seven-byte name puts the offset field 20 bytes before the end record; this offset spells `PK\6\7`.
    let by_offset = entry("1234567", 0, 0x0706_4B50);
    for last in [by_name, by_offset] {
        let end = EndRecords { last: Some(last), ..end(1, 0x0800_0000, 62) };
        let records = end_records(&end);
        assert_eq!((records.len(), end.bytes()), (98, 98), "{}", last.name);
        assert!(records.starts_with(b"PK\x06\x06"));
    }
    let harmless = EndRecords { last: Some(entry("1234567", 0, 0x0706_4B51)), ..end(1, 0x0800_0000, 62) };
    assert_eq!(end_records(&harmless).len(), 22);
}

proptest! {
    #[test]
    fn lengths_are_those_planned(
        name in "[a-z/]{1,40}", size in sizes(), offset in sizes(), modified in any::<i64>(), entries in 0u64..100_000,
    ) {
        let entry = EntryHeader { name: &name, size, offset, modified, crc32: 7 };
        prop_assert_eq!(local_header(&entry).len() as u64, local_header_len(name.len(), size, modified));
        prop_assert_eq!(central_header(&entry).len() as u64, central_header_len(name.len(), size, offset, modified));
        let end = EndRecords { entries, directory_offset: offset, directory_bytes: size.min(1 << 40), last: None };
        prop_assert_eq!(end_records(&end).len() as u64, end.bytes());
    }

    /// The CRC stands where a node is told to patch it.
    #[test]
    fn crc_slots_hold_the_crc(name in "[a-z]{1,40}", crc32: u32) {
        let entry = EntryHeader { crc32, ..entry(&name, 5, 9) };
        prop_assert_eq!(&local_header(&entry)[LOCAL_CRC_AT..LOCAL_CRC_AT + 4], &crc32.to_le_bytes());
        prop_assert_eq!(&central_header(&entry)[CENTRAL_CRC_AT..CENTRAL_CRC_AT + 4], &crc32.to_le_bytes());
    }
}

fn sizes() -> impl Strategy<Value = u64> {
    prop_oneof![0u64..10, 0xFFFF_FFF0u64..0x1_0000_0010, any::<u64>().prop_map(|size| size >> 14)]
}
