//! A node as the scheduler sees it: its queue, what it was granted, how fast it is.

use std::collections::{BTreeMap, VecDeque};

use proto::batch::AttemptId;
use proto::job::JobId;
use proto::limits::{COPIES_AT_ONCE, NETWORK_BYTES_PER_S_DEFAULT};
use proto::report::Vitals;
use proto::session::Hello;
use proto::timeline::Origin;
use proto::view::{NodeState, NodeView};

use super::speed::{STILL_BYTES_PER_MS, Speed};

/// A node is granted no more than it does in this time, in milliseconds: far more than a round trip, so that it
/// never runs dry and a node that gets faster is noticed; little enough to leave a slow one the last parts.
const GRANTED_AHEAD_MS: f64 = 3_000.0;
/// Or than it does in so many times what a part takes it, where that is longer. With less it would have ever fewer parts
/// side by side, and be as slow as one of them: large parts are held to what one connection carries.
const GRANTED_AHEAD_PARTS: f64 = 2.0;
/// One in so many of what a part takes a node is what the last one took.
const PART_SHARE: f64 = 4.0;
/// Parts a node may have whose speed is not known, however few requests it keeps in flight.
const PARTS_UNKNOWN: usize = 4;
/// Parts a node may have however slow it is: one is uploaded while the next is fetched.
const PARTS_AT_LEAST: usize = 2;

/// A part in a node's queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queued {
    /// Its index in its job's plan.
    pub index: usize,
    /// What it costs a node, in bytes.
    pub cost_bytes: u64,
    /// Whether S3 makes it by itself, which takes S3's time and not the node's.
    pub is_copy: bool,
    /// What an attempt at it will be, begun from this queue: `Stolen` if it was in another's before.
    pub origin: Origin,
}

/// What a node leaves behind.
#[derive(Debug, Default)]
pub struct Left {
    /// Attempts it had not answered.
    pub attempts: Vec<AttemptId>,
    /// Parts that were in its queue.
    pub queued: Vec<(JobId, Queued)>,
}

/// An attempt that has not been answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grant {
    pub(super) cost_bytes: u64,
    pub(super) is_copy: bool,
    /// Whether there is another attempt at the same part.
    pub(super) is_contested: bool,
    /// Whether no other attempt is needed, because its part is there already.
    pub(super) is_needless: bool,
    /// When it was granted, in milliseconds.
    pub(super) granted_ms: u64,
    /// Grants of a node in order.
    pub(super) order: u64,
}

/// One of a node's queues: whose, and whether of parts that pass through the node.
pub(super) type Line = (JobId, bool);

#[derive(Debug)]
pub(super) struct Node {
    hello: Hello,
    pub(super) state: NodeState,
    pub(super) heard_ms: u64,
    vitals: Vitals,
    speed: Speed,
    /// What a part takes it from when it is begun, in milliseconds, as of late; 0 before the first.
    part_ms: f64,
    /// For each job one of copies and one of what passes through the node: neither holds up the other.
    queues: BTreeMap<Line, VecDeque<Queued>>,
    queued_bytes: u64,
    pub(super) granted: BTreeMap<AttemptId, Grant>,
    granted_bytes: u64,
    /// How many of those granted are copies.
    copies: usize,
    /// Memory they take, in bytes.
    copies_bytes: u64,
    grants: u64,
    /// Bytes it still has to move of what it was granted, as far as known.
    left_bytes: u64,
    /// Whether it may have to stand elsewhere.
    pub(super) is_stale: bool,
    /// Where it stands in the scheduler's orders.
    pub(super) ranks: Option<Ranks>,
}

/// When a node would be done, in microseconds from now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ranks {
    /// With its queue and one more part; `None` when it takes none.
    pub(super) with_more_us: Option<u64>,
    /// With its queue; `None` when that is empty.
    pub(super) queue_us: Option<u64>,
    /// With what it was granted; `None` when that is nothing.
    pub(super) granted_us: Option<u64>,
}

impl Node {
    pub(super) fn new(hello: Hello, now_ms: u64) -> Self {
        Self {
            hello,
            state: NodeState::Active,
            heard_ms: now_ms,
            vitals: Vitals::default(),
            speed: Speed::default(),
            part_ms: 0.0,
            queues: BTreeMap::new(),
            queued_bytes: 0,
            granted: BTreeMap::new(),
            granted_bytes: 0,
            copies: 0,
            copies_bytes: 0,
            grants: 0,
            left_bytes: 0,
            is_stale: false,
            ranks: None,
        }
    }

    pub(super) fn queued_parts(&self) -> u64 {
        self.queues.values().map(|queue| queue.len() as u64).sum()
    }

    pub(super) fn granted_bytes(&self) -> u64 {
        self.granted_bytes
    }

    pub(super) fn name(&self) -> &str {
        &self.hello.name
    }

    pub(super) fn window_bytes(&self) -> u64 {
        self.hello.body_budget_bytes
    }

    /// What it carries each way, in bytes a second.
    pub(super) fn network_bytes_per_second(&self) -> u64 {
        match self.hello.network_bytes_per_second {
            0 => NETWORK_BYTES_PER_S_DEFAULT,
            told => told,
        }
    }

    /// Bytes a millisecond, or what is usual where it was never measured.
    pub(super) fn bytes_per_ms(&self, usual: f64) -> f64 {
        // A node that seems to stand still is as slow as can be, not infinitely: it may just wait for S3.
        self.speed.bytes_per_ms().unwrap_or(usual).max(STILL_BYTES_PER_MS)
    }

    /// Lets time pass in which it may have had nothing to do.
    pub(super) fn rest(&mut self, usual: f64, ms: u64) {
        if self.granted.is_empty() {
            self.speed.forgive(usual, ms);
        }
    }

    pub(super) fn measured_bytes_per_ms(&self) -> Option<f64> {
        self.speed.bytes_per_ms()
    }

    /// The same of one that was not measured long enough for that.
    pub(super) fn bytes_per_ms_so_far(&self) -> Option<f64> {
        self.speed.so_far(self.vitals.moved_bytes, self.heard_ms)
    }

    /// Bytes it still has to move of what it was granted, as far as known.
    pub(super) fn left_bytes(&self) -> u64 {
        self.left_bytes
    }

    /// Microseconds until `more_bytes` bytes beyond what it was granted are moved, or `None` if never.
    pub(super) fn done_us(&self, more_bytes: u64, usual: f64) -> Option<u64> {
        let bytes = (self.left_bytes + more_bytes) as f64;
        (self.state != NodeState::Silent).then(|| (bytes / self.bytes_per_ms(usual) * 1e3) as u64)
    }

    pub(super) fn takes_parts(&self) -> bool {
        self.state == NodeState::Active && self.window_bytes() > 0
    }

    /// Notes that it is heard of again.
    pub(super) fn found(&mut self, now_ms: u64) {
        self.state = if self.vitals.is_draining { NodeState::Draining } else { NodeState::Active };
        self.heard_ms = now_ms;
    }

    /// Whether it may be granted a part of this cost now.
    pub(super) fn has_room(&self, cost_bytes: u64, is_copy: bool) -> bool {
        if !self.takes_parts() {
            return false;
        }
        let fits = self.granted_bytes + cost_bytes <= self.window_bytes();
        if is_copy {
            // However long they take, they take none of its time: as many as it has requests for.
            return self.copies < COPIES_AT_ONCE && (fits || self.granted.is_empty());
        }
        let with_it = self.granted_bytes - self.copies_bytes + cost_bytes;
        let ahead_ms = GRANTED_AHEAD_MS.max(GRANTED_AHEAD_PARTS * self.part_ms);
        let ahead = self.speed.bytes_per_ms().map_or(u64::MAX, |speed| (speed * ahead_ms) as u64);
        let is_little = self.streamed() < PARTS_AT_LEAST || with_it <= ahead && !self.is_unknown_and_full();
        self.streamed() == 0 || (fits && is_little)
    }

    /// Notes what a part took that passed through it.
    pub(super) fn took(&mut self, worked_ms: u32) {
        let took_ms = f64::from(worked_ms);
        let is_first = self.part_ms == 0.0;
        self.part_ms = if is_first { took_ms } else { self.part_ms + (took_ms - self.part_ms) / PART_SHARE };
    }

    /// Whether it may be granted the smallest part there is, of either kind.
    pub(super) fn has_some_room(&self) -> bool {
        self.has_room(1, false) || self.has_room(1, true)
    }

    /// How many of the parts it was granted pass through it.
    fn streamed(&self) -> usize {
        self.granted.len() - self.copies
    }

    /// Whether a node whose speed was never measured has as many parts as requests: more could only wait there.
    fn is_unknown_and_full(&self) -> bool {
        let concurrency = self.vitals.concurrency as usize;
        let is_unknown = self.speed.bytes_per_ms().is_none() && concurrency > 0;
        is_unknown && self.streamed() >= concurrency.max(PARTS_UNKNOWN)
    }

    pub(super) fn heard(&mut self, vitals: Vitals, now_ms: u64) {
        self.heard_ms = now_ms;
        // Copies tell nothing of how fast it is: they count nothing until they are done, however long S3 takes.
        self.speed.observe(vitals.moved_bytes, self.streamed() > 0, now_ms);
        self.left_bytes = vitals.left_bytes.min(self.granted_bytes);
        self.vitals = vitals;
    }

    pub(super) fn grant(&mut self, attempt: AttemptId, cost_bytes: u64, is_copy: bool, now_ms: u64) {
        if !is_copy {
            self.speed.begin(self.vitals.moved_bytes, now_ms);
        }
        self.grants += 1;
        self.copies += usize::from(is_copy);
        self.copies_bytes += if is_copy { cost_bytes } else { 0 };
        let (is_contested, is_needless, granted_ms, order) = (false, false, now_ms, self.grants);
        let grant = Grant { cost_bytes, is_copy, is_contested, is_needless, granted_ms, order };
        self.granted.insert(attempt, grant);
        self.granted_bytes += cost_bytes;
        self.left_bytes += cost_bytes;
    }

    pub(super) fn settle(&mut self, attempt: AttemptId) -> bool {
        let Some(grant) = self.granted.remove(&attempt) else { return false };
        self.copies -= usize::from(grant.is_copy);
        self.copies_bytes -= if grant.is_copy { grant.cost_bytes } else { 0 };
        self.granted_bytes -= grant.cost_bytes;
        self.left_bytes = self.left_bytes.min(self.granted_bytes);
        true
    }

    pub(super) fn queue(&mut self, job: JobId, part: Queued, is_urgent: bool) {
        let queue = self.queues.entry((job, !part.is_copy)).or_default();
        if is_urgent {
            queue.push_front(part)
        } else {
            queue.push_back(part)
        }
        self.queued_bytes += part.cost_bytes;
    }

    /// Its queues that are not empty.
    pub(super) fn lines(&self) -> impl DoubleEndedIterator<Item = Line> {
        self.queues.keys().copied()
    }

    /// What it would do next, or last, of a queue.
    pub(super) fn peek(&self, line: Line, from_back: bool) -> Option<Queued> {
        let queue = self.queues.get(&line)?;
        if from_back { queue.back().copied() } else { queue.front().copied() }
    }

    /// Takes what `peek` showed out of its queue.
    pub(super) fn take(&mut self, line: Line, from_back: bool) -> Option<Queued> {
        let queue = self.queues.get_mut(&line)?;
        let part = if from_back { queue.pop_back() } else { queue.pop_front() }?;
        if queue.is_empty() {
            self.queues.remove(&line);
        }
        self.queued_bytes -= part.cost_bytes;
        Some(part)
    }

    /// Empties its queues, or one job's.
    pub(super) fn withdraw(&mut self, only: Option<JobId>) -> Vec<(JobId, Queued)> {
        let gone = |line: &Line| only.is_none_or(|job| job == line.0);
        let gone = self.queues.extract_if(.., |line, _| gone(line));
        let parts: Vec<(JobId, Queued)> =
            gone.flat_map(|((job, _), queue)| queue.into_iter().map(move |part| (job, part))).collect();
        self.queued_bytes -= parts.iter().map(|(_, part)| part.cost_bytes).sum::<u64>();
        parts
    }

    /// Microseconds until it is done with all it has, or `None` if never.
    pub(super) fn left_us(&self, usual: f64) -> Option<u64> {
        self.done_us(self.queued_bytes, usual)
    }

    /// Of what it was granted, what it was granted last of those that are `wanted`.
    pub(super) fn last_granted(
        &self,
        wanted: impl Fn(AttemptId, &Grant) -> bool,
    ) -> Option<(AttemptId, Grant)> {
        let found = self.granted.iter().filter(|(attempt, grant)| wanted(**attempt, grant));
        found.max_by_key(|(_, grant)| grant.order).map(|(attempt, grant)| (*attempt, *grant))
    }

    /// Whether it is not heard of.
    pub(super) fn is_silent(&self) -> bool {
        self.state == NodeState::Silent
    }

    /// How many parts it works at: of what passes through it, no more than it keeps requests in flight; the rest waits.
    pub(super) fn side_by_side(&self) -> u64 {
        let streamed = self.streamed() as u64;
        let begun = match self.vitals.concurrency {
            0 => streamed,
            told => streamed.min(told.into()),
        };
        begun + self.copies as u64
    }

    /// What is told of an estimate of when it would be done with something, in milliseconds.
    pub(super) fn told_ms(&self, done_us: Option<u64>) -> Option<u64> {
        done_us.filter(|_| self.speed.is_certain()).map(|us| us / 1_000)
    }

    pub(super) fn rank(&self, usual: f64, more_bytes: u64) -> Ranks {
        let us = |bytes| self.done_us(bytes, usual).unwrap_or(u64::MAX);
        Ranks {
            with_more_us: self.takes_parts().then(|| us(self.queued_bytes + more_bytes)),
            queue_us: (!self.queues.is_empty()).then(|| us(self.queued_bytes)),
            granted_us: (!self.granted.is_empty()).then(|| us(0)),
        }
    }

    pub(super) fn view(&self) -> NodeView {
        NodeView {
            name: self.hello.name.clone(),
            version: self.hello.version.clone(),
            state: self.state,
            cores: self.hello.cores,
            body_budget_bytes: self.hello.body_budget_bytes,
            attempts: self.granted.len() as u64,
            queued_bytes: self.queued_bytes,
            bytes_per_second: self.speed.bytes_per_ms().map_or(0, |speed| (speed * 1e3) as u64),
            vitals: self.vitals.clone(),
        }
    }
}
