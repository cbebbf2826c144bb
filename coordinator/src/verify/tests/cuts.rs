//! However the bytes are cut and in whatever order they are read, the verdict is the same.

use super::super::*;
use super::canonical;
use super::writer::{File, archive, file};
use proptest::prelude::*;

/// Judges as a driver would: runs of about `run` bytes, the last first, fed `step` bytes at a time.
fn judge_cut(archive: &[u8], run: u64, step: usize) -> Report {
    let bytes = archive.len() as u64;
    let mut findings = Findings::default();
    let tail = &archive[archive.len().saturating_sub(TAIL_BYTES as usize)..];
    let Some(ends) = find(tail, bytes, &mut findings) else { return Report::unreadable(bytes, findings) };
    let slice = |range: std::ops::Range<u64>| &archive[range.start as usize..range.end as usize];
    let mut central = Central::new(&ends);
    slice(ends.directory.clone()).chunks(step).for_each(|chunk| central.feed(chunk, &mut findings));
    let (entries, directory) = central.finish(&mut findings);
    let layout = Layout::new(entries, ends.directory.start, &mut findings);
    let runs: Vec<_> = layout.runs(run).collect();
    let covered = runs.iter().fold(0, |at, run| {
        assert!(run.range.start == at && run.range.end > at);
        run.range.end
    });
    assert_eq!(covered, ends.directory.start);

    let mut verdict = Verdict::new(findings);
    for run in runs.iter().rev() {
        let mut walk = Walk::new(&layout, run);
        let mut bodies = Vec::<(u32, std::ops::Range<u64>)>::new();
        for chunk in slice(run.range.clone()).chunks(step) {
            walk.feed(chunk, |seen| {
                let end = seen.at + seen.bytes.len() as u64;
                match bodies.last_mut() {
                    Some((entry, range)) if *entry == seen.entry => range.end = end,
                    _ => bodies.push((seen.entry, seen.at..end)),
                }
            });
        }
        let mut announced = layout.bodies(run);
        // What is seen was announced, in that order.
        assert!(bodies.iter().all(|body| announced.any(|other| other == *body)), "{bodies:?}");
        verdict.add(&layout, walk.finish());
    }
    verdict.add_bytes(ends.directory.end, Crc::of(slice(ends.directory.end..bytes)));
    verdict.add_bytes(ends.directory.start, directory);
    verdict.finish(&layout, bytes, None)
}

/// Entries of many forms, some of them broken.
fn zoo() -> Vec<File> {
    let mut files = canonical();
    files.extend([
        file("c1", b"wrong crc of contents").both(|header| header.crc ^= 1),
        file("c2", b"local header longer than usual").with(|file| file.local.extra.extend(b"xx\x02\0ab")),
        file("c3", b"gap").with(|file| file.after = vec![7; 100]),
        file("c4", b"descriptor").both(|header| header.flags |= 8).with(|file| {
            file.after = [&file.local.crc.to_le_bytes()[..], b"\x0a\0\0\0\x0a\0\0\0"].concat();
        }),
        file("c5", b"bad name length").with(|file| file.local.name.extend(b"!")),
        file("c6", b"no header").with(|file| file.offset = Some(900)),
        file("c7", b"deflated, or so it says").both(|header| header.method = 8),
        file("c8", &[9; 300]),
    ]);
    files
}

#[test]
fn cuts_do_not_matter() {
    for bytes in [archive(&canonical()), archive(&zoo()), archive(&[])] {
        let whole = judge(&bytes);
        for run in (1..80).chain([100, 400, 1_000]) {
            assert_eq!(judge_cut(&bytes, run, 1), whole, "runs of {run}");
            assert_eq!(judge_cut(&bytes, run, 17), whole, "runs of {run}");
        }
        assert!(whole.crc == Some(crc32fast::hash(&bytes)));
    }
}

#[test]
fn a_stored_crc_is_compared() {
    let layout = Layout::new(Vec::new(), 0, &mut Findings::default());
    let report = |stored| {
        let mut verdict = Verdict::default();
        verdict.add_bytes(3, Crc::of(b"456"));
        verdict.add_bytes(0, Crc::of(b"123"));
        verdict.finish(&layout, 6, stored)
    };
    assert!(report(None).findings.is_clean());
    assert!(report(Some(crc32fast::hash(b"123456"))).findings.is_clean());
    assert_eq!(super::kinds(&report(Some(1))), [Kind::StoredCrc]);
}

proptest! {
    #[test]
    fn garbage_is_judged(bytes: Vec<u8>, run in 1u64..100) {
        prop_assert_eq!(judge_cut(&bytes, run, 7), judge(&bytes));
        let ended = [&bytes[..], b"PK\x05\x06\0\0\0\0\x01\0\x01\0\0\0\0\0\0\0\0\0\0\0"].concat();
        prop_assert!(!judge(&ended).is_sound());
    }

    #[test]
    fn damage_is_judged_alike_however_it_is_cut(
        changes in prop::collection::vec((any::<prop::sample::Index>(), prop_oneof![Just(0), Just(0xFF), any::<u8>()]), 1..8),
        run in 1u64..300,
        step in 1usize..50,
    ) {
        let mut bytes = archive(&zoo());
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        prop_assert_eq!(judge_cut(&bytes, run, step), judge(&bytes));
    }
}
