//! `zipfleet zip`: one archive, by a fleet in this very process.

use std::process::ExitCode;
use std::time::Duration;

use proto::explain::NodeShare;
use proto::failure::{Failure, FailureKind};
use proto::job::{JobSpec, Outcome, Stage, Summary};
use proto::location::Location;
use proto::requests::RequestCounts;
use proto_s3::S3;
use serde::Serialize;

use super::connect;
use crate::args::ZipArgs;
use crate::exit_code;
use crate::failures::{internal, usage};
use crate::local::Fleet;
use crate::output::Voice;
use crate::progress::Display;
use crate::signals::Signals;
use crate::summary::describe;

/// How often progress is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What to do and where, once the arguments make sense.
pub(super) async fn prepare(args: &ZipArgs) -> Result<(S3, JobSpec), Failure> {
    let spec = args.spec().map_err(usage)?;
    args.resources.check().map_err(usage)?;
    Ok((connect(&args.connect.clone().into()).await?, spec))
}

pub(super) async fn run(args: ZipArgs, voice: Voice) -> Result<ExitCode, Failure> {
    let (s3, spec) = prepare(&args).await?;
    let destination = spec.destination.clone();
    let mut signals = Signals::listen().map_err(internal)?;
    let fleet = Fleet::start(&s3, 1, args.resources).await?;
    let made = match make(&s3, fleet, spec, voice, &mut signals).await {
        Ok(made) => made,
        Err(Unmade { failure, code }) => return Ok(voice.failure_with(&failure, code)),
    };
    for warning in &made.summary.warnings {
        voice.say(&format!("warning: {warning}"));
    }
    voice.result(&made.describe(&destination), &made.for_programs(&destination));
    Ok(ExitCode::SUCCESS)
}

/// Why there is no archive, and the exit code: that of the failure, or of the signal that stopped it.
pub(crate) struct Unmade {
    pub(crate) failure: Failure,
    pub(crate) code: u8,
}

impl From<Failure> for Unmade {
    fn from(failure: Failure) -> Self {
        Self { code: exit_code::of(failure.kind), failure }
    }
}

/// An archive, and what making it took.
pub(crate) struct Made {
    pub(crate) summary: Summary,
    pub(crate) nodes: Vec<NodeShare>,
    pub(crate) requests: RequestCounts,
}

/// Has `fleet` make the archive, showing progress, until it is there or someone asks to stop.
pub(crate) async fn make(
    s3: &S3,
    mut fleet: Fleet,
    spec: JobSpec,
    voice: Voice,
    signals: &mut Signals,
) -> Result<Made, Unmade> {
    let mut stage = Stage::Listing;
    let mut stopped_by = None;
    let destination = spec.destination.clone();
    let mut job = fleet.coordinator.submit(spec);
    let mut display = Display::new(voice);
    let mut look = tokio::time::interval(LOOK_EVERY);
    let outcome = loop {
        tokio::select! {
            outcome = job.outcome() => break outcome,
            _ = look.tick() => {
                // A coordinator that is sorting a million names answers later; signals must not wait for it.
                let answer = tokio::time::timeout(LOOK_EVERY, fleet.coordinator.progress(job.id));
                if let Ok(Ok(Some(progress))) = answer.await {
                    stage = progress.stage;
                    display.job(&progress, &s3.requests());
                }
            }
            code = signals.next() => {
                if stopped_by.is_some() {
                    leave_at_once(code, &destination, voice);
                }
                stopped_by = Some(StoppedBy::Signal(code));
                voice.say(match stage {
                    Stage::Completing => {
                        "stopping; but S3 is already putting the archive together, and that is waited for (once more to leave at once)"
                    }
                    _ => "stopping: removing what was uploaded (once more to leave at once)",
                });
                fleet.coordinator.cancel(job.id);
            }
            () = fleet.all_nodes_ended(), if stopped_by.is_none() => {
                stopped_by = Some(StoppedBy::Defect);
                fleet.coordinator.cancel(job.id);
            }
        }
    };
    display.clear();
    match outcome {
        Outcome::Completed(summary) => {
            let explanation = fleet.coordinator.explanation(job.id).await.ok().flatten();
            let nodes = explanation.map_or_else(Vec::new, |explanation| explanation.nodes);
            Ok(Made { summary, nodes, requests: s3.requests() })
        }
        Outcome::Failed { failure, left_behind } => {
            Err(unmade(failure, &left_behind, stopped_by, &destination))
        }
    }
}

/// Why a job was told to stop.
enum StoppedBy {
    /// A signal, whose exit code this is.
    Signal(u8),
    /// No node was left to work on it.
    Defect,
}

fn unmade(failure: Failure, left_behind: &[String], stopped_by: Option<StoppedBy>, at: &Location) -> Unmade {
    let was_stopped = failure.kind == FailureKind::Cancelled;
    let mut unmade = match stopped_by.filter(|_| was_stopped) {
        None => Unmade::from(failure),
        Some(StoppedBy::Defect) => internal("all nodes ended unexpectedly").into(),
        Some(StoppedBy::Signal(code)) => {
            let nothing_left = if left_behind.is_empty() {
                format!("; nothing of it is left at {at}")
            } else {
                String::new()
            };
            let message = format!("stopped before the archive was complete{nothing_left}");
            Unmade { failure: Failure::new(FailureKind::Cancelled, message), code }
        }
    };
    for left in left_behind {
        unmade.failure.message.push_str(&format!("; and {left}"));
    }
    unmade
}

fn leave_at_once(code: u8, destination: &Location, voice: Voice) -> ! {
    let message = format!(
        "left at once: an unfinished upload to {destination} may remain in S3, and of a large archive objects at {destination}.zipfleet-*"
    );
    voice.failure_with(&Failure::new(FailureKind::Cancelled, message), code);
    std::process::exit(i32::from(code))
}

impl Made {
    /// The closing words.
    pub(crate) fn describe(&self, destination: &Location) -> String {
        describe(&self.summary, destination, Some(&self.requests))
    }

    fn for_programs(&self, destination: &Location) -> impl Serialize {
        #[derive(Serialize)]
        struct ForPrograms {
            archive: String,
            summary: Summary,
            nodes: Vec<NodeShare>,
            requests: RequestCounts,
            price_usd: f64,
        }
        ForPrograms {
            archive: format!("s3://{}/{}", destination.bucket, destination.key),
            summary: self.summary.clone(),
            nodes: self.nodes.clone(),
            requests: self.requests,
            price_usd: self.requests.price_usd(),
        }
    }
}
