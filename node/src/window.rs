//! The window: how much a node has in hand at a time.

use std::collections::VecDeque;

use proto::batch::{Assignment, AttemptId, Upload};
use proto::plan::{PartWork, Piece};

/// Parts that are fetched whatever their requests.
const PARTS_AHEAD: usize = 4;
/// How many times over the requests of the parts begun may fill those in flight.
const ROUNDS_AHEAD: usize = 4;

/// One in so many bytes of the window is for copies. So a part that is streamed, for which there is room in what is
/// left, never waits for them, however many there are.
const COPIES_SHARE: u64 = 4;

/// What a part costs from its beginning to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Memory, in bytes.
    pub bytes: u64,
    /// Requests: its fetches and its upload. None for a part that S3 makes.
    pub requests: usize,
}

impl Cost {
    /// What `work` costs.
    #[must_use]
    pub fn of(work: &PartWork) -> Self {
        let bytes = work.cost_bytes();
        if work.is_made_by_s3() {
            return Self { bytes, requests: 0 };
        }
        let fetches = work.pieces.iter().filter(|piece| matches!(piece, Piece::Fetch { .. })).count();
        Self { bytes, requests: fetches + 1 }
    }

    fn is_of_copy(self) -> bool {
        self.requests == 0
    }
}

/// Parts granted to a node, and which of them may begin.
///
/// What is begun holds a buffer of its part's size until it is uploaded; what waits holds none. So the
/// sum of the sizes begun is the memory the node pays, and it never exceeds the budget, but for a part
/// that is alone. Nor is more begun than keeps the node's requests busy: parts of a thousand small
/// objects would fill the memory and all end together, instead of one after the other.
///
/// Parts that S3 makes take nothing of the node but a little memory, so they and those that are streamed wait in
/// lines of their own: neither holds up the other.
#[derive(Debug)]
pub struct Window {
    budget_bytes: u64,
    /// Of both kinds.
    begun_bytes: u64,
    begun_copies_bytes: u64,
    requests_max: usize,
    begun_requests: usize,
    /// Parts begun that are streamed, of which something is still to be fetched.
    fetching: usize,
    /// Those of which nothing is.
    uploading: usize,
    waiting: VecDeque<(Upload, Assignment)>,
    waiting_copies: VecDeque<(Upload, Assignment)>,
}

impl Window {
    /// A window of `budget_bytes` bytes of part bodies, on a node with `concurrency` requests in flight.
    #[must_use]
    pub fn new(budget_bytes: u64, concurrency: usize) -> Self {
        Self {
            budget_bytes,
            begun_bytes: 0,
            begun_copies_bytes: 0,
            requests_max: concurrency.saturating_mul(ROUNDS_AHEAD),
            begun_requests: 0,
            fetching: 0,
            uploading: 0,
            waiting: VecDeque::new(),
            waiting_copies: VecDeque::new(),
        }
    }

    /// Follows the node's requests in flight.
    pub fn follow(&mut self, concurrency: usize) {
        self.requests_max = concurrency.saturating_mul(ROUNDS_AHEAD);
    }

    /// How much of it no part begun has, in bytes.
    #[must_use]
    pub fn room_bytes(&self) -> u64 {
        self.budget_bytes.saturating_sub(self.begun_bytes)
    }

    /// Whether parts were granted that have not begun.
    #[must_use]
    pub fn has_waiting(&self) -> bool {
        !self.waiting.is_empty() || !self.waiting_copies.is_empty()
    }

    /// Takes in a part that was granted.
    pub fn queue(&mut self, upload: Upload, assignment: Assignment) {
        let line = if assignment.work.is_made_by_s3() { &mut self.waiting_copies } else { &mut self.waiting };
        line.push_back((upload, assignment));
    }

    /// The next part to begin, if there is memory for it.
    pub fn begin(&mut self) -> Option<(Upload, Assignment)> {
        self.begin_copy().or_else(|| self.begin_streamed())
    }

    fn begin_copy(&mut self) -> Option<(Upload, Assignment)> {
        let cost = Cost::of(&self.waiting_copies.front()?.1.work);
        let has_share = self.begun_copies_bytes + cost.bytes <= self.budget_bytes / COPIES_SHARE;
        let is_full = !has_share || self.begun_bytes + cost.bytes > self.budget_bytes;
        if is_full && self.begun_bytes > 0 {
            return None;
        }
        self.begun_bytes += cost.bytes;
        self.begun_copies_bytes += cost.bytes;
        self.waiting_copies.pop_front()
    }

    fn begin_streamed(&mut self) -> Option<(Upload, Assignment)> {
        let cost = Cost::of(&self.waiting.front()?.1.work);
        let is_out_of_memory = self.begun_bytes > 0 && self.begun_bytes + cost.bytes > self.budget_bytes;
        let has_many = self.fetching >= PARTS_AHEAD || self.uploading >= self.requests_max;
        let is_busy = has_many && self.begun_requests + cost.requests > self.requests_max;
        if is_out_of_memory || is_busy {
            return None;
        }
        self.begun_bytes += cost.bytes;
        self.begun_requests += cost.requests;
        *self.parts_like(cost) += 1;
        self.waiting.pop_front()
    }

    /// Notes that a part that was begun costs `bytes` bytes more than it seemed.
    pub fn charge(&mut self, bytes: u64) {
        self.begun_bytes += bytes;
    }

    /// Notes that all a part is made of is there: from now on it takes one request, its upload.
    pub fn fetched(&mut self, cost: &mut Cost) {
        if cost.requests > 1 {
            *self.parts_like(*cost) -= 1;
            self.begun_requests -= cost.requests - 1;
            cost.requests = 1;
            *self.parts_like(*cost) += 1;
        }
    }

    /// How many streamed parts are as far as one that costs this.
    fn parts_like(&mut self, cost: Cost) -> &mut usize {
        if cost.requests > 1 { &mut self.fetching } else { &mut self.uploading }
    }

    /// Notes that a part that was begun no longer costs anything.
    pub fn end(&mut self, cost: Cost) {
        self.begun_bytes -= cost.bytes;
        if cost.is_of_copy() {
            self.begun_copies_bytes -= cost.bytes;
        } else {
            self.begun_requests -= cost.requests;
            *self.parts_like(cost) -= 1;
        }
    }

    /// Takes out what has not begun and `is_gone`.
    pub fn surrender(&mut self, is_gone: impl Fn(AttemptId) -> bool) -> Vec<AttemptId> {
        let mut gone = Vec::new();
        for line in [&mut self.waiting, &mut self.waiting_copies] {
            line.retain(|(_, assignment)| {
                let is_gone = is_gone(assignment.id);
                if is_gone {
                    gone.push(assignment.id);
                }
                !is_gone
            });
        }
        gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::crc::{Crc, StoredKind};
    use proto::job::JobId;
    use proto::limits::{COPY_COST_BYTES, MIB};
    use proto::location::Location;
    use proto::plan::{Body, PartNumber};

    fn copy(number: u32) -> (Upload, Assignment) {
        let (upload, mut assignment) = part(1, number, 100 * MIB, 0);
        let (bucket, key, etag) = ("b".to_owned(), "k".to_owned(), "e".to_owned());
        let (stored, rest) = (StoredKind::None, Crc::EMPTY);
        assignment.work.bodies = vec![Body { bucket, key, etag, object_bytes: 100 * MIB, stored, rest }];
        assignment.work.pieces = vec![Piece::Copy { body: 0, range: 0..100 * MIB }];
        (upload, assignment)
    }

    fn part(job: u64, number: u32, bytes: u64, fetches: usize) -> (Upload, Assignment) {
        let destination = Location { bucket: "out".into(), key: "a.zip".into() };
        let number = PartNumber(number);
        let id = AttemptId { job: JobId(job), part: number, attempt: 1 };
        let pieces = vec![Piece::Fetch { body: 0, range: 0..1 }; fetches];
        let work = PartWork { number, bytes, bodies: Vec::new(), pieces, below: None };
        (Upload { destination, upload_id: "u".into() }, Assignment { id, work, trace: None })
    }

    fn queue(window: &mut Window, parts: impl IntoIterator<Item = (Upload, Assignment)>) {
        for (upload, assignment) in parts {
            window.queue(upload, assignment);
        }
    }

    fn begun(window: &mut Window) -> Vec<u32> {
        std::iter::from_fn(|| window.begin()).map(|(_, assignment)| assignment.id.part.0).collect()
    }

    fn end(window: &mut Window, bytes: u64) {
        window.end(Cost { bytes, requests: 1 });
    }

    #[test]
    fn memory_is_never_exceeded_but_by_a_part_that_is_alone() {
        let mut window = Window::new(100, 10);
        queue(
            &mut window,
            [(1, 60), (2, 30), (3, 20), (4, 500), (5, 1)].map(|(number, bytes)| part(1, number, bytes, 0)),
        );
        assert_eq!(begun(&mut window), [1, 2]);
        end(&mut window, 60);
        assert_eq!(begun(&mut window), [3]);
        end(&mut window, 30);
        assert_eq!(begun(&mut window), [0u32; 0], "a part larger than the budget waits until it is alone");
        end(&mut window, 20);
        assert_eq!(begun(&mut window), [4]);
        end(&mut window, 500);
        assert_eq!(begun(&mut window), [5]);
    }

    #[test]
    fn no_more_is_begun_than_keeps_the_requests_busy() {
        let mut window = Window::new(1_000, 10);
        queue(&mut window, (1..=9).map(|number| part(1, number, 1, 100)));
        assert_eq!(begun(&mut window), [1, 2, 3, 4]);
        window.end(Cost { bytes: 1, requests: 101 });
        assert_eq!(begun(&mut window), [5]);
        let mut window = Window::new(1_000, 10);
        queue(&mut window, (1..=30).map(|number| part(1, number, 1, 1)));
        assert_eq!(begun(&mut window).len(), 20, "ten requests four times over, two for each part");
    }

    /// Or a node whose parts are large would upload few of them, and each only as fast as one connection is.
    #[test]
    fn parts_that_are_uploaded_leave_the_requests_for_fetches_to_others() {
        let mut window = Window::new(1_000, 10);
        queue(&mut window, (1..=9).map(|number| part(1, number, 1, 100)));
        assert_eq!(begun(&mut window), [1, 2, 3, 4]);
        let mut cost = Cost { bytes: 1, requests: 101 };
        window.fetched(&mut cost);
        window.fetched(&mut cost);
        assert_eq!(begun(&mut window), [5], "three others are still fetched");
        window.end(cost);
        assert_eq!(begun(&mut window), [0; 0]);
        window.end(Cost { bytes: 1, requests: 101 });
        assert_eq!(begun(&mut window), [6]);
    }

    #[test]
    fn copies_and_streams_do_not_hold_each_other_up() {
        let mut window = Window::new(16 * MIB, 10);
        queue(&mut window, (1..=20).map(copy));
        queue(&mut window, [(21, 12 * MIB), (22, 12 * MIB), (23, 1)].map(|(n, bytes)| part(1, n, bytes, 0)));
        queue(&mut window, (24..=25).map(copy));
        let first: Vec<u32> = (1..=16).chain([21]).collect();
        assert_eq!(begun(&mut window), first, "copies have a quarter, streams what is left");
        for _ in 1..=6 {
            window.end(Cost { bytes: COPY_COST_BYTES, requests: 0 });
        }
        assert_eq!(begun(&mut window), [17, 18, 19, 20, 24, 25]);
        end(&mut window, 12 * MIB);
        assert_eq!(begun(&mut window), [22]);
    }

    #[test]
    fn copies_are_no_parts_ahead() {
        let mut window = Window::new(100 * MIB, 1);
        queue(&mut window, (1..=8).map(copy));
        queue(&mut window, [part(1, 9, 1, 1_000)]);
        assert_eq!(begun(&mut window).len(), 9);
        // However small the window, one part may begin when nothing else has.
        let mut window = Window::new(10, 1);
        queue(&mut window, [copy(1), copy(2), part(1, 3, 20, 0)]);
        assert_eq!(begun(&mut window), [1]);
        window.end(Cost { bytes: COPY_COST_BYTES, requests: 0 });
        assert_eq!(begun(&mut window), [2]);
        window.end(Cost { bytes: COPY_COST_BYTES, requests: 0 });
        assert_eq!(begun(&mut window), [3]);
    }

    #[test]
    fn only_what_is_gone_is_surrendered() {
        let mut window = Window::new(10, 10);
        queue(&mut window, [(1, 1), (2, 2), (1, 3)].map(|(job, number)| part(job, number, 10, 0)));
        assert_eq!(begun(&mut window), [1]);
        let gone = window.surrender(|id| id.job == JobId(1));
        assert_eq!(gone.iter().map(|id| id.part.0).collect::<Vec<_>>(), [3]);
        end(&mut window, 10);
        assert_eq!(begun(&mut window), [2]);
    }
}
