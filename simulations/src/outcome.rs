//! What came of one run.

use coordinator::machine::Ended;
use proto::job::Summary;
use proto::requests::RequestCounts;
use proto::timeline::Timeline;
use serde::Serialize;

use crate::fleet::Scenario;
use crate::floor::Floor;
use crate::histogram::Histogram;
use crate::world::{Times, World};

/// Points of a utilisation kept; when there are more, every second one is dropped.
const POINTS_MAX: usize = 1_000;

/// One run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Run {
    /// What its chance came from.
    pub seed: u64,
    /// Seconds from submission until the archive was there.
    pub total_s: f64,
    /// The same by phases.
    pub phases: Phases,
    /// The least time there could be.
    pub floor: Floor,
    /// Where the time of requests went.
    pub times: Times,
    /// Size of the archive, in bytes.
    pub archive_bytes: u64,
    /// Parts of its upload.
    pub parts: u64,
    /// Requests and bytes.
    pub requests: RequestCounts,
    /// US dollars for the requests.
    pub requests_usd: f64,
    /// US dollars for the machines, for as long as the job took.
    pub machines_usd: f64,
    /// What the scheduler did.
    pub decisions: Decisions,
    /// Times of GETs, once they were given leave.
    pub gets: Histogram,
    /// Times of uploads, likewise.
    pub puts: Histogram,
    /// Times of copies, likewise.
    pub copies: Histogram,
    /// Times of parts, from when a node began them.
    pub part_times: Histogram,
    /// How much went through the network when.
    pub utilisation: Utilisation,
    /// Which node worked at which part when.
    pub timeline: Timeline,
    /// Events that happened in the world.
    pub events: u64,
}

/// A job's time, by what it was waited for; in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Phases {
    /// Until the listing had ended, while parts were made already.
    pub listing_s: f64,
    /// From then until the last part with data was there.
    pub transfer_s: f64,
    /// From then until the directory was there.
    pub directory_s: f64,
    /// From then until S3 had put the archive together.
    pub complete_s: f64,
}

/// How often the scheduler did something out of the ordinary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Decisions {
    /// Parts taken from another node's queue.
    pub stolen: u64,
    /// Second attempts.
    pub hedged: u64,
    /// Second attempts that came first.
    pub hedges_won: u64,
    /// Attempts lost with their nodes.
    pub lost: u64,
    /// Attempts that failed.
    pub failed: u64,
}

/// How much went through all network cards together, in stretches of the same length.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Utilisation {
    /// Length of a stretch, in microseconds.
    pub every_us: u64,
    /// Bytes received by the end of each.
    pub received_bytes: Vec<u64>,
    /// Bytes sent by the end of each.
    pub sent_bytes: Vec<u64>,
}

impl Utilisation {
    pub(crate) fn new(every_us: u64) -> Self {
        Self { every_us, received_bytes: Vec::new(), sent_bytes: Vec::new() }
    }

    /// Notes how much has gone through since the beginning.
    pub(crate) fn note(&mut self, (received, sent): (f64, f64)) {
        self.received_bytes.push(received as u64);
        self.sent_bytes.push(sent as u64);
        if self.received_bytes.len() >= POINTS_MAX {
            self.every_us *= 2;
            for bytes in [&mut self.received_bytes, &mut self.sent_bytes] {
                *bytes = bytes.iter().skip(1).step_by(2).copied().collect();
            }
        }
    }
}

impl Run {
    pub(crate) fn new(
        seed: u64,
        scenario: &Scenario,
        summary: &Summary,
        ended: Ended,
        floor: Floor,
        world: World,
        utilisation: Utilisation,
    ) -> Self {
        let s = |ms: u64| ms as f64 / 1e3;
        let data_ms = last_data_ms(&ended).max(summary.listing_ms).min(summary.transfer_ms);
        let total_s = s(summary.total_ms);
        let sum = |of: fn(&proto::explain::NodeShare) -> u64| ended.explanation.nodes.iter().map(of).sum();
        let requests = world.s3.counts;
        Self {
            seed,
            total_s,
            phases: Phases {
                listing_s: s(summary.listing_ms),
                transfer_s: s(data_ms - summary.listing_ms),
                directory_s: s(summary.transfer_ms - data_ms),
                complete_s: s(summary.total_ms - summary.transfer_ms),
            },
            floor,
            times: world.times,
            archive_bytes: summary.bytes,
            parts: summary.parts,
            requests_usd: requests.price_usd(),
            machines_usd: scenario.nodes as f64 * scenario.instance.usd_per_h * total_s / 3_600.0,
            requests,
            decisions: Decisions {
                stolen: sum(|node| node.stolen),
                hedged: sum(|node| node.hedges),
                hedges_won: sum(|node| node.hedges_won),
                lost: sum(|node| node.lost),
                failed: sum(|node| node.failed),
            },
            gets: world.gets,
            puts: world.puts,
            copies: world.copies,
            part_times: world.parts,
            utilisation,
            timeline: ended.timeline,
            events: world.agenda.taken(),
        }
    }

    /// US dollars for all of it.
    #[must_use]
    pub fn usd(&self) -> f64 {
        self.requests_usd + self.machines_usd
    }
}

/// When the last part was there that is not of the directory alone, in milliseconds from submission.
fn last_data_ms(ended: &Ended) -> u64 {
    let Some(archive) = &ended.archive else { return 0 };
    let parts = &archive.plan.parts;
    let is_data = |index: usize| parts.get(index).is_some_and(|part| part.directory.is_empty());
    let bars = ended.timeline.bars.iter().filter(|bar| bar.end == proto::timeline::End::Done);
    let ends = bars.filter(|bar| is_data(bar.part.index())).map(|bar| u64::from(bar.ended_ms));
    ends.max().unwrap_or(0)
}
