//! What callers of a cluster's job API and the cluster say to each other, beside jobs and nodes themselves.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::explain::{Decision, NodeShare};
use crate::failure::FailureKind;
use crate::job::{Goal, JobId, JobSpec, Priority, Progress, UnsafeNames};
use crate::location::{Location, LocationError, Source, SourceText};
use crate::requests::RequestCounts;
use crate::view::JobView;

/// A job as a caller submits it: what has a usual value may be left out, and what is not known is refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Submission {
    /// What to archive, in the order it is to appear. None if the sources follow in lines of their own.
    #[serde(default)]
    pub sources: Vec<SourceText>,
    /// Where the archive goes.
    pub destination: Location,
    /// Keep only objects whose entry name matches one of these globs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub include: Vec<String>,
    /// Leave out objects whose entry name matches one of these globs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
    /// What to take off the front of each key to make its entry name; by default the source's own folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strip_prefix: Option<String>,
    /// Refuse to replace an object already at the destination.
    #[serde(default)]
    pub no_overwrite: bool,
    /// Size aimed at for every part, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part_bytes: Option<u64>,
    /// What to go for where it is one or the other.
    // Not sent unless it matters: coordinators that do not know it refuse it.
    #[serde(default, skip_serializing_if = "Goal::is_default")]
    pub goal: Goal,
    /// What to do with keys that no reader could extract safely.
    #[serde(default)]
    pub unsafe_names: UnsafeNames,
    /// How much of the fleet it gets while others want it too.
    #[serde(default)]
    pub priority: Priority,
    /// Submitted again with the same key, it is the same job: to be used when an answer was lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
    /// Where to POST how it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub callback: Option<String>,
}

impl Submission {
    /// A job as it would be submitted.
    #[must_use]
    pub fn of(spec: &JobSpec) -> Self {
        Self {
            sources: spec.sources.iter().map(SourceText::from).collect(),
            destination: spec.destination.clone(),
            include: spec.include.clone(),
            exclude: spec.exclude.clone(),
            strip_prefix: spec.strip_prefix.clone(),
            no_overwrite: spec.no_overwrite,
            part_bytes: spec.part_bytes,
            goal: spec.goal,
            unsafe_names: spec.unsafe_names,
            priority: spec.priority,
            idempotency_key: None,
            callback: None,
        }
    }

    /// The job it describes.
    ///
    /// # Errors
    /// When a source is no address.
    pub fn spec(&self) -> Result<JobSpec, LocationError> {
        let sources = self.sources.iter().cloned().map(Source::try_from).collect::<Result<_, _>>()?;
        Ok(JobSpec {
            sources,
            destination: self.destination.clone(),
            include: self.include.clone(),
            exclude: self.exclude.clone(),
            strip_prefix: self.strip_prefix.clone(),
            no_overwrite: self.no_overwrite,
            part_bytes: self.part_bytes,
            goal: self.goal,
            unsafe_names: self.unsafe_names,
            priority: self.priority,
            owner: None,
            trace: None,
        })
    }
}

/// One line of a manifest: a source object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ManifestLine {
    /// Bucket name.
    pub bucket: String,
    /// Object key.
    pub key: String,
    /// Size in bytes. With `etag` and `last_modified` beside it, S3 need not be asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// ETag, with or without quotes: if the object has another by the time it is read, the job fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// When it was last modified (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_modified: Option<String>,
}

/// The answer to a submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Submitted {
    /// The job.
    pub id: JobId,
    /// Whether this submission made it; `false` when one before it with the same idempotency key did.
    pub is_new: bool,
}

/// Some of a cluster's jobs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobsPage {
    /// The jobs, the last submitted first.
    pub jobs: Vec<JobView>,
    /// To be given as `after` for those that follow; absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// One job, and for a finished one, when asked, where its archive can be downloaded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobAnswer {
    /// The job.
    #[serde(flatten)]
    pub job: JobView,
    /// A URL at which anybody who has it can download the archive for a while.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// What is told of a job while it goes on, under the event's name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "event", content = "data", rename_all = "snake_case")]
pub enum JobEvent {
    /// How far it has come.
    Progress(Progress),
    /// Something went wrong that was mended: an attempt failed, a node was lost.
    Problem(Decision),
    /// It has ended; the last event.
    Ended(Box<JobView>),
}

/// What was archived, and who did what. An answer of many megabytes for a job of many objects; `entries` comes last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JobReport {
    /// The job, with its outcome if it has ended.
    pub job: JobView,
    /// Each node that had to do with it.
    pub nodes: Vec<NodeShare>,
    /// The decisions that were more than handing out the next part.
    pub decisions: Vec<Decision>,
    /// Decisions not told, because there were too many.
    pub untold: u64,
    /// Requests to S3, as far as nodes have told: not those of nodes that were lost, nor how many connections they
    /// opened, which jobs share.
    pub requests: RequestCounts,
    /// What they cost at the prices of S3 Standard in us-east-1, in US dollars.
    pub price_usd: f64,
    /// Objects left out because their names are unsafe, and why; not all, if they are many.
    pub skipped: Vec<String>,
    /// The entries of the archive, once it is there.
    pub entries: Vec<ReportEntry>,
}

/// One entry of an archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReportEntry {
    /// Its name in the archive.
    pub name: String,
    /// Bucket of its source object.
    pub bucket: String,
    /// Key of its source object.
    pub key: String,
    /// Size in bytes.
    pub size: u64,
    /// CRC-32 of its content, 8 hexadecimal digits.
    pub crc32: String,
    /// ETag of the source object, to which all reads were pinned.
    pub etag: String,
}

/// Something is wrong with a request, or with the cluster (RFC 9457, `application/problem+json`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// `urn:zipfleet:problem:` and the code.
    #[serde(rename = "type")]
    pub type_uri: String,
    /// The code in words.
    pub title: String,
    /// HTTP status.
    pub status: u16,
    /// What is wrong with this very request, and what can be done.
    pub detail: String,
    /// What kind of problem it is: never changes its meaning.
    pub code: ProblemCode,
    /// How a job that failed with it would be said to have failed.
    pub kind: FailureKind,
}

/// The kinds of problems.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProblemCode {
    /// The request makes no sense as written.
    BadRequest,
    /// The job would make no sense: its sources, destination or options must be changed.
    BadJob,
    /// No token came with the request, or an unknown one.
    Unauthorized,
    /// The token does not allow it.
    Forbidden,
    /// There is nothing of this name, or no longer.
    NotFound,
    /// This is not done with this method.
    MethodNotAllowed,
    /// It is not ready yet: ask again later.
    NotReady,
    /// The idempotency key was used for another job.
    IdempotencyMismatch,
    /// The request is longer than is taken.
    TooLarge,
    /// A job is submitted as `application/json` or `application/x-ndjson`.
    UnsupportedMediaType,
    /// The request is meant for another host.
    Misdirected,
    /// The token has submitted too much of late: see `Retry-After`.
    RateLimited,
    /// The token has as many jobs as it may have at a time.
    TooManyJobs,
    /// As many jobs wait as the coordinator takes, or as many watch.
    Busy,
    /// The coordinator or S3 is not there at present.
    Unavailable,
    /// The request did not come in time.
    Timeout,
    /// A defect, to be reported.
    Internal,
}
