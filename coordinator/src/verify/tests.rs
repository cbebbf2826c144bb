//! Archives written by hand: the good are clean, and nothing that is wrong with the others goes unnoticed.

mod cuts;
mod end_records;
mod entries;
mod sources;
mod writer;

use super::*;
use writer::{File, archive, file};

/// Every sort of entry that the canonical form knows, but for zip64.
fn canonical() -> Vec<File> {
    vec![
        file("a", b"hello"),
        file("b/", b""),
        file("b/empty", b""),
        file("b/\u{e4}.txt", &b"stored bytes ".repeat(20)),
        // A time that the exact field does not hold.
        file("old", b"x").both(|header| {
            header.extra.clear();
            header.dos = 0x0021_0000;
        }),
        // Its contents are another archive.
        file("z.zip", &archive(&[file("nested", b"inside")])),
    ]
}

fn kinds(report: &Report) -> Vec<Kind> {
    report.findings.iter().map(|(kind, _)| kind).collect()
}

#[track_caller]
fn assert_finds(bytes: &[u8], expected: &[Kind]) {
    let report = judge(bytes);
    assert_eq!(kinds(&report), expected, "{:#?}", report.findings);
}

#[test]
fn a_canonical_archive_is_clean() {
    let bytes = archive(&canonical());
    let report = judge(&bytes);
    assert!(report.findings.is_clean(), "{:#?}", report.findings);
    assert!(report.is_sound());
    assert_eq!((report.bytes, report.entries, report.checked), (bytes.len() as u64, 6, 6));
    assert_eq!(report.crc, Some(crc32fast::hash(&bytes)));
    assert_finds(&archive(&[]), &[]);
}

#[test]
fn no_changed_byte_goes_unnoticed() {
    let bytes = archive(&canonical());
    for at in 0..bytes.len() {
        for mask in [1, 2, 4, 8, 16, 32, 64, 128, 255, 0x41] {
            let mut changed = bytes.clone();
            changed[at] ^= mask;
            assert!(!judge(&changed).findings.is_clean(), "byte {at} ^ {mask:#x}");
        }
    }
}

#[test]
fn no_lost_or_added_byte_goes_unnoticed() {
    let bytes = archive(&canonical());
    for at in 0..bytes.len() {
        let (head, tail) = bytes.split_at(at);
        for changed in
            [head.to_vec(), tail[1..].to_vec(), [head, &tail[1..]].concat(), [head, b"\0", tail].concat()]
        {
            assert!(!judge(&changed).is_sound(), "byte {at}");
        }
    }
    assert!(!judge(&[&bytes[..], b"\0"].concat()).is_sound());
}

#[test]
fn examples_are_few_but_all_are_counted() {
    let files: Vec<_> =
        (0..50).map(|n| file(&format!("{n:02}"), b"x").both(|header| header.crc = 7)).collect();
    let report = judge(&archive(&files));
    let found: Vec<_> = report.findings.iter().collect();
    let [(Kind::Contents, found)] = found[..] else { panic!("{found:#?}") };
    assert_eq!((found.count, found.examples.len()), (50, proto::limits::EXAMPLES_MAX));
    assert_eq!(report.findings.count(Severity::Broken), 50);
    let first = found.examples.first().map(ToString::to_string);
    let sentence = "`00` at byte 0: its contents have CRC-32 8cdc1683, the directory says 00000007";
    assert_eq!(first.as_deref(), Some(sentence));
}

#[test]
fn names_are_shown_without_harm() {
    let hostile = format!("\u{1b}[2J{}", "n".repeat(5_000));
    let report = judge(&archive(&[file(&hostile, b"x")]));
    let sentences: Vec<_> =
        report.findings.iter().flat_map(|(_, found)| &found.examples).map(ToString::to_string).collect();
    assert!(!sentences.is_empty());
    assert!(
        sentences.iter().all(|sentence| sentence.len() < 400 && !sentence.contains('\u{1b}')),
        "{sentences:?}"
    );
}
