//! `zipfleet node`: one node of a fleet, until it is told to stop or its machine is about to be taken away.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use node_agent::{NodeConfig, RunError, interruption, memory_here, metadata_url, run as work};
use proto::failure::{Failure, FailureKind};
use proto_session::{Dialer, Identity, TlsFiles};

use super::{connect, load_tls};
use crate::args::{CertRole, HostPort, NodeArgs, Start};
use crate::failures::{internal, usage};
use crate::network::bytes_per_second;
use crate::output::{Voice, size};
use crate::signals::Signals;

pub(super) async fn run(start: Start<NodeArgs>, voice: Voice) -> Result<ExitCode, Failure> {
    let args = start.settings;
    let (coordinator, files) = args.check().map_err(usage)?;
    let tls = load_tls(files.as_ref(), CertRole::Node)?;
    fits(args.resources.memory)?;
    if start.check_config {
        return checked(&args, &coordinator, files.as_ref(), voice);
    }
    let dialer = Dialer::new(coordinator.to_string(), tls);
    let signals = Signals::listen().map_err(internal)?;
    let s3 = connect(&args.connect.into()).await?;
    let config = NodeConfig {
        name: args.name,
        memory_bytes: args.resources.memory,
        concurrency: args.resources.concurrency,
        network_bytes_per_second: bytes_per_second(&s3, args.resources.bandwidth).await,
        keep_warm: args.keep_warm,
    };
    voice.say(&format!("node {} dials {coordinator}; Ctrl-C ends it", config.name));
    work(config, dialer, s3, told_to_leave(signals, args.stop_timeout, voice)).await.map_err(failure)?;
    voice.say("left: nothing is unfinished here");
    Ok(ExitCode::SUCCESS)
}

/// A node that uses more than there is would be killed in the middle of its work, again and again.
fn fits(memory_bytes: u64) -> Result<(), Failure> {
    match memory_here().filter(|here| memory_bytes > *here) {
        Some(here) => Err(usage(format!(
            "--memory {} is more than the {} there are for it here: leave it out, or give less",
            size(memory_bytes),
            size(here)
        ))),
        None => Ok(()),
    }
}

/// Says what the node would do.
fn checked(
    args: &NodeArgs,
    coordinator: &HostPort,
    tls: Option<&TlsFiles>,
    voice: Voice,
) -> Result<ExitCode, Failure> {
    // The coordinator would refuse it, on another machine, for as long as it asks.
    let identity = tls.map(|files| Identity::read(&files.cert)).transpose();
    if let Some(identity) = identity.map_err(|error| usage(error.to_string()))? {
        identity.may_be_called(&args.name).map_err(usage)?;
    }
    let NodeArgs { name, resources, keep_warm, stop_timeout, .. } = args;
    let with = if tls.is_some() { "certificates" } else { "no encryption" };
    let text = format!(
        "in order, and nothing was started: node {name} would dial {coordinator} with {with}, use {} for {} requests at a time, and leave within {stop_timeout:?} when told to",
        size(resources.memory),
        resources.concurrency
    );
    let value = serde_json::json!({
        "name": name, "coordinator": coordinator.to_string(), "tls": tls.is_some(),
        "memory_bytes": resources.memory, "concurrency": resources.concurrency,
        "keep_warm": keep_warm, "stop_timeout_ms": stop_timeout.as_millis(),
    });
    voice.result(&text, &value);
    Ok(ExitCode::SUCCESS)
}

/// Waits until the node is to leave; gives the time it has for that.
async fn told_to_leave(mut signals: Signals, stop_timeout: Duration, voice: Voice) -> Instant {
    tokio::select! {
        _ = signals.next() => voice.say("leaving: ending what is begun (once more to leave at once)"),
        () = taken_away() => {}
    }
    signals.next_exits();
    Instant::now() + stop_timeout
}

async fn taken_away() {
    let Some(url) = metadata_url() else { return std::future::pending().await };
    let notice = interruption(&url).await;
    tracing::warn!(action = notice.action, time = notice.time, "this spot instance will be interrupted");
}

fn failure(error: RunError) -> Failure {
    let kind = match &error {
        RunError::Start(_) => FailureKind::Internal,
        RunError::Unheard => FailureKind::Unavailable,
    };
    Failure::new(kind, error.to_string())
}
