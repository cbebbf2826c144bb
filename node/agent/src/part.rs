//! One attempt: fetch what a part is made of, put it together, upload it. Or have S3 copy or compose it.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use node::assembler::{Assembled, Assembler, Region};
use node::pace::Target;
use proto::batch::{Assignment, AttemptId, Upload};
use proto::crc::{Crc, StoredKind};
use proto::failure::{Failure, FailureKind, S3ErrorKind};
use proto::part::PartDone;
use proto::plan::{Body, PartNumber};
use proto_s3::{Error, with_retries};
use tokio::task::JoinSet;
use tracing::Instrument;

use crate::compose::compose;
use crate::copy::copy;
use crate::fetch::{Checked, check_whole, fetch};
use crate::meter::Meter;
use crate::requests::Requests;

/// A part that is in S3, and its bytes, whose buffer can be used again; none when S3 made it.
pub(crate) struct Made {
    pub(crate) done: PartDone,
    pub(crate) bytes: Bytes,
}

/// Makes and uploads one part, or has S3 make it; each of its requests waits for leave, and `meter` tells how far it has come.
pub(crate) async fn make(
    requests: Arc<Requests>,
    meter: Arc<Meter>,
    upload: Upload,
    assignment: Assignment,
    buffer: BytesMut,
) -> Result<Made, Failure> {
    let AttemptId { job, part, attempt } = assignment.id;
    let bytes = assignment.work.bytes;
    let span = tracing::debug_span!(parent: None, "part", %job, part = part.0, attempt, bytes);
    proto_trace::descend(&span, assignment.trace);
    let made = async {
        if assignment.work.below.is_some() {
            let done = Box::pin(compose(&requests, &meter, &upload, assignment)).await?;
            Ok(Made { done, bytes: Bytes::new() })
        } else if assignment.work.copied().is_some() {
            let done = copy(&requests, &meter, &upload, assignment).await?;
            Ok(Made { done, bytes: Bytes::new() })
        } else {
            stream(&requests, &meter, &upload, assignment, buffer).await
        }
    };
    let made = made.instrument(span.clone()).await;
    made.inspect_err(|failure| proto_trace::failed(&span, failure))
}

async fn stream(
    requests: &Arc<Requests>,
    meter: &Arc<Meter>,
    upload: &Upload,
    assignment: Assignment,
    buffer: BytesMut,
) -> Result<Made, Failure> {
    let (id, mut work) = (assignment.id, assignment.work);
    let number = work.number;
    for body in &mut work.bodies {
        if !body.stored.is_compared(requests.s3.is_encrypted()) {
            body.stored = StoredKind::None;
        }
    }
    meter.fetched(work.literal_bytes());
    let (mut assembler, regions) = Assembler::new(work, buffer).map_err(internal)?;
    let bodies = assembler.bodies();
    let checked = fetch_all(requests, meter, &bodies, regions, &mut assembler).await?;
    let assembled = assembler.finish();
    check_bodies(requests, meter, &bodies, &assembled, &checked).await?;
    let etag = put(requests, meter, upload, number, &assembled.bytes, assembled.crc).await;
    let etag = etag.map_err(|error| match error.kind() {
        S3ErrorKind::NoSuchUpload => upload_is_gone(upload),
        _ => error.into(),
    })?;
    let Assembled { bytes, crc, bodies } = assembled;
    Ok(Made { done: PartDone { id, etag, crc, bodies, effort: meter.effort() }, bytes })
}

/// Fills all regions, as many at a time as may be; tells which bodies S3's stored checksum has already
/// confirmed.
async fn fetch_all(
    requests: &Arc<Requests>,
    meter: &Arc<Meter>,
    bodies: &Arc<[Body]>,
    regions: Vec<Region>,
    assembler: &mut Assembler,
) -> Result<Vec<bool>, Failure> {
    let mut confirmed = vec![false; bodies.len()];
    let mut put_back = |region: Region, checked: Checked| {
        confirmed[region.body as usize] |= checked == Checked::Confirmed;
        assembler.put_back(region);
    };
    // Dropping the set, when this attempt is dropped or fails, stops what it still holds.
    let mut fetches = JoinSet::new();
    for mut region in regions {
        // Before it is spawned: a part asks for its fetches one after the other, so that parts share fairly.
        let body = &bodies[region.body as usize];
        let permit = requests.admit(Target::read(&body.bucket, &body.key)).await;
        let (requests, meter, bodies) = (Arc::clone(requests), Arc::clone(meter), Arc::clone(bodies));
        let fetched = async move {
            let body = &bodies[region.body as usize];
            let checked = fetch(&requests, &meter, body, &mut region, permit).await;
            checked.map(|checked| (region, checked))
        };
        // Below the span of the part, although another task does it.
        fetches.spawn(fetched.in_current_span());
        while let Some(fetched) = fetches.try_join_next() {
            let (region, checked) = fetched.map_err(internal)??;
            put_back(region, checked);
        }
    }
    while let Some(fetched) = fetches.join_next().await {
        let (region, checked) = fetched.map_err(internal)??;
        put_back(region, checked);
    }
    Ok(confirmed)
}

/// Compares the CRC of every object that is now complete with the checksum S3 stores, where there is one
/// and the fetch itself did not already bring it.
async fn check_bodies(
    requests: &Arc<Requests>,
    meter: &Meter,
    bodies: &[Body],
    assembled: &Assembled,
    confirmed: &[bool],
) -> Result<(), Failure> {
    for ((body, crc), confirmed) in bodies.iter().zip(&assembled.bodies).zip(confirmed) {
        if body.stored != StoredKind::None && !confirmed && crc.bytes == body.object_bytes {
            check_whole(requests, meter, body, *crc).await?;
        }
    }
    Ok(())
}

/// Uploads the bytes of one part; its ETag. What a failure means depends on whose upload it is.
pub(crate) async fn put(
    requests: &Arc<Requests>,
    meter: &Meter,
    upload: &Upload,
    number: PartNumber,
    bytes: &Bytes,
    crc: Crc,
) -> Result<String, Error> {
    let target = Target::write(&upload.destination.bucket, &upload.destination.key);
    let sent = with_retries(async || {
        let _permit = requests.admit(target).await;
        let (bytes, progress) = (bytes.clone(), meter.upload());
        let answer = requests.s3.upload_part(upload, number, bytes, crc, &progress).await;
        requests.heed(target, answer)
    });
    sent.await
}

pub(crate) fn upload_is_gone(upload: &Upload) -> Failure {
    let destination = &upload.destination;
    Failure::new(
        FailureKind::Destination,
        format!("the upload to {destination} was removed by someone else while it was written"),
    )
}

pub(crate) fn internal(error: impl std::fmt::Display) -> Failure {
    Failure::new(FailureKind::Internal, error.to_string())
}
