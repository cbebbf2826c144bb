//! What parts take that S3 composes.

use proto::compose::{Composition, PADDING_BYTES, Takes};
use proto::limits::COPIES_AT_ONCE;
use proto::plan::PartWork;
use proto::requests::RequestCounts;

use super::COPY_BYTES_PER_S;
use crate::published::COMPOSING_LATENCY_S;

/// Parts that S3 composes, as far as they were seen.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Composing {
    parts: u64,
    requests: u64,
    /// How long the one takes that takes longest, in seconds.
    longest_s: f64,
}

impl Composing {
    pub(super) fn add(&mut self, work: &PartWork, requests: &mut RequestCounts) {
        let Some(composition) = Composition::of(work) else { return };
        let Takes { objects, copies, copied_bytes } = composition.takes();
        requests.create.sent += objects;
        requests.complete.sent += objects;
        requests.delete.sent += objects;
        requests.copy.sent += copies;
        requests.upload_part.sent += 1;
        requests.bytes_copied += copied_bytes;
        requests.bytes_sent += work.literal_bytes();
        self.parts += 1;
        self.requests += 3 * objects + copies + 1;
        // Each level is created, filled and completed when the one before is there.
        let chain = 3 * (composition.levels.len() as u64 + 1) + 1;
        let copied_s = work.bytes as f64 / COPY_BYTES_PER_S;
        self.longest_s = self.longest_s.max(chain as f64 * COMPOSING_LATENCY_S + copied_s);
    }

    /// Adds the padding that they share, which is removed with whatever else is left beside the archive.
    pub(super) fn finish(self, requests: &mut RequestCounts) {
        if self.parts > 0 {
            requests.create.sent += 1;
            requests.upload_part.sent += 1;
            requests.complete.sent += 1;
            requests.bytes_sent += PADDING_BYTES;
            requests.list_other.sent += 1;
            requests.list.sent += 1;
            requests.delete.sent += 1;
        }
    }

    /// How long they take together, in seconds.
    pub(super) fn seconds(&self) -> f64 {
        self.longest_s.max(self.requests as f64 * COMPOSING_LATENCY_S / COPIES_AT_ONCE as f64)
    }
}
