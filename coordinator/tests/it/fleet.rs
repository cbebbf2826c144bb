//! A toy fleet in virtual time under the real machine: nodes that are fast, slow, late, frozen or gone.
//!
//! A node moves so many bytes a millisecond, divided among the parts it works on, and hears and is heard a
//! little later. Nothing here is measured: the same run always takes the same virtual time.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use coordinator::machine::{Effect, Event, Machine, Question, Settings};
use coordinator::scheduler::{NodeId, Policy};
use proto::batch::{Assignment, AttemptId, Upload};
use proto::crc::{Crc, StoredKind};
use proto::explain::{Explanation, What};
use proto::failure::{Failure, FailureKind};
use proto::job::{Goal, JobId, JobSpec, Outcome, Priority, Stage};
use proto::limits::{COPIES_AT_ONCE, HEARTBEAT_MS, MIB};
use proto::listing::{Etag, Page, SourceObject};
use proto::part::{Effort, PartDone, PartFailed, PartReturned};
use proto::plan::{PartNumber, PartWork};
use proto::report::{Report, Throttled, Vitals};
use proto::session::{Hello, Order};
use proto::timeline::Timeline;

use super::cases::{SplitMix64, spec};

mod told;

/// One step of virtual time, in milliseconds.
const STEP_MS: u64 = 10;
/// How long a message takes, in milliseconds.
const WAY_MS: u64 = 20;
/// Parts a node works on side by side.
const SIDE_BY_SIDE: usize = 6;
/// Bytes a millisecond that S3 copies of one part.
const COPIED_BYTES_PER_MS: f64 = 75_000.0;
/// Nothing takes this long, in milliseconds of virtual time.
const FOREVER_MS: u64 = 3_600_000;

/// What nodes say of attempts that failed.
const BAD_LUCK: &str = "bad luck";

struct ToyNode {
    bytes_per_ms: f64,
    is_alive: bool,
    is_frozen: bool,
    is_draining: bool,
    /// Works, but neither hears nor is heard.
    is_cut_off: bool,
    /// How the next attempts that it would finish fail.
    fails: Vec<FailureKind>,
    throttled: Vec<Throttled>,
    /// What it tells of how many requests it keeps in flight.
    concurrency: u32,
    /// What it holds, with the bytes still to be moved of each.
    held: Vec<(Assignment, f64)>,
    moved: f64,
    orders: VecDeque<(u64, Order)>,
    /// What it has to say when it is heard next.
    report: Report,
}

/// What has to pass before a part is done: bytes through the node, or milliseconds until S3 has copied it.
fn load(work: &PartWork) -> f64 {
    match work.copied() {
        Some(_) => work.bytes as f64 / COPIED_BYTES_PER_MS,
        None => work.cost_bytes() as f64,
    }
}

impl ToyNode {
    /// Lets time pass; whether it has something to report.
    fn step(&mut self, now_ms: u64) -> bool {
        while !self.is_cut_off && self.orders.front().is_some_and(|(at, _)| *at <= now_ms) {
            let Some((_, order)) = self.orders.pop_front() else { break };
            self.obey(order);
        }
        let (copies, streamed): (Vec<_>, Vec<_>) =
            self.held.iter_mut().partition(|(assignment, _)| assignment.work.copied().is_some());
        let busy = streamed.len().min(SIDE_BY_SIDE);
        let each = self.bytes_per_ms * STEP_MS as f64 / busy.max(1) as f64;
        for (_, left) in streamed.into_iter().take(busy) {
            let moved = each.min(*left);
            *left -= moved;
            self.moved += moved;
        }
        // S3's time, not the node's.
        for (assignment, left) in copies.into_iter().take(COPIES_AT_ONCE) {
            *left -= STEP_MS as f64;
            self.moved += if *left <= 0.0 { assignment.work.cost_bytes() as f64 } else { 0.0 };
        }
        let (done, held) = std::mem::take(&mut self.held).into_iter().partition(|(_, left)| *left <= 0.0);
        self.held = held;
        for (assignment, _) in Vec::into_iter(done) {
            self.finish(assignment);
        }
        if self.is_draining {
            self.give_up(|_, is_begun| !is_begun);
        }
        let Report { done, failed, returned, .. } = &self.report;
        !done.is_empty() || !failed.is_empty() || !returned.is_empty()
    }

    fn finish(&mut self, Assignment { id, work, .. }: Assignment) {
        if let Some(kind) = self.fails.pop() {
            self.report.failed.push(PartFailed {
                id,
                failure: Failure::new(kind, BAD_LUCK),
                effort: Effort::default(),
            });
            return;
        }
        let bodies = work.bodies.iter().map(|body| Crc::known(0, body.object_bytes)).collect();
        self.report.done.push(PartDone {
            id,
            etag: "e".into(),
            crc: Crc::known(0, work.bytes),
            bodies,
            effort: Effort::default(),
        });
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Grant(batch) => {
                let sized = |work: Assignment| {
                    let bytes = load(&work.work);
                    (work, bytes)
                };
                self.held.extend(batch.assignments.into_iter().map(sized));
            }
            Order::Revoke(attempts) if self.fails.is_empty() => self.give_up(|id, _| attempts.contains(id)),
            // They have just failed by themselves, which need not concern anyone: other attempts came to an end.
            Order::Revoke(attempts) => {
                self.held.retain(|(assignment, _)| !attempts.contains(&assignment.id));
                let failure = Failure::new(FailureKind::Denied, BAD_LUCK);
                let fail = |id| PartFailed { id, failure: failure.clone(), effort: Effort::default() };
                self.report.failed.extend(attempts.into_iter().map(fail));
                self.fails.pop();
            }
            Order::Cancel(job) => self.give_up(|id, _| id.job == job),
            Order::Warm(..) | Order::Pace(_) | Order::Drain => {}
        }
    }

    fn give_up(&mut self, is_given_up: impl Fn(&AttemptId, bool) -> bool) {
        let gone = |(assignment, left): &(Assignment, f64)| {
            is_given_up(&assignment.id, *left < load(&assignment.work))
        };
        let (gone, held): (Vec<_>, Vec<_>) = std::mem::take(&mut self.held).into_iter().partition(gone);
        self.held = held;
        self.report.returned.extend(
            gone.into_iter()
                .map(|(assignment, _)| PartReturned { id: assignment.id, effort: Effort::default() }),
        );
    }

    fn take_report(&mut self) -> Report {
        let vitals = Vitals {
            moved_bytes: self.moved as u64,
            left_bytes: self
                .held
                .iter()
                .map(|(held, left)| match held.work.copied() {
                    Some(_) => held.work.cost_bytes(),
                    None => *left as u64,
                })
                .sum(),
            is_draining: self.is_draining,
            throttled: std::mem::take(&mut self.throttled),
            concurrency: self.concurrency,
            ..Vitals::default()
        };
        Report { vitals, ..std::mem::take(&mut self.report) }
    }
}

struct Fleet {
    machine: Machine,
    now_ms: u64,
    nodes: BTreeMap<NodeId, ToyNode>,
    /// Reports on their way.
    reports: VecDeque<(u64, NodeId, Report)>,
    /// Objects of each job: how many, of which size.
    jobs: BTreeMap<JobId, (u64, u64)>,
    ended: BTreeMap<JobId, (u64, Outcome, Explanation)>,
    timelines: BTreeMap<JobId, Timeline>,
    /// Parts that the machine was told are there.
    there: BTreeSet<(JobId, PartNumber)>,
}

impl Fleet {
    fn new(policy: Policy) -> Self {
        Self {
            machine: Machine::new(Settings { policy, ..Settings::default() }),
            now_ms: 0,
            nodes: BTreeMap::new(),
            reports: VecDeque::new(),
            jobs: BTreeMap::new(),
            ended: BTreeMap::new(),
            timelines: BTreeMap::new(),
            there: BTreeSet::new(),
        }
    }

    fn join(&mut self, id: u64, bytes_per_ms: f64) {
        // So fast that nothing is worth a copy: what is tried here is how parts are shared that take nodes' time.
        self.join_over(u64::MAX / 1_000_000, id, bytes_per_ms);
    }

    fn join_over(&mut self, network_bytes_per_second: u64, id: u64, bytes_per_ms: f64) {
        let node = ToyNode {
            bytes_per_ms,
            is_alive: true,
            is_frozen: false,
            is_draining: false,
            is_cut_off: false,
            fails: Vec::new(),
            throttled: Vec::new(),
            concurrency: 0,
            held: Vec::new(),
            moved: 0.0,
            orders: VecDeque::new(),
            report: Report::default(),
        };
        self.nodes.insert(NodeId(id), node);
        let (name, version) = (format!("n{id}"), "1".into());
        let hello = Hello {
            name,
            resume: None,
            version,
            cores: 1,
            body_budget_bytes: 216 * MIB,
            network_bytes_per_second,
        };
        self.event(Event::NodeJoined(NodeId(id), hello));
    }

    fn node(&mut self, id: u64) -> &mut ToyNode {
        self.nodes.get_mut(&NodeId(id)).expect("it joined")
    }

    fn submit(&mut self, id: u64, objects: u64, bytes: u64, priority: Priority) {
        self.submit_spec(id, objects, bytes, JobSpec { priority, ..spec(None) });
    }

    fn submit_spec(&mut self, id: u64, objects: u64, bytes: u64, spec: JobSpec) {
        self.jobs.insert(JobId(id), (objects, bytes));
        self.event(Event::Submitted(JobId(id), spec));
    }

    fn event(&mut self, event: Event) {
        if let Event::Reported(_, report) = &event {
            self.overhear(report);
        }
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            for effect in self.machine.handle(event, self.now_ms) {
                match effect {
                    Effect::Order(id, order) => {
                        if let Some(node) = self.nodes.get_mut(&id) {
                            node.orders.push_back((self.now_ms + WAY_MS, order));
                        }
                    }
                    Effect::Drop(id) => drop(self.nodes.remove(&id)),
                    Effect::Refuse(id, failure) => {
                        let untold = Explanation { job: id, nodes: vec![], decisions: vec![], untold: 0 };
                        let outcome = Outcome::Failed { failure, left_behind: vec![] };
                        self.ended.insert(id, (self.now_ms, outcome, untold));
                    }
                    Effect::Ask(question) => events.push_back(self.answer(question)),
                    Effect::Finish(ended) => {
                        let outcome = ended.view.outcome.expect("it has ended");
                        self.timelines.insert(ended.view.id, ended.timeline);
                        self.ended.insert(ended.view.id, (self.now_ms, outcome, ended.explanation));
                    }
                }
            }
        }
    }

    fn answer(&self, question: Question) -> Event {
        match question {
            Question::List { job, index, .. } => {
                let (count, size) = self.jobs[&job];
                let object = |number: u64| SourceObject {
                    source: index,
                    bucket: 0,
                    stored: StoredKind::None,
                    key: format!("photos/{number:07}").into(),
                    size,
                    etag: Etag::parse("e"),
                    modified: 1_700_000_000,
                };
                Event::Listed(
                    job,
                    index,
                    Ok(Page {
                        objects: (0..count).map(object).collect(),
                        buckets: vec!["in".into()],
                        next: None,
                    }),
                )
            }
            Question::Create { job, segment, destination, .. } => {
                Event::UploadCreated(job, segment, Ok(Upload { destination, upload_id: "u".into() }))
            }
            Question::Complete(job, segment, completion) => {
                assert!(completion.parts.iter().zip(1u32..).all(|(part, number)| part.number.0 == number));
                let progress = self.machine.progress(job).expect("it is there");
                if segment.is_none() {
                    assert_eq!(progress.parts_done, progress.parts_planned);
                    assert_eq!(completion.archive.bytes, progress.bytes_planned);
                }
                Event::Completed(job, segment, Ok("etag".into()))
            }
            Question::Discard(job, _) => {
                self.assert_quiet(job);
                Event::Discarded(job, Vec::new())
            }
            Question::Abort(job, _) => {
                self.assert_quiet(job);
                Event::Aborted(job, Ok(()))
            }
        }
    }

    /// Nothing more may be written when uploads are removed.
    fn assert_quiet(&self, job: JobId) {
        let has_ended = self.machine.progress(job).is_none_or(|progress| progress.stage == Stage::Completing);
        let known: BTreeSet<String> = self.machine.nodes().into_iter().map(|node| node.name).collect();
        let writes = |(id, node): (&NodeId, &ToyNode)| {
            known.contains(&format!("n{}", id.0))
                && node.held.iter().any(|(assignment, _)| assignment.id.job == job)
        };
        assert!(has_ended || !self.nodes.iter().any(writes), "what arrives after the abort may stay");
    }

    /// Notes what the machine is about to hear of parts.
    fn overhear(&mut self, report: &Report) {
        self.there.extend(report.done.iter().map(|done| (done.id.job, done.id.part)));
    }

    fn step(&mut self) {
        self.now_ms += STEP_MS;
        let now_ms = self.now_ms;
        for (id, node) in &mut self.nodes {
            if !node.is_alive || node.is_frozen {
                continue;
            }
            let has_news = node.step(now_ms);
            if node.is_cut_off {
                continue;
            }
            if has_news || (now_ms + id.0 * 7) % HEARTBEAT_MS < STEP_MS {
                let report = node.take_report();
                self.reports.push_back((now_ms + WAY_MS, *id, report));
            }
        }
        while self.reports.front().is_some_and(|(at, ..)| *at <= now_ms) {
            let Some((_, id, report)) = self.reports.pop_front() else { break };
            self.event(Event::Reported(id, report));
        }
        if now_ms.is_multiple_of(500) {
            self.event(Event::Tick);
        }
    }

    /// Lets time pass until all jobs have ended or a moment has come.
    fn run_until(&mut self, at_ms: u64) {
        while self.now_ms < at_ms && self.ended.len() < self.jobs.len() {
            self.step();
        }
        assert!(self.now_ms < FOREVER_MS, "not all jobs ended: {:?}", self.machine.jobs());
    }

    /// Runs all jobs to their end; how long that took, in milliseconds.
    fn run(&mut self) -> u64 {
        self.run_until(FOREVER_MS);
        for (_, outcome, _) in self.ended.values() {
            assert!(matches!(outcome, Outcome::Completed(_)), "{outcome:?}");
        }
        self.now_ms
    }

    fn decisions(&self, job: u64) -> impl Iterator<Item = &What> {
        self.ended[&JobId(job)].2.decisions.iter().map(|decision| &decision.what)
    }
}

/// Makes 64 GiB with these nodes; how often the lower bound that took.
fn stretch(speeds: &[f64], policy: Policy) -> f64 {
    let mut fleet = Fleet::new(policy);
    for (id, speed) in speeds.iter().enumerate() {
        fleet.join(id as u64, *speed);
    }
    fleet.submit(1, 12_800, 5 * MIB, Priority::Normal);
    let bound = (12_800 * 5 * MIB) as f64 / speeds.iter().sum::<f64>();
    fleet.run() as f64 / bound
}

const MB_PER_S: f64 = 1_000.0;

#[test]
fn equal_nodes_finish_together() {
    let stretched = stretch(&[100.0 * MB_PER_S; 20], Policy::default());
    assert!(stretched <= 1.05, "{stretched}");
}

#[test]
fn slow_nodes_hold_nothing_up() {
    let mut speeds = vec![100.0 * MB_PER_S; 18];
    speeds.extend([10.0 * MB_PER_S; 2]);
    let stretched = stretch(&speeds, Policy::default());
    assert!(stretched <= 1.10, "{stretched}");
    let plain = stretch(&speeds, Policy { steals: false, hedges: false });
    assert!(plain > 2.0, "without stealing and hedging they would: {plain}");
}

#[test]
fn nodes_of_any_speeds_share_the_work_by_them() {
    let mut rng = SplitMix64(7);
    for _ in 0..5 {
        let speeds: Vec<f64> = (0..12).map(|_| (20 + rng.next() % 200) as f64 * MB_PER_S).collect();
        let stretched = stretch(&speeds, Policy::default());
        assert!(stretched <= 1.10, "{stretched} with {speeds:?}");
    }
}

#[test]
fn a_node_that_slows_down_loses_its_queue_within_seconds() {
    let mut fleet = Fleet::new(Policy::default());
    (0..8).for_each(|id| fleet.join(id, 100.0 * MB_PER_S));
    fleet.submit(1, 12_800, 5 * MIB, Priority::Normal);
    fleet.run_until(10_000);
    fleet.node(3).bytes_per_ms /= 10.0;
    fleet.run_until(16_000);
    let queued = |fleet: &Fleet, name: &str| {
        let nodes = fleet.machine.nodes();
        nodes.iter().find(|node| node.name == name).map(|node| node.queued_bytes).expect("it is there")
    };
    let (slow, other) = (queued(&fleet, "n3"), queued(&fleet, "n4"));
    assert!(slow * 5 < other, "{slow} and {other} bytes queued");
    fleet.run();
    assert!(fleet.decisions(1).any(|what| matches!(what, What::Stole { victim, .. } if victim == "n3")));
}

#[test]
fn a_node_that_is_fast_again_is_used_again() {
    let mut fleet = Fleet::new(Policy::default());
    (0..3).for_each(|id| fleet.join(id, 100.0 * MB_PER_S));
    fleet.node(0).bytes_per_ms /= 10.0;
    fleet.submit(0, 400, 5 * MIB, Priority::Normal);
    fleet.run();
    fleet.node(0).bytes_per_ms *= 10.0;
    let mut parts = 0;
    for job in 1..=12 {
        fleet.submit(job, 36, 5 * MIB, Priority::Normal);
        fleet.run();
        let share =
            fleet.ended[&JobId(job)].2.nodes.iter().find(|node| node.name == "n0").map_or(0, |n| n.parts);
        parts = share;
        (0..100).for_each(|_| fleet.step());
    }
    assert!(parts >= 2, "{parts} of 12 parts after a dozen jobs");
}

#[test]
fn a_frozen_node_is_robbed_hedged_and_welcome_again() {
    let mut fleet = Fleet::new(Policy::default());
    (0..4).for_each(|id| fleet.join(id, 100.0 * MB_PER_S));
    fleet.submit(1, 1_000, 5 * MIB, Priority::Normal);
    fleet.run_until(2_000);
    fleet.node(2).is_frozen = true;
    fleet.run_until(8_000);
    fleet.node(2).is_frozen = false;
    let took = fleet.run();
    assert!(took < 25_000, "{took} ms");
    assert!(fleet.decisions(1).any(|what| matches!(what, What::Silent { node, .. } if node == "n2")));
}

#[test]
fn what_a_dead_node_held_is_hedged_at_once_when_nothing_else_is_left() {
    let (took, fleet) = with_a_node_that_dies(Policy::default());
    assert!(took < 9_000, "{took} ms: its attempts were not waited for until it counted as lost");
    assert!(fleet.decisions(1).any(|what| matches!(what, What::Hedged { slow, .. } if slow == "n1")));
    let (took, _) = with_a_node_that_dies(Policy { hedges: false, ..Policy::default() });
    assert!(took > 9_000, "{took} ms: without hedging they would have been");
}

fn with_a_node_that_dies(policy: Policy) -> (u64, Fleet) {
    let mut fleet = Fleet::new(policy);
    (0..4).for_each(|id| fleet.join(id, 100.0 * MB_PER_S));
    fleet.submit(1, 400, 5 * MIB, Priority::Normal);
    fleet.run_until(1_000);
    fleet.node(1).is_alive = false;
    fleet.event(Event::NodeDisconnected(NodeId(1)));
    (fleet.run(), fleet)
}

#[test]
fn a_node_that_joins_is_at_work_within_a_second() {
    let mut fleet = Fleet::new(Policy::default());
    fleet.join(1, 50.0 * MB_PER_S);
    fleet.submit(1, 2_000, 5 * MIB, Priority::Normal);
    fleet.run_until(5_000);
    fleet.join(2, 200.0 * MB_PER_S);
    fleet.run_until(6_000);
    assert!(fleet.node(2).held.len() >= SIDE_BY_SIDE, "{} parts", fleet.node(2).held.len());
    fleet.run();
}

#[test]
fn all_nodes_can_be_replaced_while_a_job_runs() {
    let mut fleet = Fleet::new(Policy::default());
    (0..4).for_each(|id| fleet.join(id, 100.0 * MB_PER_S));
    fleet.submit(1, 3_000, 5 * MIB, Priority::Normal);
    for id in 0..4 {
        fleet.run_until(3_000 * (id + 1));
        fleet.join(id + 10, 100.0 * MB_PER_S);
        fleet.node(id).is_draining = true;
        while !fleet.node(id).held.is_empty() || !fleet.node(id).orders.is_empty() {
            fleet.step();
        }
        (0..10).for_each(|_| fleet.step());
        assert!(fleet.node(id).held.is_empty(), "a draining node is given nothing");
        fleet.nodes.remove(&NodeId(id));
        fleet.event(Event::NodeLost(NodeId(id)));
    }
    let took = fleet.run();
    let bound = 3_000 * 5 * MIB / 400_000;
    assert!(took < bound * 115 / 100, "{took} ms, at least {bound}");
    assert!(fleet.decisions(1).all(|what| !matches!(what, What::Lost { .. })), "nothing was lost");
}

#[test]
fn a_small_job_is_not_stuck_behind_a_large_one_and_weights_count() {
    let mut fleet = Fleet::new(Policy::default());
    (0..4).for_each(|id| fleet.join(id, 100.0 * MB_PER_S));
    fleet.submit(1, 10_000, 5 * MIB, Priority::Normal);
    fleet.run_until(5_000);
    fleet.submit(2, 40, 5 * MIB, Priority::Normal);
    fleet.submit(3, 2_000, 5 * MIB, Priority::High);
    fleet.submit(4, 2_000, 5 * MIB, Priority::Low);
    fleet.run();
    let at = |job: u64| fleet.ended[&JobId(job)].0;
    assert!(at(2) < 15_000, "{}", at(2));
    assert!(at(3) < at(4) && at(4) < at(1) + 1_000 && at(3) < 60_000, "{} {} {}", at(3), at(4), at(1));
}

#[test]
fn jobs_beyond_the_limits_wait_and_then_are_refused() {
    let mut fleet = Fleet::new(Policy::default());
    let settings = Settings { jobs_running: 2, jobs_waiting: 3, ..Settings::default() };
    fleet.machine = Machine::new(settings);
    fleet.join(1, 100.0 * MB_PER_S);
    (1..=7).for_each(|job| fleet.submit(job, 10, 5 * MIB, Priority::Normal));
    for job in [6, 7] {
        let Some((_, Outcome::Failed { failure, .. }, _)) = fleet.ended.get(&JobId(job)) else {
            panic!("{job}")
        };
        assert_eq!(failure.kind, FailureKind::Unavailable);
        assert!(failure.message.contains("2 jobs are in progress and 3 wait"), "{failure}");
    }
    fleet.event(Event::Cancelled(JobId(4)));
    fleet.run_until(FOREVER_MS);
    let made = |job: u64| matches!(fleet.ended[&JobId(job)].1, Outcome::Completed(_));
    assert_eq!((1..=7).filter(|job| made(*job)).collect::<Vec<_>>(), [1, 2, 3, 5]);
}

#[test]
fn a_coordinator_that_slept_blames_no_node() {
    let mut fleet = Fleet::new(Policy::default());
    (0..3).for_each(|id| fleet.join(id, 100.0 * MB_PER_S));
    fleet.submit(1, 1_000, 5 * MIB, Priority::Normal);
    fleet.run_until(3_000);
    fleet.now_ms += 60_000;
    fleet.run();
    assert!(fleet.decisions(1).all(|what| !matches!(what, What::Silent { .. } | What::Lost { .. })));
}

/// Waits until the node holds an attempt at a part that another has made already, and takes it from it.
fn outrun(fleet: &mut Fleet, id: u64) -> AttemptId {
    loop {
        fleet.step();
        assert!(fleet.ended.is_empty(), "it is hedged and outrun");
        let there = fleet.there.clone();
        let held = &mut fleet.node(id).held;
        let outrun = held.iter().position(|(held, _)| there.contains(&(held.id.job, held.id.part)));
        if let Some(at) = outrun {
            return held.remove(at).0.id;
        }
    }
}

#[test]
fn an_attempt_that_fails_after_another_came_first_fails_nothing() {
    let mut fleet = Fleet::new(Policy::default());
    fleet.join(0, 0.5 * MB_PER_S);
    fleet.submit(1, 40, 16 * MIB, Priority::Normal);
    fleet.run_until(3_000);
    fleet.join(1, 100.0 * MB_PER_S);
    let id = outrun(&mut fleet, 0);
    let failure = Failure::new(FailureKind::Denied, "credentials expired");
    fleet.node(0).report.failed.push(PartFailed { id, failure, effort: Effort::default() });
    fleet.run();
}

#[test]
fn a_part_larger_than_usual_does_not_go_to_and_fro() {
    let mut fleet = Fleet::new(Policy::default());
    (0..2).for_each(|id| fleet.join(id, 10.0 * MB_PER_S));
    fleet.jobs.insert(JobId(1), (7, 60 * MIB));
    fleet.event(Event::Submitted(JobId(1), spec(Some(64 * MIB))));
    fleet.run();
    let nodes = &fleet.ended[&JobId(1)].2.nodes;
    assert!(nodes.iter().all(|node| node.stolen < 20), "{nodes:?}");
}

#[test]
fn one_node_that_can_do_nothing_fails_no_job_that_others_can() {
    let mut fleet = Fleet::new(Policy::default());
    (0..5).for_each(|id| fleet.join(id, 100.0 * MB_PER_S));
    fleet.node(0).fails = vec![FailureKind::Unavailable; 100_000];
    fleet.submit(1, 400, 16 * MIB, Priority::Normal);
    fleet.run();
    let mut alone = Fleet::new(Policy::default());
    alone.join(0, 100.0 * MB_PER_S);
    alone.node(0).fails = vec![FailureKind::Unavailable; 100_000];
    alone.submit(1, 400, 16 * MIB, Priority::Normal);
    alone.run_until(FOREVER_MS);
    assert!(matches!(alone.ended[&JobId(1)].1, Outcome::Failed { .. }), "where there is no other it does");
}

#[test]
fn a_draining_node_whose_connection_comes_back_is_given_nothing() {
    let mut fleet = Fleet::new(Policy::default());
    fleet.join(0, 10.0 * MB_PER_S);
    fleet.submit(1, 100, 16 * MIB, Priority::Normal);
    fleet.run_until(1_000);
    fleet.node(0).is_draining = true;
    fleet.run_until(1_600);
    fleet.event(Event::NodeDisconnected(NodeId(0)));
    fleet.event(Event::NodeReconnected(NodeId(0)));
    assert_eq!(fleet.machine.nodes()[0].queued_bytes, 0);
}

#[test]
fn a_node_without_memory_decides_nothing() {
    let mut fleet = Fleet::new(Policy::default());
    fleet.join(0, 100.0 * MB_PER_S);
    let (name, version) = ("tiny".into(), "1".into());
    let hello =
        Hello { name, resume: None, version, cores: 1, body_budget_bytes: 0, network_bytes_per_second: 0 };
    fleet.event(Event::NodeJoined(NodeId(9), hello));
    fleet.jobs.insert(JobId(1), (7, 60 * MIB));
    fleet.event(Event::Submitted(JobId(1), spec(Some(16 * MIB))));
    fleet.run();
}

#[test]
fn copies_are_shared_by_all_nodes_and_go_first() {
    let mut fleet = Fleet::new(Policy::default());
    (0..4).for_each(|id| fleet.join_over(10_000_000, id, 10.0 * MB_PER_S));
    fleet.submit(1, 200, 1_000 * MIB, Priority::Normal);
    let took = fleet.run();
    let (_, _, explanation) = &fleet.ended[&JobId(1)];
    let bytes: Vec<u64> = explanation.nodes.iter().map(|node| node.bytes).collect();
    let least = bytes.iter().min().expect("there are nodes");
    assert!(bytes.len() == 4 && *least > 30_000 * MIB, "{bytes:?}");
    // 5 MiB of each object pass through nodes, beside what S3 takes for the copies.
    let bound = 200 * 5 * MIB / 40_000;
    assert!(took < bound * 13 / 10, "{took} ms, at least {bound}");
}

#[test]
fn an_archive_by_way_of_segments_takes_little_longer() {
    let took = |part_bytes| {
        let mut fleet = Fleet::new(Policy::default());
        (0..8).for_each(|id| fleet.join(id, 100.0 * MB_PER_S));
        fleet.submit_spec(1, 4_000, 5 * MIB, spec(part_bytes));
        fleet.run()
    };
    let (plain, segmented) = (took(None), took(Some(1_024 * MIB)));
    // What S3 takes to copy the last one comes on top.
    let copy = 1_024 * MIB / COPIED_BYTES_PER_MS as u64;
    assert!(segmented < plain * 11 / 10 + copy, "{segmented} ms instead of {plain}");
}

#[test]
fn long_copies_go_side_by_side_and_none_is_made_twice() {
    let mut fleet = Fleet::new(Policy::default());
    (0..2).for_each(|id| fleet.join_over(10_000_000, id, 10.0 * MB_PER_S));
    // For price in the largest copies there are: each takes more than a minute, 40 of them not longer.
    fleet.jobs.insert(JobId(1), (20, 10_000 * MIB));
    fleet.event(Event::Submitted(JobId(1), JobSpec { goal: Goal::Price, ..spec(None) }));
    let took = fleet.run();
    assert!(took < 100_000, "{took} ms");
    assert!(fleet.decisions(1).all(|what| !matches!(what, What::Hedged { .. })), "a copy was hedged");
}
