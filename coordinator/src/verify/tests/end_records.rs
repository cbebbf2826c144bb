//! What can be wrong at the end, and zip64 at its borders.

use super::super::Kind::*;
use super::super::*;
use super::writer::{File, MARK32, body, end, file, time_field, zip64_end, zip64_field};
use super::{archive, assert_finds};

const M: u64 = 0xFFFF_FFFF;

fn files() -> [File; 2] {
    [file("a", b"1"), file("b", b"22")]
}

/// The two files with other end records than they should have.
fn ended(ends: impl FnOnce(u32, u32) -> Vec<u8>) -> Vec<u8> {
    let (data, directory, offset) = body(&files());
    let ends = ends(directory.len() as u32, offset);
    [data, directory, ends].concat()
}

#[test]
fn end_records() {
    assert_finds(&ended(|size, offset| end([2; 2], size, offset, b"")), &[]);
    assert_finds(&ended(|size, offset| end([2; 2], size, offset, b"comment")), &[Comment]);
    assert_finds(&ended(|size, offset| end([1, 2], size, offset, b"")), &[Disks]);
    assert_finds(&ended(|size, offset| end([3; 2], size, offset, b"")), &[Count]);
    assert_finds(&ended(|size, offset| end([2; 2], size + 1, offset, b"")), &[EndRecords]);
    assert_finds(
        &ended(|size, offset| end([2; 2], size - 1, offset, b"")),
        &[EndRecords, Directory, Count, Gap],
    );
    assert_finds(&ended(|size, _| end([2; 2], size, MARK32, b"")), &[EndRecords, AbsentZip64]);
    assert_finds(&ended(|size, offset| end([0xFFFF; 2], size, offset, b"")), &[Count, AbsentZip64]);
    let appended = ended(|size, offset| [end([2; 2], size, offset, b""), b"more".to_vec()].concat());
    assert_finds(&appended, &[AfterEnd]);
    let cut = ended(|size, offset| end([2; 2], size, offset, b"comment")[..25].to_vec());
    assert_finds(&cut, &[AfterEnd]);
    assert_finds(&ended(|_, _| vec![]), &[NoEnd]);
    assert_finds(b"", &[NoEnd]);
    assert_finds(b"PK\x05\x06", &[NoEnd]);
}

#[test]
fn two_end_records() {
    // One after the other, and the second within the first one's comment.
    assert_finds(
        &ended(|size, offset| [end([2; 2], size, offset, b""), end([2; 2], size, offset, b"")].concat()),
        &[EndRecords],
    );
    let inner = end([0; 2], 0, 0, b"");
    assert_finds(&ended(|size, offset| end([2; 2], size, offset, &inner)), &[EndRecords]);
    let far = [&end([0; 2], 0, 0, b"ten bytes.")[..22], b"!"].concat();
    assert_finds(&ended(|size, offset| end([2; 2], size, offset, &far)), &[EndRecords, Comment]);
    // A whole archive behind another.
    let one = archive(&files());
    let broken = judge(&[&one[..], &one].concat());
    assert!(!broken.is_sound());
}

#[test]
fn zip64_end_records_that_nothing_needs() {
    let at = |size: u32, offset: u32| u64::from(size + offset);
    let with = |counts: [u16; 2], change: fn(&mut Vec<u8>)| {
        ended(|size, offset| {
            let mut records = zip64_end(2, size.into(), offset.into(), at(size, offset));
            change(&mut records);
            [records, end(counts, size, offset, b"")].concat()
        })
    };
    assert_finds(&with([2; 2], |_| {}), &[NeedlessZip64]);
    assert_finds(&with([0xFFFF; 2], |_| {}), &[NeedlessZip64]);
    assert_finds(&with([1; 2], |_| {}), &[EndRecords, NeedlessZip64]);
    assert_finds(&with([2; 2], |records| records[4] = 56), &[EndRecords, NeedlessZip64]);
    assert_finds(&with([2; 2], |records| records[12] = 30), &[NeedlessZip64, Version]);
    assert_finds(&with([2; 2], |records| records[16] = 1), &[Disks, NeedlessZip64]);
    assert_finds(&with([2; 2], |records| records[24] = 1), &[EndRecords, Disks, NeedlessZip64]);
    assert_finds(&with([2; 2], |records| records[60] = 1), &[Disks, NeedlessZip64]);
    assert_finds(&with([2; 2], |records| records[64] ^= 1), &[EndRecords]);
    assert_finds(&with([2; 2], |records| records[72] = 0), &[NeedlessZip64, Attributes]);
    assert_finds(&with([2; 2], |records| records[72] = 2), &[Disks, NeedlessZip64]);
    let extended = with([2; 2], |records| {
        records[4] += 1;
        records.insert(56, 0);
    });
    assert_finds(&extended, &[NeedlessZip64, Extra]);
}

#[test]
fn a_name_that_looks_like_a_locator() {
    // Eleven bytes from the end of the name and nine of the time extra.
    let files = [file("xPK\u{6}\u{7}1234567", b"1")];
    assert_finds(&archive(&files), &[EndRecords, UnsafeName]);
    // With zip64 end records no reader takes the name for a locator.
    let (data, directory, offset) = body(&files);
    let (size, at) = (directory.len() as u64, u64::from(offset) + directory.len() as u64);
    let records = zip64_end(1, size, offset.into(), at);
    let end = end([1; 2], size as u32, offset, b"");
    assert_finds(&[data, directory, records, end].concat(), &[UnsafeName]);
}

/// The directory header and local header of an entry of `size` bytes at `offset`, as zip.md has them.
fn large(size: u64, offset: u64) -> File {
    let (size_marked, offset_marked) = (size >= M, offset >= M);
    let time = time_field(super::writer::TIME);
    file("huge", b"").with(|file| {
        for header in [&mut file.local, &mut file.central] {
            header.size = size.min(M) as u32;
            header.compressed = header.size;
            header.version = if size_marked || offset_marked { 45 } else { 20 };
        }
        if size_marked {
            file.local.extra = [zip64_field(&[size, size]), time.clone()].concat();
        }
        let mut values = if size_marked { vec![size, size] } else { vec![] };
        values.extend(offset_marked.then_some(offset));
        if !values.is_empty() {
            file.central.extra = [zip64_field(&values), time].concat();
        }
        file.offset = Some(offset.min(M) as u32);
    })
}

/// Judges all but the contents of an archive with an entry of `size` bytes at `offset`, and an empty one
/// of `offset` bytes' header and contents before it.
fn judge_headers(size: u64, offset: u64, change: impl FnOnce(&mut [u8], &mut [u8], &mut [u8])) -> Findings {
    let first_size = offset - 30 - 5 - 9;
    let first_size = if first_size >= M { first_size - 20 } else { first_size };
    let first = large(first_size, 0).both(|header| header.name = b"first".to_vec());
    let second = large(size, offset);
    let mut local = second.local_header();
    let start = offset + local.len() as u64 + size;
    let mut directory = [first.central_header(0), second.central_header(0)].concat();
    let (length, at) = (directory.len() as u32, start + directory.len() as u64);
    let mut ends = if start >= M { zip64_end(2, length.into(), start, at) } else { vec![] };
    ends.extend(end([2; 2], length, start.min(M) as u32, b""));
    change(&mut local, &mut directory, &mut ends);

    let mut findings = Findings::default();
    let Some(ends) = find(&[&directory[..], &ends].concat(), at + ends.len() as u64, &mut findings) else {
        return findings;
    };
    if ends.directory != (start..at) {
        return findings;
    }
    let mut central = Central::new(&ends);
    central.feed(&directory, &mut findings);
    let (entries, _) = central.finish(&mut findings);
    let layout = Layout::new(entries, start, &mut findings);
    let header = |local: &[u8], entry: u32| {
        let region = layout.region(entry);
        let run = Run { range: region.start..region.end.min(region.start + local.len() as u64), entry };
        let mut walk = Walk::new(&layout, &run);
        walk.feed(local, |_| {});
        walk.finish().findings
    };
    if layout.entries().len() == 2 {
        findings.merge(header(&first.local_header(), 0));
        findings.merge(header(&local, 1));
    }
    findings
}

#[test]
fn zip64_at_its_borders() {
    for size in [0, 1, M - 1, M, M + 1, 1 << 40] {
        for offset in [100, M - 200, M - 1, M, M + 1, M + 64, M + 65, M + 200, 1 << 40] {
            let found = judge_headers(size, offset, |_, _, _| {});
            assert!(found.is_clean(), "{size} at {offset}: {found:#?}");
        }
    }
}

#[test]
fn no_changed_byte_of_a_zip64_header_goes_unnoticed() {
    for (size, offset) in [(M, M), (M + 1, 100), (5, 1 << 33)] {
        for which in 0..3 {
            for at in 0.. {
                let mut length = 0;
                let found = [1u8, 0x80, 0xFF].map(|mask| {
                    judge_headers(size, offset, |local, directory, ends| {
                        let records = [local, directory, ends];
                        let Some(bytes) = records.into_iter().nth(which) else { return };
                        length = bytes.len();
                        if let Some(byte) = bytes.get_mut(at) {
                            *byte ^= mask;
                        }
                    })
                });
                if at >= length {
                    break;
                }
                for (index, found) in found.iter().enumerate() {
                    assert!(!found.is_clean(), "{size} at {offset}, record {which}, byte {at}, mask {index}");
                }
            }
        }
    }
}
