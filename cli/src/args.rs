//! The command line.

mod api;
mod certs;
mod cluster;
mod help;
mod load;
mod roles;
mod simulate;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args as ClapArgs, Parser, Subcommand};
use proto::job::{Goal, JobSpec, UnsafeNames};
use proto::limits::{
    NODE_CONCURRENCY_DEFAULT, NODE_CONCURRENCY_MAX, NODE_MEMORY_MIN, PART_BYTES_MIN, PROCESS_OVERHEAD_BYTES,
    REQUEST_OVERHEAD_BYTES,
};
use proto::location::{Location, Source, parse_object, parse_source};

use simulations_s3::{Denial, Fault, ModelEntry, ThrottleEntry};

pub(crate) use api::{ApiArgs, NewTokenArgs, TokensCommand};
pub(crate) use certs::{CertRole, CertsCommand, InitArgs, IssueArgs};
pub(crate) use cluster::{
    BatchArgs, ClusterArgs, DrainArgs, HealthArgs, JobsArgs, NodesArgs, OneJobArgs, ReportArgs, StatusArgs,
    SubmitArgs,
};
pub(crate) use help::{CompletionsArgs, ManArgs};
pub(crate) use load::{ArrivalsArg, LoadArgs};
pub(crate) use roles::{ConfigArgs, CoordinatorArgs, HostPort, NodeArgs, REQUIRED, Start, host_name};
pub(crate) use simulate::{SimulateArgs, SimulateCommand};

use crate::logging::LogFormat;
use crate::units::parse_bytes;

/// Turns any set of S3 objects into one ZIP archive in S3.
#[derive(Debug, Parser)]
#[command(name = "zipfleet", version, max_term_width = 100, propagate_version = true)]
pub(crate) struct Args {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Print the result as one JSON object on standard output.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Say nothing but errors.
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    /// Log what happens, on standard error; twice for every request.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// How the log is written.
    #[arg(long, global = true, value_name = "FORMAT", env = "ZIPFLEET_LOG_FORMAT", default_value = "text")]
    pub(crate) log_format: LogFormat,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Archive objects into one ZIP in S3.
    Zip(ZipArgs),
    /// Read an archive back and check every byte of it.
    Verify(VerifyArgs),
    /// Serve S3 from memory, for trying and testing.
    S3(S3Args),
    /// Show it all in a minute: a private S3, an archive made by several nodes, verified.
    Demo(DemoArgs),
    /// Make an archive in virtual time, with a fleet and an S3 that do not exist, and tell what it takes.
    Simulate(SimulateArgs),
    /// Coordinate a fleet of nodes, until told to stop.
    Coordinator(Start<CoordinatorArgs>),
    /// Work for a coordinator, until told to stop.
    Node(Start<NodeArgs>),
    /// Show a role's settings and where each came from.
    Config(ConfigArgs),
    /// Make an authority and certificates for a fleet that has none.
    #[command(subcommand)]
    Certs(CertsCommand),
    /// Make tokens for those who call a cluster.
    #[command(subcommand)]
    Tokens(TokensCommand),
    /// Have a cluster make an archive, or many.
    Submit(SubmitArgs),
    /// List a cluster's jobs.
    Jobs(JobsArgs),
    /// Show how far a job has come, or how it ended.
    Status(StatusArgs),
    /// Watch a job until it has ended.
    Watch(OneJobArgs),
    /// Show what was archived, who did what, and what it took.
    Report(ReportArgs),
    /// Show who did what for a job, and why.
    Explain(OneJobArgs),
    /// End a job and remove what it uploaded.
    Cancel(OneJobArgs),
    /// Ask whether a cluster takes jobs; the exit code tells it to whoever watches over containers.
    Health(HealthArgs),
    /// Put a load on a cluster and measure how it bears it, or compare two loads.
    Load(LoadArgs),
    /// List a cluster's nodes.
    Nodes(NodesArgs),
    /// Have nodes finish or hand back what they have, and leave.
    Drain(DrainArgs),
    /// Print what a shell needs to complete zipfleet's commands and flags.
    Completions(CompletionsArgs),
    /// Print the manual page, or write those of all commands.
    Man(ManArgs),
}

impl Command {
    /// Whether it runs until it is told to stop, and logs what happens meanwhile.
    pub(crate) fn is_role(&self) -> bool {
        matches!(self, Self::Coordinator(_) | Self::Node(_))
    }
}

/// How S3 is reached; everything else comes from where the AWS CLI takes it.
#[derive(Clone, Debug, Default, ClapArgs)]
#[command(next_help_heading = "S3")]
pub(crate) struct ConnectArgs {
    /// Where S3 is, if not at AWS [otherwise: AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, profile].
    #[arg(long, value_name = "URL")]
    endpoint_url: Option<String>,
    /// The buckets' region [otherwise: AWS_REGION, AWS_DEFAULT_REGION, profile, instance].
    #[arg(long)]
    region: Option<String>,
    /// The profile of ~/.aws to use [otherwise: AWS_PROFILE].
    #[arg(long)]
    profile: Option<String>,
}

impl From<ConnectArgs> for proto_s3::Options {
    fn from(args: ConnectArgs) -> Self {
        Self { endpoint_url: args.endpoint_url, region: args.region, profile: args.profile, keys: None }
    }
}

/// `s3`.
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct S3Args {
    /// Where to listen; more than this machine itself only with --allow-others.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9000")]
    pub(crate) listen: SocketAddr,
    /// Let others reach it, although everyone knows its keys: for containers among themselves.
    #[arg(long)]
    pub(crate) allow_others: bool,
    /// Make an empty bucket (repeatable).
    #[arg(long, value_name = "NAME", default_value = "out")]
    pub(crate) bucket: Vec<String>,
    /// Load the files below a directory into a bucket, `data` unless named (repeatable).
    #[arg(long, value_name = "[BUCKET=]DIR")]
    pub(crate) data: Vec<String>,
    /// Make synthetic objects that take no memory, for example load/small-:100000:10kB (repeatable).
    #[arg(long, value_name = "BUCKET/PREFIX:COUNT:SIZE")]
    pub(crate) synthetic: Vec<Synthetic>,
    /// Make some requests fail, for example GetObject:503:0.05 (repeatable).
    #[arg(long, value_name = "OP:KIND:PROBABILITY")]
    pub(crate) fault: Vec<Fault>,
    /// Make requests slow or few, for example GetObject=30ms, UploadPart=100MB/s, UploadPart=100/s or
    /// connect=30ms (repeatable).
    #[arg(long, value_name = "OP=VALUE")]
    pub(crate) model: Vec<ModelEntry>,
    /// Make all content of one client slow, for example 10.0.0.2=5MB/s or ACCESS-KEY=5MB/s (repeatable).
    #[arg(long, value_name = "CLIENT=RATE")]
    pub(crate) throttle: Vec<ThrottleEntry>,
    /// Refuse requests, for example GetObject:data/secret/ (repeatable).
    #[arg(long, value_name = "OP:BUCKET/PREFIX")]
    pub(crate) deny: Vec<Denial>,
    /// Copy parts without telling the checksum of what was copied, as some servers do.
    #[arg(long)]
    pub(crate) no_copy_checksum: bool,
    /// Where the chance of faults begins.
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
}

/// Synthetic objects of one size under numbered keys.
#[derive(Clone, Debug)]
pub(crate) struct Synthetic {
    pub(crate) bucket: String,
    pub(crate) prefix: String,
    pub(crate) count: u64,
    pub(crate) bytes: u64,
}

impl FromStr for Synthetic {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no population: write BUCKET/PREFIX:COUNT:SIZE");
        let mut fields = text.rsplitn(3, ':');
        let (size, count, place) = (fields.next(), fields.next(), fields.next());
        let (bucket, prefix) = place.and_then(|place| place.split_once('/')).ok_or_else(wrong)?;
        Ok(Self {
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
            count: count.and_then(|count| count.parse().ok()).ok_or_else(wrong)?,
            bytes: size.map_or_else(|| Err(wrong()), parse_bytes)?,
        })
    }
}

/// `demo`.
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct DemoArgs {
    /// Where to leave the archive.
    #[arg(long, value_name = "FILE", default_value = "zipfleet-demo.zip")]
    pub(crate) output: PathBuf,
    /// Nodes that make it.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub(crate) nodes: u8,
}

/// Which objects, under which names.
#[derive(Clone, Debug, ClapArgs)]
#[command(next_help_heading = "Selection and names")]
pub(crate) struct NameArgs {
    /// Keep only objects whose entry name matches; `*` matches slashes too (repeatable).
    #[arg(long, value_name = "GLOB")]
    include: Vec<String>,
    /// Leave out objects whose entry name matches (repeatable).
    #[arg(long, value_name = "GLOB")]
    exclude: Vec<String>,
    /// Take this off the front of every key, instead of the source's own folder; empty keeps whole keys.
    #[arg(long, value_name = "PREFIX")]
    strip_prefix: Option<String>,
    /// What to do with keys that no reader could extract safely: fail, map or skip.
    #[arg(long, value_name = "POLICY", default_value = "fail")]
    unsafe_names: UnsafeNames,
}

/// What a node may use.
#[derive(Clone, Copy, Debug, ClapArgs)]
#[command(next_help_heading = "Resources")]
pub(crate) struct ResourceArgs {
    /// Requests in flight at a time.
    #[arg(long, value_name = "N", default_value_t = NODE_CONCURRENCY_DEFAULT)]
    pub(crate) concurrency: usize,
    /// Memory to use, whatever the objects' sizes.
    #[arg(long, value_name = "SIZE", default_value = "256MiB", value_parser = parse_bytes)]
    pub(crate) memory: u64,
    /// What the network carries each way in a second, for example 1250MB [default: 10 Gbit/s near S3, 100 Mbit/s far
    /// from it].
    #[arg(long, value_name = "SIZE", value_parser = parse_bytes)]
    pub(crate) bandwidth: Option<u64>,
}

impl ResourceArgs {
    /// Refuses what cannot work, with what would.
    pub(crate) fn check(self) -> Result<(), String> {
        if !(1..=NODE_CONCURRENCY_MAX).contains(&self.concurrency) {
            return Err(format!(
                "--concurrency must lie between 1 and {NODE_CONCURRENCY_MAX}, not {}",
                self.concurrency
            ));
        }
        if self.bandwidth == Some(0) {
            return Err("--bandwidth must be above 0".to_owned());
        }
        let connections = REQUEST_OVERHEAD_BYTES * self.concurrency as u64;
        let least = (PROCESS_OVERHEAD_BYTES + connections + 3 * PART_BYTES_MIN).max(NODE_MEMORY_MIN);
        if self.memory < least {
            let (concurrency, mib) = (self.concurrency, least.div_ceil(1 << 20));
            return Err(format!(
                "{concurrency} requests in flight need --memory {mib}MiB or more; or lower --concurrency"
            ));
        }
        Ok(())
    }
}

/// What is said when the destination or the sources are missing.
const TOO_FEW: &str = "name at least one source, and last the destination: SOURCE... DEST";

/// An archive to be made.
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct JobArgs {
    /// What to archive, and last where to: s3://bucket/prefix/ or s3://bucket/prefix* for all below,
    /// s3://bucket/key for one object; the destination is one object.
    // One list, not two: clap would end the sources at the first option among them.
    #[arg(value_name = "ADDRESS")]
    addresses: Vec<String>,
    #[command(flatten)]
    names: NameArgs,
    /// Fail if there is an object at DEST already.
    #[arg(long)]
    no_overwrite: bool,
    /// Size of the parts to upload, from 5MiB [default: 16MiB, doubling every 1,000 parts].
    #[arg(long, value_name = "SIZE", value_parser = parse_bytes)]
    part_size: Option<u64>,
    /// What to go for: speed, balanced or price.
    #[arg(long, value_name = "GOAL", default_value = "speed")]
    goal: Goal,
}

impl JobArgs {
    /// The job asked for.
    fn spec(&self) -> Result<JobSpec, String> {
        let [sources @ .., destination] = self.addresses.as_slice() else { return Err(TOO_FEW.to_owned()) };
        if sources.is_empty() {
            return Err(TOO_FEW.to_owned());
        }
        let destination = parse_object(destination).map_err(|error| error.to_string())?;
        let mut spec = job_spec(parse_sources(sources)?, destination, self.names.clone());
        spec.no_overwrite = self.no_overwrite;
        spec.part_bytes = self.part_size;
        spec.goal = self.goal;
        Ok(spec)
    }
}

/// `zip`.
#[derive(Clone, Debug, ClapArgs)]
#[command(override_usage = "zipfleet zip [OPTIONS] SOURCE... DEST")]
pub(crate) struct ZipArgs {
    #[command(flatten)]
    job: JobArgs,
    /// List and plan, explain the plan with its cost, and stop there.
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) resources: ResourceArgs,
    #[command(flatten)]
    pub(crate) connect: ConnectArgs,
}

impl ZipArgs {
    /// The job asked for.
    pub(crate) fn spec(&self) -> Result<JobSpec, String> {
        self.job.spec()
    }
}

/// `verify`.
#[derive(Clone, Debug, ClapArgs)]
#[command(override_usage = "zipfleet verify [OPTIONS] ARCHIVE [--against SOURCE...]")]
pub(crate) struct VerifyArgs {
    /// The archive, as s3://bucket/key.
    archive: String,
    /// Compare with these sources, byte for byte.
    #[arg(long, value_name = "SOURCE", num_args = 1..)]
    against: Vec<String>,
    #[command(flatten)]
    names: NameArgs,
    #[command(flatten)]
    pub(crate) resources: ResourceArgs,
    #[command(flatten)]
    pub(crate) connect: ConnectArgs,
}

impl VerifyArgs {
    /// The archive to look at.
    pub(crate) fn archive(&self) -> Result<Location, String> {
        parse_object(&self.archive).map_err(|error| error.to_string())
    }

    /// The job that should have made it, if it is to be compared with its sources.
    pub(crate) fn expected(&self) -> Result<Option<JobSpec>, String> {
        if self.against.is_empty() {
            return Ok(None);
        }
        Ok(Some(job_spec(parse_sources(&self.against)?, self.archive()?, self.names.clone())))
    }
}

fn parse_sources(texts: &[String]) -> Result<Vec<Source>, String> {
    texts.iter().map(|text| parse_source(text).map_err(|error| error.to_string())).collect()
}

fn job_spec(sources: Vec<Source>, destination: Location, names: NameArgs) -> JobSpec {
    JobSpec {
        include: names.include,
        exclude: names.exclude,
        strip_prefix: names.strip_prefix,
        unsafe_names: names.unsafe_names,
        ..JobSpec::new(sources, destination)
    }
}
