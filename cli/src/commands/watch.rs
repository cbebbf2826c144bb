//! `zipfleet watch`: what happens to a job, until it has ended.

use std::process::ExitCode;

use proto::api::JobEvent;
use proto::failure::{Failure, FailureKind};
use proto::job::{JobId, Outcome};
use proto::requests::RequestCounts;
use proto::view::JobView;

use super::explain::sentence;
use crate::args::OneJobArgs;
use crate::cluster::Cluster;
use crate::exit_code::JOB_CANCELLED;
use crate::failures::internal;
use crate::output::Voice;
use crate::progress::Display;
use crate::signals::Signals;
use crate::summary::describe;
use crate::watching::{AWAY_MAX, Idle, Seen, until_ended};

pub(super) async fn run(args: OneJobArgs, voice: Voice) -> Result<ExitCode, Failure> {
    let cluster = Cluster::of(&args.cluster)?;
    let mut signals = Signals::listen().map_err(internal)?;
    let watched = watch(&cluster, args.job, Telling::Events, voice, &mut signals).await?;
    conclude(watched, args.job, voice, |view, Told { text, .. }| {
        // Programs have been told with the last event.
        if !voice.is_for_programs() {
            voice.result(&text, &view);
        }
    })
}

/// What programs are told while a job is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Telling {
    /// Every event, a line of JSON each.
    Events,
    /// Nothing before the end.
    Nothing,
}

/// How the watching of a job ended.
pub(super) enum Watched {
    /// With the job.
    Ended(Box<JobView>),
    /// By a signal, whose exit code this is.
    Stopped(u8),
}

/// Shows how far a job has come until it has ended, or somebody wants to see no more of it.
pub(super) async fn watch(
    cluster: &Cluster,
    id: JobId,
    telling: Telling,
    voice: Voice,
    signals: &mut Signals,
) -> Result<Watched, Failure> {
    let (mut display, mut idle) = (Display::new(voice), Idle::new());
    let tells_events = telling == Telling::Events && voice.is_for_programs();
    let tell = async |seen: Seen<'_>| match seen {
        Seen::Event(event) => {
            if tells_events {
                voice.result("", event);
            }
            match event {
                JobEvent::Progress(progress) => {
                    idle.note(progress);
                    // What is on its way at the nodes is not known here.
                    display.job(progress, &RequestCounts::default());
                }
                JobEvent::Problem(decision) => display.above(&sentence(decision)),
                JobEvent::Ended(_) => {}
            }
        }
        Seen::Nothing => idle.look(cluster, voice).await,
    };
    // Who submitted it knows that it was there.
    let ended = tokio::select! {
        ended = until_ended(cluster, id, telling == Telling::Nothing, AWAY_MAX, tell) => ended.map(Watched::Ended),
        code = signals.next() => Ok(Watched::Stopped(code)),
    };
    display.clear();
    Ok(ended?)
}

/// What is told of an archive that is there.
pub(super) struct Told {
    pub(super) text: String,
    pub(super) value: serde_json::Value,
}

/// Says how the watching ended, a good end by `completed`, and gives the job's exit code.
pub(super) fn conclude(
    watched: Watched,
    id: JobId,
    voice: Voice,
    completed: impl FnOnce(JobView, Told),
) -> Result<ExitCode, Failure> {
    let view = match watched {
        Watched::Ended(view) => *view,
        Watched::Stopped(code) => {
            let why = format!(
                "no longer watching job {id}, which goes on: `zipfleet watch {id}` or `zipfleet status {id}` shows it, `zipfleet cancel {id}` ends it"
            );
            return Ok(voice.failure_with(&Failure::new(FailureKind::Cancelled, why), code));
        }
    };
    match view.outcome.clone() {
        Some(Outcome::Completed(summary)) => {
            for warning in &summary.warnings {
                voice.say(&format!("warning: {warning}"));
            }
            let destination = &view.destination;
            let value = serde_json::json!({ "id": id, "archive": destination, "summary": summary });
            let text = describe(&summary, destination, None);
            completed(view, Told { text, value });
            Ok(ExitCode::SUCCESS)
        }
        Some(Outcome::Failed { mut failure, left_behind }) => {
            for left in left_behind {
                failure.message.push_str(&format!("; and {left}"));
            }
            // Nobody interrupted this command, which is what the usual code of this kind says.
            let was_cancelled = failure.kind == FailureKind::Cancelled;
            if was_cancelled { Ok(voice.failure_with(&failure, JOB_CANCELLED)) } else { Err(failure) }
        }
        None => Err(internal("the cluster told that the job has ended, but not how")),
    }
}
