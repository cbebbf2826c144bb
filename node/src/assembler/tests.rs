//! Any pieces, arriving in any order and in any slices, give the part they describe.

use super::*;
use proptest::prelude::*;
use proto::crc::StoredKind;
use proto::plan::PartNumber;

const OBJECT: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyz";

fn body(rest: &[u8]) -> Body {
    let (bucket, key, etag) = ("b".to_owned(), "k".to_owned(), "e".to_owned());
    Body {
        bucket,
        key,
        etag,
        object_bytes: OBJECT.len() as u64,
        stored: StoredKind::None,
        rest: Crc::of(rest),
    }
}

fn work(bodies: Vec<Body>, pieces: Vec<Piece>) -> PartWork {
    PartWork {
        number: PartNumber(1),
        bytes: pieces.iter().map(Piece::bytes).sum(),
        bodies,
        pieces,
        below: None,
    }
}

fn literal(bytes: &[u8], slots: &[(u32, u32)]) -> Piece {
    Piece::Literal {
        bytes: bytes.to_vec(),
        slots: slots.iter().map(|(at, body)| Slot { at: *at, body: *body }).collect(),
    }
}

fn fill(region: &mut Region, slice: usize) {
    while !region.is_full() {
        let missing = region.missing();
        let bytes = &OBJECT[missing.start as usize..missing.end as usize];
        region.push(&bytes[..bytes.len().min(slice)]).expect("it fits");
    }
}

#[test]
fn slots_get_the_crc_of_the_body_and_its_rest() {
    let pieces = vec![
        literal(b"<....>", &[(1, 0)]),
        Piece::Fetch { body: 0, range: 0..10 },
        Piece::Fetch { body: 0, range: 10..20 },
    ];
    let (mut assembler, regions) =
        Assembler::new(work(vec![body(&OBJECT[20..])], pieces), BytesMut::new()).expect("consistent");
    // Put back in the wrong order: the bytes still land where they belong.
    for mut region in regions.into_iter().rev() {
        fill(&mut region, 3);
        assembler.put_back(region);
    }
    let part = assembler.finish();
    let crc = Crc::of(OBJECT);
    let expected = [b"<", &crc.value.to_le_bytes()[..], b">", &OBJECT[..20]].concat();
    assert_eq!((part.bodies, &part.bytes[..]), (vec![crc], &expected[..]));
    assert_eq!(part.crc, Crc::of(&expected));
}

#[test]
fn a_body_without_bytes_here_has_the_crc_of_its_rest() {
    let (assembler, regions) =
        Assembler::new(work(vec![body(OBJECT)], vec![literal(b"....", &[(0, 0)])]), BytesMut::new())
            .expect("consistent");
    assert!(regions.is_empty());
    assert_eq!(assembler.finish().bytes, Crc::of(OBJECT).value.to_le_bytes()[..]);
}

#[test]
fn too_many_bytes_are_refused_and_damaged_ones_forgotten() {
    let pieces = vec![Piece::Fetch { body: 0, range: 5..9 }];
    let (mut assembler, mut regions) =
        Assembler::new(work(vec![body(b"")], pieces), BytesMut::new()).expect("consistent");
    let mut region = regions.pop().expect("one fetch");
    region.push(b"xx").expect("it fits");
    assert_eq!(region.missing(), 7..9);
    assert_eq!(region.push(b"xxx"), Err(AssembleError::TooMany));
    region.restart();
    assert_eq!(region.missing(), 5..9);
    fill(&mut region, 1);
    assembler.put_back(region);
    assert_eq!(&assembler.finish().bytes[..], b"5678");
}

#[test]
fn a_region_that_keeps_nothing_hashes_all_the_same() {
    let mut region = Region::hashed(0, 5..25);
    region.push(b"damaged").expect("it fits");
    assert_eq!(region.missing(), 12..25);
    region.restart();
    fill(&mut region, 7);
    assert_eq!(region.crc(), Crc::of(&OBJECT[5..25]));
    assert_eq!(region.push(b"x"), Err(AssembleError::TooMany));
}

#[test]
fn contradictions_are_refused() {
    let fetch = |body, range| Piece::Fetch { body, range };
    for (what, pieces, size) in [
        ("short", vec![literal(b"abc", &[])], 4),
        ("long", vec![literal(b"abc", &[])], 2),
        ("slot", vec![literal(b"abcd", &[(1, 0)])], 4),
        ("slot of no body", vec![literal(b"abcd", &[(0, 1)])], 4),
        ("fetch of no body", vec![fetch(1, 0..4)], 4),
        ("empty fetch", vec![fetch(0, 4..4)], 0),
        ("copy", vec![Piece::Copy { body: 0, range: 0..4 }], 4),
        ("copy among others", vec![fetch(0, 0..4), Piece::Copy { body: 0, range: 0..4 }], 8),
        ("backward fetch", vec![fetch(0, Range { start: 4, end: 0 })], 0),
    ] {
        let work = PartWork { bytes: size, ..work_of(pieces) };
        assert!(matches!(Assembler::new(work, BytesMut::new()), Err(AssembleError::Plan { .. })), "{what}");
    }
}

fn work_of(pieces: Vec<Piece>) -> PartWork {
    PartWork { number: PartNumber(1), bytes: 0, bodies: vec![body(b"")], pieces, below: None }
}

proptest! {
    /// Also in a buffer that held another part before: nothing of it may shine through.
    #[test]
    fn any_pieces_in_any_order(
        lengths in prop::collection::vec((any::<bool>(), 1u64..20), 1..12), order: u64, slice in 1usize..8, reused: bool,
    ) {
        let mut expected = Vec::new();
        let mut pieces = Vec::new();
        for (is_fetch, length) in lengths {
            expected.extend_from_slice(&OBJECT[..length as usize]);
            pieces.push(if is_fetch { Piece::Fetch { body: 0, range: 0..length } } else { literal(&OBJECT[..length as usize], &[]) });
        }
        let buffer = if reused { BytesMut::from(&[0xEE; 100][..]) } else { BytesMut::new() };
        let (mut assembler, mut regions) = Assembler::new(work(vec![body(b"")], pieces), buffer).expect("consistent");
        while !regions.is_empty() {
            let mut region = regions.swap_remove((order % regions.len() as u64) as usize);
            fill(&mut region, slice);
            assembler.put_back(region);
        }
        let part = assembler.finish();
        prop_assert_eq!(part.crc, Crc::of(&expected));
        prop_assert_eq!(&part.bytes[..], &expected[..]);
    }

    /// One allocation from beginning to end: what is uploaded is where the bytes arrived.
    #[test]
    fn nothing_is_copied_when_regions_grow_together(lengths in prop::collection::vec(1u64..30, 1..10)) {
        let pieces: Vec<Piece> = lengths.iter().map(|length| Piece::Fetch { body: 0, range: 0..*length }).collect();
        let buffer = BytesMut::with_capacity(lengths.iter().sum::<u64>() as usize);
        let before = buffer.as_ptr();
        let (mut assembler, regions) = Assembler::new(work(vec![body(b"")], pieces), buffer).expect("consistent");
        for mut region in regions {
            fill(&mut region, 30);
            assembler.put_back(region);
        }
        prop_assert_eq!(assembler.finish().bytes.as_ptr(), before);
    }
}
