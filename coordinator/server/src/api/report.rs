//! How a job went: what was archived, and who did what when.

#![expect(unused_qualifications, reason = "utoipa makes them of the parameters")]

use axum::Json;
use axum::extract::State;
use proto::api::JobReport;
use proto::timeline::Timeline;
use serde::Deserialize;
use utoipa::IntoParams;

use super::Api;
use super::caller::Caller;
use super::extract::{Asked, Named};
use super::problem::Problem;

/// What of a report.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct WhatOfReport {
    /// Whether the archive's entries are wanted, which can be many megabytes: `true` unless given.
    entries: Option<bool>,
}

/// What was archived, what it took, and who did what.
#[utoipa::path(
    get,
    path = "/v1/jobs/{id}/report",
    operation_id = "get_report",
    tag = "jobs",
    params(("id" = String, Path, description = "The job."), WhatOfReport),
    responses(
        (status = 200, description = "The report.", body = JobReport),
        (status = "default", description = "Something is wrong.", body = proto::api::Problem, content_type = "application/problem+json"),
    ),
    security(("token" = []), ()),
)]
pub(crate) async fn report(
    State(api): State<Api>,
    caller: Caller,
    Named(id): Named,
    Asked(WhatOfReport { entries }): Asked<WhatOfReport>,
) -> Result<Json<JobReport>, Problem> {
    api.job(&caller, id).await?;
    let report = api.coordinator.report(id).await.ok_or_else(Problem::gone)?;
    let mut report = report.ok_or_else(|| Problem::no_job(id))?;
    if entries == Some(false) {
        report.entries.clear();
    }
    Ok(Json(report))
}

/// Each attempt as a bar in its node's row.
#[utoipa::path(
    get,
    path = "/v1/jobs/{id}/timeline",
    operation_id = "get_timeline",
    tag = "jobs",
    params(("id" = String, Path, description = "The job."),),
    responses(
        (status = 200, description = "The timeline.", body = Timeline),
        (status = "default", description = "Something is wrong.", body = proto::api::Problem, content_type = "application/problem+json"),
    ),
    security(("token" = []), ()),
)]
pub(crate) async fn timeline(
    State(api): State<Api>,
    caller: Caller,
    Named(id): Named,
) -> Result<Json<Timeline>, Problem> {
    api.job(&caller, id).await?;
    let timeline = api.coordinator.timeline(id).await.ok_or_else(Problem::gone)?;
    timeline.map(Json).ok_or_else(|| Problem::no_job(id))
}
