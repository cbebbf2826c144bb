//! `zipfleet jobs`, `status` and `cancel`: a cluster's jobs.

use std::process::ExitCode;

use proto::failure::{Failure, FailureKind};
use proto::job::{Outcome, Priority};
use proto::view::JobView;

use crate::args::{ClusterArgs, OneJobArgs};
use crate::cluster::Cluster;
use crate::output::{Voice, count, size, table};
use crate::progress::stage;
use crate::summary::{describe, times};

pub(super) async fn list(args: ClusterArgs, voice: Voice) -> Result<ExitCode, Failure> {
    let jobs = Cluster::at(&args.cluster)?.jobs().await?;
    let rows = jobs.iter().map(|job| {
        let progress = &job.progress;
        [
            job.id.to_string(),
            state(job).to_owned(),
            priority(job.priority).to_owned(),
            progress.entries.to_string(),
            size(progress.bytes_done),
            size(progress.bytes_planned),
            job.destination.to_string(),
        ]
    });
    let heads = ["job", "state", "priority", "entries", "done", "planned", "destination"];
    voice.result(&table(heads, rows), &jobs);
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn status(args: OneJobArgs, voice: Voice) -> Result<ExitCode, Failure> {
    let job = Cluster::at(&args.cluster.cluster)?.job(args.job).await?;
    let progress = &job.progress;
    let text = match &job.outcome {
        Some(Outcome::Completed(summary)) => {
            format!("{}\n{}", describe(summary, &job.destination, None), times(summary))
        }
        Some(Outcome::Failed { failure, left_behind }) => {
            let mut text = format!("{}: {}: {failure}", job.destination, state(&job));
            left_behind.iter().for_each(|left| text.push_str(&format!("; and {left}")));
            text
        }
        None => format!(
            "{}: {}, {} of {}, {} of {}, {}",
            job.destination,
            state(&job),
            size(progress.bytes_done),
            size(progress.bytes_planned),
            progress.parts_done,
            count(progress.parts_planned, "part"),
            count(progress.entries, "object"),
        ),
    };
    voice.result(&text, &job);
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn cancel(args: OneJobArgs, voice: Voice) -> Result<ExitCode, Failure> {
    let (id, cluster) = (args.job, Cluster::at(&args.cluster.cluster)?);
    let job = cluster.job(id).await?;
    let text = if job.outcome.is_some() {
        format!("job {id} had ended already: {}", state(&job))
    } else {
        cluster.cancel(id).await?;
        format!("job {id} is being ended; `zipfleet status {id}` tells when nothing of it is left")
    };
    voice.result(&text, &serde_json::json!({ "id": id }));
    Ok(ExitCode::SUCCESS)
}

fn state(job: &JobView) -> &'static str {
    match &job.outcome {
        None => stage(job.progress.stage),
        Some(Outcome::Completed(_)) => "completed",
        Some(Outcome::Failed { failure, .. }) if failure.kind == FailureKind::Cancelled => "cancelled",
        Some(Outcome::Failed { .. }) => "failed",
    }
}

fn priority(priority: Priority) -> &'static str {
    match priority {
        Priority::Low => "low",
        Priority::Normal => "normal",
        Priority::High => "high",
    }
}
