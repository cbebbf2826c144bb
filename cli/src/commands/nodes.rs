//! `zipfleet nodes`: a cluster's nodes.

use std::process::ExitCode;

use proto::failure::Failure;
use proto::location::printable;
use proto::requests::RequestCounts;
use proto::view::NodeState;

use crate::args::NodesArgs;
use crate::cluster::Cluster;
use crate::output::{Voice, size, table};

pub(super) async fn run(args: NodesArgs, voice: Voice) -> Result<ExitCode, Failure> {
    let nodes = Cluster::of(&args.cluster)?.nodes().await?;
    let rows = nodes.iter().map(|node| {
        let state = match node.state {
            NodeState::Active => "active",
            NodeState::Silent => "silent",
            NodeState::Draining => "draining",
        };
        [
            printable(&node.name),
            state.to_owned(),
            printable(&node.version),
            node.cores.to_string(),
            told(node.vitals.resident_bytes, || format!("{:.1} s", node.vitals.cpu_ms as f64 / 1e3)),
            told(node.vitals.resident_bytes, || size(node.vitals.resident_bytes)),
            size(node.body_budget_bytes),
            node.vitals.concurrency.to_string(),
            node.attempts.to_string(),
            size(node.queued_bytes),
            format!("{}/s", size(node.bytes_per_second)),
            reused(&node.vitals.requests),
        ]
    });
    let heads = [
        "node",
        "state",
        "version",
        "cores",
        "processor time",
        "memory",
        "for parts",
        "requests at most",
        "attempts",
        "queued",
        "speed",
        "reused connections",
    ];
    voice.result(&table(heads, rows), &nodes);
    Ok(ExitCode::SUCCESS)
}

/// What a node takes; a dash where its system does not tell, as it then does not of its memory.
fn told(resident_bytes: u64, what: impl FnOnce() -> String) -> String {
    if resident_bytes == 0 { "-".to_owned() } else { what() }
}

/// The share of requests that found a connection open.
fn reused(counts: &RequestCounts) -> String {
    let all = counts.total();
    if all == 0 {
        return "-".to_owned();
    }
    let reusing = all.saturating_sub(counts.connections_opened);
    format!("{:.1} %", reusing as f64 / all as f64 * 1e2)
}
