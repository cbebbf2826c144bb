//! What a node has moved and what is left to move: from these its speed is measured while parts are under
//! way, not only when they end.

use std::collections::BTreeMap;

use proto::batch::AttemptId;

/// The attempts a node holds, and how far each has come.
///
/// Every byte of a part counts half when it is there and half when it has been uploaded. What is lost and
/// moved again counts once, so a connection that breaks again and again is not mistaken for speed.
#[derive(Debug, Default)]
pub struct Tally {
    held: BTreeMap<AttemptId, Moved>,
    /// Half bytes of attempts that are over.
    settled: u64,
}

/// One in so many bytes of a part is left as long as S3 has not answered for it.
const UNANSWERED_SHARE: u64 = 4;

/// How far an attempt has come, in bytes.
#[derive(Debug)]
struct Moved {
    size: u64,
    fetched: u64,
    uploaded: u64,
}

impl Tally {
    /// Takes in an attempt at a part of `bytes` bytes, unless it is held already; tells whether it was not.
    pub fn hold(&mut self, id: AttemptId, bytes: u64) -> bool {
        let is_new = !self.held.contains_key(&id);
        if is_new {
            self.held.insert(id, Moved { size: bytes, fetched: 0, uploaded: 0 });
        }
        is_new
    }

    /// Notes how many bytes of a part are there, and how many have been uploaded.
    pub fn note(&mut self, id: AttemptId, fetched: u64, uploaded: u64) {
        if let Some(moved) = self.held.get_mut(&id) {
            moved.fetched = moved.fetched.max(fetched.min(moved.size));
            moved.uploaded = moved.uploaded.max(uploaded.min(moved.size));
        }
    }

    /// Lets go of an attempt that is over. What it moved was moved.
    pub fn release(&mut self, id: AttemptId) {
        if let Some(moved) = self.held.remove(&id) {
            self.settled += moved.fetched + moved.uploaded;
        }
    }

    /// Whether nothing is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Bytes moved since the beginning: it only ever grows.
    #[must_use]
    pub fn moved_bytes(&self) -> u64 {
        let held: u64 = self.held.values().map(|moved| moved.fetched + moved.uploaded).sum();
        (self.settled + held) / 2
    }

    /// Bytes still to be moved of all that is held. What the network has taken has not arrived: until S3 has answered,
    /// some of a part is left, or one that hangs at its end would be taken for one that is about to be done.
    #[must_use]
    pub fn left_bytes(&self) -> u64 {
        let left = |moved: &Moved| {
            (2 * moved.size - moved.fetched - moved.uploaded).max(moved.size / UNANSWERED_SHARE)
        };
        self.held.values().map(left).sum::<u64>().div_ceil(2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use proto::job::JobId;
    use proto::plan::PartNumber;

    fn id(part: u32) -> AttemptId {
        AttemptId { job: JobId(1), part: PartNumber(part), attempt: 1 }
    }

    #[test]
    fn bytes_count_half_when_there_and_half_when_uploaded() {
        let mut tally = Tally::default();
        assert!(tally.hold(id(1), 100));
        assert!(!tally.hold(id(1), 100), "it is held already");
        assert!(tally.hold(id(2), 50));
        assert_eq!((tally.moved_bytes(), tally.left_bytes()), (0, 150));
        tally.note(id(1), 60, 0);
        assert_eq!((tally.moved_bytes(), tally.left_bytes()), (30, 120));
        tally.note(id(1), 20, 0);
        assert_eq!(tally.moved_bytes(), 30, "what is fetched again counts once");
        tally.note(id(1), 100, 100);
        assert_eq!(tally.left_bytes(), 13 + 50, "it has not been answered");
        tally.release(id(1));
        assert_eq!((tally.moved_bytes(), tally.left_bytes()), (100, 50));
        tally.release(id(2));
        assert_eq!((tally.moved_bytes(), tally.left_bytes(), tally.is_empty()), (100, 0, true));
    }

    proptest! {
        #[test]
        fn what_was_moved_only_grows(steps in prop::collection::vec((0u8..4, 0u32..4, 0u64..200, 0u64..200), 0..60)) {
            let mut tally = Tally::default();
            let mut before = 0;
            for (step, part, fetched, uploaded) in steps {
                match step {
                    0 => { tally.hold(id(part), 100); }
                    1 => tally.release(id(part)),
                    _ => tally.note(id(part), fetched, uploaded),
                }
                prop_assert!(tally.moved_bytes() >= before);
                prop_assert!(tally.left_bytes() <= 400);
                before = tally.moved_bytes();
            }
        }
    }
}
