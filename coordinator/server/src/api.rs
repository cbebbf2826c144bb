//! The job API: HTTP and JSON.

mod callback;
mod caller;
mod events;
mod extract;
mod gate;
mod health;
mod jobs;
mod lines;
mod nodes;
mod openapi;
mod problem;
mod report;
mod submit;

pub(crate) use self::callback::target_of;
pub use self::openapi::description;

use std::future::pending;
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, post};
use proto::api::ProblemCode;
use proto::job::JobId;
use proto::limits::{API_BODIES_BYTES_MAX, API_BODY_BYTES_MAX, TOKEN_WATCHERS_MAX, WATCHERS_MAX};
use proto::view::JobView;
use proto_s3::S3;
use tokio::sync::Semaphore;

use self::caller::Caller;
use self::problem::Problem;
use crate::dashboard;
use crate::handle::Coordinator;
use crate::spool::Spools;
use crate::tokens::Tokens;
use crate::turns::Turns;

/// What requests are answered from.
#[derive(Clone)]
pub(crate) struct Api {
    coordinator: Coordinator,
    s3: S3,
    spools: Spools,
    /// Whom to let in; without them everybody, who can only be on this machine.
    tokens: Option<Arc<Tokens>>,
    /// What callbacks of callers without tokens are signed with.
    callback_key: Option<Arc<[u8]>>,
    /// One for each watcher there may be.
    watchers: Turns,
    /// One for each byte that bodies may have together.
    bodies: Arc<Semaphore>,
}

impl Api {
    pub(crate) fn new(
        coordinator: Coordinator,
        s3: S3,
        spools: Spools,
        tokens: Option<Arc<Tokens>>,
        callback_key: Option<Arc<[u8]>>,
    ) -> Self {
        Self {
            coordinator,
            s3,
            spools,
            tokens,
            callback_key,
            watchers: Turns::new(WATCHERS_MAX, TOKEN_WATCHERS_MAX),
            bodies: Arc::new(Semaphore::new(API_BODIES_BYTES_MAX)),
        }
    }

    /// A job that the caller may know of.
    async fn job(&self, caller: &Caller, id: JobId) -> Result<JobView, Problem> {
        let job = self.coordinator.job(id).await?;
        job.filter(|job| caller.may_see(job)).ok_or_else(|| Problem::no_job(id))
    }

    /// Waits until a caller would no longer be let in as they were.
    async fn revoked(self, caller: Caller) {
        match (&self.tokens, &caller.0) {
            (Some(tokens), Some(token)) => tokens.revoked(token).await,
            _ => pending().await,
        }
    }

    /// Refuses a submission of a caller that made too many of late.
    fn admit_submission(&self, caller: &Caller) -> Result<(), Problem> {
        let (Some(tokens), Some(token)) = (&self.tokens, &caller.0) else { return Ok(()) };
        tokens.admit_submission(token).map_err(|wait| {
            let detail =
                format!("token `{}` has submitted too much of late: try again after a while", token.name);
            Problem::new(ProblemCode::RateLimited, detail).retry_after(wait)
        })
    }
}

/// All there is to ask for.
pub(crate) fn router(api: Api) -> Router {
    let not_allowed =
        || async { Problem::new(ProblemCode::MethodNotAllowed, "this is not done with this method") };
    let open = Router::new()
        .route("/healthz", get(health::health))
        .route("/readyz", get(health::readiness))
        .route("/openapi.json", get(openapi::openapi))
        .route_layer(from_fn(gate::in_time));
    let for_operators = Router::new()
        .route("/v1/nodes/{name}/drain", post(nodes::drain))
        .route("/metrics", get(health::metrics))
        .route_layer(from_fn(gate::operators_only));
    let answered_soon = Router::new()
        .route("/v1/jobs", get(jobs::list))
        .route("/v1/jobs/{id}", get(jobs::one).delete(jobs::cancel))
        .route("/v1/jobs/{id}/report", get(report::report))
        .route("/v1/jobs/{id}/timeline", get(report::timeline))
        .route("/v1/nodes", get(nodes::list))
        .merge(for_operators)
        .route_layer(from_fn(gate::in_time));
    // Events go on as long as their job, and a body comes as fast as it is sent.
    let answered_late = Router::new()
        .route("/v1/jobs", post(submit::submit))
        .route("/v1/jobs/{id}/events", get(events::events));
    let for_callers =
        answered_soon.merge(answered_late).route_layer(from_fn_with_state(api.clone(), gate::admit));
    open.merge(dashboard::routes())
        .merge(for_callers)
        .fallback(|| async { Problem::not_found("there is nothing of this name here") })
        .method_not_allowed_fallback(not_allowed)
        .layer(DefaultBodyLimit::max(API_BODY_BYTES_MAX))
        .layer(from_fn_with_state(api.clone(), gate::from_this_machine))
        .with_state(api)
}
