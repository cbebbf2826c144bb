//! Archives against the source objects they should hold.

use proto::listing::{Etag, SourceObject};

use super::super::Kind::*;
use super::super::*;
use super::writer::{TIME, body, file};

fn expected(name: &str, size: u64, modified: i64) -> Expected {
    let object = SourceObject {
        source: 0,
        bucket: 0,
        stored: proto::crc::StoredKind::None,
        key: name.into(),
        size,
        etag: Etag::parse("x"),
        modified,
    };
    Expected { name: name.into(), object }
}

fn layout(names: &[&str]) -> Layout {
    let files: Vec<_> = names.iter().map(|name| file(name, b"12345")).collect();
    let (_, directory, offset) = body(&files);
    let directory_end = u64::from(offset) + directory.len() as u64;
    let ends = Ends { entries: names.len() as u64, directory: u64::from(offset)..directory_end };
    let mut central = Central::new(&ends);
    let mut findings = Findings::default();
    central.feed(&directory, &mut findings);
    let layout = Layout::new(central.finish(&mut findings).0, offset.into(), &mut findings);
    assert!(findings.is_clean());
    layout
}

fn matched(names: &[&str], expected: &[Expected]) -> (Vec<Option<u32>>, Vec<Kind>) {
    let layout = layout(names);
    let mut findings = Findings::default();
    let matches = Matches::new(&layout, expected, &mut findings);
    let sources = (0..names.len() as u32).map(|entry| matches.source(entry)).collect();
    (sources, findings.iter().map(|(kind, _)| kind).collect())
}

#[test]
fn names_sizes_times_and_order() {
    let time = i64::from(TIME);
    let good = |name| expected(name, 5, time);
    assert_eq!(matched(&["a", "b"], &[good("a"), good("b")]), (vec![Some(0), Some(1)], vec![]));
    assert_eq!(matched(&[], &[]), (vec![], vec![]));
    assert_eq!(matched(&["a"], &[good("b")]), (vec![None], vec![Missing, Surplus]));
    assert_eq!(matched(&["a", "b"], &[good("b")]), (vec![None, Some(0)], vec![Surplus]));
    assert_eq!(matched(&["b"], &[good("a"), good("b"), good("c")]), (vec![Some(1)], vec![Missing]));
    assert_eq!(matched(&["b", "a"], &[good("a"), good("b")]), (vec![Some(1), Some(0)], vec![SourceOrder]));
    assert_eq!(matched(&["a"], &[expected("a", 6, time)]), (vec![None], vec![SourceSize]));
    assert_eq!(matched(&["a"], &[expected("a", 5, time + 1)]), (vec![Some(0)], vec![SourceTime]));
}

#[test]
fn contents() {
    let layout = layout(&["a", "b"]);
    let mut verdict = Verdict::default();
    verdict.add_difference(1, 4);
    verdict.add_difference(1, 3);
    verdict.add_difference(1, 5);
    let findings = verdict.finish(&layout, 0, None).findings;
    let sentences: Vec<_> =
        findings.iter().flat_map(|(_, found)| &found.examples).map(ToString::to_string).collect();
    assert_eq!(sentences, ["`b` at byte 45: its contents differ from its source object's from byte 3 on"]);
}
