//! The pieces of one part, held against what the plan says lies there.

use proto::plan::{Entry, Part, PartWork, Piece, Plan, Way};

use super::bodies::Bodies;
use super::fault::{Fault, Mismatch, Record};
use super::layout::{is_joined, size};
use super::records::{CENTRAL_CRC, LOCAL_CRC, central, data_end, data_start, end, local};
use super::slots::Due;

/// Everything that is wrong with the work made of the part at `index`; empty when executing it yields
/// the bytes the plan has there.
///
/// `plan` must be one in which [`super::check`] finds nothing. After a piece that is out of place no
/// further piece can be judged, so it is the last to be reported.
#[must_use]
pub fn check_work(plan: &Plan, index: usize, work: &PartWork) -> Vec<Fault> {
    let Some(part) = plan.parts.get(index) else { return vec![Fault::NoSuchPart(index)] };
    let mut faults = Vec::new();
    let (expected, found) = (u64::from(part.number.0), u64::from(work.number.0));
    faults.extend(Mismatch::between(expected, found).map(Fault::WorkMisnumbered));
    faults.extend(Mismatch::between(size(part), work.bytes).map(Fault::WorkMissized));
    let pieces_bytes = work.pieces.iter().fold(0, |sum: u64, piece| sum.saturating_add(piece_bytes(piece)));
    faults.extend(Mismatch::between(size(part), pieces_bytes).map(Fault::WorkMissized));

    if is_joined(part) {
        joined(part, work, &mut faults);
        return faults;
    }
    let mut walk = Walk { work, piece: 0, within: 0, bodies: Bodies::new(work), due: Vec::new(), faults };
    if walk.part(plan, part, index).is_none() {
        walk.faults.push(Fault::PieceOutOfPlace(walk.piece));
        return walk.faults;
    }
    let mut faults = walk.faults;
    super::slots::check(work, &walk.due, &mut walk.bodies, &mut faults);
    walk.bodies.check(plan, part, &mut faults);
    faults
}

/// The segment whole, by one request. Where it is the plan does not say.
fn joined(part: &Part, work: &PartWork, faults: &mut Vec<Fault>) {
    match work.pieces.as_slice() {
        [Piece::Copy { body: 0, range }] if *range == (0..size(part)) => {}
        [Piece::Copy { body: 0, .. }, _, ..] => faults.push(Fault::PieceOutOfPlace(1)),
        _ => faults.push(Fault::PieceOutOfPlace(0)),
    }
    if work.bodies.is_empty() {
        faults.push(Fault::NoSuchBody(0, 0));
    }
    for (index, body) in (0u32..).zip(&work.bodies) {
        if index > 0 || body.object_bytes != size(part) || body.rest.bytes > 0 {
            faults.push(Fault::BodyNotSegment(index));
        }
    }
}

fn piece_bytes(piece: &Piece) -> u64 {
    match piece {
        Piece::Literal { bytes, .. } => bytes.len() as u64,
        Piece::Fetch { range, .. } | Piece::Copy { range, .. } => range.end.saturating_sub(range.start),
    }
}

/// A walk over the pieces of a part, in step with the records and data the plan has there. Each step
/// gives `None` when the piece at hand is of the wrong kind or too short.
struct Walk<'a> {
    work: &'a PartWork,
    /// The piece at hand.
    piece: usize,
    /// How much of it, a literal, lies behind.
    within: usize,
    bodies: Bodies<'a>,
    due: Vec<Due>,
    faults: Vec<Fault>,
}

impl Walk<'_> {
    fn part(&mut self, plan: &Plan, part: &Part, index: usize) -> Option<()> {
        if let Some(entry) = continued(plan, part) {
            self.data(&plan.entries[entry as usize], entry, part)?;
        }
        for entry in part.headers.clone() {
            let holder = &plan.entries[entry as usize];
            self.header(holder, entry, Record::LocalHeader, true)?;
            self.data(holder, entry, part)?;
        }
        for entry in part.directory.clone() {
            let own = part.headers.contains(&entry);
            self.header(&plan.entries[entry as usize], entry, Record::CentralHeader, own)?;
        }
        if index + 1 == plan.parts.len() {
            let directory = plan.directory.clone().unwrap_or_default();
            self.literal(&end(plan, directory.start, directory.end.saturating_sub(directory.start)), None)?;
        }
        (self.piece == self.work.pieces.len() && self.within == 0).then_some(())
    }

    /// A header, whose CRC is still to be filled in if the entry's data is this part's own.
    fn header(&mut self, entry: &Entry, index: u32, record: Record, own: bool) -> Option<()> {
        let (bytes, crc) = match record {
            Record::LocalHeader => (local(entry), LOCAL_CRC),
            Record::CentralHeader => (central(entry), CENTRAL_CRC),
        };
        let is_empty = entry.object.size == 0;
        let at = self.within + crc;
        if own && !is_empty {
            self.due.push(Due { piece: self.piece, at, entry: index, record });
        }
        let piece = self.piece;
        let filled_in = self.literal(&bytes, Some(crc))?;
        if is_empty && filled_in != [0; 4] {
            self.faults.push(Fault::EmptyEntryWithCrc(piece, index));
        }
        Some(())
    }

    /// Takes literal bytes that must equal `expected` but for the CRC at `crc`, and returns that.
    fn literal(&mut self, expected: &[u8], crc: Option<usize>) -> Option<[u8; 4]> {
        let work = self.work;
        let Some(Piece::Literal { bytes, .. }) = work.pieces.get(self.piece) else { return None };
        let mut found = bytes.get(self.within..self.within + expected.len())?.to_vec();
        let mut filled_in = [0; 4];
        if let Some(crc) = crc {
            filled_in.swap_with_slice(&mut found[crc..crc + 4]);
        }
        if found != expected {
            self.faults.push(Fault::WrongBytes(self.piece, self.within));
        }
        self.within += expected.len();
        if self.within == bytes.len() {
            self.piece += 1;
            self.within = 0;
        }
        Some(filled_in)
    }

    /// Takes the fetches, or the copy, of what the part holds of the entry's data.
    fn data(&mut self, entry: &Entry, index: u32, part: &Part) -> Option<()> {
        let (stretch, way) = (&part.bytes, part.way);
        let start = data_start(entry);
        let mut next = stretch.start.max(start) - start;
        let end = stretch.end.min(data_end(entry)).saturating_sub(start);
        let work = self.work;
        while next < end {
            let (body, range) = match (way, work.pieces.get(self.piece)?) {
                (Way::Streamed | Way::Composed, Piece::Fetch { body, range }) => (body, range),
                // All of it by one request: what is copied is never put together.
                (Way::Copied, Piece::Copy { body, range }) if *range == (next..end) => (body, range),
                _ => return None,
            };
            if range.is_empty() || range.end > entry.object.size {
                self.faults.push(Fault::BadRange(self.piece));
                return None;
            }
            let mismatch = Mismatch::between(next, range.start);
            self.faults.extend(mismatch.map(|mismatch| Fault::RangeMisplaced(self.piece, mismatch)));
            self.bodies.fetched(*body, index, range.end, self.piece, &mut self.faults);
            next = next.saturating_add(piece_bytes(&work.pieces[self.piece]));
            if next > end {
                return None;
            }
            self.piece += 1;
        }
        Some(())
    }
}

/// The entry whose data the part begins with, if it begins within data.
fn continued(plan: &Plan, part: &Part) -> Option<u32> {
    let before = plan.entries.partition_point(|entry| entry.offset < part.bytes.start).checked_sub(1)?;
    let entry = &plan.entries[before];
    (data_start(entry) <= part.bytes.start && part.bytes.start < data_end(entry)).then_some(before as u32)
}
