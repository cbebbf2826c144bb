//! Walks over one run of the archive as its bytes arrive: checks local headers, hashes contents.

use proto::crc::{Crc, Hasher};

use super::entry::Entry;
use super::finding::{Findings, Kind, Place};
use super::layout::{LOCAL_FIXED, Layout, Run};
use super::local::{self, DESCRIPTOR_MAX};

/// Reads one run. Holds at most one local header (130 KB).
#[derive(Debug)]
pub struct Walk<'a> {
    layout: &'a Layout,
    /// Offset in the archive of the next byte, and where the run ends.
    at: u64,
    end: u64,
    /// Which entry the next byte belongs to, as what, and where in the archive that part ends.
    entry: u32,
    part: Part,
    part_end: u64,
    /// The header, or what follows the data.
    kept: Vec<u8>,
    /// Hashes contents, or all that lies between two of them.
    hasher: Hasher,
    walked: Walked,
}

/// What the bytes at hand are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// The fixed part of a local header.
    Head,
    /// Its name and extra fields.
    Variable,
    Data,
    /// Where a data descriptor may be.
    Tail,
    /// Bytes of which nothing is known but where they end.
    Unknown,
}

/// What a walk has found.
#[derive(Debug)]
pub struct Walked {
    /// Where the run began.
    pub(super) start: u64,
    /// CRC of all its bytes.
    pub(super) whole: Crc,
    /// Contents of which the run holds only a part: entry, offset in the archive, CRC.
    pub(super) pieces: Vec<(u32, u64, Crc)>,
    /// How many entries' contents were compared with their CRC.
    pub(super) checked: u64,
    pub(super) findings: Findings,
}

/// Some of an entry's contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen<'b> {
    /// Index of the entry.
    pub entry: u32,
    /// Where in its contents these bytes are.
    pub at: u64,
    /// The bytes.
    pub bytes: &'b [u8],
}

impl<'a> Walk<'a> {
    /// A walk over one of the layout's runs.
    #[must_use]
    pub fn new(layout: &'a Layout, run: &Run) -> Self {
        let start = run.range.start;
        let findings = Findings::default();
        let mut walk = Self {
            layout,
            at: start,
            end: run.range.end,
            entry: run.entry,
            part: Part::Unknown,
            part_end: start,
            kept: Vec::new(),
            hasher: Hasher::default(),
            walked: Walked { start, whole: Crc::EMPTY, pieces: Vec::new(), checked: 0, findings },
        };
        walk.turn();
        walk
    }

    /// Takes in the run's next bytes, however they are cut, and tells `seen` of the contents among them
    /// that are stored as they are.
    pub fn feed<'b>(&mut self, mut bytes: &'b [u8], mut seen: impl FnMut(Seen<'b>)) {
        while !bytes.is_empty() && self.at < self.end {
            let room = usize::try_from(self.part_end.min(self.end) - self.at).unwrap_or(usize::MAX);
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            bytes = later;
            self.hasher.update(now);
            match self.part {
                Part::Head | Part::Variable | Part::Tail => self.kept.extend_from_slice(now),
                Part::Data => {
                    if let Some(entry) = self.layout.entry(self.entry).filter(|entry| entry.is_stored()) {
                        let data = self.part_end - entry.compressed;
                        seen(Seen { entry: self.entry, at: self.at - data, bytes: now });
                    }
                }
                Part::Unknown => {}
            }
            self.at += now.len() as u64;
            self.turn();
        }
    }

    /// What was found. The run must have been fed to its end.
    #[must_use]
    pub fn finish(mut self) -> Walked {
        self.close();
        self.walked
    }

    /// Goes on to the part that holds the next byte, through all that have none.
    fn turn(&mut self) {
        while self.at == self.part_end {
            match self.layout.entry(self.entry) {
                Some(entry) if self.part != Part::Unknown => self.advance(entry),
                _ if self.at < self.end => self.enter_region(),
                _ => return,
            }
        }
    }

    /// Takes the CRC of the contents that end here, or of all that lay before some.
    fn close(&mut self) {
        let crc = std::mem::take(&mut self.hasher).finish();
        self.walked.whole = self.walked.whole.then(crc);
        let Some(entry) = self.layout.entry(self.entry).filter(|entry| entry.is_stored()) else { return };
        if self.part == Part::Data && crc.bytes == entry.size {
            self.walked.checked += 1;
            judge(entry, crc, &mut self.walked.findings);
        } else if self.part == Part::Data && crc.bytes > 0 {
            self.walked.pieces.push((self.entry, self.at - crc.bytes, crc));
        }
    }

    /// From one part of `entry` to the next.
    fn advance(&mut self, entry: &Entry) {
        let region_end = self.layout.region(self.entry).end;
        let findings = &mut self.walked.findings;
        match self.part {
            Part::Head => {
                let variable = local::variable_bytes(&self.kept);
                if variable.is_none() {
                    local::check(entry, &self.kept, findings);
                }
                match (self.layout.data_start(self.entry), variable) {
                    // Other runs go by the same offset, so a header that disagrees must not move it.
                    (Some(data), Some(_)) => self.enter(Part::Variable, data),
                    (Some(data), None) => self.enter(Part::Unknown, data),
                    (None, Some(bytes)) if self.at + bytes <= region_end - entry.compressed => {
                        self.enter(Part::Variable, self.at + bytes);
                    }
                    (None, Some(bytes)) => {
                        let what = || {
                            format!("its name and extra fields of {bytes} bytes leave no room for its data")
                        };
                        findings.add(Kind::Overlap, Place::entry(entry.offset, &entry.name), what);
                        self.enter(Part::Unknown, region_end);
                    }
                    (None, None) => self.enter(Part::Unknown, region_end),
                }
            }
            Part::Variable => {
                local::check(entry, &self.kept, findings);
                self.enter(Part::Data, self.at + entry.compressed);
            }
            Part::Data => self.enter(Part::Tail, region_end.min(self.at + DESCRIPTOR_MAX)),
            Part::Tail => {
                let room = region_end - self.at + self.kept.len() as u64;
                local::check_tail(entry, &self.kept, room, findings);
                self.enter(Part::Unknown, region_end);
            }
            Part::Unknown => self.enter_region(),
        }
    }

    /// Into the region that holds the next byte, at its beginning or, where runs are cut, in its data.
    fn enter_region(&mut self) {
        self.entry = self.layout.skip_to(self.entry, self.at);
        let region = self.layout.region(self.entry);
        if self.at < region.start {
            return self.enter(Part::Unknown, region.start);
        }
        if !self.layout.fits(self.entry) {
            return self.enter(Part::Unknown, region.end);
        }
        match self.layout.data_start(self.entry) {
            _ if self.at == region.start => self.enter(Part::Head, self.at + LOCAL_FIXED),
            Some(data) if self.at >= data => self.enter(Part::Data, region.end),
            _ => self.enter(Part::Unknown, region.end),
        }
    }

    fn enter(&mut self, part: Part, end: u64) {
        if self.part == Part::Data || part == Part::Data {
            self.close();
        }
        // The variable part of a header is kept behind its fixed one.
        if part != Part::Variable {
            self.kept.clear();
        }
        (self.part, self.part_end) = (part, end);
    }
}

/// Compares the contents of a stored entry with the CRC the directory gives.
pub(super) fn judge(entry: &Entry, contents: Crc, findings: &mut Findings) {
    if contents.value != entry.crc {
        let place = Place::entry(entry.offset, &entry.name);
        let what = || {
            format!("its contents have CRC-32 {:08x}, the directory says {:08x}", contents.value, entry.crc)
        };
        findings.add(Kind::Contents, place, what);
    }
}
