//! The job API: HTTP and JSON, for callers on this machine.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, FromRequestParts, Path, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use proto::api::{JobReport, JobsPage, Submission, Submitted};
use proto::failure::FailureKind;
use proto::job::JobId;
use proto::limits::API_BODY_BYTES_MAX;
use proto::view::{JobView, NodeView};
use serde::Serialize;

use crate::actor::Refusal;
use crate::handle::Coordinator;
use crate::problem::Problem;
use crate::roster::JobRequest;

/// How long a request may take, its body included: a coordinator that sorts a million names answers late.
const REQUEST_LIMIT: Duration = Duration::from_secs(30);

#[derive(Serialize)]
struct Health {
    status: &'static str,
    nodes: usize,
}

/// The job that a path names.
struct Named(JobId);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let bad = |detail| Problem::new(StatusCode::BAD_REQUEST, FailureKind::BadRequest, detail);
        let path = Path::<String>::from_request_parts(parts, state).await;
        let Path(id) = path.map_err(|refused| bad(refused.body_text()))?;
        id.parse().map(Self).map_err(bad)
    }
}

/// All there is to ask for.
pub(crate) fn router(coordinator: Coordinator) -> Router {
    let not_allowed = || async {
        let detail = "this is not done with this method";
        Problem::new(StatusCode::METHOD_NOT_ALLOWED, FailureKind::BadRequest, detail)
    };
    Router::new()
        .route("/v1/jobs", get(jobs).post(submit))
        .route("/v1/jobs/{id}", get(job).delete(cancel))
        .route("/v1/jobs/{id}/report", get(report))
        .route("/v1/nodes", get(nodes))
        .route("/healthz", get(health))
        .merge(crate::dashboard::routes())
        .fallback(|| async { Problem::not_found("there is nothing of this name here") })
        .method_not_allowed_fallback(not_allowed)
        .layer(DefaultBodyLimit::max(API_BODY_BYTES_MAX))
        .layer(from_fn(in_time))
        .layer(from_fn(meant_for_us))
        .with_state(coordinator)
}

async fn submit(
    State(coordinator): State<Coordinator>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    // A page in a browser on this machine may send any other type without asking.
    if !headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"))
    {
        let detail = "a job is submitted as application/json";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, FailureKind::BadRequest, detail));
    }
    let body = body.map_err(|refused| match refused.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            let detail = format!("a job is described in at most {API_BODY_BYTES_MAX} bytes");
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, FailureKind::BadRequest, detail)
        }
        status => Problem::new(status, FailureKind::BadRequest, refused.body_text()),
    })?;
    let bad = |why: String| Problem::new(StatusCode::BAD_REQUEST, FailureKind::BadRequest, why);
    let submission = serde_json::from_slice::<Submission>(&body);
    let submission = submission.map_err(|error| bad(format!("this is no job: {error}")))?;
    let spec = submission.spec().map_err(|error| bad(error.to_string()))?;
    match coordinator.request(JobRequest::new(spec)).await {
        Ok(submitted) => Ok((StatusCode::ACCEPTED, Json(submitted)).into_response()),
        Err(Refusal::Job(failure)) => Err(failure.into()),
        Err(_) => Err(Problem::unavailable("the coordinator is stopping: try again")),
    }
}

async fn jobs(State(coordinator): State<Coordinator>) -> Result<Json<JobsPage>, Problem> {
    let (jobs, next) = coordinator.jobs_before(u64::MAX, 1_000, |_| true).await.ok_or_else(gone)?;
    Ok(Json(JobsPage { jobs, next: next.map(|next| next.to_string()) }))
}

async fn job(State(coordinator): State<Coordinator>, Named(id): Named) -> Result<Json<JobView>, Problem> {
    coordinator.job(id).await.ok_or_else(gone)?.map(Json).ok_or_else(|| unknown(id))
}

async fn cancel(State(coordinator): State<Coordinator>, Named(id): Named) -> Result<Response, Problem> {
    coordinator.job(id).await.ok_or_else(gone)?.ok_or_else(|| unknown(id))?;
    coordinator.cancel(id);
    Ok((StatusCode::ACCEPTED, Json(Submitted { id, is_new: false })).into_response())
}

async fn report(
    State(coordinator): State<Coordinator>,
    Named(id): Named,
) -> Result<Json<JobReport>, Problem> {
    coordinator.report(id).await.ok_or_else(gone)?.map(Json).ok_or_else(|| unknown(id))
}

async fn nodes(State(coordinator): State<Coordinator>) -> Result<Json<Vec<NodeView>>, Problem> {
    Ok(Json(coordinator.nodes().await.ok_or_else(gone)?))
}

async fn health(State(coordinator): State<Coordinator>) -> Result<Json<Health>, Problem> {
    let nodes = coordinator.nodes().await.ok_or_else(gone)?.len();
    Ok(Json(Health { status: "ok", nodes }))
}

fn unknown(id: JobId) -> Problem {
    Problem::not_found(format!("there is no job {id}, or it ended too long ago to be remembered"))
}

fn gone() -> Problem {
    Problem::unavailable("the coordinator has ended")
}

/// Gives up on a request that takes too long.
async fn in_time(request: Request, next: Next) -> Response {
    let late = || Problem::unavailable(format!("not answered within {} s", REQUEST_LIMIT.as_secs()));
    let answer = tokio::time::timeout(REQUEST_LIMIT, next.run(request)).await;
    answer.unwrap_or_else(|_| late().into_response())
}

/// Refuses requests for other hosts: a page in a browser on this machine can have a name of its own lead here,
/// and then ask whatever it likes.
async fn meant_for_us(request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    if matches!(name, "localhost" | "127.0.0.1" | "[::1]") {
        return next.run(request).await;
    }
    let detail = "this is asked for as localhost, 127.0.0.1 or [::1] alone";
    Problem::new(StatusCode::MISDIRECTED_REQUEST, FailureKind::BadRequest, detail).into_response()
}
