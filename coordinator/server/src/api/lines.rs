//! Submitting a job whose sources follow it in lines of their own: a manifest in the request.

use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256};
use axum::extract::Request;
use proto::api::{ProblemCode, Submitted};
use proto::job::{JobId, JobSpec};
use proto::limits::{SPOOL_FIRST_LINE_MS, SPOOL_LINES_MS};
use proto::location::Source;
use tokio::time::timeout;

use super::Api;
use super::caller::Caller;
use super::problem::Problem;
use super::submit::{accept, job_request, trace};
use crate::roster::Fingerprint;
use crate::spool::SpoolError;

/// Time after which a request may be sent again that was one too many.
const TRY_AGAIN: Duration = Duration::from_secs(2);

/// How long the first line may take to come, and then all others.
const FIRST_LINE_LIMIT: Duration = Duration::from_millis(SPOOL_FIRST_LINE_MS);
const LINES_LIMIT: Duration = Duration::from_millis(SPOOL_LINES_MS);

fn late(what: &str, limit: Duration) -> Problem {
    let detail = format!(
        "{what} did not come within {} s: put the lines into an object in S3, and submit that as a manifest",
        limit.as_secs()
    );
    Problem::new(ProblemCode::Timeout, detail)
}

/// Takes in a job whose first line is the job, and each further one the name of an object.
pub(super) async fn as_lines(api: &Api, caller: &Caller, request: Request) -> Result<Submitted, Problem> {
    let trace = trace(request.headers());
    let first = api.spools.begin(caller.token(), request.into_body().into_data_stream());
    let spool = timeout(FIRST_LINE_LIMIT, first).await.map_err(|_| late("the job", FIRST_LINE_LIMIT))??;
    let spec = spool.submission.spec().map_err(|error| Problem::bad_job(error.to_string()))?;
    // Before all the lines are read: whoever may not write there need not send them.
    let mut request = job_request(api, caller, &spool.submission, JobSpec { trace, ..spec })?;
    let within = caller.may_read()?.to_vec();
    let (api, id) = (api.clone(), JobId(rand::random()));
    // On its own, because a caller who has gone must not leave a manifest that belongs to no job.
    let work = tokio::spawn(async move {
        let spooled = timeout(LINES_LIMIT, spool.finish(id, &within))
            .await
            .map_err(|_| late("the lines", LINES_LIMIT))??;
        request.id = id;
        request.manifest = Some(spooled.location.clone());
        request.spec.sources = vec![Source::Manifest { location: spooled.location, within }];
        if let Some((_, fingerprint)) = &mut request.key {
            *fingerprint = both(fingerprint, &spooled.digest);
        }
        accept(&api, request).await
    });
    work.await.unwrap_or_else(|error| Err(Problem::new(ProblemCode::Internal, error.to_string())))
}

/// What a job and its lines look like together.
fn both(job: &Fingerprint, lines: &Fingerprint) -> Fingerprint {
    let mut context = Context::new(&SHA256);
    context.update(job);
    context.update(lines);
    context.finish().as_ref().try_into().expect("SHA-256 has 32 bytes")
}

impl From<SpoolError> for Problem {
    fn from(error: SpoolError) -> Self {
        let code = match &error {
            SpoolError::Busy(_) => ProblemCode::Busy,
            SpoolError::Bad(_) => ProblemCode::BadJob,
            SpoolError::Forbidden(_) => ProblemCode::Forbidden,
            SpoolError::TooLarge => ProblemCode::TooLarge,
            SpoolError::Broken(_) => ProblemCode::Timeout,
            SpoolError::State(_) => ProblemCode::Unavailable,
        };
        let problem = Self::new(code, error.to_string());
        if code == ProblemCode::Busy { problem.retry_after(TRY_AGAIN) } else { problem }
    }
}
