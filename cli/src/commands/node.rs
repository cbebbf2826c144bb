//! `zipfleet node`: one node of a fleet, until it is told to stop or its machine is about to be taken away.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use node_agent::{NodeConfig, RunError, interruption, metadata_url, run as work};
use proto::failure::{Failure, FailureKind};
use proto_session::Dialer;

use super::{connect, load_tls};
use crate::args::{CertRole, NodeArgs};
use crate::failures::{internal, usage};
use crate::network::bytes_per_second;
use crate::output::Voice;
use crate::signals::Signals;

pub(super) async fn run(args: NodeArgs, voice: Voice) -> Result<ExitCode, Failure> {
    let (coordinator, tls) = args.check().map_err(usage)?;
    let dialer = Dialer::new(coordinator.to_string(), load_tls(tls.as_ref(), CertRole::Node)?);
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
