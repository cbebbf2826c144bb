//! A network card in one direction: many connections share what it carries.
//!
//! Each connection takes its own rate while the card carries all of them together, and else a share in proportion.
//! So all go at the same pace relative to their own rates, and one number, how far a connection of rate 1 would have
//! come, tells for all when they end: that of a million connections is kept without touching any.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

/// One direction of a network card.
#[derive(Debug)]
pub struct Pipe<K> {
    bytes_per_us: f64,
    /// What the connections would take if they could, in bytes a microsecond.
    wanted: f64,
    /// Microseconds that a connection alone would have taken for what each has moved since the beginning.
    pace_us: f64,
    at_us: u64,
    flows: BinaryHeap<Reverse<Flow<K>>>,
    cancelled: BTreeSet<K>,
    moved_bytes: f64,
}

#[derive(Clone, Copy, Debug)]
struct Flow<K> {
    ends_us: f64,
    key: K,
    bytes_per_us: f64,
}

impl<K: Ord> PartialEq for Flow<K> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<K: Ord> Eq for Flow<K> {}

impl<K: Ord> PartialOrd for Flow<K> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<K: Ord> Ord for Flow<K> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.ends_us.total_cmp(&other.ends_us).then_with(|| self.key.cmp(&other.key))
    }
}

/// A connection on its way: what it takes to tell how far it has come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sent {
    ends_us: f64,
    bytes_per_us: f64,
}

impl<K: Copy + Ord> Pipe<K> {
    /// One that carries so many bytes a second.
    #[must_use]
    pub fn new(bytes_per_s: f64) -> Self {
        Self {
            bytes_per_us: bytes_per_s / 1e6,
            wanted: 0.0,
            pace_us: 0.0,
            at_us: 0,
            flows: BinaryHeap::new(),
            cancelled: BTreeSet::new(),
            moved_bytes: 0.0,
        }
    }

    /// Sends `bytes` bytes over a connection that takes so many a second at most.
    pub fn send(&mut self, key: K, bytes: u64, bytes_per_s: f64, now_us: u64) -> Sent {
        self.advance(now_us);
        let bytes_per_us = bytes_per_s / 1e6;
        let ends_us = self.pace_us + bytes as f64 / bytes_per_us;
        self.flows.push(Reverse(Flow { ends_us, key, bytes_per_us }));
        self.wanted += bytes_per_us;
        Sent { ends_us, bytes_per_us }
    }

    /// Breaks a connection off.
    pub fn cancel(&mut self, key: K, sent: Sent, now_us: u64) {
        self.advance(now_us);
        self.wanted -= sent.bytes_per_us;
        self.cancelled.insert(key);
    }

    /// How many bytes of it are still to come.
    pub fn left(&mut self, sent: Sent, now_us: u64) -> u64 {
        self.advance(now_us);
        ((sent.ends_us - self.pace_us).max(0.0) * sent.bytes_per_us) as u64
    }

    /// A connection that has ended by now.
    pub fn ended(&mut self, now_us: u64) -> Option<K> {
        self.advance(now_us);
        self.forget();
        // Half a microsecond of slack: the next whole one is when it was to be asked for.
        self.flows.peek().filter(|Reverse(flow)| flow.ends_us <= self.pace_us + 0.5)?;
        let Reverse(flow) = self.flows.pop()?;
        self.wanted -= flow.bytes_per_us;
        if self.flows.is_empty() {
            // What rounding has left.
            self.wanted = 0.0;
        }
        Some(flow.key)
    }

    /// When the next connection ends, if none comes or goes before.
    pub fn next_us(&mut self) -> Option<u64> {
        self.forget();
        let Reverse(flow) = self.flows.peek()?;
        let left_us = (flow.ends_us - self.pace_us).max(0.0) / self.share();
        Some(self.at_us + left_us.ceil() as u64)
    }

    /// Bytes that have passed.
    #[must_use]
    pub fn moved_bytes(&self) -> f64 {
        self.moved_bytes
    }

    /// Lets time pass.
    pub fn advance(&mut self, now_us: u64) {
        let passed_us = now_us.saturating_sub(self.at_us) as f64;
        self.at_us = self.at_us.max(now_us);
        if passed_us > 0.0 && self.wanted > 0.0 {
            let share = self.share();
            self.pace_us += passed_us * share;
            self.moved_bytes += passed_us * share * self.wanted;
        }
    }

    /// Which share of its own rate each connection gets.
    fn share(&self) -> f64 {
        if self.wanted > self.bytes_per_us { self.bytes_per_us / self.wanted } else { 1.0 }
    }

    fn forget(&mut self) {
        while let Some(Reverse(flow)) = self.flows.peek()
            && self.cancelled.remove(&flow.key)
        {
            self.flows.pop();
        }
        if self.flows.is_empty() {
            self.wanted = 0.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When each of some connections ends, by what its key is.
    fn run(pipe: &mut Pipe<u32>) -> Vec<(u32, u64)> {
        let mut ended = Vec::new();
        while let Some(at_us) = pipe.next_us() {
            while let Some(key) = pipe.ended(at_us) {
                ended.push((key, at_us));
            }
        }
        ended
    }

    #[test]
    fn one_alone_goes_at_its_own_rate_and_many_share() {
        let mut pipe = Pipe::new(200e6);
        pipe.send(1, 85_000_000, 85e6, 0);
        assert_eq!(run(&mut pipe), [(1, 1_000_000)]);
        let mut pipe = Pipe::new(100e6);
        for key in 0..4 {
            pipe.send(key, 25_000_000, 100e6, 0);
        }
        assert_eq!(run(&mut pipe), [(0, 1_000_000), (1, 1_000_000), (2, 1_000_000), (3, 1_000_000)]);
    }

    #[test]
    fn who_comes_later_slows_the_others_and_who_goes_frees_them() {
        let mut pipe = Pipe::new(100e6);
        let first = pipe.send(1, 100_000_000, 100e6, 0);
        let second = pipe.send(2, 100_000_000, 100e6, 500_000);
        assert_eq!(pipe.left(first, 1_000_000), 25_000_000);
        pipe.cancel(2, second, 1_000_000);
        assert_eq!(run(&mut pipe), [(1, 1_250_000)]);
        assert!((pipe.moved_bytes() - 125e6).abs() < 1.0, "{}", pipe.moved_bytes());
    }
}
