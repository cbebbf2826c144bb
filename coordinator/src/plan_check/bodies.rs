//! The bodies of a part's work: each stands for the data of one entry.

use proto::plan::{Part, PartWork, Plan};

use super::fault::{Fault, Mismatch};

/// What the pieces have said of the bodies so far.
pub(super) struct Bodies<'a> {
    work: &'a PartWork,
    /// For each body the entry it stands for, and how far its object is fetched here.
    uses: Vec<Option<Use>>,
}

#[derive(Clone, Copy)]
struct Use {
    entry: u32,
    fetched_to: u64,
}

impl<'a> Bodies<'a> {
    pub(super) fn new(work: &'a PartWork) -> Self {
        Self { work, uses: vec![None; work.bodies.len()] }
    }

    /// Notes that a piece fetches up to `end` of the entry's object through `body`.
    pub(super) fn fetched(&mut self, body: u32, entry: u32, end: u64, piece: usize, faults: &mut Vec<Fault>) {
        match self.uses.get_mut(body as usize) {
            None => faults.push(Fault::NoSuchBody(piece, body)),
            Some(Some(used)) if used.entry != entry => faults.push(Fault::BodyNotOwn(body)),
            Some(used) => *used = Some(Use { entry, fetched_to: end }),
        }
    }

    /// Whether `body` stands for the entry. A body that nothing is fetched through belongs to the entry
    /// whose header first asks for its CRC: all its data lies behind the part. `None` if there is none.
    pub(super) fn belongs(&mut self, body: u32, entry: u32) -> Option<bool> {
        let used = self.uses.get_mut(body as usize)?;
        Some(used.get_or_insert(Use { entry, fetched_to: 0 }).entry == entry)
    }

    /// Holds each body against the object of its entry.
    pub(super) fn check(&self, plan: &Plan, part: &Part, faults: &mut Vec<Fault>) {
        let mut entries: Vec<u32> = self.uses.iter().flatten().map(|used| used.entry).collect();
        entries.sort_unstable();
        for (index, used) in (0u32..).zip(&self.uses) {
            let Some(used) = used else {
                faults.push(Fault::BodyNotOwn(index));
                continue;
            };
            let first = entries.partition_point(|entry| *entry < used.entry);
            if entries.get(first + 1) == Some(&used.entry) {
                faults.push(Fault::BodyNotOwn(index));
            }
            let body = &self.work.bodies[index as usize];
            let object = &plan.entries[used.entry as usize].object;
            let is_same = body.key == *object.key
                && body.etag == object.etag.to_string()
                && body.object_bytes == object.size
                && body.stored == object.stored;
            if !is_same {
                faults.push(Fault::BodyMismatch(index, used.entry));
            }
            let waits = part.headers.contains(&used.entry);
            let rest = if waits { object.size - used.fetched_to } else { 0 };
            let mismatch = Mismatch::between(rest, body.rest.bytes);
            faults.extend(mismatch.map(|mismatch| Fault::RestMissized(index, mismatch)));
        }
    }
}
