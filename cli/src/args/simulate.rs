//! `simulate`: a fleet in virtual time.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand};
use proto::job::Goal;
use proto::limits::{NODE_CONCURRENCY_MAX, NODES_MAX_DEFAULT, PART_BYTES_MIN};
use simulations::study::Axis;

use crate::units::parse_bytes;

/// Most objects of a simulation: ten times what it is measured with.
const OBJECTS_MAX: u64 = 10_000_000;
/// Most runs of a simulation.
const RUNS_MAX: u64 = 10_000;
/// Most storms at a time: a day's worth.
const STORMS_MAX: u64 = 100_000_000;

/// `simulate`.
#[derive(Clone, Debug, ClapArgs)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct SimulateArgs {
    /// What else to tell.
    #[command(subcommand)]
    pub(crate) what: Option<SimulateCommand>,
    #[command(flatten)]
    pub(crate) world: WorldArgs,
    /// Where chance begins: the same seed tells the same.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    /// How often to run it, each time with other chance.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=RUNS_MAX))]
    pub(crate) runs: u64,
    /// Weather so many storms instead, one for each seed from --seed on: a fleet to which everything happens that can
    /// go wrong, and what must hold whatever happens.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=STORMS_MAX), conflicts_with_all = ["WorldArgs", "runs", "sweep", "html", "csv", "model"])]
    pub(crate) swarm: Option<u64>,
    /// Study what differs in one thing as well: nodes, sizes, populations, goals, stragglers or lost (repeatable).
    #[arg(long, value_name = "AXIS")]
    pub(crate) sweep: Vec<Axis>,
    /// Write one HTML file with plots; with a sweep over nodes, unless another is asked for.
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// Write the sweeps as CSV.
    #[arg(long, value_name = "FILE", requires = "sweep")]
    pub(crate) csv: Option<PathBuf>,
    /// Take S3 and machines to be as in this file, which begins as `zipfleet simulate model` prints it.
    #[arg(long, value_name = "FILE")]
    pub(crate) model: Option<PathBuf>,
}

/// What is simulated.
#[derive(Clone, Debug, ClapArgs)]
#[command(next_help_heading = "What is simulated")]
pub(crate) struct WorldArgs {
    /// Objects to be archived.
    #[arg(long, value_name = "N", default_value_t = 3_000, value_parser = clap::value_parser!(u64).range(1..=OBJECTS_MAX))]
    pub(crate) objects: u64,
    /// Their mean size.
    #[arg(long, value_name = "SIZE", default_value = "5MB", value_parser = parse_bytes)]
    pub(crate) size: u64,
    /// Standard deviation of their sizes.
    #[arg(long, value_name = "SIZE", default_value = "1MB", value_parser = parse_bytes)]
    pub(crate) spread: u64,
    /// Machines that make the archive.
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = nodes)]
    pub(crate) nodes: usize,
    /// What machines they are: one of the model's instances.
    #[arg(long, value_name = "NAME", default_value = "c7gn.xlarge")]
    pub(crate) instance: String,
    /// Requests a node keeps in flight at most [default: 10 for each Gbit/s of its network, at least 32].
    #[arg(long, value_name = "N", value_parser = concurrency)]
    pub(crate) concurrency: Option<usize>,
    /// Memory a node uses [default: three quarters of its machine's].
    #[arg(long, value_name = "SIZE", value_parser = parse_bytes)]
    pub(crate) memory: Option<u64>,
    /// What the archive is made for: speed, balanced or price.
    #[arg(long, value_name = "GOAL", default_value = "speed")]
    pub(crate) goal: Goal,
    /// Size aimed at for parts [default: the planner decides].
    #[arg(long, value_name = "SIZE", value_parser = part_size)]
    pub(crate) part_size: Option<u64>,
    /// The share of nodes that do everything at a tenth of the speed, for example 0.1.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, value_parser = share)]
    pub(crate) stragglers: f64,
    /// Machines that are lost without a word while the archive is made, as spot machines may be.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) lost: usize,
}

/// What else there is to tell.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum SimulateCommand {
    /// Print what our plans and those of other public programs take, in Markdown, and play the latter in virtual time.
    Rivals {
        /// Take S3 and machines to be as in this file when playing.
        #[arg(long, value_name = "FILE")]
        model: Option<PathBuf>,
    },
    /// Print what S3 and machines are taken to be, each number with its source, as a file for --model.
    Model,
}

fn nodes(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (1..=NODES_MAX_DEFAULT).contains(number));
    number.ok_or_else(|| format!("a whole number from 1 to {NODES_MAX_DEFAULT} is needed"))
}

fn concurrency(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (1..=NODE_CONCURRENCY_MAX).contains(number));
    number.ok_or_else(|| format!("a whole number from 1 to {NODE_CONCURRENCY_MAX} is needed"))
}

fn share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "a share from 0 to 1 is needed, for example 0.1".to_owned())
}

fn part_size(text: &str) -> Result<u64, String> {
    let bytes = parse_bytes(text)?;
    if bytes < PART_BYTES_MIN { Err("S3 takes no parts below 5MiB".to_owned()) } else { Ok(bytes) }
}
