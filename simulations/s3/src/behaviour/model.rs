//! How long answers take and how many are given: a latency, a bandwidth and a rate for each operation.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use crate::op::{Op, UnknownOp, parse_op};

/// How long an operation takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timing {
    /// From the end of the request to the first byte of the response.
    pub latency: Duration,
    /// Bytes a second of one request's or response's body, or of one copy; `None` is as fast as it goes.
    pub bandwidth: Option<u64>,
}

/// The latency, bandwidth and rate of each operation, and the latency of connections; at first none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Model {
    latencies: BTreeMap<Option<Op>, Duration>,
    bandwidths: BTreeMap<Option<Op>, u64>,
    rates: BTreeMap<Option<Op>, f64>,
    connecting: Duration,
}

impl Model {
    /// Sets the time from the end of the request to the first byte of the response; `None` sets it for every
    /// operation that has none of its own.
    #[must_use]
    pub fn latency(mut self, op: impl Into<Option<Op>>, latency: Duration) -> Self {
        self.latencies.insert(op.into(), latency);
        self
    }

    /// Sets the bytes a second of one body; `None` sets it for every operation that has none of its own.
    #[must_use]
    pub fn bandwidth(mut self, op: impl Into<Option<Op>>, bytes_per_second: u64) -> Self {
        self.bandwidths.insert(op.into(), bytes_per_second);
        self
    }

    /// Sets the requests a second that each bucket takes, a quarter of a second's worth of them at once; those
    /// beyond are answered with 503 SlowDown and not carried out. `None` sets it for every operation that has
    /// none of its own.
    #[must_use]
    pub fn rate(mut self, op: impl Into<Option<Op>>, per_second: f64) -> Self {
        self.rates.insert(op.into(), per_second);
        self
    }

    /// Sets the time from the arrival of a connection until its first request is read, as handshakes take it.
    #[must_use]
    pub fn connecting(mut self, latency: Duration) -> Self {
        self.connecting = latency;
        self
    }

    /// Sets what an entry says.
    #[must_use]
    pub fn with(self, entry: ModelEntry) -> Self {
        match entry.setting {
            Setting::Latency(latency) => self.latency(entry.op, latency),
            Setting::Bandwidth(bandwidth) => self.bandwidth(entry.op, bandwidth),
            Setting::Rate(per_second) => self.rate(entry.op, per_second),
            Setting::Connecting(latency) => self.connecting(latency),
        }
    }

    /// How long an operation takes.
    #[must_use]
    pub fn timing(&self, op: Op) -> Timing {
        Timing {
            latency: *self.latencies.get(&Some(op)).or(self.latencies.get(&None)).unwrap_or(&Duration::ZERO),
            bandwidth: self.bandwidths.get(&Some(op)).or(self.bandwidths.get(&None)).copied(),
        }
    }

    /// How many requests a second a bucket takes; `None` is as many as come.
    pub(crate) fn rate_of(&self, op: Op) -> Option<f64> {
        self.rates.get(&Some(op)).or(self.rates.get(&None)).copied()
    }

    /// How long it takes to set up a connection.
    pub(crate) fn connection_latency(&self) -> Duration {
        self.connecting
    }
}

impl FromIterator<ModelEntry> for Model {
    fn from_iter<I: IntoIterator<Item = ModelEntry>>(entries: I) -> Self {
        entries.into_iter().fold(Self::default(), Self::with)
    }
}

/// One line of a [`Model`]. As text, `GetObject=30ms`, `GetObject=80MB/s` or `GetObject=5500/s`; the operation
/// may be `*`, the units are `us`, `ms`, `s`, `B/s`, `kB/s`, `MB/s`, `GB/s`, `/s`. `connect=30ms` is about
/// connections.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ModelEntry {
    /// The operation; `None` means all that have no entry of their own. Connections have none.
    pub op: Option<Op>,
    /// What is set for it.
    pub setting: Setting,
}

/// What a [`ModelEntry`] sets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Setting {
    /// The time from the end of the request to the first byte of the response.
    Latency(Duration),
    /// Bytes a second of one body.
    Bandwidth(u64),
    /// Requests a second to one bucket.
    Rate(f64),
    /// The time from the arrival of a connection until its first request is read.
    Connecting(Duration),
}

/// What a text that is no [`ModelEntry`] lacks.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ParseModelError {
    /// It has no equals sign.
    #[error("`{0}` is no entry of a model: write `op=30ms`, `op=80MB/s`, `op=100/s` or `connect=30ms`")]
    Form(String),
    /// Its operation is none.
    #[error(transparent)]
    Op(#[from] UnknownOp),
    /// Its value is no time, no bandwidth and no rate.
    #[error("`{0}` is no latency (us, ms, s), no bandwidth (B/s, kB/s, MB/s, GB/s) and no rate (/s) above 0")]
    Value(String),
    /// Its value is no time, which is all that a connection can have.
    #[error("`{0}` is no latency (us, ms, s)")]
    Latency(String),
}

impl FromStr for ModelEntry {
    type Err = ParseModelError;

    fn from_str(text: &str) -> Result<Self, ParseModelError> {
        let (op, value) = text.split_once('=').ok_or_else(|| ParseModelError::Form(text.to_owned()))?;
        if op == CONNECT {
            let latency = parse_latency(value).ok_or_else(|| ParseModelError::Latency(value.to_owned()))?;
            return Ok(Self { op: None, setting: Setting::Connecting(latency) });
        }
        let setting = parse_setting(value).ok_or_else(|| ParseModelError::Value(value.to_owned()))?;
        Ok(Self { op: parse_op(op)?, setting })
    }
}

/// What stands for connections where an operation is expected.
const CONNECT: &str = "connect";

fn parse_setting(text: &str) -> Option<Setting> {
    let latency = || parse_latency(text).map(Setting::Latency);
    let bandwidth = || parse_bandwidth(text).map(Setting::Bandwidth);
    latency().or_else(bandwidth).or_else(|| parse_rate(text).map(Setting::Rate))
}

fn parse_latency(text: &str) -> Option<Duration> {
    let seconds = quantity(text, &[("us", 1e-6), ("ms", 1e-3), ("s", 1.0)])?;
    Duration::try_from_secs_f64(seconds).ok()
}

/// Reads bytes a second, more than none.
pub(super) fn parse_bandwidth(text: &str) -> Option<u64> {
    let bytes = quantity(text, &[("B/s", 1.0), ("kB/s", 1e3), ("MB/s", 1e6), ("GB/s", 1e9)])?;
    // A float that is too large becomes the largest integer, which is as good as unlimited.
    Some(bytes as u64).filter(|bytes| *bytes > 0)
}

fn parse_rate(text: &str) -> Option<f64> {
    quantity(text, &[("/s", 1.0)]).filter(|rate| *rate > 0.0)
}

/// A number with one of several units.
fn quantity(text: &str, units: &[(&str, f64)]) -> Option<f64> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit() && c != '.')?);
    let (_, scale) = units.iter().find(|(name, _)| *name == unit)?;
    number.parse::<f64>().ok().map(|number| number * scale)
}
