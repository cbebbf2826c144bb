//! What a plan will cost: requests, money and time, predicted before anything is written.

use std::collections::BTreeSet;

use proto::compose::{Composition, PADDING_BYTES, Takes};
use proto::crc::StoredKind;
use proto::limits::{COPIES_AT_ONCE, body_budget_bytes};
use proto::location::Location;
use proto::plan::{Body, PartWork, Piece, Plan, Way};
use proto::requests::{RequestCounts, Sent};

use crate::ledger::Ledger;
use crate::work::{Object, part_work};

/// Seconds until the first byte of a GET (published: 20-30 ms typical).
const GET_LATENCY_S: f64 = 0.03;
/// Bytes a second of one GET (published: 80-90 MB/s).
const GET_BYTES_PER_S: f64 = 85e6;
/// Seconds an UploadPart takes beside its bytes (published: about 100 ms).
const PUT_LATENCY_S: f64 = 0.1;
/// Bytes a second of one UploadPart (published: 110-130 MB/s).
const PUT_BYTES_PER_S: f64 = 110e6;
/// GETs a second S3 promises for one prefix (AWS: "Best practices design patterns").
const GETS_PER_S: f64 = 5_500.0;
/// PUTs a second S3 promises for one prefix (AWS: "Best practices design patterns").
const PUTS_PER_S: f64 = 3_500.0;
/// Seconds a copy takes beside its bytes, and bytes a second of one (awslabs/aws-c-s3#288: 1.5-2.5 s fixed, 13 s a GiB).
const COPY_LATENCY_S: f64 = 1.5;
const COPY_BYTES_PER_S: f64 = 78e6;
/// Seconds for one of the requests by which a part is composed: no published figure, but those above for others.
const COMPOSING_LATENCY_S: f64 = 0.2;
/// Seconds for a page of a listing (experience: 50-200 ms).
const LIST_PAGE_S: f64 = 0.1;
/// Seconds to complete an upload (published: about 0.5 s for 1,500 parts).
const COMPLETE_S: f64 = 0.5;

/// What a plan will cost.
#[derive(Clone, Debug, PartialEq)]
pub struct Estimate {
    /// Requests by kind.
    pub requests: RequestCounts,
    /// What S3 charges for them, in US dollars.
    pub price_usd: f64,
    /// How long it will take on one machine, in seconds.
    pub seconds: f64,
}

/// The one machine whose cost is predicted.
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

/// Predicts what executing `plan` will cost on `site`; `listing` are the requests that listing its sources
/// took.
///
/// The requests are not estimated but counted on the very pieces a node would be given.
#[must_use]
pub fn estimate(plan: &Plan, listing: RequestCounts, site: Site) -> Estimate {
    let Site { memory_bytes, concurrency, .. } = site;
    let mut ledger = Ledger::default();
    ledger.grow(plan);
    let mut requests = RequestCounts { create: Sent::well(1), complete: Sent::well(1), ..listing };
    let (mut get_s, mut put_s, mut byte_seconds) = (0.0, 0.0, 0.0);
    let (mut copy_s, mut longest_copy_s) = (0.0, 0.0_f64);
    let mut composing = Composing::default();
    for index in 0..plan.parts.len() {
        if let Way::Joined(_) = plan.parts[index].way {
            requests.create.sent += 1;
            requests.complete.sent += 1;
            requests.delete.sent += 1;
        }
        let work = part_work(plan, &ledger, index, |_| nowhere());
        if plan.parts[index].way == Way::Composed {
            composing.add(&work, &mut requests);
            continue;
        }
        if work.copied().is_some() {
            requests.copy.sent += 1;
            requests.bytes_copied += work.bytes;
            let seconds = COPY_LATENCY_S + work.bytes as f64 / COPY_BYTES_PER_S;
            copy_s += seconds;
            longest_copy_s = longest_copy_s.max(seconds);
            continue;
        }
        let fetches = work.pieces.iter().filter_map(|piece| match piece {
            Piece::Fetch { range, .. } => Some((range.end - range.start) as f64),
            Piece::Literal { .. } | Piece::Copy { .. } => None,
        });
        requests.upload_part.sent += 1;
        let seconds: Vec<f64> = fetches.map(|bytes| GET_LATENCY_S + bytes / GET_BYTES_PER_S).collect();
        let upload_s = PUT_LATENCY_S + work.bytes as f64 / PUT_BYTES_PER_S;
        requests.get.sent += seconds.len() as u64;
        requests.head.sent += heads(&work.bodies, &work.pieces, site.is_encrypted);
        requests.bytes_sent += work.bytes;
        requests.bytes_received += work.bytes - work.literal_bytes();
        let sum: f64 = seconds.iter().sum();
        get_s += sum;
        put_s += upload_s;
        let longest_s = seconds.iter().copied().fold(0.0, f64::max).max(sum / concurrency as f64);
        byte_seconds += work.bytes as f64 * (longest_s + upload_s);
    }
    composing.finish(&mut requests);
    let writes = [requests.create, requests.upload_part, requests.copy, requests.complete, requests.delete];
    let transfer_s = [
        (get_s + put_s) / concurrency as f64,
        byte_seconds / body_budget_bytes(memory_bytes, concurrency) as f64,
        requests.get.sent as f64 / GETS_PER_S,
        writes.iter().map(|kind| kind.sent as f64).sum::<f64>() / PUTS_PER_S,
        composing.longest_s.max(composing.requests as f64 * COMPOSING_LATENCY_S / COPIES_AT_ONCE as f64),
        requests.bytes_sent.max(requests.bytes_received) as f64 / site.bytes_per_second,
        longest_copy_s.max(copy_s / COPIES_AT_ONCE as f64),
        requests.list.sent as f64 * LIST_PAGE_S,
    ];
    let seconds = transfer_s.into_iter().fold(0.0, f64::max) + COMPLETE_S;
    Estimate { price_usd: requests.price_usd(), requests, seconds }
}

/// Parts that S3 composes, as far as they were seen.
#[derive(Clone, Copy, Debug, Default)]
struct Composing {
    parts: u64,
    requests: u64,
    /// How long the one takes that takes longest, in seconds.
    longest_s: f64,
}

impl Composing {
    fn add(&mut self, work: &PartWork, requests: &mut RequestCounts) {
        let Some(composition) = Composition::of(work) else { return };
        let Takes { objects, copies, copied_bytes } = composition.takes();
        let stored = work.bodies.iter().filter(|body| body.stored == StoredKind::Crc32);
        requests.create.sent += objects;
        requests.complete.sent += objects;
        requests.delete.sent += objects;
        requests.copy.sent += copies;
        requests.upload_part.sent += 1;
        requests.head.sent += stored.count() as u64;
        requests.bytes_copied += copied_bytes;
        requests.bytes_sent += work.literal_bytes();
        self.parts += 1;
        self.requests += 3 * objects + copies + 1;
        // Each level is created, filled and completed when the one before is there.
        let chain = 3 * (composition.levels.len() as u64 + 1) + 1;
        let copied_s = work.bytes as f64 / COPY_BYTES_PER_S;
        self.longest_s = self.longest_s.max(chain as f64 * COMPOSING_LATENCY_S + copied_s);
    }

    /// Adds the padding that they share, which is removed with whatever else is left beside the archive.
    fn finish(self, requests: &mut RequestCounts) {
        if self.parts > 0 {
            requests.create.sent += 1;
            requests.upload_part.sent += 1;
            requests.complete.sent += 1;
            requests.bytes_sent += PADDING_BYTES;
            requests.list_other.sent += 1;
            requests.list.sent += 1;
            requests.delete.sent += 1;
        }
    }
}

/// What a segment would be, of which it does not count where it is.
fn nowhere() -> Object {
    Object { location: Location { bucket: String::new(), key: String::new() }, etag: String::new() }
}

/// HEADs for the checksum of objects that are not fetched by a single GET, which would bring it along.
/// The part with the header asks; a part of nothing but data does not know the whole.
fn heads(bodies: &[Body], pieces: &[Piece], is_encrypted: bool) -> u64 {
    if !pieces.iter().any(|piece| matches!(piece, Piece::Literal { .. })) {
        return 0;
    }
    let wholes = pieces.iter().filter_map(|piece| match piece {
        Piece::Fetch { body, range } if *range == (0..bodies[*body as usize].object_bytes) => Some(*body),
        _ => None,
    });
    let wholes: BTreeSet<u32> = wholes.collect();
    let is_checked = |body: &Body| body.stored.is_compared(is_encrypted);
    (0u32..).zip(bodies).filter(|(index, body)| is_checked(body) && !wholes.contains(index)).count() as u64
}
