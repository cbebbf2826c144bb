//! Judges a ZIP archive by its bytes: structure, names, contents, and against its source objects.
//!
//! This reader shares no code with the writer, so that a mistake in one is found by the other. It takes any
//! archive, from any tool and however hostile, and never panics or hangs on it. Whoever reads the bytes
//! goes through these steps, of which all but the first two can be done for several ranges side by side:
//!
//! > [`find`] the end → [`Central`] directory → [`Layout`], [`Matches`] → [`Walk`] per [`Run`] → [`Verdict`]
//!
//! It holds 64 bytes and the name for each entry, 4 more when compared with sources, and 200 KB a walk.
//!
//! | severity | meaning |
//! |---|---|
//! | broken | a reader may get wrong bytes, wrong names, or another structure than the next reader |
//! | unchecked | contents that cannot be checked here: compressed or encrypted |
//! | unusual | legal, but not the form that every reader opens |

mod against;
mod central;
mod end;
mod entry;
mod extra;
mod fields;
mod finding;
mod join;
mod layout;
mod local;
mod name;
mod time;
mod walk;

#[cfg(test)]
mod tests;

pub use against::{Expected, Matches};
pub use central::Central;
pub use end::{Ends, TAIL_BYTES, find};
pub use entry::Entry;
pub use finding::{Finding, Findings, Found, Kind, Severity};
pub use layout::{Layout, Run};
pub use walk::{Seen, Walk, Walked};

use std::collections::BTreeMap;

use finding::Place;
use join::Joins;
use proto::crc::Crc;

/// What an archive turned out to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Size of the archive, in bytes.
    pub bytes: u64,
    /// Entries of its directory.
    pub entries: u64,
    /// Entries whose contents were compared with their CRC-32.
    pub checked: u64,
    /// CRC-32 of the whole archive; `None` when not all of it was read.
    pub crc: Option<u32>,
    /// Everything found.
    pub findings: Findings,
}

impl Report {
    /// The report on an archive of `bytes` bytes whose directory could not be found.
    #[must_use]
    pub fn unreadable(bytes: u64, findings: Findings) -> Self {
        Self { bytes, findings, ..Self::default() }
    }

    /// Whether every reader gets the right bytes, as far as could be checked.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.findings.count(Severity::Broken) == 0
    }

    /// Whether all contents could be checked.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.findings.count(Severity::Unchecked) == 0
    }
}

/// Puts together what the walks found, in whatever order they end.
#[derive(Debug, Default)]
pub struct Verdict {
    checked: u64,
    findings: Findings,
    /// Stretches of the archive.
    whole: Joins,
    /// Stretches of the contents of entries that no walk has seen whole.
    contents: Joins,
    /// Entries that differ from their source objects, and from which byte of their contents on.
    differing: BTreeMap<u32, u64>,
}

impl Verdict {
    /// A verdict that begins with what was found in the end records, directory and layout.
    #[must_use]
    pub fn new(findings: Findings) -> Self {
        Self { findings, ..Self::default() }
    }

    /// Adds bytes of the archive outside all runs: its directory and its end.
    pub fn add_bytes(&mut self, at: u64, crc: Crc) {
        self.whole.add(at, crc);
    }

    /// Adds what a walk found.
    pub fn add(&mut self, layout: &Layout, walked: Walked) {
        self.checked += walked.checked;
        self.findings.merge(walked.findings);
        self.whole.add(walked.start, walked.whole);
        for (index, at, crc) in walked.pieces {
            // Headers lie between the contents of two entries, so what is joined is of one.
            let (at, contents) = self.contents.add(at, crc);
            if let Some(entry) = layout.entry(index).filter(|entry| entry.size == contents.bytes) {
                self.contents.remove(at);
                self.checked += 1;
                walk::judge(entry, contents, &mut self.findings);
            }
        }
    }

    /// Adds that the contents of `entry` differ at byte `at` from those of its source object.
    pub fn add_difference(&mut self, entry: u32, at: u64) {
        self.differing.entry(entry).and_modify(|first| *first = at.min(*first)).or_insert(at);
    }

    /// The report on an archive of `bytes` bytes. `stored` is the CRC-32 that S3 holds of the whole object.
    #[must_use]
    pub fn finish(mut self, layout: &Layout, bytes: u64, stored: Option<u32>) -> Report {
        let crc = self.whole.remove(0).filter(|whole| whole.bytes == bytes).map(|whole| whole.value);
        if let (Some(crc), Some(stored)) = (crc, stored)
            && crc != stored
        {
            let what = || format!("the archive's CRC-32 is {crc:08x}, S3 holds {stored:08x}");
            self.findings.add(Kind::StoredCrc, Place { offset: None, name: None }, what);
        }
        for (entry, at) in self.differing {
            let Some(entry) = layout.entry(entry) else { continue };
            let what = || format!("its contents differ from its source object's from byte {at} on");
            self.findings.add(Kind::SourceBytes, Place::entry(entry.offset, &entry.name), what);
        }
        let entries = layout.entries().len() as u64;
        Report { bytes, entries, checked: self.checked, crc, findings: self.findings }
    }
}

/// Judges an archive held in memory.
#[must_use]
pub fn judge(archive: &[u8]) -> Report {
    let bytes = archive.len() as u64;
    let mut findings = Findings::default();
    let tail = &archive[archive.len().saturating_sub(TAIL_BYTES as usize)..];
    let Some(ends) = find(tail, bytes, &mut findings) else { return Report::unreadable(bytes, findings) };
    let slice = |range: std::ops::Range<u64>| &archive[range.start as usize..range.end as usize];
    let mut central = Central::new(&ends);
    central.feed(slice(ends.directory.clone()), &mut findings);
    let (entries, directory) = central.finish(&mut findings);
    let layout = Layout::new(entries, ends.directory.start, &mut findings);
    let mut verdict = Verdict::new(findings);
    verdict.add_bytes(ends.directory.start, directory);
    verdict.add_bytes(ends.directory.end, Crc::of(slice(ends.directory.end..bytes)));
    for run in layout.runs(u64::MAX) {
        let mut walk = Walk::new(&layout, &run);
        walk.feed(slice(run.range), |_| {});
        verdict.add(&layout, walk.finish());
    }
    verdict.finish(&layout, bytes, None)
}
