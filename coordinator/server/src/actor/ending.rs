//! What follows when a job has ended: it is settled, then its report is written and whoever wants to know is told.

use coordinator::machine::{Archive, Ended};
use proto::api::JobReport;
use proto::job::{JobId, Outcome};
use proto::location::Location;
use proto_s3::with_retries;
use ractor::ActorRef;
use tracing::Instrument;

use super::{Message, State, aside};
use crate::reports::Reports;
use crate::roster::{JobRequest, report};
use crate::spans;

/// What is still to be told of a job that has ended.
pub(super) struct Ending {
    report: JobReport,
    archive: Option<Archive>,
}

/// What was written for a job before it was submitted.
pub(super) struct Written {
    id: JobId,
    manifest: Option<Location>,
    has_record: bool,
}

impl Written {
    pub(super) fn of(request: &JobRequest) -> Self {
        let JobRequest { id, callback, manifest, .. } = request;
        Self { id: *id, manifest: manifest.clone(), has_record: callback.is_some() }
    }
}

impl State {
    /// Notes how a job ended; it is settled when all that it may have left is known.
    pub(super) fn finish(&mut self, mut ended: Ended, myself: &ActorRef<Message>) {
        let id = ended.view.id;
        let mut outcome = ended.view.outcome.take().expect("a job that ended has an outcome");
        match &outcome {
            Outcome::Completed(summary) => {
                tracing::info!(job = %id, bytes = summary.bytes, "job completed");
                self.times.completed(summary);
            }
            Outcome::Failed { failure, left_behind } => {
                tracing::info!(job = %id, %failure, "job failed");
                for left in left_behind {
                    tracing::warn!(job = %id, left, "something of a job could not be removed");
                }
                self.spans.get(&id).into_iter().for_each(|span| proto_trace::failed(span, failure));
            }
        }
        let (has_left, destination) = (ended.has_left, ended.view.destination.clone());
        let report = report(ended.view.clone(), ended.explanation.clone(), ended.requests);
        let report = JobReport { skipped: std::mem::take(&mut ended.skipped), ..report };
        // Before it is remembered, which it is without its entries.
        let archive = ended.archive.take().filter(|_| self.reports.is_some());
        if self.reports.is_some() {
            self.unwritten.add(&report, archive.as_ref());
        }
        self.ending.insert(id, Box::new(Ending { report, archive }));
        self.roster.ended(ended);
        // The record of a job of which something could not be removed stays: the next coordinator tries again.
        let record = self.journal.clone().filter(|_| self.recorded.remove(&id) && !has_left);
        let suspects = self.suspects.remove(&id).unwrap_or_default();
        if record.is_none() && suspects.is_empty() {
            return self.settle(id, outcome, myself);
        }
        let s3 = self.s3.clone();
        let span = spans::of_settling(self.spans.get(&id));
        let work = async move {
            let mut is_clean = true;
            for suspects in suspects {
                let are_own = suspects.are_own();
                let left = suspects.left(&s3, id, &destination).await;
                is_clean &= !are_own || left.is_empty();
                match &mut outcome {
                    Outcome::Completed(summary) => summary.warnings.extend(left),
                    Outcome::Failed { left_behind, .. } => left_behind.extend(left),
                }
            }
            if let Some(journal) = record.filter(|_| is_clean) {
                journal.forget(id).await;
            }
            vec![Message::Settled(id, outcome)]
        };
        aside(myself, work.instrument(span));
    }

    /// Notes that nothing of a job is left to do, and tells whoever wants to know.
    pub(super) fn settle(&mut self, id: JobId, outcome: Outcome, myself: &ActorRef<Message>) {
        self.spans.remove(&id);
        self.roster.settle(id, outcome.clone());
        let Some(ending) = self.ending.remove(&id) else { return };
        let Ending { mut report, archive } = *ending;
        report.job = report.job.ended(outcome);
        let card = self.roster.card(id);
        let (callback, manifest) =
            card.map(|card| (card.callback.clone(), card.manifest.clone())).unwrap_or_default();
        if let Some(manifest) = manifest {
            self.discard(manifest, myself);
        }
        if let Some(target) = callback {
            let told = self.callbacks.clone().tell(report.job.clone(), target);
            self.errand(myself, told, None);
        }
        if let Some(reports) = self.reports.clone() {
            let written = async move { reports.write(report, archive).await };
            self.errand(myself, written, Some(Message::ReportDone(id)));
        }
    }

    /// Whether there is yet to be a report of a job.
    pub(crate) fn owes_report(&self, id: JobId) -> bool {
        let is_over = self.machine.job(id).is_none() && !self.ending.contains_key(&id);
        !is_over || self.unwritten.contains(id)
    }

    pub(crate) fn reports(&self) -> Option<Reports> {
        self.reports.clone()
    }

    /// Removes what was written for a job that proved to be none.
    pub(super) fn undo(&mut self, written: Written, myself: &ActorRef<Message>) {
        let Written { id, manifest, has_record } = written;
        if let Some(manifest) = manifest {
            self.discard(manifest, myself);
        }
        if has_record {
            let callbacks = self.callbacks.clone();
            self.errand(myself, async move { callbacks.forget(id).await }, None);
        }
    }

    /// Removes a manifest that was written for a job.
    fn discard(&mut self, manifest: Location, myself: &ActorRef<Message>) {
        let s3 = self.s3.clone();
        let discarded = async move {
            if let Err(error) = with_retries(async || s3.delete(&manifest).await).await {
                // The next coordinator tries again.
                tracing::warn!(%error, "a manifest is left");
            }
        };
        self.errand(myself, discarded, None);
    }

    /// Does something for a job that is over, for which nobody waits but a coordinator that is about to end.
    fn errand(
        &mut self,
        myself: &ActorRef<Message>,
        work: impl Future<Output = ()> + Send + 'static,
        done: Option<Message>,
    ) {
        self.errands += 1;
        aside(myself, async move {
            // No job waits for it, so no job is to end with it.
            if let Err(error) = tokio::spawn(work).await {
                tracing::error!(%error, "what followed a job's end failed, report this");
            }
            done.into_iter().chain([Message::ErrandDone]).collect()
        });
    }
}
