//! One job of a load, from its arrival until nothing of it is left.

use std::time::Duration;

use proto::api::{Submission, Submitted};
use proto::failure::{Failure, FailureKind};
use proto::job::{JobId, Outcome};
use proto::location::Location;
use proto::view::JobView;
use proto_s3::with_retries;
use tokio::sync::watch;
use tokio::time::Instant;

use super::Load;
use crate::cluster::{Cluster, Why};
use crate::failures::internal;
use crate::load::arrivals::Arrival;
use crate::load::figures::{End, Record};
use crate::watching::{AWAY_MAX, until_ended};

/// How often a job is submitted whose answer is lost each time.
const TRIES: u32 = 3;
/// Pause before it is submitted again, or looked at again.
const AGAIN: Duration = Duration::from_millis(500);
/// How often a job is looked at that takes long to be cancelled.
const LOOKS_MAX: u32 = 60;

/// What became of a job.
pub(super) struct Told {
    /// The figures.
    pub(super) record: Record,
    /// What went wrong, and what that was.
    pub(super) failure: Option<(&'static str, Failure)>,
    /// What could not be removed.
    pub(super) left: Option<String>,
}

/// Has a job made that arrives now; once `stop` says how such jobs end, it is cancelled. Times count from `began`.
pub(super) async fn make(
    load: &Load,
    arrival: Arrival,
    name: &str,
    began: Instant,
    mut stop: watch::Receiver<Option<End>>,
) -> Told {
    let now_s = || began.elapsed().as_secs_f64();
    let Arrival { at_s, population } = arrival;
    let mut record =
        Record { population, at_s, sent_s: now_s(), accepted_s: None, ended_s: 0.0, end: End::NotSent };
    let kind = &load.mix.populations[population];
    let cluster = &load.tenants[kind.tenant];
    let destination = Location { bucket: load.bucket.clone(), key: format!("{}{name}.zip", load.prefix) };
    let idempotency_key = Some(format!("load-{}-{name}", load.id));
    let submission = Submission { idempotency_key, ..kind.submission(destination.clone()) };
    let mut failed = None;
    record.end = match submit(cluster, &submission).await {
        Err((end, failure)) => {
            failed = Some(("refused", failure));
            end
        }
        Ok(id) => {
            record.accepted_s = Some(now_s());
            let ended = tokio::select! {
                // What has ended has ended, also when it is to be cancelled at the same moment.
                biased;
                ended = until_ended(cluster, id, true, AWAY_MAX, async |_| {}) => {
                    ended.map(|view| (*view, None)).map_err(Failure::from)
                }
                end = told_to_stop(&mut stop) => cancel(cluster, id).await.map(|view| (view, Some(end))),
            };
            match ended {
                Ok((view, cancelled)) => end_of(view, cancelled, &mut failed),
                Err(failure) => {
                    let kind = failure.kind;
                    failed = Some(("lost", failure));
                    End::Lost(kind)
                }
            }
        }
    };
    record.ended_s = now_s();
    let left = remove(load, &destination, record.end).await;
    Told { record, failure: failed, left }
}

/// Waits until jobs are to be cancelled; how those end.
async fn told_to_stop(stop: &mut watch::Receiver<Option<End>>) -> End {
    match stop.wait_for(Option::is_some).await.map(|end| *end) {
        Ok(Some(end)) => end,
        // Whoever would say so is gone, and so is this task, any moment.
        _ => std::future::pending().await,
    }
}

/// Submits a job, again if the answer was lost; or how it ended without.
async fn submit(cluster: &Cluster, submission: &Submission) -> Result<JobId, (End, Failure)> {
    let mut may_have_it = false;
    for last in (1..=TRIES).map(|tried| tried == TRIES) {
        let trouble = match cluster.submit(submission).await {
            Ok(Submitted { id, .. }) => return Ok(id),
            Err(trouble) => trouble,
        };
        may_have_it |= trouble.why == Why::Unanswered;
        let kind = trouble.failure.kind;
        let end = if may_have_it { End::Lost(kind) } else { End::Refused(kind) };
        if last || trouble.why != Why::Unanswered {
            return Err((end, trouble.failure));
        }
        tokio::time::sleep(AGAIN).await;
    }
    unreachable!("the last try returns")
}

/// Cancels a job and waits for its end.
async fn cancel(cluster: &Cluster, id: JobId) -> Result<JobView, Failure> {
    match cluster.cancel(id).await {
        // It takes longer than the cluster or something between waits for.
        Err(trouble) if trouble.why == Why::Unanswered => {}
        cancelled => cancelled?,
    }
    for _ in 0..LOOKS_MAX {
        let view = cluster.job(id, None).await?.job;
        if view.outcome.is_some() {
            return Ok(view);
        }
        tokio::time::sleep(AGAIN).await;
    }
    Err(Failure::new(FailureKind::Unavailable, format!("job {id} is still being cancelled")))
}

/// How a job has ended, which may have been cancelled on purpose.
fn end_of(view: JobView, cancelled: Option<End>, failed: &mut Option<(&'static str, Failure)>) -> End {
    match (view.outcome, cancelled) {
        (Some(Outcome::Completed(summary)), _) => End::Completed {
            first_part_s: Duration::from_millis(summary.first_part_ms).as_secs_f64(),
            bytes: summary.bytes,
            entries: summary.entries,
        },
        (Some(Outcome::Failed { failure, .. }), Some(end)) if failure.kind == FailureKind::Cancelled => end,
        (Some(Outcome::Failed { mut failure, left_behind }), _) => {
            left_behind.iter().for_each(|left| failure.message.push_str(&format!("; and {left}")));
            let kind = failure.kind;
            *failed = Some(("failed", failure));
            End::Failed(kind)
        }
        (None, _) => {
            let failure = internal("the cluster told that a job has ended, but not how");
            *failed = Some(("lost", failure));
            End::Lost(FailureKind::Internal)
        }
    }
}

/// Removes an archive that is there, or may be.
async fn remove(load: &Load, archive: &Location, end: End) -> Option<String> {
    let is_there = matches!(end, End::Completed { .. } | End::Lost(_));
    let s3 = load.s3.as_ref().filter(|_| is_there)?;
    let removed = with_retries(async || s3.delete(archive).await).await;
    removed.err().map(|error| format!("{archive} is not removed: {error}"))
}
