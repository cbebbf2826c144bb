//! How a load went on over time.

use proto::limits::LOAD_POINTS_MAX;
use serde::{Deserialize, Serialize};

use super::figures::{End, Record, quantile};
use super::metrics::Sample;
use super::taken;

/// One stretch of time of a load.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Point {
    /// When it began, in seconds from the beginning of the load.
    pub(crate) at_s: f64,
    /// Arrivals in it.
    pub(crate) arrivals: u64,
    /// Archives that were there in it.
    pub(crate) completed: u64,
    /// Arrivals that came to nothing in it, for whatever reason.
    pub(crate) not_completed: u64,
    /// Bytes of archives that were there in it.
    pub(crate) bytes: u64,
    /// Jobs in flight at its end.
    pub(crate) in_flight: u64,
    /// Seconds that half of the jobs that arrived in it took at most, of those that completed; with jobs that arrived
    /// before it, if those are few.
    pub(crate) p50_s: Option<f64>,
    /// Seconds that 99 % of them took at most.
    pub(crate) p99_s: Option<f64>,
    /// Processors that the coordinator kept busy.
    pub(crate) coordinator_cores: Option<f64>,
    /// Memory of the coordinator, in bytes.
    pub(crate) coordinator_bytes: Option<f64>,
    /// Processors that the nodes kept busy together.
    pub(crate) nodes_cores: Option<f64>,
    /// Their memory together, in bytes.
    pub(crate) nodes_bytes: Option<f64>,
    /// Processors that the busiest node kept busy.
    pub(crate) node_cores_max: Option<f64>,
    /// Memory of the node that took most, in bytes.
    pub(crate) node_bytes_max: Option<f64>,
    /// Nodes that took parts.
    pub(crate) nodes: Option<f64>,
    /// Jobs that waited for others to end.
    pub(crate) waiting: Option<f64>,
    /// Share of the nodes' memory for parts that was taken.
    pub(crate) window_share: Option<f64>,
    /// Requests to S3 that it refused with 503 or its like.
    pub(crate) throttled: Option<f64>,
}

/// Of how many jobs at least percentiles are told over time: of fewer they only show which kinds of jobs there were.
const JOBS_MIN: usize = 20;
/// So many stretches before are looked back at for them.
const STRETCHES_MAX: usize = 10;

/// Length of the stretches that `seconds` are told in: whole seconds, and no more than fit into a report.
pub(crate) fn stretch_s(seconds: f64) -> f64 {
    (seconds / LOAD_POINTS_MAX as f64).ceil().max(1.0)
}

/// A load of so many seconds, stretch by stretch.
pub(crate) fn series(records: &[Record], samples: &[Sample], seconds: f64) -> Vec<Point> {
    let width = stretch_s(seconds);
    let count = ((seconds / width).ceil() as usize).max(1);
    let at = |time: f64| ((time / width).max(0.0) as usize).min(count - 1);
    let mut points: Vec<Point> =
        (0..count).map(|index| Point { at_s: index as f64 * width, ..Point::default() }).collect();
    let (mut took, mut begun) = (vec![Vec::new(); count], vec![0_i64; count]);
    for record in records {
        let (arrived, ended) = (at(record.at_s), at(record.ended_s));
        points[arrived].arrivals += 1;
        if record.end != End::NotSent {
            begun[at(record.sent_s)] += 1;
            begun[ended] -= 1;
        }
        if let (End::Completed { bytes, .. }, Some(seconds)) = (record.end, record.to_completed_s()) {
            points[ended].completed += 1;
            points[ended].bytes += bytes;
            took[arrived].push(seconds);
        } else {
            points[ended].not_completed += 1;
        }
    }
    let mut in_flight = 0;
    for (point, begun) in points.iter_mut().zip(begun) {
        in_flight += begun;
        point.in_flight = u64::try_from(in_flight).unwrap_or_default();
    }
    let last = took.iter().rposition(|took| !took.is_empty()).map_or(0, |last| last + 1);
    for (index, point) in points.iter_mut().enumerate().take(last) {
        let took = of_late(&took[..=index]);
        if !took.is_empty() {
            point.p50_s = Some(quantile(&took, 0.5).value);
            point.p99_s = Some(quantile(&took, 0.99).value);
        }
    }
    add_samples(&mut points, samples, at);
    points
}

/// What jobs of the last stretch took, and of as many before as it takes to have enough, sorted.
fn of_late(took: &[Vec<f64>]) -> Vec<f64> {
    let mut all = Vec::new();
    for took in took.iter().rev().take(STRETCHES_MAX) {
        all.extend(took);
        if all.len() >= JOBS_MIN {
            break;
        }
    }
    all.sort_unstable_by(f64::total_cmp);
    all
}

/// Adds what was seen in each stretch last, and what it was more than at the end of the stretch before.
fn add_samples(points: &mut [Point], samples: &[Sample], stretch_of: impl Fn(f64) -> usize) {
    let (coordinator, nodes) = (taken::coordinator(samples), taken::nodes(samples));
    let each_node = taken::each_node(samples);
    let mut before = samples.first();
    for (index, point) in points.iter_mut().enumerate() {
        let is_in_it = |at_s: f64| stretch_of(at_s) == index;
        let Some(last) = samples.iter().rev().find(|sample| is_in_it(sample.at_s)) else { continue };
        (point.coordinator_cores, point.coordinator_bytes) = taken::at(&coordinator, is_in_it);
        (point.nodes_cores, point.nodes_bytes) = taken::at(&nodes, is_in_it);
        for looks in each_node.values() {
            let (cores, bytes) = taken::at(looks, is_in_it);
            point.node_cores_max = most(point.node_cores_max, cores);
            point.node_bytes_max = most(point.node_bytes_max, bytes);
        }
        point.nodes = Some(last.active);
        point.waiting = Some(last.waiting);
        point.window_share = Some(last.window_share);
        if let Some(before) = before.filter(|before| before.at_s < last.at_s) {
            // A coordinator that was started again counts from 0.
            point.throttled = Some((last.throttled - before.throttled).max(0.0));
        }
        before = Some(last);
    }
}

fn most(one: Option<f64>, other: Option<f64>) -> Option<f64> {
    one.into_iter().chain(other).reduce(f64::max)
}

#[cfg(test)]
mod tests {
    use proto::failure::FailureKind;

    use super::super::metrics::Process;
    use super::*;

    fn record(at_s: f64, ended_s: f64, end: End) -> Record {
        Record { population: 0, at_s, sent_s: at_s, accepted_s: Some(at_s), ended_s, end }
    }

    const DONE: End = End::Completed { first_part_s: 0.0, bytes: 10, entries: 1 };

    #[test]
    fn each_stretch_tells_what_arrived_and_what_ended_in_it() {
        let records = [
            record(0.1, 0.4, DONE),
            record(0.2, 2.2, DONE),
            record(1.5, 1.5, End::NotSent),
            record(1.6, 2.5, End::Failed(FailureKind::Corrupt)),
        ];
        let cpu = |at_s, cpu_s| {
            let coordinator = Some(Process { cpu_s, bytes: 1e6 });
            Sample {
                at_s,
                coordinator,
                nodes: [("a", 2.0), ("b", 4.0)]
                    .map(|(name, pace)| (name.to_owned(), Process { cpu_s: pace * at_s, bytes: pace }))
                    .into(),
                ..Sample::default()
            }
        };
        // The last look was at another process: the coordinator was started again.
        let samples = [cpu(0.0, 5.0), cpu(0.5, 5.25), cpu(1.5, 5.5), cpu(2.5, 0.1)];
        let points = series(&records, &samples, 3.0);
        let told: Vec<_> =
            points.iter().map(|p| (p.arrivals, p.completed, p.not_completed, p.bytes, p.in_flight)).collect();
        assert_eq!(told, [(2, 1, 0, 10, 1), (2, 0, 1, 0, 2), (0, 1, 1, 10, 0)]);
        assert_eq!((points[0].p50_s, points[0].p99_s), (Some(0.4 - 0.1), Some(2.0)));
        assert_eq!(points[2].p50_s, None);
        let cores: Vec<_> = points.iter().map(|p| (p.nodes_cores, p.node_cores_max)).collect();
        assert_eq!(cores, [(None, None), (None, None), (Some(6.0), Some(4.0))]);
        assert_eq!((points[0].nodes_bytes, points[0].node_bytes_max), (Some(6.0), Some(4.0)));
        assert_eq!(points[2].coordinator_cores, Some((0.25 + 0.1) / 2.0));
    }

    #[test]
    fn percentiles_of_few_jobs_look_back_and_not_beyond_the_last() {
        // A job a second, of which every other one is large; 30 in the sixth second, and none in the last three.
        let took_s = |index: usize| if index.is_multiple_of(2) { 1.0 } else { 3.0 };
        let mut records: Vec<Record> =
            (0..8).map(|index| record(index as f64, index as f64 + took_s(index), DONE)).collect();
        records.extend((0..30).map(|_| record(5.5, 6.0, DONE)));
        let points = series(&records, &[], 11.0);
        let told: Vec<_> = points.iter().map(|point| (point.p50_s, point.p99_s)).collect();
        assert_eq!(told[..2], [(Some(1.0), Some(1.0)), (Some(1.0), Some(3.0))]);
        assert_eq!(told[5], (Some(0.5), Some(3.0)));
        assert_eq!(told[8..], [(None, None); 3]);
    }

    #[test]
    fn a_long_load_has_no_more_points_than_a_report_shows() {
        assert_eq!((stretch_s(0.5), stretch_s(100.0), stretch_s(300.5)), (1.0, 1.0, 4.0));
        for seconds in [0.0, 1.0, 299.5, 86_400.0] {
            let points = series(&[record(0.0, seconds, DONE)], &[], seconds).len();
            assert!((1..=LOAD_POINTS_MAX).contains(&points), "{points} for {seconds} s");
        }
    }
}
