//! The coordinator: the real machine, and what its actors and doors do around it.

mod nodes;

use std::collections::{BTreeMap, BTreeSet};

use coordinator::beside;
use coordinator::machine::{Effect, Ended, Event, Machine, Question, Settings};
use coordinator::scheduler::NodeId;
use proto::batch::{Batch, Upload};
use proto::failure::{Failure, FailureKind};
use proto::job::JobId;
use proto::limits::{ORDERS_PENDING_MAX, SILENCE_MS};
use proto::link::Frame;
use proto::location::Location;
use proto::part::{Effort, PartReturned};
use proto::plan::Piece;
use proto::report::Report;
use proto::session::{Hello, Order};

use super::doors::{Door, Next};
use super::host;
use super::invariant::Invariant;
use super::judge::Judge;
use super::plant::Plant;
use super::session::Session;
use super::wish::Wish;
use super::world::{Happening, World};
use crate::dice::Dice;

/// Time between two ticks, in milliseconds.
const TICK_MS: u64 = 500;
/// Time a message takes, in milliseconds, where nothing is said of it.
const WAY_MS: u64 = 10;
/// Time after which no node is at work any more for a coordinator that has died, in milliseconds.
const SWEEP_AGAIN_MS: u64 = SILENCE_MS + 2_000;
/// Time until a caller tries again that reached nobody, in milliseconds.
const CALL_AGAIN_MS: u64 = 500;

/// Something that happens to the coordinator.
#[derive(Debug)]
pub(super) enum Alarm {
    Tick,
    /// It is there, after another has died.
    Recovered,
    /// No node can still be at work for these jobs, which a coordinator before it took with it.
    SweepAgain(Vec<JobId>),
    /// A node is at the door.
    Dialled(usize, u64, Box<Hello>),
    /// Reports came over a node's connection of this number.
    Reports(usize, u64, Frame<Report>),
    /// The connection of this number broke.
    Hung(u64),
    /// A node leaves for good.
    Goodbye(u64),
    /// S3 is asked something.
    Door(Door),
    /// S3 has answered.
    Answer(Box<Event>),
}

impl Alarm {
    pub(super) fn sign(&self) -> u64 {
        match self {
            Self::Tick => 1,
            Self::Recovered => 2,
            Self::Dialled(host, ..) => 3 + ((*host as u64) << 8),
            Self::Reports(_, _, frame) => 4 + (frame.first << 8),
            Self::Hung(..) => 5,
            Self::Goodbye(..) => 6,
            Self::Door(_) => 7,
            Self::Answer(_) => 8,
            Self::SweepAgain(_) => 9,
        }
    }
}

/// What is written down of an upload.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) destination: Location,
    /// None until S3 has given one.
    pub(super) upload: Option<Upload>,
}

/// The coordinator, and those after it.
#[derive(Debug)]
pub(super) struct Coordinator {
    /// None while there is no coordinator.
    machine: Option<Machine>,
    settings: Settings,
    /// Which of all there have been, from 1.
    incarnation: u32,
    paused_until_ms: u64,
    sessions: BTreeMap<NodeId, Session>,
    last_session: u64,
    /// Survives coordinators.
    pub(super) journal: BTreeMap<JobId, Record>,
    /// Which wish each job is for.
    pub(super) jobs: BTreeMap<JobId, usize>,
    /// Jobs of which uploads of segments may have been begun without an answer.
    pub(super) suspects: BTreeSet<JobId>,
    judge: Judge,
}

impl Coordinator {
    pub(super) fn new(chance: &mut Dice, world: &mut World) -> Self {
        let (jobs_running, jobs_waiting) = (1 + chance.below(5) as usize, chance.below(5) as usize);
        let settings = Settings { jobs_running, jobs_waiting, ..Settings::default() };
        world.after_ms(TICK_MS, Happening::Coordinator(1, Box::new(Alarm::Tick)));
        Self {
            machine: Some(Machine::new(settings)),
            settings,
            incarnation: 1,
            paused_until_ms: 0,
            sessions: BTreeMap::new(),
            last_session: 0,
            journal: BTreeMap::new(),
            jobs: BTreeMap::new(),
            suspects: BTreeSet::new(),
            judge: Judge::default(),
        }
    }

    fn alarm(&self, in_ms: u64, alarm: Alarm, world: &mut World) {
        world.after_ms(in_ms, Happening::Coordinator(self.incarnation, Box::new(alarm)));
    }

    /// Something happens to the coordinator of this incarnation, or to whichever there is where that is 0.
    pub(super) fn wake(&mut self, incarnation: u32, alarm: Alarm, wishes: &mut [Wish], world: &mut World) {
        if incarnation != 0 && incarnation != self.incarnation {
            return self.too_late(alarm, wishes, world);
        }
        let now_ms = world.now_ms();
        if now_ms < self.paused_until_ms {
            let again = Happening::Coordinator(incarnation, Box::new(alarm));
            return world.after_ms(self.paused_until_ms - now_ms, again);
        }
        match alarm {
            Alarm::Recovered => self.recovered(world),
            Alarm::SweepAgain(jobs) => {
                for job in jobs {
                    if let Some(record) = self.journal.remove(&job) {
                        record.recover(job, world);
                    }
                }
            }
            Alarm::Tick => {
                self.alarm(TICK_MS, Alarm::Tick, world);
                self.keep_lost_nodes(wishes, world);
                self.event(Event::Tick, wishes, world);
            }
            Alarm::Dialled(host, connection, hello) => self.dialled(host, connection, *hello, wishes, world),
            Alarm::Reports(host, connection, frame) => self.reported(host, connection, frame, wishes, world),
            Alarm::Hung(connection) => {
                if let Some(node) = self.node_on(connection) {
                    self.sessions.entry(node).and_modify(|session| session.connection = None);
                    self.event(Event::NodeDisconnected(node), wishes, world);
                }
            }
            Alarm::Goodbye(connection) => {
                if let Some(node) = self.node_on(connection) {
                    self.lose(node, wishes, world);
                }
            }
            Alarm::Door(door) => match self.ask(door, wishes, world) {
                Next::Door(in_ms, door) => self.alarm(in_ms, Alarm::Door(door), world),
                Next::Event(in_ms, event) => self.alarm(in_ms, Alarm::Answer(event), world),
            },
            Alarm::Answer(event) => self.event(*event, wishes, world),
        }
        let nodes: Vec<NodeId> = self.sessions.keys().copied().collect();
        for node in nodes {
            if let Some(session) = self.sessions.get_mut(&node) {
                session.send(world);
            }
        }
    }

    /// What a coordinator that has died was about to ask may have been on its way already.
    fn too_late(&mut self, alarm: Alarm, wishes: &mut [Wish], world: &mut World) {
        let Alarm::Door(door) = alarm else { return };
        let reaches_s3 = !matches!(door, Door::Begun(..) | Door::List(_));
        if self.machine.is_none() && reaches_s3 && world.requests.happens(0.5) {
            self.ask(door, wishes, world);
        }
    }

    fn answer(host: usize, alarm: host::Alarm, world: &mut World) {
        world.after_ms(WAY_MS, Happening::Host(host, Box::new(alarm)));
    }

    /// Hands the machine an event, and carries out what it wants.
    fn event(&mut self, event: Event, wishes: &mut [Wish], world: &mut World) {
        let mut events = vec![event];
        while let Some(event) = events.pop() {
            if let Event::Reported(node, report) = &event {
                self.judge.hears(*node, report, world);
            }
            let Some(machine) = &mut self.machine else { return };
            let effects = machine.handle(event, world.now_ms());
            // What is told of a node that is dropped comes before that, but at the same time.
            let dropped = effects.iter().filter_map(|effect| match effect {
                Effect::Drop(node) => Some(*node),
                _ => None,
            });
            for node in dropped {
                self.give_up(node, world);
            }
            for effect in effects {
                match effect {
                    Effect::Order(node, order) => events.extend(self.order(node, order, world)),
                    Effect::Drop(_) => {}
                    Effect::Refuse(job, failure) => self.refused(job, &failure, wishes, world),
                    Effect::Ask(question) => {
                        if let Question::Abort(job, _) = &question {
                            self.judge.aborts(*job, |node| self.sessions.contains_key(&node), world);
                        }
                        let (in_ms, door) = self.door(question, world);
                        self.alarm(in_ms, Alarm::Door(door), world);
                    }
                    Effect::Finish(ended) => self.ended(&ended, wishes, world),
                }
            }
        }
        self.judge_machine(world);
    }

    /// Sends an order; what a planted defect makes happen at once.
    fn order(&mut self, node: NodeId, mut order: Order, world: &mut World) -> Option<Event> {
        match &mut order {
            Order::Grant(batch) => self.spoil(node, batch, world),
            Order::Cancel(job) if world.plants(Plant::UnawaitedCancel) => {
                self.judge.stops(*job);
                let open = self.judge.open(*job).filter(|(_, to)| *to == node);
                let returned = open.map(|(id, _)| PartReturned { id, effort: Effort::default() }).collect();
                return Some(Event::Reported(node, Report { returned, ..Report::default() }));
            }
            Order::Cancel(job) => self.judge.stops(*job),
            _ => {}
        }
        if let Order::Grant(batch) = &order {
            self.judge.grants(node, batch, world);
        }
        let session = self.sessions.get_mut(&node)?;
        session.push(order);
        let waiting = session.link.unacknowledged();
        if waiting > ORDERS_PENDING_MAX {
            world.breaks(Invariant::Bounded, format!("{waiting} orders wait for {node:?}"));
        }
        None
    }

    /// Plants defects in a batch.
    fn spoil(&mut self, node: NodeId, batch: &mut Batch, world: &mut World) {
        if world.plants(Plant::DoubleGrant) {
            let other = self.sessions.iter().find(|(other, _)| **other != node).map(|(other, _)| *other);
            if let Some(session) = other.and_then(|other| self.sessions.get_mut(&other)) {
                self.judge.grants(NodeId(0), batch, world);
                session.push(Order::Grant(batch.clone()));
            }
        }
        if world.plants(Plant::ForeignUpload) {
            let job = batch.assignments.first().map(|assignment| assignment.id.job);
            let foreign = world.s3.uploads.iter().find(|(_, open)| Some(open.job) != job);
            if let Some((id, open)) = foreign {
                batch.upload = Upload { destination: open.destination.clone(), upload_id: id.clone() };
            }
        }
        if world.plants(Plant::ShiftedRange) {
            let work = batch.assignments.iter_mut().map(|assignment| &mut assignment.work);
            for piece in work.flat_map(|work| &mut work.pieces) {
                if let Piece::Fetch { range, .. } | Piece::Copy { range, .. } = piece {
                    *range = range.start + 1..range.end + 1;
                    break;
                }
            }
        }
    }

    /// Callers try again when there is no room, and only then are they refused.
    fn refused(&mut self, job: JobId, failure: &Failure, wishes: &mut [Wish], world: &mut World) {
        world.met.note("jobs that were refused");
        let there = self.machine.as_ref().map_or(0, |machine| machine.jobs().len());
        let Settings { jobs_running, jobs_waiting, .. } = self.settings;
        if failure.kind != FailureKind::Unavailable || there < jobs_running + jobs_waiting {
            let what = format!("job {job} was refused beside {there} others: {failure}");
            world.breaks(Invariant::FailsForAReason, what);
        }
        if let Some(wish) = self.jobs.get(&job) {
            wishes[*wish].job = None;
            world.after_ms(CALL_AGAIN_MS, Happening::Submit(*wish));
        }
    }

    fn ended(&mut self, ended: &Ended, wishes: &mut [Wish], world: &mut World) {
        let job = ended.view.id;
        if self.suspects.remove(&job) {
            world.s3.sweep(&beside::below(&ended.view.destination, job));
        }
        if !ended.has_left {
            self.journal.remove(&job);
        }
        let Some(wish) = self.jobs.get(&job).map(|wish| &mut wishes[*wish]) else { return };
        self.judge.ends(ended, wish, world);
        (wish.job, wish.is_over) = (None, true);
    }

    fn judge_machine(&self, world: &mut World) {
        let Some(machine) = &self.machine else { return };
        self.judge.counts(machine, world);
        let budgets: u64 = self.sessions.values().map(|session| session.body_budget_bytes).sum();
        // A part that is streamed goes to a node that has none, however large it is.
        let most = budgets + self.sessions.len() as u64 * self.judge.largest_bytes;
        let granted = machine.granted_bytes();
        if granted > most {
            world
                .breaks(Invariant::Bounded, format!("{granted} bytes are granted to nodes that take {most}"));
        }
    }

    pub(super) fn submit(&mut self, wish: usize, wishes: &mut [Wish], world: &mut World) {
        if self.machine.is_none() || world.now_ms() < self.paused_until_ms {
            return world.after_ms(CALL_AGAIN_MS, Happening::Submit(wish));
        }
        let job = JobId(self.jobs.len() as u64 + 1);
        self.jobs.insert(job, wish);
        wishes[wish].job = Some(job);
        wishes[wish].listed.clear();
        world.met.note("jobs that were submitted");
        let spec = wishes[wish].spec.clone();
        self.event(Event::Submitted(job, spec), wishes, world);
    }

    pub(super) fn cancel(&mut self, chance: &mut Dice, wishes: &mut [Wish], world: &mut World) {
        let at = chance.below(wishes.len() as u64) as usize;
        let Some(job) = wishes[at].job.filter(|_| self.machine.is_some()) else { return };
        if world.now_ms() >= self.paused_until_ms && chance.happens(0.3) {
            wishes[at].is_cancelled = true;
            self.event(Event::Cancelled(job), wishes, world);
        }
    }

    /// Tells a node to leave.
    pub(super) fn dismiss(&mut self, host: usize, wishes: &mut [Wish], world: &mut World) {
        let node = self.sessions.iter().find(|(_, session)| session.host == host).map(|(node, _)| *node);
        if let Some(node) = node {
            self.event(Event::Dismissed(node), wishes, world);
        }
    }

    /// It dies, and with it all jobs. Another comes, and callers submit again.
    pub(super) fn restart(&mut self, for_ms: u64, wishes: &mut [Wish], world: &mut World) {
        if self.machine.take().is_none() {
            return;
        }
        world.met.note("coordinators that died");
        self.incarnation += 1;
        self.paused_until_ms = 0;
        for session in std::mem::take(&mut self.sessions).into_values() {
            if let Some(connection) = session.connection {
                Self::answer(session.host, host::Alarm::Broken(connection), world);
            }
        }
        let away_ms = (for_ms / 4).max(500);
        self.alarm(away_ms, Alarm::Recovered, world);
        for (at, wish) in wishes.iter_mut().enumerate() {
            if wish.job.take().is_none() {
                continue;
            }
            world.met.note("jobs that were lost with a coordinator");
            if wish.is_cancelled {
                wish.is_over = true;
            } else {
                world.after_ms(away_ms + CALL_AGAIN_MS, Happening::Submit(at));
            }
        }
    }

    fn recovered(&mut self, world: &mut World) {
        for (job, record) in &self.journal {
            record.recover(*job, world);
        }
        let jobs = self.journal.keys().copied().collect();
        self.alarm(SWEEP_AGAIN_MS, Alarm::SweepAgain(jobs), world);
        self.suspects.clear();
        self.machine = Some(Machine::new(self.settings));
        self.alarm(TICK_MS, Alarm::Tick, world);
    }

    /// It stands still, and so does all that it would hear.
    pub(super) fn pause(&mut self, for_ms: u64, world: &mut World) {
        world.met.note("coordinators that stood still");
        self.paused_until_ms = world.now_ms() + for_ms.min(2 * SILENCE_MS);
    }

    pub(super) fn calm(&mut self, world: &World) {
        self.paused_until_ms = self.paused_until_ms.min(world.now_ms());
    }

    /// What has not ended.
    pub(super) fn unfinished(&self) -> Vec<String> {
        let Some(machine) = &self.machine else { return vec!["no coordinator".into()] };
        machine.jobs().iter().map(|job| format!("job {}: {:?}", job.id, job.progress)).collect()
    }

    /// All is over: nobody may be thought to hold anything.
    pub(super) fn judge_rest(&self, world: &mut World) {
        let Some(machine) = &self.machine else { return };
        for node in machine.nodes() {
            if (node.queued_bytes, node.attempts) != (0, 0) {
                world.breaks(Invariant::NothingHeld, format!("{node:?}"));
            }
        }
        let counters = machine.counters();
        for (what, count) in [
            ("attempts that were stolen", counters.attempts_stolen),
            ("attempts that were hedged", counters.attempts_hedged),
        ] {
            (0..count).for_each(|_| world.met.note(what));
        }
    }
}
