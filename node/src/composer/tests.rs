//! CRCs of what is composed, held against the bytes.

use super::*;
use proptest::prelude::*;
use proto::crc::StoredKind;
use proto::limits::MIB;
use proto::plan::{PartNumber, Slot};

/// The bytes of the object behind a body.
fn content(body: u32, bytes: u64) -> Vec<u8> {
    (0..bytes).map(|at| (at.wrapping_mul(u64::from(body) * 2 + 131) >> 3) as u8).collect()
}

/// A part of objects of these sizes, each behind a header that holds its CRC; the last reaches beyond the part.
fn work(sizes: &[u64], beyond: u64) -> PartWork {
    let (mut pieces, mut bodies) = (Vec::new(), Vec::new());
    for (index, size) in (0u32..).zip(sizes) {
        let is_last = index as usize + 1 == sizes.len();
        let object_bytes = size + if is_last { beyond } else { 0 };
        let object = content(index, object_bytes);
        pieces.push(Piece::Literal { bytes: vec![7; 40], slots: vec![Slot { at: 14, body: index }] });
        pieces.push(Piece::Fetch { body: index, range: 0..*size });
        bodies.push(Body {
            bucket: "b".into(),
            key: index.to_string(),
            etag: "e".into(),
            object_bytes,
            stored: StoredKind::None,
            rest: Crc::of(&object[*size as usize..]),
        });
    }
    pieces.push(Piece::Literal { bytes: vec![9; 30], slots: vec![Slot { at: 3, body: 0 }] });
    let bytes = pieces.iter().map(Piece::bytes).sum();
    PartWork { number: PartNumber(3), bytes, bodies, pieces, below: Some("a.zip.zipfleet-1/".into()) }
}

/// What the part is to hold.
fn wanted(work: &PartWork) -> Vec<u8> {
    let mut bytes = Vec::new();
    for piece in &work.pieces {
        match piece {
            Piece::Literal { bytes: literal, slots } => {
                let mut literal = literal.clone();
                for Slot { at, body } in slots {
                    let object = content(*body, work.bodies[*body as usize].object_bytes);
                    literal[*at as usize..*at as usize + 4]
                        .copy_from_slice(&Crc::of(&object).value.to_le_bytes());
                }
                bytes.extend(literal);
            }
            Piece::Fetch { body, range } | Piece::Copy { body, range } => {
                bytes.extend(&content(*body, range.end)[range.start as usize..]);
            }
        }
    }
    bytes
}

/// Makes every object from bytes, and holds its CRC against what the composer says.
fn compose(work: &PartWork) -> Vec<u8> {
    let composer = Composer::new(work.clone()).unwrap();
    let bytes_of = |source: &Source| match source {
        Source::Body { body, range } => content(*body, range.end)[range.start as usize..].to_vec(),
        _ => Vec::new(),
    };
    let told: Vec<Crc> =
        composer.composition().bodies().map(|(_, _, source)| Crc::of(&bytes_of(source))).collect();
    let composed = composer.seal(&told).unwrap();
    let mut objects: Vec<Vec<u8>> = Vec::new();
    let held = |source: &Source, objects: &[Vec<u8>]| match source {
        Source::Padding => vec![0; PADDING_BYTES as usize],
        Source::Literals => composed.literals.clone(),
        Source::Body { .. } => bytes_of(source),
        Source::Made { object, range } => objects[*object][range.start as usize..range.end as usize].to_vec(),
    };
    for (index, sources) in composed.composition.objects.iter().enumerate() {
        let mut whole = Vec::new();
        for source in sources {
            let bytes = held(source, &objects);
            assert_eq!(composed.crc(source), Crc::of(&bytes), "{source:?}");
            whole.extend(bytes);
        }
        assert_eq!(composed.object(index), Crc::of(&whole));
        objects.push(whole);
    }
    let part = held(&composed.composition.part, &objects);
    assert_eq!(composed.crc(&composed.composition.part), Crc::of(&part));
    part
}

#[test]
fn every_crc_is_that_of_the_bytes_and_the_part_is_right() {
    for (sizes, beyond) in [
        (vec![1], 0),
        (vec![5 * MIB], 9),
        (vec![100, 5, 3_000, 70, 11], 0),
        (vec![3 * MIB, 2 * MIB, 100, 11 * MIB, 7, 8], 100),
    ] {
        let work = work(&sizes, beyond);
        assert!(compose(&work) == wanted(&work), "{sizes:?}");
    }
}

#[test]
fn headers_of_more_than_the_padding_are_as_right() {
    let mut work = work(&[10, 20], 0);
    let Piece::Literal { bytes, .. } = &mut work.pieces[2] else { panic!("a header") };
    bytes.resize(6 * MIB as usize, 3);
    work.bytes = work.pieces.iter().map(Piece::bytes).sum();
    assert!(compose(&work) == wanted(&work));
}

#[test]
fn work_that_contradicts_itself_is_refused() {
    let spoilt: [fn(&mut PartWork); 10] = [
        |work| work.bytes += 1,
        |work| work.bodies[1].object_bytes = 1,
        |work| drop(work.bodies.pop()),
        |work| drop(work.pieces.remove(0)),
        |work| work.pieces.clear(),
        |work| {
            work.pieces.insert(2, Piece::Fetch { body: 0, range: 0..1 });
            work.bytes += 1;
        },
        |work| {
            work.pieces[3] = Piece::Fetch { body: 0, range: 0..10 };
            work.bytes -= 10;
        },
        |work| {
            work.bodies[0].object_bytes = 30;
            work.pieces[3] = Piece::Fetch { body: 0, range: 10..30 };
        },
        |work| {
            work.bodies[1].object_bytes = u64::MAX;
            work.pieces[3] = Piece::Fetch { body: 1, range: 0..u64::MAX };
            work.bytes = u64::MAX;
        },
        |work| work.bodies[1].rest = Crc { bytes: u64::MAX, ..Crc::of(&[1]) },
    ];
    for spoil in spoilt {
        let mut work = work(&[10, 20], 0);
        spoil(&mut work);
        assert!(Composer::new(work).is_err());
    }
    for (at, body) in [(37, 0), (u32::MAX, 0), (0, 2)] {
        let mut work = work(&[10, 20], 0);
        let Piece::Literal { slots, .. } = &mut work.pieces[0] else { panic!("a header") };
        slots[0] = Slot { at, body };
        let composer = Composer::new(work).unwrap();
        assert!(composer.seal(&[Crc::EMPTY; 2]).is_err(), "{at} {body}");
    }
}

proptest! {
    #[test]
    fn so_many_zeros_have_the_crc_of_zeros(bytes in 0_usize..5_000) {
        prop_assert_eq!(zeros(bytes as u64), Crc::of(&vec![0; bytes]));
    }
}
