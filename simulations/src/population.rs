//! The objects that are to become one archive.

use proto::crc::StoredKind;
use proto::listing::{Etag, Page, SourceObject};
use serde::Serialize;

use crate::dice::Dice;
use crate::world::SOURCE_BUCKET;

/// Objects on a page of a listing.
pub(crate) const PAGE_OBJECTS: usize = 1_000;

/// How many objects of which sizes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Population {
    /// How many.
    pub objects: u64,
    /// Their mean size, in bytes.
    pub bytes: u64,
    /// Standard deviation of their sizes, in bytes; none is smaller than one byte.
    pub spread: u64,
}

impl Population {
    /// The sizes of all, in key order.
    #[must_use]
    pub fn sizes(&self, seed: u64) -> Vec<u64> {
        let mut dice = Dice::new(seed, "sizes");
        let size = |_| (self.bytes as f64 + dice.normal() * self.spread as f64).max(1.0) as u64;
        (0..self.objects).map(size).collect()
    }
}

/// A page of a listing of objects with these sizes, from the object `from` on.
pub(crate) fn page(sizes: &[u64], from: usize, source: u16) -> Page {
    let to = sizes.len().min(from + PAGE_OBJECTS);
    let object = |number: usize| SourceObject {
        source,
        bucket: 0,
        // What S3 stores of objects that came without a checksum; over TLS nobody compares it.
        stored: StoredKind::Crc64Nvme,
        key: format!("photos/{number:08}.jpg").into(),
        size: sizes[number],
        etag: Etag::parse(&format!("{number:032x}")),
        modified: 1_700_000_000,
    };
    Page {
        objects: (from..to).map(object).collect(),
        buckets: vec![SOURCE_BUCKET.to_owned()],
        next: (to < sizes.len()).then(|| to.to_string()),
    }
}
