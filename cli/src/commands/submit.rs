//! `zipfleet submit`: one archive, by a cluster.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use proto::failure::{Failure, FailureKind};
use proto::job::{JobId, Outcome, Summary};
use proto::location::Location;
use proto::requests::RequestCounts;
use proto::view::JobView;

use crate::args::SubmitArgs;
use crate::cluster::Cluster;
use crate::failures::{internal, usage};
use crate::output::Voice;
use crate::progress::Display;
use crate::signals::Signals;
use crate::summary::describe;

/// How often progress is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How long a cluster may stay away while a job is watched: a coordinator restarts in less.
const AWAY_MAX: Duration = Duration::from_secs(10);

pub(super) async fn run(args: SubmitArgs, voice: Voice) -> Result<ExitCode, Failure> {
    let spec = args.spec().map_err(usage)?;
    let cluster = Cluster::at(&args.cluster.cluster)?;
    let mut signals = Signals::listen().map_err(internal)?;
    let stopped =
        |why: String, code| Ok(voice.failure_with(&Failure::new(FailureKind::Cancelled, why), code));
    let id = tokio::select! {
        id = cluster.submit(&spec) => id?,
        code = signals.next() => {
            let why = "stopped before the cluster had answered: it may have the job; `zipfleet jobs` shows it";
            return stopped(why.to_owned(), code);
        }
    };
    let how_to = format!("`zipfleet status {id}` shows it, `zipfleet cancel {id}` ends it");
    if !args.wait {
        voice.result(&format!("job {id} is submitted: {how_to}"), &serde_json::json!({ "id": id }));
        return Ok(ExitCode::SUCCESS);
    }
    voice.say(&format!("job {id}"));
    let outcome = tokio::select! {
        outcome = watch(&cluster, id, voice) => outcome?,
        code = signals.next() => return stopped(format!("no longer watching job {id}, which goes on: {how_to}"), code),
    };
    match outcome {
        Outcome::Completed(summary) => {
            completed(id, &summary, &spec.destination, voice);
            Ok(ExitCode::SUCCESS)
        }
        Outcome::Failed { mut failure, left_behind } => {
            for left in left_behind {
                failure.message.push_str(&format!("; and {left}"));
            }
            Err(failure)
        }
    }
}

/// Shows how far a job has come until it has ended.
async fn watch(cluster: &Cluster, id: JobId, voice: Voice) -> Result<Outcome, Failure> {
    let mut display = Display::new(voice);
    let mut away_since = None;
    let outcome = loop {
        match cluster.job(id).await {
            Ok(JobView { outcome: Some(outcome), .. }) => break Ok(outcome),
            Ok(view) => {
                away_since = None;
                // What is on its way at the nodes is not known here.
                display.job(&view.progress, &RequestCounts::default());
            }
            Err(failure) => {
                // From the first failure on: a request that hangs must not use up the time for all others.
                let since = *away_since.get_or_insert_with(Instant::now);
                if failure.kind == FailureKind::NotFound {
                    let message = format!(
                        "the coordinator was started again meanwhile, and job {id} is lost: submit it again"
                    );
                    break Err(Failure::new(FailureKind::Unavailable, message));
                }
                if failure.kind != FailureKind::Unavailable || since.elapsed() >= AWAY_MAX {
                    break Err(failure);
                }
                tracing::info!(%failure, "looking again");
            }
        }
        tokio::time::sleep(LOOK_EVERY).await;
    };
    display.clear();
    outcome
}

fn completed(id: JobId, summary: &Summary, destination: &Location, voice: Voice) {
    for warning in &summary.warnings {
        voice.say(&format!("warning: {warning}"));
    }
    let archive = format!("s3://{}/{}", destination.bucket, destination.key);
    let value = serde_json::json!({ "id": id, "archive": archive, "summary": summary });
    voice.result(&describe(summary, destination, None), &value);
}
