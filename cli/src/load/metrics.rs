//! What a coordinator tells of itself and its nodes, as far as a load is told by it.

use std::collections::BTreeMap;

use proto::view::NodeView;

/// What is read of a coordinator's metrics and its view of nodes, at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Sample {
    /// When, in seconds from the beginning of the load.
    pub(crate) at_s: f64,
    /// What the coordinator takes, if its system tells.
    pub(crate) coordinator: Option<Process>,
    /// What nodes said last that they take, by their names; without those whose system does not tell.
    pub(crate) nodes: BTreeMap<String, Process>,
    /// Nodes that take parts.
    pub(crate) active: f64,
    /// Jobs that wait for others to end.
    pub(crate) waiting: f64,
    /// Share of the nodes' memory for parts that is taken.
    pub(crate) window_share: f64,
    /// Requests to S3 so far that it refused with 503 or its like.
    pub(crate) throttled: f64,
}

/// What a process takes, at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Process {
    /// Processor time since it started, in seconds.
    pub(crate) cpu_s: f64,
    /// Memory, in bytes.
    pub(crate) bytes: f64,
}

impl Sample {
    /// What the text says, in the format of Prometheus, and what the nodes are said to take. What is not said is not
    /// known, or nothing.
    pub(crate) fn read(text: &str, nodes: &[NodeView], at_s: f64) -> Self {
        let value = |name: &str, label: &str| sum(text, name, label);
        let number = |name: &str, label: &str| value(name, label).unwrap_or_default();
        Self {
            at_s,
            coordinator: value("zipfleet_cpu_seconds_total", "")
                .zip(value("zipfleet_resident_memory_bytes", ""))
                .map(|(cpu_s, bytes)| Process { cpu_s, bytes }),
            nodes: nodes.iter().filter_map(of_node).collect(),
            active: number("zipfleet_nodes", "state=\"active\""),
            waiting: number("zipfleet_jobs", "stage=\"waiting\""),
            window_share: number("zipfleet_window_used_bytes", "")
                / number("zipfleet_window_bytes", "").max(1.0),
            throttled: number("zipfleet_s3_requests_total", "outcome=\"throttled\""),
        }
    }
}

/// A node's name and what it takes; `None` if its system does not tell: every process has some memory.
fn of_node(node: &NodeView) -> Option<(String, Process)> {
    let (cpu_s, bytes) = (node.vitals.cpu_ms as f64 / 1e3, node.vitals.resident_bytes as f64);
    (bytes > 0.0).then(|| (node.name.clone(), Process { cpu_s, bytes }))
}

/// The sum of all series of this name with this label; `None` if there is none.
fn sum(text: &str, name: &str, label: &str) -> Option<f64> {
    let series = text.lines().filter(|line| {
        let rest = line.strip_prefix(name);
        rest.is_some_and(|rest| rest.starts_with(['{', ' ']) && rest.contains(label))
    });
    series.filter_map(|line| line.rsplit(' ').next()?.parse().ok()).reduce(|sum: f64, value: f64| sum + value)
}

#[cfg(test)]
mod tests {
    use proto::report::Vitals;
    use proto::view::NodeState;

    use super::*;

    #[test]
    fn metrics_are_read_as_a_coordinator_writes_them() {
        let text = "\
# HELP zipfleet_jobs Jobs that have not ended.
# TYPE zipfleet_jobs gauge
zipfleet_jobs{stage=\"waiting\"} 3
zipfleet_jobs{stage=\"listing\"} 1
zipfleet_nodes{state=\"active\"} 2
zipfleet_nodes_joined_total 7
zipfleet_s3_requests_total{operation=\"GetObject\",outcome=\"throttled\"} 5
zipfleet_s3_requests_total{operation=\"UploadPart\",outcome=\"throttled\"} 6
zipfleet_s3_requests_total{operation=\"UploadPart\",outcome=\"ok\"} 60
zipfleet_window_bytes 200
zipfleet_window_used_bytes 50
zipfleet_cpu_seconds_total 1.25
zipfleet_resident_memory_bytes 1000
# EOF
";
        let expected = Sample {
            at_s: 4.0,
            coordinator: Some(Process { cpu_s: 1.25, bytes: 1_000.0 }),
            nodes: BTreeMap::from([("one".to_owned(), Process { cpu_s: 2.5, bytes: 300.0 })]),
            active: 2.0,
            waiting: 3.0,
            window_share: 0.25,
            throttled: 11.0,
        };
        let node = |name: &str, cpu_ms, resident_bytes| NodeView {
            name: name.to_owned(),
            version: String::new(),
            state: NodeState::Active,
            cores: 1,
            body_budget_bytes: 0,
            attempts: 0,
            queued_bytes: 0,
            bytes_per_second: 0,
            vitals: Vitals { cpu_ms, resident_bytes, ..Vitals::default() },
        };
        // The system of the other does not tell.
        let nodes = [node("one", 2_500, 300), node("other", 0, 0)];
        assert_eq!(Sample::read(text, &nodes, 4.0), expected);
        assert_eq!(Sample::read("", &[], 4.0), Sample { at_s: 4.0, ..Sample::default() });
    }
}
