//! `zipfleet drain`: has nodes leave.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::Duration;

use proto::failure::{Failure, FailureKind};

use crate::args::DrainArgs;
use crate::cluster::Cluster;
use crate::failures::internal;
use crate::output::{Voice, count};
use crate::signals::Signals;

/// How often it is looked who is still there.
const LOOK_EVERY: Duration = Duration::from_millis(500);

pub(super) async fn run(args: DrainArgs, voice: Voice) -> Result<ExitCode, Failure> {
    let cluster = Cluster::of(&args.cluster)?;
    let mut signals = Signals::listen().map_err(internal)?;
    let (mut leaving, mut failed) = (BTreeSet::new(), None);
    for node in args.nodes {
        match cluster.drain(&node).await {
            Ok(_) => {
                voice.say(&format!("{node} finishes or hands back what it has, and leaves"));
                leaving.insert(node);
            }
            // The others are asked all the same.
            Err(trouble) => {
                let code = voice.failure(&trouble.failure);
                failed = failed.or(Some(code));
            }
        }
    }
    if args.wait && !leaving.is_empty() {
        tokio::select! {
            gone = gone(&cluster, &leaving) => gone?,
            code = signals.next() => {
                let why = "no longer waiting; the nodes leave all the same: `zipfleet nodes` shows who is there";
                return Ok(voice.failure_with(&Failure::new(FailureKind::Cancelled, why), code));
            }
        }
    }
    if let Some(code) = failed {
        return Ok(code);
    }
    let done = if args.wait { "left" } else { "told to leave" };
    let text = format!("{} {done}", count(leaving.len() as u64, "node"));
    voice.result(&text, &serde_json::json!({ "nodes": leaving, "have_left": args.wait }));
    Ok(ExitCode::SUCCESS)
}

/// Waits until none of these nodes is there.
async fn gone(cluster: &Cluster, leaving: &BTreeSet<String>) -> Result<(), Failure> {
    loop {
        let nodes = cluster.nodes().await?;
        if !nodes.iter().any(|node| leaving.contains(&node.name)) {
            return Ok(());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
