//! Bytes that nobody has, but of which everybody can tell the CRC: all objects hold stretches of one endless pattern.
//!
//! The pattern repeats at a prime length, so that a range that is off by little, or of another object, has another CRC.

use std::ops::Range;

use proto::crc::Crc;

/// Length after which the pattern repeats, in bytes.
const PERIOD: u64 = 65_521;

/// The pattern's CRCs.
#[derive(Debug)]
pub(super) struct Bytes {
    /// One period.
    period: Vec<u8>,
    /// CRC of so many periods: 1, 2, 4, and so on.
    doubled: Vec<Crc>,
}

impl Bytes {
    pub(super) fn new() -> Self {
        let mut state = 1_u32;
        let mut next = || {
            // Marsaglia's xorshift: any bytes will do, as long as they are always the same.
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state as u8
        };
        let period: Vec<u8> = (0..PERIOD).map(|_| next()).collect();
        let mut doubled = vec![Crc::of(&period)];
        while doubled.len() < 24 {
            let last = doubled[doubled.len() - 1];
            doubled.push(last.then(last));
        }
        Self { period, doubled }
    }

    /// CRC of a range of the object with this seed.
    pub(super) fn crc(&self, seed: u64, range: &Range<u64>) -> Crc {
        let shift = seed % PERIOD;
        let (from, to) = (shift + range.start, shift + range.end);
        let start = (from % PERIOD) as usize;
        let first = &self.period[start..];
        if to - from <= first.len() as u64 {
            return Crc::of(&first[..(to - from) as usize]);
        }
        let left = to - from - first.len() as u64;
        let periods = left / PERIOD;
        let mut crc = Crc::of(first);
        for (bit, doubled) in self.doubled.iter().enumerate() {
            if periods >> bit & 1 == 1 {
                crc = crc.then(*doubled);
            }
        }
        crc.then(Crc::of(&self.period[..(left % PERIOD) as usize]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_crc_of_a_range_is_that_of_its_bytes() {
        let bytes = Bytes::new();
        let pattern = bytes.period.repeat(12);
        for (seed, range) in
            [(0, 0..1), (7, 0..0), (65_520, 3..70_000), (65_521 + 5, 100..700_000), (9, 65_512..65_513)]
        {
            let shift = (seed % PERIOD) as usize;
            let expected = Crc::of(&pattern[shift + range.start as usize..shift + range.end as usize]);
            assert_eq!(bytes.crc(seed, &range), expected, "{seed} {range:?}");
        }
        let (head, rest) = (bytes.crc(3, &(0..1_000_000)), bytes.crc(3, &(1_000_000..50_000_000)));
        assert_eq!(head.then(rest), bytes.crc(3, &(0..50_000_000)));
    }
}
