//! Ropes: any sequence of cuts and joins is what it would be on bytes.

use bytes::Bytes;
use proptest::prelude::*;
use simulations_s3::Rope;

const PERIOD: u64 = 16_777_213;

fn rope() -> impl Strategy<Value = Rope> {
    let real = proptest::collection::vec(any::<u8>(), 0..300).prop_map(Rope::from);
    let synthetic = (any::<u64>(), 0..3000_u64).prop_map(|(seed, size)| Rope::synthetic(seed, size));
    let late = (any::<u64>(), 0..3000_u64)
        .prop_map(|(seed, size)| Rope::synthetic(seed, PERIOD + size).slice(PERIOD - 10..PERIOD + size));
    prop_oneof![real, synthetic, late]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn cut_and_joined_as_bytes_are(
        ropes in proptest::collection::vec(rope(), 0..8),
        cut in (0.0..1.0_f64, 0.0..1.0_f64),
    ) {
        let joined = Rope::concat(&ropes);
        let bytes: Vec<u8> = ropes.iter().flat_map(|rope| rope.to_bytes()).collect();
        prop_assert_eq!(joined.to_bytes(), &bytes);
        prop_assert_eq!(joined.len(), bytes.len() as u64);
        prop_assert_eq!(joined.crc32(), crc32(&bytes));
        prop_assert!(joined == Rope::from(bytes.clone()));

        let place = |share: f64| (share * bytes.len() as f64) as u64;
        let (start, end) = (place(cut.0.min(cut.1)), place(cut.0.max(cut.1)));
        let slice = joined.slice(start..end);
        prop_assert_eq!(slice.to_bytes(), &bytes[start as usize..end as usize]);
        prop_assert_eq!(slice.crc32(), crc32(&bytes[start as usize..end as usize]));
    }
}

fn crc32(bytes: &[u8]) -> u32 {
    Rope::from(bytes.to_vec()).crc32()
}

#[test]
fn the_crc_of_a_rope_is_zips() {
    assert_eq!(Rope::from("123456789").crc32(), 0xcbf4_3926);
}

#[test]
fn synthetic_content_repeats_only_after_a_prime() {
    let rope = Rope::synthetic(5, 3 * PERIOD);
    let at = |offset: u64| rope.slice(offset..offset + 64).to_bytes();
    assert_eq!(at(100), at(100 + PERIOD));
    for power in 6..24 {
        assert_ne!(at(100), at(100 + (1 << power)), "a power of two, 2^{power}");
    }
    assert_ne!(at(0), Rope::synthetic(6, 64).to_bytes());
    assert_eq!(rope.resident(), 0);
}

#[test]
fn the_crc_of_twenty_gigabytes_costs_nothing() {
    let one = Rope::synthetic(1, 20_000_000_000);
    let halves = [one.slice(0..7_000_000_001), one.slice(7_000_000_001..20_000_000_000)];
    assert_eq!(Rope::concat(&halves).crc32(), one.crc32());
    assert!(Rope::concat(&halves) == one);
}

#[test]
fn ropes_of_the_same_bytes_are_equal_however_they_lie() {
    let whole = Rope::from("abcdef");
    let pieces = Rope::concat(&[Rope::from("ab"), Rope::from(Bytes::new()), Rope::from("cdef")]);
    assert!(whole == pieces);
    assert!(whole != Rope::from("abcdeg"));
    assert!(whole != Rope::from("abcde"));
}
