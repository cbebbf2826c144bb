//! `zipfleet jobs`: a cluster's jobs.

use std::process::ExitCode;

use proto::failure::Failure;
use proto::job::Priority;

use super::status::state;
use crate::args::JobsArgs;
use crate::cluster::Cluster;
use crate::output::{Voice, size, table};

pub(super) async fn run(args: JobsArgs, voice: Voice) -> Result<ExitCode, Failure> {
    let jobs = Cluster::of(&args.cluster)?.jobs(args.state, args.limit).await?;
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

fn priority(priority: Priority) -> &'static str {
    match priority {
        Priority::Low => "low",
        Priority::Normal => "normal",
        Priority::High => "high",
    }
}
