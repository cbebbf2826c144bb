//! The scheduler: which node makes which part, and when that changes.
//!
//! Parts that are ready are put in the nodes' queues, here at the coordinator, each in the queue that would be
//! done with it first: so queues are as long as their nodes are fast. A node is granted from its queue what it
//! has room for. One that runs dry steals from the back of the queue that would finish last, and when no queue
//! holds anything it is given second attempts: at what a node has that is so much slower, and at what takes longer
//! than others did.

mod fair;
mod hedge;
mod next;
mod node;
mod speed;

use std::collections::{BTreeMap, BTreeSet};

use proto::batch::AttemptId;
use proto::job::JobId;
use proto::limits::PART_BYTES_DEFAULT;
use proto::plan::PartNumber;
use proto::report::Vitals;
use proto::session::Hello;
use proto::timeline::Origin;
use proto::view::{NodeState, NodeView};

use fair::Shares;
use hedge::Took;
pub use next::{Next, Stolen};
pub use node::{Left, Queued};
use node::{Node, Ranks};

/// What a node is taken to do until one was measured, in bytes a millisecond. Only the relation between nodes
/// counts.
const USUAL_BYTES_PER_MS: f64 = 100_000.0;
/// A queue is levelled when it would last longer than another by a tenth and this time, in microseconds.
const LEVEL_SLACK_US: u64 = 500_000;

/// Names one connected node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u64);

/// What the scheduler may do about slow nodes. Only measurements of what that gains switch any of it off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Move parts from one node's queue to another's.
    pub steals: bool,
    /// Make second attempts at parts in flight.
    pub hedges: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self { steals: true, hedges: true }
    }
}

/// The nodes, their queues and what each is busy with.
#[derive(Debug)]
pub struct Scheduler {
    policy: Policy,
    nodes: BTreeMap<NodeId, Node>,
    shares: Shares,
    /// Mean of the measured speeds, in bytes a millisecond.
    usual: f64,
    /// Active nodes in the order in which they would be done with one more part.
    by_with_more: BTreeSet<(u64, NodeId)>,
    /// Nodes with parts in their queue, in the order in which they would be done with it.
    by_queue: BTreeSet<(u64, NodeId)>,
    /// Nodes with parts in flight, in the order in which they would be done with them.
    by_granted: BTreeSet<(u64, NodeId)>,
    /// Nodes that may stand in the wrong place of these orders: most changes come several at a time.
    stale: Vec<NodeId>,
    /// How long attempts of each job take.
    took: BTreeMap<JobId, Took>,
    /// What time it is, in milliseconds.
    now_ms: u64,
    /// All attempts in flight at parts that have several.
    contested: BTreeMap<(JobId, PartNumber), Vec<(NodeId, AttemptId)>>,
}

impl Scheduler {
    /// A scheduler without nodes.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Self {
            policy,
            nodes: BTreeMap::new(),
            shares: Shares::default(),
            usual: USUAL_BYTES_PER_MS,
            by_with_more: BTreeSet::new(),
            by_queue: BTreeSet::new(),
            by_granted: BTreeSet::new(),
            stale: Vec::new(),
            took: BTreeMap::new(),
            now_ms: 0,
            contested: BTreeMap::new(),
        }
    }

    /// Notes what time it is, in milliseconds.
    pub fn at(&mut self, now_ms: u64) {
        self.now_ms = now_ms;
    }

    /// Welcomes a node.
    pub fn join(&mut self, id: NodeId, hello: Hello, now_ms: u64) {
        self.nodes.insert(id, Node::new(hello, now_ms));
        self.rank(id);
    }

    /// Forgets a node.
    pub fn leave(&mut self, id: NodeId) -> Left {
        let Some(mut node) = self.nodes.remove(&id) else { return Left::default() };
        self.unrank(id, node.ranks);
        let queued = withdraw(&mut node, &mut self.shares);
        let attempts: Vec<AttemptId> = node.granted.into_keys().collect();
        attempts.iter().for_each(|attempt| self.uncontest(id, *attempt));
        Left { attempts, queued }
    }

    /// Takes a job in that has this weight against others.
    pub fn begin(&mut self, job: JobId, weight: u64) {
        self.shares.join(job, weight);
        self.took.insert(job, Took::default());
    }

    /// Takes a job's parts out of all queues; what is in flight stays until it is answered.
    pub fn end(&mut self, job: JobId) {
        let ids: Vec<NodeId> = self.nodes.keys().copied().collect();
        for id in ids {
            let node = self.nodes.get_mut(&id).expect("it was just listed");
            if !node.withdraw(Some(job)).is_empty() {
                self.rank(id);
            }
        }
        self.shares.leave(job);
        self.took.remove(&job);
    }

    /// Puts a part in the queue that would be done with it first, at its front if it is urgent, and of nodes to be
    /// avoided only if there are no others; whose queue that is, or `None` without a node that takes parts.
    pub fn deal(
        &mut self,
        job: JobId,
        part: Queued,
        is_urgent: bool,
        is_avoided: impl Fn(NodeId) -> bool,
    ) -> Option<NodeId> {
        self.rank_stale();
        let best = self.by_with_more.iter().find(|(_, id)| !is_avoided(*id));
        let (_, id) = *best.or_else(|| self.by_with_more.first())?;
        self.queue(id, job, part, is_urgent);
        Some(id)
    }

    /// Whether there is a node that takes parts.
    #[must_use]
    pub fn takes_parts(&mut self) -> bool {
        self.rank_stale();
        !self.by_with_more.is_empty()
    }

    /// What the node should be granted next, taken out of whatever queue it was in; `None` when it has no room
    /// or there is nothing for it.
    pub fn next(&mut self, id: NodeId) -> Option<Next> {
        let node = self.nodes.get_mut(&id)?;
        if node.lines().next().is_none() {
            self.rank_stale();
            return self.steal(id).map(Next::Stolen).or_else(|| self.hedge(id));
        }
        let has_room = |part: Queued| node.has_room(part.cost_bytes, part.is_copy);
        let roomy = node.lines().filter(|line| node.peek(*line, false).is_some_and(has_room));
        let line = roomy.min_by_key(|(job, _)| self.shares.clock(*job))?;
        let (job, part) = (line.0, node.take(line, false)?);
        self.shares.unqueued(job);
        self.rank(id);
        Some(Next::Queued(job, part))
    }

    fn steal(&mut self, thief: NodeId) -> Option<Stolen> {
        let (victim_us, victim) = *self.by_queue.last().filter(|_| self.policy.steals)?;
        let (job, part) = self.last_of(victim)?;
        let node = self.nodes.get(&thief).filter(|node| node.has_room(part.cost_bytes, part.is_copy))?;
        if node.done_us(part.cost_bytes, self.usual)? >= victim_us {
            return None;
        }
        Some(self.take_last(thief, victim, job, part))
    }

    /// Moves a part from the queue that would last longest to the one that would be done first, if that is well
    /// before: so a node that slows down loses its queue before others run dry.
    pub fn level(&mut self) -> Option<Stolen> {
        self.rank_stale();
        let (victim_us, victim) = *self.by_queue.last().filter(|_| self.policy.steals)?;
        let (thief_us, thief) = *self.by_with_more.first()?;
        let (job, part) = self.last_of(victim)?;
        // With this very part, or a large one would go to and fro.
        let thief_us = thief_us.max(self.nodes.get(&thief)?.rank(self.usual, part.cost_bytes).with_more_us?);
        let is_level = victim_us <= thief_us.saturating_add(thief_us / 10).saturating_add(LEVEL_SLACK_US);
        if is_level || victim == thief {
            return None;
        }
        let stolen = self.take_last(thief, victim, job, part);
        self.queue(thief, job, stolen.part, false);
        Some(stolen)
    }

    /// The part a node would make last.
    fn last_of(&self, id: NodeId) -> Option<(JobId, Queued)> {
        let node = self.nodes.get(&id)?;
        let line = node.lines().max_by_key(|(job, _)| self.shares.clock(*job))?;
        Some((line.0, node.peek(line, true)?))
    }

    fn take_last(&mut self, thief: NodeId, victim: NodeId, job: JobId, part: Queued) -> Stolen {
        let left = |id: NodeId| self.nodes.get(&id).and_then(|node| node.told_ms(node.left_us(self.usual)));
        let (thief_left_ms, victim_left_ms) = (left(thief), left(victim));
        let node = self.nodes.get_mut(&victim).expect("its queue was just looked at");
        node.take((job, !part.is_copy), true);
        self.shares.unqueued(job);
        self.rank(victim);
        let part = Queued { origin: Origin::Stolen, ..part };
        Stolen { job, part, thief, victim, thief_left_ms, victim_left_ms }
    }

    /// Notes that the node was granted an attempt at a part of this cost.
    pub fn grant(&mut self, id: NodeId, attempt: AttemptId, cost_bytes: u64, is_copy: bool, now_ms: u64) {
        if let Some(node) = self.nodes.get_mut(&id) {
            node.grant(attempt, cost_bytes, is_copy, now_ms);
            self.shares.granted(attempt.job, cost_bytes);
            self.rank(id);
        }
    }

    /// Notes that the node has answered an attempt; `false` when it did not have it.
    pub fn settle(&mut self, id: NodeId, attempt: AttemptId) -> bool {
        let had_it = self.nodes.get_mut(&id).is_some_and(|node| node.settle(attempt));
        if had_it {
            self.uncontest(id, attempt);
            self.rank(id);
        }
        had_it
    }

    /// Parts in all queues.
    #[must_use]
    pub fn queued_parts(&self) -> u64 {
        self.nodes.values().map(Node::queued_parts).sum()
    }

    /// Memory of nodes taken by parts they were granted, in bytes.
    #[must_use]
    pub fn granted_bytes(&self) -> u64 {
        self.nodes.values().map(Node::granted_bytes).sum()
    }

    /// Takes in how a node is; parts that were in its queue, when it has begun to drain.
    pub fn heard(&mut self, id: NodeId, vitals: Vitals, now_ms: u64) -> Vec<(JobId, Queued)> {
        let Some(node) = self.nodes.get_mut(&id) else { return Vec::new() };
        let was = node.state;
        node.state = if vitals.is_draining { NodeState::Draining } else { NodeState::Active };
        node.heard(vitals, now_ms);
        let drains = node.state == NodeState::Draining && was != NodeState::Draining;
        let queued = if drains { withdraw(node, &mut self.shares) } else { Vec::new() };
        self.rank(id);
        queued
    }

    /// Notes that a node is not heard of; parts that were in its queue.
    pub fn silence(&mut self, id: NodeId) -> Vec<(JobId, Queued)> {
        let Some(node) = self.nodes.get_mut(&id) else { return Vec::new() };
        node.state = NodeState::Silent;
        let queued = withdraw(node, &mut self.shares);
        self.rank(id);
        queued
    }

    /// Notes that a node that was not heard of is there again.
    pub fn found(&mut self, id: NodeId, now_ms: u64) {
        if let Some(node) = self.nodes.get_mut(&id).filter(|node| node.state == NodeState::Silent) {
            node.found(now_ms);
            self.rank(id);
        }
    }

    /// Nodes that take parts.
    pub fn active(&self) -> impl Iterator<Item = NodeId> {
        self.nodes.iter().filter(|(_, node)| node.state == NodeState::Active).map(|(id, _)| *id)
    }

    /// How many nodes have parts in flight.
    pub fn at_work(&mut self) -> usize {
        self.rank_stale();
        self.by_granted.len()
    }

    /// How many parts nodes work at side by side.
    #[must_use]
    pub fn side_by_side(&self) -> u64 {
        self.nodes.values().map(Node::side_by_side).sum()
    }

    /// Takes it that `ms` milliseconds in which nobody listened were not silence.
    pub fn excuse(&mut self, ms: u64, now_ms: u64) {
        self.nodes.values_mut().for_each(|node| node.heard_ms = (node.heard_ms + ms).min(now_ms));
    }

    /// Milliseconds since each node was heard of, with whether it counts as silent already.
    pub fn silences(&self, now_ms: u64) -> impl Iterator<Item = (NodeId, u64, bool)> {
        let silent_ms = move |node: &Node| now_ms.saturating_sub(node.heard_ms);
        self.nodes.iter().map(move |(id, node)| (*id, silent_ms(node), node.state == NodeState::Silent))
    }

    /// Looks at all speeds again, `ms` milliseconds after it last did; the nodes that could take a part.
    pub fn survey(&mut self, ms: u64) -> Vec<NodeId> {
        let measured: Vec<f64> = self.nodes.values().filter_map(Node::measured_bytes_per_ms).collect();
        if !measured.is_empty() {
            self.usual = (measured.iter().sum::<f64>() / measured.len() as f64).max(1.0);
        }
        self.nodes.values_mut().for_each(|node| node.rest(self.usual, ms));
        let ids: Vec<NodeId> = self.nodes.keys().copied().collect();
        ids.iter().for_each(|id| self.rank(*id));
        ids.into_iter().filter(|id| self.nodes.get(id).is_some_and(Node::has_some_room)).collect()
    }

    fn queue(&mut self, id: NodeId, job: JobId, part: Queued, is_urgent: bool) {
        if let Some(node) = self.nodes.get_mut(&id) {
            node.queue(job, part, is_urgent);
            self.shares.queued(job);
            self.rank(id);
        }
    }

    /// Notes that a node has changed.
    fn rank(&mut self, id: NodeId) {
        if let Some(node) = self.nodes.get_mut(&id).filter(|node| !node.is_stale) {
            node.is_stale = true;
            self.stale.push(id);
        }
    }

    /// Puts all nodes that have changed where they now belong.
    fn rank_stale(&mut self) {
        while let Some(id) = self.stale.pop() {
            self.rank_now(id);
        }
    }

    fn rank_now(&mut self, id: NodeId) {
        let Some(node) = self.nodes.get_mut(&id) else { return };
        node.is_stale = false;
        let ranks = node.rank(self.usual, PART_BYTES_DEFAULT);
        if node.ranks == Some(ranks) {
            return;
        }
        let before = node.ranks.replace(ranks);
        self.unrank(id, before);
        self.by_with_more.extend(ranks.with_more_us.map(|us| (us, id)));
        self.by_queue.extend(ranks.queue_us.map(|us| (us, id)));
        self.by_granted.extend(ranks.granted_us.map(|us| (us, id)));
    }

    fn unrank(&mut self, id: NodeId, ranks: Option<Ranks>) {
        let Some(ranks) = ranks else { return };
        ranks.with_more_us.map(|us| self.by_with_more.remove(&(us, id)));
        ranks.queue_us.map(|us| self.by_queue.remove(&(us, id)));
        ranks.granted_us.map(|us| self.by_granted.remove(&(us, id)));
    }

    /// The nodes that have not yet answered attempts chosen by `of`.
    pub fn busy_with(&self, of: impl Fn(&AttemptId) -> bool) -> impl Iterator<Item = NodeId> {
        self.nodes.iter().filter(move |(_, node)| node.granted.keys().any(&of)).map(|(id, _)| *id)
    }

    /// The name a node gave itself.
    #[must_use]
    pub fn name(&self, id: NodeId) -> &str {
        self.nodes.get(&id).map_or("", Node::name)
    }

    /// The smallest window of all nodes that take parts, in bytes: what every part must fit.
    #[must_use]
    pub fn smallest_window(&self) -> Option<u64> {
        self.nodes.values().filter(|node| node.takes_parts()).map(Node::window_bytes).min()
    }

    /// How many nodes take parts, and what they carry each way together, in bytes a second.
    #[must_use]
    pub fn network_bytes_per_second(&self) -> (usize, u64) {
        let active = self.nodes.values().filter(|node| node.takes_parts());
        active.fold((0, 0), |(nodes, sum): (usize, u64), node| {
            (nodes + 1, sum.saturating_add(node.network_bytes_per_second()))
        })
    }

    /// All nodes.
    pub fn ids(&self) -> impl Iterator<Item = NodeId> {
        self.nodes.keys().copied()
    }

    /// How all nodes are.
    #[must_use]
    pub fn views(&self) -> Vec<NodeView> {
        self.nodes.values().map(Node::view).collect()
    }
}

/// Empties the queue of a node.
fn withdraw(node: &mut Node, shares: &mut Shares) -> Vec<(JobId, Queued)> {
    let parts = node.withdraw(None);
    parts.iter().for_each(|(job, _)| shares.unqueued(*job));
    parts
}
