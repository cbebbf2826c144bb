//! The job API: HTTP and JSON.

mod events;
mod extract;
mod gate;
mod health;
mod jobs;
mod nodes;
mod problem;
mod report;
mod submit;
mod tokens;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn;
use axum::routing::{get, post};
use proto::api::ProblemCode;
use proto::job::JobId;
use proto::limits::{API_BODIES_BYTES_MAX, API_BODY_BYTES_MAX, WATCHERS_MAX};
use proto::view::JobView;
use proto_s3::S3;
use tokio::sync::Semaphore;

use self::problem::Problem;
use self::tokens::Caller;
use crate::handle::Coordinator;
use crate::roster::CallbackTarget;

/// What requests are answered from.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    coordinator: Coordinator,
    s3: S3,
    /// One for each watcher there may be.
    watchers: Arc<Semaphore>,
    /// One for each byte that bodies may have together.
    bodies: Arc<Semaphore>,
}

impl Api {
    pub(crate) fn new(coordinator: Coordinator, s3: S3) -> Self {
        Self {
            coordinator,
            s3,
            watchers: Arc::new(Semaphore::new(WATCHERS_MAX)),
            bodies: Arc::new(Semaphore::new(API_BODIES_BYTES_MAX)),
        }
    }

    /// A job that the caller may know of.
    async fn job(&self, caller: &Caller, id: JobId) -> Result<JobView, Problem> {
        let job = self.coordinator.job(id).await.ok_or_else(Problem::gone)?;
        job.filter(|job| caller.may_see(job)).ok_or_else(|| Problem::no_job(id))
    }

    fn admit_submission(&self, _caller: &Caller) -> Result<(), Problem> {
        Ok(())
    }

    fn callback(&self, _caller: &Caller, _url: &str) -> Result<CallbackTarget, Problem> {
        Err(Problem::bad_job("callbacks are not configured"))
    }
}

/// All there is to ask for.
pub(crate) fn router(api: Api) -> Router {
    let not_allowed =
        || async { Problem::new(ProblemCode::MethodNotAllowed, "this is not done with this method") };
    let open = Router::new().route("/healthz", get(health::health)).route("/readyz", get(health::readiness));
    let answered_soon = Router::new()
        .route("/v1/jobs", get(jobs::list))
        .route("/v1/jobs/{id}", get(jobs::one).delete(jobs::cancel))
        .route("/v1/jobs/{id}/report", get(report::report))
        .route("/v1/jobs/{id}/timeline", get(report::timeline))
        .route("/v1/nodes", get(nodes::list))
        .route("/v1/nodes/{name}/drain", post(nodes::drain));
    // Events go on as long as their job, and a body comes as fast as it is sent.
    let answered_late = Router::new()
        .route("/v1/jobs", post(submit::submit))
        .route("/v1/jobs/{id}/events", get(events::events));
    open.merge(crate::dashboard::routes())
        .merge(answered_soon)
        .route_layer(from_fn(gate::in_time))
        .merge(answered_late)
        .fallback(|| async { Problem::not_found("there is nothing of this name here") })
        .method_not_allowed_fallback(not_allowed)
        .layer(DefaultBodyLimit::max(API_BODY_BYTES_MAX))
        .layer(from_fn(gate::from_this_machine))
        .with_state(api)
}
