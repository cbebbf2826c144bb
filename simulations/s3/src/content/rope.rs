//! Content as a list of extents, so that copies, slices and joins of any size move no bytes.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use super::crc::Crc;
use super::synthetic;

/// Immutable content of any length: a list of extents, each real bytes or a stretch of the synthetic block.
///
/// Cloning is cheap; [`slice`](Self::slice) and [`concat`](Self::concat) cost the number of extents, never the
/// number of bytes. Equality compares content.
#[derive(Clone, Default)]
pub struct Rope {
    extents: Arc<[Placed]>,
    len: u64,
}

/// An extent and where in the rope it begins, in bytes.
#[derive(Clone, Debug)]
struct Placed {
    start: u64,
    extent: Extent,
}

/// A stretch of content.
#[derive(Clone, Debug)]
pub(super) enum Extent {
    /// Real bytes.
    Bytes(Bytes),
    /// The synthetic block from `offset` on, around its end as often as `len` asks.
    Synthetic { offset: u32, len: u64 },
}

impl Extent {
    fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Synthetic { len, .. } => *len,
        }
    }

    fn slice(&self, range: Range<u64>) -> Self {
        match self {
            Self::Bytes(bytes) => Self::Bytes(bytes.slice(index(range.start)..index(range.end))),
            Self::Synthetic { offset, .. } => Self::Synthetic {
                offset: synthetic::advance(*offset, range.start),
                len: range.end - range.start,
            },
        }
    }

    /// At most `max` bytes from `at` on, without a copy.
    fn chunk(&self, at: u64, max: u64) -> Bytes {
        let max = max.min(self.len() - at);
        match self {
            Self::Bytes(bytes) => bytes.slice(index(at)..index(at + max)),
            Self::Synthetic { offset, .. } => synthetic::slice(synthetic::advance(*offset, at), max),
        }
    }

    fn crc(&self, crc: Crc) -> u64 {
        match self {
            Self::Bytes(bytes) => crc.of(bytes),
            Self::Synthetic { offset, len } => synthetic::crc(crc, *offset, *len),
        }
    }
}

fn index(offset: u64) -> usize {
    usize::try_from(offset).expect("real bytes are in memory")
}

impl Rope {
    /// `size` bytes of synthetic content, the same for the same seed. Any range of it is served without being
    /// held in memory.
    #[must_use]
    pub fn synthetic(seed: u64, size: u64) -> Self {
        let mut builder = RopeBuilder::default();
        builder.push(Extent::Synthetic { offset: synthetic::phase(seed), len: size });
        builder.finish()
    }

    /// The ropes one after the other.
    #[must_use]
    pub fn concat<'a>(ropes: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut builder = RopeBuilder::default();
        for placed in ropes.into_iter().flat_map(|rope| rope.extents.iter()) {
            builder.push(placed.extent.clone());
        }
        builder.finish()
    }

    /// The length in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The bytes of a range, as a rope that shares them.
    ///
    /// # Panics
    /// When the range is not within the rope.
    #[must_use]
    pub fn slice(&self, range: Range<u64>) -> Self {
        assert!(range.start <= range.end && range.end <= self.len, "range {range:?} of {} bytes", self.len);
        let mut builder = RopeBuilder::default();
        let mut at = range.start;
        while at < range.end {
            let (placed, within) = self.locate(at);
            let end = placed.extent.len().min(within + range.end - at);
            builder.push(placed.extent.slice(within..end));
            at += end - within;
        }
        builder.finish()
    }

    /// At most `max` bytes from offset `at` on, without a copy: as many as lie together in memory. Nothing at
    /// the end.
    ///
    /// # Panics
    /// When `at` is past the end.
    #[must_use]
    pub fn chunk(&self, at: u64, max: u64) -> Bytes {
        if at == self.len {
            return Bytes::new();
        }
        let (placed, within) = self.locate(at);
        placed.extent.chunk(within, max)
    }

    /// All bytes in chunks that lie together in memory, none copied.
    pub fn chunks(&self) -> impl Iterator<Item = Bytes> + '_ {
        let mut at = 0;
        std::iter::from_fn(move || {
            let chunk = self.chunk(at, u64::MAX);
            at += chunk.len() as u64;
            (!chunk.is_empty()).then_some(chunk)
        })
    }

    /// All bytes in one piece, copied. Takes as much memory as the rope is long.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        let mut all = Vec::with_capacity(index(self.len));
        self.chunks().for_each(|chunk| all.extend_from_slice(&chunk));
        all.into()
    }

    /// The CRC-32 that ZIP and S3 use. Real bytes are hashed, synthetic ones cost nothing.
    #[must_use]
    pub fn crc32(&self) -> u32 {
        u32::try_from(self.crc(Crc::Crc32)).expect("a CRC-32 has 32 bits")
    }

    /// How many bytes of it are held in memory.
    #[must_use]
    pub fn resident(&self) -> u64 {
        let real = |placed: &Placed| match &placed.extent {
            Extent::Bytes(bytes) => bytes.len() as u64,
            Extent::Synthetic { .. } => 0,
        };
        self.extents.iter().map(real).sum()
    }

    /// One of S3's CRCs of the content.
    pub(super) fn crc(&self, crc: Crc) -> u64 {
        let join = |sum, placed: &Placed| crc.join(sum, placed.extent.crc(crc), placed.extent.len());
        self.extents.iter().fold(0, join)
    }

    /// The extent that holds offset `at`, and the offset within it.
    fn locate(&self, at: u64) -> (&Placed, u64) {
        let after = self.extents.partition_point(|placed| placed.start <= at);
        let placed = &self.extents[after - 1];
        (placed, at - placed.start)
    }
}

impl From<Bytes> for Rope {
    fn from(bytes: Bytes) -> Self {
        let mut builder = RopeBuilder::default();
        builder.push(Extent::Bytes(bytes));
        builder.finish()
    }
}

impl From<Vec<u8>> for Rope {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes::from(bytes).into()
    }
}

impl From<&'static str> for Rope {
    fn from(text: &'static str) -> Self {
        Bytes::from_static(text.as_bytes()).into()
    }
}

impl PartialEq for Rope {
    fn eq(&self, other: &Self) -> bool {
        let mut at = 0;
        self.len == other.len
            && std::iter::from_fn(|| {
                let ours = self.chunk(at, u64::MAX);
                let theirs = other.chunk(at, ours.len() as u64);
                at += theirs.len() as u64;
                (!theirs.is_empty()).then(|| ours[..theirs.len()] == theirs)
            })
            .all(|same| same)
    }
}

impl Eq for Rope {}

impl fmt::Debug for Rope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rope({} bytes in {} extents)", self.len, self.extents.len())
    }
}

/// Collects extents into a rope; drops empty ones and joins synthetic ones that continue each other.
#[derive(Default)]
pub(super) struct RopeBuilder {
    extents: Vec<Placed>,
    len: u64,
}

impl RopeBuilder {
    /// Appends an extent.
    pub(super) fn push(&mut self, extent: Extent) {
        let start = self.len;
        self.len += extent.len();
        if self.len == start {
            return;
        }
        if let Extent::Synthetic { offset, len } = extent
            && let Some(Placed { extent: Extent::Synthetic { offset: before, len: held }, .. }) =
                self.extents.last_mut()
            && synthetic::advance(*before, *held) == offset
        {
            *held += len;
            return;
        }
        self.extents.push(Placed { start, extent });
    }

    /// The rope of all extents so far.
    pub(super) fn finish(self) -> Rope {
        Rope { extents: self.extents.into(), len: self.len }
    }
}
