//! The window: how much a node has in hand at a time.

use std::collections::VecDeque;

use proto::batch::{Assignment, Upload};
use proto::job::JobId;

/// Parts granted to a node, and which of them may begin.
///
/// What is begun holds a buffer of its part's size until it is uploaded; what waits holds none. So the
/// sum of the sizes begun is the memory the node pays, and it never exceeds the budget, but for a part
/// that is alone.
#[derive(Debug)]
pub struct Window {
    budget_bytes: u64,
    begun_bytes: u64,
    waiting: VecDeque<(Upload, Assignment)>,
}

impl Window {
    /// A window of `budget_bytes` bytes of part bodies.
    #[must_use]
    pub fn new(budget_bytes: u64) -> Self {
        Self { budget_bytes, begun_bytes: 0, waiting: VecDeque::new() }
    }

    /// Its size in bytes, as it is reported to the coordinator.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.budget_bytes
    }

    /// How much of it no part begun has, in bytes.
    #[must_use]
    pub fn room_bytes(&self) -> u64 {
        self.budget_bytes.saturating_sub(self.begun_bytes)
    }

    /// Takes in a part that was granted.
    pub fn queue(&mut self, upload: Upload, assignment: Assignment) {
        self.waiting.push_back((upload, assignment));
    }

    /// The next part to begin, if there is memory for it.
    pub fn begin(&mut self) -> Option<(Upload, Assignment)> {
        let bytes = self.waiting.front()?.1.work.bytes;
        if self.begun_bytes > 0 && self.begun_bytes + bytes > self.budget_bytes {
            return None;
        }
        self.begun_bytes += bytes;
        self.waiting.pop_front()
    }

    /// Notes that a part of `bytes` bytes that was begun no longer holds memory.
    pub fn end(&mut self, bytes: u64) {
        self.begun_bytes = self.begun_bytes.saturating_sub(bytes);
    }

    /// Takes out everything of a job that has not begun.
    pub fn surrender(&mut self, job: JobId) -> Vec<Assignment> {
        let (gone, kept) = std::mem::take(&mut self.waiting).into_iter().partition::<Vec<_>, _>(|(_, a)| a.id.job == job);
        self.waiting = kept.into();
        gone.into_iter().map(|(_, assignment)| assignment).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::batch::AttemptId;
    use proto::location::Location;
    use proto::plan::{PartNumber, PartWork};

    fn part(job: u64, number: u32, bytes: u64) -> (Upload, Assignment) {
        let destination = Location { bucket: "out".into(), key: "a.zip".into() };
        let number = PartNumber(number);
        let id = AttemptId { job: JobId(job), part: number, attempt: 1 };
        let work = PartWork { number, bytes, bodies: Vec::new(), pieces: Vec::new() };
        (Upload { destination, upload_id: "u".into() }, Assignment { id, work })
    }

    fn begun(window: &mut Window) -> Vec<u32> {
        std::iter::from_fn(|| window.begin()).map(|(_, assignment)| assignment.id.part.0).collect()
    }

    #[test]
    fn memory_is_never_exceeded_but_by_a_part_that_is_alone() {
        let mut window = Window::new(100);
        for (number, bytes) in [(1, 60), (2, 30), (3, 20), (4, 500), (5, 1)] {
            let (upload, assignment) = part(1, number, bytes);
            window.queue(upload, assignment);
        }
        assert_eq!(begun(&mut window), [1, 2]);
        window.end(60);
        assert_eq!(begun(&mut window), [3]);
        window.end(30);
        assert_eq!(begun(&mut window), [0u32; 0], "a part larger than the budget waits until it is alone");
        window.end(20);
        assert_eq!(begun(&mut window), [4]);
        window.end(500);
        assert_eq!(begun(&mut window), [5]);
    }

    #[test]
    fn only_the_cancelled_job_is_surrendered() {
        let mut window = Window::new(10);
        for (job, number) in [(1, 1), (2, 2), (1, 3)] {
            let (upload, assignment) = part(job, number, 10);
            window.queue(upload, assignment);
        }
        assert_eq!(begun(&mut window), [1]);
        let gone: Vec<u32> = window.surrender(JobId(1)).iter().map(|assignment| assignment.id.part.0).collect();
        assert_eq!(gone, [3]);
        window.end(10);
        assert_eq!(begun(&mut window), [2]);
    }
}
