//! `zipfleet status`: how far a job has come, or how it ended.

use std::process::ExitCode;

use proto::failure::{Failure, FailureKind};
use proto::job::Outcome;
use proto::view::JobView;

use crate::args::StatusArgs;
use crate::cluster::Cluster;
use crate::output::{Voice, count, size};
use crate::progress::stage;
use crate::summary::{describe, times};

pub(super) async fn run(args: StatusArgs, voice: Voice) -> Result<ExitCode, Failure> {
    let answer = Cluster::of(&args.job.cluster)?.job(args.job.job, args.url_seconds).await?;
    let mut text = told(&answer.job);
    match &answer.url {
        Some(url) => text.push_str(&format!("\n{url}")),
        None if args.url_seconds.is_some() => text.push_str("\nthere is no archive to download"),
        None => {}
    }
    voice.result(&text, &answer);
    Ok(ExitCode::SUCCESS)
}

/// A job in words.
pub(super) fn told(job: &JobView) -> String {
    let progress = &job.progress;
    match &job.outcome {
        Some(Outcome::Completed(summary)) => {
            format!("{}\n{}", describe(summary, &job.destination, None), times(summary))
        }
        Some(Outcome::Failed { failure, left_behind }) => {
            let mut text = format!("{}: {}: {failure}", job.destination, state(job));
            left_behind.iter().for_each(|left| text.push_str(&format!("; and {left}")));
            text
        }
        None => format!(
            "{}: {}, {} of {}, {} of {}, {}",
            job.destination,
            state(job),
            size(progress.bytes_done),
            size(progress.bytes_planned),
            progress.parts_done,
            count(progress.parts_planned, "part"),
            count(progress.entries, "object"),
        ),
    }
}

/// What a job is doing, or how it ended, in a word.
pub(super) fn state(job: &JobView) -> &'static str {
    match &job.outcome {
        None => stage(job.progress.stage),
        Some(Outcome::Completed(_)) => "completed",
        Some(Outcome::Failed { failure, .. }) if failure.kind == FailureKind::Cancelled => "cancelled",
        Some(Outcome::Failed { .. }) => "failed",
    }
}
