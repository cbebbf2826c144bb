//! Fair shares: which job goes first where several want the same node.
//!
//! Each job has a clock that goes on with the bytes granted to it, slower the more weight it has; the job whose
//! clock is behind goes first. A job that had nothing to hand out sets its clock to the present: it gets its
//! share from now on, not what it missed.

use std::collections::BTreeMap;

use proto::job::JobId;

#[derive(Debug)]
struct Share {
    weight: u64,
    /// Bytes granted, divided by the weight.
    clock: u64,
    /// Parts of it in queues.
    queued: u64,
}

/// The clocks of all jobs.
#[derive(Debug, Default)]
pub(super) struct Shares {
    jobs: BTreeMap<JobId, Share>,
    /// The latest clock of a job that was granted something.
    present: u64,
}

impl Shares {
    pub(super) fn join(&mut self, job: JobId, weight: u64) {
        let clock = self.present;
        self.jobs.insert(job, Share { weight: weight.max(1), clock, queued: 0 });
    }

    pub(super) fn leave(&mut self, job: JobId) {
        self.jobs.remove(&job);
    }

    pub(super) fn queued(&mut self, job: JobId) {
        let present = self.present;
        if let Some(share) = self.jobs.get_mut(&job) {
            if share.queued == 0 {
                share.clock = share.clock.max(present);
            }
            share.queued += 1;
        }
    }

    pub(super) fn unqueued(&mut self, job: JobId) {
        if let Some(share) = self.jobs.get_mut(&job) {
            share.queued = share.queued.saturating_sub(1);
        }
    }

    pub(super) fn granted(&mut self, job: JobId, bytes: u64) {
        if let Some(share) = self.jobs.get_mut(&job) {
            self.present = self.present.max(share.clock);
            share.clock += bytes / share.weight;
        }
    }

    /// What the job is ordered by: the smaller, the sooner.
    pub(super) fn clock(&self, job: JobId) -> u64 {
        self.jobs.get(&job).map_or(0, |share| share.clock)
    }
}
