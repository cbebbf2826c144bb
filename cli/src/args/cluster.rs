//! The verbs that talk to a cluster.

use clap::Args as ClapArgs;
use proto::job::{JobId, JobSpec, Priority};

use super::JobArgs;

/// Which cluster.
#[derive(Clone, Debug, ClapArgs)]
#[command(next_help_heading = "Cluster")]
pub(crate) struct ClusterArgs {
    /// Where its coordinator takes jobs.
    #[arg(long, value_name = "URL", env = "ZIPFLEET_CLUSTER", default_value = "http://127.0.0.1:7401")]
    pub(crate) cluster: String,
}

/// `submit`.
#[derive(Clone, Debug, ClapArgs)]
#[command(override_usage = "zipfleet submit [OPTIONS] SOURCE... DEST")]
pub(crate) struct SubmitArgs {
    #[command(flatten)]
    job: JobArgs,
    /// How much of the fleet it gets while other jobs want it too: low, normal or high.
    #[arg(long, value_name = "PRIORITY", default_value = "normal")]
    priority: Priority,
    /// Wait until it has ended, showing progress.
    #[arg(long)]
    pub(crate) wait: bool,
    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,
}

impl SubmitArgs {
    /// The job asked for.
    pub(crate) fn spec(&self) -> Result<JobSpec, String> {
        Ok(JobSpec { priority: self.priority, ..self.job.spec()? })
    }
}

/// `status`, `explain`, `cancel`.
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct OneJobArgs {
    /// The job's id, as `submit` said it and `jobs` lists it.
    pub(crate) job: JobId,
    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,
}
