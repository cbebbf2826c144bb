//! A node in virtual time. What it decides is decided by the `node` room, as on a real one: how many requests are in
//! flight, which parts begin, at what pace, what it tells. What takes time there is done here by model.

mod composing;
mod pool;
mod requests;
mod what;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use node::answers::{Answer, Answers};
use node::concurrency::Concurrency;
use node::pace::Pacer;
use node::tally::Tally;
use node::window::{Cost, Window};
use proto::batch::{Assignment, AttemptId, Batch};
use proto::crc::Crc;
use proto::limits::{HEARTBEAT_MS, body_budget_bytes};
use proto::part::{Effort, PartDone, PartFailed, PartReturned};
use proto::plan::PartWork;
use proto::report::{Report, Vitals};
use proto::session::{Hello, Order};

use crate::pipe::Pipe;
use crate::world::{Alarm, World};
use composing::{Composing, Padding};
use pool::Pool;
pub(crate) use requests::Key;
use requests::Requests;

/// Time between two looks at throughput, as on a real node, in microseconds.
const TICK_US: u64 = 250_000;
/// Results that come within this time of a report share the next one, as on a real node, in microseconds.
const REPORT_GAP_US: u64 = 5_000;
/// The same as long as granted parts wait to be begun.
const REPORT_GAP_BUSY_US: u64 = 200_000;
/// Most connections opened to one bucket before they are needed, as on a real node.
const WARM_MAX: usize = 32;

/// What a node is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct NodeSpec {
    /// Its name.
    pub(crate) name: String,
    /// Its cores.
    pub(crate) cores: u32,
    /// What it says its network carries each way, in bytes a second.
    pub(crate) bytes_per_s: f64,
    /// Memory for parts and connections, in bytes.
    pub(crate) memory_bytes: u64,
    /// Most requests in flight.
    pub(crate) concurrency: usize,
    /// What it really does, relative to that; less than 1 for a straggler.
    pub(crate) speed: f64,
}

impl NodeSpec {
    /// What it says first.
    pub(crate) fn hello(&self) -> Hello {
        Hello {
            name: self.name.clone(),
            resume: None,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            cores: self.cores,
            body_budget_bytes: body_budget_bytes(self.memory_bytes, self.concurrency),
            network_bytes_per_second: self.bytes_per_s as u64,
        }
    }
}

/// An attempt under way.
#[derive(Debug)]
struct Running {
    work: PartWork,
    cost: Cost,
    began_us: u64,
    /// The piece to be looked at next.
    next_piece: usize,
    /// Fetches that have not ended, begun or not.
    fetches_left: usize,
    /// Bytes that are there.
    fetched: u64,
    /// Requests that have not ended.
    requests: Vec<Key>,
    /// How far it has come if S3 composes it.
    composing: Option<Composing>,
    effort: Effort,
}

/// A node.
#[derive(Debug)]
pub(crate) struct Node {
    index: usize,
    speed: f64,
    cores: f64,
    pub(crate) is_alive: bool,
    concurrency: Concurrency,
    window: Window,
    pacer: Pacer,
    tally: Tally,
    answers: Answers,
    running: BTreeMap<AttemptId, Running>,
    requests: Requests,
    padding: Padding,
    receiving: Pipe<Key>,
    sending: Pipe<Key>,
    /// To the bucket that is read and the one that is written.
    pools: [Pool; 2],
    /// When its cores have done what they were given, in microseconds.
    cores_free_us: u64,
    /// Attempts whose next fetch may be asked for.
    going_on: VecDeque<AttemptId>,
    reported_us: u64,
    is_due: bool,
    is_flush_planned: bool,
}

impl Node {
    pub(crate) fn new(index: usize, spec: &NodeSpec, world: &mut World) -> Self {
        let concurrency = Concurrency::new(spec.concurrency);
        let cpu = world.model.cpu;
        // Both directions at once, as when parts are received and sent side by side.
        let cores_bytes_per_s =
            f64::from(spec.cores) * 1e9 / (cpu.receive_s_per_gb + cpu.send_s_per_gb).max(1e-9);
        let bytes_per_s = spec.bytes_per_s.min(cores_bytes_per_s) * spec.speed;
        let phase_us = world.phases.below(TICK_US);
        world.alarm(index, phase_us, Alarm::Tick);
        Self {
            index,
            speed: spec.speed,
            cores: f64::from(spec.cores) * spec.speed,
            is_alive: true,
            window: Window::new(body_budget_bytes(spec.memory_bytes, spec.concurrency), concurrency.level()),
            pacer: Pacer::default(),
            tally: Tally::default(),
            answers: Answers::default(),
            running: BTreeMap::new(),
            requests: Requests::new(concurrency.level()),
            padding: Padding::default(),
            receiving: Pipe::new(bytes_per_s),
            sending: Pipe::new(bytes_per_s),
            pools: Default::default(),
            cores_free_us: 0,
            going_on: VecDeque::new(),
            reported_us: world.agenda.now_us(),
            is_due: false,
            is_flush_planned: false,
            concurrency,
        }
    }

    /// Something happens to it.
    pub(crate) fn handle(&mut self, alarm: Alarm, world: &mut World) {
        if !self.is_alive {
            return;
        }
        match alarm {
            Alarm::Order(order) => self.order(*order, world),
            Alarm::Tick => self.tick(world),
            Alarm::Flush => self.is_flush_planned = false,
            Alarm::Warm(pool, connections) => {
                self.pools[pool].opened(connections, world.agenda.now_us());
            }
            Alarm::Request(key) => self.step(key, world),
            Alarm::Moved(generation) => self.moved(generation, world),
        }
        self.begin(world);
        self.go_on(world);
        self.plan_moves(world);
        self.report(world);
    }

    /// Bytes received and sent so far.
    pub(crate) fn moved_bytes(&mut self, now_us: u64) -> (f64, f64) {
        // Nothing moves any more through one that is lost.
        if self.is_alive {
            self.receiving.advance(now_us);
            self.sending.advance(now_us);
        }
        (self.receiving.moved_bytes(), self.sending.moved_bytes())
    }

    fn order(&mut self, order: Order, world: &mut World) {
        match order {
            Order::Grant(Batch { upload, assignments }) => {
                for assignment in assignments {
                    if self.tally.hold(assignment.id, assignment.work.moved_bytes()) {
                        self.window.queue(upload.clone(), assignment);
                    }
                }
            }
            Order::Revoke(attempts) => {
                let gone: BTreeSet<AttemptId> = attempts.into_iter().collect();
                self.give_back(|id| gone.contains(&id), world);
            }
            Order::Cancel(job) => self.give_back(|id| id.job == job, world),
            Order::Warm(_, buckets) => {
                let connections = self.concurrency.level().min(WARM_MAX);
                for pool in 0..buckets.len().min(self.pools.len()) {
                    let latency_us = world.warm(connections as u64);
                    world.alarm(self.index, latency_us, Alarm::Warm(pool, connections));
                }
            }
            Order::Pace(paces) => self.pacer.set(paces, world.agenda.now_us() / 1_000),
            // Nodes of a simulation stay until they are lost.
            Order::Drain => {}
        }
    }

    /// Drops what `is_gone`, begun or not.
    fn give_back(&mut self, is_gone: impl Fn(AttemptId) -> bool, world: &mut World) {
        let gone: Vec<AttemptId> = self.running.keys().copied().filter(|id| is_gone(*id)).collect();
        for id in gone {
            let effort = self.end(id, world);
            self.answers.push(Answer::Returned(PartReturned { id, effort }));
        }
        for id in self.window.surrender(is_gone) {
            self.tally.release(id);
            self.answers.push(Answer::Returned(PartReturned { id, effort: Effort::default() }));
        }
    }

    /// Begins what there is memory for.
    fn begin(&mut self, world: &mut World) {
        while let Some((_, Assignment { id, work, .. })) = self.window.begin() {
            let (is_composed, is_copy) = (work.below.is_some(), work.copied().is_some());
            let fetches = work.pieces.iter().filter(|piece| requests::fetch_bytes(piece).is_some()).count();
            let running = Running {
                cost: Cost::of(&work),
                began_us: world.agenda.now_us(),
                next_piece: 0,
                fetches_left: fetches,
                fetched: work.literal_bytes(),
                requests: Vec::new(),
                composing: if is_composed { Composing::of(&work) } else { None },
                effort: Effort::default(),
                work,
            };
            self.running.insert(id, running);
            match fetches {
                _ if is_composed => self.begin_composing(id, world),
                _ if is_copy => self.begin_copy(id, world),
                0 => self.begin_upload(id, world),
                _ => self.going_on.push_back(id),
            }
        }
    }

    /// An attempt is over; what it took.
    fn end(&mut self, id: AttemptId, world: &mut World) -> Effort {
        self.read_meter(id, world.agenda.now_us());
        let Some(running) = self.running.remove(&id) else { return Effort::default() };
        for key in running.requests {
            self.break_off(key, world);
        }
        self.leave_padding(id, world);
        self.tally.release(id);
        self.window.end(running.cost);
        let worked_ms = (world.agenda.now_us() - running.began_us) / 1_000;
        Effort { worked_ms: u32::try_from(worked_ms).unwrap_or(u32::MAX), ..running.effort }
    }

    /// A part is in S3.
    fn made(&mut self, id: AttemptId, world: &mut World) {
        let Some(running) = self.running.get(&id) else { return };
        let work = &running.work;
        let bodies = work.bodies.iter().map(|body| Crc::known(0, body.object_bytes)).collect();
        let crc = Crc::known(0, work.bytes);
        let moved = work.moved_bytes();
        world.parts.note(world.agenda.now_us() - running.began_us);
        self.tally.note(id, moved, moved);
        let effort = self.end(id, world);
        self.answers.push(Answer::Done(PartDone { id, etag: "e".to_owned(), crc, bodies, effort }));
    }

    fn failed(&mut self, id: AttemptId, failure: proto::failure::Failure, world: &mut World) {
        let effort = self.end(id, world);
        self.answers.push(Answer::Failed(PartFailed { id, failure, effort }));
    }

    /// Adapts to what S3 gives, and sees whether it is time to say something.
    fn tick(&mut self, world: &mut World) {
        let now_us = world.agenda.now_us();
        self.read_meters(now_us);
        let (was_full, was_refused) = self.requests.take_signs();
        if was_refused {
            self.concurrency.throttled(now_us / 1_000);
        }
        self.concurrency.measure(self.tally.moved_bytes(), was_full, now_us / 1_000);
        self.requests.level = self.concurrency.level();
        self.window.follow(self.concurrency.level());
        self.permit(world);
        self.is_due |= now_us - self.reported_us >= HEARTBEAT_MS * 1_000 * 3 / 4;
        world.alarm(self.index, TICK_US, Alarm::Tick);
    }

    fn read_meters(&mut self, now_us: u64) {
        let ids: Vec<AttemptId> = self.running.keys().copied().collect();
        ids.into_iter().for_each(|id| self.read_meter(id, now_us));
    }

    /// Says what there is to say, as soon as it may be said.
    fn report(&mut self, world: &mut World) {
        let now_us = world.agenda.now_us();
        while self.is_due || !self.answers.is_empty() {
            let gap_us = if self.window.has_waiting() { REPORT_GAP_BUSY_US } else { REPORT_GAP_US };
            if now_us - self.reported_us < gap_us && !self.is_due {
                if !self.is_flush_planned {
                    self.is_flush_planned = true;
                    world.alarm(self.index, gap_us, Alarm::Flush);
                }
                return;
            }
            self.read_meters(now_us);
            let vitals = Vitals {
                moved_bytes: self.tally.moved_bytes(),
                left_bytes: self.tally.left_bytes(),
                concurrency: u32::try_from(self.concurrency.level()).unwrap_or(u32::MAX),
                throttled: self.pacer.take_throttled(),
                ..Vitals::default()
            };
            world.report(self.index, Report { vitals, ..self.answers.report() });
            self.is_due = false;
            self.reported_us = now_us;
        }
    }
}
