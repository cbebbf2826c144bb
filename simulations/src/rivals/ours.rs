//! What zipfleet plans and predicts, with its own planner and estimate.

use coordinator::cost::{Site, estimate_of_fleet};
use coordinator::planner::{Means, Planner};
use proto::crc::StoredKind;
use proto::failure::Failure;
use proto::job::{Goal, JobSpec};
use proto::limits::{
    GIB, MIB, NODE_CONCURRENCY_DEFAULT, NODE_MEMORY_DEFAULT, body_budget_bytes, part_bytes_cap,
};
use proto::listing::{Etag, Page, SourceObject};
use proto::location::{Location, Source};
use proto::plan::Plan;
use proto::requests::{RequestCounts, Sent};

use super::model::{Outcome, Takes, lambda_usd};
use super::population::Population;

/// US dollars for an hour of each Gbit/s of a machine near S3 (c8gn, on demand).
const NEAR_USD_PER_GBIT_H: f64 = 0.019;
/// US dollars for a byte that leaves S3's region for the internet.
const FAR_USD_PER_BYTE: f64 = 0.09e-9;

/// Machines that make an archive, and what they go for.
pub(super) struct Fleet {
    pub(super) name: &'static str,
    nodes: usize,
    gbit_per_s: f64,
    memory_bytes: u64,
    concurrency: usize,
    goal: Goal,
    paid: Paid,
}

/// What is paid for machines.
#[derive(Clone, Copy)]
enum Paid {
    /// The time of their networks.
    Network,
    /// The time of a Lambda.
    Lambda,
    /// What leaves the region.
    Transfer,
}

const ONE: Fleet = Fleet {
    name: "zipfleet, one machine with 10 Gbit/s, for speed",
    nodes: 1,
    gbit_per_s: 10.0,
    memory_bytes: 2 * GIB,
    concurrency: 128,
    goal: Goal::Speed,
    paid: Paid::Network,
};

/// Those that are compared with rivals.
pub(super) const FLEETS: [Fleet; 5] = [
    ONE,
    Fleet { name: "zipfleet, 32 nodes with 12.5 Gbit/s, for speed", nodes: 32, gbit_per_s: 12.5, ..ONE },
    Fleet { name: "zipfleet, one machine with 10 Gbit/s, for price", goal: Goal::Price, ..ONE },
    Fleet {
        name: "zipfleet, one machine with 600 Mbit/s, as a Lambda has",
        gbit_per_s: 0.6,
        memory_bytes: 2 * NODE_MEMORY_DEFAULT,
        paid: Paid::Lambda,
        ..ONE
    },
    Fleet {
        name: "zipfleet, a laptop with 100 Mbit/s",
        gbit_per_s: 0.1,
        memory_bytes: NODE_MEMORY_DEFAULT,
        concurrency: NODE_CONCURRENCY_DEFAULT,
        paid: Paid::Transfer,
        ..ONE
    },
];

impl Fleet {
    pub(super) fn takes(&self, population: &Population) -> Outcome {
        let site = Site {
            memory_bytes: self.memory_bytes,
            concurrency: self.concurrency,
            is_encrypted: true,
            bytes_per_second: self.gbit_per_s * 1.25e8,
        };
        let cap = part_bytes_cap(body_budget_bytes(self.memory_bytes, self.concurrency));
        let means = Means::of_nodes(self.nodes, cap, (self.gbit_per_s * 1.25e8) as u64);
        let spec = spec(self.goal);
        let plan = plan(population, &spec, means).map_err(|failure| format!("fails: {failure}"))?;
        let listing = RequestCounts { list: Sent::well(population.pages()), ..RequestCounts::default() };
        let estimate = estimate_of_fleet(&plan, &spec, listing, &[listing], site, self.nodes);
        let machines_usd = match self.paid {
            Paid::Network => {
                self.nodes as f64 * self.gbit_per_s * estimate.seconds / 3_600.0 * NEAR_USD_PER_GBIT_H
            }
            Paid::Lambda => lambda_usd((self.memory_bytes / MIB) as f64, estimate.seconds),
            Paid::Transfer => estimate.requests.bytes_received as f64 * FAR_USD_PER_BYTE,
        };
        Ok(Takes {
            requests: estimate.requests,
            machines_usd: Some(machines_usd),
            seconds: estimate.seconds,
            remarks: Vec::new(),
        })
    }
}

/// The plan for a population, listed page by page.
fn spec(goal: Goal) -> JobSpec {
    JobSpec {
        goal,
        ..JobSpec::new(
            vec![Source::Prefix { bucket: "in".into(), prefix: "photos/".into() }],
            Location { bucket: "out".into(), key: "photos.zip".into() },
        )
    }
}

fn plan(population: &Population, spec: &JobSpec, means: Means) -> Result<Plan, Failure> {
    let mut planner = Planner::new(spec, means)?;
    for (number, sizes) in (0..).zip(population.sizes.chunks(1_000)) {
        let objects = (0..).zip(sizes).map(|(index, size)| object(1_000 * number + index, *size)).collect();
        planner.add_page(Page { objects, buckets: vec!["in".into()], next: None })?;
    }
    planner.finish()?;
    Ok(planner.into_plan())
}

/// One as the rivals need it: with its CRC-32 stored.
fn object(number: u64, size: u64) -> SourceObject {
    SourceObject {
        source: 0,
        bucket: 0,
        stored: StoredKind::Crc32,
        key: format!("photos/{number:08}.jpg").into(),
        size,
        etag: Etag::parse(&format!("{number:032x}")),
        modified: 1_700_000_000,
    }
}
