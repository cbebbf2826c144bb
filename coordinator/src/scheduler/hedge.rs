//! Second attempts: at what hangs, and at what a node has that is much slower than others.
//!
//! They are not free. They take requests and bandwidth of S3 that first attempts need as well, and a part that had
//! several is read back before the archive is put together. So that a node is idle is no reason, and an estimate that
//! rests on a speed which was never measured is none either.

use proto::batch::AttemptId;
use proto::job::JobId;
use proto::plan::PartNumber;

use super::node::{Grant, Node};
use super::{Next, NodeId, Scheduler};

/// What it takes to begin another attempt, in microseconds: request latencies that no bandwidth shortens.
const HEDGE_US: u64 = 200_000;
/// How many times faster than the attempt in flight another must be to be worth the bytes moved twice.
const HEDGE_GAIN: u64 = 2;
/// How much sooner another must be there where both nodes are about as fast, in microseconds.
const HEDGE_GAIN_US: u64 = 1_000_000;
/// Nodes looked at for an attempt to be hedged, the slowest first.
const HEDGE_LOOKS: usize = 64;
/// An attempt hangs that takes longer than so many times the mean and so many mean deviations. Where parts wait at few
/// nodes each takes a little longer than those before, which the mean follows and the deviations do not tell.
const MEANS: f64 = 1.25;
const DEVIATIONS: f64 = 2.0;
/// Attempts in flight at a part at a time.
const ATTEMPTS_MAX: usize = 4;

/// How long attempts take, reckoned as TCP reckons how long its round trips do (RFC 6298).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Took {
    mean_ms: f64,
    deviation_ms: f64,
}

impl Took {
    fn observe(&mut self, ms: f64) {
        if self.mean_ms == 0.0 {
            *self = Self { mean_ms: ms.max(1.0), deviation_ms: ms / 2.0 };
        } else {
            self.deviation_ms += ((ms - self.mean_ms).abs() - self.deviation_ms) / 4.0;
            self.mean_ms += (ms - self.mean_ms) / 8.0;
        }
    }

    /// Whether an attempt that has taken so long hangs. Nothing is known before one has ended.
    fn is_exceeded_by(self, ms: u64) -> bool {
        self.mean_ms > 0.0 && ms as f64 > MEANS * self.mean_ms + DEVIATIONS * self.deviation_ms
    }
}

impl Scheduler {
    pub(super) fn hedge(&self, id: NodeId) -> Option<Next> {
        let node = self.nodes.get(&id).filter(|node| self.policy.hedges && node.has_room(1, false))?;
        for (slow_us, slow) in self.by_granted.iter().rev().take(HEDGE_LOOKS).filter(|(_, slow)| *slow != id)
        {
            let slow_node = self.nodes.get(slow)?;
            let mine_us = |grant: &Grant| {
                node.done_us(grant.cost_bytes, self.usual).map_or(u64::MAX, |us| us.saturating_add(HEDGE_US))
            };
            let lags = |grant: &Grant| self.lags(slow_node, *slow_us, node, mine_us(grant));
            let hangs = |job: JobId, grant: &Grant| {
                self.hangs(job, grant) && mine_us(grant) < self.age_ms(grant) * 1_000
            };
            let found = slow_node.last_granted(|attempt, grant| {
                (lags(grant) || hangs(attempt.job, grant)) && self.wants_another(id, *slow, attempt, grant)
            });
            let Some((attempt, grant)) = found else { continue };
            if !node.has_room(grant.cost_bytes, false) {
                return None;
            }
            return Some(Next::Hedge {
                attempt,
                cost_bytes: grant.cost_bytes,
                slow: *slow,
                node_left_ms: node.told_ms(Some(mine_us(&grant))),
                slow_left_ms: slow_node.told_ms(slow_node.done_us(0, self.usual)),
            });
        }
        None
    }

    /// Whether a node that will be done in `slow_us` is so slow that another, which would be done with a part of it in
    /// `mine_us`, should make that as well.
    fn lags(&self, slow_node: &Node, slow_us: u64, node: &Node, mine_us: u64) -> bool {
        if slow_node.is_silent() {
            return true;
        }
        let is_sooner = |slow_us: u64| mine_us.saturating_mul(HEDGE_GAIN) < slow_us;
        let is_slower = |speed: f64| speed * HEDGE_GAIN as f64 <= node.bytes_per_ms(self.usual);
        if let Some(speed) = slow_node.measured_bytes_per_ms() {
            return is_sooner(slow_us)
                && (is_slower(speed) || mine_us.saturating_add(HEDGE_GAIN_US) < slow_us);
        }
        // What is usual says nothing of one that has only begun, and nothing else is behind `slow_us`.
        slow_node.bytes_per_ms_so_far().is_some_and(|speed| {
            is_slower(speed) && is_sooner((slow_node.left_bytes() as f64 / speed.max(1.0) * 1e3) as u64)
        })
    }

    fn age_ms(&self, grant: &Grant) -> u64 {
        self.now_ms.saturating_sub(grant.granted_ms)
    }

    /// Whether an attempt takes longer than can be put down to chance.
    fn hangs(&self, job: JobId, grant: &Grant) -> bool {
        self.took.get(&job).is_some_and(|took| took.is_exceeded_by(self.age_ms(grant)))
    }

    /// Whether one more attempt may be made at a part: there is none, or none of which anything is expected.
    fn wants_another(&self, id: NodeId, slow: NodeId, attempt: AttemptId, grant: &Grant) -> bool {
        let rivals = if grant.is_contested { self.rivals(attempt.job, attempt.part) } else { &[] };
        let is_hopeless = |(rival, other): &(NodeId, AttemptId)| {
            let Some(node) = self.nodes.get(rival).filter(|_| *rival != id) else { return false };
            let hangs = || node.granted.get(other).is_some_and(|grant| self.hangs(other.job, grant));
            *rival == slow || node.is_silent() || hangs()
        };
        !grant.is_copy && !grant.is_needless && rivals.len() < ATTEMPTS_MAX && rivals.iter().all(is_hopeless)
    }

    /// Notes that there are now several attempts at the part that `slow` has, or that there need not be another.
    pub fn contest(&mut self, slow: NodeId, attempt: AttemptId, rival: Option<(NodeId, AttemptId)>) {
        let Some(rival) = rival else {
            self.grant_of(slow, attempt).into_iter().for_each(|grant| grant.is_needless = true);
            return;
        };
        for (id, attempt) in [(slow, attempt), rival] {
            let Some(grant) = self.grant_of(id, attempt) else { continue };
            grant.is_contested = true;
            let rivals = self.contested.entry((attempt.job, attempt.part)).or_default();
            if !rivals.contains(&(id, attempt)) {
                rivals.push((id, attempt));
            }
        }
    }

    fn grant_of(&mut self, id: NodeId, attempt: AttemptId) -> Option<&mut Grant> {
        self.nodes.get_mut(&id)?.granted.get_mut(&attempt)
    }

    /// Notes that an attempt is in flight no more.
    pub(super) fn uncontest(&mut self, id: NodeId, attempt: AttemptId) {
        let key = (attempt.job, attempt.part);
        let Some(rivals) = self.contested.get_mut(&key) else { return };
        rivals.retain(|rival| *rival != (id, attempt));
        match rivals.as_slice() {
            [] => drop(self.contested.remove(&key)),
            // The only one left may be hedged again.
            [(last, attempt)] => {
                let (last, attempt) = (*last, *attempt);
                self.grant_of(last, attempt).into_iter().for_each(|grant| grant.is_contested = false);
            }
            _ => {}
        }
    }

    /// Notes that a part is there, before the attempt that made it is settled, and how long it was worked at.
    pub fn made(&mut self, id: NodeId, attempt: AttemptId, worked_ms: u32) {
        let Some(node) = self.nodes.get_mut(&id) else { return };
        let Some(grant) = node.granted.get(&attempt).filter(|grant| !grant.is_copy).copied() else { return };
        node.took(worked_ms);
        if let Some(took) = self.took.get_mut(&attempt.job) {
            took.observe(self.now_ms.saturating_sub(grant.granted_ms) as f64);
        }
    }

    /// Other attempts in flight at a part.
    pub fn rivals(&self, job: JobId, part: PartNumber) -> &[(NodeId, AttemptId)] {
        self.contested.get(&(job, part)).map_or(&[], Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use proto::limits::MIB;
    use proto::report::Vitals;
    use proto::session::Hello;

    use super::*;
    use crate::scheduler::Policy;

    const JOB: JobId = JobId(1);
    const BYTES: u64 = 16 * MIB;

    fn attempt(part: u32, attempt: u32) -> AttemptId {
        AttemptId { job: JOB, part: PartNumber(part), attempt }
    }

    /// So many nodes, each with one part, granted at the beginning; but for the last, which is idle.
    fn fleet(nodes: u32) -> Scheduler {
        let mut scheduler = Scheduler::new(Policy::default());
        scheduler.begin(JOB, 1);
        for node in 1..=nodes {
            let hello = Hello {
                name: node.to_string(),
                resume: None,
                version: String::new(),
                cores: 1,
                body_budget_bytes: 20 * BYTES,
                network_bytes_per_second: 0,
            };
            scheduler.join(NodeId(node.into()), hello, 0);
            if node < nodes {
                scheduler.grant(NodeId(node.into()), attempt(node, 1), BYTES, false, 0);
            }
        }
        scheduler
    }

    fn tell(scheduler: &mut Scheduler, node: u64, moved_bytes: u64, left_bytes: u64, now_ms: u64) {
        scheduler.at(now_ms);
        scheduler.heard(NodeId(node), Vitals { moved_bytes, left_bytes, ..Vitals::default() }, now_ms);
    }

    fn end(scheduler: &mut Scheduler, part: u32, now_ms: u64) {
        scheduler.at(now_ms);
        scheduler.made(NodeId(part.into()), attempt(part, 1), 300);
        assert!(scheduler.settle(NodeId(part.into()), attempt(part, 1)));
    }

    /// The part of which a node is to make one more attempt; it is then granted.
    fn hedged(scheduler: &mut Scheduler, node: u64, number: u32) -> Option<u32> {
        let Some(Next::Hedge { attempt: first, cost_bytes, slow, .. }) = scheduler.next(NodeId(node)) else {
            return None;
        };
        let other = attempt(first.part.0, number);
        scheduler.grant(NodeId(node), other, cost_bytes, false, scheduler.now_ms);
        scheduler.contest(slow, first, Some((NodeId(node), other)));
        Some(first.part.0)
    }

    #[test]
    fn an_idle_node_is_no_reason_for_a_second_attempt() {
        let mut scheduler = fleet(9);
        (1..=4).for_each(|part| end(&mut scheduler, part, 300 + u64::from(part) * 30));
        for node in 5..=8 {
            tell(&mut scheduler, node, BYTES / 2, BYTES / 2, 420);
        }
        assert_eq!(hedged(&mut scheduler, 9, 2), None);
    }

    #[test]
    fn what_a_slow_node_has_is_made_elsewhere_before_it_is_late() {
        let mut scheduler = fleet(9);
        (1..=7).for_each(|part| end(&mut scheduler, part, 300));
        tell(&mut scheduler, 8, BYTES / 50, BYTES, 300);
        assert_eq!(hedged(&mut scheduler, 9, 2), Some(8));
        assert_eq!(hedged(&mut scheduler, 1, 3), None, "it is in better hands");
    }

    #[test]
    fn what_hangs_is_made_again_and_again_if_that_hangs_as_well() {
        let mut scheduler = fleet(9);
        (1..=7).for_each(|part| end(&mut scheduler, part, 300 + u64::from(part) * 10));
        scheduler.at(450);
        assert_eq!(hedged(&mut scheduler, 9, 2), None, "it is not late yet");
        scheduler.at(1_000);
        assert_eq!(hedged(&mut scheduler, 9, 2), Some(8));
        assert_eq!(hedged(&mut scheduler, 1, 3), None, "the other has just begun");
        scheduler.at(2_000);
        assert_eq!(hedged(&mut scheduler, 9, 3), None, "not a second time by the same node");
        assert_eq!(hedged(&mut scheduler, 1, 3), Some(8));
        scheduler.at(3_000);
        assert_eq!(hedged(&mut scheduler, 2, 4), Some(8));
        scheduler.at(9_000);
        assert_eq!(hedged(&mut scheduler, 3, 5), None, "there is an end to it");
    }

    #[test]
    fn what_two_silent_nodes_have_is_made_by_a_third() {
        let mut scheduler = fleet(3);
        scheduler.silence(NodeId(1));
        scheduler.at(2_500);
        let parts = [hedged(&mut scheduler, 3, 2), hedged(&mut scheduler, 2, 2)];
        assert_eq!(parts, [Some(1), None]);
        scheduler.silence(NodeId(3));
        assert_eq!(hedged(&mut scheduler, 2, 3), Some(1));
    }
}
