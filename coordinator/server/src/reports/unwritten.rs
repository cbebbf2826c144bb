//! Reports that are yet to be written, which must not pile up.

use std::collections::BTreeMap;

use coordinator::machine::Archive;
use proto::api::JobReport;
use proto::failure::{Failure, FailureKind};
use proto::job::JobId;
use proto::limits::REPORT_ITEMS_PENDING_MAX;

/// The reports that are yet to be written, and how much of memory they keep: with each goes its archive's plan.
#[derive(Default)]
pub(crate) struct Unwritten {
    items: BTreeMap<JobId, u64>,
    in_all: u64,
}

impl Unwritten {
    pub(crate) fn add(&mut self, report: &JobReport, archive: Option<&Archive>) {
        let entries = archive.map_or(0, |archive| archive.plan.entries.len());
        // One for the rest of it: many small ones are not for nothing either.
        let items = (1 + entries + report.skipped.len() + report.decisions.len()) as u64;
        self.in_all += items;
        self.in_all -= self.items.insert(report.job.id, items).unwrap_or_default();
    }

    pub(crate) fn remove(&mut self, id: JobId) {
        self.in_all -= self.items.remove(&id).unwrap_or_default();
    }

    pub(crate) fn contains(&self, id: JobId) -> bool {
        self.items.contains_key(&id)
    }

    /// Why no more jobs are taken, if they keep as much as they may.
    pub(crate) fn refusal(&self) -> Option<Failure> {
        (self.in_all > REPORT_ITEMS_PENDING_MAX).then(|| {
            let message = format!(
                "the reports of {} ended jobs wait to be written, which is as much as this coordinator keeps: submit it again later",
                self.items.len()
            );
            Failure::new(FailureKind::Unavailable, message)
        })
    }
}

#[cfg(test)]
impl Unwritten {
    /// Too many of them.
    pub(crate) fn full() -> Self {
        Self { in_all: REPORT_ITEMS_PENDING_MAX + 1, ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::job::{Outcome, Priority, Progress, Summary};
    use proto::location::Location;
    use proto::view::JobView;

    fn report(id: u64) -> JobReport {
        let job = JobView {
            id: JobId(id),
            state: proto::view::JobState::Completed,
            destination: Location { bucket: "out".into(), key: "a.zip".into() },
            priority: Priority::default(),
            owner: None,
            submitted_ms: 0,
            progress: Progress::default(),
            outcome: Some(Outcome::Completed(Summary::default())),
        };
        JobReport {
            job,
            nodes: Vec::new(),
            decisions: Vec::new(),
            untold: 0,
            requests: proto::requests::RequestCounts::default(),
            price_usd: 0.0,
            skipped: Vec::new(),
            entries: Vec::new(),
        }
    }

    #[test]
    fn no_jobs_are_taken_while_too_much_waits_to_be_written() {
        let mut unwritten = Unwritten { in_all: REPORT_ITEMS_PENDING_MAX - 1, ..Unwritten::default() };
        unwritten.add(&report(1), None);
        assert!(unwritten.contains(JobId(1)) && unwritten.refusal().is_none());
        unwritten.add(&report(2), None);
        let refused = unwritten.refusal().expect("there are too many");
        assert_eq!(refused.kind, FailureKind::Unavailable);
        assert!(refused.message.contains("2 ended jobs"), "{refused}");
        unwritten.remove(JobId(1));
        assert!(!unwritten.contains(JobId(1)) && unwritten.refusal().is_none());
        unwritten.remove(JobId(1));
        assert_eq!(unwritten.in_all, REPORT_ITEMS_PENDING_MAX);
    }
}
