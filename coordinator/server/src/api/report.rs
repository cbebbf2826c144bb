//! How a job went: what was archived, and who did what when.

#![expect(unused_qualifications, reason = "utoipa makes them of the parameters")]

use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream::unfold;
use proto::api::{JobReport, ProblemCode};
use proto::job::JobId;
use proto::timeline::Timeline;
use serde::Deserialize;
use utoipa::IntoParams;

use super::Api;
use super::caller::Caller;
use super::extract::{Asked, Named};
use super::problem::Problem;
use crate::reports::{NoReport, ReportBody};

/// Time in which a report is usually written.
const SOON: Duration = Duration::from_secs(1);

/// What of a report.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct WhatOfReport {
    /// Whether the archive's entries are wanted, which can be many megabytes: `true` unless given.
    entries: Option<bool>,
}

/// What was archived, what it took, and who did what. Of a job that goes on, so far and without entries.
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
) -> Result<Response, Problem> {
    let report = api.coordinator.report(id).await?;
    if report.as_ref().is_some_and(|report| !caller.may_see(&report.job)) {
        return Err(Problem::no_job(id));
    }
    match report {
        Some(report) if entries == Some(false) || report.job.outcome.is_none() => {
            Ok(Json(report).into_response())
        }
        // Also of a job that is forgotten.
        _ => {
            let body = api.coordinator.report_body(id).await.map_err(|error| no_report(id, &error))?;
            if !caller.may_see(&body.job) {
                return Err(Problem::no_job(id));
            }
            Ok(if entries == Some(false) { without_entries(body) } else { as_it_comes(body) })
        }
    }
}

fn no_report(id: JobId, error: &NoReport) -> Problem {
    match error {
        NoReport::NotReady => Problem::new(ProblemCode::NotReady, error.to_string()).retry_after(SOON),
        NoReport::Unknown => Problem::no_job(id),
        NoReport::Unreadable(_) => Problem::unavailable(error.to_string()),
        NoReport::Gone(gone) => (*gone).into(),
    }
}

/// Should it not come whole, the connection breaks, which tells that it is not.
fn as_it_comes(report: ReportBody) -> Response {
    let bytes = report.bytes;
    let pieces = unfold(report, |mut report| async {
        let piece = report.next().await.transpose()?;
        Some((piece, report))
    });
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::CONTENT_LENGTH, HeaderValue::from(bytes)),
    ];
    (headers, Body::from_stream(pieces)).into_response()
}

/// Likewise.
fn without_entries(report: ReportBody) -> Response {
    let pieces = unfold(report.without_entries(), |mut head| async {
        let piece = head.next().await.transpose()?;
        Some((piece, head))
    });
    ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], Body::from_stream(pieces))
        .into_response()
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
    let timeline = api.coordinator.timeline(id).await?;
    timeline.map(Json).ok_or_else(|| Problem::no_job(id))
}
