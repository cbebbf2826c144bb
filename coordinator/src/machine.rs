//! The coordinator's machine: everything that can happen in, everything it asks for out.

use std::collections::BTreeMap;

use proto::batch::{Assignment, AttemptId, Batch, Upload};
use proto::complete::Completion;
use proto::failure::{Failure, FailureKind};
use proto::job::{JobId, JobSpec, Outcome, Progress, Stage};
use proto::limits::{
    BATCH_PARTS_MAX, NODE_CONCURRENCY_DEFAULT, NODE_MEMORY_DEFAULT, PART_ATTEMPTS_MAX, body_budget_bytes,
    part_bytes_cap,
};
use proto::listing::Page;
use proto::location::{Location, Source};
use proto::part::{PartDone, PartFailed};
use proto::report::Report;
use proto::session::{Hello, Order};

use crate::job::{Job, UploadState};
use crate::planner::Planner;
use crate::scheduler::{NodeId, Scheduler};

/// Everything that can happen to a coordinator.
#[derive(Clone, Debug)]
pub enum Event {
    /// Someone wants an archive.
    Submitted(JobId, JobSpec),
    /// S3 answered a listing request with a page of the job's source number `.1`.
    Listed(JobId, u16, Result<Page, Failure>),
    /// S3 answered the request for an upload.
    UploadCreated(JobId, Result<Upload, Failure>),
    /// A node said hello.
    NodeJoined(NodeId, Hello),
    /// A node reported.
    Reported(NodeId, Report),
    /// A node is gone.
    NodeLost(NodeId),
    /// S3 put the archive together and gave its ETag, or refused.
    Completed(JobId, Result<String, Failure>),
    /// The upload is removed, or could not be.
    Aborted(JobId, Result<(), Failure>),
    /// Someone no longer wants the archive.
    Cancelled(JobId),
}

/// Everything a coordinator asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Ask S3 something; the answer is an event.
    Ask(Question),
    /// Tell a node something.
    Order(NodeId, Order),
    /// The job has ended and is forgotten.
    Finish(JobId, Outcome),
}

/// What a coordinator asks of S3, each answered by one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// List a page of a source; answered by `Listed`.
    List {
        /// The job.
        job: JobId,
        /// Position of the source in the job.
        index: u16,
        /// The source.
        source: Source,
        /// Where the page begins; `None` for the first.
        from: Option<String>,
    },
    /// Create the upload, but if `.2` not when there is an object already; answered by `UploadCreated`.
    Create(JobId, Location, bool),
    /// Put the archive together; answered by `Completed`.
    Complete(JobId, Completion),
    /// Remove the upload and whatever it holds; answered by `Aborted`.
    Abort(JobId, Upload),
}

/// The coordinator's state, and the only thing that changes it.
#[derive(Debug, Default)]
pub struct Machine {
    jobs: BTreeMap<JobId, Job>,
    scheduler: Scheduler,
}

impl Machine {
    /// Takes in an event; `now_ms` is the time in milliseconds of any clock that does not go back.
    pub fn handle(&mut self, event: Event, now_ms: u64) -> Vec<Effect> {
        let mut effects = Vec::new();
        match event {
            Event::Submitted(id, spec) => self.submit(id, spec, now_ms, &mut effects),
            Event::Listed(id, source, page) => self.listed(id, source, page, now_ms, &mut effects),
            Event::UploadCreated(id, upload) => self.upload_created(id, upload, &mut effects),
            Event::NodeJoined(node, hello) => self.scheduler.join(node, &hello),
            Event::Reported(node, report) => self.reported(node, report, now_ms, &mut effects),
            Event::NodeLost(node) => self.node_lost(node, &mut effects),
            Event::Completed(id, result) => self.completed(id, result, now_ms, &mut effects),
            Event::Aborted(id, result) => self.aborted(id, result, &mut effects),
            Event::Cancelled(id) => {
                self.fail(id, Failure::new(FailureKind::Cancelled, "the job was cancelled"), &mut effects);
            }
        }
        self.grant(&mut effects);
        effects
    }

    /// How far a job has come; `None` when it has ended or never was.
    #[must_use]
    pub fn progress(&self, id: JobId) -> Option<Progress> {
        self.jobs.get(&id).map(Job::progress)
    }

    fn submit(&mut self, id: JobId, spec: JobSpec, now_ms: u64, effects: &mut Vec<Effect>) {
        let default_window = body_budget_bytes(NODE_MEMORY_DEFAULT, NODE_CONCURRENCY_DEFAULT);
        let window = self.scheduler.smallest_window().unwrap_or(default_window);
        match Planner::new(&spec, part_bytes_cap(window)) {
            Err(failure) => {
                let left_behind = Vec::new();
                effects.push(Effect::Finish(id, Outcome::Failed { failure, left_behind }));
            }
            Ok(planner) => {
                let source = spec.sources[0].clone();
                effects.push(Effect::Ask(Question::List { job: id, index: 0, source, from: None }));
                self.jobs.insert(id, Job::new(id, spec, planner, now_ms));
            }
        }
    }

    fn listed(
        &mut self,
        id: JobId,
        index: u16,
        page: Result<Page, Failure>,
        now_ms: u64,
        effects: &mut Vec<Effect>,
    ) {
        let Some(job) = self.jobs.get_mut(&id).filter(|job| job.stage == Stage::Listing) else { return };
        let page = match page {
            Ok(page) => page,
            Err(failure) => return self.fail(id, failure, effects),
        };
        // Asked for before this page is planned, so that S3 and the planner work at the same time.
        let next = next_listing(job, index, page.next);
        let is_last = next.is_none();
        effects.extend(next);
        let planned = page.objects.into_iter().try_for_each(|object| job.planner.add(object));
        let planned = planned.and_then(|()| if is_last { job.planner.finish() } else { Ok(()) });
        if let Err(failure) = planned {
            return self.fail(id, failure, effects);
        }
        job.ledger.grow(job.planner.plan());
        if is_last {
            job.stage = Stage::Transferring;
            job.listed_ms = now_ms;
        }
        if job.upload == UploadState::None && !job.planner.plan().parts.is_empty() && !job.planner.is_doomed()
        {
            job.upload = UploadState::Creating;
            let JobSpec { destination, no_overwrite, .. } = &job.spec;
            effects.push(Effect::Ask(Question::Create(id, destination.clone(), *no_overwrite)));
        }
    }

    fn upload_created(&mut self, id: JobId, upload: Result<Upload, Failure>, effects: &mut Vec<Effect>) {
        let Some(job) = self.jobs.get_mut(&id) else { return };
        match upload {
            Ok(upload) => job.upload = UploadState::Open(upload),
            Err(failure) => {
                job.upload = UploadState::Gone;
                self.fail(id, failure, effects);
            }
        }
        self.clean_up(id, effects);
    }

    fn reported(&mut self, node: NodeId, report: Report, now_ms: u64, effects: &mut Vec<Effect>) {
        for done in &report.done {
            if self.scheduler.settle(node, done.id) {
                self.part_done(node, done, now_ms, effects);
            }
        }
        for failed in report.failed {
            if self.scheduler.settle(node, failed.id) {
                self.part_failed(failed, effects);
            }
        }
    }

    fn part_done(&mut self, node: NodeId, done: &PartDone, now_ms: u64, effects: &mut Vec<Effect>) {
        let id = done.id.job;
        let Some(job) = self.jobs.get_mut(&id) else { return };
        if job.stage == Stage::Aborting {
            return self.clean_up(id, effects);
        }
        if let Err(error) = job.ledger.record(job.planner.plan(), done) {
            let failure = Failure::new(FailureKind::Internal, format!("a node reported nonsense: {error}"));
            return self.fail(id, failure, effects);
        }
        job.credit(self.scheduler.name(node), done.crc.bytes);
        if job.stage == Stage::Transferring && job.ledger.is_complete() {
            job.transferred_ms = now_ms;
            job.stage = Stage::Completing;
            let UploadState::Open(upload) = &job.upload else { return };
            effects.push(Effect::Ask(Question::Complete(id, job.completion(upload.clone()))));
        }
    }

    fn part_failed(&mut self, failed: PartFailed, effects: &mut Vec<Effect>) {
        let id = failed.id.job;
        let Some(job) = self.jobs.get_mut(&id) else { return };
        if job.stage == Stage::Aborting {
            return self.clean_up(id, effects);
        }
        let kind = failed.failure.kind;
        let may_pass =
            matches!(kind, FailureKind::Unavailable | FailureKind::Internal | FailureKind::Corrupt);
        if may_pass && job.ledger.note_failure(failed.id.part) < PART_ATTEMPTS_MAX {
            match kind {
                FailureKind::Corrupt => job.ledger.doubt(job.planner.plan(), failed.id.part),
                _ => job.ledger.give_back(failed.id.part),
            }
        } else {
            self.fail(id, failed.failure, effects);
        }
    }

    fn node_lost(&mut self, node: NodeId, effects: &mut Vec<Effect>) {
        for attempt in self.scheduler.leave(node) {
            let Some(job) = self.jobs.get_mut(&attempt.job) else { continue };
            job.ledger.give_back(attempt.part);
            self.clean_up(attempt.job, effects);
        }
    }

    fn completed(
        &mut self,
        id: JobId,
        result: Result<String, Failure>,
        now_ms: u64,
        effects: &mut Vec<Effect>,
    ) {
        match result {
            Ok(etag) => {
                let Some(job) = self.jobs.remove(&id) else { return };
                effects.push(Effect::Finish(id, Outcome::Completed(job.summary(etag, now_ms))));
            }
            Err(failure) => self.abort(id, failure, effects),
        }
    }

    fn aborted(&mut self, id: JobId, result: Result<(), Failure>, effects: &mut Vec<Effect>) {
        let Some(job) = self.jobs.get_mut(&id) else { return };
        job.left_behind.extend(result.err().map(|left| left.message));
        job.upload = UploadState::Gone;
        self.clean_up(id, effects);
    }

    /// Begins to end a job, unless S3 is already putting the archive together: that is waited for.
    fn fail(&mut self, id: JobId, failure: Failure, effects: &mut Vec<Effect>) {
        if self.jobs.get(&id).is_some_and(|job| job.stage < Stage::Completing) {
            self.abort(id, failure, effects);
        }
    }

    fn abort(&mut self, id: JobId, failure: Failure, effects: &mut Vec<Effect>) {
        let Some(job) = self.jobs.get_mut(&id) else { return };
        job.stage = Stage::Aborting;
        job.failure = Some(failure);
        effects.extend(
            self.scheduler
                .busy_with(|attempt| attempt.job == id)
                .map(|node| Effect::Order(node, Order::Cancel(id))),
        );
        self.clean_up(id, effects);
    }

    /// Takes a job that is being aborted as far as it can go: first no node may be writing to the upload
    /// any more, or S3 may keep what arrives after the abort; then the upload is removed; then it ends.
    fn clean_up(&mut self, id: JobId, effects: &mut Vec<Effect>) {
        let Some(job) = self.jobs.get_mut(&id).filter(|job| job.stage == Stage::Aborting) else { return };
        if self.scheduler.busy_with(|attempt| attempt.job == id).next().is_some() {
            return;
        }
        match &job.upload {
            UploadState::Creating | UploadState::Removing => {}
            UploadState::Open(upload) => {
                effects.push(Effect::Ask(Question::Abort(id, upload.clone())));
                job.upload = UploadState::Removing;
            }
            UploadState::None | UploadState::Gone => {
                let job = self.jobs.remove(&id).expect("it was just there");
                let failure = job.failure.expect("a job is aborted for a reason");
                let left_behind = job.left_behind;
                effects.push(Effect::Finish(id, Outcome::Failed { failure, left_behind }));
            }
        }
    }

    /// Hands out parts as long as a node has room and a job has parts.
    fn grant(&mut self, effects: &mut Vec<Effect>) {
        let mut batches: BTreeMap<(NodeId, JobId), Batch> = BTreeMap::new();
        while let Some((node, id, assignment, upload)) = self.grant_one(effects) {
            let batch =
                batches.entry((node, id)).or_insert_with(|| Batch { upload, assignments: Vec::new() });
            batch.assignments.push(assignment);
            if batch.assignments.len() >= BATCH_PARTS_MAX {
                let batch = batches.remove(&(node, id)).expect("it was just there");
                effects.push(Effect::Order(node, Order::Grant(batch)));
            }
        }
        effects
            .extend(batches.into_iter().map(|((node, _), batch)| Effect::Order(node, Order::Grant(batch))));
    }

    fn grant_one(&mut self, effects: &mut Vec<Effect>) -> Option<(NodeId, JobId, Assignment, Upload)> {
        let mut broken = None;
        for job in self.jobs.values_mut() {
            let Some(cost_bytes) = job.next_part_cost() else { continue };
            let Some(node) = self.scheduler.place(cost_bytes) else { continue };
            let UploadState::Open(upload) = job.upload.clone() else { continue };
            let Some((index, attempt)) = job.ledger.grant() else { continue };
            match job.work(index) {
                Ok(work) => {
                    let id = AttemptId { job: job.id, part: work.number, attempt };
                    self.scheduler.grant(node, id, cost_bytes);
                    return Some((node, job.id, Assignment { id, work }, upload));
                }
                Err(failure) => {
                    broken = Some((job.id, failure));
                    break;
                }
            }
        }
        let (id, failure) = broken?;
        self.fail(id, failure, effects);
        None
    }
}

/// The request for what comes after a page of source `index`: its next page, or the next source's first.
fn next_listing(job: &Job, index: u16, next_page: Option<String>) -> Option<Effect> {
    let index = if next_page.is_some() { index } else { index + 1 };
    let source = job.spec.sources.get(usize::from(index))?.clone();
    Some(Effect::Ask(Question::List { job: job.id, index, source, from: next_page }))
}

#[cfg(test)]
mod tests;
