//! `zipfleet cancel`: ends a job and waits until nothing of it is left.

use std::process::ExitCode;
use std::time::Duration;

use proto::failure::{Failure, FailureKind};
use proto::job::Outcome;
use proto::view::JobView;

use super::status::state;
use crate::args::OneJobArgs;
use crate::cluster::{Cluster, Why};
use crate::failures::internal;
use crate::output::Voice;
use crate::signals::Signals;

/// How often it is looked whether it has ended, where the cluster does not wait for that.
const LOOK_EVERY: Duration = Duration::from_millis(200);

pub(super) async fn run(args: OneJobArgs, voice: Voice) -> Result<ExitCode, Failure> {
    let (id, cluster) = (args.job, Cluster::of(&args.cluster)?);
    let mut signals = Signals::listen().map_err(internal)?;
    let before = cluster.job(id, None).await?.job;
    if before.outcome.is_some() {
        let text = format!("job {id} had ended already: {}{}", state(&before), left(&before));
        voice.result(&text, &before);
        return Ok(ExitCode::SUCCESS);
    }
    let ended = tokio::select! {
        ended = end(&cluster, id) => ended?,
        code = signals.next() => {
            let why = format!("no longer waiting; job {id} is being ended: `zipfleet status {id}` tells when nothing of it is left");
            return Ok(voice.failure_with(&Failure::new(FailureKind::Cancelled, why), code));
        }
    };
    let text = match &ended.outcome {
        Some(Outcome::Failed { failure, left_behind }) if failure.kind == FailureKind::Cancelled => {
            let nothing = if left_behind.is_empty() { ", and nothing of it is left" } else { "" };
            format!("job {id} is cancelled{nothing}{}", left(&ended))
        }
        _ => format!("job {id} ended before it could be cancelled: {}", state(&ended)),
    };
    voice.result(&text, &ended);
    Ok(ExitCode::SUCCESS)
}

/// What could not be removed of a job, to follow what became of it.
fn left(job: &JobView) -> String {
    match &job.outcome {
        Some(Outcome::Failed { left_behind, .. }) => {
            left_behind.iter().map(|left| format!("; but {left}")).collect()
        }
        _ => String::new(),
    }
}

/// Has a job ended; gives what has become of it.
async fn end(cluster: &Cluster, id: proto::job::JobId) -> Result<JobView, Failure> {
    match cluster.cancel(id).await {
        // It takes longer than the cluster or something between waits for.
        Err(trouble) if trouble.why == Why::Unanswered => {}
        cancelled => cancelled?,
    }
    loop {
        let job = cluster.job(id, None).await?.job;
        if job.outcome.is_some() {
            return Ok(job);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
