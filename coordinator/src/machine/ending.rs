//! How jobs end.

use proto::explain::Explanation;
use proto::failure::{Failure, FailureKind};
use proto::job::{JobId, JobSpec, Outcome, Progress, Stage};
use proto::session::Order;
use proto::view::{Ended, JobView};

use super::{Effect, Machine, Question};
use crate::job::{Job, UploadState};

impl Machine {
    pub(super) fn completed(&mut self, id: JobId, result: Result<String, Failure>) {
        match result {
            Ok(etag) => {
                let Some(job) = self.jobs.remove(&id) else { return };
                let outcome = Outcome::Completed(job.summary(etag, self.now_ms));
                self.finish(job, outcome);
            }
            Err(failure) => self.abort(id, failure),
        }
    }

    pub(super) fn aborted(&mut self, id: JobId, result: Result<(), Failure>) {
        let Some(job) = self.jobs.get_mut(&id) else { return };
        job.left_behind.extend(result.err().map(|left| left.message));
        job.upload = UploadState::Gone;
        self.clean_up(id);
    }

    pub(super) fn cancel(&mut self, id: JobId) {
        let cancelled = Failure::new(FailureKind::Cancelled, "the job was cancelled");
        let place = self.waiting.iter().find(|(_, waiting)| waiting.id == id).map(|(place, _)| *place);
        match place.and_then(|place| self.waiting.remove(&place)) {
            Some(waiting) => self.never_begun(id, waiting.spec, cancelled),
            None => self.fail(id, cancelled),
        }
    }

    /// Begins to end a job, unless S3 is already putting the archive together: that is waited for.
    pub(super) fn fail(&mut self, id: JobId, failure: Failure) {
        if self.jobs.get(&id).is_some_and(|job| job.stage < Stage::Completing) {
            self.abort(id, failure);
        }
    }

    fn abort(&mut self, id: JobId, failure: Failure) {
        let Some(job) = self.jobs.get_mut(&id) else { return };
        job.stage = Stage::Aborting;
        job.failure = Some(failure);
        self.scheduler.end(id);
        let busy = self.scheduler.busy_with(|attempt| attempt.job == id);
        self.effects.extend(busy.map(|node| Effect::Order(node, Order::Cancel(id))));
        self.clean_up(id);
    }

    /// Takes a job that is being aborted as far as it can go: first no node may be writing to the upload
    /// any more, or S3 may keep what arrives after the abort; then the upload is removed; then it ends.
    pub(super) fn clean_up(&mut self, id: JobId) {
        let Some(job) = self.jobs.get_mut(&id).filter(|job| job.stage == Stage::Aborting) else { return };
        if self.scheduler.busy_with(|attempt| attempt.job == id).next().is_some() {
            return;
        }
        match &job.upload {
            UploadState::Creating | UploadState::Removing => {}
            UploadState::Open(upload) => {
                self.effects.push(Effect::Ask(Question::Abort(id, upload.clone())));
                job.upload = UploadState::Removing;
            }
            UploadState::None | UploadState::Gone => {
                let job = self.jobs.remove(&id).expect("it was just there");
                let failure = job.failure.clone().expect("a job is aborted for a reason");
                let left_behind = job.left_behind.clone();
                self.finish(job, Outcome::Failed { failure, left_behind });
            }
        }
    }

    fn finish(&mut self, job: Job, outcome: Outcome) {
        self.scheduler.end(job.id);
        // What is still in flight are attempts that another outran.
        let busy = self.scheduler.busy_with(|attempt| attempt.job == job.id);
        self.effects.extend(busy.map(|node| Effect::Order(node, Order::Cancel(job.id))));
        let view = JobView { outcome: Some(outcome), ..job.view() };
        let explanation = job.story.explain(job.id);
        self.effects.push(Effect::Finish(Box::new(Ended { view, explanation })));
        self.begin_waiting();
    }

    /// Ends a job of which nothing came into being.
    pub(super) fn never_begun(&mut self, id: JobId, spec: JobSpec, failure: Failure) {
        let view = JobView {
            id,
            destination: spec.destination,
            priority: spec.priority,
            progress: Progress::default(),
            outcome: Some(Outcome::Failed { failure, left_behind: Vec::new() }),
        };
        let explanation = Explanation { job: id, nodes: Vec::new(), decisions: Vec::new(), untold: 0 };
        self.effects.push(Effect::Finish(Box::new(Ended { view, explanation })));
    }
}
