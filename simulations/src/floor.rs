//! How soon an archive could be there at all: with S3's medians, and nothing ever waiting for anything it need not.

use proto::limits::{COPIES_AT_ONCE, FETCH_BYTES, PART_BYTES_DEFAULT, PARTS_MAX};
use serde::Serialize;

use crate::fleet::Scenario;
use crate::model::Model;
use crate::population::PAGE_OBJECTS;

/// The least time, by what takes it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Floor {
    /// All pages of the listing, one after the other, in seconds.
    pub listing_s: f64,
    /// All bytes through all network cards at once, in seconds.
    pub network_s: f64,
    /// All that S3 copies, as many copies at once as nodes ask for, in seconds.
    pub copying_s: f64,
    /// As many requests as S3 does not take at once, at the rate it takes them, in seconds.
    pub requests_s: f64,
    /// The last object and the last part with data, from the first byte asked for to the answer, in seconds.
    pub last_part_s: f64,
    /// The directory's upload, in seconds.
    pub directory_s: f64,
    /// S3 putting it all together, in seconds.
    pub complete_s: f64,
}

impl Floor {
    /// What can go on at once, in seconds: listing, bytes through the network, copies, requests.
    #[must_use]
    pub fn work_s(&self) -> f64 {
        self.listing_s.max(self.network_s).max(self.copying_s).max(self.requests_s)
    }

    /// What comes to all, in seconds.
    #[must_use]
    pub fn total_s(&self) -> f64 {
        self.work_s() + self.last_part_s + self.directory_s + self.complete_s
    }
}

/// How an archive is made up, as far as its least time depends on that.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Makeup {
    /// Parts of its upload.
    pub parts: u64,
    /// Copies by S3.
    pub copies: u64,
    /// Bytes that S3 copies.
    pub copied_bytes: u64,
    /// Bytes of its parts that go through nodes.
    pub streamed_bytes: u64,
    /// Requests that S3 limits as writes, were nothing done twice.
    pub writes: u64,
}

impl Makeup {
    /// What is likely before there is a plan: parts of the usual size, nothing copied.
    #[must_use]
    pub fn likely(sizes: &[u64]) -> Self {
        let streamed_bytes = sizes.iter().sum::<u64>();
        let parts = streamed_bytes.div_ceil(PART_BYTES_DEFAULT).clamp(1, u64::from(PARTS_MAX));
        Self { parts, writes: parts, streamed_bytes, ..Self::default() }
    }
}

/// The least time for objects of these sizes in an archive that is made up so.
#[must_use]
pub fn floor(scenario: &Scenario, model: &Model, sizes: &[u64], makeup: Makeup) -> Floor {
    let s3 = &model.s3;
    let bytes: f64 = sizes.iter().map(|size| *size as f64).sum();
    let objects = sizes.len() as f64;
    let pages = sizes.len().div_ceil(PAGE_OBJECTS).max(1) as f64;
    let Makeup { parts, copies, copied_bytes, streamed_bytes, writes } = makeup;
    let cpu_s_per_byte = (model.cpu.receive_s_per_gb + model.cpu.send_s_per_gb) / 1e9;
    let cores_bytes_per_s = f64::from(scenario.instance.vcpu) / cpu_s_per_byte.max(1e-18);
    let slow = (scenario.nodes as f64 * scenario.stragglers).round();
    let nodes = scenario.nodes as f64 - slow + slow * scenario.straggler_speed;
    let node_bytes_per_s = scenario.instance.bytes_per_s().min(cores_bytes_per_s);
    let beyond = |requests: f64, per_s: f64| (requests / per_s - s3.rates.burst_s).max(0.0);
    let s = |ms: f64| ms / 1e3;
    let copy_bytes = copied_bytes as f64 / copies.max(1) as f64;
    let copy_s = s(s3.copy.median_ms) + copy_bytes / s3.copy.bytes_per_s();
    let rounds =
        (copies as f64 / (scenario.nodes * COPIES_AT_ONCE) as f64).max(f64::from(copies.min(1) as u32));
    // The last part may be small, and its objects are fetched side by side.
    let last_bytes = (bytes / objects.max(1.0)).min(FETCH_BYTES as f64);
    let gets = if copies == 0 { objects } else { 0.0 };
    Floor {
        listing_s: pages * s(s3.list.median_ms),
        network_s: streamed_bytes as f64 / (nodes.max(1e-9) * node_bytes_per_s),
        copying_s: rounds * copy_s,
        requests_s: beyond(gets, s3.rates.reads_per_s).max(beyond(writes as f64, s3.rates.writes_per_s)),
        last_part_s: s(s3.get.median_ms) + last_bytes / s3.get.bytes_per_s() + s(s3.put.median_ms),
        directory_s: s(s3.put.median_ms),
        complete_s: s(s3.complete.median_ms) + parts as f64 * s3.complete.per_part_us / 1e6,
    }
}
