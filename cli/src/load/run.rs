//! One load as it is written down: what was asked for, and what came of it.

use std::collections::BTreeMap;

use proto::failure::{Failure, FailureKind};
use serde::{Deserialize, Serialize};

use super::arrivals::Shape;
use super::fairness::{jain, slowdowns};
use super::figures::{Figures, Record, Spread, quantile, share_within};
use super::metrics::Sample;
use super::mix::Mix;
use super::series::{Point, series};
use super::taken::{self, NodeTaken, Taken};

/// The version of the format in which loads are written down. Fields may be added to it.
pub(crate) const FORMAT: u32 = 1;
/// Which share of arrivals must be done within the limit of the 99th percentile.
pub(crate) const SHARE_WITHIN: f64 = 0.99;

/// What a load was to be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Asked {
    /// How arrivals were spread over time.
    pub(crate) arrivals: Shape,
    /// Arrivals a second; of a trace, on average.
    pub(crate) rate: f64,
    /// Seconds from the beginning until the last arrival could come.
    pub(crate) seconds: f64,
    /// Where chance began.
    pub(crate) seed: u64,
    /// Seconds in which 99 % of the arrivals were to be done, if there was a limit.
    pub(crate) p99_limit_s: Option<f64>,
    /// What archives were asked for.
    pub(crate) populations: Vec<AskedPopulation>,
}

/// Archives of one kind that were asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct AskedPopulation {
    /// How it is called.
    pub(crate) name: String,
    /// How often it was asked for, relative to others.
    pub(crate) weight: u32,
    /// Whose they were.
    pub(crate) tenant: String,
    /// Seconds that one took before the load, alone.
    pub(crate) alone_s: f64,
}

/// What some of the arrivals came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Group {
    /// The population or tenant.
    pub(crate) name: String,
    /// How many times as long as alone its jobs took, on average; `None` if none completed.
    pub(crate) slowdown: Option<f64>,
    /// The figures.
    pub(crate) figures: Figures,
}

/// Arrivals that came to nothing for the same reason.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Trouble {
    /// What did not work: `refused`, `failed` or `lost`.
    pub(crate) what: String,
    /// What kind of failure it was.
    pub(crate) kind: FailureKind,
    /// How often.
    pub(crate) count: u64,
    /// What was said the first time.
    pub(crate) example: String,
}

/// Counts what came to nothing, and keeps one sentence of each kind.
#[derive(Clone, Debug, Default)]
pub(crate) struct Troubles(BTreeMap<(&'static str, FailureKind), (u64, String)>);

impl Troubles {
    /// Takes note of one.
    pub(crate) fn note(&mut self, what: &'static str, failure: &Failure) {
        let seen = self.0.entry((what, failure.kind)).or_insert_with(|| (0, failure.message.clone()));
        seen.0 += 1;
    }

    /// What was said first of one kind; `None` if nothing went wrong.
    pub(crate) fn first(&self) -> Option<Failure> {
        self.0.iter().next().map(|((_, kind), (_, example))| Failure::new(*kind, example.clone()))
    }

    fn told(self) -> Vec<Trouble> {
        let told = self.0.into_iter().map(|((what, kind), (count, example))| Trouble {
            what: what.to_owned(),
            kind,
            count,
            example,
        });
        told.collect()
    }
}

/// One round of the search for the highest load.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Round {
    /// Arrivals a second.
    pub(crate) rate: f64,
    /// Which share of them was done within the limit.
    pub(crate) share_within: f64,
    /// The 99th percentile of those that completed, in seconds.
    pub(crate) p99_s: Option<f64>,
    /// Whether that is good enough.
    pub(crate) is_borne: bool,
}

/// What the search for the highest load has found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Searched {
    /// All rounds, in their order.
    pub(crate) rounds: Vec<Round>,
    /// The highest rate that was borne, in arrivals a second.
    pub(crate) highest: Option<f64>,
}

/// One load and what came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Run {
    /// The version of this format.
    pub(crate) zipfleet_load: u32,
    /// The version of the program that made the load.
    pub(crate) version: String,
    /// What its archives were called by.
    pub(crate) id: String,
    /// When it began, in seconds of Unix time.
    pub(crate) began_unix_s: u64,
    /// What it was to be.
    pub(crate) asked: Asked,
    /// Seconds from its beginning until the last job had ended.
    pub(crate) seconds: f64,
    /// Whether somebody stopped it before its end.
    pub(crate) was_stopped: bool,
    /// All arrivals.
    pub(crate) all: Figures,
    /// Which share of them was done within the limit, if there was one.
    pub(crate) share_within: Option<f64>,
    /// The arrivals of each population.
    pub(crate) populations: Vec<Group>,
    /// The arrivals of each tenant.
    pub(crate) tenants: Vec<Group>,
    /// Jain's index of the tenants' slowdowns; `None` for fewer than two.
    pub(crate) fairness: Option<f64>,
    /// How late arrivals were sent, in seconds: if that is much, this machine is too slow for the load.
    pub(crate) late_s: Option<Spread>,
    /// What the coordinator took, if it told.
    pub(crate) coordinator: Option<Taken>,
    /// What the nodes took together, as far as they told.
    pub(crate) nodes: Option<Taken>,
    /// What each of them took, the busiest first.
    #[serde(default)]
    pub(crate) each_node: Vec<NodeTaken>,
    /// What came to nothing and why.
    pub(crate) troubles: Vec<Trouble>,
    /// Seconds from arrival to the archive that 0, 1, 2 and so on up to 100 % of those that completed took at most.
    pub(crate) curve_s: Vec<f64>,
    /// How it went on.
    pub(crate) series: Vec<Point>,
    /// What the search for the highest load has found; the rest is of the round at that rate.
    pub(crate) search: Option<Searched>,
}

/// What was seen of a load.
pub(crate) struct Seen {
    /// What its archives are called by.
    pub(crate) id: String,
    /// When it began, in seconds of Unix time.
    pub(crate) began_unix_s: u64,
    /// What became of each arrival.
    pub(crate) records: Vec<Record>,
    /// Looks at the cluster.
    pub(crate) samples: Vec<Sample>,
    /// What came to nothing.
    pub(crate) troubles: Troubles,
    /// Whether somebody stopped it.
    pub(crate) was_stopped: bool,
}

impl Run {
    /// What was seen of a load, in figures.
    pub(crate) fn of(seen: Seen, asked: Asked, mix: &Mix) -> Self {
        let Seen { id, began_unix_s, records, samples, troubles, was_stopped } = seen;
        let seconds = records.iter().map(|record| record.ended_s).fold(0.0, f64::max);
        let alone_s: Vec<f64> = asked.populations.iter().map(|one| one.alone_s).collect();
        let groups = |names: Vec<String>, group_of: &dyn Fn(usize) -> usize| {
            let slowdowns = slowdowns(
                records.iter().filter_map(|record| {
                    Some((group_of(record.population), record.population, record.to_completed_s()?))
                }),
                &alone_s,
            );
            let groups = names.into_iter().enumerate().map(|(group, name)| {
                let of_it = records.iter().filter(|record| group_of(record.population) == group);
                let slowdown = slowdowns.get(&group).copied();
                Group { name, slowdown, figures: Figures::of(of_it, seconds) }
            });
            groups.collect::<Vec<_>>()
        };
        let populations = groups(mix.populations.iter().map(|one| one.name.clone()).collect(), &|one| one);
        let tenants = groups(mix.tenants.iter().map(|(name, _)| name.clone()).collect(), &|one| {
            mix.populations[one].tenant
        });
        let series = series(&records, &samples, seconds);
        let slowed: Vec<f64> = tenants.iter().filter_map(|tenant| tenant.slowdown).collect();
        Self {
            zipfleet_load: FORMAT,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            id,
            began_unix_s,
            seconds,
            was_stopped,
            all: Figures::of(records.iter(), seconds),
            share_within: asked.p99_limit_s.map(|limit_s| share_within(&records, limit_s)),
            populations,
            tenants,
            fairness: jain(&slowed),
            late_s: Spread::of(records.iter().map(|record| record.sent_s - record.at_s)),
            coordinator: Taken::of(&taken::coordinator(&samples)),
            nodes: Taken::of(&taken::nodes(&samples)),
            each_node: Taken::of_each(&taken::each_node(&samples)),
            troubles: troubles.told(),
            curve_s: curve(&records),
            series,
            search: None,
            asked,
        }
    }

    /// Whether it was done within the limit; `None` if there was none.
    pub(crate) fn is_borne(&self) -> Option<bool> {
        self.share_within.map(|share| share >= SHARE_WITHIN)
    }

    /// The 99th percentile from arrival to the archive, in seconds, of those that completed.
    pub(crate) fn p99_s(&self) -> Option<f64> {
        self.all.completed_s.map(|spread| spread.p99.value)
    }
}

/// What each share of the jobs that completed took at most, in hundredths, in seconds.
fn curve(records: &[Record]) -> Vec<f64> {
    let mut sorted: Vec<f64> = records.iter().filter_map(Record::to_completed_s).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let shares = (0..=100).filter(|_| !sorted.is_empty());
    shares.map(|share| quantile(&sorted, f64::from(share) / 100.0).value).collect()
}

/// Runs for the tests of those that read them.
#[cfg(test)]
pub(crate) mod tests {
    use super::super::figures::End;
    use super::super::metrics::Process;
    use super::*;

    pub(crate) const MIX: &str = "
        [[population]]
        name = 'small <&>'
        weight = 3
        tenant = 'web'
        sources = ['s3://load/small/']
        [[population]]
        name = 'large'
        tenant = 'night'
        sources = ['s3://load/large/']
    ";

    /// A run of 400 jobs in 100 s, each of which took `slower` times as long as it should.
    pub(crate) fn run(slower: f64) -> Run {
        let mix = Mix::read(MIX).expect("a mix");
        let record = |index: usize| {
            let at_s = index as f64 / 4.0;
            let took_s = slower * (1.0 + (index % 10) as f64 / 10.0);
            Record {
                population: usize::from(index % 4 == 3),
                at_s,
                sent_s: at_s,
                accepted_s: Some(at_s + 0.01),
                ended_s: at_s + took_s,
                end: End::Completed { first_part_s: took_s / 2.0, bytes: 1_000_000, entries: 10 },
            }
        };
        let mut records: Vec<Record> = (0..400).map(record).collect();
        let mut troubles = Troubles::default();
        records[7].end = End::Failed(FailureKind::Unavailable);
        troubles.note("failed", &Failure::new(FailureKind::Unavailable, "S3 was <away>"));
        let samples = (0..100).map(|second| Sample {
            at_s: f64::from(second),
            coordinator: Some(Process { cpu_s: f64::from(second) / 4.0, bytes: 50e6 }),
            nodes: ["one", "two <&>"]
                .map(|name| (name.to_owned(), Process { cpu_s: f64::from(second), bytes: 300e6 }))
                .into(),
            active: 2.0,
            ..Sample::default()
        });
        let population = |name: &str, weight, tenant: &str, alone_s| AskedPopulation {
            name: name.to_owned(),
            weight,
            tenant: tenant.to_owned(),
            alone_s,
        };
        let asked = Asked {
            arrivals: Shape::Poisson,
            rate: 4.0,
            seconds: 100.0,
            seed: 1,
            p99_limit_s: Some(2.5),
            populations: vec![population("small <&>", 3, "web", 1.0), population("large", 1, "night", 0.5)],
        };
        let samples = samples.collect();
        let id = "0123abcd".to_owned();
        Run::of(Seen { id, began_unix_s: 0, records, samples, troubles, was_stopped: false }, asked, &mix)
    }

    #[test]
    fn a_run_says_how_it_went_for_whom() {
        let run = run(1.0);
        assert_eq!((run.all.arrivals, run.all.completed, run.all.failed), (400, 399, 1));
        assert_eq!(run.populations.iter().map(|one| one.figures.arrivals).collect::<Vec<_>>(), [300, 100]);
        // Tenants come in the order of their names: night, web.
        assert_eq!(run.tenants.iter().map(|one| one.figures.arrivals).collect::<Vec<_>>(), [100, 300]);
        let fairness = run.fairness.expect("there are two tenants");
        assert!((0.5..1.0).contains(&fairness), "{fairness}");
        assert_eq!((run.is_borne(), run.share_within), (Some(true), Some(399.0 / 400.0)));
        assert_eq!(run.coordinator.map(|taken| (taken.cores_mean, taken.bytes_max)), Some((0.25, 50e6)));
        assert_eq!(run.nodes.map(|taken| (taken.cores_mean, taken.bytes_max)), Some((2.0, 600e6)));
        assert_eq!(run.each_node.iter().map(|one| one.taken.cores_mean).collect::<Vec<_>>(), [1.0, 1.0]);
        assert_eq!((run.troubles.len(), run.troubles[0].count), (1, 1));
        assert_eq!(self::run(3.0).is_borne(), Some(false));
    }

    #[test]
    fn a_run_is_read_as_it_was_written() {
        let run = run(1.0);
        let text = serde_json::to_string(&run).expect("JSON");
        let read: Run = serde_json::from_str(&text).expect("a run");
        // The last digit of a number may be another.
        assert_eq!((read.all.arrivals, read.series.len()), (400, run.series.len()));
        assert_eq!((read.asked, read.troubles), (run.asked, run.troubles));
    }
}
