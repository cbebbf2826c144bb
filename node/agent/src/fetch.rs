//! One fetch: a range of an object into its region, pinned to the listed ETag, however often the
//! connection breaks.

use std::sync::Arc;

use node::assembler::Region;
use node::pace::Target;
use proto::crc::{Crc, StoredChecksum};
use proto::failure::{Failure, FailureKind, S3ErrorKind};
use proto::location::Location;
use proto::plan::Body;
use proto::retry::Attempts;
use proto_s3::{Error, with_retries};

use crate::meter::Meter;
use crate::requests::{Permit, Requests};

/// Whether S3's stored checksum vouches for what was fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Checked {
    /// It equals ours.
    Confirmed,
    /// The answer brought none.
    Unknown,
}

/// Why one request for a region came to nothing.
enum Trouble {
    S3(Error),
    /// All bytes came, and they are not those S3 stores.
    Damaged,
    /// The object has another size than was listed, although its ETag is the same.
    Size,
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::S3(error)
    }
}

impl Trouble {
    fn kind(&self) -> S3ErrorKind {
        match self {
            Self::S3(error) => error.kind(),
            Self::Damaged => S3ErrorKind::Transient,
            Self::Size => S3ErrorKind::PreconditionFailed,
        }
    }
}

/// Fills `region` with its range of the object behind `body`. `permit` is leave for the first request.
pub(crate) async fn fetch(
    requests: &Arc<Requests>,
    meter: &Meter,
    body: &Body,
    region: &mut Region,
    mut permit: Permit,
) -> Result<Checked, Failure> {
    let mut stored = None;
    let mut attempts = Attempts::default();
    loop {
        let before = region.missing();
        let trouble = match fill(requests, meter, body, region, &mut stored).await {
            Ok(()) => match agrees(stored, region.crc()) {
                None => return Ok(Checked::Unknown),
                Some(true) => return Ok(Checked::Confirmed),
                Some(false) => {
                    let reached = region.missing().start;
                    region.restart();
                    meter.lost(reached - region.missing().start);
                    Trouble::Damaged
                }
            },
            Err(trouble) => trouble,
        };
        let has_gained = region.missing().start > before.start;
        drop(permit);
        match attempts.failed(trouble.kind(), has_gained, rand::random()) {
            Some(wait) => tokio::time::sleep(wait).await,
            None => return Err(give_up(body, trouble)),
        }
        permit = requests.admit(Target::read(&body.bucket, &body.key)).await;
    }
}

/// One request for what the region misses. A whole object is asked for without a range, because only
/// then S3 tells the checksum it stores.
async fn fill(
    requests: &Requests,
    meter: &Meter,
    body: &Body,
    region: &mut Region,
    stored: &mut Option<StoredChecksum>,
) -> Result<(), Trouble> {
    let missing = region.missing();
    let is_whole = missing == (0..body.object_bytes);
    let range = (!is_whole).then(|| missing.clone());
    meter.gets();
    let answer = requests.s3.get(&body.bucket, &body.key, &body.etag, range).await;
    let mut fetched = requests.heed(Target::read(&body.bucket, &body.key), answer)?;
    let is_as_listed = fetched.object_bytes.is_none_or(|bytes| bytes == body.object_bytes);
    if !is_as_listed || fetched.bytes != missing.end - missing.start {
        return Err(Trouble::Size);
    }
    if is_whole {
        *stored = fetched.stored;
    }
    while let Some(frame) = fetched.next().await? {
        region.push(&frame).map_err(|_| Trouble::Size)?;
        meter.received(frame.len() as u64);
    }
    Ok(())
}

/// Compares `crc`, that of the whole object, with what S3 stores.
pub(crate) async fn check_whole(
    requests: &Arc<Requests>,
    meter: &Meter,
    body: &Body,
    crc: Crc,
) -> Result<(), Failure> {
    match agrees(stored_checksum(requests, meter, body).await?, crc) {
        Some(false) => Err(damaged(body)),
        Some(true) | None => Ok(()),
    }
}

/// What S3 stores for the object, provided it is still the listed one.
pub(crate) async fn stored_checksum(
    requests: &Arc<Requests>,
    meter: &Meter,
    body: &Body,
) -> Result<Option<StoredChecksum>, Failure> {
    let location = location(body);
    let head = with_retries(async || {
        let _permit = requests.admit(Target::read(&body.bucket, &body.key)).await;
        meter.heads();
        requests.heed(Target::read(&body.bucket, &body.key), requests.s3.head(&location).await)
    });
    let head = head.await.map_err(|error| failed(body, error))?;
    if head.etag.to_string() == body.etag { Ok(head.stored) } else { Err(changed(body)) }
}

fn agrees(stored: Option<StoredChecksum>, crc: Crc) -> Option<bool> {
    stored.and_then(|stored| stored.agrees_with(crc))
}

fn give_up(body: &Body, trouble: Trouble) -> Failure {
    match trouble {
        Trouble::Damaged => damaged(body),
        Trouble::Size => changed(body),
        Trouble::S3(error) => failed(body, error),
    }
}

/// What it means for the job that a request for the object failed.
pub(crate) fn failed(body: &Body, error: Error) -> Failure {
    match error.kind() {
        S3ErrorKind::PreconditionFailed => changed(body),
        S3ErrorKind::NoSuchKey => Failure::new(
            FailureKind::SourceChanged,
            format!("{} was deleted after it was listed: run the job again", location(body)),
        ),
        _ => error.into(),
    }
}

fn changed(body: &Body) -> Failure {
    let location = location(body);
    Failure::new(
        FailureKind::SourceChanged,
        format!("{location} changed after it was listed: run the job again"),
    )
}

/// Worth another attempt by the coordinator: the damage may have happened on the way.
fn damaged(body: &Body) -> Failure {
    let location = location(body);
    Failure::new(
        FailureKind::Corrupt,
        format!("the bytes of {location} disagree with the checksum that S3 stores for it"),
    )
}

fn location(body: &Body) -> Location {
    Location { bucket: body.bucket.clone(), key: body.key.clone() }
}
