//! How soon an archive could be there at all: with S3's medians, and nothing ever waiting for anything it need not.

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
    /// What comes to all, in seconds: listing, network and requests can go on at once.
    #[must_use]
    pub fn total_s(&self) -> f64 {
        let work_s = self.listing_s.max(self.network_s).max(self.requests_s);
        work_s + self.last_part_s + self.directory_s + self.complete_s
    }
}

/// The least time for objects of these sizes.
///
/// Copies by S3 could spare the network some of the bytes; for populations where that pays a run may come close to it,
/// or even below.
#[must_use]
pub fn floor(scenario: &Scenario, model: &Model, sizes: &[u64]) -> Floor {
    let s3 = &model.s3;
    let bytes: f64 = sizes.iter().map(|size| *size as f64).sum();
    let objects = sizes.len() as f64;
    let pages = sizes.len().div_ceil(PAGE_OBJECTS).max(1) as f64;
    let cpu_s_per_byte = (model.cpu.receive_s_per_gb + model.cpu.send_s_per_gb) / 1e9;
    let cores_bytes_per_s = f64::from(scenario.instance.vcpu) / cpu_s_per_byte.max(1e-18);
    let slow = (scenario.nodes as f64 * scenario.stragglers).round();
    let nodes = scenario.nodes as f64 - slow + slow * scenario.straggler_speed;
    let node_bytes_per_s = scenario.instance.bytes_per_s().min(cores_bytes_per_s);
    // No archive is made of fewer parts than there are nodes with something to do, nor of more than S3 takes.
    let parts = (bytes / proto::limits::PART_BYTES_DEFAULT as f64).clamp(1.0, 10_000.0);
    let beyond = |requests: f64, per_s: f64| (requests / per_s - s3.rates.burst_s).max(0.0);
    let ms = |ms: f64| ms / 1e3;
    let smallest_part = (bytes / objects.max(1.0)).max(1.0);
    Floor {
        listing_s: pages * ms(s3.list.median_ms),
        network_s: bytes / (nodes.max(1e-9) * node_bytes_per_s),
        requests_s: beyond(objects, s3.rates.reads_per_s).max(beyond(parts, s3.rates.writes_per_s)),
        last_part_s: ms(s3.get.median_ms)
            + smallest_part.min(8e6) / s3.get.bytes_per_s()
            + ms(s3.put.median_ms),
        directory_s: ms(s3.put.median_ms),
        complete_s: ms(s3.complete.median_ms) + parts * s3.complete.per_part_us / 1e6,
    }
}
