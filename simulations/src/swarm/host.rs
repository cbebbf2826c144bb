//! A node: it makes parts of bytes that nobody has, as well as what happens to it lets it.

mod attempt;

use std::collections::BTreeMap;

use coordinator::scheduler::NodeId;
use node::answers::{Answer, Answers, report_bytes};
use node::tally::Tally;
use node::window::{Cost, Window};
use proto::batch::{Assignment, AttemptId, Upload};
use proto::crc::Crc;
use proto::limits::{
    HEARTBEAT_MS, HELLO_DEADLINE_MS, MIB, SESSION_QUEUE_MESSAGES, SILENCE_MS, body_budget_bytes,
};
use proto::link::{Frame, Link};
use proto::part::{Effort, PartReturned};
use proto::plan::PartWork;
use proto::report::{Report, Throttled, Vitals};
use proto::requests::RequestClass;
use proto::session::{Hello, Order};

use super::actor;
use super::invariant::Invariant;
use super::plant::Plant;
use super::s3::{ARCHIVES, Made};
use super::world::{Carried, Happening, World};
use crate::dice::Dice;
use attempt::Step;
pub(super) use attempt::{DAMAGED, NODE_GIVEN_UP, NODE_REFUSED, Put};

/// Time between two looks at what there is to say, in milliseconds.
const BEAT_MS: u64 = 250;
/// Time a message takes to a node or back, in milliseconds, where nothing is said of it.
const WAY_MS: u64 = 10;
/// Stands for a node that was welcomed.
const GREETED: u64 = u64::MAX;
/// Time until a node dials again, in milliseconds.
const REDIAL_MS: u64 = 400;

/// Something that happens to a node.
#[derive(Debug)]
pub(super) enum Alarm {
    /// It looks at what there is to say.
    Beat,
    /// It dials, unless it is connected.
    Dial,
    /// Its connection of this number belongs to this session.
    Welcomed(u64, NodeId),
    /// There is nobody, or its connection broke.
    Broken(u64),
    /// Orders came over a connection.
    Orders(u64, Frame<Order>),
    /// An attempt of this life of it comes a step further.
    Work(u64, AttemptId, Step),
    /// It is there again.
    Restarted,
}

impl Alarm {
    pub(super) fn sign(&self) -> u64 {
        match self {
            Self::Beat => 1,
            Self::Dial => 2,
            Self::Welcomed(..) => 3,
            Self::Broken(_) => 4,
            Self::Orders(_, frame) => 5 + (frame.first << 8),
            Self::Work(_, id, _) => 6 + (u64::from(id.part.0) << 8) + (id.job.0 << 32),
            Self::Restarted => 7,
        }
    }
}

/// An attempt under way.
#[derive(Debug)]
struct Running {
    upload: Upload,
    work: PartWork,
    cost: Cost,
    /// Whether its bytes are on their way to S3.
    put: Option<Put>,
    /// How often S3 refused it for now.
    refusals: u32,
    /// What came of it, once it has been made.
    made: Option<attempt::Made>,
}

/// What belongs to one session.
#[derive(Debug)]
struct Held {
    session: NodeId,
    link: Link<Report>,
    heard_ms: u64,
    reported_ms: u64,
    window: Window,
    answers: Answers,
    tally: Tally,
    running: BTreeMap<AttemptId, Running>,
}

/// A node.
#[derive(Debug)]
pub(super) struct Host {
    index: usize,
    hello: Hello,
    /// How many times slower than others.
    slowness: u64,
    is_up: bool,
    /// How often it was started; what it began in an earlier life is void.
    life: u64,
    frozen_until_ms: u64,
    cut_off_until_ms: u64,
    is_draining: bool,
    /// The connection it dialled last, if that has not broken.
    connection: Option<u64>,
    is_dialling: bool,
    /// When it dialled, as long as it has not been welcomed; the end of time afterwards.
    greeted_ms: u64,
    held: Option<Held>,
    throttled: Vec<Throttled>,
}

impl Host {
    pub(super) fn draw(index: usize, chance: &mut Dice, world: &mut World) -> Self {
        let memory = [64, 100, 256, 1_024][chance.below(4) as usize] * MIB;
        let network = [12_500_000, 1_250_000_000, u64::MAX / 1_000_000][chance.below(3) as usize];
        world.met.note("nodes that joined");
        world.after_ms(chance.below(BEAT_MS), Happening::Host(index, Box::new(Alarm::Beat)));
        Self {
            index,
            hello: Hello {
                name: format!("n{index}"),
                resume: None,
                version: "1".into(),
                cores: 1,
                body_budget_bytes: body_budget_bytes(memory, 16),
                network_bytes_per_second: network,
            },
            slowness: 1 + chance.below(3),
            is_up: true,
            life: 0,
            frozen_until_ms: 0,
            cut_off_until_ms: 0,
            is_draining: false,
            connection: None,
            is_dialling: false,
            greeted_ms: 0,
            held: None,
            throttled: Vec::new(),
        }
    }

    fn alarm(&self, in_ms: u64, alarm: Alarm, world: &mut World) {
        world.after_ms(in_ms, Happening::Host(self.index, Box::new(alarm)));
    }

    fn tell(&self, alarm: actor::Alarm, world: &mut World) {
        if !self.is_cut_off(world) {
            world.after_ms(WAY_MS, Happening::Coordinator(0, Box::new(alarm)));
        }
    }

    fn is_cut_off(&self, world: &World) -> bool {
        world.now_ms() < self.cut_off_until_ms
    }

    pub(super) fn wake(&mut self, alarm: Alarm, world: &mut World) {
        let now_ms = world.now_ms();
        if now_ms < self.frozen_until_ms {
            return self.alarm(self.frozen_until_ms - now_ms, alarm, world);
        }
        if matches!(alarm, Alarm::Beat) {
            self.alarm(BEAT_MS, Alarm::Beat, world);
        }
        if !self.is_up && !matches!(alarm, Alarm::Restarted) {
            return;
        }
        let is_from_afar = matches!(alarm, Alarm::Welcomed(..) | Alarm::Broken(_) | Alarm::Orders(..));
        if is_from_afar && self.is_cut_off(world) {
            return;
        }
        // Also when something has come meanwhile: after a standstill it may be old.
        if self.held.as_ref().is_some_and(|held| now_ms >= held.heard_ms + SILENCE_MS) {
            self.forget(world);
            self.connection = None;
        }
        match alarm {
            Alarm::Beat => {
                // It dialled, and nobody ever said anything.
                if let Some(connection) =
                    self.connection.filter(|_| now_ms >= self.greeted_ms.saturating_add(HELLO_DEADLINE_MS))
                {
                    self.hung_up(connection, world);
                }
                self.dial(world);
            }
            Alarm::Dial => {
                self.is_dialling = false;
                self.dial(world);
            }
            Alarm::Restarted => (self.is_up, self.is_dialling) = (true, false),
            Alarm::Broken(connection) => self.hung_up(connection, world),
            Alarm::Welcomed(connection, session) if self.connection == Some(connection) => {
                self.welcomed(session, world);
            }
            Alarm::Orders(connection, frame) if self.connection == Some(connection) && self.is_welcome() => {
                self.ordered(frame, world);
            }
            Alarm::Work(life, id, step) if life == self.life => self.work(id, step, world),
            Alarm::Welcomed(..) | Alarm::Orders(..) | Alarm::Work(..) => {}
        }
        self.begin(world);
        self.speak(world);
        self.judge(world);
    }

    fn dial(&mut self, world: &mut World) {
        if self.connection.is_some() || self.is_dialling {
            return;
        }
        if self.is_cut_off(world) || (self.is_draining && self.held.is_none()) {
            return;
        }
        let connection = world.next_connection();
        self.connection = Some(connection);
        self.greeted_ms = world.now_ms();
        let hello = Hello {
            resume: self.held.as_ref().map(|held| proto::session::SessionId(held.session.0)),
            ..self.hello.clone()
        };
        self.tell(actor::Alarm::Dialled(self.index, connection, Box::new(hello)), world);
    }

    /// Whether the coordinator has answered on the connection it dialled last.
    fn is_welcome(&self) -> bool {
        self.greeted_ms == GREETED
    }

    fn hung_up(&mut self, connection: u64, world: &mut World) {
        if self.connection == Some(connection) {
            self.connection = None;
            self.is_dialling = true;
            let in_ms = world.about_ms(REDIAL_MS);
            self.alarm(in_ms, Alarm::Dial, world);
        }
    }

    /// Goes on with the session, or begins another.
    fn welcomed(&mut self, session: NodeId, world: &mut World) {
        let now_ms = world.now_ms();
        self.greeted_ms = GREETED;
        if let Some(held) = &mut self.held {
            if held.session == session {
                held.link.reconnected();
                held.heard_ms = now_ms;
                return;
            }
            if world.plants(Plant::StaleSession) {
                (held.session, held.link, held.heard_ms) = (session, Link::default(), now_ms);
                return;
            }
        }
        self.forget(world);
        self.held = Some(Held {
            session,
            link: Link::default(),
            heard_ms: now_ms,
            reported_ms: now_ms,
            window: Window::new(self.hello.body_budget_bytes, 16),
            answers: Answers::default(),
            tally: Tally::default(),
            running: BTreeMap::new(),
        });
    }

    /// Drops all that it holds.
    fn forget(&mut self, world: &mut World) {
        let Some(held) = self.held.take() else { return };
        self.life += 1;
        for running in held.running.into_values() {
            running.break_off(world);
        }
    }

    fn ordered(&mut self, frame: Frame<Order>, world: &mut World) {
        let now_ms = world.now_ms();
        let Some(held) = &mut self.held else { return };
        held.heard_ms = now_ms;
        for order in held.link.accept(frame, now_ms) {
            if !world.plants(Plant::LostOrder) {
                self.obey(order, world);
            }
        }
    }

    fn obey(&mut self, order: Order, world: &mut World) {
        let Some(held) = &mut self.held else { return };
        match order {
            Order::Grant(batch) => {
                for assignment in batch.assignments {
                    if held.tally.hold(assignment.id, assignment.work.moved_bytes()) {
                        held.window.queue(batch.upload.clone(), assignment);
                    }
                }
            }
            Order::Revoke(attempts) => self.give_back(|id| attempts.contains(&id), world),
            Order::Cancel(job) => self.give_back(|id| id.job == job, world),
            Order::Drain => self.drain(world),
            Order::Warm(..) | Order::Pace(_) => {}
        }
        if self.is_draining {
            self.give_back_waiting(|_| true);
        }
    }

    fn give_back(&mut self, is_gone: impl Fn(AttemptId) -> bool, world: &mut World) {
        let Some(held) = &mut self.held else { return };
        let gone: Vec<AttemptId> = held.running.keys().copied().filter(|id| is_gone(*id)).collect();
        for id in gone {
            if let Some(running) = held.end(id) {
                running.break_off(world);
            }
            held.answers.push(Answer::Returned(PartReturned { id, effort: Effort::default() }));
        }
        self.give_back_waiting(is_gone);
    }

    fn give_back_waiting(&mut self, is_gone: impl Fn(AttemptId) -> bool) {
        let Some(held) = &mut self.held else { return };
        for id in held.window.surrender(is_gone) {
            held.tally.release(id);
            held.answers.push(Answer::Returned(PartReturned { id, effort: Effort::default() }));
        }
    }

    /// Begins what there is memory for.
    fn begin(&mut self, world: &mut World) {
        let Some(held) = &mut self.held else { return };
        let mut begun = Vec::new();
        while let Some((upload, Assignment { id, work, .. })) = held.window.begin() {
            if let Some(below) = &work.below {
                let key = format!("{below}{}.{}.0", id.part, id.attempt);
                if world.over.contains(&held.session) {
                    world.late.insert(key.clone());
                }
                world.s3.objects.insert(key, Made { job: id.job, crc: Crc::EMPTY, etag: String::new() });
            }
            begun.push((id, work.moved_bytes()));
            let cost = Cost::of(&work);
            held.running.insert(id, Running { upload, work, cost, put: None, refusals: 0, made: None });
        }
        for (id, bytes) in begun {
            let in_ms = self.slowness * world.about_ms(20 + bytes / 100_000);
            self.alarm(in_ms, Alarm::Work(self.life, id, Step::Make), world);
        }
    }

    /// Says what there is to say, and leaves when it has nothing left to do here.
    fn speak(&mut self, world: &mut World) {
        let (now_ms, is_welcome) = (world.now_ms(), self.is_welcome());
        let Some(held) = &mut self.held else { return };
        while (!held.answers.is_empty() || now_ms >= held.reported_ms + HEARTBEAT_MS)
            && held.link.unacknowledged() < SESSION_QUEUE_MESSAGES
        {
            let vitals = Vitals {
                moved_bytes: held.tally.moved_bytes(),
                left_bytes: held.tally.left_bytes(),
                concurrency: 16,
                is_draining: self.is_draining,
                throttled: std::mem::take(&mut self.throttled),
                ..Vitals::default()
            };
            let report = Report { vitals, ..held.answers.report() };
            let bytes = report_bytes(&report);
            held.link.push(report, bytes);
            held.reported_ms = now_ms;
        }
        let Some(connection) = self.connection.filter(|_| is_welcome) else { return };
        let mut frames = Vec::new();
        while let Some(frame) = held.link.frame(now_ms) {
            frames.push(frame);
        }
        let is_done = self.is_draining && held.tally.is_empty() && held.link.unacknowledged() == 0;
        for frame in frames {
            if !self.is_cut_off(world) {
                world.carry(Carried::Reports(self.index, connection, frame));
            }
        }
        if is_done && !self.is_cut_off(world) {
            self.tell(actor::Alarm::Goodbye(connection), world);
            self.is_up = false;
            self.held = None;
            self.connection = None;
        }
    }

    /// What it holds must fit its memory, and what it has to say its queue.
    fn judge(&self, world: &mut World) {
        let Some(held) = &self.held else { return };
        let begun: u64 = held.running.values().map(|running| running.cost.bytes).sum();
        if begun > self.hello.body_budget_bytes && held.running.len() > 1 {
            let what = format!("{} holds {begun} bytes of {}", self.hello.name, self.hello.body_budget_bytes);
            world.breaks(Invariant::Bounded, what);
        }
        let unheard = held.link.unacknowledged();
        if unheard > SESSION_QUEUE_MESSAGES {
            world.breaks(Invariant::Bounded, format!("{} has {unheard} reports to send", self.hello.name));
        }
    }

    /// S3 asked it to slow down.
    fn throttled(&mut self, world: &mut World) {
        world.met.note("answers that asked to slow down");
        let class = if world.requests.happens(0.5) { RequestClass::Read } else { RequestClass::Write };
        // What a node says may be any number.
        let any = |world: &mut World| [0, 1, 20, u64::MAX][world.requests.below(4) as usize];
        let (refused, sent) = (any(world), any(world));
        self.throttled.push(Throttled { bucket: ARCHIVES.into(), place: None, class, refused, sent });
    }

    pub(super) fn crash(&mut self, for_ms: u64, world: &mut World) {
        if !self.is_up {
            return;
        }
        world.met.note("nodes that crashed");
        self.forget(world);
        self.is_up = false;
        // The system closes its connections, unless the whole machine is gone.
        if let Some(connection) = self.connection.take().filter(|_| world.times.happens(0.5)) {
            self.tell(actor::Alarm::Hung(connection), world);
        }
        if world.times.happens(0.7) {
            self.alarm(for_ms, Alarm::Restarted, world);
        }
    }

    pub(super) fn freeze(&mut self, for_ms: u64, world: &mut World) {
        world.met.note("nodes that stood still");
        self.frozen_until_ms = world.now_ms() + for_ms;
    }

    pub(super) fn slow_down(&mut self, times: u64, world: &mut World) {
        world.met.note("nodes that changed their speed");
        self.slowness = times;
    }

    pub(super) fn cut_off(&mut self, for_ms: u64, world: &mut World) {
        world.met.note("nodes that were cut off");
        self.cut_off_until_ms = world.now_ms() + for_ms;
        // Some notice at once that nobody answers, some never.
        if let Some(connection) = self.connection.filter(|_| world.times.happens(0.5)) {
            self.hung_up(connection, world);
        }
    }

    pub(super) fn disconnect(&mut self, world: &mut World) {
        if let Some(connection) = self.connection {
            world.met.note("connections that broke");
            self.tell(actor::Alarm::Hung(connection), world);
            self.hung_up(connection, world);
        }
    }

    pub(super) fn drain(&mut self, world: &mut World) {
        if self.is_up && !std::mem::replace(&mut self.is_draining, true) {
            world.met.note("nodes that were drained");
            self.give_back_waiting(|_| true);
            if let Some(held) = &mut self.held {
                held.reported_ms = 0;
            }
        }
    }

    /// Nothing is wrong with it any more, but that it may be gone.
    pub(super) fn calm(&mut self, world: &World) {
        let now_ms = world.now_ms();
        self.slowness = self.slowness.min(3);
        self.cut_off_until_ms = self.cut_off_until_ms.min(now_ms);
        self.frozen_until_ms = self.frozen_until_ms.min(now_ms);
    }
}

impl Held {
    /// An attempt is over.
    fn end(&mut self, id: AttemptId) -> Option<Running> {
        let running = self.running.remove(&id)?;
        self.tally.release(id);
        self.window.end(running.cost);
        Some(running)
    }
}
