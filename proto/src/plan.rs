//! Stage 2, plan: the whole layout of a job, decided before any byte is read.
//!
//! A plan only ever grows at its end while the listing goes on; what stands in it never changes.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Range;
use utoipa::ToSchema;

use crate::archive::zip::{EntryHeader, local_header_len};
use crate::crc::{Crc, StoredKind};
use crate::limits::{COPY_COST_BYTES, composed_cost_bytes, part_cost_bytes};
use crate::listing::SourceObject;

/// A part's number, from 1. Attempts are named by its place in the plan; S3 is told the number in its upload, which
/// is another where there are segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
pub struct PartNumber(pub u32);

impl PartNumber {
    /// The number of the part at `index` in its plan, or in its upload.
    #[must_use]
    pub fn from_index(index: usize) -> Self {
        Self(u32::try_from(index + 1).expect("10,000 uploads of 10,000 parts are fewer"))
    }

    /// The index of the part with this number.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize - 1
    }
}

impl fmt::Display for PartNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An entry's name: usually the tail of its key, which then is not held twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryName {
    /// The key from this byte on.
    KeyFrom(u16),
    /// A name of its own.
    Mapped(Box<str>),
}

/// One source object's place in the archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The object it is made of.
    pub object: SourceObject,
    /// Its name in the archive.
    pub name: EntryName,
    /// Where its local header begins, in bytes from the start of the archive.
    pub offset: u64,
}

impl Entry {
    /// Its name in the archive.
    #[must_use]
    pub fn name(&self) -> &str {
        match &self.name {
            EntryName::KeyFrom(from) => &self.object.key[usize::from(*from)..],
            EntryName::Mapped(name) => name,
        }
    }

    /// What its headers say, given its CRC-32.
    #[must_use]
    pub fn header(&self, crc32: u32) -> EntryHeader<'_> {
        EntryHeader {
            name: self.name(),
            size: self.object.size,
            offset: self.offset,
            modified: self.object.modified,
            crc32,
        }
    }

    /// Where its data lies in the archive.
    #[must_use]
    pub fn data(&self) -> Range<u64> {
        let start = self.offset + local_header_len(self.name().len(), self.object.size, self.object.modified);
        start..start + self.object.size
    }
}

/// How a part's bytes come into the upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Through a node, which fetches, assembles and uploads them.
    Streamed,
    /// By S3 itself, which puts together what the part is made of in objects beside the archive: see
    /// [`compose`](crate::compose). Nothing but headers and directory goes through a node.
    Composed,
    /// From the object by S3 itself: only for a part that holds nothing but one entry's data.
    Copied,
    /// From the segment of this number by S3 itself, once its leaves are put together.
    Joined(u32),
}

/// One part of a multipart upload: the archive's, or that of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its number in its upload.
    pub number: PartNumber,
    /// The segment it is a leaf of; `None` for a part of the archive's own upload.
    pub within: Option<u32>,
    /// The stretch of the archive it holds.
    pub bytes: Range<u64>,
    /// How they get there.
    pub way: Way,
    /// The entries whose local headers lie in it. Empty for a part that holds nothing but data of an
    /// entry begun in an earlier part.
    pub headers: Range<u32>,
    /// The entries whose central headers lie in it.
    pub directory: Range<u32>,
}

impl Part {
    /// Its size in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.bytes.end - self.bytes.start
    }
}

/// The whole layout of a job.
///
/// Three rules keep it simple to execute: an entry that spans parts ends on a part border; all parts but
/// the one with its header hold nothing but its data; so the header's part waits for those, and no
/// other part ever waits for a part that itself waits, but for the directory, which waits for all.
///
/// What makes an archive of more or larger parts than S3 or a node takes are *segments*: stretches of up to 5 GiB
/// that are made objects of their own first, by uploads of their own. The parts of such an upload are the segment's
/// *leaves*. They are parts like all others, and the rules above are about them. Right behind its leaves stands the
/// part that copies a segment into the archive: it holds their bytes once more and waits for all of them, while
/// nothing waits for it. The directory is in no segment. So the parts without those that join are the archive from
/// front to back, and those that are within no segment are its upload.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The buckets of all objects, each once.
    pub buckets: Vec<String>,
    /// In the order they stand in the archive.
    pub entries: Vec<Entry>,
    /// In the order in which their bytes end.
    pub parts: Vec<Part>,
    /// Where the central directory lies, without the end records; known when the listing has ended.
    pub directory: Option<Range<u64>>,
}

impl Plan {
    /// The bucket of an object that was planned.
    #[must_use]
    pub fn bucket(&self, object: &SourceObject) -> &str {
        &self.buckets[usize::from(object.bucket)]
    }

    /// Size of everything planned so far, in bytes; the archive's when the listing has ended.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.parts.last().map_or(0, |part| part.bytes.end)
    }

    /// What the part at `index` costs a node while it is made, in bytes of memory: as much as [`PartWork::cost_bytes`]
    /// says when its pieces are there.
    #[must_use]
    pub fn cost_bytes(&self, index: usize) -> u64 {
        let part = &self.parts[index];
        let with_headers = &self.entries[part.headers.start as usize..part.headers.end as usize];
        let data = with_headers.iter().map(Entry::data).filter(|data| !data.is_empty());
        let (bodies, body_bytes) = data.fold((0, 0), |(bodies, bytes), data| {
            (bodies + 1, bytes + data.end.min(part.bytes.end) - data.start)
        });
        match part.way {
            Way::Streamed if self.holds_only_data(part) => part_cost_bytes(part.size(), 1),
            Way::Streamed => part_cost_bytes(part.size(), bodies),
            Way::Composed => composed_cost_bytes(part.size() - body_bytes, bodies),
            Way::Copied | Way::Joined(_) => COPY_COST_BYTES,
        }
    }

    /// Whether a part that joins no segment holds nothing but data of an entry begun in an earlier part.
    #[must_use]
    pub fn holds_only_data(&self, part: &Part) -> bool {
        let is_before = |directory: &Range<u64>| part.bytes.end <= directory.start;
        part.headers.is_empty() && self.directory.as_ref().is_none_or(is_before)
    }

    /// The parts that hold nothing but the rest of the entry whose header is the last in part `index`.
    /// Empty when no entry reaches beyond that part.
    pub fn continuation(&self, index: usize) -> impl DoubleEndedIterator<Item = usize> + use<'_> {
        let part = &self.parts[index];
        let reach = part.headers.clone().next_back().map_or(0, |last| self.entries[last as usize].data().end);
        let first = index + 1;
        let mut end = first;
        while end < self.parts.len() && self.parts[end].bytes.end <= reach {
            end += 1;
        }
        (first..end).filter(|index| !matches!(self.parts[*index].way, Way::Joined(_)))
    }

    /// The leaves of the segment that the part at `index` copies; none if it copies no segment.
    #[must_use]
    pub fn leaves(&self, index: usize) -> Range<usize> {
        let Way::Joined(segment) = self.parts[index].way else { return index..index };
        let before = self.parts[..index].iter().rev();
        index - before.take_while(|part| part.within == Some(segment)).count()..index
    }
}

/// The CRC-32 of a body, to be written into literal bytes by whoever fetches it: four bytes,
/// little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    /// Where in the literal bytes.
    pub at: u32,
    /// Which of the part's bodies.
    pub body: u32,
}

/// What a part is made of, in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Piece {
    /// Bytes as they stand, but for the slots.
    Literal {
        /// The bytes.
        bytes: Vec<u8>,
        /// Where CRCs are to be written.
        slots: Vec<Slot>,
    },
    /// A range of the object behind one of the part's bodies.
    Fetch {
        /// Which of the part's bodies.
        body: u32,
        /// The range, in bytes from the start of the object; never empty.
        range: Range<u64>,
    },
    /// The same, but copied by S3: then it is the part's only piece.
    Copy {
        /// Which of the part's bodies.
        body: u32,
        /// The range, in bytes from the start of the object; never empty.
        range: Range<u64>,
    },
}

impl Piece {
    /// How many bytes of the part it stands for. A range that runs backwards, as only a defect makes it, has none.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        match self {
            Self::Literal { bytes, .. } => bytes.len() as u64,
            Self::Fetch { range, .. } | Self::Copy { range, .. } => range.end.saturating_sub(range.start),
        }
    }
}

/// One entry's data within one part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Body {
    /// Bucket of the object it is fetched from.
    pub bucket: String,
    /// Key of that object.
    pub key: String,
    /// ETag of that object, without quotes: every fetch is pinned to it.
    pub etag: String,
    /// Size of that object, in bytes.
    pub object_bytes: u64,
    /// Which checksum of the whole object S3 stores, to be compared by whoever has seen all of it.
    pub stored: StoredKind,
    /// CRC of the object's bytes that come after this part, known from other parts.
    pub rest: Crc,
}

/// A part as whoever makes it sees it: nothing in it says what kind of archive it belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartWork {
    /// Its number in its upload.
    pub number: PartNumber,
    /// Its size in bytes: the sum of its pieces.
    pub bytes: u64,
    /// The objects it draws from.
    pub bodies: Vec<Body>,
    /// What it is made of.
    pub pieces: Vec<Piece>,
    /// What the keys of the objects begin with that S3 puts it together in, in the bucket of its upload; `None` where
    /// its bytes go through the node, or it is a copy already.
    pub below: Option<String>,
}

impl PartWork {
    /// How many of its bytes are literal, and travel to whoever makes it.
    #[must_use]
    pub fn literal_bytes(&self) -> u64 {
        let literal = |piece: &Piece| match piece {
            Piece::Literal { bytes, .. } => bytes.len() as u64,
            Piece::Fetch { .. } | Piece::Copy { .. } => 0,
        };
        self.pieces.iter().map(literal).sum()
    }

    /// The range that S3 is to copy, and of which body, if that is how the part is made.
    #[must_use]
    pub fn copied(&self) -> Option<(&Body, &Range<u64>)> {
        match self.pieces.as_slice() {
            [Piece::Copy { body, range }] => Some((self.bodies.get(*body as usize)?, range)),
            _ => None,
        }
    }

    /// Whether S3 makes it by itself, so that next to nothing of it goes through a node.
    #[must_use]
    pub fn is_made_by_s3(&self) -> bool {
        self.below.is_some() || self.copied().is_some()
    }

    /// What it costs a node while it is made, in bytes of memory.
    #[must_use]
    pub fn cost_bytes(&self) -> u64 {
        match (&self.below, self.copied()) {
            (Some(_), _) => composed_cost_bytes(self.literal_bytes(), self.bodies.len()),
            (None, Some(_)) => COPY_COST_BYTES,
            (None, None) => part_cost_bytes(self.bytes, self.bodies.len()),
        }
    }

    /// What it counts as in what a node moves and has left to move. What S3 makes moves nothing through it, but takes a
    /// place among its requests.
    #[must_use]
    pub fn moved_bytes(&self) -> u64 {
        if self.is_made_by_s3() { COPY_COST_BYTES } else { self.bytes }
    }
}
