//! Whether there is a coordinator, whether it takes jobs, and what it counts.

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use serde::Serialize;
use utoipa::ToSchema;

use super::Api;
use super::problem::Problem;
use crate::metrics;

/// How a coordinator is.
#[derive(Serialize, ToSchema)]
pub(crate) struct Health {
    /// `ok`.
    status: &'static str,
}

/// How ready a coordinator is.
#[derive(Serialize, ToSchema)]
pub(crate) struct Readiness {
    /// `ok`.
    status: &'static str,
    /// Nodes there are; without any, jobs wait.
    nodes: usize,
}

/// Whether the process is alive.
#[utoipa::path(
    get,
    path = "/healthz",
    operation_id = "get_health",
    tag = "health",
    responses(
        (status = 200, description = "The process is alive.", body = Health),
        (status = "default", description = "Something is wrong.", body = proto::api::Problem, content_type = "application/problem+json"),
    ),

)]
pub(crate) async fn health() -> Json<Health> {
    Json(Health { status: "ok" })
}

/// Whether jobs are taken: its state was read when it started, and it is not about to stop.
#[utoipa::path(
    get,
    path = "/readyz",
    operation_id = "get_readiness",
    tag = "health",
    responses(
        (status = 200, description = "Jobs are taken.", body = Readiness),
        (status = "default", description = "Something is wrong.", body = proto::api::Problem, content_type = "application/problem+json"),
    ),

)]
pub(crate) async fn readiness(State(api): State<Api>) -> Result<Json<Readiness>, Problem> {
    let nodes = api.coordinator.nodes().await?.len();
    if api.coordinator.is_stopping().await {
        return Err(Problem::unavailable("the coordinator is stopping"));
    }
    Ok(Json(Readiness { status: "ok", nodes }))
}

/// What the coordinator counts, for Prometheus.
pub(crate) async fn metrics(State(api): State<Api>) -> Result<impl IntoResponse, Problem> {
    let text = metrics::render(&api.coordinator).await?;
    Ok(([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text))
}
