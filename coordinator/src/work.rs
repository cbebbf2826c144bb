//! From a part of the plan to the pieces a node makes it of.

use std::ops::Range;

use proto::archive::zip::{CENTRAL_CRC_AT, LOCAL_CRC_AT, local_header};
use proto::crc::{Crc, StoredKind};
use proto::limits::FETCH_BYTES;
use proto::location::Location;
use proto::plan::{Body, PartWork, Piece, Plan, Slot, Way};

use crate::directory;
use crate::ledger::Ledger;

/// An object that a segment has become.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Where it is.
    pub location: Location,
    /// Its ETag, without quotes.
    pub etag: String,
}

/// The pieces of the part at `index`; `segment` tells which object the segment of a number has become. All that
/// header slots do not hold themselves must be in the ledger, or stand as 0 where they go: good enough to count
/// requests, not to be uploaded. Where S3 is to compose it is for the caller to say.
#[must_use]
pub fn part_work(
    plan: &Plan,
    ledger: &Ledger,
    index: usize,
    segment: impl FnOnce(u32) -> Object,
) -> PartWork {
    let part = &plan.parts[index];
    if let Way::Joined(number) = part.way {
        let Object { location, etag } = segment(number);
        let body = Body {
            bucket: location.bucket,
            key: location.key,
            etag,
            object_bytes: part.size(),
            // It was told to S3 when the segment was put together.
            stored: StoredKind::Crc32,
            rest: Crc::EMPTY,
        };
        let pieces = vec![Piece::Copy { body: 0, range: 0..part.size() }];
        return PartWork { number: part.number, bytes: part.size(), bodies: vec![body], pieces, below: None };
    }
    let mut pieces =
        Pieces { plan, bodies: Vec::new(), done: Vec::new(), literal: Vec::new(), slots: Vec::new() };
    if plan.holds_only_data(part) {
        let entry = part.headers.start - 1;
        let data_start = plan.entries[entry as usize].data().start;
        let range = part.bytes.start - data_start..part.bytes.end - data_start;
        match part.way {
            Way::Copied => pieces.copy(entry, range),
            _ => pieces.fetch(entry, range, Crc::EMPTY),
        }
    }
    let mut body_of_first_header = Vec::with_capacity(part.headers.len());
    for index_of_entry in part.headers.clone() {
        let entry = &plan.entries[index_of_entry as usize];
        let data = entry.data();
        let header = local_header(&entry.header(0));
        if data.is_empty() {
            pieces.literal(&header, None);
            body_of_first_header.push(None);
            continue;
        }
        let body = pieces.bodies.len() as u32;
        pieces.literal(&header, Some((LOCAL_CRC_AT, body)));
        let reaches_beyond = data.end > part.bytes.end;
        let rest = if reaches_beyond { ledger.joined(plan.continuation(index)) } else { Crc::EMPTY };
        pieces.fetch(index_of_entry, 0..part.bytes.end.min(data.end) - data.start, rest);
        body_of_first_header.push(Some(body));
    }
    for index_of_entry in part.directory.clone() {
        let own = index_of_entry
            .checked_sub(part.headers.start)
            .and_then(|i| body_of_first_header.get(i as usize))
            .copied();
        let record = directory::record(plan, index_of_entry, ledger.crc32(index_of_entry));
        pieces.literal(&record, own.flatten().map(|body| (CENTRAL_CRC_AT, body)));
    }
    if index + 1 == plan.parts.len() {
        pieces.literal(&directory::end(plan), None);
    }
    pieces.flush();
    let Pieces { bodies, done: pieces, .. } = pieces;
    PartWork { number: part.number, bytes: part.size(), bodies, pieces, below: None }
}

/// Pieces as they are put together; literal bytes that touch become one piece.
struct Pieces<'a> {
    plan: &'a Plan,
    bodies: Vec<Body>,
    done: Vec<Piece>,
    literal: Vec<u8>,
    slots: Vec<Slot>,
}

impl Pieces<'_> {
    fn literal(&mut self, bytes: &[u8], crc_of: Option<(usize, u32)>) {
        if let Some((at, body)) = crc_of {
            self.slots.push(Slot { at: (self.literal.len() + at) as u32, body });
        }
        self.literal.extend_from_slice(bytes);
    }

    fn fetch(&mut self, entry: u32, range: Range<u64>, rest: Crc) {
        let body = self.body(entry, rest);
        self.done.extend(even_ranges(range).map(|range| Piece::Fetch { body, range }));
    }

    fn copy(&mut self, entry: u32, range: Range<u64>) {
        let body = self.body(entry, Crc::EMPTY);
        self.done.push(Piece::Copy { body, range });
    }

    fn body(&mut self, entry: u32, rest: Crc) -> u32 {
        self.flush();
        let object = &self.plan.entries[entry as usize].object;
        let body = self.bodies.len() as u32;
        self.bodies.push(Body {
            bucket: self.plan.bucket(object).to_owned(),
            key: object.key.to_string(),
            etag: object.etag.to_string(),
            object_bytes: object.size,
            stored: object.stored,
            rest,
        });
        body
    }

    fn flush(&mut self) {
        if !self.literal.is_empty() {
            let (bytes, slots) = (std::mem::take(&mut self.literal), std::mem::take(&mut self.slots));
            self.done.push(Piece::Literal { bytes, slots });
        }
    }
}

/// Cuts a range into as few as possible of about the same size, none above `FETCH_BYTES`.
fn even_ranges(range: Range<u64>) -> impl Iterator<Item = Range<u64>> {
    let total = range.end - range.start;
    let count = total.div_ceil(FETCH_BYTES);
    let border =
        move |i: u64| range.start + (u128::from(total) * u128::from(i) / u128::from(count.max(1))) as u64;
    (0..count).map(move |i| border(i)..border(i + 1))
}
