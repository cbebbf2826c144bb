//! The assembler: one buffer, filled by many hands at once, each byte hashed as it lands.
//!
//! A part's buffer is divided among its fetches before the first byte arrives. Each fills its own
//! region in order, and the regions grow together again without a copy. So a byte is copied once, out
//! of the connection's read buffer, which is thereby free for the next read: held instead, it would pin
//! memory of several times the size of what it carries (`docs/decisions/0002-one-copy.md`).

use std::ops::Range;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use proto::crc::{Crc, Hasher, StoredKind};
use proto::plan::{Body, PartWork, Piece, Slot};

/// Why a part cannot be assembled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AssembleError {
    /// The pieces do not add up, or a slot points outside: whoever planned this part has a defect.
    #[error("the plan of part {part} contradicts itself: {what}")]
    Plan {
        /// The part's number.
        part: u32,
        /// The contradiction.
        what: &'static str,
    },
    /// S3 sent more bytes than were asked for.
    #[error("more bytes arrived than were asked for")]
    TooMany,
}

/// A range to be fetched, and the place for its bytes.
#[derive(Debug)]
pub struct Region {
    /// Position among the part's bodies.
    pub body: u32,
    range: Range<u64>,
    /// How many bytes have come.
    come: u64,
    place: Place,
    stored: StoredKind,
    hasher: Hasher,
}

/// Where the bytes of a region go.
#[derive(Debug)]
enum Place {
    /// Into the part, as the piece at this position.
    Piece { index: usize, bytes: BytesMut },
    /// Nowhere: only their CRC is wanted.
    Nowhere,
}

impl Region {
    fn new(body: u32, range: Range<u64>, stored: StoredKind, place: Place) -> Self {
        Self { body, range, come: 0, place, stored, hasher: Hasher::new(stored) }
    }

    /// A range of which only the CRC-32 is wanted: its bytes are hashed and not kept.
    #[must_use]
    pub fn hashed(body: u32, range: Range<u64>) -> Self {
        Self::new(body, range, StoredKind::None, Place::Nowhere)
    }

    /// Takes in the next bytes.
    ///
    /// # Errors
    /// When they are more than were asked for; then none is taken.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), AssembleError> {
        if bytes.len() as u64 > self.missing().end - self.missing().start {
            return Err(AssembleError::TooMany);
        }
        if let Place::Piece { bytes: place, .. } = &mut self.place {
            place.extend_from_slice(bytes);
        }
        self.come += bytes.len() as u64;
        self.hasher.update(bytes);
        Ok(())
    }

    /// What is still to come, in bytes from the start of the object; after a broken connection the
    /// fetch goes on from here.
    #[must_use]
    pub fn missing(&self) -> Range<u64> {
        self.range.start + self.come..self.range.end
    }

    /// Whether all has come.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.missing().is_empty()
    }

    /// Forgets what has come: it proved to be damaged.
    pub fn restart(&mut self) {
        if let Place::Piece { bytes, .. } = &mut self.place {
            bytes.clear();
        }
        self.come = 0;
        self.hasher = Hasher::new(self.stored);
    }

    /// CRC of what has come.
    #[must_use]
    pub fn crc(&self) -> Crc {
        self.hasher.finish()
    }
}

/// A part in the making.
#[derive(Debug)]
pub struct Assembler {
    number: u32,
    bodies: Arc<[Body]>,
    pieces: Vec<Made>,
}

/// A piece in the making.
#[derive(Debug)]
enum Made {
    Literal {
        place: BytesMut,
        slots: Vec<Slot>,
    },
    /// Out with whoever fetches it.
    Fetching,
    Fetched {
        place: BytesMut,
        body: u32,
        crc: Crc,
    },
}

/// A part ready to be uploaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assembled {
    /// Its bytes.
    pub bytes: Bytes,
    /// Their CRC.
    pub crc: Crc,
    /// CRC of each body with its rest.
    pub bodies: Vec<Crc>,
}

impl Assembler {
    /// Divides `buffer` among the pieces of `work`; gives the regions to be filled.
    ///
    /// # Errors
    /// When the pieces contradict each other.
    pub fn new(work: PartWork, mut buffer: BytesMut) -> Result<(Self, Vec<Region>), AssembleError> {
        let number = work.number.0;
        let contradiction = |what| AssembleError::Plan { part: number, what };
        let size = usize::try_from(work.bytes).map_err(|_| contradiction("it is larger than memory"))?;
        buffer.clear();
        buffer.reserve(size);
        let mut left = work.bytes;
        let mut regions = Vec::new();
        let mut pieces = Vec::with_capacity(work.pieces.len());
        for (index, piece) in work.pieces.into_iter().enumerate() {
            let length = piece.bytes();
            left = left.checked_sub(length).ok_or_else(|| contradiction("its pieces exceed its size"))?;
            let after = buffer.split_off(length as usize);
            let mut place = std::mem::replace(&mut buffer, after);
            match piece {
                Piece::Literal { bytes, slots } => {
                    let fits = |slot: &Slot| {
                        slot.at as usize + 4 <= bytes.len() && (slot.body as usize) < work.bodies.len()
                    };
                    if !slots.iter().all(fits) {
                        return Err(contradiction("a slot lies outside"));
                    }
                    place.extend_from_slice(&bytes);
                    pieces.push(Made::Literal { place, slots });
                }
                Piece::Fetch { body, range } => {
                    if body as usize >= work.bodies.len() || range.is_empty() {
                        return Err(contradiction("a fetch has no object or no bytes"));
                    }
                    let stored = work.bodies[body as usize].stored;
                    let place = Place::Piece { index, bytes: place };
                    regions.push(Region::new(body, range, stored, place));
                    pieces.push(Made::Fetching);
                }
                Piece::Copy { .. } => return Err(contradiction("a copy is not all there is of it")),
            }
        }
        if left > 0 {
            return Err(contradiction("its pieces fall short of its size"));
        }
        Ok((Self { number, bodies: work.bodies.into(), pieces }, regions))
    }

    /// The objects the part draws from.
    #[must_use]
    pub fn bodies(&self) -> Arc<[Body]> {
        Arc::clone(&self.bodies)
    }

    /// Takes a full region back.
    ///
    /// # Panics
    /// When it is not full, was taken back before, or is none of this part.
    pub fn put_back(&mut self, region: Region) {
        assert!(region.is_full(), "only full regions are put back");
        let crc = region.crc();
        let Place::Piece { index, bytes: place } = region.place else { panic!("its bytes were not kept") };
        let made = Made::Fetched { crc, place, body: region.body };
        let before = std::mem::replace(&mut self.pieces[index], made);
        assert!(matches!(before, Made::Fetching), "a region is put back once");
    }

    /// Fills the slots and joins everything.
    ///
    /// # Panics
    /// When a region was not put back.
    #[must_use]
    pub fn finish(self) -> Assembled {
        let mut bodies = vec![Crc::EMPTY; self.bodies.len()];
        for piece in &self.pieces {
            if let Made::Fetched { body, crc, .. } = piece {
                let known = &mut bodies[*body as usize];
                *known = known.then(*crc);
            }
        }
        for (crc, body) in bodies.iter_mut().zip(self.bodies.iter()) {
            *crc = crc.then(body.rest);
        }
        let mut whole = BytesMut::new();
        let mut crc = Crc::EMPTY;
        for piece in self.pieces {
            let (place, piece_crc) = match piece {
                Made::Literal { mut place, slots } => {
                    for slot in slots {
                        let value = bodies[slot.body as usize].value;
                        place[slot.at as usize..][..4].copy_from_slice(&value.to_le_bytes());
                    }
                    let crc = Crc::of(&place);
                    (place, crc)
                }
                Made::Fetched { place, crc, .. } => (place, crc),
                Made::Fetching => panic!("part {} is finished with a fetch still out", self.number),
            };
            crc = crc.then(piece_crc);
            whole.unsplit(place);
        }
        Assembled { bytes: whole.freeze(), crc, bodies }
    }
}

#[cfg(test)]
mod tests;
