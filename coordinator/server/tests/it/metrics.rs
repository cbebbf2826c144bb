//! Metrics: what was done is what is counted, and all that is told is documented.

use std::collections::{BTreeMap, BTreeSet};

use coordinator_server::{Coordinator, metrics};
use proto::job::{JobSpec, Outcome, Summary};
use proto::location::Source;
use simulations_s3::{Fault, FaultKind, Occasion, Op};

use crate::world::{OUT, SOURCES, World, at, pause, with_a_node};

const DOCUMENTED: &str = include_str!("../../../../docs/metrics.md");

/// Type, unit and labels of a metric.
type Kind = (String, String, BTreeSet<String>);

/// What a coordinator tells, by name and labels as written.
struct Told {
    values: BTreeMap<String, f64>,
    kinds: BTreeMap<String, Kind>,
}

impl Told {
    async fn by(coordinator: &Coordinator) -> Self {
        let text = metrics::render(coordinator).await.expect("the coordinator runs");
        assert!(text.ends_with("# EOF\n"), "{text}");
        let (mut values, mut kinds) = (BTreeMap::new(), BTreeMap::<String, Kind>::new());
        let mut current = String::new();
        for line in text.lines().filter(|line| *line != "# EOF") {
            let words: Vec<&str> = line.splitn(4, ' ').collect();
            match words[..] {
                ["#", "HELP", _, help] => assert!(help.ends_with('.'), "{line}"),
                ["#", "UNIT", _, unit] => {
                    kinds.get_mut(&current).expect("its type came before").1 = unit.to_owned();
                }
                ["#", "TYPE", name, of] => {
                    let suffix = match of {
                        "counter" => "_total",
                        "info" => "_info",
                        _ => "",
                    };
                    current = format!("{name}{suffix}");
                    let kind = (of.to_owned(), String::new(), BTreeSet::new());
                    assert!(kinds.insert(current.clone(), kind).is_none(), "{name} is told twice");
                }
                _ => {
                    let (series, value) = line.rsplit_once(' ').expect("a series and its value");
                    let value = value.parse().expect("it is a number");
                    assert!(values.insert(series.to_owned(), value).is_none(), "{series} is told twice");
                    let (name, labels) = series.split_once('{').unwrap_or((series, ""));
                    assert!(name.starts_with(&current), "{series} among {current}");
                    let labels = labels.trim_end_matches('}').split(',').filter(|label| !label.is_empty());
                    let names = labels.map(|label| label.split('=').next().unwrap_or_default());
                    let names = names.filter(|name| *name != "le").map(ToOwned::to_owned);
                    kinds.get_mut(&current).expect("its type came before").2.extend(names);
                }
            }
        }
        Self { values, kinds }
    }

    fn get(&self, series: &str) -> u64 {
        let value = self.values.get(&format!("zipfleet_{series}"));
        *value.unwrap_or_else(|| panic!("no {series} in {:#?}", self.values)) as u64
    }

    fn requests(&self, operation: &str) -> [u64; 3] {
        ["ok", "throttled", "failed"].map(|outcome| {
            self.get(&format!("s3_requests_total{{operation=\"{operation}\",outcome=\"{outcome}\"}}"))
        })
    }
}

fn job(prefix: &str, key: &str) -> JobSpec {
    let source = Source::Prefix { bucket: SOURCES.into(), prefix: prefix.into() };
    JobSpec { part_bytes: Some(5 << 20), ..JobSpec::new(vec![source], at(OUT, key)) }
}

async fn completed(coordinator: &Coordinator, spec: JobSpec) -> Summary {
    match coordinator.submit(spec).outcome().await {
        Outcome::Completed(summary) => summary,
        failed @ Outcome::Failed { .. } => panic!("{failed:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_done_is_what_is_counted() {
    let world = World::new().await;
    world.fill(12, 2 << 20);
    let slow_down = Fault::new(Op::GetObject, FaultKind::SlowDown).on(Occasion::Nth(3));
    world.twin.add_fault(slow_down);
    world.twin.add_fault(Fault::new(Op::UploadPart, FaultKind::InternalError).on(Occasion::Nth(2)));
    let coordinator = with_a_node(&world.s3, None).await;
    let summary = completed(&coordinator, job("in/", "a.zip")).await;
    let refused = coordinator.submit(JobSpec::new(Vec::new(), at(OUT, "b.zip"))).outcome().await;
    assert!(matches!(refused, Outcome::Failed { .. }));
    let empty = coordinator.submit(job("nothing/", "c.zip")).outcome().await;
    assert!(matches!(empty, Outcome::Failed { .. }));

    let arrived = world.twin.requests();
    let mut told = Told::by(&coordinator).await;
    while told.requests("UploadPart").iter().sum::<u64>() < arrived["UploadPart"] {
        pause().await;
        told = Told::by(&coordinator).await;
    }
    for (operation, count) in &arrived {
        assert_eq!(told.requests(operation).iter().sum::<u64>(), *count, "{operation}");
    }
    assert_eq!(told.requests("GetObject")[1..], [1, 0]);
    assert_eq!(told.requests("UploadPart"), [summary.parts, 0, 1]);
    let is = |series: &str, value: u64| assert_eq!(told.get(series), value, "{series}");
    is("jobs_submitted_total", 2);
    is("jobs_refused_total", 1);
    is("jobs_ended_total{outcome=\"completed\"}", 1);
    is("jobs_ended_total{outcome=\"failed\"}", 1);
    is("jobs_ended_total{outcome=\"cancelled\"}", 0);
    is("entries_archived_total", 12);
    is("archived_bytes_total", summary.bytes);
    is("s3_sent_bytes_total", summary.bytes);
    is("s3_received_bytes_total", 12 * (2 << 20));
    is("attempts_begun_total{origin=\"granted\"}", summary.parts);
    is("attempts_ended_total{end=\"done\"}", summary.parts);
    is("attempts_ended_total{end=\"failed\"}", 0);
    for idle in ["attempts", "parts_queued", "queued_bytes", "window_used_bytes", "jobs{stage=\"listing\"}"] {
        is(idle, 0);
    }
    is("nodes{state=\"active\"}", 1);
    is("nodes_joined_total", 1);
    is("build_info{version=\"0.1.0\"}", 1);
    assert!(told.get("window_bytes") > 0 && told.get("requests_allowed") > 0);
    assert!(told.get("nodes_resident_memory_bytes") > 0 && told.get("resident_memory_bytes") > 0);
    assert!(told.get("s3_connections_opened_total") <= world.twin.connections());
    let mut took = 0.0;
    for stage in ["waiting", "listing", "transferring", "completing"] {
        is(&format!("job_stage_seconds_count{{stage=\"{stage}\"}}"), 1);
        took += told.values[&format!("zipfleet_job_stage_seconds_sum{{stage=\"{stage}\"}}")];
    }
    assert!((took - summary.total_ms as f64 / 1e3).abs() < 1e-6, "{took}");
    coordinator.stop().await;
    assert!(metrics::render(&coordinator).await.is_err());
}

#[tokio::test]
async fn all_that_is_told_is_documented_and_the_other_way_round() {
    let world = World::new().await;
    let coordinator = with_a_node(&world.s3, None).await;
    let told = Told::by(&coordinator).await;
    let rows = DOCUMENTED.lines().filter(|line| line.starts_with("| `zipfleet_"));
    let documented: BTreeMap<_, _> = rows
        .map(|row| {
            let [_, name, of, unit, labels, ..] = row.split('|').map(str::trim).collect::<Vec<_>>()[..]
            else {
                panic!("{row} has too few columns");
            };
            let labels = labels.split(", ").filter(|label| !label.is_empty());
            let labels: BTreeSet<String> = labels.map(|label| label.replace('`', "")).collect();
            (name.replace('`', ""), (of.to_owned(), unit.to_owned(), labels))
        })
        .collect();
    assert_eq!(documented, told.kinds);
    coordinator.stop().await;
}
