//! `load`.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::Args as ClapArgs;
use proto::limits::LOAD_ARRIVALS_MAX;
use proto::location::{Source, parse_source};

use super::{ClusterArgs, ConnectArgs};
use crate::load::arrivals::Shape;
use crate::units::{parse_duration, parse_rate};

/// What stands above the flags that say when jobs arrive.
const ARRIVALS: &str = "Arrivals";
/// What stands above the flags that say what is told.
const RESULTS: &str = "Limit and results";

/// `load`.
#[derive(Clone, Debug, ClapArgs)]
#[command(
    override_usage = "zipfleet load [OPTIONS] --mix FILE --to PREFIX --rate RATE --for TIME\n       zipfleet load --compare FIRST SECOND"
)]
pub(crate) struct LoadArgs {
    /// What archives are asked for, how often and by whom, in TOML: see docs/load.md.
    #[arg(long, value_name = "FILE", required_unless_present = "compare")]
    pub(crate) mix: Option<PathBuf>,
    /// Where archives go: s3://bucket/prefix/. They are removed as they are done.
    #[arg(long, value_name = "PREFIX", required_unless_present = "compare")]
    to: Option<String>,
    /// Leave the archives where they are.
    #[arg(long)]
    pub(crate) keep: bool,
    /// How often a job arrives, for example 5/s or 30/m.
    #[arg(long, value_name = "RATE", value_parser = parse_rate, help_heading = ARRIVALS)]
    rate: Option<f64>,
    /// For how long jobs arrive, for example 30s or 5m.
    #[arg(long = "for", id = "for", value_name = "TIME", value_parser = parse_duration, help_heading = ARRIVALS)]
    length: Option<Duration>,
    /// How arrivals are spread: poisson, each by itself; bursts, all within 2 of 10 seconds; ramp, rising to the rate;
    /// trace:FILE, at the times in a file, a line each with seconds and the population if it matters.
    #[arg(long, value_name = "HOW", default_value = "poisson", help_heading = ARRIVALS)]
    pub(crate) arrivals: ArrivalsArg,
    /// Where chance begins: the same gives the same arrivals.
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = ARRIVALS)]
    pub(crate) seed: u64,
    /// Within what time 99 % of the arrivals are to be archives; exit code 16 if they are not.
    #[arg(long, value_name = "TIME", value_parser = parse_duration, help_heading = RESULTS)]
    pub(crate) p99: Option<Duration>,
    /// Look for the highest rate at which they are, in several rounds, of which --rate is the first.
    #[arg(long, requires = "p99", help_heading = RESULTS)]
    pub(crate) find_limit: bool,
    /// Write a report with plots there, as one page.
    #[arg(long, value_name = "FILE", help_heading = RESULTS)]
    pub(crate) html: Option<PathBuf>,
    /// Write all figures there, in JSON, for --compare or programs.
    #[arg(long, value_name = "FILE", help_heading = RESULTS)]
    pub(crate) results: Option<PathBuf>,
    /// Show what is better and what is worse in the second of two files that --results or --json wrote; exit code 16
    /// if anything is worse.
    #[arg(
        long,
        num_args = 2,
        value_names = ["FIRST", "SECOND"],
        help_heading = RESULTS,
        conflicts_with_all = ["mix", "to", "keep", "rate", "for", "arrivals", "seed", "p99", "find_limit", "html", "results"]
    )]
    pub(crate) compare: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,
    #[command(flatten)]
    pub(crate) connect: ConnectArgs,
}

/// How arrivals are spread.
#[derive(Clone, Debug)]
pub(crate) enum ArrivalsArg {
    /// By chance, in this way.
    Shape(Shape),
    /// As this file says.
    Trace(PathBuf),
}

impl FromStr for ArrivalsArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix("trace:") {
            Some(file) => Ok(Self::Trace(file.into())),
            None => text.parse().map(Self::Shape),
        }
    }
}

impl LoadArgs {
    /// Bucket and prefix of all archives.
    pub(crate) fn destination(&self) -> Result<(String, String), String> {
        let text = self.to.as_deref().expect("it is required unless two loads are compared");
        match parse_source(text).map_err(|error| error.to_string())? {
            Source::Prefix { bucket, prefix } => Ok((bucket, prefix)),
            _ => Err(format!("--to {text}: write s3://bucket/prefix/, below which archives go")),
        }
    }

    /// How often a job arrives a second and for how many seconds, of arrivals that are left to chance.
    pub(crate) fn by_chance(&self) -> Result<(f64, f64), String> {
        let (Some(rate), Some(length)) = (self.rate, self.length) else {
            return Err("--rate and --for are needed, for example --rate 5/s --for 1m".to_owned());
        };
        let seconds = length.as_secs_f64();
        if seconds == 0.0 || rate * seconds > LOAD_ARRIVALS_MAX as f64 {
            return Err(format!("--rate times --for must give 1 to {LOAD_ARRIVALS_MAX} arrivals"));
        }
        Ok((rate, seconds))
    }

    /// Of a trace, until when it is followed, in seconds.
    pub(crate) fn of_trace(&self) -> Result<f64, String> {
        if self.rate.is_some() || self.find_limit {
            return Err("a trace has its own rate: leave out --rate and --find-limit".to_owned());
        }
        Ok(self.length.map_or(f64::INFINITY, |length| length.as_secs_f64()))
    }
}
