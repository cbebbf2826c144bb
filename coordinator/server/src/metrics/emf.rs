//! A few of the metrics as lines of the log, in CloudWatch's embedded metric format, which CloudWatch Logs turns into
//! metrics by itself: so the coordinator needs neither a collector nor a permission for it.

use std::io::{self, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use coordinator::counters::Counters;
use proto::view::NodeState;
use serde_json::{Map, Value, json};
use tokio::time::{MissedTickBehavior, interval};

use super::Seen;
use crate::handle::{Coordinator, Gone};

/// How often there is a line: what CloudWatch keeps of metrics that are not of high resolution.
const EVERY: Duration = Duration::from_mins(1);
const SECONDS_A_DAY: u64 = 24 * 60 * 60;

/// Writes a line to standard output now and each minute, until the coordinator is gone. Its certificates, if it has any,
/// run out at `valid_until_s`, in seconds since 1970.
///
/// # Errors
/// [`Gone`], and never anything else: a line that cannot be written is lost.
pub(crate) async fn tell(
    coordinator: &Coordinator,
    namespace: &str,
    valid_until_s: Option<u64>,
) -> Result<(), Gone> {
    let mut minutes = interval(EVERY);
    minutes.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut before = Counters::default();
    loop {
        minutes.tick().await;
        let seen = coordinator.seen().await?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let days_left = valid_until_s.map(|until_s| until_s.saturating_sub(now.as_secs()) / SECONDS_A_DAY);
        let line = line(namespace, now.as_millis() as u64, &before, &seen, days_left);
        before = seen.counters;
        // Elsewhere, because whoever reads the log may be slow. Its failure is no reason to end jobs.
        let _ = tokio::task::spawn_blocking(move || writeln!(io::stdout(), "{line}")).await;
    }
}

/// What is seen at a moment, and what was counted since `before`.
fn line(namespace: &str, at_ms: u64, before: &Counters, seen: &Seen, days_left: Option<u64>) -> Value {
    let now = &seen.counters;
    let ended =
        |counters: &Counters| counters.jobs_completed + counters.jobs_failed + counters.jobs_cancelled;
    let nodes = seen.nodes.iter().filter(|node| node.state == NodeState::Active).count() as u64;
    let jobs = seen.stages.len() as u64;
    let requests = |of: fn(&proto::requests::Sent) -> u64| {
        let sum =
            |counters: &Counters| counters.requests.kinds().iter().map(|(_, sent)| of(sent)).sum::<u64>();
        sum(now).saturating_sub(sum(before))
    };
    let since = |of: fn(&Counters) -> u64| of(now).saturating_sub(of(before));
    let certificate = days_left.map(|days| ("CertificateDaysLeft", "Count", days));
    let counted = [
        // With those that came and went within the minute: a fleet that is used is never idle.
        ("Jobs", "Count", jobs + ended(now).saturating_sub(ended(before))),
        ("JobsWithoutNodes", "Count", if nodes == 0 { jobs } else { 0 }),
        ("JobsFailed", "Count", since(|counters| counters.jobs_failed)),
        ("BytesLeft", "Bytes", seen.bytes_left),
        ("BytesLeftPerNode", "Bytes", seen.bytes_left / nodes.max(1)),
        ("BytesArchived", "Bytes", since(|counters| counters.bytes_done)),
        ("Nodes", "Count", nodes),
        ("NodesLost", "Count", since(|counters| counters.nodes_lost)),
        ("RequestsThrottled", "Count", requests(|sent| sent.throttled)),
        ("RequestsFailed", "Count", requests(|sent| sent.failed)),
    ];
    let metrics: Vec<_> = counted.into_iter().chain(certificate).collect();
    let defined: Vec<Value> =
        metrics.iter().map(|(name, unit, _)| json!({ "Name": name, "Unit": unit })).collect();
    let about = json!({
        "Timestamp": at_ms,
        "CloudWatchMetrics": [{ "Namespace": namespace, "Dimensions": [[]], "Metrics": defined }],
    });
    let values = metrics.into_iter().map(|(name, _, value)| (name.to_owned(), Value::from(value)));
    Value::Object(std::iter::once(("_aws".to_owned(), about)).chain(values).collect::<Map<_, _>>())
}

#[cfg(test)]
mod tests {
    use proto::job::Stage;
    use proto::requests::Sent;

    use super::*;
    use crate::metrics::Times;

    fn seen(counters: Counters, stages: Vec<Stage>, bytes_left: u64) -> Seen {
        let (nodes, times) = (Vec::new(), Times::default());
        Seen { counters, stages, bytes_left, nodes, queued_parts: 0, granted_bytes: 0, times, started_ms: 0 }
    }

    #[test]
    fn a_line_tells_of_its_minute_and_nothing_before() {
        let before = Counters { jobs_completed: 7, jobs_failed: 1, bytes_done: 100, ..Counters::default() };
        let mut now = Counters { jobs_completed: 9, jobs_failed: 2, bytes_done: 130, ..before };
        now.requests.get = Sent { sent: 9, throttled: 4, failed: 1 };
        let line = line("fleet", 5, &before, &seen(now, vec![Stage::Waiting], 1), Some(29));
        assert_eq!(line["_aws"]["Timestamp"], 5);
        for (name, value) in [
            ("Jobs", 4),
            ("JobsWithoutNodes", 1),
            ("JobsFailed", 1),
            ("BytesLeft", 1),
            ("BytesLeftPerNode", 1),
            ("BytesArchived", 30),
            ("Nodes", 0),
            ("RequestsThrottled", 4),
            ("RequestsFailed", 1),
            ("CertificateDaysLeft", 29),
        ] {
            assert_eq!(line[name], value, "{name}");
        }
        assert!(!line.to_string().contains('\n'), "CloudWatch takes each line for itself");
    }

    #[test]
    fn all_that_is_told_is_documented() {
        let line = line("fleet", 0, &Counters::default(), &seen(Counters::default(), Vec::new(), 0), Some(1));
        let documented = include_str!("../../../../docs/metrics.md");
        for name in line.as_object().expect("an object").keys().filter(|name| *name != "_aws") {
            assert!(documented.contains(&format!("| `{name}` |")), "{name}");
        }
    }
}
