//! Where CRCs are filled in, held against where they are due.

use proto::plan::{PartWork, Piece, Slot};

use super::bodies::Bodies;
use super::fault::{Fault, Record};

/// A CRC that only whoever makes the part can fill in.
pub(super) struct Due {
    /// The literal it stands in.
    pub(super) piece: usize,
    /// Where in that.
    pub(super) at: usize,
    /// Whose it is.
    pub(super) entry: u32,
    /// In which header.
    pub(super) record: Record,
}

/// Finds slots that are wrong by themselves, those due nowhere and those missing. `due` is in the order
/// of the bytes.
pub(super) fn check(work: &PartWork, due: &[Due], bodies: &mut Bodies<'_>, faults: &mut Vec<Fault>) {
    let mut missing = vec![true; due.len()];
    for (piece, slots, len) in work.pieces.iter().enumerate().filter_map(literal) {
        let mut free_from = 0;
        for (index, slot) in slots.iter().enumerate() {
            let at = slot.at as usize;
            if at < free_from {
                faults.push(Fault::SlotsOverlap(piece, index));
            }
            free_from = at + 4;
            if free_from > len {
                faults.push(Fault::SlotOutside(piece, index));
            }
            let Ok(found) = due.binary_search_by_key(&(piece, at), |due| (due.piece, due.at)) else {
                faults.push(Fault::SlotStray(piece, index));
                continue;
            };
            missing[found] = false;
            match bodies.belongs(slot.body, due[found].entry) {
                None => faults.push(Fault::NoSuchBody(piece, slot.body)),
                Some(false) => faults.push(Fault::SlotWrongBody(piece, index)),
                Some(true) => {}
            }
        }
    }
    let missing = due.iter().zip(missing).filter(|(_, missing)| *missing);
    faults.extend(missing.map(|(due, _)| Fault::SlotMissing(due.piece, due.record, due.entry)));
}

fn literal((index, piece): (usize, &Piece)) -> Option<(usize, &[Slot], usize)> {
    match piece {
        Piece::Literal { bytes, slots } => Some((index, slots, bytes.len())),
        Piece::Fetch { .. } | Piece::Copy { .. } => None,
    }
}
