//! The governor: how many requests a second the whole fleet sends to what asks to slow down.
//!
//! S3 limits each bucket's prefixes, whoever asks; where one ends and the next begins it tells nobody. What is
//! governed is therefore a [`place`](proto::location::place), and all of a bucket once several of its places were
//! refused. A node that is refused and slows down alone only leaves room for the others to be refused instead. So
//! the first refusal sets a pace for all of them, below what was sent when it came; while nothing is refused the
//! pace rises again, until it is lifted.

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
/// How far the pace bends, a cubed second, around what was last refused: it is back there two seconds after.
const BEND: f64 = 0.04;
/// Without a refusal for this long the pace is lifted, in milliseconds: it has risen a millionfold.
const LIFT_AFTER_MS: u64 = 30_000;
/// Time over which what a node sends is averaged, in milliseconds.
const MEMORY_MS: f64 = 2_000.0;
/// A node not heard to send anything for this long sends nothing, in milliseconds.
const IDLE_MS: u64 = 1_000;
/// The slowest pace of the whole fleet, in requests a second: S3 always takes some, and refusals of the first few
/// requests say little of how many.
const SLOWEST: f64 = 25.0;
/// Most places and buckets governed at a time; further ones are left to each node's own backoff.
const GOVERNED_MAX: usize = 256;
/// Places of a bucket governed each for itself. When one more is refused, S3 has probably not divided the bucket: it is
/// then governed as a whole, or a job that goes from folder to folder would find out about each anew.
const PLACES_MAX: usize = 4;

/// What one node sends, in requests a second.
#[derive(Debug, Default)]
struct Use {
    per_second: f64,
    heard_ms: u64,
}

#[derive(Debug)]
struct Governed {
    /// What was sent when it was last cut, in requests a second; infinite where only the use is watched.
    ceiling: f64,
    cut_ms: u64,
    refused_ms: u64,
    uses: BTreeMap<NodeId, Use>,
}

/// What is governed. The whole bucket, which has no place, comes before its places.
type Key = (String, RequestClass, Option<String>);

/// Paces by bucket, place and class of request.
#[derive(Debug, Default)]
pub struct Governor {
    governed: BTreeMap<Key, Governed>,
    ticked_ms: u64,
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
        for Throttled { bucket, place, class, refused, sent } in throttled {
            let own = (bucket, class, place);
            let key = if refused > 0 { self.at_fault(&own, now_ms) } else { own.clone() };
            // A node tells of a whole bucket wherever it tells of a place, so that it can be cut at any time.
            let is_of_interest = key.2.is_none() || refused > 0;
            if !self.governed.contains_key(&key) && (!is_of_interest || self.governed.len() >= GOVERNED_MAX) {
                continue;
            }
            let is_own = key == own;
            let governed = self.governed.entry(key).or_insert_with(|| Governed::watched(now_ms));
            if is_own {
                governed.note_use(node, sent.saturating_sub(refused), since_ms, now_ms);
            }
            if refused > 0 {
                self.has_changed |= governed.refused(nodes, now_ms);
            }
        }
    }

    /// Who is to be cut because this was refused: it, or its whole bucket, which is then governed instead of places.
    fn at_fault(&mut self, own: &Key, now_ms: u64) -> Key {
        let whole = (own.0.clone(), own.1, None);
        let watched = self.governed.get_mut(&whole);
        let is_whole_paced = watched.is_some_and(|watched| {
            watched.refused_ms = if watched.ceiling.is_finite() { watched.refused_ms } else { now_ms };
            watched.ceiling.is_finite()
        });
        let is_place = |other: &Key| other.2.is_some() && (&other.0, other.1) == (&own.0, own.1);
        let is_one_of_few = || {
            self.governed.contains_key(own)
                || self.governed.keys().filter(|other| is_place(other)).count() < PLACES_MAX
        };
        if own.2.is_some() && !is_whole_paced && is_one_of_few() {
            return own.clone();
        }
        self.governed.retain(|other, _| !is_place(other));
        whole
    }

    /// Forgets a node.
    pub fn leave(&mut self, node: NodeId) {
        for governed in self.governed.values_mut() {
            governed.uses.remove(&node);
        }
    }

    /// Lets paces rise; whether any has changed since the last call, so that all nodes are to be told.
    pub fn tick(&mut self, now_ms: u64) -> bool {
        let since_ms = now_ms.saturating_sub(self.ticked_ms);
        self.ticked_ms = now_ms;
        let is_paced = self.governed.values().any(|governed| governed.ceiling.is_finite());
        self.governed.retain(|_, governed| now_ms.saturating_sub(governed.refused_ms) < LIFT_AFTER_MS);
        for governed in self.governed.values_mut() {
            // A node that sends nothing says nothing of it; its share is for others.
            let idle =
                governed.uses.values_mut().filter(|used| now_ms.saturating_sub(used.heard_ms) > IDLE_MS);
            idle.for_each(|used| used.per_second *= (-(since_ms as f64) / MEMORY_MS).exp());
        }
        std::mem::take(&mut self.has_changed) || is_paced
    }

    /// The paces of one node of so many: shares in proportion to what each sent, with some room for those that
    /// have sent nothing yet.
    #[must_use]
    pub fn paces(&self, node: NodeId, nodes: usize) -> Vec<Pace> {
        let pace = |((bucket, class, place), governed): (&Key, &Governed)| {
            let per_second = governed.per_second(self.ticked_ms);
            let even = per_second / nodes.max(1) as f64;
            let all: f64 = governed.uses.values().map(|used| used.per_second).sum();
            let own = governed.uses.get(&node).map_or(0.0, |used| used.per_second);
            let share = if all > 0.0 { per_second * own / all } else { even };
            let millihertz = ((0.8 * share + 0.2 * even) * 1e3).max(1.0) as u64;
            Pace { bucket: bucket.clone(), place: place.clone(), class: *class, millihertz }
        };
        self.governed.iter().filter(|(_, governed)| governed.ceiling.is_finite()).map(pace).collect()
    }
}

impl Governed {
    /// Of which nothing was refused yet.
    fn watched(now_ms: u64) -> Self {
        Self { ceiling: f64::INFINITY, cut_ms: 0, refused_ms: now_ms, uses: BTreeMap::new() }
    }

    /// The pace in force, in requests a second: from the cut it goes up to where it was refused, ever slower, and from
    /// there on ever faster, until it doubles every second.
    fn per_second(&self, now_ms: u64) -> f64 {
        let quiet_s = now_ms.saturating_sub(self.refused_ms) as f64 / 1e3;
        let beyond_s = quiet_s - (-CUT.ln() / BEND).cbrt();
        let doubles_from_s = (std::f64::consts::LN_2 / (3.0 * BEND)).sqrt();
        let bent = BEND * beyond_s.min(doubles_from_s).powi(3);
        let doubled = std::f64::consts::LN_2 * (beyond_s - doubles_from_s).max(0.0);
        self.ceiling * (bent + doubled).exp()
    }

    /// Takes in how many requests of a node were done since it last reported: what S3 refused it did not do.
    fn note_use(&mut self, node: NodeId, done: u64, since_ms: u64, now_ms: u64) {
        let used = self.uses.entry(node).or_default();
        // Two reports that were held up come together: the first span may seem to be next to nothing.
        let shortest_ms = if used.heard_ms == 0 { HEARTBEAT_MS } else { 1 };
        let span_ms = now_ms.saturating_sub(since_ms).max(shortest_ms) as f64;
        let weight = if used.heard_ms == 0 { 1.0 } else { 1.0 - (-span_ms / MEMORY_MS).exp() };
        used.per_second += weight * (done as f64 * 1e3 / span_ms - used.per_second);
        used.heard_ms = now_ms;
    }

    /// Notes a refusal; whether the pace was cut.
    fn refused(&mut self, nodes: usize, now_ms: u64) -> bool {
        let before = self.per_second(now_ms);
        self.refused_ms = now_ms;
        if self.ceiling.is_finite() && now_ms.saturating_sub(self.cut_ms) < CUT_EVERY_MS {
            return false;
        }
        self.cut_ms = now_ms;
        let told: f64 = self.uses.values().map(|used| used.per_second).sum();
        // Nodes that were not refused have not said what they send: about as much as the others.
        let sent = told * nodes.max(self.uses.len()) as f64 / self.uses.len().max(1) as f64;
        self.ceiling = sent.min(before).max(SLOWEST / CUT);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(place: Option<&str>, refused: u64, sent: u64) -> Throttled {
        let (bucket, place) = ("b".into(), place.map(ToOwned::to_owned));
        Throttled { bucket, place, class: RequestClass::Read, refused, sent }
    }

    /// Ten nodes that want 200 requests a second each, and a bucket that takes so many of them, for a minute;
    /// gives the share of refused requests and of the capacity used in the second half.
    fn storm(governed: bool, takes: f64) -> (f64, f64) {
        let mut governor = Governor::default();
        let mut paces = [200.0f64; 10];
        let (mut refused_all, mut sent_all, mut done_all) = (0.0, 0.0, 0.0);
        for round in 1..=120u64 {
            let now_ms = round * 500;
            let wanted: f64 = paces.iter().map(|pace| pace / 2.0).sum();
            let refused_share = (1.0 - takes / 2.0 / wanted).max(0.0);
            for (id, pace) in paces.iter().enumerate() {
                let sent = (pace / 2.0) as u64;
                let refused = (sent as f64 * refused_share).round() as u64;
                let throttled = vec![told(None, 0, sent), told(Some("a/"), refused, sent)];
                governor.heard(NodeId(id as u64), throttled, now_ms - 500, 10, now_ms);
            }
            if round > 60 {
                refused_all += wanted * refused_share;
                sent_all += wanted;
                done_all += wanted.min(takes / 2.0);
            }
            governor.tick(now_ms);
            for (id, pace) in paces.iter_mut().enumerate().filter(|_| governed) {
                let told = governor.paces(NodeId(id as u64), 10);
                *pace = told.first().map_or(200.0, |told| (told.millihertz as f64 / 1e3).min(200.0));
            }
        }
        (refused_all / sent_all, done_all / (60.0 * takes / 2.0))
    }

    #[test]
    fn a_fleet_stays_near_what_a_bucket_takes() {
        for takes in [200.0, 500.0, 1_000.0, 1_900.0] {
            let (refused, used) = storm(true, takes);
            println!("of {takes} a second: {refused:.3} refused, {used:.3} used");
            assert!(refused < 0.05, "{refused} refused");
            assert!(used > 0.75, "{used} of the capacity used");
        }
        assert!(storm(false, 1_000.0).0 > 0.45, "which without a governor half were refused");
    }

    /// S3 refuses the first three of a job's requests, and then takes whatever comes.
    #[test]
    fn a_refusal_among_the_first_requests_is_soon_forgotten() {
        let mut governor = Governor::default();
        governor.heard(NodeId(1), vec![told(None, 0, 3), told(Some("a/"), 3, 3)], 0, 1, 500);
        let (mut sent, mut now_ms) = (0.0, 500);
        while sent < 1_000.0 {
            governor.tick(now_ms);
            let pace = governor.paces(NodeId(1), 1).first().map_or(1e9, |pace| pace.millihertz as f64 / 1e3);
            assert!(now_ms > 3_000 || pace < 50.0, "it is heeded at first: {pace} after {now_ms} ms");
            now_ms += 500;
            sent += pace / 2.0;
            governor.heard(NodeId(1), vec![told(Some("a/"), 0, pace as u64 / 2)], now_ms - 500, 1, now_ms);
        }
        assert!(now_ms <= 10_000, "1,000 requests took {now_ms} ms");
    }

    #[test]
    fn a_place_that_is_refused_slows_down_no_other_until_there_are_many() {
        let mut governor = Governor::default();
        let places = |governor: &Governor| -> Vec<Option<String>> {
            governor.paces(NodeId(1), 1).into_iter().map(|pace| pace.place).collect()
        };
        for (number, place) in ["a/", "b/", "c/", "d/"].into_iter().enumerate() {
            governor.heard(NodeId(1), vec![told(None, 0, 500), told(Some(place), 1, 20)], 0, 1, 500);
            assert_eq!(places(&governor).len(), number + 1);
        }
        assert!(places(&governor).iter().all(Option::is_some));
        governor.heard(NodeId(1), vec![told(None, 0, 500), told(Some("e/"), 1, 20)], 500, 1, 1_000);
        assert_eq!(places(&governor), [None], "it is all one bucket");
        let pace = governor.paces(NodeId(1), 1)[0].millihertz;
        assert!((500_000..1_000_000).contains(&pace), "{pace}: of all it was sent, not of what was refused");
        governor.heard(NodeId(1), vec![told(None, 0, 200), told(Some("f/"), 1, 20)], 2_500, 1, 3_000);
        assert_eq!(places(&governor), [None]);
        assert!(governor.paces(NodeId(1), 1)[0].millihertz < pace, "cut again");
    }

    #[test]
    fn a_million_folders_make_no_million_entries() {
        let mut governor = Governor::default();
        for folder in 0..1_000_000u64 {
            let place = format!("{folder}/");
            governor.heard(NodeId(1), vec![told(None, 0, 9), told(Some(&place), 1, 1)], 0, 1, folder / 1_000);
        }
        assert_eq!(governor.governed.len(), 1);
        for bucket in 0..1_000u64 {
            let throttled = Throttled { bucket: bucket.to_string(), ..told(None, 1, 1) };
            governor.heard(NodeId(1), vec![throttled], 0, 1, 1_000);
        }
        assert_eq!(governor.governed.len(), GOVERNED_MAX);
    }

    #[test]
    fn the_share_of_a_node_that_goes_idle_is_for_others() {
        let mut governor = Governor::default();
        let sent = |refused| told(Some("a/"), refused, 100);
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
        let refused = told(Some("a/"), 1, 100);
        let fine = Throttled { bucket: "c".into(), ..told(Some("a/"), 0, 100) };
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
