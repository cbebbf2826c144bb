//! A toy fleet in virtual time under the real machine: nodes that are fast, slow, late, frozen or gone.
//!
//! A node moves so many bytes a millisecond, divided among the parts it works on, and hears and is heard a
//! little later. Nothing here is measured: the same run always takes the same virtual time.

use std::collections::{BTreeMap, VecDeque};

use coordinator::machine::{Effect, Event, Machine, Question, Settings};
use coordinator::scheduler::{NodeId, Policy};
use proto::batch::{Assignment, AttemptId, Upload};
use proto::crc::{Crc, StoredKind};
use proto::explain::{Explanation, What};
use proto::failure::FailureKind;
use proto::job::{JobId, JobSpec, Outcome, Priority};
use proto::limits::{HEARTBEAT_MS, MIB};
use proto::listing::{Etag, Page, SourceObject};
use proto::part::PartDone;
use proto::report::{Report, Vitals};
use proto::session::{Hello, Order};

use super::cases::{SplitMix64, spec};

/// One step of virtual time, in milliseconds.
const STEP_MS: u64 = 10;
/// How long a message takes, in milliseconds.
const WAY_MS: u64 = 20;
/// Parts a node works on side by side.
const SIDE_BY_SIDE: usize = 6;
/// Nothing takes this long, in milliseconds of virtual time.
const FOREVER_MS: u64 = 3_600_000;

struct ToyNode {
    bytes_per_ms: f64,
    is_alive: bool,
    is_frozen: bool,
    is_draining: bool,
    /// What it holds, with the bytes still to be moved of each.
    held: Vec<(Assignment, f64)>,
    moved: f64,
    orders: VecDeque<(u64, Order)>,
    /// What it has to say when it is heard next.
    report: Report,
}

impl ToyNode {
    /// Lets time pass; whether it has something to report.
    fn step(&mut self, now_ms: u64) -> bool {
        while self.orders.front().is_some_and(|(at, _)| *at <= now_ms) {
            let Some((_, order)) = self.orders.pop_front() else { break };
            self.obey(order);
        }
        let busy = self.held.len().min(SIDE_BY_SIDE);
        let each = self.bytes_per_ms * STEP_MS as f64 / busy.max(1) as f64;
        for (_, left) in self.held.iter_mut().take(busy) {
            let moved = each.min(*left);
            *left -= moved;
            self.moved += moved;
        }
        let (done, held) = std::mem::take(&mut self.held).into_iter().partition(|(_, left)| *left <= 0.0);
        self.held = held;
        self.report.done.extend(Vec::into_iter(done).map(|(assignment, _): (Assignment, f64)| PartDone {
            id: assignment.id,
            etag: "e".into(),
            crc: Crc::known(0, assignment.work.bytes),
            bodies: assignment.work.bodies.iter().map(|body| Crc::known(0, body.object_bytes)).collect(),
        }));
        if self.is_draining {
            self.give_up(|_, is_begun| !is_begun);
        }
        !self.report.done.is_empty() || !self.report.returned.is_empty()
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Grant(batch) => {
                let sized = |work: Assignment| {
                    let bytes = work.work.bytes as f64;
                    (work, bytes)
                };
                self.held.extend(batch.assignments.into_iter().map(sized));
            }
            Order::Revoke(attempts) => self.give_up(|id, _| attempts.contains(id)),
            Order::Cancel(job) => self.give_up(|id, _| id.job == job),
            Order::Warm(..) | Order::Pace(_) => {}
        }
    }

    fn give_up(&mut self, is_given_up: impl Fn(&AttemptId, bool) -> bool) {
        let gone = |(assignment, left): &(Assignment, f64)| {
            is_given_up(&assignment.id, *left < assignment.work.bytes as f64)
        };
        let (gone, held): (Vec<_>, Vec<_>) = std::mem::take(&mut self.held).into_iter().partition(gone);
        self.held = held;
        self.report.returned.extend(gone.into_iter().map(|(assignment, _)| assignment.id));
    }

    fn take_report(&mut self) -> Report {
        let vitals = Vitals {
            moved_bytes: self.moved as u64,
            left_bytes: self.held.iter().map(|(_, left)| *left as u64).sum(),
            is_draining: self.is_draining,
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
        }
    }

    fn join(&mut self, id: u64, bytes_per_ms: f64) {
        let node = ToyNode {
            bytes_per_ms,
            is_alive: true,
            is_frozen: false,
            is_draining: false,
            held: Vec::new(),
            moved: 0.0,
            orders: VecDeque::new(),
            report: Report::default(),
        };
        self.nodes.insert(NodeId(id), node);
        let (name, version) = (format!("n{id}"), "1".into());
        let hello = Hello { name, resume: None, version, cores: 1, body_budget_bytes: 216 * MIB };
        self.event(Event::NodeJoined(NodeId(id), hello));
    }

    fn node(&mut self, id: u64) -> &mut ToyNode {
        self.nodes.get_mut(&NodeId(id)).expect("it joined")
    }

    fn submit(&mut self, id: u64, objects: u64, bytes: u64, priority: Priority) {
        self.jobs.insert(JobId(id), (objects, bytes));
        let spec = JobSpec { priority, ..spec(None) };
        self.event(Event::Submitted(JobId(id), spec));
    }

    fn event(&mut self, event: Event) {
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
                    Effect::Ask(question) => events.push_back(self.answer(question)),
                    Effect::Finish(ended) => {
                        let outcome = ended.view.outcome.expect("it has ended");
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
                    stored: StoredKind::None,
                    key: format!("photos/{number:07}").into(),
                    size,
                    etag: Etag::parse("e"),
                    modified: 1_700_000_000,
                };
                Event::Listed(job, index, Ok(Page { objects: (0..count).map(object).collect(), next: None }))
            }
            Question::Create(job, destination, _) => {
                Event::UploadCreated(job, Ok(Upload { destination, upload_id: "u".into() }))
            }
            Question::Complete(job, completion) => {
                assert!(completion.parts.iter().zip(1u32..).all(|(part, number)| part.number.0 == number));
                Event::Completed(job, Ok("etag".into()))
            }
            Question::Abort(job, _) => Event::Aborted(job, Ok(())),
        }
    }

    fn step(&mut self) {
        self.now_ms += STEP_MS;
        let now_ms = self.now_ms;
        for (id, node) in &mut self.nodes {
            if !node.is_alive || node.is_frozen {
                continue;
            }
            if node.step(now_ms) || (now_ms + id.0 * 7) % HEARTBEAT_MS < STEP_MS {
                self.reports.push_back((now_ms + WAY_MS, *id, node.take_report()));
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
        assert!(self.ended.values().all(|(_, outcome, _)| matches!(outcome, Outcome::Completed(_))));
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

/// Whatever happens to nodes, every job ends, and each part is in its archive once.
#[test]
fn storms() {
    let seeds = std::env::var("ZIPFLEET_STORMS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(60);
    for seed in 0..seeds {
        let mut rng = SplitMix64(seed);
        let mut fleet = Fleet::new(Policy::default());
        let mut next_node = 1 + rng.next() % 5;
        (0..next_node).for_each(|id| fleet.join(id, (10 + rng.next() % 200) as f64 * MB_PER_S));
        for job in 0..1 + rng.next() % 4 {
            let priority = [Priority::Low, Priority::Normal, Priority::High][(rng.next() % 3) as usize];
            fleet.submit(job, 1 + rng.next() % 800, 1 + rng.next() % (30 * MIB), priority);
        }
        for _ in 0..rng.next() % 30 {
            fleet.run_until(fleet.now_ms + rng.next() % 1_500);
            let ids: Vec<u64> = fleet.nodes.keys().map(|id| id.0).collect();
            let Some(id) = ids.get((rng.next() as usize) % ids.len().max(1)).copied() else { continue };
            match rng.next() % 7 {
                0 => fleet.node(id).bytes_per_ms /= 10.0,
                1 => fleet.node(id).is_frozen ^= true,
                2 => {
                    fleet.node(id).is_alive = false;
                    fleet.event(Event::NodeDisconnected(NodeId(id)));
                }
                3 => fleet.node(id).is_draining = true,
                4 => {
                    fleet.nodes.remove(&NodeId(id));
                    fleet.event(Event::NodeLost(NodeId(id)));
                }
                _ => {
                    fleet.join(next_node, 100.0 * MB_PER_S);
                    next_node += 1;
                }
            }
        }
        // So that somebody is there to finish.
        fleet.join(next_node, 100.0 * MB_PER_S);
        fleet.run_until(FOREVER_MS);
        for (job, (_, outcome, _)) in &fleet.ended {
            let is_fair = match outcome {
                Outcome::Completed(_) => true,
                // Eight lost attempts at one part end a job on purpose.
                Outcome::Failed { failure, .. } => failure.message.contains("nodes were lost"),
            };
            assert!(is_fair, "seed {seed}, job {job}: {outcome:?}");
        }
        let busy: u64 = fleet.machine.nodes().iter().map(|node| node.queued_bytes).sum();
        assert_eq!(busy, 0, "seed {seed}: queues are empty when all jobs have ended");
    }
}
