//! Jobs: all of them page by page, one, and no longer wanting one.

#![expect(unused_qualifications, reason = "utoipa makes them of the parameters")]

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use proto::api::{JobAnswer, JobsPage, ProblemCode};
use proto::failure::S3ErrorKind;
use proto::job::{JobId, Outcome};
use proto::limits::{API_CANCEL_MS, PAGE_JOBS_DEFAULT, PAGE_JOBS_MAX, URL_SECONDS_MAX};
use proto::view::{JobState, JobView};
use proto_s3::with_retries;
use serde::Deserialize;
use utoipa::IntoParams;

use super::Api;
use super::caller::Caller;
use super::extract::{Asked, Named};
use super::problem::Problem;

/// Which jobs.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct WhichJobs {
    /// Only those in this state.
    state: Option<JobState>,
    /// Only those of this token.
    owner: Option<String>,
    /// How many at most, from 1 to 1,000; 100 unless given.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
    /// Those that follow a page: its `next`.
    after: Option<String>,
}

/// What of a job.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct WhatOfJob {
    /// For a finished job: also a URL at which the archive can be downloaded for so many seconds, up to a week, or until
    /// the coordinator's own credentials end.
    #[param(minimum = 1, maximum = 604_800)]
    url_seconds: Option<u64>,
}

/// Jobs, the last submitted first.
#[utoipa::path(
    get,
    path = "/v1/jobs",
    operation_id = "list_jobs",
    tag = "jobs",
    params(WhichJobs),
    responses(
        (status = 200, description = "Jobs, the last submitted first.", body = JobsPage),
        (status = "default", description = "Something is wrong.", body = proto::api::Problem, content_type = "application/problem+json"),
    ),
    security(("token" = []), ()),
)]
pub(crate) async fn list(
    State(api): State<Api>,
    caller: Caller,
    Asked(which): Asked<WhichJobs>,
) -> Result<Json<JobsPage>, Problem> {
    let WhichJobs { state, owner, limit, after } = which;
    let limit = limit.unwrap_or(PAGE_JOBS_DEFAULT);
    if !(1..=PAGE_JOBS_MAX).contains(&limit) {
        return Err(Problem::bad_request(format!("`limit` is from 1 to {PAGE_JOBS_MAX}, not {limit}")));
    }
    // The last job of a page, and no number of it, which would tell how many others submit.
    let after = after.map(|after| after.parse::<JobId>()).transpose().map_err(|_| {
        Problem::bad_request("`after` is the `next` of the page before, as it was given, and this is none")
    })?;
    let is_gone =
        || Problem::not_found("the page that `after` follows is forgotten: begin anew, without `after`");
    if let Some(id) = after {
        // Where others' jobs stand is nobody's business either.
        let job = api.coordinator.job(id).await?;
        job.filter(|job| caller.may_see(job)).ok_or_else(is_gone)?;
    }
    let wanted = move |job: &JobView| {
        state.is_none_or(|state| job.state == state)
            && (owner.is_none() || job.owner == owner)
            && caller.may_see(job)
    };
    let page = api.coordinator.jobs_before(after, limit, wanted).await?;
    let (jobs, are_more) = page.ok_or_else(is_gone)?;
    let next = jobs.last().filter(|_| are_more).map(|last| last.id.to_string());
    Ok(Json(JobsPage { jobs, next }))
}

/// One job.
#[utoipa::path(
    get,
    path = "/v1/jobs/{id}",
    operation_id = "get_job",
    tag = "jobs",
    params(("id" = String, Path, description = "The job."), WhatOfJob),
    responses(
        (status = 200, description = "The job.", body = JobAnswer),
        (status = "default", description = "Something is wrong.", body = proto::api::Problem, content_type = "application/problem+json"),
    ),
    security(("token" = []), ()),
)]
pub(crate) async fn one(
    State(api): State<Api>,
    caller: Caller,
    Named(id): Named,
    Asked(WhatOfJob { url_seconds }): Asked<WhatOfJob>,
) -> Result<Json<JobAnswer>, Problem> {
    let job = api.job(&caller, id).await?;
    let Some(seconds) = url_seconds else { return Ok(Json(JobAnswer { job, url: None })) };
    if !(1..=URL_SECONDS_MAX).contains(&seconds) {
        let detail = format!("`url_seconds` is from 1 to {URL_SECONDS_MAX}, not {seconds}");
        return Err(Problem::bad_request(detail));
    }
    let etag = match &job.outcome {
        Some(Outcome::Completed(summary)) => &summary.etag,
        Some(Outcome::Failed { .. }) => {
            return Err(Problem::not_found(format!("job {id} came to nothing: there is no archive")));
        }
        None => {
            let detail = format!("job {id} has not ended: there is no archive yet");
            return Err(Problem::new(ProblemCode::NotReady, detail));
        }
    };
    // What else is there now may be another's.
    let head = with_retries(async || api.s3.head(&job.destination).await).await;
    let is_there = match head {
        Ok(head) => head.etag.to_string() == *etag,
        Err(error) if error.kind() == S3ErrorKind::NoSuchKey => false,
        Err(error) => return Err(Problem::unavailable(format!("no URL can be signed: {error}"))),
    };
    if !is_there {
        let detail = format!(
            "the archive of job {id} is no longer at {}: it was replaced or deleted",
            job.destination
        );
        return Err(Problem::not_found(detail));
    }
    let url = api.s3.presigned_url(&job.destination, Duration::from_secs(seconds)).await;
    let url = url.map_err(|error| Problem::unavailable(format!("no URL can be signed: {error}")))?;
    Ok(Json(JobAnswer { job, url: Some(url) }))
}

/// Ends a job, and answers when nothing of it is left: with 200 then, with 202 if that takes long.
#[utoipa::path(
    delete,
    path = "/v1/jobs/{id}",
    operation_id = "cancel_job",
    tag = "jobs",
    params(("id" = String, Path, description = "The job."),),
    responses(
        (status = 200, description = "It has ended, and nothing of it is left to do.", body = JobView),
        (status = 202, description = "It is being ended.", body = JobView),
        (status = "default", description = "Something is wrong.", body = proto::api::Problem, content_type = "application/problem+json"),
    ),
    security(("token" = []), ()),
)]
pub(crate) async fn cancel(
    State(api): State<Api>,
    caller: Caller,
    Named(id): Named,
) -> Result<(StatusCode, Json<JobView>), Problem> {
    api.job(&caller, id).await?;
    api.coordinator.cancel(id);
    let watching = api.coordinator.watch(id).await?;
    let mut watching = watching.ok_or_else(|| Problem::no_job(id))?;
    let limit = Duration::from_millis(API_CANCEL_MS);
    let ended = watching.wait_for(|sight| sight.view.outcome.is_some());
    let has_ended = matches!(tokio::time::timeout(limit, ended).await, Ok(Ok(_)));
    let status = if has_ended { StatusCode::OK } else { StatusCode::ACCEPTED };
    let view = watching.borrow().view.clone();
    Ok((status, Json(view)))
}
