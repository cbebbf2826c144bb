//! What the job API answers when something is wrong: `application/problem+json` (RFC 9457).

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use proto::failure::{Failure, FailureKind};
use serde::Serialize;

/// Something is wrong with a request, or with us.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    failure: Failure,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, kind: FailureKind, detail: impl Into<String>) -> Self {
        Self { status, failure: Failure::new(kind, detail) }
    }

    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, FailureKind::NotFound, detail)
    }

    pub(crate) fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, FailureKind::Unavailable, detail)
    }
}

impl From<Failure> for Problem {
    /// Of a job that ended as soon as it was submitted.
    fn from(failure: Failure) -> Self {
        let status = match failure.kind {
            FailureKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            FailureKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::BAD_REQUEST,
        };
        Self { status, failure }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        #[derive(Serialize)]
        struct Body {
            title: &'static str,
            status: u16,
            detail: String,
            kind: FailureKind,
        }
        let Failure { kind, message: detail } = self.failure;
        let title = self.status.canonical_reason().unwrap_or("Problem");
        let body = Body { title, status: self.status.as_u16(), detail, kind };
        let mut response = (self.status, Json(body)).into_response();
        let problem_json = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, problem_json);
        response
    }
}
