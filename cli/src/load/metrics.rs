//! What a coordinator's metrics say of it and its nodes at one moment.

/// A look at a coordinator's metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Sample {
    /// When, in seconds from the beginning of the load.
    pub(crate) at_s: f64,
    /// Processor time of the coordinator since it started, in seconds.
    pub(crate) coordinator_cpu_s: Option<f64>,
    /// Its memory, in bytes.
    pub(crate) coordinator_bytes: Option<f64>,
    /// Processor time of the nodes that are looked at, since they started, in seconds.
    pub(crate) nodes_cpu_s: Option<f64>,
    /// Their memory, in bytes.
    pub(crate) nodes_bytes: Option<f64>,
    /// Nodes that take parts.
    pub(crate) nodes: f64,
    /// Jobs that wait for others to end.
    pub(crate) waiting: f64,
    /// Share of the nodes' memory for parts that is taken.
    pub(crate) window_share: f64,
    /// Requests to S3 so far that it refused with 503 or its like.
    pub(crate) throttled: f64,
}

impl Sample {
    /// What the text says, in the format of Prometheus. What it does not say is not known, or nothing.
    pub(crate) fn read(text: &str, at_s: f64) -> Self {
        let value = |name: &str, label: &str| sum(text, name, label);
        let number = |name: &str, label: &str| value(name, label).unwrap_or_default();
        Self {
            at_s,
            coordinator_cpu_s: value("zipfleet_cpu_seconds_total", ""),
            coordinator_bytes: value("zipfleet_resident_memory_bytes", ""),
            // Nodes have no metrics of their own.
            nodes_cpu_s: None,
            nodes_bytes: None,
            nodes: number("zipfleet_nodes", "state=\"active\""),
            waiting: number("zipfleet_jobs", "stage=\"waiting\""),
            window_share: number("zipfleet_window_used_bytes", "")
                / number("zipfleet_window_bytes", "").max(1.0),
            throttled: number("zipfleet_s3_requests_total", "outcome=\"throttled\""),
        }
    }
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
            coordinator_cpu_s: Some(1.25),
            coordinator_bytes: Some(1_000.0),
            nodes: 2.0,
            waiting: 3.0,
            window_share: 0.25,
            throttled: 11.0,
            ..Sample::default()
        };
        assert_eq!(Sample::read(text, 4.0), expected);
        assert_eq!(Sample::read("", 4.0), Sample { at_s: 4.0, ..Sample::default() });
    }
}
