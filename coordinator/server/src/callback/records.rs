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
use proto::location::Location;
use proto::view::{JobState, JobView};
use proto_s3::{S3, with_retries};
use serde::{Deserialize, Serialize};
use serde_json::Value;
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

/// What this program writes. Whoever changes what a field means, or adds one that cannot be done without, counts on, and
/// goes on reading those before; a reader passes over fields that it does not know.
const VERSION: u32 = 1;

/// One callback that is owed, as it stands in S3. Never the key that signs it: that is the owner's, or the coordinator's
/// if the job has no owner, and is looked up when it is needed.
#[derive(Serialize, Deserialize)]
pub(super) struct Record {
    version: u32,
    pub(super) job: JobId,
    /// Who submitted the job.
    pub(super) owner: Option<String>,
    pub(super) url: String,
    /// What is to be sent: how the job ended, or that nobody knows. The next coordinator sends it as it stands, however
    /// it would tell of a job itself.
    pub(super) body: Value,
}

/// A record as it was before they had versions: the API's job, which has no outcome while that is not known.
#[derive(Deserialize)]
struct Unversioned {
    job: Value,
    url: String,
}

/// What there has to be in the job of one.
#[derive(Deserialize)]
struct Known {
    id: JobId,
    owner: Option<String>,
    destination: Location,
    outcome: Option<Value>,
}

impl Record {
    /// What is owed for a job that is about to be taken: should nobody come to tell how it went, that it was lost.
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
        let lost = job.ended(lost(&spec.destination));
        callback.as_ref().map(|target| Self::ended(&lost, target.url.clone()))
    }

    /// What is owed for a job that has ended.
    pub(super) fn ended(job: &JobView, url: String) -> Self {
        let body = in_json(job);
        Self { version: VERSION, job: job.id, owner: job.owner.clone(), url, body }
    }

    /// The record that this is, of whichever version, or why it is none.
    pub(super) fn parse(text: &[u8]) -> Result<Self, String> {
        let told = |error: serde_json::Error| format!("it is no record of a callback: {error}");
        let record: Value = serde_json::from_slice(text).map_err(told)?;
        match record.get("version") {
            None => Unversioned::deserialize(record).and_then(Unversioned::record).map_err(told),
            Some(version) if *version == VERSION => Self::deserialize(record).map_err(told),
            Some(version) => Err(format!(
                "it is of version {version}, and this program knows those up to {VERSION}: one that knows it will deliver it"
            )),
        }
    }
}

impl Unversioned {
    fn record(self) -> Result<Record, serde_json::Error> {
        let Self { job: mut body, url } = self;
        let Known { id, owner, destination, outcome } = Known::deserialize(&body)?;
        if outcome.is_none() {
            let outcome = lost(&destination);
            body["state"] = in_json(&JobState::ended(&outcome));
            body["outcome"] = in_json(&outcome);
        }
        Ok(Record { version: VERSION, job: id, owner, url, body })
    }
}

/// What a coordinator tells of a job that it did not have.
fn lost(destination: &Location) -> Outcome {
    let message = format!(
        "the coordinator that had this job ended before it told how the job went: the archive at {destination} is either whole or was not made, and the job can be submitted again"
    );
    let failure = Failure::new(FailureKind::Unavailable, message);
    Outcome::Failed { failure, left_behind: Vec::new() }
}

fn in_json(told: &impl Serialize) -> Value {
    serde_json::to_value(told).expect("it can be told in JSON")
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
        let location = self.state.object(Folder::Callbacks, record.job);
        with_retries(async || self.s3.put(&location, text.clone()).await).await?;
        Ok(())
    }

    /// The record that an object holds, or why it cannot be read.
    pub(super) async fn read(&self, object: &SourceObject) -> Result<Record, String> {
        let _turn = self.turn().await;
        let text = self.state.read(&self.s3, object, CALLBACK_RECORD_BYTES_MAX).await?;
        let record = Record::parse(&text)?;
        match self.state.object(Folder::Callbacks, record.job).key == *object.key {
            true => Ok(record),
            false => Err(format!("it is of job {}", record.job)),
        }
    }

    pub(super) async fn delete(&self, job: JobId) {
        let location = self.state.object(Folder::Callbacks, job);
        if let Err(error) = with_retries(async || self.s3.delete(&location).await).await {
            tracing::warn!(%job, %error, "the record of a callback is left: it may be delivered once more");
        }
    }
}

#[cfg(test)]
mod tests;
