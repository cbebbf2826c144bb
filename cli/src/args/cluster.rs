//! The verbs that talk to a cluster.

use std::path::PathBuf;

use clap::Args as ClapArgs;
use proto::api::Submission;
use proto::job::{JobId, JobSpec, Priority};
use proto::limits::{BATCH_JOBS_DEFAULT, BATCH_JOBS_MAX};
use proto::view::JobState;

use super::JobArgs;
use super::roles::parse_node_name;

/// What stands above the flags of a submission.
const SUBMISSION: &str = "Submission";

/// Which cluster. The token that says who asks comes from ZIPFLEET_TOKEN or a file, never from a flag: others on this
/// machine see flags.
#[derive(Clone, Debug, ClapArgs)]
#[command(next_help_heading = "Cluster")]
pub(crate) struct ClusterArgs {
    /// Where its coordinator takes jobs: http://HOST:PORT or https://HOST:PORT.
    #[arg(long, value_name = "URL", env = "ZIPFLEET_CLUSTER", default_value = "http://127.0.0.1:7401")]
    pub(crate) cluster: String,
    /// An authority to trust beside those of this machine: certificates in PEM, or env:NAME for those in that variable.
    #[arg(long, value_name = "FILE", env = "ZIPFLEET_CLUSTER_CA")]
    pub(crate) cluster_ca: Option<PathBuf>,
    /// A file with the token that the cluster knows you by [otherwise: ZIPFLEET_TOKEN]. There is no flag for the token
    /// itself, which others on this machine would see.
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
}

/// `submit`.
#[derive(Clone, Debug, ClapArgs)]
#[command(
    override_usage = "zipfleet submit [OPTIONS] SOURCE... DEST\n       zipfleet submit [OPTIONS] --batch FILE"
)]
pub(crate) struct SubmitArgs {
    #[command(flatten)]
    job: JobArgs,
    /// How much of the fleet it gets while other jobs want it too: low, normal or high.
    #[arg(long, value_name = "PRIORITY", default_value = "normal", help_heading = SUBMISSION)]
    priority: Priority,
    /// Wait until it has ended, showing progress.
    #[arg(long, help_heading = SUBMISSION)]
    pub(crate) wait: bool,
    /// Submitted again with the same key, it is the same job [default: a new one, so that an answer that is lost on the
    /// way does no harm].
    #[arg(long, value_name = "KEY", help_heading = SUBMISSION)]
    pub(crate) idempotency_key: Option<String>,
    /// Where the cluster is to POST how it ended.
    #[arg(long, value_name = "URL", help_heading = SUBMISSION)]
    callback: Option<String>,
    #[command(flatten)]
    pub(crate) batch: BatchArgs,
    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,
}

impl SubmitArgs {
    /// The job asked for.
    pub(crate) fn submission(&self) -> Result<Submission, String> {
        let spec = JobSpec { priority: self.priority, ..self.job.spec()? };
        Ok(Submission {
            idempotency_key: self.idempotency_key.clone(),
            callback: self.callback.clone(),
            ..Submission::of(&spec)
        })
    }
}

/// `submit --batch`.
#[derive(Clone, Debug, ClapArgs)]
#[command(next_help_heading = "Many jobs")]
pub(crate) struct BatchArgs {
    /// Have all jobs of a file made, a line each, and wait for them: JSON as the job API takes it, or CSV that begins
    /// with the names of its columns (source, destination, priority, include, exclude, strip_prefix, no_overwrite,
    /// part_size, goal, unsafe_names, name); `-` is standard input. Run again, it goes on where it stopped, and tries again
    /// what failed.
    #[arg(
        id = "batch",
        long = "batch",
        value_name = "FILE",
        conflicts_with_all = [
            "addresses", "include", "exclude", "strip_prefix", "unsafe_names", "no_overwrite", "part_size", "goal", "priority",
            "wait", "idempotency_key", "callback",
        ]
    )]
    pub(crate) file: Option<PathBuf>,
    /// Jobs of the batch at a time.
    #[arg(
        id = "batch_concurrency",
        long = "concurrency",
        value_name = "N",
        default_value_t = BATCH_JOBS_DEFAULT,
        requires = "batch",
        conflicts_with = "addresses",
        value_parser = clap::value_parser!(u64).range(1..=BATCH_JOBS_MAX)
    )]
    pub(crate) concurrency: u64,
    /// Where to write how each job of the batch ended, which is also how it knows what need not be done again
    /// [default: FILE.results.jsonl; none for standard input].
    #[arg(long, value_name = "PATH", requires = "batch", conflicts_with = "addresses")]
    pub(crate) results: Option<PathBuf>,
}

/// `jobs`.
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct JobsArgs {
    /// Only those that are waiting, running, completed, failed or cancelled.
    #[arg(long, value_name = "STATE")]
    pub(crate) state: Option<JobState>,
    /// At most so many, the last submitted first [default: all].
    #[arg(long, value_name = "N", default_value_t = usize::MAX, hide_default_value = true)]
    pub(crate) limit: usize,
    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,
}

/// `watch`, `explain`, `cancel`.
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct OneJobArgs {
    /// The job's id, as `submit` said it and `jobs` lists it.
    pub(crate) job: JobId,
    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,
}

/// `status`.
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    pub(crate) job: OneJobArgs,
    /// Show a URL as well, at which anybody who has it can download the archive for so many seconds.
    #[arg(long, value_name = "N")]
    pub(crate) url_seconds: Option<u64>,
}

/// `report`.
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct ReportArgs {
    #[command(flatten)]
    pub(crate) job: OneJobArgs,
    /// Print all entries and nothing else: name, size, CRC-32, ETag, bucket and key, with tabs between them.
    #[arg(long)]
    pub(crate) entries: bool,
}

/// `nodes`.
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct NodesArgs {
    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,
}

/// `health`.
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct HealthArgs {
    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,
}

/// `drain`.
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct DrainArgs {
    /// The nodes' names, as `nodes` lists them.
    #[arg(value_name = "NODE", required = true, value_parser = parse_node_name)]
    pub(crate) nodes: Vec<String>,
    /// Wait until they have left.
    #[arg(long)]
    pub(crate) wait: bool,
    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,
}
