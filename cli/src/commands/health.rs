//! `zipfleet health`: whether a cluster takes jobs, for whoever starts and replaces containers.

use std::process::ExitCode;

use proto::failure::Failure;

use crate::args::HealthArgs;
use crate::cluster::Cluster;
use crate::output::{Voice, count};

pub(super) async fn run(args: HealthArgs, voice: Voice) -> Result<ExitCode, Failure> {
    let health = Cluster::of(&args.cluster)?.health().await?;
    voice.result(&format!("jobs are taken, with {}", count(health.nodes as u64, "node")), &health);
    Ok(ExitCode::SUCCESS)
}
