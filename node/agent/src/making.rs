//! Objects that S3 makes on the way to a part: created, filled, completed, and deleted when the part is there.
//!
//! What is left of them when an attempt fails or is dropped, whoever ends the job finds by where they are.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use node::pace::Target;
use proto::batch::{AttemptId, Upload};
use proto::complete::{CompletedPart, Completion};
use proto::crc::{Crc, StoredKind};
use proto::failure::{Failure, FailureKind, S3ErrorKind};
use proto::limits::COMPOSING_AT_ONCE;
use proto::location::Location;
use proto::plan::{Body, PartNumber};
use proto_s3::{Error, with_retries};
use tokio::task::JoinSet;
use tracing::Instrument;

use crate::copy::{copy_range, crc_of};
use crate::fetch::failed;
use crate::meter::Meter;
use crate::part::{internal, put};
use crate::requests::Requests;

/// Where one attempt has such objects made.
pub(crate) struct Bench {
    pub(crate) requests: Arc<Requests>,
    pub(crate) meter: Arc<Meter>,
    pub(crate) id: AttemptId,
    pub(crate) bucket: String,
    /// What all their keys begin with.
    pub(crate) below: String,
}

impl Bench {
    /// Begins the object with this name.
    pub(crate) async fn create(&self, name: &str) -> Result<Upload, Failure> {
        let location = Location { bucket: self.bucket.clone(), key: format!("{}{name}", self.below) };
        let target = Target::write(&location.bucket, &location.key);
        let created = with_retries(async || {
            let _permit = self.requests.admit_copy(target).await;
            self.meter.creates();
            let answer =
                self.requests.s3.create_upload_of(&location, self.id.job, "application/octet-stream").await;
            self.requests.heed(target, answer)
        });
        created.await.map_err(lost)
    }

    /// Uploads bytes as one part of an object.
    pub(crate) async fn put(
        &self,
        upload: &Upload,
        number: PartNumber,
        bytes: &Bytes,
        crc: Crc,
    ) -> Result<CompletedPart, Failure> {
        let etag = put(&self.requests, &self.meter, upload, number, bytes, crc).await.map_err(lost)?;
        Ok(CompletedPart { number, etag, crc32: crc.value })
    }

    /// Copies a range of a body as one part of an object; with the CRC of what was copied.
    pub(crate) async fn copy_body(
        &self,
        upload: &Upload,
        number: PartNumber,
        body: &Body,
        range: &Range<u64>,
    ) -> Result<(CompletedPart, Crc), Failure> {
        let copied = copy_range(&self.requests, &self.meter, upload, number, body, range).await;
        let copied = copied.map_err(|error| match error.kind() {
            S3ErrorKind::NoSuchUpload => lost(error),
            _ => failed(body, error),
        })?;
        let crc = crc_of(&self.requests, &self.meter, body, range, copied.crc32).await?;
        Ok((CompletedPart { number, etag: copied.etag, crc32: crc.value }, crc))
    }

    /// Copies a range of an object that was made into an upload, and sees that it is what it should be. `gone` says what
    /// it means when there is no such upload.
    pub(crate) async fn copy(
        &self,
        upload: &Upload,
        number: PartNumber,
        made: &Body,
        range: &Range<u64>,
        crc: Crc,
        gone: impl Fn(&Upload) -> Failure,
    ) -> Result<CompletedPart, Failure> {
        let copied = copy_range(&self.requests, &self.meter, upload, number, made, range).await;
        let copied = copied.map_err(|error| match error.kind() {
            S3ErrorKind::NoSuchUpload => gone(upload),
            S3ErrorKind::NoSuchKey | S3ErrorKind::PreconditionFailed => {
                self.requests.paddings.forget(self.id.job, made);
                lost(error)
            }
            _ => lost(error),
        })?;
        if copied.crc32.is_some_and(|told| told != crc.value) {
            let message =
                format!("S3 copied other bytes of s3://{}/{} than it was given", made.bucket, made.key);
            return Err(Failure::new(FailureKind::Unavailable, message));
        }
        Ok(CompletedPart { number, etag: copied.etag, crc32: crc.value })
    }

    /// Has S3 put an object together, whose CRC is `whole`.
    pub(crate) async fn complete(
        &self,
        upload: Upload,
        parts: Vec<CompletedPart>,
        whole: Crc,
    ) -> Result<Body, Failure> {
        let contested = Vec::new();
        let completion = Completion { upload, parts, contested, archive: whole, no_overwrite: false };
        let location = &completion.upload.destination;
        let target = Target::write(&location.bucket, &location.key);
        let completed = with_retries(async || {
            let _permit = self.requests.admit_copy(target).await;
            self.meter.completes();
            let answer = self.requests.s3.complete_upload(&completion).await;
            self.requests.heed(target, answer)
        });
        let etag = match completed.await {
            Ok(etag) => etag,
            // The answer to an earlier request may have been lost. Nobody else has a key like this.
            Err(error) if error.kind() == S3ErrorKind::NoSuchUpload => self.find(location, whole).await?,
            Err(error) => return Err(lost(error)),
        };
        Ok(Body {
            bucket: location.bucket.clone(),
            key: location.key.clone(),
            etag,
            object_bytes: whole.bytes,
            stored: StoredKind::None,
            rest: Crc::EMPTY,
        })
    }

    async fn find(&self, location: &Location, whole: Crc) -> Result<String, Failure> {
        let target = Target::read(&location.bucket, &location.key);
        let found = with_retries(async || {
            let _permit = self.requests.admit(target).await;
            self.meter.heads();
            self.requests.heed(target, self.requests.s3.head(location).await)
        });
        let head = found.await.map_err(lost)?;
        if head.size == whole.bytes { Ok(head.etag.to_string()) } else { Err(gone(location)) }
    }

    /// Deletes an object that was made. One that stays is found when the job ends.
    pub(crate) async fn delete(&self, made: Body) {
        let location = Location { bucket: made.bucket, key: made.key };
        let target = Target::write(&location.bucket, &location.key);
        let deleted = with_retries(async || {
            let _permit = self.requests.admit_copy(target).await;
            self.meter.deletes();
            let answer = self.requests.s3.delete(&location).await;
            self.requests.heed(target, answer)
        });
        if let Err(error) = deleted.await {
            tracing::debug!(%location, %error, "left until the job ends");
        }
    }
}

/// What it means for an attempt that a request for something that is made failed: that another may do better. It is no
/// word on the archive, nor on what other parts are made of.
fn lost(error: Error) -> Failure {
    use S3ErrorKind::{Conflict, Mismatch, NoSuchKey, NoSuchUpload, PreconditionFailed};
    match error.kind() {
        Conflict | Mismatch | NoSuchKey | NoSuchUpload | PreconditionFailed => {
            Failure::new(FailureKind::Unavailable, error.to_string())
        }
        _ => error.into(),
    }
}

/// That something which was made or begun is there no more.
pub(crate) fn gone(location: &Location) -> Failure {
    Failure::new(FailureKind::Unavailable, format!("{location} is not what S3 was to make there"))
}

/// Does all of this, not too much at a time, and gives what came of each, in order; or the first failure.
pub(crate) async fn side_by_side<T, F>(doings: impl Iterator<Item = F>) -> Result<Vec<T>, Failure>
where
    T: Send + 'static,
    F: Future<Output = Result<T, Failure>> + Send + 'static,
{
    let mut done = Vec::new();
    // Dropping the set, when the attempt is dropped or fails, stops what it still holds.
    let mut under_way = JoinSet::new();
    for (index, doing) in doings.enumerate() {
        if under_way.len() >= COMPOSING_AT_ONCE
            && let Some(ended) = under_way.join_next().await
        {
            done.push(ended.map_err(internal)??);
        }
        let doing = async move { doing.await.map(|came| (index, came)) };
        under_way.spawn(doing.in_current_span());
    }
    while let Some(ended) = under_way.join_next().await {
        done.push(ended.map_err(internal)??);
    }
    done.sort_unstable_by_key(|(index, _)| *index);
    Ok(done.into_iter().map(|(_, came)| came).collect())
}
