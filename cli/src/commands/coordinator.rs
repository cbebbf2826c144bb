//! `zipfleet coordinator`: the fleet's coordinator, until it is told to stop.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use coordinator::machine::Settings;
use coordinator_server::{ApiOptions, Ready, ServeError, ServeOptions, Tokens, serve};
use proto::failure::{Failure, FailureKind};
use proto_session::{ServerTls, read_secret};

use super::{connect, load_tls};
use crate::args::{ApiArgs, CertRole, CoordinatorArgs, Start};
use crate::failures::{internal, usage};
use crate::output::{Voice, count};
use crate::signals::Signals;

pub(super) async fn run(start: Start<CoordinatorArgs>, voice: Voice) -> Result<ExitCode, Failure> {
    let args = start.settings;
    let (state, tls) = args.check().map_err(usage)?;
    let scheme = if args.api.check().map_err(usage)?.is_some() { "https" } else { "http" };
    let options = ServeOptions {
        listen: args.listen,
        tls: load_tls(tls.as_ref(), CertRole::Coordinator)?,
        allow_plaintext: args.tls.allow_plaintext,
        api: api_options(&args.api)?,
        state,
        nodes_max: args.nodes_max,
        settings: Settings {
            jobs_running: args.jobs_running,
            jobs_waiting: args.jobs_waiting,
            ..Settings::default()
        },
        stop_within: args.stop_timeout,
        emf: args.emf,
    };
    if start.check_config {
        return Ok(checked(&options, scheme, voice));
    }
    let mut signals = Signals::listen().map_err(internal)?;
    let s3 = connect(&args.connect.into()).await?;
    let stop = async move {
        signals.next().await;
        voice.say(
            "stopping: cancelling jobs and removing what they uploaded (once more to leave at once, and have it removed by the next coordinator)",
        );
        signals.next_exits();
    };
    serve(options, s3, |ready| say_ready(&ready, scheme, voice), stop).await.map_err(failure)?;
    Ok(ExitCode::SUCCESS)
}

/// What the job API is run with, read from the files it is in.
fn api_options(args: &ApiArgs) -> Result<ApiOptions, Failure> {
    let tls = args.check().map_err(usage)?;
    let tls = tls.map(|(cert, key)| ServerTls::load(&cert, &key)).transpose();
    let tokens = args.tokens.as_deref().map(Tokens::load).transpose();
    let callback_key = args.callback_key_file.as_deref().map(callback_key).transpose()?;
    Ok(ApiOptions {
        listen: args.api,
        tls: tls.map_err(|error| usage(error.to_string()))?,
        tokens: tokens.map_err(|error| usage(error.to_string()))?,
        callback_key,
    })
}

fn callback_key(path: &Path) -> Result<Arc<[u8]>, Failure> {
    let unreadable = |error| usage(format!("cannot read {}: {error}", path.display()));
    let key = read_secret(path).map_err(unreadable)?;
    // An editor's last line end is no part of it.
    let key = key.trim_ascii_end();
    if key.is_empty() {
        return Err(usage(format!("{} is empty: a key signs callbacks", path.display())));
    }
    Ok(key.into())
}

/// Says what the coordinator would do.
fn checked(options: &ServeOptions, scheme: &str, voice: Voice) -> ExitCode {
    let ServeOptions { listen, tls, api, state, stop_within, .. } = options;
    let with = if tls.is_some() { "certificates" } else { "no encryption" };
    let whose = if api.tokens.is_some() { "whoever has a token" } else { "everybody on this machine" };
    let (url, state) =
        (format!("{scheme}://{}", api.listen), format!("s3://{}/{}", state.bucket, state.prefix));
    let text = format!(
        "in order, and nothing was started: nodes would dial {listen} with {with}, jobs be taken at {url} from {whose}, records be kept below {state}, and jobs be cancelled within {stop_within:?} when it is told to stop"
    );
    let value = serde_json::json!({
        "nodes": listen, "tls": tls.is_some(), "api": url, "tokens": api.tokens.is_some(),
        "state": state, "stop_timeout_ms": stop_within.as_millis(),
    });
    voice.result(&text, &value);
    ExitCode::SUCCESS
}

fn say_ready(ready: &Ready, scheme: &str, voice: Voice) {
    let Ready { nodes, api, recovered } = ready;
    for upload in &recovered.removed {
        voice.say(&format!("removed an upload to {} that a coordinator before left", upload.destination));
    }
    for warning in &recovered.warnings {
        voice.say(&format!("warning: {warning}"));
    }
    let mut text = format!("ready: nodes dial {nodes}, jobs are taken at {scheme}://{api}");
    if !recovered.removed.is_empty() {
        text.push_str(&format!("; {} removed", count(recovered.removed.len() as u64, "old upload")));
    }
    let value = serde_json::json!({
        "nodes": nodes, "api": format!("{scheme}://{api}"),
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
