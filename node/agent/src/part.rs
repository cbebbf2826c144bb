//! One attempt: fetch what a part is made of, put it together, upload it.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use node::assembler::{Assembled, Assembler, Region};
use proto::batch::{Assignment, Upload};
use proto::crc::StoredKind;
use proto::failure::{Failure, FailureKind, S3ErrorKind};
use proto::part::PartDone;
use proto::plan::Body;
use proto_s3::{S3, with_retries};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tracing::Instrument;

use crate::fetch::{Checked, check_whole, fetch};

/// A part that was uploaded, and its bytes, whose buffer can be used again.
pub(crate) struct Made {
    pub(crate) done: PartDone,
    pub(crate) bytes: Bytes,
}

/// Makes and uploads one part; each of its requests holds one of `requests`' permits.
pub(crate) async fn make(
    s3: S3,
    requests: Arc<Semaphore>,
    upload: Upload,
    assignment: Assignment,
    buffer: BytesMut,
) -> Result<Made, Failure> {
    let span = tracing::debug_span!("part", attempt = %assignment.id, bytes = assignment.work.bytes);
    async {
        let (id, mut work) = (assignment.id, assignment.work);
        for body in &mut work.bodies {
            if !body.stored.is_compared(s3.is_encrypted()) {
                body.stored = StoredKind::None;
            }
        }
        let (mut assembler, regions) = Assembler::new(work, buffer).map_err(internal)?;
        let bodies = assembler.bodies();
        let checked = fetch_all(&s3, &requests, &bodies, regions, &mut assembler).await?;
        let assembled = assembler.finish();
        check_bodies(&s3, &requests, &bodies, &assembled, &checked).await?;
        let etag = put(&s3, &requests, &upload, id.part, &assembled).await?;
        let Assembled { bytes, crc, bodies } = assembled;
        Ok(Made { done: PartDone { id, etag, crc, bodies }, bytes })
    }
    .instrument(span)
    .await
}

/// Fills all regions, as many at a time as there are permits; tells which bodies S3's stored checksum
/// has already confirmed.
async fn fetch_all(
    s3: &S3,
    requests: &Arc<Semaphore>,
    bodies: &Arc<[Body]>,
    regions: Vec<Region>,
    assembler: &mut Assembler,
) -> Result<Vec<bool>, Failure> {
    let mut confirmed = vec![false; bodies.len()];
    // Dropping the set, when this attempt is cancelled or fails, stops what it still holds.
    let mut fetches = JoinSet::new();
    let mut regions = regions.into_iter();
    loop {
        let permit = Arc::clone(requests).acquire_owned();
        tokio::select! {
            permit = permit, if regions.len() > 0 => {
                let permit = permit.map_err(internal)?;
                let (s3, bodies) = (s3.clone(), Arc::clone(bodies));
                let Some(mut region) = regions.next() else { continue };
                fetches.spawn(async move {
                    let checked = fetch(&s3, &bodies[region.body as usize], &mut region).await;
                    drop(permit);
                    checked.map(|checked| (region, checked))
                });
            }
            Some(fetched) = fetches.join_next() => {
                let (region, checked) = fetched.map_err(internal)??;
                confirmed[region.body as usize] |= checked == Checked::Confirmed;
                assembler.put_back(region);
            }
            else => return Ok(confirmed),
        }
    }
}

/// Compares the CRC of every object that is now complete with the checksum S3 stores, where there is one
/// and the fetch itself did not already bring it.
async fn check_bodies(
    s3: &S3,
    requests: &Semaphore,
    bodies: &[Body],
    assembled: &Assembled,
    confirmed: &[bool],
) -> Result<(), Failure> {
    for ((body, crc), confirmed) in bodies.iter().zip(&assembled.bodies).zip(confirmed) {
        if body.stored != StoredKind::None && !confirmed && crc.bytes == body.object_bytes {
            let _permit = requests.acquire().await.map_err(internal)?;
            check_whole(s3, body, *crc).await?;
        }
    }
    Ok(())
}

async fn put(
    s3: &S3,
    requests: &Semaphore,
    upload: &Upload,
    number: proto::plan::PartNumber,
    assembled: &Assembled,
) -> Result<String, Failure> {
    let _permit = requests.acquire().await.map_err(internal)?;
    let sent =
        with_retries(async || s3.upload_part(upload, number, assembled.bytes.clone(), assembled.crc).await);
    sent.await.map_err(|error| match error.kind() {
        S3ErrorKind::NoSuchUpload => Failure::new(
            FailureKind::Destination,
            format!("the upload to {} was removed by someone else while it was written", upload.destination),
        ),
        _ => error.into(),
    })
}

fn internal(error: impl std::fmt::Display) -> Failure {
    Failure::new(FailureKind::Internal, error.to_string())
}
