//! How jobs end.

use proto::explain::Explanation;
use proto::failure::{Failure, FailureKind};
use proto::job::{JobId, Outcome, Stage};
use proto::plan::Plan;
use proto::requests::RequestCounts;
use proto::session::Order;
use proto::timeline::Timeline;
use proto::view::JobView;

use super::{Effect, Machine, Question, Waiting};
use crate::job::{Job, UploadState};

/// A job that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// The job, with its outcome.
    pub view: JobView,
    /// Who did what, and why.
    pub explanation: Explanation,
    /// Who did what when.
    pub timeline: Timeline,
    /// Requests to S3 for it, as far as nodes have told.
    pub requests: RequestCounts,
    /// Objects left out because their names are unsafe, up to `SKIPPED_MAX`, and why.
    pub skipped: Vec<String>,
    /// What was archived, if it was.
    pub archive: Option<Archive>,
    /// Whether something of it could not be removed, which its outcome tells.
    pub has_left: bool,
}

/// What was archived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Archive {
    /// Its plan.
    pub plan: Plan,
    /// CRC-32 of each entry.
    pub crc32: Vec<u32>,
}

impl Machine {
    pub(super) fn completed(&mut self, id: JobId, result: Result<String, Failure>) {
        let etag = match result {
            Ok(etag) => etag,
            Err(failure) => return self.abort(id, failure),
        };
        let Some(job) = self.jobs.get_mut(&id) else { return };
        job.etag = Some(etag);
        if !self.discard(id) {
            self.finish_completed(id);
        }
    }

    /// Ends a job whose archive is there.
    pub(super) fn finish_completed(&mut self, id: JobId) {
        let Some(mut job) = self.jobs.remove(&id) else { return };
        let etag = job.etag.take().expect("the archive is there");
        let outcome = Outcome::Completed(job.summary(etag, self.now_ms));
        self.finish(job, outcome);
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
            Some(waiting) => self.never_begun(&waiting, cancelled),
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

    /// Takes a job that is being aborted as far as it can go: first no node may be writing to its uploads
    /// any more, or S3 may keep what arrives after the abort; then they are removed; then it ends.
    pub(super) fn clean_up(&mut self, id: JobId) {
        let Some(job) = self.jobs.get_mut(&id).filter(|job| job.stage == Stage::Aborting) else { return };
        if self.scheduler.busy_with(|attempt| attempt.job == id).next().is_some() || job.awaits_s3() {
            return;
        }
        if let UploadState::Open(upload) = &job.upload {
            self.effects.push(Effect::Ask(Question::Abort(id, upload.clone())));
            job.upload = UploadState::Removing;
            return;
        }
        if self.discard(id) {
            return;
        }
        let job = self.jobs.remove(&id).expect("it was just there");
        let failure = job.failure.clone().expect("a job is aborted for a reason");
        let left_behind = job.left_behind.clone();
        self.finish(job, Outcome::Failed { failure, left_behind });
    }

    fn finish(&mut self, job: Job, outcome: Outcome) {
        self.scheduler.end(job.id);
        // What is still in flight are attempts that another outran.
        let busy = self.scheduler.busy_with(|attempt| attempt.job == job.id);
        self.effects.extend(busy.map(|node| Effect::Order(node, Order::Cancel(job.id))));
        self.counters.ended(&outcome);
        let is_completed = matches!(outcome, Outcome::Completed(_));
        let view = job.view().ended(outcome);
        let explanation = job.story.explain(job.id);
        let timeline = job.chart.timeline(self.now_ms - job.submitted_ms);
        let skipped = job.planner.skipped().first.clone();
        let crc32 = job.ledger.into_crc32();
        let archive = is_completed.then(|| Archive { plan: job.planner.into_plan(), crc32 });
        let requests = job.requests;
        let has_left = !job.left_behind.is_empty();
        let ended = Ended { view, explanation, timeline, requests, skipped, archive, has_left };
        self.effects.push(Effect::Finish(Box::new(ended)));
        self.begin_waiting();
    }

    /// Ends a job of which nothing came into being.
    pub(super) fn never_begun(&mut self, waiting: &Waiting, failure: Failure) {
        let outcome = Outcome::Failed { failure, left_behind: Vec::new() };
        self.counters.ended(&outcome);
        let ended = Ended {
            view: waiting.view().ended(outcome),
            explanation: Explanation::of_nothing(waiting.id),
            timeline: Timeline::default(),
            requests: RequestCounts::default(),
            skipped: Vec::new(),
            archive: None,
            has_left: false,
        };
        self.effects.push(Effect::Finish(Box::new(ended)));
    }
}
