//! What the job API answers when something is wrong: `application/problem+json` (RFC 9457).

use std::time::Duration;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use proto::api::{Problem as Told, ProblemCode};
use proto::failure::{Failure, FailureKind};
use proto::job::JobId;

use crate::actor::Refusal;
use crate::handle::Gone;

/// Time in which one of many jobs may have ended.
const JOB_ENDS: Duration = Duration::from_secs(5);

/// Something is wrong with a request, or with us.
#[derive(Debug)]
pub(crate) struct Problem {
    code: ProblemCode,
    kind: FailureKind,
    detail: String,
    retry_after: Option<Duration>,
}

impl Problem {
    pub(crate) fn new(code: ProblemCode, detail: impl Into<String>) -> Self {
        Self { code, kind: code.kind(), detail: detail.into(), retry_after: None }
    }

    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(ProblemCode::BadRequest, detail)
    }

    pub(crate) fn bad_job(detail: impl Into<String>) -> Self {
        Self::new(ProblemCode::BadJob, detail)
    }

    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(ProblemCode::NotFound, detail)
    }

    /// There is no such job, or not for whoever asks: which of the two is nobody's business.
    pub(crate) fn no_job(id: JobId) -> Self {
        Self::not_found(format!("there is no job {id}, or it ended too long ago to be remembered"))
    }

    pub(crate) fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(ProblemCode::Unavailable, detail)
    }

    /// The same, to be tried again after a while.
    pub(crate) fn retry_after(self, wait: Duration) -> Self {
        Self { retry_after: Some(wait), ..self }
    }
}

impl From<Gone> for Problem {
    fn from(gone: Gone) -> Self {
        Self::unavailable(gone.to_string())
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Job(Failure { kind, message }) => {
                let code = match kind {
                    FailureKind::Unavailable => ProblemCode::Busy,
                    FailureKind::Internal => ProblemCode::Internal,
                    _ => ProblemCode::BadJob,
                };
                Self { kind, ..Self::new(code, message) }
            }
            Refusal::TooMany(most) => Self::new(
                ProblemCode::TooManyJobs,
                format!(
                    "this token may have {most} jobs that have not ended at a time, and has: wait for one to end"
                ),
            )
            .retry_after(JOB_ENDS),
            Refusal::Unrecorded(failure) => Self::unavailable(format!(
                "the callback cannot be recorded, so the job is not taken: {failure}"
            )),
            Refusal::Mismatch(id) => Self::new(
                ProblemCode::IdempotencyMismatch,
                format!(
                    "the idempotency key was used for job {id}, which is another: use a new key for a new job"
                ),
            ),
            Refusal::Stopping => Self::unavailable("the coordinator is stopping: try again"),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Self { code, kind, detail, retry_after } = self;
        let status = StatusCode::from_u16(code.status()).expect("the codes have real statuses");
        let mut response = (status, Json(Told::new(code, kind, &detail))).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if code == ProblemCode::Unauthorized {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"zipfleet\""));
        }
        if let Some(wait) = retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
        }
        response
    }
}
