//! CRCs of stretches that become known in any order, joined as soon as they touch.

use std::collections::BTreeMap;

use proto::crc::Crc;

/// Stretches by their first byte's offset. No two of them touch.
#[derive(Debug, Default)]
pub(super) struct Joins(BTreeMap<u64, Crc>);

impl Joins {
    /// Adds a stretch that begins at `at`, and returns the joined one it has become a part of.
    pub(super) fn add(&mut self, mut at: u64, mut crc: Crc) -> (u64, Crc) {
        if let Some((&before, &head)) = self.0.range(..at).next_back()
            && before.checked_add(head.bytes) == Some(at)
        {
            self.0.remove(&before);
            (at, crc) = (before, head.then(crc));
        }
        if let Some(tail) = at.checked_add(crc.bytes).and_then(|end| self.0.remove(&end)) {
            crc = crc.then(tail);
        }
        if crc.bytes > 0 {
            self.0.insert(at, crc);
        }
        (at, crc)
    }

    /// Takes out the stretch that begins at `at`.
    pub(super) fn remove(&mut self, at: u64) -> Option<Crc> {
        self.0.remove(&at)
    }
}
