//! The governor: how many requests a second the whole fleet sends to a bucket that asks to slow down.
//!
//! S3 limits each bucket (more exactly: each of its prefixes), whoever asks. A node that is refused and slows
//! down alone only leaves room for the others to be refused instead. So the first refusal sets a pace for all of
//! them, below what was sent when it came; while nothing is refused the pace rises again, until it is lifted.

use std::collections::BTreeMap;

use proto::limits::HEARTBEAT_MS;
use proto::report::Throttled;
use proto::requests::RequestClass;
use proto::session::Pace;

use crate::scheduler::NodeId;

/// After a refusal the fleet sends this share of what it sent.
const CUT: f64 = 0.7;
/// Time between two cuts, in milliseconds: requests under way when the first was made will still be refused.
const CUT_EVERY_MS: u64 = 1_500;
/// The pace rises by this share a second.
const RISE_PER_S: f64 = 0.05;
/// Without a refusal for this long the pace is lifted, in milliseconds.
const LIFT_AFTER_MS: u64 = 60_000;
/// Time over which what a node sends is averaged, in milliseconds.
const MEMORY_MS: f64 = 2_000.0;
/// A node not heard to send anything for this long sends nothing, in milliseconds.
const IDLE_MS: u64 = 1_000;
/// The slowest pace of the whole fleet, in requests a second: S3 always takes some.
const SLOWEST: f64 = 10.0;
/// Most buckets governed at a time; further ones are left to each node's own backoff.
const GOVERNED_MAX: usize = 256;

/// What one node sends to one bucket, in requests a second.
#[derive(Debug, Default)]
struct Use {
    per_second: f64,
    heard_ms: u64,
}

#[derive(Debug)]
struct Governed {
    per_second: f64,
    cut_ms: u64,
    refused_ms: u64,
    uses: BTreeMap<NodeId, Use>,
}

/// Paces by bucket and class of request.
#[derive(Debug, Default)]
pub struct Governor {
    governed: BTreeMap<(String, RequestClass), Governed>,
    risen_ms: u64,
    has_changed: bool,
}

impl Governor {
    /// Takes in what a node was refused since it last reported; `nodes` is how many are at work.
    pub fn heard(
        &mut self,
        node: NodeId,
        throttled: Vec<Throttled>,
        since_ms: u64,
        nodes: usize,
        now_ms: u64,
    ) {
        for Throttled { bucket, class, refused, sent } in throttled {
            let key = (bucket, class);
            if !self.governed.contains_key(&key) && (refused == 0 || self.governed.len() >= GOVERNED_MAX) {
                continue;
            }
            let governed = self.governed.entry(key).or_insert_with(|| Governed {
                per_second: f64::INFINITY,
                cut_ms: 0,
                refused_ms: now_ms,
                uses: BTreeMap::new(),
            });
            let used = governed.uses.entry(node).or_default();
            // Two reports that were held up come together: the first span may seem to be next to nothing.
            let shortest_ms = if used.heard_ms == 0 { HEARTBEAT_MS } else { 1 };
            let span_ms = now_ms.saturating_sub(since_ms).max(shortest_ms) as f64;
            let weight = if used.heard_ms == 0 { 1.0 } else { 1.0 - (-span_ms / MEMORY_MS).exp() };
            // What S3 refused it did not do.
            let done = sent.saturating_sub(refused) as f64 * 1e3 / span_ms;
            used.per_second += weight * (done - used.per_second);
            used.heard_ms = now_ms;
            if refused > 0 {
                self.has_changed |= governed.refused(nodes, now_ms);
            }
        }
    }

    /// Forgets a node.
    pub fn leave(&mut self, node: NodeId) {
        for governed in self.governed.values_mut() {
            governed.uses.remove(&node);
        }
    }

    /// Lets paces rise; whether any has changed since the last call, so that all nodes are to be told.
    pub fn tick(&mut self, now_ms: u64) -> bool {
        let seconds = now_ms.saturating_sub(self.risen_ms) as f64 / 1e3;
        self.risen_ms = now_ms;
        let before = self.governed.len();
        self.governed.retain(|_, governed| now_ms.saturating_sub(governed.refused_ms) < LIFT_AFTER_MS);
        for governed in self.governed.values_mut() {
            if governed.refused_ms < now_ms {
                governed.per_second *= 1.0 + RISE_PER_S * seconds;
            }
            // A node that sends nothing says nothing of it; its share is for others.
            let idle =
                governed.uses.values_mut().filter(|used| now_ms.saturating_sub(used.heard_ms) > IDLE_MS);
            idle.for_each(|used| used.per_second *= (-seconds * 1e3 / MEMORY_MS).exp());
        }
        let has_changed = self.has_changed || before > 0;
        self.has_changed = false;
        has_changed
    }

    /// The paces of one node of so many: shares in proportion to what each sent, with some room for those that
    /// have sent nothing yet.
    #[must_use]
    pub fn paces(&self, node: NodeId, nodes: usize) -> Vec<Pace> {
        let pace = |((bucket, class), governed): (&(String, RequestClass), &Governed)| {
            let even = governed.per_second / nodes.max(1) as f64;
            let all: f64 = governed.uses.values().map(|used| used.per_second).sum();
            let own = governed.uses.get(&node).map_or(0.0, |used| used.per_second);
            let share = if all > 0.0 { governed.per_second * own / all } else { even };
            let millihertz = ((0.8 * share + 0.2 * even) * 1e3).max(1.0) as u64;
            Pace { bucket: bucket.clone(), class: *class, millihertz }
        };
        self.governed.iter().map(pace).collect()
    }
}

impl Governed {
    /// Notes a refusal; whether the pace was cut.
    fn refused(&mut self, nodes: usize, now_ms: u64) -> bool {
        self.refused_ms = now_ms;
        if self.per_second.is_finite() && now_ms.saturating_sub(self.cut_ms) < CUT_EVERY_MS {
            return false;
        }
        self.cut_ms = now_ms;
        let told: f64 = self.uses.values().map(|used| used.per_second).sum();
        // Nodes that were not refused have not said what they send: about as much as the others.
        let sent = told * nodes.max(self.uses.len()) as f64 / self.uses.len().max(1) as f64;
        self.per_second = (CUT * sent.min(self.per_second)).max(SLOWEST);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten nodes that want 200 requests a second each, and a bucket that takes 1,000 of them, for a minute;
    /// gives the share of refused requests and of the capacity used in the second half.
    fn storm(governed: bool) -> (f64, f64) {
        let mut governor = Governor::default();
        let mut paces = [200.0f64; 10];
        let (mut refused_all, mut sent_all, mut done_all) = (0.0, 0.0, 0.0);
        for round in 1..=120u64 {
            let now_ms = round * 500;
            let wanted: f64 = paces.iter().map(|pace| pace / 2.0).sum();
            let refused_share = (1.0 - 500.0 / wanted).max(0.0);
            for (id, pace) in paces.iter().enumerate() {
                let sent = (pace / 2.0) as u64;
                let refused = (sent as f64 * refused_share).round() as u64;
                let throttled = Throttled { bucket: "b".into(), class: RequestClass::Read, refused, sent };
                governor.heard(NodeId(id as u64), vec![throttled], now_ms - 500, 10, now_ms);
            }
            if round > 60 {
                refused_all += wanted * refused_share;
                sent_all += wanted;
                done_all += wanted.min(500.0);
            }
            governor.tick(now_ms);
            for (id, pace) in paces.iter_mut().enumerate().filter(|_| governed) {
                let told = governor.paces(NodeId(id as u64), 10);
                *pace = told.first().map_or(200.0, |told| (told.millihertz as f64 / 1e3).min(200.0));
            }
        }
        (refused_all / sent_all, done_all / (60.0 * 500.0))
    }

    #[test]
    fn a_fleet_stays_near_what_a_bucket_takes() {
        let (refused, used) = storm(true);
        assert!(refused < 0.1, "{refused} refused");
        assert!(used > 0.75, "{used} of the capacity used");
        assert!(storm(false).0 > 0.45, "which without a governor half were refused");
    }

    #[test]
    fn the_share_of_a_node_that_goes_idle_is_for_others() {
        let mut governor = Governor::default();
        let sent = |refused| Throttled { bucket: "b".into(), class: RequestClass::Read, refused, sent: 100 };
        governor.heard(NodeId(1), vec![sent(10)], 500, 2, 1_000);
        governor.heard(NodeId(2), vec![sent(10)], 500, 2, 1_000);
        for round in 3..=30u64 {
            governor.heard(NodeId(1), vec![sent(0)], round * 500 - 500, 2, round * 500);
            governor.tick(round * 500);
        }
        let [busy, idle] = [1, 2].map(|node| governor.paces(NodeId(node), 2)[0].millihertz);
        assert!(busy > 5 * idle && idle > 0, "{busy} and {idle}");
    }

    #[test]
    fn a_pace_is_lifted_in_time_and_other_buckets_have_none() {
        let mut governor = Governor::default();
        let refused = Throttled { bucket: "b".into(), class: RequestClass::Write, refused: 1, sent: 100 };
        let fine = Throttled { bucket: "c".into(), class: RequestClass::Write, refused: 0, sent: 100 };
        governor.heard(NodeId(1), vec![refused, fine], 0, 2, 1_000);
        assert!(governor.tick(1_000));
        let paces = governor.paces(NodeId(2), 2);
        assert_eq!(paces.len(), 1);
        assert!(paces[0].bucket == "b" && paces[0].millihertz > 0, "a node that sent nothing may begin");
        assert!(governor.tick(1_000 + LIFT_AFTER_MS), "all are told that it is lifted");
        assert!(governor.paces(NodeId(1), 2).is_empty());
        assert!(!governor.tick(2_000 + LIFT_AFTER_MS));
    }
}
