//! What must outlive the coordinator: a record in S3 of each upload it began, until that is completed or removed and
//! nothing else of its job is left.
//!
//! A record is written before S3 is asked for an upload and again before any part of it is granted. So whenever
//! a coordinator dies, the next one finds every upload that holds parts, and removes it. Nodes may not know yet, and have
//! S3 make things beside the archive: so the record stays until it was looked for those when no node is at it any more.

use std::time::Duration;

use bytes::Bytes;
use coordinator::beside;
use proto::batch::Upload;
use proto::failure::{Failure, FailureKind};
use proto::job::JobId;
use proto::limits::{JOURNAL_RECORD_BYTES_MAX, JOURNAL_RECORDS_MAX};
use proto::listing::SourceObject;
use proto::location::Location;
use proto_s3::{Error, S3, with_retries};
use serde::{Deserialize, Serialize};

use crate::abort::{abort, command_that_removes};
use crate::create::{SLACK_S, unix_now};
use crate::state::{Folder, StateLocation};
use crate::sweep::{remove_objects_below, remove_uploads_below, sweep, sweep_once};

/// The records of uploads below a [`StateLocation`].
#[derive(Clone, Debug)]
pub struct Journal {
    s3: S3,
    state: StateLocation,
}

/// What a coordinator before this one left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Uploads that are now removed.
    pub removed: Vec<Upload>,
    /// What a person should look at, a sentence each.
    pub warnings: Vec<String>,
}

/// Jobs of a coordinator that died, of which nodes may still be making something beside the archive.
#[derive(Debug, Default)]
pub struct Unswept(Vec<(JobId, Upload)>);

/// One upload, begun or about to be.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    job: JobId,
    destination: Location,
    /// When it was written, in seconds since 1970 UTC; for people.
    written: i64,
    /// `None` until S3 has given one.
    upload_id: Option<String>,
}

impl Journal {
    /// The journal at this place.
    #[must_use]
    pub fn new(s3: S3, state: StateLocation) -> Self {
        Self { s3, state }
    }

    /// Removes every upload that a coordinator before this one began and did not end. To be called before anything new
    /// is begun; their records are left for [`sweep_late`](Self::sweep_late).
    ///
    /// # Errors
    /// When the records cannot be listed, or are too many to be a coordinator's. What cannot be done about a
    /// single record is a warning.
    pub async fn recover(&self) -> Result<(Recovered, Unswept), Failure> {
        let (mut recovered, mut unswept) = (Recovered::default(), Unswept::default());
        self.sweep(&mut recovered).await;
        let records = self.state.objects(&self.s3, Folder::Uploads, JOURNAL_RECORDS_MAX).await;
        let records = records.map_err(|error| self.unusable("read", error))?;
        if records.has_more {
            let message = format!(
                "there are more than {JOURNAL_RECORDS_MAX} objects at {}uploads/, where a coordinator keeps only a few: give it a place of its own",
                self.state
            );
            return Err(Failure::new(FailureKind::BadRequest, message));
        }
        for object in records.objects {
            unswept.0.extend(self.recover_one(&object, &mut recovered).await);
        }
        Ok((recovered, unswept))
    }

    /// Removes, after so long, what nodes have begun for jobs of the coordinator before this one until they knew that it
    /// is gone, and then the records. What cannot be removed is logged, and left to the next coordinator with its record;
    /// so is everything if this does not come to its end.
    pub async fn sweep_late(&self, unswept: Unswept, wait: Duration) {
        tokio::time::sleep(wait).await;
        for (job, upload) in unswept.0 {
            let destination = &upload.destination;
            let mut left = sweep(&self.s3, &beside::place(destination, job), true).await;
            // S3 keeps a part that arrived while it was removed.
            left.extend(abort(&self.s3, &upload).await.err().map(|failure| failure.message));
            for left in &left {
                tracing::warn!(%job, %destination, "{left}");
            }
            if left.is_empty() {
                self.forget(job).await;
            }
        }
    }

    /// Where all that a coordinator keeps is.
    pub(crate) fn state(&self) -> &StateLocation {
        &self.state
    }

    /// Removes what is of no use without the coordinator that wrote it: manifests of jobs that are lost, and what
    /// was still being written.
    async fn sweep(&self, recovered: &mut Recovered) {
        let bucket = &self.state.bucket;
        let manifests = self.state.folder(Folder::Manifests);
        let removed = remove_objects_below(&self.s3, "manifest", bucket, &manifests).await;
        recovered.warnings.extend(removed.unwrap_or_else(|error| {
            vec![format!("a manifest of a job that is over may be left below {}: {error}", self.state)]
        }));
        for (what, folder) in [("manifest", manifests), ("report", self.state.folder(Folder::Reports))] {
            let removed = remove_uploads_below(&self.s3, what, bucket, &folder).await;
            recovered.warnings.extend(removed.map_or_else(
                |error| vec![format!("an unused upload may be left: {error}")],
                |removed| removed.left,
            ));
        }
    }

    /// Removes what a job that a coordinator left unfinished has in S3 at the moment.
    async fn remove(&self, job: JobId, upload: &Upload, recovered: &mut Recovered) {
        let destination = &upload.destination;
        let aborted = abort(&self.s3, upload).await;
        // Nothing is made beside an archive before its upload is noted.
        let mut left = Vec::new();
        sweep_once(&self.s3, &beside::place(destination, job), &mut left).await;
        recovered.warnings.extend(left.into_iter().map(|left| format!("job {job} to {destination}: {left}")));
        match aborted {
            Ok(()) => {
                tracing::info!(%job, %destination, "removed an unfinished upload");
                recovered.removed.push(upload.clone());
            }
            Err(failure) => recovered
                .warnings
                .push(format!("job {job} to {destination} was left unfinished, and {failure}")),
        }
    }

    /// Notes that an upload is about to be begun.
    pub(crate) async fn begin(&self, job: JobId, destination: &Location) -> Result<(), Failure> {
        self.write(Record { job, destination: destination.clone(), written: unix_now(), upload_id: None })
            .await
    }

    /// Notes which upload was begun.
    pub(crate) async fn begun(&self, job: JobId, upload: &Upload) -> Result<(), Failure> {
        let Upload { destination, upload_id } = upload.clone();
        self.write(Record { job, destination, written: unix_now(), upload_id: Some(upload_id) }).await
    }

    /// Deletes a job's record, once nothing of it is left to be removed.
    pub(crate) async fn forget(&self, job: JobId) {
        let record = self.record(job);
        if let Err(error) = with_retries(async || self.s3.delete(&record).await).await {
            // The next coordinator will find that the upload is gone, and try again.
            tracing::warn!(%job, %error, "a record is left");
        }
    }

    async fn write(&self, record: Record) -> Result<(), Failure> {
        let text = serde_json::to_vec(&record).expect("a record can be told in JSON");
        let (location, text) = (self.record(record.job), Bytes::from(text));
        let written = with_retries(async || self.s3.put(&location, text.clone()).await).await;
        written.map_err(|error| self.unusable("written", error))
    }

    /// Does what can be done about one record at once, and tells whether something is to be done later.
    async fn recover_one(&self, object: &SourceObject, recovered: &mut Recovered) -> Option<(JobId, Upload)> {
        let location = Location { bucket: self.state.bucket.clone(), key: object.key.to_string() };
        let record = match self.read(object).await {
            Ok(record) => record,
            Err(why) => {
                recovered
                    .warnings
                    .push(format!("{location} is no record of an upload ({why}): left as it is"));
                return None;
            }
        };
        let Record { job, destination, upload_id, .. } = record;
        if let Some(upload_id) = upload_id {
            let upload = Upload { destination, upload_id };
            self.remove(job, &upload, recovered).await;
            return Some((job, upload));
        }
        // By S3's clock: the record was written before any upload of the job began.
        match self.unnamed(&destination, object.modified - SLACK_S).await {
            Ok(left) => recovered.warnings.extend(left),
            Err(error) => {
                recovered.warnings.push(format!(
                    "job {job} may have left an unused upload at {destination}, which cannot be looked for: {error}"
                ));
                return None;
            }
        }
        if let Err(error) = with_retries(async || self.s3.delete(&location).await).await {
            recovered.warnings.push(error.to_string());
        }
        None
    }

    /// What is to be said of a job that died between asking for an upload and noting it: an upload begun since
    /// then may be its own, or anyone's, so it is not removed.
    async fn unnamed(&self, destination: &Location, since: i64) -> Result<Option<String>, Error> {
        let open = with_retries(async || self.s3.list_uploads(destination).await).await?;
        let begun_since = open.into_iter().filter(|upload| upload.initiated >= since);
        let commands: Vec<String> = begun_since
            .map(|upload| Upload { destination: destination.clone(), upload_id: upload.upload_id })
            .map(|upload| command_that_removes(&upload))
            .collect();
        let commands = commands.join(" and ");
        Ok((!commands.is_empty()).then(|| {
            format!(
                "an unused upload may be left at {destination}, because the coordinator ended just when it began one; unless it is someone else's, remove it with {commands}"
            )
        }))
    }

    /// The record that an object holds, or why it is none.
    async fn read(&self, object: &SourceObject) -> Result<Record, String> {
        let text = self.state.read(&self.s3, object, JOURNAL_RECORD_BYTES_MAX).await?;
        let record: Record = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
        match self.record(record.job).key == *object.key {
            true => Ok(record),
            false => Err(format!("it is of job {}", record.job)),
        }
    }

    fn record(&self, job: JobId) -> Location {
        self.state.object(Folder::Uploads, job)
    }

    fn unusable(&self, what: &str, error: Error) -> Failure {
        let failure = Failure::from(error);
        let message = format!("the coordinator's state at {} cannot be {what}: {failure}", self.state);
        Failure::new(failure.kind, message)
    }
}
