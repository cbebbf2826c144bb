//! What a node has to know of a part that S3 composes: the literal bytes, once the CRCs in them are known, and the CRC
//! of everything that S3 is to make, so that it verifies each object before it exists.

use std::collections::BTreeMap;
use std::ops::Range;

use proto::compose::{Composition, PADDING_BYTES, Source};
use proto::crc::Crc;
use proto::limits::PART_BYTES_MAX;
use proto::plan::{Body, PartWork, Piece};

use crate::assembler::AssembleError;

/// A part that S3 composes, before the CRCs of its bodies are known.
#[derive(Debug)]
pub struct Composer {
    work: PartWork,
    composition: Composition,
}

/// The same when they are known.
#[derive(Clone, Debug)]
pub struct Composed {
    /// Which objects are made of which.
    pub composition: Composition,
    /// All literal bytes of the part, with the CRCs in their slots.
    pub literals: Vec<u8>,
    /// CRC of each body, `rest` included.
    pub bodies: Vec<Crc>,
    /// CRC of each of the composition's objects.
    objects: Vec<Crc>,
    /// CRC of what is copied of bodies, by body and first byte.
    copied: BTreeMap<(u32, u64), Crc>,
}

impl Composer {
    /// Of the part that `work` describes.
    ///
    /// # Errors
    /// When the work contradicts itself, or no body follows a header: nothing that a sound planner has composed.
    pub fn new(work: PartWork) -> Result<Self, AssembleError> {
        let bytes = work.pieces.iter().try_fold(0_u64, |sum, piece| sum.checked_add(piece.bytes()));
        let is_sound = |piece: &Piece| match piece {
            Piece::Literal { .. } => true,
            Piece::Fetch { body, range } | Piece::Copy { body, range } => {
                let body = work.bodies.get(*body as usize);
                let whole = body.and_then(|body| range.end.checked_add(body.rest.bytes));
                !range.is_empty() && whole.zip(body).is_some_and(|(whole, body)| whole <= body.object_bytes)
            }
        };
        let goes_on = |pair: &[Piece]| match pair {
            [Piece::Fetch { body, range }, Piece::Fetch { body: next, range: rest }] => {
                body == next && range.end == rest.start
            }
            _ => true,
        };
        // No sum is too large that is made of so few bytes.
        let is_whole =
            bytes == Some(work.bytes) && work.bytes <= PART_BYTES_MAX && work.pieces.windows(2).all(goes_on);
        if !is_whole || !work.pieces.iter().all(is_sound) {
            return Err(contradiction(&work, "its pieces are not those of its bodies"));
        }
        let composition =
            Composition::of(&work).ok_or_else(|| contradiction(&work, "it cannot be composed"))?;
        Ok(Self { work, composition })
    }

    /// Which objects are made of which.
    #[must_use]
    pub fn composition(&self) -> &Composition {
        &self.composition
    }

    /// The objects that its bodies are in.
    #[must_use]
    pub fn bodies(&self) -> &[Body] {
        &self.work.bodies
    }

    /// Goes on with what S3 has copied of bodies, whose CRCs stand in the order of [`Composition::bodies`].
    ///
    /// # Errors
    /// When a slot points outside of its bytes, or to no body.
    ///
    /// # Panics
    /// When there are fewer CRCs.
    pub fn seal(self, crcs: &[Crc]) -> Result<Composed, AssembleError> {
        let Self { work, composition } = self;
        let sources = composition.bodies().zip(crcs).filter_map(|((_, _, source), crc)| match source {
            Source::Body { body, range } => Some(((*body, range.start), *crc)),
            _ => None,
        });
        let copied: BTreeMap<(u32, u64), Crc> = sources.collect();
        assert_eq!(copied.len(), composition.bodies().count(), "everything was copied");
        let mut bodies = vec![Crc::EMPTY; work.bodies.len()];
        for ((body, _), crc) in &copied {
            let whole = &mut bodies[*body as usize];
            *whole = whole.then(*crc);
        }
        for (crc, body) in bodies.iter_mut().zip(&work.bodies) {
            *crc = crc.then(body.rest);
        }
        let mut literals = Vec::with_capacity(work.literal_bytes() as usize);
        for piece in &work.pieces {
            let Piece::Literal { bytes, slots } = piece else { continue };
            let start = literals.len();
            literals.extend_from_slice(bytes);
            for slot in slots {
                let at = slot.at as usize;
                let place = literals[start..].get_mut(at..at.saturating_add(4));
                let filled = bodies.get(slot.body as usize).zip(place);
                let (crc, place) =
                    filled.ok_or_else(|| contradiction(&work, "a CRC has no place, or no body"))?;
                place.copy_from_slice(&crc.value.to_le_bytes());
            }
        }
        let mut composed = Composed { composition, literals, bodies, objects: Vec::new(), copied };
        for object in 0..composed.composition.objects.len() {
            let sources = &composed.composition.objects[object];
            let crc = sources.iter().fold(Crc::EMPTY, |crc, source| crc.then(composed.crc(source)));
            composed.objects.push(crc);
        }
        Ok(composed)
    }
}

impl Composed {
    /// CRC of one of its objects.
    #[must_use]
    pub fn object(&self, object: usize) -> Crc {
        self.objects[object]
    }

    /// CRC of what goes into an object.
    ///
    /// # Panics
    /// When it is none of this composition's.
    #[must_use]
    pub fn crc(&self, source: &Source) -> Crc {
        match source {
            Source::Padding => padding(),
            Source::Literals => Crc::of(&self.literals),
            Source::Body { body, range } => *self.copied.get(&(*body, range.start)).expect("it was copied"),
            Source::Made { object: 0, range } => self.block(range),
            // It reaches to the end of its object.
            Source::Made { object, range } => self.objects[*object].after(self.head(*object, range.start)),
        }
    }

    /// CRC of so many bytes that an object begins with: of those that do not count.
    fn head(&self, object: usize, bytes: u64) -> Crc {
        match self.composition.objects[object].first() {
            _ if bytes == 0 => Crc::EMPTY,
            Some(Source::Made { object: 0, range }) => self.block(&(range.start..range.start + bytes)),
            // A merged one begins with another whole.
            Some(Source::Made { object, .. }) => self.head(*object, bytes),
            _ => Crc::EMPTY,
        }
    }

    /// CRC of some of the block: padding, then literal bytes.
    fn block(&self, range: &Range<u64>) -> Crc {
        let zeros = zeros(range.end.min(PADDING_BYTES).saturating_sub(range.start));
        let literal = |at: u64| at.saturating_sub(PADDING_BYTES) as usize;
        zeros.then(Crc::of(&self.literals[literal(range.start)..literal(range.end)]))
    }
}

/// CRC of the padding.
#[must_use]
pub fn padding() -> Crc {
    zeros(PADDING_BYTES)
}

/// CRC of so many zeros, without hashing them: the CRC of twice as many takes but one step.
fn zeros(mut bytes: u64) -> Crc {
    let (mut crc, mut power) = (Crc::EMPTY, Crc::of(&[0]));
    while bytes > 0 {
        if bytes % 2 == 1 {
            crc = crc.then(power);
        }
        power = power.then(power);
        bytes /= 2;
    }
    crc
}

fn contradiction(work: &PartWork, what: &'static str) -> AssembleError {
    AssembleError::Plan { part: work.number.0, what }
}

#[cfg(test)]
mod tests;
