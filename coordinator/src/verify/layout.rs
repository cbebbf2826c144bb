//! Where each entry lies: the archive from byte 0 to the directory, divided among its entries.

use std::ops::Range;

use super::entry::{Entry, FLAG_DESCRIPTOR};
use super::extra::MARK;
use super::finding::{Findings, Kind, Place};
use super::name;

/// Fixed part of a local header, in bytes (4.3.7).
pub(super) const LOCAL_FIXED: u64 = 30;
/// Extra field with the exact time, in bytes.
const TIME_FIELD: u64 = 9;
/// Zip64 extra field of a local header, in bytes.
const ZIP64_FIELD: u64 = 20;

/// Entries by offset. The region of an entry reaches to the next one's offset, that of the last to the
/// directory: so every byte is read once, whatever the entries claim.
#[derive(Debug)]
pub struct Layout {
    entries: Vec<Entry>,
    /// Where the directory begins.
    end: u64,
}

/// A stretch of the archive to be read in one go, and the entry whose region it begins in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Which bytes of the archive.
    pub range: Range<u64>,
    /// Index of the entry whose region holds the first byte, or of the first entry.
    pub entry: u32,
}

impl Layout {
    /// Orders `entries` and checks that they fill the bytes before the directory at `directory_start`.
    /// Takes no memory beyond the entries', but 4 bytes each (36 when they have to be sorted) meanwhile.
    #[must_use]
    pub fn new(mut entries: Vec<Entry>, directory_start: u64, findings: &mut Findings) -> Self {
        name::check_unique(&entries, findings);
        if !entries.is_sorted_by_key(|entry| entry.offset) {
            let what = "the directory lists its entries in another order than they are stored";
            findings.add(Kind::Order, Place::byte(directory_start), || what.into());
            entries.sort_by_key(|entry| entry.offset);
        }
        let first = entries.first().map_or(directory_start, |entry| entry.offset.min(directory_start));
        if first > 0 {
            let what = || format!("{first} bytes before the first entry belong to none");
            findings.add(Kind::Gap, Place::byte(0), what);
        }
        let layout = Self { entries, end: directory_start };
        for (index, entry) in (0..).zip(&layout.entries) {
            if !layout.fits(index) {
                let region = layout.region(index);
                let room = region.end - region.start;
                let what = || {
                    format!(
                        "its {} bytes and header do not fit into the {room} before the next",
                        entry.compressed
                    )
                };
                findings.add(Kind::Overlap, Place::entry(entry.offset, &entry.name), what);
            }
        }
        layout
    }

    /// The entries by offset.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Where the directory begins.
    #[must_use]
    pub fn directory_start(&self) -> u64 {
        self.end
    }

    pub(super) fn entry(&self, index: u32) -> Option<&Entry> {
        self.entries.get(index as usize)
    }

    /// The bytes an entry has for header and data; behind the last entry an empty range.
    pub(super) fn region(&self, index: u32) -> Range<u64> {
        let offset =
            |index: usize| self.entries.get(index).map_or(self.end, |entry| entry.offset.min(self.end));
        offset(index as usize)..offset(index as usize + 1)
    }

    /// Whether the region has room for the least header and the data.
    pub(super) fn fits(&self, index: u32) -> bool {
        let region = self.region(index);
        self.entry(index).is_some_and(|entry| {
            let least = (LOCAL_FIXED + entry.name.len() as u64).checked_add(entry.compressed);
            least.is_some_and(|least| least <= region.end - region.start)
        })
    }

    /// Where an entry's data begin, when the directory alone tells: in the canonical form the local
    /// header's length follows from it, and the data end the region. Otherwise only the local header knows.
    pub(super) fn data_start(&self, index: u32) -> Option<u64> {
        let (entry, region) = (self.entry(index)?, self.region(index));
        let zip64 = entry.size >= MARK || entry.compressed >= MARK;
        let header = LOCAL_FIXED
            + entry.name.len() as u64
            + if entry.mtime.is_some() { TIME_FIELD } else { 0 }
            + if zip64 { ZIP64_FIELD } else { 0 };
        let start = region.end.checked_sub(entry.compressed)?;
        (entry.flags & FLAG_DESCRIPTOR == 0 && start.checked_sub(region.start) == Some(header))
            .then_some(start)
    }

    /// Cuts everything before the directory into runs of about `bytes` bytes. A run is longer only where an
    /// entry must not be cut: within a header, and within an entry that is not of the canonical form.
    pub fn runs(&self, bytes: u64) -> impl Iterator<Item = Run> {
        let mut next = Run { range: 0..0, entry: 0 };
        std::iter::from_fn(move || {
            let start = next.range.end;
            (start < self.end).then(|| {
                let entry = self.skip_to(next.entry, start);
                let end = self.cut(start, entry, start.saturating_add(bytes.max(1)));
                next = Run { range: start..end, entry };
                next.clone()
            })
        })
    }

    /// The first entry from `entry` on whose region ends behind `at`.
    pub(super) fn skip_to(&self, mut entry: u32, at: u64) -> u32 {
        while (entry as usize) < self.entries.len() && self.region(entry).end <= at {
            entry += 1;
        }
        entry
    }

    /// Where a run that begins at `start` in the region of `entry` ends, at best at `aim`.
    fn cut(&self, start: u64, entry: u32, aim: u64) -> u64 {
        if aim >= self.end {
            return self.end;
        }
        let first = self.region(0).start;
        if start < first {
            return aim.min(first);
        }
        let last = self.skip_to(entry, aim);
        let region = self.region(last);
        match self.data_start(last) {
            Some(data) if data <= aim => aim,
            _ if region.start > start => region.start,
            Some(data) if data > start => data,
            _ => region.end,
        }
    }

    /// Which data a run holds of which entries, as far as the directory tells, in order: the index of the
    /// entry, and the range within its data. Empty for entries whose data are not there as they are.
    pub fn bodies(&self, run: &Run) -> impl Iterator<Item = (u32, Range<u64>)> {
        let range = run.range.clone();
        (run.entry..)
            .take_while({
                let end = range.end;
                move |index| (*index as usize) < self.entries.len() && self.region(*index).start < end
            })
            .filter_map(move |index| {
                let entry = self.entry(index).filter(|entry| entry.is_stored() && self.fits(index))?;
                let body = match self.data_start(index) {
                    Some(start) => {
                        let within = |at: u64| at.saturating_sub(start).min(entry.size);
                        within(range.start)..within(range.end)
                    }
                    None => 0..entry.size,
                };
                (!body.is_empty()).then_some((index, body))
            })
    }
}
