//! How long answers take: a latency and a bandwidth for each operation.

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

/// The latency and bandwidth of each operation; at first none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Model {
    latencies: BTreeMap<Option<Op>, Duration>,
    bandwidths: BTreeMap<Option<Op>, u64>,
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

    /// Sets what an entry says.
    #[must_use]
    pub fn with(self, entry: ModelEntry) -> Self {
        match entry.setting {
            Setting::Latency(latency) => self.latency(entry.op, latency),
            Setting::Bandwidth(bandwidth) => self.bandwidth(entry.op, bandwidth),
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
}

impl FromIterator<ModelEntry> for Model {
    fn from_iter<I: IntoIterator<Item = ModelEntry>>(entries: I) -> Self {
        entries.into_iter().fold(Self::default(), Self::with)
    }
}

/// One line of a [`Model`]. As text, `GetObject=30ms` or `GetObject=80MB/s`; the operation may be `*`, the units
/// are `us`, `ms`, `s`, `B/s`, `kB/s`, `MB/s`, `GB/s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModelEntry {
    /// The operation; `None` means all that have no entry of their own.
    pub op: Option<Op>,
    /// What is set for it.
    pub setting: Setting,
}

/// What a [`ModelEntry`] sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// The time from the end of the request to the first byte of the response.
    Latency(Duration),
    /// Bytes a second of one body.
    Bandwidth(u64),
}

/// What a text that is no [`ModelEntry`] lacks.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ParseModelError {
    /// It has no equals sign.
    #[error("`{0}` is no entry of a model: write `op=30ms` or `op=80MB/s`")]
    Form(String),
    /// Its operation is none.
    #[error(transparent)]
    Op(#[from] UnknownOp),
    /// Its value is no time and no bandwidth.
    #[error("`{0}` is no latency (us, ms, s) and no bandwidth above 0 (B/s, kB/s, MB/s, GB/s)")]
    Value(String),
}

impl FromStr for ModelEntry {
    type Err = ParseModelError;

    fn from_str(text: &str) -> Result<Self, ParseModelError> {
        let (op, value) = text.split_once('=').ok_or_else(|| ParseModelError::Form(text.to_owned()))?;
        let setting = parse_setting(value).ok_or_else(|| ParseModelError::Value(value.to_owned()))?;
        Ok(Self { op: parse_op(op)?, setting })
    }
}

fn parse_setting(text: &str) -> Option<Setting> {
    let unit = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at(unit);
    let number: f64 = number.parse().ok()?;
    let latency = |scale: f64| Duration::try_from_secs_f64(number * scale).ok().map(Setting::Latency);
    // A float that is too large becomes the largest integer, which is as good as unlimited.
    let bandwidth = |scale: f64| Some((number * scale) as u64).filter(|b| *b > 0).map(Setting::Bandwidth);
    match unit {
        "us" => latency(1e-6),
        "ms" => latency(1e-3),
        "s" => latency(1.0),
        "B/s" => bandwidth(1.0),
        "kB/s" => bandwidth(1e3),
        "MB/s" => bandwidth(1e6),
        "GB/s" => bandwidth(1e9),
        _ => None,
    }
}
