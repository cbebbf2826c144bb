//! Synthetic content: one pseudo-random block of prime length, repeated from any phase.
//!
//! Any range of it can be served as slices of the one block, so objects of any size cost nothing to hold and
//! nothing to serve. The length is a prime so that no offset error by a multiple of a power of two (a part
//! size, a page, a buffer) can go unnoticed.

use std::collections::HashMap;
use std::sync::LazyLock;

use bytes::Bytes;

use super::crc::Crc;

/// The length of the block in bytes.
pub(super) const PERIOD: u32 = 16_777_213;

/// A window of the block is findable at every multiple of this many bytes.
pub(super) const STRIDE: usize = 4096;

/// The length of a findable window in bytes.
pub(super) const WINDOW: usize = 8;

const BLOCK_SEED: u64 = 0x7a69_7066_6c65_6574;
/// 32 KiB, with two bits a window: one that is not indexed passes once in about a thousand times.
const FILTER_WORDS: usize = 4096;

static BLOCK: LazyLock<Bytes> = LazyLock::new(|| {
    let words = (0..=u64::from(PERIOD) / 8).map(|i| mix(BLOCK_SEED.wrapping_add(i)));
    let mut block: Vec<u8> = words.flat_map(u64::to_le_bytes).collect();
    block.truncate(PERIOD as usize);
    block.into()
});

/// CRCs of the prefixes of the block at every multiple of [`STRIDE`], for each CRC.
static PREFIXES: [LazyLock<Vec<u64>>; 3] = [
    LazyLock::new(|| prefixes(Crc::Crc32)),
    LazyLock::new(|| prefixes(Crc::Crc32c)),
    LazyLock::new(|| prefixes(Crc::Crc64Nvme)),
];

static INDEX: LazyLock<Index> = LazyLock::new(Index::new);

/// Scatters a number over all 64 bits (SplitMix64).
pub(crate) fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Where in the block the content of a seed begins.
pub(super) fn phase(seed: u64) -> u32 {
    u32::try_from(mix(seed) % u64::from(PERIOD)).expect("a remainder of a u32")
}

/// The block offset `len` bytes after `offset`.
pub(super) fn advance(offset: u32, len: u64) -> u32 {
    u32::try_from((u64::from(offset) + len) % u64::from(PERIOD)).expect("a remainder of a u32")
}

/// At most `max` bytes of the content at a block offset, without a copy; fewer where the block ends.
pub(super) fn slice(offset: u32, max: u64) -> Bytes {
    let end = u64::from(PERIOD).min(u64::from(offset) + max);
    BLOCK.slice(offset as usize..usize::try_from(end).expect("within the block"))
}

/// How many of the first bytes of `data` are the content at a block offset.
pub(super) fn common(offset: u32, data: &[u8]) -> usize {
    let mut found = 0;
    let mut rest = &BLOCK[offset as usize..];
    loop {
        let same = common_prefix(rest, &data[found..]);
        found += same;
        if same < rest.len() || found == data.len() {
            return found;
        }
        rest = &BLOCK;
    }
}

/// Whether `byte` is the one before a block offset.
pub(super) fn precedes(byte: u8, offset: u32) -> bool {
    BLOCK[advance(offset, u64::from(PERIOD) - 1) as usize] == byte
}

fn common_prefix(a: &[u8], b: &[u8]) -> usize {
    let len = a.len().min(b.len());
    let (a, b) = (&a[..len], &b[..len]);
    if a == b {
        return len;
    }
    let chunks = a.chunks(STRIDE).zip(b.chunks(STRIDE));
    let whole = chunks.take_while(|(x, y)| x == y).count() * STRIDE;
    whole + a[whole..].iter().zip(&b[whole..]).take_while(|(x, y)| x == y).count()
}

/// The CRC of `len` bytes of content from a block offset, in time that does not depend on `len`.
pub(super) fn crc(crc: Crc, offset: u32, len: u64) -> u64 {
    let period = u64::from(PERIOD);
    let head = len.min(period - u64::from(offset));
    let first = crc.join(prefix(crc, u64::from(offset)), prefix(crc, u64::from(offset) + head), head);
    let (times, tail) = ((len - head) / period, (len - head) % period);
    let middle = crc.repeat(prefix(crc, period), period, times);
    let joined = crc.join(first, middle, times * period);
    crc.join(joined, prefix(crc, tail), tail)
}

fn prefix(crc: Crc, len: u64) -> u64 {
    let len = usize::try_from(len).expect("within the block");
    let known = len / STRIDE;
    let rest = &BLOCK[known * STRIDE..len];
    crc.join(PREFIXES[crc as usize][known], crc.of(rest), rest.len() as u64)
}

fn prefixes(crc: Crc) -> Vec<u64> {
    let mut all = vec![0];
    for chunk in BLOCK.chunks_exact(STRIDE) {
        all.push(crc.join(all[all.len() - 1], crc.of(chunk), STRIDE as u64));
    }
    all
}

/// Finds windows of the block: a small bit filter, which stays in the first-level cache and rejects nearly
/// everything, before an exact map.
pub(super) struct Index {
    filter: Box<[u64; FILTER_WORDS]>,
    offsets: HashMap<u64, u32>,
}

impl Index {
    /// The index of the block.
    pub(super) fn get() -> &'static Self {
        &INDEX
    }

    fn new() -> Self {
        let mut index = Self { filter: Box::new([0; FILTER_WORDS]), offsets: HashMap::new() };
        for offset in (0..PERIOD - WINDOW as u32).step_by(STRIDE) {
            let window = read(&BLOCK[offset as usize..][..WINDOW]);
            let (word, bits) = place(window);
            index.filter[word] |= bits;
            index.offsets.insert(window, offset);
        }
        index
    }

    /// The first indexed window in `data`: where it is there, and its block offset.
    pub(super) fn find(&self, data: &[u8]) -> Option<(usize, u32)> {
        let (first, rest) = data.split_at_checked(WINDOW)?;
        let mut window = read(first);
        // The window moves on by a byte at a time; the last one has no byte after it.
        for (at, next) in rest.iter().chain([&0]).enumerate() {
            let (word, bits) = place(window);
            if self.filter[word] & bits == bits
                && let Some(offset) = self.offsets.get(&window)
            {
                return Some((at, *offset));
            }
            window = window >> 8 | u64::from(*next) << 56;
        }
        None
    }
}

/// The bits of a window in the filter.
fn place(window: u64) -> (usize, u64) {
    let hash = window.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - FILTER_WORDS.ilog2() - 12);
    ((hash >> 12) as usize, 1 << (hash & 63) | 1 << (hash >> 6 & 63))
}

fn read(window: &[u8]) -> u64 {
    u64::from_le_bytes(window.try_into().expect("a window is eight bytes"))
}
