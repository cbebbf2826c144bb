//! `zipfleet submit`: one archive, by a cluster.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use proto::failure::{Failure, FailureKind};
use proto::job::{JobId, Outcome, Progress, Stage, Summary};
use proto::location::Location;
use proto::requests::RequestCounts;
use proto::view::{JobView, NodeState};

use crate::args::SubmitArgs;
use crate::cluster::Cluster;
use crate::exit_code::JOB_CANCELLED;
use crate::failures::{internal, usage};
use crate::output::Voice;
use crate::progress::Display;
use crate::signals::Signals;
use crate::summary::describe;

/// How often progress is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How long a cluster may stay away while a job is watched: a coordinator restarts in less.
const AWAY_MAX: Duration = Duration::from_secs(10);

/// How long a job may stand still before it is looked for the reason.
const IDLE_MAX: Duration = Duration::from_secs(3);

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
            // Nobody interrupted this command, which is what the usual code of this kind says.
            let was_cancelled = failure.kind == FailureKind::Cancelled;
            if was_cancelled { Ok(voice.failure_with(&failure, JOB_CANCELLED)) } else { Err(failure) }
        }
    }
}

/// Shows how far a job has come until it has ended.
async fn watch(cluster: &Cluster, id: JobId, voice: Voice) -> Result<Outcome, Failure> {
    let mut display = Display::new(voice);
    let mut away_since = None;
    let mut idle = Idle { bytes_done: 0, since: Instant::now(), has_told: false };
    let outcome = loop {
        match cluster.job(id).await {
            Ok(JobView { outcome: Some(outcome), .. }) => break Ok(outcome),
            Ok(view) => {
                away_since = None;
                // What is on its way at the nodes is not known here.
                display.job(&view.progress, &RequestCounts::default());
                idle.look(cluster, &view.progress, voice).await;
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
                if failure.kind != FailureKind::Unavailable {
                    break Err(failure);
                }
                if since.elapsed() >= AWAY_MAX {
                    let message = format!(
                        "{failure}; if it has ended, job {id} is lost, and the next coordinator with its --state removes what was uploaded"
                    );
                    break Err(Failure::new(FailureKind::Unavailable, message));
                }
                tracing::info!(%failure, "looking again");
            }
        }
        tokio::time::sleep(LOOK_EVERY).await;
    };
    display.clear();
    outcome
}

/// Notices a job that waits for nodes.
struct Idle {
    bytes_done: u64,
    since: Instant,
    has_told: bool,
}

impl Idle {
    async fn look(&mut self, cluster: &Cluster, progress: &Progress, voice: Voice) {
        let is_moving = progress.stage != Stage::Transferring || progress.bytes_done != self.bytes_done;
        if is_moving {
            *self = Self { bytes_done: progress.bytes_done, since: Instant::now(), has_told: false };
        } else if self.since.elapsed() >= IDLE_MAX && !self.has_told {
            self.has_told = true;
            // Whatever keeps it from answering shows where the job is looked at.
            let nodes = cluster.nodes().await.unwrap_or_default();
            let active = nodes.iter().filter(|node| node.state == NodeState::Active).count();
            if active == 0 {
                voice.say(
                    "no node takes parts at present: the job waits for one (`zipfleet nodes` shows them)",
                );
            }
        }
    }
}

fn completed(id: JobId, summary: &Summary, destination: &Location, voice: Voice) {
    for warning in &summary.warnings {
        voice.say(&format!("warning: {warning}"));
    }
    let archive = format!("s3://{}/{}", destination.bucket, destination.key);
    let value = serde_json::json!({ "id": id, "archive": archive, "summary": summary });
    voice.result(&describe(summary, destination, None), &value);
}
