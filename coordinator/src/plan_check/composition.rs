//! What S3 makes of a composition, by its own rules and without a byte.

use std::ops::Range;

use proto::compose::{Composition, Source};
use proto::plan::{PartWork, Piece};

use super::fault::Fault;

/// Smallest part but the last, in bytes.
const PART_BYTES_MIN: u64 = 5 << 20;
/// Largest part, in bytes.
const PART_BYTES_MAX: u64 = 5 << 30;
/// Most parts of one upload.
const PARTS_MAX: usize = 10_000;

/// Where bytes come from: a stretch of the padding, of the literal bytes, or of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum From {
    Padding,
    Literals,
    Body(u32),
}

/// What an object holds, of which no stretch goes on where the one before ends.
type Held = Vec<(From, Range<u64>)>;

/// Everything that is wrong with having S3 make a part in this way; empty when it ends up with the bytes that are
/// to be in it. After an object that cannot be made nothing further can be judged.
#[must_use]
pub fn check_composition(work: &PartWork, composition: &Composition) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut objects: Vec<Held> = Vec::new();
    for (index, sources) in composition.objects.iter().enumerate() {
        match made(work, sources, &objects) {
            Some(held) => objects.push(held),
            None => return vec![Fault::ObjectCannotBeMade(index)],
        }
    }
    // Each object once, and only when what it is made of is there.
    let mut ready = 1;
    for level in &composition.levels {
        let is_next = level.start == ready && level.end <= objects.len();
        let needs = composition.objects.get(level.clone()).unwrap_or_default().iter().flatten();
        let is_ready = |source: &Source| !matches!(source, Source::Made { object, .. } if *object >= ready);
        if !is_next || !needs.clone().all(is_ready) {
            faults.push(Fault::ObjectCannotBeMade(level.start));
        }
        ready = level.end;
    }
    if ready != objects.len() {
        faults.push(Fault::ObjectCannotBeMade(ready));
    }
    let part = held(work, &composition.part, &objects);
    if part != Some(wanted(work)) || matches!(composition.part, Source::Literals | Source::Padding) {
        faults.push(Fault::ComposedAmiss);
    }
    faults
}

/// The object that is made of these; `None` if S3 would not.
fn made(work: &PartWork, sources: &[Source], objects: &[Held]) -> Option<Held> {
    let mut whole = Held::new();
    for (index, source) in sources.iter().enumerate() {
        let part = held(work, source, objects)?;
        let bytes = part.iter().map(|(_, range)| range.end - range.start).sum::<u64>();
        let is_last = index + 1 == sources.len();
        if bytes == 0 || bytes > PART_BYTES_MAX || (bytes < PART_BYTES_MIN && !is_last) {
            return None;
        }
        part.into_iter().for_each(|(from, range)| push(&mut whole, from, range));
    }
    (!sources.is_empty() && sources.len() <= PARTS_MAX).then_some(whole)
}

/// What there is in a source; `None` if there is less.
fn held(work: &PartWork, source: &Source, objects: &[Held]) -> Option<Held> {
    match source {
        Source::Padding => Some(vec![(From::Padding, 0..PART_BYTES_MIN)]),
        Source::Literals => Some(vec![(From::Literals, 0..literal_bytes(work))]),
        Source::Body { body, range } => {
            let bytes = work.bodies.get(*body as usize)?.object_bytes;
            (range.start < range.end && range.end <= bytes).then(|| vec![(From::Body(*body), range.clone())])
        }
        Source::Made { object, range } => cut(objects.get(*object)?, range),
    }
}

/// A range of what an object holds; `None` if it ends before the range does.
fn cut(object: &Held, range: &Range<u64>) -> Option<Held> {
    let (mut at, mut within) = (0, Held::new());
    for (from, stretch) in object {
        let end = at + stretch.end - stretch.start;
        let (first, last) = (range.start.max(at), range.end.min(end));
        if first < last {
            push(&mut within, *from, stretch.start + first - at..stretch.start + last - at);
        }
        at = end;
    }
    (range.end <= at).then_some(within)
}

/// What is to be in the part.
fn wanted(work: &PartWork) -> Held {
    let (mut held, mut literal) = (Held::new(), 0);
    for piece in &work.pieces {
        match piece {
            Piece::Literal { bytes, .. } => {
                push(&mut held, From::Literals, literal..literal + bytes.len() as u64);
                literal += bytes.len() as u64;
            }
            Piece::Fetch { body, range } | Piece::Copy { body, range } => {
                push(&mut held, From::Body(*body), range.clone());
            }
        }
    }
    held
}

fn literal_bytes(work: &PartWork) -> u64 {
    let bytes = |piece: &Piece| match piece {
        Piece::Literal { bytes, .. } => bytes.len() as u64,
        Piece::Fetch { .. } | Piece::Copy { .. } => 0,
    };
    work.pieces.iter().map(bytes).sum()
}

fn push(held: &mut Held, from: From, range: Range<u64>) {
    match held.last_mut() {
        Some((last, before)) if *last == from && before.end == range.start => before.end = range.end,
        _ if range.is_empty() => {}
        _ => held.push((from, range)),
    }
}
