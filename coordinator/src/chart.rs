//! The chart of a job: which node worked at which part when.

use std::collections::BTreeMap;

use proto::batch::AttemptId;
use proto::limits::BARS_MAX;
use proto::timeline::{Bar, End, Origin, Timeline};

use crate::scheduler::NodeId;

/// What is remembered of a job's attempts.
#[derive(Debug, Default)]
pub struct Chart {
    nodes: Vec<String>,
    rows: BTreeMap<NodeId, u32>,
    open: BTreeMap<AttemptId, Bar>,
    ended: Vec<Bar>,
    unshown: u64,
}

impl Chart {
    /// Notes an attempt granted to the node of this name `at_ms` milliseconds after the job was submitted.
    pub fn granted(&mut self, attempt: AttemptId, node: NodeId, name: &str, origin: Origin, at_ms: u64) {
        let row = match self.rows.get(&node) {
            Some(row) => *row,
            None => {
                // One that has come back is the same to whoever looks.
                let known = self.nodes.iter().position(|known| known == name);
                let row = known.unwrap_or(self.nodes.len()) as u32;
                if known.is_none() {
                    self.nodes.push(name.to_owned());
                }
                self.rows.insert(node, row);
                row
            }
        };
        let at_ms = short(at_ms);
        let bar = Bar {
            part: attempt.part,
            node: row,
            granted_ms: at_ms,
            began_ms: at_ms,
            ended_ms: at_ms,
            origin,
            end: End::Open,
        };
        self.open.insert(attempt, bar);
    }

    /// Notes how an attempt ended, at which the node worked for `worked_ms` milliseconds until shortly before.
    pub fn ended(&mut self, attempt: AttemptId, end: End, worked_ms: u32, at_ms: u64) {
        let Some(bar) = self.open.remove(&attempt) else { return };
        if self.ended.len() >= BARS_MAX {
            self.unshown += 1;
            return;
        }
        let ended_ms = short(at_ms).max(bar.granted_ms);
        let began_ms = ended_ms.saturating_sub(worked_ms).max(bar.granted_ms);
        self.ended.push(Bar { began_ms, ended_ms, end, ..bar });
    }

    /// How many attempts have not ended.
    #[must_use]
    pub fn under_way(&self) -> u64 {
        self.open.len() as u64
    }

    /// All of it, `at_ms` milliseconds after the job was submitted.
    #[must_use]
    pub fn timeline(&self, at_ms: u64) -> Timeline {
        let ended_ms = short(at_ms);
        let open = self.open.values().map(|bar| Bar { began_ms: ended_ms, ended_ms, ..*bar });
        Timeline {
            nodes: self.nodes.clone(),
            bars: self.ended.iter().copied().chain(open).collect(),
            unshown: self.unshown,
        }
    }
}

/// Times of a timeline reach seven weeks.
fn short(ms: u64) -> u32 {
    u32::try_from(ms).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::job::JobId;
    use proto::plan::PartNumber;

    #[test]
    fn an_attempt_is_a_bar_in_its_nodes_row() {
        let id = |part, attempt| AttemptId { job: JobId(1), part: PartNumber(part), attempt };
        let mut chart = Chart::default();
        chart.granted(id(1, 1), NodeId(7), "a", Origin::Granted, 100);
        chart.granted(id(2, 1), NodeId(8), "b", Origin::Stolen, 200);
        chart.granted(id(1, 2), NodeId(9), "b", Origin::Hedge, 300);
        chart.ended(id(1, 2), End::Done, 50, 400);
        // A node's clock may run fast: nothing begins before it was granted.
        chart.ended(id(1, 1), End::Dropped, 5_000, 410);
        chart.ended(id(9, 9), End::Done, 1, 411);
        let timeline = chart.timeline(500);
        assert_eq!(timeline.nodes, ["a", "b"]);
        let told: Vec<_> = timeline
            .bars
            .iter()
            .map(|bar| (bar.part.0, bar.node, bar.began_ms, bar.ended_ms, bar.origin, bar.end))
            .collect();
        assert_eq!(
            told,
            [
                (1, 1, 350, 400, Origin::Hedge, End::Done),
                (1, 0, 100, 410, Origin::Granted, End::Dropped),
                (2, 1, 500, 500, Origin::Stolen, End::Open),
            ]
        );
    }
}
