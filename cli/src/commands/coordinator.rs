//! `zipfleet coordinator`: the fleet's coordinator, until it is told to stop.

use std::process::ExitCode;

use coordinator::machine::Settings;
use coordinator_server::{Ready, ServeError, ServeOptions, serve};
use proto::failure::{Failure, FailureKind};

use super::{connect, load_tls};
use crate::args::{CertRole, CoordinatorArgs};
use crate::failures::{internal, usage};
use crate::output::{Voice, count};
use crate::signals::Signals;

pub(super) async fn run(args: CoordinatorArgs, voice: Voice) -> Result<ExitCode, Failure> {
    let (state, tls) = args.check().map_err(usage)?;
    let options = ServeOptions {
        listen: args.listen,
        tls: load_tls(tls.as_ref(), CertRole::Coordinator)?,
        allow_plaintext: args.tls.allow_plaintext,
        api: args.api,
        state,
        nodes_max: args.nodes_max,
        settings: Settings {
            jobs_running: args.jobs_running,
            jobs_waiting: args.jobs_waiting,
            ..Settings::default()
        },
        stop_within: args.stop_timeout,
    };
    let mut signals = Signals::listen().map_err(internal)?;
    let s3 = connect(&args.connect.into()).await?;
    let stop = async move {
        signals.next().await;
        voice.say(
            "stopping: cancelling jobs and removing what they uploaded (once more to leave at once, and have it removed by the next coordinator)",
        );
        signals.next_exits();
    };
    serve(options, s3, |ready| say_ready(&ready, voice), stop).await.map_err(failure)?;
    Ok(ExitCode::SUCCESS)
}

fn say_ready(ready: &Ready, voice: Voice) {
    let Ready { nodes, api, recovered } = ready;
    for upload in &recovered.removed {
        voice.say(&format!("removed an upload to {} that a coordinator before left", upload.destination));
    }
    for warning in &recovered.warnings {
        voice.say(&format!("warning: {warning}"));
    }
    let mut text = format!("ready: nodes dial {nodes}, jobs are taken at http://{api}");
    if !recovered.removed.is_empty() {
        text.push_str(&format!("; {} removed", count(recovered.removed.len() as u64, "old upload")));
    }
    let value = serde_json::json!({
        "nodes": nodes, "api": format!("http://{api}"),
        "removed_uploads": recovered.removed, "warnings": recovered.warnings,
    });
    voice.result(&text, &value);
}

fn failure(error: ServeError) -> Failure {
    let kind = match &error {
        ServeError::ApiExposed(_) | ServeError::Nodes(_) | ServeError::Api { .. } => FailureKind::BadRequest,
        ServeError::State(failure) => failure.kind,
        ServeError::Failed(_) => FailureKind::Internal,
        ServeError::StoppedLate(_) => FailureKind::Unavailable,
    };
    Failure::new(kind, error.to_string())
}
