//! Nodes that come, report, fall silent and go.

use std::collections::BTreeMap;

use proto::explain::What;
use proto::failure::{Failure, FailureKind};
use proto::job::{JobId, Stage};
use proto::limits::{HEARTBEAT_MS, PART_LOSSES_MAX, SILENCE_MS, SUSPECT_MS};
use proto::part::{Effort, PartReturned};
use proto::report::Report;
use proto::session::{Hello, Order};
use proto::timeline::End;

use super::{Effect, Heard, Machine};
use crate::scheduler::{NodeId, Queued};

/// Ticks further apart than this mean that the coordinator itself did not run, in milliseconds: it must not
/// blame the nodes for what it did not hear meanwhile.
const ABSENCE_MS: u64 = 1_500;
/// Most parts moved between queues in one tick.
const LEVELLED_MAX: usize = 4_000;

impl Machine {
    pub(super) fn node_joined(&mut self, node: NodeId, hello: Hello) {
        let name = hello.name.clone();
        self.scheduler.join(node, hello, self.now_ms);
        self.heard.insert(node, Heard { at_ms: self.now_ms, ..Heard::default() });
        self.counters.nodes_joined += 1;
        self.stirred.insert(node);
        let paces = self.governor.paces(node, self.heard.len());
        if !paces.is_empty() {
            self.effects.push(Effect::Order(node, Order::Pace(paces)));
        }
        let running: Vec<JobId> = self.jobs.keys().copied().collect();
        for id in running {
            self.tell(id, What::Joined { node: name.clone() });
        }
    }

    pub(super) fn reported(&mut self, node: NodeId, report: Report) {
        let Report { done, failed, returned, mut vitals } = report;
        for done in &done {
            self.scheduler.made(node, done.id, done.effort.worked_ms);
            if self.scheduler.settle(node, done.id) {
                let is_first =
                    self.jobs.get(&done.id.job).is_some_and(|job| !job.ledger.is_done(done.id.part));
                self.chart(done.id, if is_first { End::Done } else { End::Dropped }, done.effort);
                if let Some(job) = self.jobs.get_mut(&done.id.job) {
                    // What a node says may be any number.
                    job.requests.bytes_sent = job.requests.bytes_sent.saturating_add(done.crc.bytes);
                }
                self.part_done(node, done);
            }
        }
        for failed in failed {
            if self.scheduler.settle(node, failed.id) {
                self.chart(failed.id, End::Failed, failed.effort);
                self.part_failed(node, failed);
            }
        }
        for PartReturned { id: attempt, effort } in returned {
            if self.scheduler.settle(node, attempt) {
                self.chart(attempt, End::Dropped, effort);
                self.part_returned(node, attempt);
            }
        }
        // It may not, or no longer, be one of ours.
        let Some(heard) = self.heard.get_mut(&node) else { return };
        let now = Heard { at_ms: self.now_ms, requests: vitals.requests, cpu_ms: Some(vitals.cpu_ms) };
        let Heard { at_ms: since_ms, requests: before, cpu_ms } = std::mem::replace(heard, now);
        // Its process may have run before it joined, also as a node that was lost and counted then.
        let spent_ms = cpu_ms.map_or(0, |before_ms| vitals.cpu_ms.saturating_sub(before_ms));
        self.counters.nodes_cpu_ms = self.counters.nodes_cpu_ms.saturating_add(spent_ms);
        // Many reports come while all requests are still under way.
        if vitals.requests != before {
            self.counters.requests = self.counters.requests.plus(&vitals.requests.since(&before));
        }
        let throttled = std::mem::take(&mut vitals.throttled);
        self.governor.heard(node, throttled, since_ms, self.scheduler.at_work(), self.now_ms);
        let queued = self.scheduler.heard(node, vitals, self.now_ms);
        if !queued.is_empty() {
            let name = self.scheduler.name(node).to_owned();
            self.requeue(queued, |queued| What::Draining { node: name.clone(), queued });
        }
        self.stirred.insert(node);
    }

    /// A node's connection broke: it may come back, but nothing waits for it.
    pub(super) fn node_cut_off(&mut self, node: NodeId) {
        let queued = self.scheduler.silence(node);
        let name = self.scheduler.name(node).to_owned();
        self.requeue(queued, |queued| What::CutOff { node: name.clone(), queued });
    }

    /// A node is not heard of, which comes to the same.
    pub(super) fn node_silent(&mut self, node: NodeId, silent_ms: u64) {
        let queued = self.scheduler.silence(node);
        let name = self.scheduler.name(node).to_owned();
        self.requeue(queued, |queued| What::Silent { node: name.clone(), silent_ms, queued });
    }

    pub(super) fn node_lost(&mut self, node: NodeId) {
        let name = self.scheduler.name(node).to_owned();
        let left = self.scheduler.leave(node);
        self.governor.leave(node);
        self.heard.remove(&node);
        self.stirred.remove(&node);
        for (id, index) in left.queued {
            if let Some(job) = self.jobs.get_mut(&id) {
                job.ledger.unqueue(index.index);
            }
        }
        self.counters.nodes_lost += u64::from(!left.attempts.is_empty());
        let mut lost: BTreeMap<JobId, u64> = BTreeMap::new();
        for attempt in left.attempts {
            self.chart(attempt, End::Lost, Effort::default());
            *lost.entry(attempt.job).or_default() += 1;
            let Some(job) = self.jobs.get_mut(&attempt.job) else { continue };
            job.ledger.give_back(attempt.part);
            if !job.ledger.is_done(attempt.part) && job.ledger.note_loss(attempt.part) >= PART_LOSSES_MAX {
                let message = format!(
                    "{PART_LOSSES_MAX} nodes were lost while they made part {}: if they run out of memory, give them more, or lower --part-size",
                    attempt.part
                );
                self.fail(attempt.job, Failure::new(FailureKind::Unavailable, message));
            }
        }
        for (id, attempts) in lost {
            if let Some(job) = self.jobs.get_mut(&id) {
                job.story.share(&name).lost += attempts;
            }
            self.tell(id, What::Lost { node: name.clone(), attempts });
            self.clean_up(id);
        }
    }

    pub(super) fn tick(&mut self) {
        let since_ms = self.now_ms.saturating_sub(self.ticked_ms.unwrap_or(self.now_ms));
        self.ticked_ms = Some(self.now_ms);
        if since_ms > ABSENCE_MS {
            self.scheduler.excuse(since_ms - HEARTBEAT_MS, self.now_ms);
        }
        let silences: Vec<_> = self.scheduler.silences(self.now_ms).collect();
        for (node, silent_ms, is_silent) in silences {
            if silent_ms >= SILENCE_MS {
                self.node_lost(node);
                self.effects.push(Effect::Drop(node));
            } else if silent_ms >= SUSPECT_MS && !is_silent {
                self.node_silent(node, silent_ms);
            }
        }
        let side_by_side = self.scheduler.side_by_side();
        self.jobs.values_mut().for_each(|job| job.tick(side_by_side, self.now_ms));
        let idle = self.scheduler.survey(since_ms);
        self.stirred.extend(idle);
        for _ in 0..LEVELLED_MAX {
            let Some(stolen) = self.scheduler.level() else { break };
            self.tell_theft(&stolen);
        }
        if self.governor.tick(self.now_ms) {
            let nodes: Vec<NodeId> = self.scheduler.ids().collect();
            for node in &nodes {
                let paces = self.governor.paces(*node, nodes.len());
                self.effects.push(Effect::Order(*node, Order::Pace(paces)));
            }
        }
    }

    /// Gives parts that were in a queue back to their jobs, to be put in others; `why` tells each job.
    fn requeue(&mut self, queued: Vec<(JobId, Queued)>, why: impl Fn(u64) -> What) {
        let mut parts: BTreeMap<JobId, u64> = BTreeMap::new();
        for (id, part) in queued {
            let Some(job) = self.jobs.get_mut(&id).filter(|job| job.stage < Stage::Completing) else {
                continue;
            };
            job.ledger.unqueue(part.index);
            *parts.entry(id).or_default() += 1;
        }
        for (id, count) in parts {
            self.tell(id, why(count));
        }
    }
}
