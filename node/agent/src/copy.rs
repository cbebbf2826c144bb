//! A part that S3 copies by itself, and the CRC of what was copied, which not every server tells.

use std::ops::Range;
use std::sync::Arc;

use node::assembler::Region;
use node::pace::Target;
use node::untold::Untold;
use proto::batch::{Assignment, Upload};
use proto::crc::{Crc, StoredChecksum, StoredKind};
use proto::failure::{Failure, S3ErrorKind};
use proto::limits::{FETCH_BYTES, PARTS_MAX};
use proto::part::PartDone;
use proto::plan::{Body, PartNumber, PartWork};
use proto_s3::{Copied, Error, with_retries};
use tokio::task::JoinSet;
use tracing::Instrument;

use crate::fetch::{failed, fetch, stored_checksum};
use crate::meter::Meter;
use crate::part::{internal, upload_is_gone};
use crate::requests::Requests;

/// Has S3 copy the one range that the part is made of. Whether its CRC is the one S3 stores for the object is seen
/// where all of the object is known: by whoever makes the part with its header.
pub(crate) async fn copy(
    requests: &Arc<Requests>,
    meter: &Arc<Meter>,
    upload: &Upload,
    assignment: Assignment,
) -> Result<PartDone, Failure> {
    let Assignment { id, work, .. } = assignment;
    let Some((body, range)) = work.copied().filter(|(body, range)| is_sound(&work, body, range)) else {
        return Err(internal(format!("the plan of part {} contradicts itself: no such copy", id.part)));
    };
    let copied = copy_range(requests, meter, upload, work.number, body, range).await;
    let copied = copied.map_err(|error| match error.kind() {
        S3ErrorKind::NoSuchUpload => upload_is_gone(upload),
        _ => failed(body, error),
    })?;
    let (etag, crc) = (copied.etag, crc_of(requests, meter, body, range, copied.crc32).await?);
    Ok(PartDone { id, etag, crc, bodies: vec![crc.then(body.rest)], effort: meter.effort() })
}

fn is_sound(work: &PartWork, body: &Body, range: &Range<u64>) -> bool {
    let is_within = !range.is_empty() && range.end <= body.object_bytes;
    is_within && range.end - range.start == work.bytes && work.bodies.len() == 1
}

/// The CRC of a range of a body that was copied, wherever that is to be found.
pub(crate) async fn crc_of(
    requests: &Arc<Requests>,
    meter: &Arc<Meter>,
    body: &Body,
    range: &Range<u64>,
    told: Option<u32>,
) -> Result<Crc, Failure> {
    match told {
        Some(crc32) => Ok(Crc::known(crc32, range.end - range.start)),
        None => {
            meter.untold();
            find(requests, meter, body, range).await
        }
    }
}

/// Has S3 copy a range of the object behind `body` as one part of an upload.
pub(crate) async fn copy_range(
    requests: &Arc<Requests>,
    meter: &Meter,
    upload: &Upload,
    number: PartNumber,
    body: &Body,
    range: &Range<u64>,
) -> Result<Copied, Error> {
    let target = Target::write(&upload.destination.bucket, &upload.destination.key);
    let copied = with_retries(async || {
        let _permit = requests.admit_copy(target).await;
        meter.copies();
        let answer = requests.s3.copy_part(upload, number, body, range.clone()).await;
        requests.heed(target, answer)
    })
    .await?;
    meter.copied(range.end - range.start);
    Ok(copied)
}

/// The CRC of a range that was copied without a word about it: from what S3 stores of the object, as far as that
/// spares reading, and from the bytes.
async fn find(
    requests: &Arc<Requests>,
    meter: &Arc<Meter>,
    body: &Body,
    range: &Range<u64>,
) -> Result<Crc, Failure> {
    let whole = |crc32| [Crc::known(crc32, body.object_bytes)];
    let would_spare = |known: &[Crc]| Untold::of(range, known).read_bytes() < range.end - range.start;
    let known = match body.stored {
        StoredKind::Crc32 if would_spare(&whole(0)) => match stored_checksum(requests, meter, body).await? {
            Some(StoredChecksum::Crc32(crc32)) => whole(crc32).to_vec(),
            _ => Vec::new(),
        },
        StoredKind::Crc32OfParts => crcs_of_parts(requests, meter, body, range.end).await?,
        StoredKind::None | StoredKind::Crc32 | StoredKind::Crc64Nvme => Vec::new(),
    };
    let untold = Untold::of(range, &known);
    let read = hash_all(requests, meter, body, untold.reads()).await?;
    Ok(untold.join(read))
}

/// The CRC-32s of the parts that the object was uploaded in, up to the one with the byte before `end`; fewer, or
/// none, when S3 does not tell them.
async fn crcs_of_parts(
    requests: &Arc<Requests>,
    meter: &Meter,
    body: &Body,
    end: u64,
) -> Result<Vec<Crc>, Failure> {
    let (mut crcs, mut reached, mut after) = (Vec::new(), 0_u64, None);
    while reached < end && crcs.len() < PARTS_MAX as usize {
        let page = with_retries(async || {
            let _permit = requests.admit(Target::read(&body.bucket, &body.key)).await;
            meter.attributes();
            requests.heed(Target::read(&body.bucket, &body.key), requests.s3.part_crcs(body, after).await)
        });
        let page = match page.await {
            Ok(page) => page,
            // It takes a permission of its own, and not every server knows the request. The bytes can still be read.
            Err(error) if matches!(error.kind(), S3ErrorKind::Denied | S3ErrorKind::Refused) => {
                tracing::debug!(%error, "reading instead");
                None
            }
            Err(error) => return Err(failed(body, error)),
        };
        let Some(page) = page else { break };
        reached = page.crcs.iter().fold(reached, |reached, crc| reached.saturating_add(crc.bytes));
        crcs.extend(page.crcs);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    Ok(crcs)
}

/// Reads ranges of the object, as many requests at a time as may be, and keeps nothing but the CRC of each.
async fn hash_all(
    requests: &Arc<Requests>,
    meter: &Arc<Meter>,
    body: &Body,
    ranges: impl Iterator<Item = Range<u64>>,
) -> Result<Vec<Crc>, Failure> {
    let mut pieces: Vec<(usize, Crc)> = Vec::new();
    let mut crcs = Vec::new();
    // Dropping the set, when this attempt is dropped or fails, stops what it still holds.
    let mut fetches = JoinSet::new();
    for (index, range) in ranges.enumerate() {
        crcs.push(Crc::EMPTY);
        for start in (range.start..range.end).step_by(FETCH_BYTES as usize) {
            let mut region = Region::hashed(0, start..range.end.min(start + FETCH_BYTES));
            let position = pieces.len();
            pieces.push((index, Crc::EMPTY));
            let permit = requests.admit(Target::read(&body.bucket, &body.key)).await;
            let (requests, meter, body) = (Arc::clone(requests), Arc::clone(meter), body.clone());
            let fetched = async move {
                fetch(&requests, &meter, &body, &mut region, permit).await.map(|_| (position, region.crc()))
            };
            fetches.spawn(fetched.in_current_span());
            while let Some(fetched) = fetches.try_join_next() {
                let (position, crc) = fetched.map_err(internal)??;
                pieces[position].1 = crc;
            }
        }
    }
    while let Some(fetched) = fetches.join_next().await {
        let (position, crc) = fetched.map_err(internal)??;
        pieces[position].1 = crc;
    }
    for (index, crc) in pieces {
        crcs[index] = crcs[index].then(crc);
    }
    Ok(crcs)
}
