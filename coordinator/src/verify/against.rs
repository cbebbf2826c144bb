//! An archive against the source objects it should hold.

use proto::listing::SourceObject;

use super::finding::{Findings, Kind, Place};
use super::layout::Layout;
use super::time::canonical;

/// What an archive should hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// Name of the entry.
    pub name: Box<str>,
    /// The object its contents should be.
    pub object: SourceObject,
}

/// Which source object each entry should be. Takes 4 bytes an entry, and 8 more while it is made.
#[derive(Debug)]
pub struct Matches {
    by_entry: Vec<u32>,
}

const NONE: u32 = u32::MAX;

impl Matches {
    /// Matches the archive's entries with the expected ones by name, and checks sizes, times and order.
    /// Of more than `u32::MAX - 1` expected entries the rest counts as missing from the archive.
    #[must_use]
    pub fn new(layout: &Layout, expected: &[Expected], findings: &mut Findings) -> Self {
        let entries = layout.entries();
        let found = sorted(entries.len(), |index| &*entries[index as usize].name);
        let wanted = sorted(expected.len(), |index| expected[index as usize].name.as_bytes());
        let mut by_entry = vec![NONE; entries.len()];
        let (mut found, mut wanted) = (found.into_iter().peekable(), wanted.into_iter().peekable());
        loop {
            let entry = found.peek().map(|index| &entries[*index as usize]);
            let object = wanted.peek().map(|index| &expected[*index as usize]);
            let order = match (entry, object) {
                (None, None) => break,
                (Some(_), None) => std::cmp::Ordering::Less,
                (None, Some(_)) => std::cmp::Ordering::Greater,
                (Some(entry), Some(object)) => (*entry.name).cmp(object.name.as_bytes()),
            };
            if let (Some(entry), true) = (entry, order.is_lt()) {
                let place = Place::entry(entry.offset, &entry.name);
                findings.add(Kind::Surplus, place, || "there is no source object for it".into());
            }
            if let (Some(object), true) = (object, order.is_gt()) {
                let place = Place { offset: None, name: Some(object.name.as_bytes()) };
                findings.add(Kind::Missing, place, || "a source object that is not in the archive".into());
            }
            let entry = if order.is_le() { found.next() } else { None };
            let object = if order.is_ge() { wanted.next() } else { None };
            if let (Some(entry), Some(object)) = (entry, object) {
                by_entry[entry as usize] = object;
            }
        }
        let mut matches = Self { by_entry };
        matches.check(layout, expected, findings);
        matches
    }

    /// Checks each pair; those of different sizes are no pairs any more.
    fn check(&mut self, layout: &Layout, expected: &[Expected], findings: &mut Findings) {
        let mut furthest = 0;
        for (entry, source) in layout.entries().iter().zip(&mut self.by_entry) {
            let Some(Expected { object, .. }) = expected.get(*source as usize) else { continue };
            let place = Place::entry(entry.offset, &entry.name);
            if *source < furthest {
                findings.add(Kind::SourceOrder, place, || "it stands behind one that should follow".into());
            }
            furthest = furthest.max(*source);
            if canonical(object.modified) != (entry.dos, entry.mtime) {
                let what = || format!("its source object was modified {} s after 1970", object.modified);
                findings.add(Kind::SourceTime, place, what);
            }
            if object.size != entry.size {
                let what = || format!("it has {} bytes, its source object {}", entry.size, object.size);
                findings.add(Kind::SourceSize, place, what);
                *source = NONE;
            }
        }
    }

    /// Index of the source object whose bytes an entry's contents should be; `None` when there is none, or
    /// one of another size.
    #[must_use]
    pub fn source(&self, entry: u32) -> Option<u32> {
        self.by_entry.get(entry as usize).copied().filter(|source| *source != NONE)
    }
}

/// Indices in the order of their names.
fn sorted<'a>(count: usize, name: impl Fn(u32) -> &'a [u8]) -> Vec<u32> {
    let mut order: Vec<u32> = (0..NONE).take(count).collect();
    order.sort_by(|a, b| name(*a).cmp(name(*b)));
    order
}
