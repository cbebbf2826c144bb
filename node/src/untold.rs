//! The CRC of a range that S3 copied without telling it: put together from what is known of the object and as
//! little reading as may be.

use std::ops::Range;

use proto::crc::Crc;

/// How the CRC of a range is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Untold {
    stretches: Vec<Stretch>,
}

/// Some of the range.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Stretch {
    Known(Crc),
    Read(Range<u64>),
    /// What follows `head`, which is to be read, in a stretch whose CRC is `whole`.
    After {
        whole: Crc,
        head: Range<u64>,
    },
}

impl Untold {
    /// That of `range`, where `known` are the CRCs of stretches of its object, from the object's first byte on, one
    /// behind the other. The object itself is one such stretch, and so is each part that it was uploaded in.
    #[must_use]
    pub fn of(range: &Range<u64>, known: &[Crc]) -> Self {
        let mut untold = Self { stretches: Vec::new() };
        let mut start = 0_u64;
        let mut reached = range.start;
        for crc in known {
            let end = start.saturating_add(crc.bytes);
            if end > reached && start < range.end {
                let tail = reached..end;
                let head = start..reached;
                if end > range.end {
                    untold.read(reached..range.end);
                } else if head.is_empty() {
                    untold.stretches.push(Stretch::Known(*crc));
                } else if head.end - head.start < tail.end - tail.start {
                    untold.stretches.push(Stretch::After { whole: *crc, head });
                } else {
                    untold.read(tail);
                }
                reached = end.min(range.end);
            }
            start = end;
        }
        if reached < range.end {
            untold.read(reached..range.end);
        }
        untold
    }

    /// What is to be read, in bytes from the start of the object.
    pub fn reads(&self) -> impl Iterator<Item = Range<u64>> {
        self.stretches.iter().filter_map(|stretch| match stretch {
            Stretch::Known(_) => None,
            Stretch::Read(range) | Stretch::After { head: range, .. } => Some(range.clone()),
        })
    }

    /// How many bytes that is.
    #[must_use]
    pub fn read_bytes(&self) -> u64 {
        self.reads().map(|range| range.end - range.start).sum()
    }

    /// The CRC of the range, given those of what was read, in the order of [`reads`](Self::reads).
    ///
    /// # Panics
    /// When there are fewer.
    #[must_use]
    pub fn join(&self, read: impl IntoIterator<Item = Crc>) -> Crc {
        let mut read = read.into_iter();
        let mut next = || read.next().expect("everything was read");
        self.stretches.iter().fold(Crc::EMPTY, |joined, stretch| {
            joined.then(match stretch {
                Stretch::Known(crc) => *crc,
                Stretch::Read(_) => next(),
                Stretch::After { whole, .. } => whole.after(next()),
            })
        })
    }

    /// Has this read too: one range with what is read in front of it, if they touch.
    fn read(&mut self, range: Range<u64>) {
        match self.stretches.last_mut() {
            Some(Stretch::Read(before)) if before.end == range.start => before.end = range.end,
            _ => self.stretches.push(Stretch::Read(range)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// From where to where is read, of an object of stretches with these sizes.
    fn reads(range: Range<u64>, sizes: &[u64]) -> Vec<(u64, u64)> {
        let known: Vec<Crc> = sizes.iter().map(|size| Crc::known(0, *size)).collect();
        Untold::of(&range, &known).reads().map(|range| (range.start, range.end)).collect()
    }

    #[test]
    fn what_is_known_is_not_read() {
        assert_eq!(reads(0..100, &[100]), []);
        assert_eq!(reads(10..40, &[10, 20, 10, 60]), []);
    }

    #[test]
    fn of_a_whole_only_its_end_is_found_and_only_if_less_is_read() {
        assert_eq!(reads(30..100, &[100]), [(0, 30)]);
        assert_eq!(reads(50..100, &[100]), [(50, 100)]);
        assert_eq!(reads(80..100, &[100]), [(80, 100)]);
        assert_eq!(reads(0..99, &[100]), [(0, 99)]);
        assert_eq!(reads(5..99, &[100]), [(5, 99)]);
    }

    #[test]
    fn of_parts_that_are_cut_the_edges_are_read() {
        assert_eq!(reads(8..35, &[10, 10, 10, 10]), [(8, 10), (30, 35)]);
        assert_eq!(reads(2..35, &[10, 10, 10, 10]), [(0, 2), (30, 35)], "the shorter side of the edge");
        assert_eq!(reads(12..18, &[10, 10, 10]), [(12, 18)]);
        assert_eq!(reads(18..25, &[10, 10, 10]), [(18, 25)], "two that touch are one");
    }

    #[test]
    fn what_nothing_is_known_of_is_read() {
        assert_eq!(reads(5..25, &[]), [(5, 25)]);
        assert_eq!(reads(5..25, &[3]), [(5, 25)]);
        assert_eq!(reads(5..25, &[10]), [(5, 25)], "as much is read either way");
        assert_eq!(reads(3..25, &[10]), [(0, 3), (10, 25)]);
    }

    proptest! {
        #[test]
        fn whatever_is_known_the_crc_is_that_of_the_bytes(
            bytes in prop::collection::vec(any::<u8>(), 1..200),
            sizes in prop::collection::vec(0_usize..60, 0..8),
            ends: (prop::sample::Index, prop::sample::Index),
        ) {
            let (first, second) = (ends.0.index(bytes.len()), ends.1.index(bytes.len()));
            let range = first.min(second) as u64..first.max(second) as u64 + 1;
            let crc = |range: Range<u64>| Crc::of(&bytes[range.start as usize..range.end as usize]);
            let (mut known, mut at) = (Vec::new(), 0);
            for size in sizes {
                let end = bytes.len().min(at + size);
                known.push(Crc::of(&bytes[at..end]));
                at = end;
            }
            let untold = Untold::of(&range, &known);
            prop_assert_eq!(untold.join(untold.reads().map(crc)), crc(range.clone()));
            prop_assert!(untold.read_bytes() <= range.end - range.start);
            prop_assert!(untold.reads().all(|read| !read.is_empty()));
        }
    }
}
