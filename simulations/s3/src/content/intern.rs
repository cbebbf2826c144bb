//! Interning: received bytes that equal stretches of the synthetic block are kept as references to it.
//!
//! So an archive of synthetic objects, uploaded to the twin, is as small in memory as the objects were. It is
//! exact: a stretch is replaced only after it was compared byte for byte.
//!
//! The bytes are either *followed*, when the last ones were found in the block and the next are compared with
//! what comes next there, or *searched*, when each window of the bytes is looked up in the index of the block.
//! The index knows a window every [`STRIDE`] bytes, so a match is noticed at most that far after its start, and
//! then extended backwards to it.

use bytes::Bytes;

use super::rope::{Extent, Rope, RopeBuilder};
use super::synthetic::{self, Index, STRIDE, WINDOW};

/// Real bytes are kept in extents of this size, in bytes.
const LITERAL: usize = 256 * 1024;

/// How far back a match that is still to be noticed can begin.
const LOOK_BACK: usize = STRIDE + WINDOW;

/// Makes a rope of bytes that arrive piece by piece.
#[derive(Default)]
pub(crate) struct Interner {
    rope: RopeBuilder,
    /// The block offset at which the next byte is expected, while following.
    next: Option<u32>,
    /// Bytes that were not found in the block, while searching.
    literal: Vec<u8>,
    /// How many windows of `literal` were looked up.
    searched: usize,
}

impl Interner {
    /// Takes the next bytes. They are copied where they are kept, never held.
    pub(crate) fn push(&mut self, data: &[u8]) {
        let mut rest = data;
        while !rest.is_empty() {
            let taken = match self.next {
                Some(offset) => self.follow(offset, rest),
                None => self.search(rest),
            };
            rest = &rest[taken..];
        }
    }

    /// The rope of all bytes taken.
    pub(crate) fn finish(mut self) -> Rope {
        self.flush(self.literal.len());
        self.rope.finish()
    }

    fn follow(&mut self, offset: u32, data: &[u8]) -> usize {
        let len = synthetic::common(offset, data);
        self.rope.push(Extent::Synthetic { offset, len: len as u64 });
        self.next = (len == data.len()).then(|| synthetic::advance(offset, len as u64));
        len
    }

    /// Takes few bytes at a time, so that little is copied in vain when a match is near.
    fn search(&mut self, data: &[u8]) -> usize {
        let taken = data.len().min(STRIDE);
        self.literal.extend_from_slice(&data[..taken]);
        while let Some((start, offset)) = self.find() {
            let found = self.literal.split_off(start);
            self.flush(start);
            self.searched = 0;
            let len = self.follow(offset, &found);
            if len == found.len() {
                return taken;
            }
            self.literal.extend_from_slice(&found[len..]);
        }
        if self.literal.len() >= LITERAL + LOOK_BACK {
            self.flush(LITERAL);
        }
        taken
    }

    /// Where a match begins in `literal` and in the block.
    fn find(&mut self) -> Option<(usize, u32)> {
        let Some((at, mut offset)) = Index::get().find(&self.literal[self.searched..]) else {
            self.searched = (self.literal.len() + 1).saturating_sub(WINDOW);
            return None;
        };
        let mut start = self.searched + at;
        while start > 0 && synthetic::precedes(self.literal[start - 1], offset) {
            start -= 1;
            offset = synthetic::advance(offset, u64::from(synthetic::PERIOD) - 1);
        }
        Some((start, offset))
    }

    /// Keeps the first `len` bytes of `literal` as real bytes.
    fn flush(&mut self, len: usize) {
        self.rope.push(Extent::Bytes(Bytes::copy_from_slice(&self.literal[..len])));
        self.literal.drain(..len);
        self.searched = self.searched.saturating_sub(len);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn interned(data: &[u8], frame: usize) -> Rope {
        let mut interner = Interner::default();
        data.chunks(frame).for_each(|frame| interner.push(frame));
        interner.finish()
    }

    /// Stretches of the block, some across its end, and of other bytes, some as short as a byte.
    fn stretch() -> impl Strategy<Value = Vec<u8>> {
        let block = 0..synthetic::PERIOD;
        let near_end = synthetic::PERIOD - 9000..synthetic::PERIOD;
        let content = |(offset, len): (u32, u64)| {
            let mut builder = RopeBuilder::default();
            builder.push(Extent::Synthetic { offset, len });
            builder.finish().to_bytes().to_vec()
        };
        prop_oneof![
            (block, 1..20_000_u64).prop_map(content),
            (near_end, 1..20_000_u64).prop_map(content),
            proptest::collection::vec(any::<u8>(), 1..200),
            (any::<u8>(), 1..6000_usize).prop_map(|(byte, len)| vec![byte; len]),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn what_is_read_back_is_what_was_written(
            stretches in proptest::collection::vec(stretch(), 0..12),
            frame in prop_oneof![1..50_usize, 1000..70_000_usize],
        ) {
            let data = stretches.concat();
            let rope = interned(&data, frame);
            prop_assert_eq!(rope.to_bytes(), &data);
            prop_assert_eq!(rope.crc(crate::content::crc::Crc::Crc32), crate::content::crc::Crc::Crc32.of(&data));
        }
    }

    #[test]
    fn an_archive_of_synthetic_objects_is_small() {
        let (header, size) = ([7; 60], 1_000_003);
        let archive: Vec<u8> = (0..20)
            .flat_map(|seed| header.into_iter().chain(Rope::synthetic(seed, size).to_bytes()))
            .collect();
        let rope = interned(&archive, 65_536);
        assert_eq!(rope.to_bytes(), archive);
        assert!(rope.resident() <= 20 * 70, "{} bytes kept", rope.resident());
    }

    #[test]
    fn large_content_of_other_bytes_is_kept_in_pieces() {
        let other: Vec<u8> =
            (0..1_000_000_u64).flat_map(|i| (crate::content::mix(i) as u16).to_le_bytes()).collect();
        let rope = interned(&other, 100_000);
        assert_eq!(rope.resident(), rope.len());
        assert!(rope.chunks().all(|chunk| chunk.len() <= LITERAL + LOOK_BACK));
        assert_eq!(rope.to_bytes(), other);
    }

    #[test]
    #[ignore = "measures; run it with --release"]
    fn throughput() {
        let data = Rope::synthetic(9, 400_000_000).to_bytes();
        let mut other = data.to_vec();
        other.iter_mut().for_each(|byte| *byte ^= 0x55);
        for (name, data) in [("matching", &data[..]), ("other", &other[..])] {
            let start = std::time::Instant::now();
            let rope = interned(data, 65_536);
            let rate = data.len() as f64 / start.elapsed().as_secs_f64() / 1e9;
            println!("{name}: {rate:.2} GB/s, {} bytes kept", rope.resident());
        }
    }
}
