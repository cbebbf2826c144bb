//! The checker of a part's work, held against damaged work.

use super::cases::{Case, object, segment};
use coordinator::ledger::Ledger;
use coordinator::plan_check::Fault as F;
use coordinator::plan_check::Record::{CentralHeader, LocalHeader};
use coordinator::plan_check::{check_composition, check_work};
use coordinator::work::part_work;
use proto::compose::{Composition, Source};
use proto::crc::Crc;
use proto::limits::MIB;
use proto::plan::{PartWork, Piece, Plan, Slot, Way};

/// Part 0 holds `a` and the beginning of `b`, part 1 goes on with it, part 2 holds `c`, `d`, the empty
/// `e` and the directory.
fn sound() -> (Plan, Vec<PartWork>) {
    let objects = [("a", MIB), ("b", 25 * MIB / 2), ("c", 2 * MIB), ("d", 1), ("e", 0)];
    let case = Case::new(Some(8 * MIB), objects.map(|(key, size)| object(key, size)).to_vec());
    let plan = case.plan().expect("it can be planned");
    let mut ledger = Ledger::default();
    ledger.grow(&plan);
    let mut works: Vec<PartWork> =
        (0..plan.parts.len()).map(|index| part_work(&plan, &ledger, index, segment)).collect();
    assert_eq!(works.len(), 3);
    works[0].bodies[1].rest = Crc::known(7, plan.parts[1].size());
    (plan, works)
}

fn literal(work: &mut PartWork, piece: usize) -> (&mut Vec<u8>, &mut Vec<Slot>) {
    match &mut work.pieces[piece] {
        Piece::Literal { bytes, slots } => (bytes, slots),
        Piece::Fetch { .. } | Piece::Copy { .. } => panic!("piece {piece} is not literal"),
    }
}

fn fetch(work: &mut PartWork, piece: usize) -> (&mut u32, &mut std::ops::Range<u64>) {
    match &mut work.pieces[piece] {
        Piece::Fetch { body, range } => (body, range),
        Piece::Literal { .. } | Piece::Copy { .. } => panic!("piece {piece} is no fetch"),
    }
}

fn empty_fetch(work: &mut PartWork) {
    work.pieces.insert(1, Piece::Fetch { body: 0, range: 0..0 });
}

type Damage = (&'static str, usize, fn(&mut PartWork), fn(&F) -> bool);

// Part 0 is: header of a, fetch, header of b, fetch. Part 2: header of c, fetch, header of d, fetch, then
// in one literal the header of e, five central headers and the end record.
const DAMAGES: &[Damage] = &[
    (
        "number",
        0,
        |w| w.number.0 = 2,
        |f| matches!(f, F::WorkMisnumbered(m) if (m.expected, m.found) == (1, 2)),
    ),
    ("size", 1, |w| w.bytes -= 1, |f| matches!(f, F::WorkMissized(_))),
    (
        "too long",
        2,
        |w| literal(w, 4).0.push(0),
        |f| matches!(f, F::WorkMissized(m) if m.found == m.expected + 1),
    ),
    ("swapped", 0, |w| w.pieces.swap(0, 1), |f| *f == F::PieceOutOfPlace(0)),
    ("lost fetch", 0, |w| drop(w.pieces.remove(1)), |f| *f == F::PieceOutOfPlace(1)),
    ("lost end", 2, |w| drop(w.pieces.pop()), |f| *f == F::PieceOutOfPlace(4)),
    ("short end", 2, |w| literal(w, 4).0.truncate(200), |f| *f == F::PieceOutOfPlace(4)),
    ("more behind", 0, |w| w.pieces.push(w.pieces[0].clone()), |f| *f == F::PieceOutOfPlace(4)),
    ("fetched short", 0, |w| fetch(w, 1).1.end -= 1, |f| *f == F::PieceOutOfPlace(2)),
    ("fetched on", 0, |w| fetch(w, 3).1.end += 1, |f| *f == F::PieceOutOfPlace(3)),
    ("other signature", 0, |w| literal(w, 0).0[0] ^= 1, |f| *f == F::WrongBytes(0, 0)),
    ("other time", 0, |w| literal(w, 2).0[10] ^= 1, |f| *f == F::WrongBytes(2, 0)),
    ("other end", 2, |w| literal(w, 4).0.reverse(), |f| matches!(f, F::WrongBytes(4, at) if *at > 0)),
    ("another's header", 0, |w| *literal(w, 0).0 = literal(w, 2).0.clone(), |f| *f == F::WrongBytes(0, 0)),
    ("crc of nothing", 2, |w| literal(w, 4).0[14] = 1, |f| *f == F::EmptyEntryWithCrc(4, 4)),
    ("empty fetch", 0, empty_fetch, |f| *f == F::BadRange(1)),
    ("beyond", 1, |w| fetch(w, 1).1.end += 1, |f| *f == F::BadRange(1)),
    ("backwards", 0, |w| fetch(w, 1).1.end = 0, |f| *f == F::BadRange(1)),
    (
        "shifted",
        0,
        |w| shift(w, 3),
        |f| matches!(f, F::RangeMisplaced(3, m) if (m.expected, m.found) == (0, 1)),
    ),
    ("out of order", 1, |w| w.pieces.swap(0, 1), |f| matches!(f, F::RangeMisplaced(0, _))),
    ("no such body", 0, |w| *fetch(w, 1).0 = 2, |f| *f == F::NoSuchBody(1, 2)),
    ("slot for no body", 0, |w| literal(w, 0).1[0].body = 9, |f| *f == F::NoSuchBody(0, 9)),
    ("unused body", 0, |w| w.bodies.push(w.bodies[0].clone()), |f| *f == F::BodyNotOwn(2)),
    ("shared body", 0, |w| *fetch(w, 3).0 = 0, |f| *f == F::BodyNotOwn(0)),
    ("two bodies", 1, two_bodies, |f| *f == F::BodyNotOwn(1)),
    ("other key", 0, |w| w.bodies[0].key.push('x'), |f| *f == F::BodyMismatch(0, 0)),
    ("other etag", 0, |w| w.bodies[1].etag.clear(), |f| *f == F::BodyMismatch(1, 1)),
    ("other size", 2, |w| w.bodies[0].object_bytes += 1, |f| *f == F::BodyMismatch(0, 2)),
    (
        "other checksum",
        2,
        |w| w.bodies[1].stored = proto::crc::StoredKind::None,
        |f| *f == F::BodyMismatch(1, 3),
    ),
    ("no rest", 0, |w| w.bodies[1].rest = Crc::EMPTY, |f| matches!(f, F::RestMissized(1, m) if m.found == 0)),
    (
        "rest behind all",
        0,
        |w| w.bodies[0].rest.bytes = 1,
        |f| matches!(f, F::RestMissized(0, m) if m.expected == 0),
    ),
    ("rest of no header", 1, |w| w.bodies[0].rest.bytes = 1, |f| matches!(f, F::RestMissized(0, _))),
    ("overlap", 0, |w| literal(w, 0).1.push(Slot { at: 17, body: 0 }), |f| *f == F::SlotsOverlap(0, 1)),
    ("twice", 0, |w| literal(w, 0).1.push(Slot { at: 14, body: 0 }), |f| *f == F::SlotsOverlap(0, 1)),
    ("disorder", 2, |w| literal(w, 4).1.reverse(), |f| *f == F::SlotsOverlap(4, 1)),
    ("outside", 0, |w| literal(w, 0).1.push(Slot { at: u32::MAX, body: 0 }), |f| *f == F::SlotOutside(0, 1)),
    ("stray", 0, |w| literal(w, 0).1.push(Slot { at: 18, body: 0 }), |f| *f == F::SlotStray(0, 1)),
    (
        "slot for nothing",
        2,
        |w| literal(w, 4).1.insert(0, Slot { at: 14, body: 0 }),
        |f| *f == F::SlotStray(4, 0),
    ),
    ("other body", 2, |w| literal(w, 4).1[0].body = 1, |f| *f == F::SlotWrongBody(4, 0)),
    ("no slot", 0, |w| literal(w, 2).1.clear(), |f| *f == F::SlotMissing(2, LocalHeader, 1)),
    ("one slot less", 2, |w| literal(w, 4).1.truncate(1), |f| *f == F::SlotMissing(4, CentralHeader, 3)),
];

fn shift(work: &mut PartWork, piece: usize) {
    let (_, range) = fetch(work, piece);
    *range = range.start + 1..range.end + 1;
}

fn two_bodies(work: &mut PartWork) {
    work.bodies.push(work.bodies[0].clone());
    *fetch(work, 1).0 = 1;
}

#[test]
fn sound_work_has_no_fault() {
    let (plan, works) = sound();
    for (index, work) in works.iter().enumerate() {
        assert_eq!(check_work(&plan, index, work), [], "part {index}");
    }
    assert_eq!(check_work(&plan, 3, &works[0]), [F::NoSuchPart(3)]);
}

/// The work of a part that joins a segment.
fn joined() -> (Plan, usize, PartWork) {
    let mut case = Case::new(Some(20 * MIB), vec![object("a", 30 * MIB)]);
    case.means.part_bytes_cap = 5 * MIB;
    let plan = case.plan().expect("it can be planned");
    let mut ledger = Ledger::default();
    ledger.grow(&plan);
    let index = plan.parts.iter().position(|part| matches!(part.way, Way::Joined(1)));
    let index = index.expect("there are two segments");
    let work = part_work(&plan, &ledger, index, segment);
    assert_eq!(check_work(&plan, index, &work), []);
    (plan, index, work)
}

type DamageOfJoined = (&'static str, fn(&mut PartWork), fn(&F) -> bool);

const DAMAGES_OF_JOINED: &[DamageOfJoined] = &[
    ("number", |w| w.number.0 = 9, |f| matches!(f, F::WorkMisnumbered(m) if m.expected == 2)),
    ("fetched", fetch_segment, |f| *f == F::PieceOutOfPlace(0)),
    ("nothing", |w| w.pieces.clear(), |f| *f == F::PieceOutOfPlace(0)),
    ("more", |w| w.pieces.push(w.pieces[0].clone()), |f| *f == F::PieceOutOfPlace(1)),
    ("no body", |w| w.bodies.clear(), |f| *f == F::NoSuchBody(0, 0)),
    ("two bodies", |w| w.bodies.push(w.bodies[0].clone()), |f| *f == F::BodyNotSegment(1)),
    ("other size", |w| w.bodies[0].object_bytes += 1, |f| *f == F::BodyNotSegment(0)),
    ("rest", |w| w.bodies[0].rest.bytes = 1, |f| *f == F::BodyNotSegment(0)),
];

fn fetch_segment(work: &mut PartWork) {
    work.pieces = vec![Piece::Fetch { body: 0, range: 0..work.bytes }];
}

#[test]
fn every_damage_to_work_that_joins_is_named() {
    let (plan, index, sound) = joined();
    for (name, damage, names_it) in DAMAGES_OF_JOINED {
        let mut work = sound.clone();
        damage(&mut work);
        let faults = check_work(&plan, index, &work);
        assert!(faults.iter().any(names_it), "{name}: {faults:?}");
    }
}

type DamageOfComposition = (&'static str, fn(&mut Composition), fn(&F) -> bool);

// Object 0 is the block, 1 and 2 are the leaves of c and d, 3 is both together, 4 that and the rest of the block.
const DAMAGES_OF_COMPOSITION: &[DamageOfComposition] = &[
    (
        "no padding",
        |c| c.objects[0].retain(|source| *source != Source::Padding),
        |f| *f == F::ObjectCannotBeMade(1),
    ),
    ("small in front", |c| c.objects[1].reverse(), |f| *f == F::ObjectCannotBeMade(1)),
    ("of itself", |c| reach(c, 2, |object, _| *object = 2), |f| *f == F::ObjectCannotBeMade(2)),
    ("beyond", |c| reach(c, 3, |_, range| range.end += MIB), |f| *f == F::ObjectCannotBeMade(3)),
    ("made twice", |c| c.levels[0].end += 1, |f| *f == F::ObjectCannotBeMade(3)),
    ("not made", |c| c.levels.truncate(c.levels.len() - 1), |f| *f == F::ObjectCannotBeMade(4)),
    ("padding kept", |c| reach_part(c, |range| range.start -= 1), |f| *f == F::ComposedAmiss),
    ("cut short", |c| reach_part(c, |range| range.end -= 1), |f| *f == F::ComposedAmiss),
    ("other header", |c| reach(c, 1, |_, range| range.start -= 1), |f| *f == F::ComposedAmiss),
    ("literals", |c| c.part = Source::Literals, |f| *f == F::ComposedAmiss),
];

fn reach(composition: &mut Composition, of: usize, with: fn(&mut usize, &mut std::ops::Range<u64>)) {
    match &mut composition.objects[of][0] {
        Source::Made { object, range } => with(object, range),
        other => panic!("{other:?} is not made"),
    }
}

fn reach_part(composition: &mut Composition, with: fn(&mut std::ops::Range<u64>)) {
    match &mut composition.part {
        Source::Made { range, .. } => with(range),
        other => panic!("{other:?} is not made"),
    }
}

#[test]
fn every_damage_to_a_composition_is_named() {
    let (_, works) = sound();
    let sound = Composition::of(&works[2]).expect("it has headers");
    assert_eq!(check_composition(&works[2], &sound), []);
    for (name, damage, names_it) in DAMAGES_OF_COMPOSITION {
        let mut composition = sound.clone();
        damage(&mut composition);
        let faults = check_composition(&works[2], &composition);
        assert!(faults.iter().any(names_it), "{name}: {faults:?}");
    }
}

#[test]
fn every_damage_is_named() {
    let (plan, works) = sound();
    for (name, part, damage, names_it) in DAMAGES {
        let mut work = works[*part].clone();
        damage(&mut work);
        let faults = check_work(&plan, *part, &work);
        assert!(faults.iter().any(names_it), "{name}: {faults:?}");
    }
}

#[test]
fn work_of_another_part_is_faulty() {
    let (plan, works) = sound();
    for (index, other) in [(0, 1), (1, 2), (2, 0), (1, 0)] {
        assert!(!check_work(&plan, index, &works[other]).is_empty());
    }
}
