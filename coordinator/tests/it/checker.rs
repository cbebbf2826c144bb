//! A checker that cannot fail is worthless: each rule is broken once, and the checker must name it.

use super::cases::{Case, object};
use coordinator::plan_check::Fault as F;
use coordinator::plan_check::Record::{CentralHeader, LocalHeader};
use coordinator::plan_check::{check, check_collisions, check_sizes};
use proto::limits::{GIB, MIB};
use proto::plan::{Entry, EntryName, Part, PartNumber, Plan, Way};

/// Part 0 holds `a` and the beginning of `b`, parts 1 to 3 the rest of `b`, part 4 `c/d`, the empty
/// `c/e`, all central headers and the end records.
fn sound() -> Plan {
    let objects = [("a", MIB), ("b", 20 * MIB), ("c/d", 3 * MIB), ("c/e", 0)];
    let case = Case::new(Some(5 * MIB), objects.map(|(key, size)| object(key, size)).to_vec());
    let plan = case.plan().expect("it can be planned");
    assert_eq!(plan.parts.len(), 5);
    case.judge_plan(&plan);
    plan
}

/// Moves the border between two parts.
fn move_border(plan: &mut Plan, before: usize, by: i64) {
    let border = plan.parts[before].bytes.end.checked_add_signed(by).expect("within the archive");
    plan.parts[before].bytes.end = border;
    plan.parts[before + 1].bytes.start = border;
}

/// A part behind the five of the plan.
fn end_part(bytes: std::ops::Range<u64>) -> Part {
    Part { number: PartNumber(6), within: None, bytes, way: Way::Streamed, headers: 4..4, directory: 0..0 }
}

fn rename(plan: &mut Plan, entry: usize, name: &str) {
    plan.entries[entry].name = EntryName::Mapped(name.into());
}

/// Two entries that both span, the second beginning in the middle of a part.
fn chained(plan: &mut Plan) {
    let mut second = 8 * MIB;
    let entry =
        |key: &str, offset| Entry { object: object(key, 8 * MIB), name: EntryName::KeyFrom(0), offset };
    let first = entry("a", 0);
    second += first.data().start;
    plan.entries = vec![first, entry("b", second)];
    let part = |bytes, headers| Part { headers, ..end_part(bytes) };
    let borders = [0, 5 * MIB, 11 * MIB, plan.entries[1].data().end];
    plan.parts = vec![
        part(borders[0]..borders[1], 0..1),
        part(borders[1]..borders[2], 1..2),
        part(borders[2]..borders[3], 2..2),
        part(borders[3]..borders[3] + 134, 2..2),
    ];
}

type Damage = (&'static str, fn(&mut Plan), fn(&F) -> bool);

const DAMAGES: &[Damage] = &[
    ("copied header", |p| p.parts[0].way = Way::Copied, |f| *f == F::CopiedHoldsMore(0)),
    ("copied directory", |p| p.parts[4].way = Way::Copied, |f| *f == F::CopiedHoldsMore(4)),
    ("composed data", |p| p.parts[1].way = Way::Composed, |f| *f == F::ComposedHoldsNoEntry(1)),
    ("parent", |p| rename(p, 0, "../a"), |f| *f == F::BadName(0)),
    ("absolute", |p| rename(p, 1, "/b"), |f| *f == F::BadName(1)),
    ("empty", |p| rename(p, 1, ""), |f| *f == F::BadName(1)),
    ("folded", |p| rename(p, 1, "b//c"), |f| *f == F::BadName(1)),
    ("control", |p| rename(p, 1, "b\u{7f}"), |f| *f == F::BadName(1)),
    ("backslash", |p| rename(p, 1, "b\\c"), |f| *f == F::BadName(1)),
    ("drive", |p| rename(p, 1, "b:c"), |f| *f == F::BadName(1)),
    ("directory with data", |p| rename(p, 1, "b/"), |f| *f == F::BadName(1)),
    ("long", |p| rename(p, 1, &"b".repeat(1_025)), |f| *f == F::BadName(1)),
    ("beyond the key", |p| p.entries[0].name = EntryName::KeyFrom(2), |f| *f == F::BadName(0)),
    ("twice", |p| rename(p, 1, "a"), |f| *f == F::Collision(0, 1)),
    ("file and directory", |p| rename(p, 3, "a/"), |f| *f == F::Collision(0, 3)),
    ("file and folder", |p| rename(p, 0, "c"), |f| *f == F::Collision(0, 2)),
    (
        "longer name",
        |p| rename(p, 0, "ab"),
        |f| matches!(f, F::EntryMisplaced(1, m) if m.expected == m.found + 1),
    ),
    ("larger object", |p| p.entries[1].object.size += 1, |f| matches!(f, F::EntryMisplaced(2, _))),
    ("time left out", |p| p.entries[2].object.modified = -1, |f| matches!(f, F::EntryMisplaced(3, _))),
    ("gap in front", |p| p.entries[0].offset = 1, |f| matches!(f, F::EntryMisplaced(0, _))),
    ("huge object", |p| p.entries[3].object.size = u64::MAX, |f| matches!(f, F::DirectoryMisplaced(_))),
    ("no directory", |p| p.directory = None, |f| *f == F::Unfinished),
    (
        "directory late",
        |p| p.directory.iter_mut().for_each(|d| d.start += 1),
        |f| matches!(f, F::DirectoryMisplaced(_)),
    ),
    (
        "directory long",
        |p| p.directory.iter_mut().for_each(|d| d.end += 1),
        |f| matches!(f, F::DirectoryMissized(_)),
    ),
    ("short archive", |p| p.parts[4].bytes.end -= 1, |f| matches!(f, F::ArchiveMissized(_))),
    ("no parts", |p| p.parts.clear(), |f| matches!(f, F::ArchiveMissized(m) if m.found == 0)),
    ("end records apart", cut_end_records, |f| *f == F::EndRecordsCut),
    ("many parts", |p| p.parts = vec![p.parts[0].clone(); 10_001], |f| *f == F::TooManyParts(10_000)),
    (
        "gap",
        |p| p.parts[2].bytes.start += 1,
        |f| matches!(f, F::PartMisplaced(2, m) if m.found == m.expected + 1),
    ),
    ("overlap", |p| p.parts[2].bytes.end += 1, |f| matches!(f, F::PartMisplaced(3, _))),
    ("late start", |p| p.parts[0].bytes.start = 1, |f| matches!(f, F::PartMisplaced(0, _))),
    ("empty part", |p| p.parts[2].bytes.start = p.parts[2].bytes.end, |f| *f == F::PartEmpty(2)),
    ("backwards part", |p| p.parts[2].bytes.start = p.parts[2].bytes.end + 9, |f| *f == F::PartEmpty(2)),
    ("small part", |p| move_border(p, 0, -1), |f| *f == F::PartTooSmall(0)),
    ("large part", |p| p.parts[1].bytes.end += 5 * GIB, |f| *f == F::PartTooLarge(1)),
    ("listed twice", |p| p.parts[4].headers = 1..4, |f| *f == F::ListedOutOfOrder(4, LocalHeader, 2)),
    ("left out between", |p| p.parts[0].headers = 0..1, |f| *f == F::ListedOutOfOrder(1, LocalHeader, 1)),
    ("lost place", |p| p.parts[2].headers = 0..0, |f| *f == F::ListedOutOfOrder(2, LocalHeader, 2)),
    (
        "backwards list",
        |p| p.parts[3].headers = backwards(),
        |f| *f == F::ListedOutOfOrder(3, LocalHeader, 2),
    ),
    ("late list", |p| p.parts[4].directory = 1..4, |f| *f == F::ListedOutOfOrder(4, CentralHeader, 0)),
    ("too long a list", |p| p.parts[4].headers = 2..5, |f| *f == F::ListedBeyondEntries(4, LocalHeader, 4)),
    ("left out", |p| p.parts[4].headers = 2..3, |f| *f == F::NotListed(LocalHeader, 3)),
    ("left out of the directory", |p| p.parts[4].directory = 0..3, |f| *f == F::NotListed(CentralHeader, 3)),
    ("listed too early", list_early, |f| *f == F::ListedElsewhere(3, LocalHeader, 2)),
    ("header cut in front", |p| move_border(p, 3, 10), |f| *f == F::HeaderCut(4, LocalHeader, 2)),
    ("header cut at its end", cut_header, |f| *f == F::HeaderCut(0, LocalHeader, 0)),
    ("central header cut", cut_central_header, |f| *f == F::HeaderCut(4, CentralHeader, 0)),
    ("ends inside", |p| move_border(p, 3, 100), |f| *f == F::SpanEndsInside(1, 3)),
    ("ends in the next", |p| move_border(p, 3, -100), |f| *f == F::SpanEndsInside(1, 4)),
    ("headers in a continuation", list_early, |f| *f == F::ContinuationHoldsHeaders(1, 3)),
    ("chain", chained, |f| *f == F::ChainOfWaiting(0, 1)),
    ("large for a node", |p| p.parts[1].bytes.end += 100 * MIB, |f| *f == F::PartExceedsNode(1)),
];

/// Parts 0 to 3 are leaves of the first segment, which part 4 joins, 5 to 8 and 9 of the second; the last holds the
/// directory. `b` reaches from the first segment into the second.
fn segmented() -> Plan {
    let objects = [("a", MIB), ("b", 34 * MIB), ("c/d", 6 * MIB), ("c/e", 0)];
    let mut case = Case::new(Some(22 * MIB), objects.map(|(key, size)| object(key, size)).to_vec());
    case.means.part_bytes_cap = 5 * MIB;
    let plan = case.plan().expect("it can be planned");
    case.judge_plan(&plan);
    let joined: Vec<usize> = (0..plan.parts.len()).filter(|index| !plan.leaves(*index).is_empty()).collect();
    assert_eq!((joined, plan.parts.len()), (vec![4, 9], 11));
    plan
}

const DAMAGES_OF_SEGMENTS: &[Damage] = &[
    ("sizes", |p| p.parts[4].bytes.end -= 1, |f| matches!(f, F::JoinedMissized(4, _))),
    ("begins late", |p| p.parts[4].bytes.start += 1, |f| matches!(f, F::PartMisplaced(4, _))),
    ("leaf begins late", |p| p.parts[5].bytes.start += 1, |f| matches!(f, F::PartMisplaced(5, _))),
    ("gap between leaves", |p| p.parts[1].bytes.start += 1, |f| matches!(f, F::PartMisplaced(1, _))),
    ("small leaf", |p| move_border(p, 0, -1), |f| *f == F::PartTooSmall(0)),
    ("own part among leaves", |p| p.parts[1].within = None, |f| *f == F::JoinedAstray(1, 0)),
    ("other segment", |p| p.parts[1].within = Some(1), |f| *f == F::LeafAstray(1, 1)),
    ("segment left out", |p| p.parts[9].way = Way::Joined(2), |f| *f == F::JoinedAstray(9, 2)),
    ("joined twice", |p| p.parts.insert(5, p.parts[4].clone()), |f| *f == F::JoinedAstray(5, 0)),
    ("joined by none", |p| p.parts[9].way = Way::Streamed, |f| *f == F::JoinedAstray(9, 1)),
    ("never joined", |p| p.parts.truncate(9), |f| *f == F::NotJoined),
    ("joined into another", |p| p.parts[4].within = Some(0), |f| *f == F::JoinedHoldsMore(4)),
    ("joined with headers", |p| p.parts[4].headers = 0..1, |f| *f == F::JoinedHoldsMore(4)),
    ("numbered through", |p| p.parts[5].number = PartNumber(5), |f| matches!(f, F::PartMisnumbered(5, _))),
    ("joined as a leaf", |p| p.parts[4].number = PartNumber(5), |f| matches!(f, F::PartMisnumbered(4, _))),
    ("directory inside", |p| p.parts[10].within = Some(2), |f| *f == F::DirectoryInSegment(10)),
    ("large segment", |p| p.parts[4].bytes.end += 5 * GIB, |f| *f == F::PartTooLarge(4)),
    ("many leaves", many_leaves, |f| *f == F::TooManyParts(10_000)),
    ("chain across", |p| p.parts[5].directory = 0..1, |f| *f == F::ChainOfWaiting(0, 5)),
];

fn many_leaves(plan: &mut Plan) {
    let leaf = plan.parts[1].clone();
    plan.parts.splice(1..2, vec![leaf; 10_001]);
}

fn backwards() -> std::ops::Range<u32> {
    std::ops::Range { start: 2, end: 1 }
}

fn cut_end_records(plan: &mut Plan) {
    let end = plan.bytes();
    plan.parts[4].bytes.end = end - 21;
    plan.parts.push(end_part(end - 21..end));
}

fn list_early(plan: &mut Plan) {
    plan.parts[3].headers = 2..3;
    plan.parts[4].headers = 3..4;
}

fn cut_header(plan: &mut Plan) {
    let border = plan.parts[0].bytes.start + 20;
    move_border(plan, 0, border.cast_signed() - plan.parts[0].bytes.end.cast_signed());
}

fn cut_central_header(plan: &mut Plan) {
    let border = plan.directory.clone().map_or(0, |directory| directory.start) + 5;
    let end = plan.bytes();
    plan.parts[4].bytes.end = border;
    plan.parts.push(end_part(border..end));
}

pub(crate) fn find(plan: &Plan) -> Vec<F> {
    let mut faults = check(plan);
    faults.extend(check_collisions(plan));
    faults.extend(check_sizes(plan, 11 * MIB));
    faults
}

#[test]
fn a_sound_plan_has_no_fault() {
    assert_eq!(find(&sound()), []);
    assert_eq!(find(&segmented()), []);
}

#[test]
fn every_damage_is_named() {
    let of_segments = DAMAGES_OF_SEGMENTS.iter().map(|damage| (damage, segmented()));
    for ((name, damage, names_it), mut plan) in
        DAMAGES.iter().map(|damage| (damage, sound())).chain(of_segments)
    {
        damage(&mut plan);
        let faults = find(&plan);
        assert!(faults.iter().any(names_it), "{name}: {faults:?}");
        assert!(faults.iter().all(|fault| !fault.to_string().is_empty()));
    }
}

/// Every variant of `Fault` as its source has them, so that none is added without a test.
#[test]
fn every_rule_is_broken_by_some_test() {
    let source = include_str!("../../src/plan_check/fault.rs");
    let tests = [include_str!("checker.rs"), include_str!("checker_of_work.rs")].concat();
    let mut lines = source.lines().skip_while(|line| !line.starts_with("pub enum Fault"));
    let mut rules = 0;
    while lines.any(|line| line.trim_start().starts_with("#[error(")) {
        let variant = lines.next().expect("an attribute stands before a variant").trim();
        let name = &variant[..variant.find(['(', ',']).expect("a variant ends in a comma")];
        assert!(tests.contains(&format!("F::{name}")), "no test breaks {name}");
        rules += 1;
    }
    assert!(rules > 30, "the source is not read as it is written: {rules} rules");
}
