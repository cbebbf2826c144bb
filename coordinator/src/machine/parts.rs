//! Parts: into queues, out to nodes, and back.

use std::collections::BTreeMap;

use proto::batch::{Assignment, AttemptId, Batch, Upload};
use proto::explain::What;
use proto::failure::{Failure, FailureKind};
use proto::job::{JobId, Stage};
use proto::limits::{BATCH_PARTS_MAX, FRAME_BYTES_AIM, PART_ATTEMPTS_MAX, PART_FAILURES_MAX};
use proto::part::{PartDone, PartFailed};
use proto::plan::PartNumber;
use proto::session::Order;
use proto::timeline::Origin;

use super::{Effect, Machine, Question};
use crate::job::UploadState;
use crate::scheduler::{Next, NodeId, Queued, Stolen};

/// Most characters of a failure that are told in an explanation.
const WHY_CHARS_MAX: usize = 500;

impl Machine {
    pub(super) fn part_done(&mut self, node: NodeId, done: &PartDone) {
        let id = done.id.job;
        let Some(job) = self.jobs.get_mut(&id) else { return };
        if job.stage >= Stage::Completing {
            return self.clean_up(id);
        }
        match job.ledger.record(job.planner.plan(), done) {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => {
                let failure =
                    Failure::new(FailureKind::Internal, format!("a node reported nonsense: {error}"));
                return self.fail(id, failure);
            }
        }
        if job.first_part_ms.is_none() {
            job.first_part_ms = Some(self.now_ms);
        }
        let share = job.story.share(self.scheduler.name(node));
        share.parts += 1;
        share.bytes += done.crc.bytes;
        self.counters.bytes_done += done.crc.bytes;
        self.drop_rivals(node, done.id);
        self.tend_segments(id);
        let Some(job) = self.jobs.get_mut(&id) else { return };
        if job.stage == Stage::Transferring && job.ledger.is_complete() {
            job.transferred_ms = self.now_ms;
            job.stage = Stage::Completing;
            let UploadState::Open(upload) = &job.upload else { return };
            let completion = job.completion(upload.clone());
            self.effects.push(Effect::Ask(Question::Complete(id, None, completion)));
        }
    }

    /// Has other attempts at a part that is done dropped.
    fn drop_rivals(&mut self, node: NodeId, done: AttemptId) {
        let rivals = self.scheduler.rivals(done.job, done.part).to_vec();
        let Some(job) = self.jobs.get_mut(&done.job).filter(|_| !rivals.is_empty()) else { return };
        job.break_off(done.part);
        for (rival, attempt) in &rivals {
            job.story.share(self.scheduler.name(*rival)).outrun += 1;
            self.effects.push(Effect::Order(*rival, Order::Revoke(vec![*attempt])));
        }
        if rivals.iter().all(|(_, attempt)| attempt.attempt < done.attempt) {
            job.story.share(self.scheduler.name(node)).hedges_won += 1;
            self.counters.hedges_won += 1;
        }
        let node = self.scheduler.name(node).to_owned();
        self.tell(done.job, What::Won { part: done.part, node });
    }

    pub(super) fn part_failed(&mut self, node: NodeId, failed: PartFailed) {
        let id = failed.id.job;
        let Some(job) = self.jobs.get_mut(&id) else { return };
        if job.stage >= Stage::Completing {
            return self.clean_up(id);
        }
        if job.ledger.is_done(failed.id.part) || job.ledger.is_doubted(failed.id) {
            // Another attempt was there first, or what it was made of is known to be damaged already.
            return job.ledger.give_back(failed.id.part);
        }
        let kind = failed.failure.kind;
        let may_pass =
            matches!(kind, FailureKind::Unavailable | FailureKind::Internal | FailureKind::Corrupt);
        if !may_pass || self.is_hopeless(node, failed.id) {
            return self.fail(id, failed.failure);
        }
        let Some(job) = self.jobs.get_mut(&id) else { return };
        match kind {
            FailureKind::Corrupt => {
                if !job.ledger.doubt(job.planner.plan(), failed.id.part) {
                    return self.fail(id, failed.failure);
                }
            }
            _ => job.ledger.give_back(failed.id.part),
        }
        let node = self.scheduler.name(node).to_owned();
        job.story.share(&node).failed += 1;
        let why = failed.failure.message.chars().take(WHY_CHARS_MAX).collect();
        self.tell(id, What::Failed { part: failed.id.part, node, why });
    }

    /// Notes that an attempt failed at a node. The part is beyond hope when it has failed often enough at
    /// different nodes, or at all there are: one node that cannot do anything must not end a job that others can.
    fn is_hopeless(&mut self, node: NodeId, attempt: AttemptId) -> bool {
        let Some(job) = self.jobs.get_mut(&attempt.job) else { return false };
        let failures = job.ledger.note_failure(attempt.part);
        let failed_at = job.failed_at.entry(attempt.part).or_default();
        failed_at.insert(node);
        let is_everywhere = self.scheduler.active().all(|node| failed_at.contains(&node));
        failures >= PART_ATTEMPTS_MAX && (is_everywhere || failed_at.len() >= PART_ATTEMPTS_MAX as usize)
            || failures >= PART_FAILURES_MAX
    }

    /// A node dropped an attempt because it was told to, or because it drains.
    pub(super) fn part_returned(&mut self, node: NodeId, attempt: AttemptId) {
        let Some(job) = self.jobs.get_mut(&attempt.job) else { return };
        if job.stage >= Stage::Completing {
            return self.clean_up(attempt.job);
        }
        if !job.ledger.is_done(attempt.part) {
            job.story.share(self.scheduler.name(node)).handed_back += 1;
        }
        job.ledger.give_back(attempt.part);
    }

    /// Puts what is ready in queues, and grants from them what nodes have room for.
    pub(super) fn hand_out(&mut self) {
        self.deal();
        while let Some(node) = self.stirred.pop_first() {
            self.fill(node);
        }
    }

    fn deal(&mut self) {
        if !self.scheduler.takes_parts() {
            return;
        }
        for job in self.jobs.values_mut().filter(|job| job.ledger.has_ready() && job.is_granting()) {
            while let Some((index, is_urgent)) = job.segments.next_ready(job.planner.plan(), &mut job.ledger)
            {
                let (cost_bytes, is_copy) = (job.part_cost(index), job.is_copy(index));
                let part = Queued { index, cost_bytes, is_copy, origin: Origin::Granted };
                let failed_at = job.failed_at.get(&PartNumber::from_index(index));
                let is_avoided = |node| failed_at.is_some_and(|nodes| nodes.contains(&node));
                self.stirred.extend(self.scheduler.deal(job.id, part, is_urgent, is_avoided));
            }
        }
    }

    /// Grants a node what it has room for.
    fn fill(&mut self, node: NodeId) {
        let mut batches: BTreeMap<(JobId, Option<u32>), (Batch, u64)> = BTreeMap::new();
        while let Some(next) = self.scheduler.next(node) {
            let Some((assignment, segment, upload)) = self.attempt(node, next) else { continue };
            let key = (assignment.id.job, segment);
            let literal = assignment.work.literal_bytes();
            let new = || (Batch { upload, assignments: Vec::new() }, 0);
            let (batch, bytes) = batches.entry(key).or_insert_with(new);
            batch.assignments.push(assignment);
            *bytes += literal;
            if batch.assignments.len() >= BATCH_PARTS_MAX || *bytes >= FRAME_BYTES_AIM as u64 {
                let (batch, _) = batches.remove(&key).expect("it was just there");
                self.effects.push(Effect::Order(node, Order::Grant(batch)));
            }
        }
        let rest = batches.into_values().map(|(batch, _)| Effect::Order(node, Order::Grant(batch)));
        self.effects.extend(rest);
    }

    /// Makes an attempt of what the scheduler chose, with the segment it is within and the upload it goes to; `None` if
    /// it is not needed any more.
    fn attempt(&mut self, node: NodeId, next: Next) -> Option<(Assignment, Option<u32>, Upload)> {
        let (id, index, cost_bytes, origin, slow) = match next {
            Next::Queued(id, part) => (id, part.index, part.cost_bytes, part.origin, None),
            Next::Stolen(stolen) => {
                self.tell_theft(&stolen);
                (stolen.job, stolen.part.index, stolen.part.cost_bytes, stolen.part.origin, None)
            }
            Next::Hedge { attempt, cost_bytes, slow, .. } => {
                (attempt.job, attempt.part.index(), cost_bytes, Origin::Hedge, Some((slow, attempt)))
            }
        };
        let begun = self.jobs.get_mut(&id).filter(|job| job.is_granting()).and_then(|job| {
            let number = if slow.is_some() { job.ledger.hedge(index) } else { job.ledger.grant(index) };
            number.map(|number| (number, job))
        });
        let Some((number, job)) = begun else {
            // Whoever has the part need not be looked at again.
            if let Some((slow, attempt)) = slow {
                self.scheduler.contest(slow, attempt, None);
            }
            return None;
        };
        let is_copy = job.is_copy(index);
        let (work, upload) = match (job.work(index), job.upload_of(index)) {
            (Ok(work), Some(upload)) => (work, upload.clone()),
            (Err(failure), _) => {
                self.fail(id, failure);
                return None;
            }
            (Ok(_), None) => {
                let message = format!("part {} was to be made in an upload that is not open", index + 1);
                self.fail(id, Failure::new(FailureKind::Internal, message));
                return None;
            }
        };
        job.is_composing |= work.below.is_some();
        let segment = job.planner.plan().parts[index].within;
        let attempt = AttemptId { job: id, part: PartNumber::from_index(index), attempt: number };
        let name = self.scheduler.name(node);
        job.chart.granted(attempt, node, name, origin, self.now_ms - job.submitted_ms);
        job.rate.begin(self.now_ms);
        let trace = job.spec.trace;
        self.scheduler.grant(node, attempt, cost_bytes, is_copy, self.now_ms);
        self.count_grant(origin);
        if let Some((slow, other)) = slow {
            self.scheduler.contest(slow, other, Some((node, attempt)));
            self.tell_hedge(node, &next);
        }
        Some((Assignment { id: attempt, work, trace }, segment, upload))
    }

    fn count_grant(&mut self, origin: Origin) {
        self.counters.attempts_granted += 1;
        self.counters.attempts_stolen += u64::from(origin == Origin::Stolen);
        self.counters.attempts_hedged += u64::from(origin == Origin::Hedge);
    }

    pub(super) fn tell_theft(&mut self, stolen: &Stolen) {
        self.counters.parts_stolen += 1;
        let thief = self.scheduler.name(stolen.thief).to_owned();
        let victim = self.scheduler.name(stolen.victim).to_owned();
        let Some(job) = self.jobs.get_mut(&stolen.job) else { return };
        job.story.share(&thief).stolen += 1;
        job.story.share(&victim).robbed += 1;
        let Stolen { thief_left_ms, victim_left_ms, .. } = *stolen;
        self.tell(stolen.job, What::Stole { parts: 1, thief, victim, thief_left_ms, victim_left_ms });
    }

    fn tell_hedge(&mut self, node: NodeId, next: &Next) {
        let Next::Hedge { attempt, slow, node_left_ms, slow_left_ms, .. } = *next else { return };
        let (node, slow) = (self.scheduler.name(node).to_owned(), self.scheduler.name(slow).to_owned());
        if let Some(job) = self.jobs.get_mut(&attempt.job) {
            job.story.share(&node).hedges += 1;
        }
        let part = attempt.part;
        self.tell(attempt.job, What::Hedged { part, node, slow, node_left_ms, slow_left_ms });
    }
}
