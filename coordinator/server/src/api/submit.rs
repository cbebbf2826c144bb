//! Submitting a job.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest;
use axum::Json;
use axum::body::Bytes;
use axum::extract::{FromRequest, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use proto::api::{ProblemCode, Submission, Submitted};
use proto::job::{JobSpec, Trace};
use proto::limits::{API_BODY_BYTES_MAX, API_BODY_MS, IDEMPOTENCY_KEY_CHARS_MAX};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use super::caller::Caller;
use super::gate::ANSWER_LIMIT;
use super::lines::as_lines;
use super::problem::Problem;
use super::{Api, callback};
use crate::roster::{Fingerprint, JobRequest};

/// Takes a job in: 202 if it is new, 200 if it was submitted before under the same idempotency key.
///
/// With `Content-Type: application/x-ndjson` the first line is the job without sources, and each further line names
/// an object as a line of a manifest does (`ManifestLine`): a million of them, if need be.
#[utoipa::path(
    post,
    path = "/v1/jobs",
    operation_id = "submit_job",
    tag = "jobs",
    request_body(content = Submission, description = "The job.", content_type = "application/json"),
    responses(
        (status = 202, description = "It is taken.", body = Submitted),
        (status = 200, description = "It was taken before, under the same idempotency key.", body = Submitted),
        (status = "default", description = "Something is wrong.", body = proto::api::Problem, content_type = "application/problem+json"),
    ),
    security(("token" = []), ()),
)]
pub(crate) async fn submit(
    State(api): State<Api>,
    caller: Caller,
    request: Request,
) -> Result<(StatusCode, Json<Submitted>), Problem> {
    api.admit_submission(&caller)?;
    let submitted = match media_type(request.headers()) {
        // A page in a browser on this machine may send most other types without asking.
        Some("application/json") => as_json(&api, &caller, request).await?,
        Some("application/x-ndjson") => as_lines(&api, &caller, request).await?,
        _ => {
            let detail = "a job is submitted with Content-Type: application/json, or application/x-ndjson if its sources follow in lines";
            return Err(Problem::new(ProblemCode::UnsupportedMediaType, detail));
        }
    };
    let status = if submitted.is_new { StatusCode::ACCEPTED } else { StatusCode::OK };
    Ok((status, Json(submitted)))
}

/// The type of a request's body, without its parameters.
fn media_type(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    value.split(';').next().map(str::trim)
}

/// The span that the caller has the job belong to, if it told of one.
pub(super) fn trace(headers: &HeaderMap) -> Option<Trace> {
    headers.get("traceparent").and_then(|value| value.to_str().ok()?.parse().ok())
}

async fn as_json(api: &Api, caller: &Caller, request: Request) -> Result<Submitted, Problem> {
    let trace = trace(request.headers());
    // As long as it takes room.
    let _room = room(api, request.headers())?;
    let body = body(request).await?;
    // An array would be read too, its items as the fields in their order.
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(Problem::bad_job("this is no job: a job is a JSON object"));
    }
    let submission = serde_json::from_slice::<Submission>(&body);
    let submission = submission.map_err(|error| Problem::bad_job(format!("this is no job: {error}")))?;
    let spec = submission.spec().map_err(|error| Problem::bad_job(error.to_string()))?;
    let request = job_request(api, caller, &submission, JobSpec { trace, ..spec })?;
    accept(api, request).await
}

/// What is asked of the coordinator when `caller` submits this, if that makes sense and is allowed.
pub(crate) fn job_request(
    api: &Api,
    caller: &Caller,
    submission: &Submission,
    mut spec: JobSpec,
) -> Result<JobRequest, Problem> {
    let key = submission.idempotency_key.as_deref().map(checked_key).transpose()?;
    caller.check(&mut spec)?;
    api.spools.refuse_state(&spec)?;
    let callback = submission
        .callback
        .as_deref()
        .map(|url| callback::target(caller, url, api.callback_key.as_ref()))
        .transpose()?;
    let key = key.map(|key| (key.to_owned(), fingerprint(submission)));
    Ok(JobRequest { key, callback, jobs_max: caller.jobs_max(), ..JobRequest::new(spec) })
}

/// Hands a job to the coordinator.
pub(crate) async fn accept(api: &Api, request: JobRequest) -> Result<Submitted, Problem> {
    let answer = timeout(ANSWER_LIMIT, api.coordinator.request(request)).await;
    let late = |_| Problem::unavailable(format!("not answered within {} s", ANSWER_LIMIT.as_secs()));
    answer.map_err(late)?.map_err(Problem::from)
}

fn checked_key(key: &str) -> Result<&str, Problem> {
    let is_fit = (1..=IDEMPOTENCY_KEY_CHARS_MAX).contains(&key.len())
        && key.bytes().all(|byte| byte.is_ascii_graphic());
    if is_fit {
        return Ok(key);
    }
    let detail = format!(
        "`idempotency_key` has 1 to {IDEMPOTENCY_KEY_CHARS_MAX} letters, digits and signs of ASCII, without spaces"
    );
    Err(Problem::bad_job(detail))
}

/// What a submission looks like, but for its key.
fn fingerprint(submission: &Submission) -> Fingerprint {
    let keyless = Submission { idempotency_key: None, ..submission.clone() };
    let text = serde_json::to_vec(&keyless).expect("what was read from JSON can be written as such");
    let digest = digest::digest(&digest::SHA256, &text);
    digest.as_ref().try_into().expect("SHA-256 has 32 bytes")
}

/// Room for a body in memory.
fn room(api: &Api, headers: &HeaderMap) -> Result<OwnedSemaphorePermit, Problem> {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    // One that does not say may be as long as any.
    let bytes = length.unwrap_or(API_BODY_BYTES_MAX).min(API_BODY_BYTES_MAX);
    let bytes = u32::try_from(bytes).expect("no body is that long");
    Arc::clone(&api.bodies).try_acquire_many_owned(bytes).map_err(|_| {
        let detail = "as many submissions are being read as fit memory: try again in a moment";
        Problem::new(ProblemCode::Busy, detail).retry_after(Duration::from_secs(1))
    })
}

async fn body(request: Request) -> Result<Bytes, Problem> {
    let limit = Duration::from_millis(API_BODY_MS);
    let body = timeout(limit, Bytes::from_request(request, &())).await;
    let body = body.map_err(|_| {
        let detail = format!("the body did not come within {} s", limit.as_secs());
        Problem::new(ProblemCode::Timeout, detail)
    })?;
    body.map_err(|refused| match refused.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            let detail = format!(
                "a job is described in at most {API_BODY_BYTES_MAX} bytes; more sources go into a manifest"
            );
            Problem::new(ProblemCode::TooLarge, detail)
        }
        _ => Problem::bad_request(refused.body_text()),
    })
}
