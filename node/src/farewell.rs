//! What a node that leaves still owes an answer: grants that were on their way when it had ended.

use std::collections::BTreeSet;

use proto::batch::{AttemptId, Batch};
use proto::part::{Effort, PartReturned};
use proto::report::{Report, Vitals};

/// What has been granted to a node since it began to leave, and not been answered.
#[derive(Debug, Default)]
pub struct Farewell {
    unanswered: BTreeSet<AttemptId>,
    /// As of its last report: what is counted there only ever grows.
    vitals: Vitals,
}

impl Farewell {
    /// Takes in a grant, which was sent before the coordinator knew.
    pub fn granted(&mut self, batch: &Batch) {
        self.unanswered.extend(batch.assignments.iter().map(|assignment| assignment.id));
    }

    /// Takes in what the node reports.
    pub fn reported(&mut self, report: &Report) {
        let Report { done, failed, returned, vitals } = report;
        let answered = done.iter().map(|done| done.id).chain(failed.iter().map(|failed| failed.id));
        for id in answered.chain(returned.iter().map(|returned| returned.id)) {
            self.unanswered.remove(&id);
        }
        self.vitals = Vitals { throttled: Vec::new(), ..vitals.clone() };
    }

    /// The report, of a node that has ended, that returns what it did not answer; `None` when there is nothing.
    pub fn hand_back(&mut self) -> Option<Report> {
        let unanswered = std::mem::take(&mut self.unanswered);
        let returned = unanswered.into_iter().map(|id| PartReturned { id, effort: Effort::default() });
        let report =
            Report { returned: returned.collect(), vitals: self.vitals.clone(), ..Report::default() };
        (!report.returned.is_empty()).then_some(report)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::batch::{Assignment, Upload};
    use proto::job::JobId;
    use proto::location::Location;
    use proto::plan::{PartNumber, PartWork};

    fn id(part: u32) -> AttemptId {
        AttemptId { job: JobId(1), part: PartNumber(part), attempt: 1 }
    }

    fn returned(parts: &[u32]) -> Vec<PartReturned> {
        parts.iter().map(|part| PartReturned { id: id(*part), effort: Effort::default() }).collect()
    }

    #[test]
    fn what_was_not_answered_is_handed_back_once() {
        let assignment = |part| {
            let work = PartWork {
                number: PartNumber(part),
                bytes: 0,
                bodies: Vec::new(),
                pieces: Vec::new(),
                below: None,
            };
            Assignment { id: id(part), work, trace: None }
        };
        let destination = Location { bucket: "out".into(), key: "a.zip".into() };
        let upload = Upload { destination, upload_id: "u".into() };
        let mut farewell = Farewell::default();
        assert_eq!(farewell.hand_back(), None);
        farewell.granted(&Batch { upload, assignments: (1..=3).map(assignment).collect() });
        let vitals = Vitals { moved_bytes: 7, is_draining: true, ..Vitals::default() };
        farewell.reported(&Report { returned: returned(&[2]), vitals: vitals.clone(), ..Report::default() });
        let report = Report { returned: returned(&[1, 3]), vitals, ..Report::default() };
        assert_eq!(farewell.hand_back(), Some(report));
        assert_eq!(farewell.hand_back(), None);
    }
}
