//! Who was granted what, what was reported of it, and whether that can be.

use std::collections::{BTreeMap, BTreeSet};

use coordinator::machine::{Ended, Machine};
use coordinator::scheduler::NodeId;
use proto::batch::{AttemptId, Batch};
use proto::failure::{Failure, FailureKind};
use proto::job::{JobId, Outcome};
use proto::limits::{PART_ATTEMPTS_MAX, PART_LOSSES_MAX};
use proto::plan::PartNumber;
use proto::report::Report;

use super::invariant::Invariant;
use super::wish::Wish;
use super::world::World;

/// What a coordinator has said and heard.
#[derive(Debug, Default)]
pub(super) struct Judge {
    /// Attempts that were granted: to whom, and whether they were answered.
    granted: BTreeMap<AttemptId, (NodeId, bool)>,
    /// Parts that were reported done.
    done: BTreeSet<(JobId, PartNumber)>,
    /// How often a part was reported to have failed.
    failures: BTreeMap<(JobId, PartNumber), u32>,
    ended: BTreeSet<JobId>,
    /// What the largest part that was granted costs a node, in bytes.
    pub(super) largest_bytes: u64,
}

impl Judge {
    pub(super) fn grants(&mut self, node: NodeId, batch: &Batch, world: &mut World) {
        for assignment in &batch.assignments {
            let id = assignment.id;
            self.largest_bytes = self.largest_bytes.max(assignment.work.cost_bytes());
            if let Some((other, _)) = self.granted.insert(id, (node, false)) {
                world
                    .breaks(Invariant::GrantedOnce, format!("{id} was granted to {other:?} and to {node:?}"));
            }
            if self.ended.contains(&id.job) {
                world.breaks(Invariant::GrantedOnce, format!("{id} was granted although the job has ended"));
            }
        }
    }

    pub(super) fn hears(&mut self, node: NodeId, report: &Report, world: &mut World) {
        let done = report.done.iter().map(|done| done.id);
        let failed = report.failed.iter().map(|failed| failed.id);
        let returned = report.returned.iter().map(|returned| returned.id);
        for id in done.chain(failed).chain(returned) {
            match self.granted.get_mut(&id) {
                Some((to, is_answered)) if *to == node && !*is_answered => *is_answered = true,
                granted => {
                    let what = format!("{node:?} answers for {id}, which is {granted:?}");
                    world.breaks(Invariant::AnsweredOnce, what);
                }
            }
        }
        self.done.extend(report.done.iter().map(|done| (done.id.job, done.id.part)));
        for failed in &report.failed {
            *self.failures.entry((failed.id.job, failed.id.part)).or_default() += 1;
        }
    }

    /// An upload of a job is about to be removed.
    pub(super) fn aborts(&self, job: JobId, is_there: impl Fn(NodeId) -> bool, world: &mut World) {
        for (id, node) in self.open(job).filter(|(_, node)| is_there(*node)) {
            world.breaks(Invariant::QuietBeforeAbort, format!("{node:?} may still write {id}"));
        }
    }

    /// Attempts for a job that were not answered, and whose they are.
    pub(super) fn open(&self, job: JobId) -> impl Iterator<Item = (AttemptId, NodeId)> {
        let first = AttemptId { job, part: PartNumber(0), attempt: 0 };
        let of_job = self.granted.range(first..).take_while(move |(id, _)| id.job == job);
        of_job.filter(|(_, (_, is_answered))| !is_answered).map(|(id, (node, _))| (*id, *node))
    }

    /// What is told of jobs must fit what was reported.
    pub(super) fn counts(&self, machine: &Machine, world: &mut World) {
        for job in machine.jobs() {
            let first = (job.id, PartNumber(0));
            let done = self.done.range(first..).take_while(|(id, _)| *id == job.id).count() as u64;
            let told = job.progress;
            if told.parts_done > done
                || told.parts_done > told.parts_planned
                || told.bytes_done > told.bytes_planned
            {
                let what = format!("job {}: {done} parts were reported, and {told:?}", job.id);
                world.breaks(Invariant::CountedOnce, what);
            }
        }
    }

    pub(super) fn ends(&mut self, ended: &Ended, wish: &Wish, world: &mut World) {
        let job = ended.view.id;
        if !self.ended.insert(job) {
            world.breaks(Invariant::EndsOnce, format!("job {job} ended before"));
        }
        match &ended.view.outcome {
            Some(Outcome::Completed(summary)) => {
                world.met.note("jobs that completed");
                let key = &ended.view.destination.key;
                let expected = wish.archive(&world.bytes);
                let made = world.s3.objects.get(key).map(|made| (made.etag.clone(), made.crc));
                if made != Some((summary.etag.clone(), expected)) {
                    let what = format!(
                        "job {job} was to make {expected:?}, and {key} is {made:?}, told as {}",
                        summary.etag
                    );
                    world.breaks(Invariant::RightArchive, what);
                }
            }
            Some(Outcome::Failed { failure, .. }) => {
                world.met.note("jobs that failed or were cancelled");
                if !self.is_fair(job, failure, wish, world) {
                    world.breaks(Invariant::FailsForAReason, format!("job {job} failed: {failure:?}"));
                }
            }
            None => world.breaks(Invariant::EndsOnce, format!("job {job} ended without an outcome")),
        }
    }

    /// Whether something has happened to a job for which it may fail like this.
    fn is_fair(&self, job: JobId, failure: &Failure, wish: &Wish, world: &World) -> bool {
        let first = (job, PartNumber(0));
        let failures = self.failures.range(first..).take_while(|((id, _), _)| *id == job);
        let worst = failures.map(|(_, failures)| *failures).max().unwrap_or(0);
        let is_caused = world.causes.get(&job).is_some_and(|causes| causes.contains(&failure.kind));
        match failure.kind {
            FailureKind::Cancelled => wish.is_cancelled,
            FailureKind::Unavailable => {
                is_caused || worst >= PART_ATTEMPTS_MAX || world.nodes_lost >= u64::from(PART_LOSSES_MAX)
            }
            FailureKind::Internal => worst >= PART_ATTEMPTS_MAX,
            _ => is_caused,
        }
    }
}
