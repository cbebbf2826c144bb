//! How S3 puts a part together by itself of objects that are too small to be parts.
//!
//! All parts of an upload but the last have 5 MiB or more, so S3 joins small stretches only behind something large.
//! That is what *padding* is for: 5 MiB of zeros, which no archive ever holds.
//!
//! - The *block* is padding and then every literal byte of the part, each header with its CRC in place.
//! - For each body a *leaf*: the 5 MiB of the block that end with its header, and then the body, copied. In front of
//!   what counts, a leaf has something that does not: the rest of those 5 MiB.
//! - As long as there are neighbours of whom the left has less than 5 MiB that count, they are merged two by two: the
//!   left whole, and behind it of the right what counts. So an object of so many entries takes the logarithm of that
//!   many levels, and what has 5 MiB is not copied any more.
//! - What is left stands in a row of which any but the last can be a part: one object, of which the part is a copy.
//!
//! Of a large body the leaf takes no more than the first 5 MiB; the rest can stand in that row by itself.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::limits::PART_BYTES_MIN;
use crate::plan::{PartWork, Piece};

/// How large padding is, in bytes.
pub const PADDING_BYTES: u64 = PART_BYTES_MIN;

/// Some bytes that go into an object, as one part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The padding, whole: copied.
    Padding,
    /// All literal bytes of the part, one after the other: uploaded.
    Literals,
    /// A range of the object behind a body: copied.
    Body {
        /// Which of the part's bodies.
        body: u32,
        /// The range, in bytes from the start of the object.
        range: Range<u64>,
    },
    /// A range of an object made before: copied.
    Made {
        /// Which of the composition's objects.
        object: usize,
        /// The range, in bytes from the start of that.
        range: Range<u64>,
    },
}

impl Source {
    fn bytes(&self, literal_bytes: u64) -> u64 {
        match self {
            Self::Padding => PADDING_BYTES,
            Self::Literals => literal_bytes,
            Self::Body { range, .. } | Self::Made { range, .. } => range.end - range.start,
        }
    }

    /// Whether it cannot be a part that others follow. Of bodies only stretches that can stand by themselves.
    fn is_small(&self) -> bool {
        matches!(self, Self::Made { range, .. } if range.end - range.start < PART_BYTES_MIN)
    }
}

/// Which objects S3 is to make of which, until one of them holds the part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Composition {
    /// What each object is made of: the block first, then the leaves, then what is made of those before.
    pub objects: Vec<Vec<Source>>,
    /// The objects that can be made side by side once those before them are made; the first level are the leaves.
    pub levels: Vec<Range<usize>>,
    /// What the part is a copy of.
    pub part: Source,
    literal_bytes: u64,
}

/// Requests and bytes that a composition takes, the copy that makes the part included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Takes {
    /// Objects: each is created, completed and in the end deleted.
    pub objects: u64,
    /// Copies.
    pub copies: u64,
    /// Bytes of them together.
    pub copied_bytes: u64,
}

impl Composition {
    /// That of a part which has literal bytes in front of every body, as each has whose bytes are not one body's
    /// alone, and each body in one stretch; `None` for others.
    #[must_use]
    pub fn of(work: &PartWork) -> Option<Self> {
        let mut composition = Self {
            objects: vec![vec![Source::Padding, Source::Literals]],
            levels: Vec::new(),
            part: Source::Padding,
            literal_bytes: work.literal_bytes(),
        };
        let mut row = composition.leaves(&work.pieces)?;
        while row.split_last().is_some_and(|(_, others)| others.iter().any(Source::is_small)) {
            row = composition.merge(row);
        }
        composition.part = if row.len() == 1 {
            row.remove(0)
        } else {
            let object = composition.objects.len();
            composition.levels.push(object..object + 1);
            composition.objects.push(row);
            Source::Made { object, range: 0..composition.object_bytes(object) }
        };
        Some(composition)
    }

    /// Adds the leaves; what counts of each, and what needs none.
    fn leaves(&mut self, pieces: &[Piece]) -> Option<Vec<Source>> {
        let mut row = Vec::new();
        // Where the literal bytes in front of the piece at hand end in the block, and how many there are.
        let (mut at, mut literal) = (PADDING_BYTES, 0);
        let mut bodies = BTreeSet::new();
        let mut pieces = pieces.iter().peekable();
        while let Some(piece) = pieces.next() {
            match piece {
                Piece::Literal { bytes, .. } => {
                    literal += bytes.len() as u64;
                    at += bytes.len() as u64;
                }
                Piece::Fetch { body, range } if literal > 0 && bodies.insert(*body) => {
                    let mut range = range.clone();
                    // One body may be several fetches.
                    while let Some(Piece::Fetch { range: next, .. }) = pieces
                        .next_if(|next| matches!(next, Piece::Fetch { body: other, .. } if other == body))
                    {
                        range.end = next.end;
                    }
                    self.leaf(at, literal, *body, range, &mut row);
                    literal = 0;
                }
                Piece::Fetch { .. } | Piece::Copy { .. } => return None,
            }
        }
        self.levels.push(1..self.objects.len());
        // What no body follows is in the block as it is.
        row.extend((literal > 0).then(|| Source::Made { object: 0, range: at - literal..at }));
        (!row.is_empty()).then_some(row)
    }

    /// Adds the leaf of `range` of a body whose `literal` bytes of header end at `at` in the block.
    fn leaf(&mut self, at: u64, literal: u64, body: u32, range: Range<u64>, row: &mut Vec<Source>) {
        let bytes = range.end - range.start;
        let head = if bytes >= 2 * PART_BYTES_MIN { PART_BYTES_MIN } else { bytes };
        let object = self.objects.len();
        let block = at - literal.max(PART_BYTES_MIN)..at;
        let counts_from = at - literal - block.start;
        let whole = block.end - block.start + head;
        self.objects.push(vec![
            Source::Made { object: 0, range: block },
            Source::Body { body, range: range.start..range.start + head },
        ]);
        row.push(Source::Made { object, range: counts_from..whole });
        let rest = range.start + head..range.end;
        row.extend((!rest.is_empty()).then_some(Source::Body { body, range: rest }));
    }

    /// Adds a level that merges each stretch which is too small with the one behind it.
    fn merge(&mut self, row: Vec<Source>) -> Vec<Source> {
        let first = self.objects.len();
        let mut merged = Vec::with_capacity(row.len() / 2 + 1);
        let mut stretches = row.into_iter().peekable();
        while let Some(left) = stretches.next() {
            let right = stretches.next_if(|_| left.is_small());
            merged.push(match (left, right) {
                (Source::Made { object, range }, Some(right)) => {
                    let whole = self.objects.len();
                    let counts = range.start..range.end + right.bytes(self.literal_bytes);
                    self.objects.push(vec![Source::Made { object, range: 0..range.end }, right]);
                    Source::Made { object: whole, range: counts }
                }
                (left, _) => left,
            });
        }
        self.levels.push(first..self.objects.len());
        merged
    }

    /// Size of one of its objects, in bytes.
    #[must_use]
    pub fn object_bytes(&self, object: usize) -> u64 {
        self.objects[object].iter().map(|source| source.bytes(self.literal_bytes)).sum()
    }

    /// What is copied of bodies: of which object it becomes which part, counted from 0, and what it is.
    pub fn bodies(&self) -> impl Iterator<Item = (usize, usize, &Source)> {
        let sources = (0..).zip(&self.objects).flat_map(|(object, sources)| {
            (0..).zip(sources).map(move |(place, source)| (object, place, source))
        });
        sources.filter(|(_, _, source)| matches!(source, Source::Body { .. }))
    }

    /// What it takes, if nothing has to be done twice.
    #[must_use]
    pub fn takes(&self) -> Takes {
        let sources = self.objects.iter().flatten().chain([&self.part]);
        let copied = sources.filter(|source| **source != Source::Literals);
        Takes {
            objects: self.objects.len() as u64,
            copies: copied.clone().count() as u64,
            copied_bytes: copied.map(|source| source.bytes(self.literal_bytes)).sum(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crc::{Crc, StoredKind};
    use crate::limits::MIB;
    use crate::plan::{Body, PartNumber};

    /// A part of bodies with these headers and sizes, which ends with so many literal bytes.
    fn work(bodies: &[(u64, u64)], end: u64) -> PartWork {
        let literal = |bytes: u64| Piece::Literal { bytes: vec![0; bytes as usize], slots: Vec::new() };
        let mut pieces = Vec::new();
        for (index, (header, bytes)) in (0u32..).zip(bodies) {
            pieces.push(literal(*header));
            let (body, half) = (index, bytes / 2);
            pieces.extend((half > 0).then_some(Piece::Fetch { body, range: 0..half }));
            pieces.push(Piece::Fetch { body, range: half..*bytes });
        }
        pieces.extend((end > 0).then(|| literal(end)));
        let body = |object_bytes: u64| Body {
            bucket: "b".into(),
            key: "k".into(),
            etag: "e".into(),
            object_bytes,
            stored: StoredKind::None,
            rest: Crc::EMPTY,
        };
        PartWork {
            number: PartNumber(1),
            bytes: bodies.iter().map(|(header, bytes)| header + bytes).sum::<u64>() + end,
            bodies: bodies.iter().map(|(_, bytes)| body(*bytes)).collect(),
            pieces,
            below: None,
        }
    }

    #[test]
    fn a_lone_small_entry_is_a_leaf_behind_padding() {
        let work = work(&[(50, 100)], 0);
        let composition = Composition::of(&work).expect("it has a header");
        assert_eq!(
            composition.part,
            Source::Made { object: 1, range: PADDING_BYTES - 50..PADDING_BYTES + 100 }
        );
        let takes = composition.takes();
        assert_eq!((takes.objects, takes.copies), (2, 4));
        assert_eq!(takes.copied_bytes, 2 * PADDING_BYTES + 100 + 150);
    }

    #[test]
    fn a_thousand_small_entries_take_ten_levels_of_merging_and_no_byte_is_copied_more_often() {
        let bodies = [(50, 1_000); 1_024];
        let composition = Composition::of(&work(&bodies, 0)).expect("they have headers");
        assert_eq!(composition.levels.len(), 1 + 10);
        assert_eq!(composition.objects.len(), 1 + 1_024 + 1_023);
    }

    #[test]
    fn what_is_large_enough_is_merged_no_more_and_of_large_bodies_only_the_head_is_moved_twice() {
        let bodies = [(50, 5 * MIB), (50, 5 * MIB), (50, 30 * MIB)];
        let composition = Composition::of(&work(&bodies, 9)).expect("they have headers");
        let row = composition.objects.last().expect("the row");
        assert_eq!(row[3], Source::Body { body: 2, range: 5 * MIB..30 * MIB });
        assert_eq!((row.len(), composition.objects.len()), (5, 1 + 3 + 1));
    }

    #[test]
    fn a_part_without_headers_is_not_composed() {
        let mut copied = work(&[(50, 100)], 0);
        copied.pieces.remove(0);
        assert_eq!(Composition::of(&copied), None);
        copied.pieces.clear();
        assert_eq!(Composition::of(&copied), None);
    }
}
