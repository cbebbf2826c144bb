//! What a coordinator counts, as Prometheus reads it (`docs/metrics.md` lists it all).
//!
//! All of it is seen in one look at the actor when it is asked for, so that nothing is counted twice; only how
//! long jobs took is gathered as they end. No label holds a job, a key or a node: their number has no bound.

pub(crate) mod emf;

use std::fmt;
use std::sync::Arc;

use coordinator::counters::Counters;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use proto::job::{Stage, Summary};
use proto::view::{JobView, NodeState, NodeView};
use proto_session::Taken;

use crate::actor::State;
use crate::handle::{Coordinator, Gone};

/// What the text of [`render`] is, as HTTP calls it.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Upper bounds of the times that are told apart, in seconds: from a job of a few objects to one of days.
const TIMES_S: [f64; 14] =
    [0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1_800.0, 7_200.0, 43_200.0];

/// All metrics of a coordinator in OpenMetrics' text format.
///
/// # Errors
/// When it is gone.
pub async fn render(coordinator: &Coordinator) -> Result<String, Gone> {
    let seen = coordinator.seen().await?;
    let mut registry = Registry::with_prefix("zipfleet");
    registry.register_collector(Box::new(seen));
    let mut text = String::new();
    encode(&mut text, &registry).expect("a String takes whatever is written to it");
    Ok(text)
}

/// How long the stages of completed jobs took.
#[derive(Clone, Debug)]
pub(crate) struct Times(Arc<[(&'static str, Histogram); 4]>);

impl Default for Times {
    fn default() -> Self {
        let stages = [Stage::Waiting, Stage::Listing, Stage::Transferring, Stage::Completing];
        Self(Arc::new(stages.map(|stage| (name(stage), Histogram::new(TIMES_S)))))
    }
}

impl Times {
    /// Notes how long the stages of a job took.
    pub(crate) fn completed(&self, summary: &Summary) {
        let Summary { waiting_ms, listing_ms, transfer_ms, total_ms, .. } = *summary;
        let mut before_ms = 0;
        for ((_, times), until_ms) in self.0.iter().zip([waiting_ms, listing_ms, transfer_ms, total_ms]) {
            times.observe(until_ms.saturating_sub(before_ms) as f64 / 1e3);
            before_ms = until_ms;
        }
    }
}

/// What is to be seen of a coordinator at one moment.
#[derive(Debug)]
pub(crate) struct Seen {
    counters: Counters,
    /// Jobs that have not ended.
    stages: Vec<Stage>,
    /// Bytes of their archives that are planned and not there; 1 for each of which nothing is planned.
    bytes_left: u64,
    nodes: Vec<NodeView>,
    queued_parts: u64,
    granted_bytes: u64,
    times: Times,
    started_ms: u64,
}

impl Seen {
    pub(crate) fn of(state: &State) -> Self {
        let machine = &state.machine;
        let jobs = machine.jobs();
        let left = |job: &JobView| job.progress.bytes_planned.saturating_sub(job.progress.bytes_done).max(1);
        Self {
            counters: *machine.counters(),
            stages: jobs.iter().map(|job| job.progress.stage).collect(),
            bytes_left: jobs.iter().map(left).fold(0, u64::saturating_add),
            nodes: machine.nodes(),
            queued_parts: machine.queued_parts(),
            granted_bytes: machine.granted_bytes(),
            times: state.times.clone(),
            started_ms: state.started_ms(),
        }
    }

    fn jobs(&self, page: &mut Page<'_>) -> fmt::Result {
        let Counters { jobs_submitted, jobs_refused, entries_archived, .. } = self.counters;
        let Counters { jobs_completed, jobs_failed, jobs_cancelled, .. } = self.counters;
        let stages =
            [Stage::Waiting, Stage::Listing, Stage::Transferring, Stage::Completing, Stage::Aborting];
        let in_stage = |stage| self.stages.iter().filter(|at| **at == stage).count() as u64;
        let stages = by("stage", stages.map(|stage| (name(stage), in_stage(stage))));
        let outcomes =
            [("completed", jobs_completed), ("failed", jobs_failed), ("cancelled", jobs_cancelled)];
        let outcomes = by("outcome", outcomes);
        page.write(MetricType::Gauge, "jobs", "Jobs that have not ended.", stages)?;
        page.counter("jobs_submitted", "Submissions that became jobs.", jobs_submitted)?;
        page.counter("jobs_refused", "Submissions that were refused.", jobs_refused)?;
        page.write(MetricType::Counter, "jobs_ended", "Jobs that have ended.", outcomes)?;
        page.counter("entries_archived", "Entries of archives that are there.", entries_archived)?;
        let help = "Time that completed jobs spent in each stage.";
        let (unit, of) = (Some(&Unit::Seconds), MetricType::Histogram);
        let mut metric = page.0.encode_descriptor("job_stage", help, unit, of)?;
        let mut times = self.times.0.iter();
        times.try_for_each(|(stage, times)| times.encode(metric.encode_family(&[("stage", *stage)])?))
    }

    fn parts(&self, page: &mut Page<'_>) -> fmt::Result {
        let Counters { attempts_granted, attempts_stolen, attempts_hedged, .. } = self.counters;
        let Counters { attempts_done, attempts_failed, attempts_lost, attempts_dropped, .. } = self.counters;
        let Counters { parts_stolen, hedges_won, bytes_done, .. } = self.counters;
        let own = attempts_granted.saturating_sub(attempts_stolen + attempts_hedged);
        let origins = [("granted", own), ("stolen", attempts_stolen), ("hedge", attempts_hedged)];
        let origins = by("origin", origins);
        let ends = [
            ("done", attempts_done),
            ("failed", attempts_failed),
            ("lost", attempts_lost),
            ("dropped", attempts_dropped),
        ];
        let ends = by("end", ends);
        page.write(
            MetricType::Counter,
            "attempts_begun",
            "Attempts at parts that nodes were given.",
            origins,
        )?;
        page.write(MetricType::Counter, "attempts_ended", "Attempts at parts that have ended.", ends)?;
        page.gauge("attempts", "Attempts at parts under way.", self.of_nodes(|node| node.attempts))?;
        page.gauge("parts_queued", "Parts that wait in nodes' queues.", self.queued_parts)?;
        let queued = self.of_nodes(|node| node.queued_bytes);
        page.gauge("queued_bytes", "Bytes of parts that wait in nodes' queues.", queued)?;
        page.counter("parts_stolen", "Moves of a part from one node's queue to another node.", parts_stolen)?;
        page.counter("hedges_won", "Second attempts that came first.", hedges_won)?;
        page.counter("archived_bytes", "Archive bytes uploaded.", bytes_done)
    }

    fn requests(&self, page: &mut Page<'_>) -> fmt::Result {
        let requests = &self.counters.requests;
        let rows = requests.kinds().into_iter().flat_map(|(operation, count)| {
            let ok = count.sent.saturating_sub(count.throttled).saturating_sub(count.failed);
            let outcomes = [("ok", ok), ("throttled", count.throttled), ("failed", count.failed)];
            outcomes.map(|(outcome, value)| ([("operation", operation), ("outcome", outcome)], value))
        });
        page.write(MetricType::Counter, "s3_requests", "Requests to S3.", rows)?;
        let opened = requests.connections_opened;
        page.counter("s3_connections_opened", "Connections that requests went out on.", opened)?;
        page.counter("s3_received_bytes", "Bytes of objects received.", requests.bytes_received)?;
        page.counter("s3_sent_bytes", "Bytes of parts that S3 has confirmed.", requests.bytes_sent)
    }

    fn fleet(&self, page: &mut Page<'_>) -> fmt::Result {
        let in_state = |state| self.nodes.iter().filter(|node| node.state == state).count() as u64;
        let states = [
            ("active", in_state(NodeState::Active)),
            ("silent", in_state(NodeState::Silent)),
            ("draining", in_state(NodeState::Draining)),
        ];
        page.write(MetricType::Gauge, "nodes", "Nodes there are.", by("state", states))?;
        page.counter("nodes_joined", "Nodes that joined.", self.counters.nodes_joined)?;
        page.counter("nodes_lost", "Nodes lost while they held attempts.", self.counters.nodes_lost)?;
        let window = self.of_nodes(|node| node.body_budget_bytes);
        page.gauge("window_bytes", "Memory of nodes for parts.", window)?;
        page.gauge("window_used_bytes", "Memory of nodes taken by parts granted.", self.granted_bytes)?;
        let allowed = self.of_nodes(|node| node.vitals.concurrency.into());
        page.gauge("requests_allowed", "Requests that nodes keep in flight at most.", allowed)?;
        page.seconds("nodes_cpu", "Processor time of nodes since they joined.", self.counters.nodes_cpu_ms)?;
        let resident = self.of_nodes(|node| node.vitals.resident_bytes);
        page.gauge("nodes_resident_memory_bytes", "Memory of nodes' processes.", resident)
    }

    fn process(&self, page: &mut Page<'_>) -> fmt::Result {
        let (help, version) = ("The program that runs.", [("version", env!("CARGO_PKG_VERSION"))]);
        page.0.encode_descriptor("build", help, None, MetricType::Info)?.encode_info(&version)?;
        let (help, unit) = ("When the coordinator started, in Unix time.", Some(&Unit::Seconds));
        let mut metric = page.0.encode_descriptor("start_time", help, unit, MetricType::Gauge)?;
        metric.encode_gauge(&(self.started_ms as f64 / 1e3))?;
        let Some(Taken { cpu_ms, resident_bytes }) = Taken::now() else { return Ok(()) };
        page.seconds("cpu", "Processor time of the process.", cpu_ms)?;
        page.gauge("resident_memory_bytes", "Memory of the process.", resident_bytes)
    }

    fn of_nodes(&self, number: impl Fn(&NodeView) -> u64) -> u64 {
        self.nodes.iter().map(number).fold(0, u64::saturating_add)
    }
}

impl Collector for Seen {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page(encoder);
        self.jobs(&mut page)?;
        self.parts(&mut page)?;
        self.requests(&mut page)?;
        self.fleet(&mut page)?;
        self.process(&mut page)
    }
}

/// Labels of one value.
type Labels<const N: usize> = [(&'static str, &'static str); N];

/// Where metrics are written. A name that ends in `_bytes` says its unit by that.
struct Page<'a>(DescriptorEncoder<'a>);

impl Page<'_> {
    fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        self.write(MetricType::Counter, name, help, [([], value)])
    }

    fn gauge(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        self.write(MetricType::Gauge, name, help, [([], value)])
    }

    /// A counter of seconds, of which there are so many thousandths.
    fn seconds(&mut self, name: &str, help: &str, value_ms: u64) -> fmt::Result {
        let mut metric = self.0.encode_descriptor(name, help, Some(&Unit::Seconds), MetricType::Counter)?;
        metric.encode_counter::<NoLabelSet, f64, f64>(&(value_ms as f64 / 1e3), None)
    }

    fn write<const N: usize>(
        &mut self,
        of: MetricType,
        name: &str,
        help: &str,
        rows: impl IntoIterator<Item = (Labels<N>, u64)>,
    ) -> fmt::Result {
        let (name, unit) = match name.strip_suffix("_bytes") {
            Some(name) => (name, Some(&Unit::Bytes)),
            None => (name, None),
        };
        let mut metric = self.0.encode_descriptor(name, help, unit, of)?;
        rows.into_iter().try_for_each(|(labels, value)| {
            let mut metric = metric.encode_family(&labels)?;
            match of {
                MetricType::Gauge => metric.encode_gauge(&value),
                _ => metric.encode_counter::<NoLabelSet, u64, f64>(&value, None),
            }
        })
    }
}

/// Values told apart by one label.
fn by<const N: usize>(label: &'static str, rows: [(&'static str, u64); N]) -> [(Labels<1>, u64); N] {
    rows.map(|(value, count)| ([(label, value)], count))
}

/// A stage, as the job API calls it.
fn name(stage: Stage) -> &'static str {
    match stage {
        Stage::Waiting => "waiting",
        Stage::Listing => "listing",
        Stage::Transferring => "transferring",
        Stage::Completing => "completing",
        Stage::Aborting => "aborting",
    }
}
