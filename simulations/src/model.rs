//! The model of S3 and of machines: the numbers of `model.toml`, each with its source there.

use serde::{Deserialize, Serialize};

/// The numbers that are taken unless others are given, as TOML.
pub const DEFAULT: &str = include_str!("../model.toml");

/// Why a text is no model.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// It is no TOML, or a number is missing, misspelt or of the wrong type.
    #[error("{0}")]
    Form(String),
    /// A number that nothing in the world can have.
    #[error("`{name}` must be {must}, not {value}")]
    Value {
        /// The number's name.
        name: String,
        /// What it must be.
        must: &'static str,
        /// What it is.
        value: String,
    },
    /// No instance is known.
    #[error("there must be at least one [[machines.instance]]")]
    NoInstance,
}

/// What S3 and machines do.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// What S3 does.
    pub s3: S3,
    /// Connections to it.
    pub connections: Connections,
    /// The way between nodes and their coordinator.
    pub network: Network,
    /// What takes a node's cores.
    pub cpu: Cpu,
    /// What takes the coordinator's core.
    pub coordinator: Coordinator,
    /// Machines to be had.
    pub machines: Machines,
}

/// What S3 does.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct S3 {
    /// GetObject: time to the first byte, then the body.
    pub get: Moving,
    /// UploadPart and PutObject: the body, then time to the answer.
    pub put: Moving,
    /// UploadPartCopy: time beside the bytes, and the bytes.
    pub copy: Moving,
    /// HeadObject and HeadBucket.
    pub head: Latency,
    /// A page of ListObjectsV2.
    pub list: Latency,
    /// CreateMultipartUpload.
    pub create: Latency,
    /// CompleteMultipartUpload.
    pub complete: Complete,
    /// How many requests it takes.
    pub rates: Rates,
}

/// A time that is lognormal.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Latency {
    /// Half of them are shorter, in milliseconds.
    pub median_ms: f64,
    /// One in a hundred is longer, in milliseconds.
    pub p99_ms: f64,
}

/// Requests that move bytes.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Moving {
    /// As in [`Latency`].
    pub median_ms: f64,
    /// As in [`Latency`].
    pub p99_ms: f64,
    /// Of one connection, or one copy: half of them are faster, in megabytes a second.
    pub mb_per_s: f64,
    /// Standard deviation of the rate's natural logarithm.
    pub spread: f64,
}

impl Moving {
    /// The time that does not depend on the bytes.
    #[must_use]
    pub fn latency(&self) -> Latency {
        Latency { median_ms: self.median_ms, p99_ms: self.p99_ms }
    }

    /// The median rate, in bytes a second.
    #[must_use]
    pub fn bytes_per_s(&self) -> f64 {
        self.mb_per_s * 1e6
    }
}

/// CompleteMultipartUpload.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Complete {
    /// As in [`Latency`], of an upload with next to no parts.
    pub median_ms: f64,
    /// As in [`Latency`].
    pub p99_ms: f64,
    /// What each part adds, in microseconds.
    pub per_part_us: f64,
}

/// How many requests S3 takes.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rates {
    /// GET, HEAD and LIST a second for each partition.
    pub reads_per_s: f64,
    /// PUT, COPY, POST and DELETE a second for each partition.
    pub writes_per_s: f64,
    /// So many seconds' worth may come at once.
    pub burst_s: f64,
    /// After so many seconds with refusals there is one more partition.
    pub split_after_s: f64,
    /// Time until it refuses, in milliseconds.
    pub refusal_ms: f64,
}

/// Connections to S3.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Connections {
    /// Time to open one, in milliseconds.
    pub set_up_ms: f64,
    /// Time after which one that is not used is closed, in seconds.
    pub idle_s: f64,
}

/// The way between nodes and their coordinator.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// One way, in microseconds.
    pub message_us: f64,
}

/// What takes a node's cores.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cpu {
    /// One request without its bytes, in microseconds of one core.
    pub request_us: f64,
    /// Receiving and hashing, in seconds of one core for each gigabyte.
    pub receive_s_per_gb: f64,
    /// Sending, likewise.
    pub send_s_per_gb: f64,
}

/// What takes the coordinator's core.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Coordinator {
    /// One event, in microseconds.
    pub report_us: f64,
    /// Planning one object, in microseconds.
    pub object_us: f64,
}

/// Machines to be had.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Machines {
    /// Time until a lost one is replaced, in seconds.
    pub start_up_s: f64,
    /// A Lambda's network each way, in megabytes a second.
    pub lambda_mb_per_s: f64,
    /// The same of one that moves a few megabytes in a call and then rests.
    pub lambda_burst_mb_per_s: f64,
    /// Seconds that Step Functions takes for a distributed map of next to no items.
    pub map_s: f64,
    /// What each of its items adds, in milliseconds.
    pub map_item_ms: f64,
    /// Time to call a Lambda that is up, and to get its answer, in milliseconds.
    pub invoke_ms: f64,
    /// Kinds of machines.
    pub instance: Vec<Instance>,
}

/// A kind of machine.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Instance {
    /// Its name at AWS.
    pub name: String,
    /// Its cores.
    pub vcpu: u32,
    /// Its memory, in GiB.
    pub memory_gib: u64,
    /// Its network each way, in gigabits a second, for as long as one likes.
    pub gbit_per_s: f64,
    /// US dollars an hour.
    pub usd_per_h: f64,
}

impl Instance {
    /// Its network each way, in bytes a second.
    #[must_use]
    pub fn bytes_per_s(&self) -> f64 {
        self.gbit_per_s * 1.25e8
    }
}

impl Default for Model {
    fn default() -> Self {
        Self::parse(DEFAULT).expect("tests read it")
    }
}

impl Model {
    /// Reads a model.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn parse(text: &str) -> Result<Self, ModelError> {
        let model: Self = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(1, |span| 1 + text[..span.start].matches('\n').count());
            ModelError::Form(format!("line {line}: {}", error.message()))
        })?;
        model.check()?;
        Ok(model)
    }

    /// The kind of machine of this name.
    #[must_use]
    pub fn instance(&self, name: &str) -> Option<&Instance> {
        self.machines.instance.iter().find(|instance| instance.name == name)
    }

    fn check(&self) -> Result<(), ModelError> {
        let S3 { get, put, copy, head, list, create, complete, rates } = &self.s3;
        let complete_latency = Latency { median_ms: complete.median_ms, p99_ms: complete.p99_ms };
        for (name, latency) in [
            ("s3.get", get.latency()),
            ("s3.put", put.latency()),
            ("s3.copy", copy.latency()),
            ("s3.head", *head),
            ("s3.list", *list),
            ("s3.create", *create),
            ("s3.complete", complete_latency),
        ] {
            above_0(&format!("{name}.median_ms"), latency.median_ms)?;
            if !(latency.p99_ms.is_finite() && latency.p99_ms >= latency.median_ms) {
                let (name, value) = (format!("{name}.p99_ms"), latency.p99_ms.to_string());
                return Err(ModelError::Value { name, must: "at least the median", value });
            }
        }
        for (name, moving) in [("s3.get", get), ("s3.put", put), ("s3.copy", copy)] {
            above_0(&format!("{name}.mb_per_s"), moving.mb_per_s)?;
            at_least_0(&format!("{name}.spread"), moving.spread)?;
        }
        above_0("s3.rates.reads_per_s", rates.reads_per_s)?;
        above_0("s3.rates.writes_per_s", rates.writes_per_s)?;
        above_0("s3.rates.burst_s", rates.burst_s)?;
        above_0("s3.rates.split_after_s", rates.split_after_s)?;
        above_0("machines.lambda_mb_per_s", self.machines.lambda_mb_per_s)?;
        above_0("machines.lambda_burst_mb_per_s", self.machines.lambda_burst_mb_per_s)?;
        for (name, value) in [
            ("s3.complete.per_part_us", complete.per_part_us),
            ("s3.rates.refusal_ms", rates.refusal_ms),
            ("connections.set_up_ms", self.connections.set_up_ms),
            ("connections.idle_s", self.connections.idle_s),
            ("network.message_us", self.network.message_us),
            ("cpu.request_us", self.cpu.request_us),
            ("cpu.receive_s_per_gb", self.cpu.receive_s_per_gb),
            ("cpu.send_s_per_gb", self.cpu.send_s_per_gb),
            ("coordinator.report_us", self.coordinator.report_us),
            ("coordinator.object_us", self.coordinator.object_us),
            ("machines.start_up_s", self.machines.start_up_s),
            ("machines.map_s", self.machines.map_s),
            ("machines.map_item_ms", self.machines.map_item_ms),
            ("machines.invoke_ms", self.machines.invoke_ms),
        ] {
            at_least_0(name, value)?;
        }
        for instance in &self.machines.instance {
            above_0(&format!("gbit_per_s of {}", instance.name), instance.gbit_per_s)?;
            above_0(&format!("vcpu of {}", instance.name), f64::from(instance.vcpu))?;
            above_0(&format!("memory_gib of {}", instance.name), instance.memory_gib as f64)?;
            at_least_0(&format!("usd_per_h of {}", instance.name), instance.usd_per_h)?;
        }
        if self.machines.instance.is_empty() { Err(ModelError::NoInstance) } else { Ok(()) }
    }
}

fn above_0(name: &str, value: f64) -> Result<(), ModelError> {
    let is_good = value.is_finite() && value > 0.0;
    let wrong = || ModelError::Value { name: name.to_owned(), must: "above 0", value: value.to_string() };
    is_good.then_some(()).ok_or_else(wrong)
}

fn at_least_0(name: &str, value: f64) -> Result<(), ModelError> {
    let is_good = value.is_finite() && value >= 0.0;
    let wrong = || ModelError::Value { name: name.to_owned(), must: "0 or above", value: value.to_string() };
    is_good.then_some(()).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_can_be_read_and_each_number_has_a_source() {
        let model = Model::parse(DEFAULT).expect("it is shipped");
        assert_eq!(model.instance("c7gn.xlarge").map(Instance::bytes_per_s), Some(1_562_500_000.0));
        let mut has_source = false;
        let mut before = "";
        for line in DEFAULT.lines() {
            if line.starts_with('#') {
                has_source = (has_source && before.starts_with('#')) || line.contains("source:");
            } else if line.starts_with('[') && !line.starts_with("[[") {
                has_source = false;
            } else if line.contains('=') {
                assert!(has_source, "`{line}` has no source");
            }
            before = line;
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_name() {
        for (from, to, says) in [
            ("median_ms = 25", "median_ms = 0", "`s3.get.median_ms` must be above 0, not 0"),
            ("p99_ms = 90", "p99_ms = 9", "`s3.get.p99_ms` must be at least the median, not 9"),
            ("burst_s = 1.0", "bursts = 1.0", "unknown field `bursts`"),
            ("set_up_ms = 4", "", "missing field `set_up_ms`"),
        ] {
            let told = Model::parse(&DEFAULT.replacen(from, to, 1)).expect_err(to).to_string();
            assert!(told.contains(says), "{told}");
        }
    }
}
