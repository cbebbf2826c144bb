//! The coordinator's machine: everything that can happen in, everything it asks for out.

mod ending;
mod nodes;
mod parts;
mod question;
mod segments;

pub use ending::{Archive, Ended};
pub use question::Question;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use proto::batch::{AttemptId, Upload};
use proto::explain::{Explanation, What};
use proto::failure::{Failure, FailureKind};
use proto::job::{JobId, JobSpec, Priority, Progress, Stage};
use proto::limits::{
    JOBS_RUNNING_DEFAULT, JOBS_WAITING_DEFAULT, NODE_CONCURRENCY_DEFAULT, NODE_MEMORY_DEFAULT,
    body_budget_bytes, part_bytes_cap,
};
use proto::listing::Page;
use proto::part::Effort;
use proto::report::Report;
use proto::requests::RequestCounts;
use proto::session::{Hello, Order};
use proto::timeline::{End, Timeline};
use proto::view::{JobState, JobView, NodeView};

use crate::counters::Counters;
use crate::governor::Governor;
use crate::job::{Job, UploadState};
use crate::planner::{Means, Planner};
use crate::scheduler::{NodeId, Policy, Scheduler};

/// Everything that can happen to a coordinator.
#[derive(Clone, Debug)]
pub enum Event {
    /// Someone wants an archive.
    Submitted(JobId, JobSpec),
    /// S3 answered a listing request with a page of the job's source number `.1`.
    Listed(JobId, u16, Result<Page, Failure>),
    /// S3 answered the request for an upload: the archive's, or that of a segment.
    UploadCreated(JobId, Option<u32>, Result<Upload, Failure>),
    /// A node said hello.
    NodeJoined(NodeId, Hello),
    /// A node reported.
    Reported(NodeId, Report),
    /// A node's connection broke; it may come back.
    NodeDisconnected(NodeId),
    /// A node whose connection broke has a new one.
    NodeReconnected(NodeId),
    /// A node is gone for good.
    NodeLost(NodeId),
    /// S3 put the archive or a segment together and gave its ETag, or refused.
    Completed(JobId, Option<u32>, Result<String, Failure>),
    /// The archive's upload is removed, or could not be.
    Aborted(JobId, Result<(), Failure>),
    /// What a job left beside its archive is removed, but for what is told, a sentence each.
    Discarded(JobId, Vec<String>),
    /// Someone no longer wants the archive.
    Cancelled(JobId),
    /// Someone wants a node to leave.
    Dismissed(NodeId),
    /// The coordinator sent requests to S3 for a job.
    Spent(JobId, RequestCounts),
    /// Time has passed: to come about twice a second.
    Tick,
}

/// Everything a coordinator asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Ask S3 something; the answer is an event.
    Ask(Question),
    /// Tell a node something.
    Order(NodeId, Order),
    /// Forget a node that has been silent for too long.
    Drop(NodeId),
    /// The submission is refused: it never was a job.
    Refuse(JobId, Failure),
    /// The job has ended and is forgotten.
    Finish(Box<Ended>),
}

/// What a machine is made with.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// What the scheduler may do.
    pub policy: Policy,
    /// Jobs in progress at a time.
    pub jobs_running: usize,
    /// Jobs waiting to begin; beyond that they are refused.
    pub jobs_waiting: usize,
    /// Have nodes open connections while a job is listed.
    pub warms: bool,
}

impl Default for Settings {
    fn default() -> Self {
        let policy = Policy::default();
        Self { policy, jobs_running: JOBS_RUNNING_DEFAULT, jobs_waiting: JOBS_WAITING_DEFAULT, warms: true }
    }
}

/// A job that waits for others to end.
#[derive(Debug)]
struct Waiting {
    id: JobId,
    spec: JobSpec,
    submitted_ms: u64,
}

impl Waiting {
    fn view(&self) -> JobView {
        JobView {
            id: self.id,
            state: JobState::Waiting,
            destination: self.spec.destination.clone(),
            priority: self.spec.priority,
            owner: self.spec.owner.clone(),
            submitted_ms: self.submitted_ms,
            progress: Progress::default(),
            outcome: None,
        }
    }
}

/// What is remembered of a node's last report.
#[derive(Clone, Copy, Debug, Default)]
struct Heard {
    /// When it came, in milliseconds.
    at_ms: u64,
    /// What the node had asked of S3 by then.
    requests: RequestCounts,
    /// Processor time that it had taken by then, in milliseconds; `None` until it has reported.
    cpu_ms: Option<u64>,
}

/// The coordinator's state, and the only thing that changes it.
#[derive(Debug)]
pub struct Machine {
    settings: Settings,
    jobs: BTreeMap<JobId, Job>,
    /// By priority, then in the order of submission.
    waiting: BTreeMap<(Reverse<Priority>, u64), Waiting>,
    submitted: u64,
    scheduler: Scheduler,
    governor: Governor,
    /// Each node's last report.
    heard: BTreeMap<NodeId, Heard>,
    counters: Counters,
    /// Whether S3 has copied something without telling its CRC-32.
    copies_untold: bool,
    ticked_ms: Option<u64>,
    /// Nodes that may have room and something to do.
    stirred: BTreeSet<NodeId>,
    now_ms: u64,
    effects: Vec<Effect>,
}

impl Default for Machine {
    fn default() -> Self {
        Self::new(Settings::default())
    }
}

impl Machine {
    /// A coordinator without nodes or jobs.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            jobs: BTreeMap::new(),
            waiting: BTreeMap::new(),
            submitted: 0,
            scheduler: Scheduler::new(settings.policy),
            governor: Governor::default(),
            heard: BTreeMap::new(),
            counters: Counters::default(),
            copies_untold: false,
            ticked_ms: None,
            stirred: BTreeSet::new(),
            now_ms: 0,
            effects: Vec::new(),
        }
    }

    /// Takes in an event; `now_ms` is the time in milliseconds of any clock that does not go back.
    pub fn handle(&mut self, event: Event, now_ms: u64) -> Vec<Effect> {
        // A clock that goes back would make times negative.
        let now_ms = now_ms.max(self.now_ms);
        self.now_ms = now_ms;
        self.scheduler.at(now_ms);
        match event {
            Event::Submitted(id, spec) => self.submit(id, spec),
            Event::Listed(id, source, page) => self.listed(id, source, page),
            Event::UploadCreated(id, None, upload) => self.upload_created(id, upload),
            Event::UploadCreated(id, Some(segment), upload) => self.segment_created(id, segment, upload),
            Event::NodeJoined(node, hello) => self.node_joined(node, hello),
            Event::Reported(node, report) => self.reported(node, report),
            Event::NodeDisconnected(node) => self.node_cut_off(node),
            Event::NodeReconnected(node) => {
                self.scheduler.found(node, now_ms);
                self.stirred.insert(node);
            }
            Event::NodeLost(node) => self.node_lost(node),
            Event::Completed(id, None, result) => self.completed(id, result),
            Event::Completed(id, Some(segment), result) => self.segment_completed(id, segment, result),
            Event::Aborted(id, result) => self.aborted(id, result),
            Event::Discarded(id, left) => self.discarded(id, left),
            Event::Cancelled(id) => self.cancel(id),
            Event::Dismissed(node) => self.effects.push(Effect::Order(node, Order::Drain)),
            Event::Spent(id, requests) => self.spent(id, &requests),
            Event::Tick => self.tick(),
        }
        self.hand_out();
        std::mem::take(&mut self.effects)
    }

    /// How far a job has come; `None` when it has ended or never was.
    #[must_use]
    pub fn progress(&self, id: JobId) -> Option<Progress> {
        self.jobs.get(&id).map(Job::progress).or_else(|| self.waiting(id).map(|_| Progress::default()))
    }

    /// A job that has not ended.
    #[must_use]
    pub fn job(&self, id: JobId) -> Option<JobView> {
        self.jobs.get(&id).map(Job::view).or_else(|| self.waiting(id).map(Waiting::view))
    }

    /// All jobs that have not ended: those in progress as they were submitted, then those that wait as they will
    /// begin.
    #[must_use]
    pub fn jobs(&self) -> Vec<JobView> {
        let mut running: Vec<&Job> = self.jobs.values().collect();
        running.sort_by_key(|job| job.submitted_ms);
        running.into_iter().map(Job::view).chain(self.waiting.values().map(Waiting::view)).collect()
    }

    /// Why a job in progress goes as it does.
    #[must_use]
    pub fn explanation(&self, id: JobId) -> Option<Explanation> {
        self.jobs.get(&id).map(|job| job.story.explain(id))
    }

    /// Who worked at what when, of a job in progress.
    #[must_use]
    pub fn timeline(&self, id: JobId) -> Option<Timeline> {
        self.jobs.get(&id).map(|job| job.chart.timeline(self.now_ms - job.submitted_ms))
    }

    /// Requests to S3 for a job in progress, as far as nodes have told.
    #[must_use]
    pub fn requests(&self, id: JobId) -> Option<RequestCounts> {
        self.jobs.get(&id).map(|job| job.requests)
    }

    /// What has happened so far.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Parts that wait in nodes' queues.
    #[must_use]
    pub fn queued_parts(&self) -> u64 {
        self.scheduler.queued_parts()
    }

    /// Memory of nodes taken by parts they were granted, in bytes.
    #[must_use]
    pub fn granted_bytes(&self) -> u64 {
        self.scheduler.granted_bytes()
    }

    /// The name a node gave itself.
    #[must_use]
    pub fn name(&self, node: NodeId) -> &str {
        self.scheduler.name(node)
    }

    /// The node of this name.
    #[must_use]
    pub fn node(&self, name: &str) -> Option<(NodeId, NodeView)> {
        let id = self.scheduler.ids().find(|id| self.scheduler.name(*id) == name)?;
        self.nodes().into_iter().find(|node| node.name == name).map(|view| (id, view))
    }

    /// All nodes.
    #[must_use]
    pub fn nodes(&self) -> Vec<NodeView> {
        self.scheduler.views()
    }

    fn waiting(&self, id: JobId) -> Option<&Waiting> {
        self.waiting.values().find(|waiting| waiting.id == id)
    }

    fn submit(&mut self, id: JobId, spec: JobSpec) {
        // Refused now if it makes no sense, however long it would have to wait.
        if let Err(failure) = self.planner(&spec) {
            return self.refuse(id, failure);
        }
        if self.jobs.len() >= self.settings.jobs_running && self.waiting.len() >= self.settings.jobs_waiting {
            let waiting = self.waiting.len();
            let message = format!(
                "{} jobs are in progress and {waiting} wait, which is as many as this coordinator takes: submit it again later",
                self.jobs.len()
            );
            let failure = Failure::new(FailureKind::Unavailable, message);
            return self.refuse(id, failure);
        }
        self.submitted += 1;
        self.counters.jobs_submitted += 1;
        let place = (Reverse(spec.priority), self.submitted);
        self.waiting.insert(place, Waiting { id, spec, submitted_ms: self.now_ms });
        self.begin_waiting();
    }

    fn refuse(&mut self, id: JobId, failure: Failure) {
        self.counters.jobs_refused += 1;
        self.effects.push(Effect::Refuse(id, failure));
    }

    /// Begins jobs that wait, as many as there is room for.
    fn begin_waiting(&mut self) {
        while self.jobs.len() < self.settings.jobs_running
            && let Some((_, waiting)) = self.waiting.pop_first()
        {
            self.begin(waiting);
        }
    }

    fn begin(&mut self, waiting: Waiting) {
        let planner = match self.planner(&waiting.spec) {
            Ok(planner) => planner,
            // The nodes may have changed since it was submitted.
            Err(failure) => return self.never_begun(&waiting, failure),
        };
        let Waiting { id, spec, submitted_ms } = waiting;
        let source = spec.sources[0].clone();
        self.effects.push(Effect::Ask(Question::List { job: id, index: 0, source, from: None }));
        self.scheduler.begin(id, spec.priority.weight());
        if self.settings.warms {
            let order = Order::Warm(id, buckets_of(&spec));
            let nodes = self.scheduler.active();
            self.effects.extend(nodes.map(|node| Effect::Order(node, order.clone())));
        }
        self.jobs.insert(id, Job::new(id, spec, planner, submitted_ms, self.now_ms));
    }

    fn planner(&self, spec: &JobSpec) -> Result<Planner, Failure> {
        let default_window = body_budget_bytes(NODE_MEMORY_DEFAULT, NODE_CONCURRENCY_DEFAULT);
        let window = self.scheduler.smallest_window().unwrap_or(default_window);
        let cap = part_bytes_cap(window);
        let means = match self.scheduler.network_bytes_per_second() {
            (0, _) => Means::new(cap),
            (nodes, in_all) => Means::of_nodes(nodes, cap, in_all / nodes as u64),
        };
        Planner::new(spec, Means { tells_crc: !self.copies_untold, ..means })
    }

    fn listed(&mut self, id: JobId, index: u16, page: Result<Page, Failure>) {
        let Some(job) = self.jobs.get_mut(&id).filter(|job| job.stage == Stage::Listing) else { return };
        let mut page = match page {
            Ok(page) => page,
            Err(failure) => return self.fail(id, failure),
        };
        // Asked for before this page is planned, so that S3 and the planner work at the same time.
        let next = next_listing(job, index, page.next.take());
        let is_last = next.is_none();
        self.effects.extend(next);
        let planned = job.planner.add_page(page);
        let planned = planned.and_then(|()| if is_last { job.planner.finish() } else { Ok(()) });
        if let Err(failure) = planned {
            return self.fail(id, failure);
        }
        job.ledger.grow(job.planner.plan());
        if is_last {
            job.stage = Stage::Transferring;
            job.listed_ms = self.now_ms;
        }
        if job.upload == UploadState::None && !job.planner.plan().parts.is_empty() && !job.planner.is_doomed()
        {
            job.upload = UploadState::Creating;
            let JobSpec { destination, no_overwrite, .. } = job.spec.clone();
            let question = Question::Create { job: id, segment: None, destination, no_overwrite };
            self.effects.push(Effect::Ask(question));
        }
        self.tend_segments(id);
    }

    fn upload_created(&mut self, id: JobId, upload: Result<Upload, Failure>) {
        let Some(job) = self.jobs.get_mut(&id) else { return };
        match upload {
            Ok(upload) => {
                job.upload = UploadState::Open(upload);
                self.tend_segments(id);
            }
            Err(failure) => {
                job.upload = UploadState::Gone;
                self.fail(id, failure);
            }
        }
        self.clean_up(id);
    }

    fn spent(&mut self, id: JobId, requests: &RequestCounts) {
        self.counters.requests = self.counters.requests.plus(requests);
        if let Some(job) = self.jobs.get_mut(&id) {
            job.requests = job.requests.plus(requests);
        }
    }

    /// Notes how an attempt ended.
    fn chart(&mut self, attempt: AttemptId, end: End, effort: Effort) {
        let count = match end {
            End::Open => return,
            End::Done => &mut self.counters.attempts_done,
            End::Dropped => &mut self.counters.attempts_dropped,
            End::Failed => &mut self.counters.attempts_failed,
            End::Lost => &mut self.counters.attempts_lost,
        };
        *count += 1;
        self.copies_untold |= effort.copies_untold > 0;
        let now_ms = self.now_ms;
        if let Some(job) = self.jobs.get_mut(&attempt.job) {
            job.spend(effort);
            if end != End::Done {
                job.break_off(attempt.part);
            }
            job.chart.ended(attempt, end, effort.worked_ms, now_ms - job.submitted_ms);
        }
    }

    /// Notes a decision in the story of a job, if it still has one.
    fn tell(&mut self, id: JobId, what: What) {
        let now_ms = self.now_ms;
        if let Some(job) = self.jobs.get_mut(&id) {
            job.story.tell(now_ms - job.submitted_ms, what);
        }
    }
}

/// All buckets a job has to do with, the destination's first.
fn buckets_of(spec: &JobSpec) -> Vec<String> {
    let mut buckets = vec![spec.destination.bucket.clone()];
    for source in &spec.sources {
        if !buckets.iter().any(|bucket| bucket == source.bucket()) {
            buckets.push(source.bucket().to_owned());
        }
    }
    buckets
}

/// The request for what comes after a page of source `index`: its next page, or the next source's first.
fn next_listing(job: &Job, index: u16, next_page: Option<String>) -> Option<Effect> {
    let index = if next_page.is_some() { index } else { index + 1 };
    let source = job.spec.sources.get(usize::from(index))?.clone();
    Some(Effect::Ask(Question::List { job: job.id, index, source, from: next_page }))
}

#[cfg(test)]
mod tests;
