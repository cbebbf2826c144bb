//! Many runs of one scenario, and of scenarios that differ in one thing.

use std::str::FromStr;

use proto::failure::Failure;
use proto::job::Goal;
use serde::Serialize;

use crate::fleet::{Scenario, run};
use crate::model::Model;
use crate::outcome::{Phases, Run};
use crate::population::Population;

/// Runs of one scenario with different chance.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Study {
    /// What was simulated.
    pub scenario: Scenario,
    /// Seconds that each run took, the shortest first.
    pub times_s: Vec<f64>,
    /// Half of the runs took no longer, in seconds.
    pub p50_s: f64,
    /// 99 of 100 runs took no longer, in seconds; the longest when there are fewer.
    pub p99_s: f64,
    /// The run at the median.
    pub median: Run,
}

impl Study {
    /// How many times the least time the median took.
    #[must_use]
    pub fn over_floor(&self) -> f64 {
        self.p50_s / self.median.floor.total_s().max(1e-9)
    }
}

/// Runs a scenario `runs` times, at least once; the first with this seed, each other with the next.
///
/// # Errors
/// Why a run failed.
pub fn study(scenario: &Scenario, model: &Model, seed: u64, runs: u64) -> Result<Study, Failure> {
    let mut times: Vec<(f64, u64)> = Vec::new();
    // Runs take memory, so only the last is kept whole; unless it is the one at the median, that is run again.
    let mut last = None;
    for seed in (0..runs.max(1)).map(|number| seed.wrapping_add(number)) {
        let run = run(scenario, model, seed)?;
        times.push((run.total_s, seed));
        last = Some(run);
    }
    times.sort_by(|one, other| one.0.total_cmp(&other.0).then(one.1.cmp(&other.1)));
    let at = |share: f64| times[((times.len() as f64 * share).ceil() as usize).clamp(1, times.len()) - 1];
    let (p50_s, seed) = at(0.5);
    Ok(Study {
        scenario: scenario.clone(),
        p50_s,
        p99_s: at(0.99).0,
        median: match last {
            Some(run) if run.seed == seed => run,
            _ => run(scenario, model, seed)?,
        },
        times_s: times.iter().map(|(time_s, _)| *time_s).collect(),
    })
}

/// The one thing in which scenarios of a sweep differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Axis {
    /// How many machines.
    Nodes,
    /// As many bytes in smaller or larger objects.
    Sizes,
    /// Objects of the kinds of `docs/comparison.md`.
    Populations,
    /// What the archive is made for.
    Goals,
    /// The share of slow nodes.
    Stragglers,
    /// Machines lost without a word.
    Lost,
}

impl Axis {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Nodes, Self::Sizes, Self::Populations, Self::Goals, Self::Stragglers, Self::Lost];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Nodes => "nodes",
            Self::Sizes => "sizes",
            Self::Populations => "populations",
            Self::Goals => "goals",
            Self::Stragglers => "stragglers",
            Self::Lost => "lost",
        }
    }

    /// The scenarios along it, each with what it is called.
    fn scenarios(self, from: &Scenario) -> Vec<(String, Scenario)> {
        let with = |label: String, change: &dyn Fn(&mut Scenario)| {
            let mut scenario = from.clone();
            change(&mut scenario);
            (label, scenario)
        };
        match self {
            Self::Nodes => [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_000]
                .map(|nodes| with(nodes.to_string(), &|scenario| scenario.nodes = nodes))
                .into(),
            Self::Sizes => {
                let bytes = from.population.objects * from.population.bytes;
                let sizes = [("100 kB", 100_000), ("1 MB", 1_000_000), ("5 MB", 5_000_000)];
                let larger = [("20 MB", 20_000_000), ("100 MB", 100_000_000), ("1 GB", 1_000_000_000)];
                let population = |size: u64| {
                    let objects = (bytes / size).max(1);
                    Population { objects, bytes: size, spread: size / 5 }
                };
                let sizes = sizes.into_iter().chain(larger);
                sizes
                    .map(|(label, size)| with(label.to_owned(), &|s| s.population = population(size)))
                    .collect()
            }
            Self::Populations => [
                ("3,000 of 5 MB", 3_000, 5_000_000, 1_000_000),
                ("10,000 of 1 MB", 10_000, 1_000_000, 0),
                ("300 of 100 MB", 300, 100_000_000, 0),
                ("1 of 20 GB", 1, 20_000_000_000, 0),
                ("100,000 of 100 kB", 100_000, 100_000, 0),
            ]
            .map(|(label, objects, bytes, spread)| {
                with(label.to_owned(), &|s| s.population = Population { objects, bytes, spread })
            })
            .into(),
            Self::Goals => [("speed", Goal::Speed), ("balanced", Goal::Balanced), ("price", Goal::Price)]
                .map(|(label, goal)| with(label.to_owned(), &|scenario| scenario.goal = goal))
                .into(),
            Self::Stragglers => [0.0, 0.03, 0.1, 0.25, 0.5]
                .map(|share| with(format!("{:.0} %", share * 100.0), &|scenario| scenario.stragglers = share))
                .into(),
            Self::Lost => [0, 1, 2, 4, 8]
                .into_iter()
                .filter(|lost| *lost < from.nodes.max(1))
                .map(|lost| with(lost.to_string(), &|scenario| scenario.lost = lost))
                .collect(),
        }
    }
}

impl FromStr for Axis {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names = || Self::ALL.map(Self::name).join(", ");
        let axis = Self::ALL.into_iter().find(|axis| axis.name() == text);
        axis.ok_or_else(|| format!("`{text}` is none of {}", names()))
    }
}

/// One scenario of a sweep.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Point {
    /// What it is called.
    pub label: String,
    /// What came of it.
    pub result: PointResult,
}

/// What came of one scenario of a sweep.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PointResult {
    /// The archive was made.
    Made(Measured),
    /// A run failed, for this reason.
    Failed(String),
}

/// What one scenario of a sweep took.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Measured {
    /// Half of the runs took no longer, in seconds.
    pub p50_s: f64,
    /// 99 of 100 runs took no longer, in seconds.
    pub p99_s: f64,
    /// The least time, in seconds.
    pub floor_s: f64,
    /// The phases of the run at the median.
    pub phases: Phases,
    /// US dollars for its requests.
    pub requests_usd: f64,
    /// US dollars for its machines.
    pub machines_usd: f64,
    /// Parts of its upload.
    pub parts: u64,
    /// Its second attempts.
    pub hedged: u64,
    /// Requests that S3 refused.
    pub refused: u64,
}

/// Scenarios that differ in one thing.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Sweep {
    /// In what they differ.
    pub axis: Axis,
    /// The scenarios.
    pub points: Vec<Point>,
}

/// Studies scenarios along an axis from one of them.
#[must_use]
pub fn sweep(axis: Axis, from: &Scenario, model: &Model, seed: u64, runs: u64) -> Sweep {
    let points = axis.scenarios(from).into_iter().map(|(label, scenario)| {
        let measured = |study: Study| {
            let Run { phases, floor, requests_usd, machines_usd, parts, decisions, requests, .. } =
                study.median;
            Measured {
                p50_s: study.p50_s,
                p99_s: study.p99_s,
                floor_s: floor.total_s(),
                phases,
                requests_usd,
                machines_usd,
                parts,
                hedged: decisions.hedged,
                refused: requests.kinds().iter().map(|(_, sent)| sent.throttled).sum(),
            }
        };
        let result = match study(&scenario, model, seed, runs) {
            Ok(study) => PointResult::Made(measured(study)),
            Err(failure) => PointResult::Failed(failure.message),
        };
        Point { label, result }
    });
    Sweep { axis, points: points.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headline() -> Scenario {
        let model = Model::default();
        let instance = model.instance("c7gn.xlarge").expect("it is in the table").clone();
        Scenario::new(Population { objects: 3_000, bytes: 5_000_000, spread: 1_000_000 }, 32, instance)
    }

    #[test]
    fn a_study_tells_the_same_each_time() {
        let told = || {
            let scenario = Scenario { stragglers: 0.1, lost: 2, ..headline() };
            format!("{:?}", study(&scenario, &Model::default(), 7, 3).expect("it is made"))
        };
        assert!(told() == told(), "two runs of a seed differ");
    }

    /// The bar is two seconds; `docs/simulation.md` tells what stands in the way. A tenth more is for what the median of
    /// few runs is off.
    #[test]
    fn the_headline_takes_about_two_seconds() {
        let study = study(&headline(), &Model::default(), 1, 25).expect("it is made");
        assert!(study.p50_s <= 2.2, "{}", study.p50_s);
        let Run { phases, total_s, floor, .. } = &study.median;
        let sum_s = phases.listing_s + phases.transfer_s + phases.directory_s + phases.complete_s;
        assert!((sum_s - total_s).abs() < 1e-6, "{phases:?} are not {total_s}");
        assert!(floor.total_s() < *total_s, "{floor:?}");
    }

    #[test]
    fn more_nodes_are_faster_and_what_is_slow_or_lost_costs_time() {
        let model = Model::default();
        let time = |scenario: Scenario| study(&scenario, &model, 1, 2).expect("it is made").p50_s;
        let large = Population { objects: 10_000, ..headline().population };
        let from = Scenario { population: large, ..headline() };
        let (few, many) = (Scenario { nodes: 4, ..from.clone() }, Scenario { nodes: 16, ..from.clone() });
        assert!(time(few) > 2.0 * time(many.clone()));
        let (plain, slow) = (time(many.clone()), time(Scenario { stragglers: 0.25, ..many.clone() }));
        assert!(slow > plain && slow < 2.0 * plain, "{slow} instead of {plain}");
        let lost = time(Scenario { lost: 4, ..many });
        assert!(lost > plain && lost < 10.0 * plain, "{lost} instead of {plain}");
    }
}
