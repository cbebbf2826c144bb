//! What a plan will cost: requests, money and time, predicted before anything is written.

mod budget;
mod composing;

use std::collections::BTreeSet;

use proto::crc::StoredKind;
use proto::job::JobSpec;
use proto::limits::{COPIES_AT_ONCE, body_budget_bytes};
use proto::listing::SourceObject;
use proto::location::Location;
use proto::plan::{PartWork, Piece, Plan, Way};
use proto::requests::{RequestClass, RequestCounts, Sent};

pub use self::budget::Demand;
use self::budget::Reads;
use self::composing::Composing;
use crate::ledger::Ledger;
use crate::published::{READS_PER_S, WRITES_PER_S};
use crate::work::{Object, part_work};

// The same numbers as in `simulations/model.toml`, which tells more of their sources; a test there holds what is foretold
// with these against what is simulated with those.

/// Seconds until the first byte of a GET (published: 20-30 ms typical).
const GET_LATENCY_S: f64 = 0.025;
/// Bytes a second of one GET (published: 80-90 MB/s).
const GET_BYTES_PER_S: f64 = 85e6;
/// Seconds an UploadPart takes beside its bytes (published: 50-100 ms).
const PUT_LATENCY_S: f64 = 0.06;
/// The same of one in a hundred (published: a few hundred ms).
const SLOW_PUT_LATENCY_S: f64 = 0.3;
/// Bytes a second of one UploadPart (published: 110-130 MB/s).
const PUT_BYTES_PER_S: f64 = 110e6;
/// Bytes a second that S3 copies for one request (awslabs/aws-c-s3#288: 13 s a GiB).
const COPY_BYTES_PER_S: f64 = 78e6;
/// Seconds a copy takes beside its bytes (guessed to be those of an UploadPart). Planning takes more, because a job's
/// first copies came later than that in the times published, and this is of each.
const COPY_REQUEST_S: f64 = 0.06;
/// Seconds for a page of a listing (experience: 50-200 ms).
const LIST_PAGE_S: f64 = 0.09;
/// Seconds to complete an upload of next to no parts (published: 0.114 s with 6).
const COMPLETE_S: f64 = 0.11;
/// Seconds that each part adds to that (published: about 0.5 s for 1,500 parts).
const COMPLETE_PART_S: f64 = 260e-6;
/// How much connections differ: the standard deviation of their rate's logarithm (guessed).
const SPREAD: f64 = 0.25;
/// How many times the median one in a hundred takes: `exp(2.33 * SPREAD)`.
const SLOW: f64 = 1.79;
/// Which share of what is scarcest a fleet makes use of while it is busy: now and then its nodes wait for each other, or
/// keep below the rate that S3 has refused. What simulations come to.
const REACHED: f64 = 0.85;

/// What a plan will cost.
#[derive(Clone, Debug, PartialEq)]
pub struct Estimate {
    /// Requests by kind.
    pub requests: RequestCounts,
    /// What S3 charges for them, in US dollars.
    pub price_usd: f64,
    /// How long it will take on the machines it is predicted for, in seconds.
    pub seconds: f64,
    /// Where the requests go, what takes longest first.
    pub budget: Vec<Demand>,
}

/// A machine whose cost is predicted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Site {
    /// Memory of its node, in bytes.
    pub memory_bytes: u64,
    /// Requests it keeps in flight.
    pub concurrency: usize,
    /// Whether its way to S3 is encrypted: otherwise more is checked.
    pub is_encrypted: bool,
    /// What its network carries each way, in bytes a second.
    pub bytes_per_second: f64,
}

/// Predicts what executing `plan`, which was made for `spec`, will cost on one machine; else as [`estimate_of_fleet`].
#[must_use]
pub fn estimate(
    plan: &Plan,
    spec: &JobSpec,
    asked: RequestCounts,
    listing: &[RequestCounts],
    site: Site,
) -> Estimate {
    estimate_of_fleet(plan, spec, asked, listing, site, 1)
}

/// Predicts what executing `plan`, which was made for `spec`, will cost on so many machines like `site`. `asked` are requests sent already, and
/// `listing` those of them that listing each source took.
///
/// The requests are not estimated but counted on the very pieces a node would be given; those of second attempts, which
/// a fleet makes towards the end, are not among them. Nodes are taken to be given all the work they have memory for.
#[must_use]
pub fn estimate_of_fleet(
    plan: &Plan,
    spec: &JobSpec,
    asked: RequestCounts,
    listing: &[RequestCounts],
    site: Site,
    nodes: usize,
) -> Estimate {
    let mut ledger = Ledger::default();
    ledger.grow(plan);
    let requests = RequestCounts { create: Sent::well(1), complete: Sent::well(1), ..asked };
    let mut sum = Sum { requests, ..Sum::default() };
    for index in 0..plan.parts.len() {
        let work = part_work(plan, &ledger, index, |_| nowhere());
        match plan.parts[index].way {
            Way::Joined(_) => {
                sum.requests.create.sent += 1;
                sum.requests.complete.sent += 1;
                sum.requests.delete.sent += 1;
                sum.copy(&work);
            }
            Way::Composed => {
                let stored = work.bodies.iter().map(|body| u64::from(body.stored == StoredKind::Crc32));
                sum.read(plan, index, stored.collect(), |requests| &mut requests.head);
                sum.composing.add(&work, &mut sum.requests);
            }
            _ if work.copied().is_some() => sum.copy(&work),
            _ => {
                sum.read(plan, index, gets(&work), |requests| &mut requests.get);
                sum.read(plan, index, heads(&work, site.is_encrypted), |requests| &mut requests.head);
                sum.stream(&work, site.concurrency);
            }
        }
    }
    sum.composing.finish(&mut sum.requests);
    let completing_s = COMPLETE_S + plan.parts.len() as f64 * COMPLETE_PART_S;
    let seconds = sum.seconds(site, nodes) + PUT_LATENCY_S + completing_s;
    let requests = sum.requests;
    let budget = sum.reads.budget(plan, spec, listing, &requests);
    Estimate { price_usd: requests.price_usd(), requests, seconds, budget }
}

/// What was counted of a plan so far. Seconds are those of all requests one after the other, or of the longest.
#[derive(Debug, Default)]
struct Sum {
    requests: RequestCounts,
    reads: Reads,
    get_s: f64,
    put_s: f64,
    byte_seconds: f64,
    /// From the first byte asked for to the answer, of a part and its longest fetch that are slow both.
    last_part_s: f64,
    copy_s: f64,
    longest_copy_s: f64,
    composing: Composing,
}

impl Sum {
    /// Adds reads of the bodies of the part at `index`, so many of each.
    fn read(
        &mut self,
        plan: &Plan,
        index: usize,
        counts: Vec<u64>,
        kind: fn(&mut RequestCounts) -> &mut Sent,
    ) {
        for (object, count) in objects(plan, index).zip(counts) {
            kind(&mut self.requests).sent += count;
            self.reads.add(object, count);
        }
    }

    fn copy(&mut self, work: &PartWork) {
        self.requests.copy.sent += 1;
        self.requests.bytes_copied += work.bytes;
        let seconds = COPY_REQUEST_S + work.bytes as f64 / COPY_BYTES_PER_S;
        self.copy_s += seconds;
        self.longest_copy_s = self.longest_copy_s.max(seconds);
    }

    fn stream(&mut self, work: &PartWork, concurrency: usize) {
        let fetches = work.pieces.iter().filter_map(|piece| match piece {
            Piece::Fetch { range, .. } => Some((range.end - range.start) as f64),
            Piece::Literal { .. } | Piece::Copy { .. } => None,
        });
        let seconds: Vec<f64> = fetches.map(|bytes| GET_LATENCY_S + bytes / GET_BYTES_PER_S).collect();
        let upload_s = PUT_LATENCY_S + work.bytes as f64 / PUT_BYTES_PER_S;
        self.requests.upload_part.sent += 1;
        self.requests.bytes_sent += work.bytes;
        self.requests.bytes_received += work.bytes - work.literal_bytes();
        let sum: f64 = seconds.iter().sum();
        self.get_s += sum;
        self.put_s += upload_s;
        let longest_get_s = seconds.iter().copied().fold(0.0, f64::max);
        let longest_s = longest_get_s.max(sum / concurrency as f64);
        self.byte_seconds += work.bytes as f64 * (longest_s + upload_s);
        let slow_s = SLOW * (longest_get_s + upload_s - PUT_LATENCY_S) + SLOW_PUT_LATENCY_S;
        self.last_part_s = self.last_part_s.max(slow_s);
    }

    /// How long the transfer will take, in seconds: as long as what is scarcest, and the last of what waits for it.
    fn seconds(&self, site: Site, nodes: usize) -> f64 {
        let Site { memory_bytes, concurrency, .. } = site;
        let requests = &self.requests;
        let of_each_s = [
            (self.get_s + self.put_s) / concurrency as f64,
            self.byte_seconds / body_budget_bytes(memory_bytes, concurrency) as f64,
            requests.bytes_sent.max(requests.bytes_received) as f64 / site.bytes_per_second,
        ];
        let scarce_s = [
            of_each_s.into_iter().fold(0.0, f64::max) / nodes as f64,
            requests.get.sent as f64 / READS_PER_S,
            requests.of_class(RequestClass::Write) as f64 / WRITES_PER_S,
        ];
        let streaming_s = scarce_s.into_iter().fold(0.0, f64::max) / REACHED + self.last_part_s;
        let copying_s = self.copy_s / (nodes * COPIES_AT_ONCE) as f64
            + self.longest_copy_s * slowest_of(self.requests.copy.sent);
        let listing_s = requests.list.sent as f64 * LIST_PAGE_S;
        streaming_s.max(copying_s).max(self.composing.seconds()).max(listing_s)
    }
}

/// How many times the median the slowest of so many is likely to take. Nobody makes a copy a second time because it is
/// slow, so the slowest is waited for.
fn slowest_of(count: u64) -> f64 {
    // The mean of the largest of so many numbers that are normal, for all but the smallest counts.
    let twice_ln = 2.0 * (count.max(3) as f64).ln();
    let root = twice_ln.sqrt();
    let deviations = root - ((twice_ln / 2.0).ln() + (4.0 * std::f64::consts::PI).ln()) / (2.0 * root);
    (SPREAD * deviations.max(0.0)).exp()
}

/// The objects behind the bodies of the part at `index`, in the same order: those with a header there, or the one whose
/// data is all there is. Empty ones are not fetched.
fn objects(plan: &Plan, index: usize) -> impl Iterator<Item = &SourceObject> {
    let headers = plan.parts[index].headers.clone();
    let entries = if headers.is_empty() { headers.start.saturating_sub(1)..headers.start } else { headers };
    let entries = plan.entries[entries.start as usize..entries.end as usize].iter();
    entries.map(|entry| &entry.object).filter(|object| object.size > 0)
}

/// What a segment would be, of which it does not count where it is.
fn nowhere() -> Object {
    Object { location: Location { bucket: String::new(), key: String::new() }, etag: String::new() }
}

/// GETs of each body.
fn gets(work: &PartWork) -> Vec<u64> {
    let mut gets = vec![0; work.bodies.len()];
    for piece in &work.pieces {
        if let Piece::Fetch { body, .. } = piece {
            gets[*body as usize] += 1;
        }
    }
    gets
}

/// HEADs of each body for the checksum of objects that are not fetched by a single GET, which would bring it along.
/// The part with the header asks; a part of nothing but data does not know the whole.
fn heads(work: &PartWork, is_encrypted: bool) -> Vec<u64> {
    let PartWork { bodies, pieces, .. } = work;
    if !pieces.iter().any(|piece| matches!(piece, Piece::Literal { .. })) {
        return vec![0; bodies.len()];
    }
    let wholes = pieces.iter().filter_map(|piece| match piece {
        Piece::Fetch { body, range } if *range == (0..bodies[*body as usize].object_bytes) => Some(*body),
        _ => None,
    });
    let wholes: BTreeSet<u32> = wholes.collect();
    let bodies = (0u32..).zip(bodies);
    bodies
        .map(|(index, body)| u64::from(body.stored.is_compared(is_encrypted) && !wholes.contains(&index)))
        .collect()
}
