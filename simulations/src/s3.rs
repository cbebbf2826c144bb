//! S3 in virtual time: how long it takes to answer, and what it refuses.

use proto::requests::{RequestClass, RequestCounts, Sent};

use crate::dice::Dice;
use crate::model::{self, Latency, Moving};

/// What S3 is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// A page of a listing.
    List,
    /// A page of ListParts or ListMultipartUploads.
    ListOther,
    /// HeadObject or HeadBucket.
    Head,
    /// GetObject.
    Get,
    /// CreateMultipartUpload.
    Create,
    /// UploadPart.
    Put,
    /// PutObject.
    PutObject,
    /// UploadPartCopy.
    Copy,
    /// CompleteMultipartUpload of so many parts.
    Complete(u64),
    /// DeleteObject.
    Delete,
}

impl Op {
    /// With which others S3 limits it.
    #[must_use]
    pub fn class(self) -> RequestClass {
        match self {
            Self::List | Self::ListOther | Self::Head | Self::Get => RequestClass::Read,
            Self::Create | Self::Put | Self::PutObject | Self::Copy | Self::Complete(_) | Self::Delete => {
                RequestClass::Write
            }
        }
    }
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Answer {
    /// It is carried out.
    Taken {
        /// Time that does not depend on the bytes, in microseconds: of a GET before the first of them, of an upload
        /// after the last.
        latency_us: u64,
        /// Bytes a second of its connection, or of the copy.
        bytes_per_s: f64,
    },
    /// 503 SlowDown.
    Refused {
        /// Time until it is said, in microseconds.
        latency_us: u64,
    },
}

/// S3, with one prefix that is read and one that is written.
#[derive(Debug)]
pub struct S3 {
    model: model::S3,
    get: Dice,
    put: Dice,
    copy: Dice,
    other: Dice,
    reads: Partitions,
    writes: Partitions,
    /// All that it was asked, and moved.
    pub counts: RequestCounts,
}

impl S3 {
    /// One whose times come from this seed.
    #[must_use]
    pub fn new(model: &model::S3, seed: u64) -> Self {
        let rates = model.rates;
        Self {
            get: Dice::new(seed, "s3 get"),
            put: Dice::new(seed, "s3 put"),
            copy: Dice::new(seed, "s3 copy"),
            other: Dice::new(seed, "s3 other"),
            reads: Partitions::new(rates.reads_per_s, rates),
            writes: Partitions::new(rates.writes_per_s, rates),
            counts: RequestCounts::default(),
            model: model.clone(),
        }
    }

    /// Takes in a request.
    pub fn ask(&mut self, op: Op, now_us: u64) -> Answer {
        let partitions = match op.class() {
            RequestClass::Read => &mut self.reads,
            RequestClass::Write => &mut self.writes,
        };
        let is_taken = partitions.take(now_us);
        let count = self.count(op);
        count.sent += 1;
        if !is_taken {
            count.throttled += 1;
            return Answer::Refused { latency_us: (self.model.rates.refusal_ms * 1e3) as u64 };
        }
        let model::S3 { get, put, copy, head, list, create, complete, .. } = &self.model;
        let moved = |moving: &Moving, dice: &mut Dice| Answer::Taken {
            latency_us: dice.latency_us(moving.latency()),
            bytes_per_s: moving.bytes_per_s() * dice.lognormal(moving.spread),
        };
        let told = |latency: Latency, dice: &mut Dice| Answer::Taken {
            latency_us: dice.latency_us(latency),
            bytes_per_s: f64::INFINITY,
        };
        match op {
            Op::Get => moved(get, &mut self.get),
            Op::Put | Op::PutObject => moved(put, &mut self.put),
            Op::Copy => moved(copy, &mut self.copy),
            Op::Head => told(*head, &mut self.other),
            Op::List | Op::ListOther => told(*list, &mut self.other),
            // Nobody tells what a deletion takes.
            Op::Create | Op::Delete => told(*create, &mut self.other),
            Op::Complete(parts) => {
                let base = Latency { median_ms: complete.median_ms, p99_ms: complete.p99_ms };
                let of_parts_us = (complete.per_part_us * parts as f64) as u64;
                let latency_us = self.other.latency_us(base) + of_parts_us;
                Answer::Taken { latency_us, bytes_per_s: f64::INFINITY }
            }
        }
    }

    /// Notes requests to open connections, which no prefix is asked for.
    pub fn warmed(&mut self, connections: u64) {
        self.counts.head.sent += connections;
        self.counts.connections_opened += connections;
    }

    fn count(&mut self, op: Op) -> &mut Sent {
        match op {
            Op::List => &mut self.counts.list,
            Op::ListOther => &mut self.counts.list_other,
            Op::Head => &mut self.counts.head,
            Op::Get => &mut self.counts.get,
            Op::Create => &mut self.counts.create,
            Op::Put => &mut self.counts.upload_part,
            Op::PutObject => &mut self.counts.put,
            Op::Copy => &mut self.counts.copy,
            Op::Complete(_) => &mut self.counts.complete,
            Op::Delete => &mut self.counts.delete,
        }
    }
}

/// The partitions of a prefix: as many more as load makes necessary, but only gradually.
#[derive(Debug)]
struct Partitions {
    per_us: f64,
    burst: f64,
    split_after_us: u64,
    partitions: f64,
    left: f64,
    at_us: u64,
    /// When the first refusal came since the last split, and the last one.
    refused_us: Option<(u64, u64)>,
}

impl Partitions {
    fn new(per_s: f64, rates: model::Rates) -> Self {
        let burst = per_s * rates.burst_s;
        Self {
            per_us: per_s / 1e6,
            burst,
            split_after_us: (rates.split_after_s * 1e6) as u64,
            partitions: 1.0,
            left: burst,
            at_us: 0,
            refused_us: None,
        }
    }

    /// Whether one more request is taken.
    fn take(&mut self, now_us: u64) -> bool {
        let earned = now_us.saturating_sub(self.at_us) as f64 * self.per_us * self.partitions;
        self.left = (self.left + earned).min(self.burst * self.partitions);
        self.at_us = now_us;
        if self.left >= 1.0 {
            self.left -= 1.0;
            return true;
        }
        let is_sustained = |(_, last_us): &(u64, u64)| now_us - last_us < self.split_after_us;
        let first_us = self.refused_us.filter(is_sustained).map_or(now_us, |(first_us, _)| first_us);
        self.refused_us = Some((first_us, now_us));
        if now_us - first_us >= self.split_after_us {
            self.partitions += 1.0;
            self.refused_us = None;
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Model;

    /// Requests taken of so many a second, for some seconds.
    fn taken(s3: &mut S3, per_s: u64, from_s: u64, seconds: u64) -> u64 {
        let asked = (0..per_s * seconds).map(|number| from_s * 1_000_000 + number * 1_000_000 / per_s);
        asked.filter(|at_us| matches!(s3.ask(Op::Get, *at_us), Answer::Taken { .. })).count() as u64
    }

    #[test]
    fn a_prefix_takes_what_is_promised_and_more_after_a_while() {
        let model = Model::default();
        let mut s3 = S3::new(&model.s3, 1);
        assert_eq!(taken(&mut s3, 5_000, 0, 10), 50_000);
        let all = taken(&mut s3, 11_000, 10, 10);
        assert!((59_000..62_000).contains(&all), "{all}");
        assert_eq!(s3.counts.get.throttled, 110_000 - all);
        taken(&mut s3, 11_000, 20, 310);
        let all = taken(&mut s3, 11_000, 330, 10);
        assert!(all > 105_000, "{all}");
    }
}
