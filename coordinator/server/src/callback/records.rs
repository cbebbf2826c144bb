//! Records of callbacks that are owed: written before a job is taken, again with its outcome when that is known, and
//! deleted when the callback is delivered or given up.
//!
//! So whenever a coordinator dies, the next one finds whom to tell.

use std::sync::Arc;

use bytes::Bytes;
use proto::failure::{Failure, FailureKind};
use proto::job::{JobId, Outcome, Progress};
use proto::limits::{CALLBACK_RECORD_BYTES_MAX, CALLBACK_RECORDS_AT_ONCE, CALLBACKS_PENDING_MAX};
use proto::listing::SourceObject;
use proto::view::{JobState, JobView};
use proto_s3::{S3, with_retries};
use serde::{Deserialize, Serialize};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::create::unix_now;
use crate::roster::JobRequest;
use crate::state::{Folder, StateLocation};

/// The records of callbacks below a coordinator's state.
#[derive(Clone, Debug)]
pub(crate) struct Records {
    s3: S3,
    state: StateLocation,
    turns: Arc<Semaphore>,
}

/// One callback that is owed. Never the key that signs it: that is the owner's, or the coordinator's if the job has
/// no owner, and is looked up when it is needed.
#[derive(Serialize, Deserialize)]
pub(super) struct Record {
    /// The job, with its outcome if that is known.
    pub(super) job: JobView,
    pub(super) url: String,
}

impl Record {
    /// What is owed for a job that is about to be taken.
    pub(super) fn of(request: &JobRequest) -> Option<Self> {
        let JobRequest { id, spec, callback, .. } = request;
        let job = JobView {
            id: *id,
            state: JobState::Waiting,
            destination: spec.destination.clone(),
            priority: spec.priority,
            owner: spec.owner.clone(),
            submitted_ms: u64::try_from(unix_now()).unwrap_or_default() * 1_000,
            progress: Progress::default(),
            outcome: None,
        };
        callback.as_ref().map(|target| Self { job, url: target.url.clone() })
    }

    /// The job as it is to be told by a coordinator that did not have it.
    pub(super) fn told(self) -> JobView {
        let Self { job, .. } = self;
        if job.outcome.is_some() {
            return job;
        }
        let message = format!(
            "the coordinator that had this job ended before it told how the job went: the archive at {} is either whole or was not made, and the job can be submitted again",
            job.destination
        );
        let failure = Failure::new(FailureKind::Unavailable, message);
        job.ended(Outcome::Failed { failure, left_behind: Vec::new() })
    }
}

impl Records {
    pub(crate) fn new(s3: S3, state: StateLocation) -> Self {
        Self { s3, state, turns: Arc::new(Semaphore::new(CALLBACK_RECORDS_AT_ONCE)) }
    }

    /// Waits for the right to read or write one.
    pub(super) async fn turn(&self) -> OwnedSemaphorePermit {
        Arc::clone(&self.turns).acquire_owned().await.expect("it is never closed")
    }

    /// Those that coordinators before this one left, and what a person should know. To be called before any job is
    /// taken: those of its own jobs would be among them.
    pub(crate) async fn left(&self) -> (Vec<SourceObject>, Option<String>) {
        match self.state.objects(&self.s3, Folder::Callbacks, CALLBACKS_PENDING_MAX).await {
            Ok(found) => {
                let warning = found.has_more.then(|| {
                    format!(
                        "more than {CALLBACKS_PENDING_MAX} callbacks are owed: those beyond wait for the next start"
                    )
                });
                (found.objects, warning)
            }
            Err(error) => {
                (Vec::new(), Some(format!("callbacks that may be owed wait for the next start: {error}")))
            }
        }
    }

    pub(super) async fn write(&self, record: &Record) -> Result<(), Failure> {
        let text = Bytes::from(serde_json::to_vec(record).expect("a record can be told in JSON"));
        let location = self.state.object(Folder::Callbacks, record.job.id);
        with_retries(async || self.s3.put(&location, text.clone()).await).await?;
        Ok(())
    }

    /// The record that an object holds, or why it is none.
    pub(super) async fn read(&self, object: &SourceObject) -> Result<Record, String> {
        let _turn = self.turn().await;
        let text = self.state.read(&self.s3, object, CALLBACK_RECORD_BYTES_MAX).await?;
        let record: Record = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
        match self.state.object(Folder::Callbacks, record.job.id).key == *object.key {
            true => Ok(record),
            false => Err(format!("it is of job {}", record.job.id)),
        }
    }

    pub(super) async fn delete(&self, job: JobId) {
        let location = self.state.object(Folder::Callbacks, job);
        if let Err(error) = with_retries(async || self.s3.delete(&location).await).await {
            tracing::warn!(%job, %error, "the record of a callback is left: it may be delivered once more");
        }
    }
}
