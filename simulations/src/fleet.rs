//! A fleet in virtual time: the coordinator's real machine, nodes, and S3 make one archive.

use std::collections::{BTreeSet, VecDeque};

use coordinator::machine::{Effect, Ended, Event, Machine, Question, Settings};
use coordinator::scheduler::{NodeId, Policy};
use proto::batch::Upload;
use proto::failure::{Failure, FailureKind};
use proto::job::{Goal, JobId, JobSpec, Outcome};
use proto::limits::{GIB, HEARTBEAT_MS, NODE_CONCURRENCY_DEFAULT, NODE_CONCURRENCY_MAX, REMOVALS_AT_ONCE};
use proto::location::{Location, Source};
use proto::plan::{Part, PartNumber, Way};
use proto::requests::{RequestClass, RequestCounts, Sent};
use serde::Serialize;

use crate::dice::Dice;
use crate::floor::{Makeup, floor};
use crate::model::{Instance, Model};
use crate::node::{Node, NodeSpec};
use crate::outcome::{Run, Utilisation};
use crate::population::{PAGE_OBJECTS, Population, page};
use crate::s3::{Answer, Op};
use crate::world::{ARCHIVE_BUCKET, Happening, SOURCE_BUCKET, World};

/// The only job there is.
const JOB: JobId = JobId(1);
/// Nothing takes this long, in microseconds of virtual time: a day.
const FOREVER_US: u64 = 86_400_000_000;
/// Waits of the coordinator before it asks S3 again after a refusal, in microseconds, times chance.
const REFUSED_US: f64 = 400e3;
/// Time between two looks at how much goes through the network, in microseconds.
const LOOK_US: u64 = 20_000;

/// What is to be simulated.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Scenario {
    /// The objects.
    pub population: Population,
    /// How many machines make the archive.
    pub nodes: usize,
    /// What machines they are.
    pub instance: Instance,
    /// Most requests a node keeps in flight.
    pub concurrency: usize,
    /// Memory a node uses, in bytes.
    pub memory_bytes: u64,
    /// What the archive is made for.
    pub goal: Goal,
    /// Size aimed at for parts, in bytes; none leaves it to the planner.
    pub part_bytes: Option<u64>,
    /// The share of nodes that are slow, 0 to 1.
    pub stragglers: f64,
    /// How fast those are, relative to others.
    pub straggler_speed: f64,
    /// How many machines are lost without a word while the archive is made.
    pub lost: usize,
    /// What the scheduler may do.
    #[serde(skip)]
    pub policy: Policy,
}

impl Scenario {
    /// So many objects on so many machines of a kind, for speed and with nothing out of the ordinary. A node uses three
    /// quarters of its machine's memory, and ten requests in flight for each gigabit a second, at least as many as by
    /// default.
    #[must_use]
    pub fn new(population: Population, nodes: usize, instance: Instance) -> Self {
        Self {
            population,
            nodes,
            concurrency: NODE_CONCURRENCY_DEFAULT
                .max((instance.gbit_per_s * 10.0) as usize)
                .min(NODE_CONCURRENCY_MAX),
            memory_bytes: instance.memory_gib * GIB * 3 / 4,
            instance,
            goal: Goal::Speed,
            part_bytes: None,
            stragglers: 0.0,
            straggler_speed: 0.1,
            lost: 0,
            policy: Policy::default(),
        }
    }
}

/// The identity of the node at a place.
pub(crate) fn node_id(index: usize) -> NodeId {
    NodeId(index as u64)
}

struct Fleet {
    world: World,
    machine: Machine,
    nodes: Vec<Node>,
    specs: Vec<NodeSpec>,
    sizes: Vec<u64>,
    /// What the coordinator has heard of and had no time for.
    inbox: VecDeque<Event>,
    free_us: u64,
    is_woken: bool,
    ended: Option<Box<Ended>>,
    refused: Option<Failure>,
    utilisation: Utilisation,
    losses: Dice,
}

/// Makes one archive in virtual time. The same scenario, model and seed give the same run.
///
/// # Errors
/// Why the job failed, or was refused.
pub fn run(scenario: &Scenario, model: &Model, seed: u64) -> Result<Run, Failure> {
    let mut fleet = Fleet::new(scenario, model, seed);
    let makeup = Makeup::likely(&fleet.sizes);
    fleet.plan_losses(scenario.lost, floor(scenario, model, &fleet.sizes, makeup).total_s());
    fleet.hear(Event::Submitted(JOB, spec(scenario)));
    while fleet.ended.is_none() && fleet.refused.is_none() {
        let Some(happening) = fleet.world.agenda.take() else { break };
        if fleet.world.agenda.now_us() > FOREVER_US {
            let message = "the job takes more than a day: give it more nodes".to_owned();
            return Err(Failure::new(FailureKind::TooLarge, message));
        }
        fleet.happen(happening);
    }
    fleet.outcome(scenario, model, seed)
}

fn spec(scenario: &Scenario) -> JobSpec {
    JobSpec {
        goal: scenario.goal,
        part_bytes: scenario.part_bytes,
        ..JobSpec::new(
            vec![Source::Prefix { bucket: SOURCE_BUCKET.into(), prefix: "photos/".into() }],
            Location { bucket: ARCHIVE_BUCKET.into(), key: "photos.zip".into() },
        )
    }
}

impl Fleet {
    fn new(scenario: &Scenario, model: &Model, seed: u64) -> Self {
        let mut fleet = Self {
            world: World::new(model, seed),
            machine: Machine::new(Settings { policy: scenario.policy, ..Settings::default() }),
            nodes: Vec::new(),
            specs: Vec::new(),
            sizes: scenario.population.sizes(seed),
            inbox: VecDeque::new(),
            free_us: 0,
            is_woken: false,
            ended: None,
            refused: None,
            utilisation: Utilisation::new(LOOK_US),
            losses: Dice::new(seed, "losses"),
        };
        let slow = slow_ones(scenario, seed);
        for (index, is_slow) in slow.into_iter().enumerate() {
            let spec = NodeSpec {
                name: format!("node-{index:04}"),
                cores: scenario.instance.vcpu,
                bytes_per_s: scenario.instance.bytes_per_s(),
                memory_bytes: scenario.memory_bytes,
                concurrency: scenario.concurrency,
                speed: if is_slow { scenario.straggler_speed } else { 1.0 },
            };
            fleet.join(spec);
        }
        // They have long been there when the job comes.
        fleet.free_us = 0;
        fleet.world.agenda.after(HEARTBEAT_MS * 1_000, Happening::Tick);
        fleet.world.agenda.after(LOOK_US, Happening::Look);
        fleet
    }

    fn join(&mut self, spec: NodeSpec) {
        let index = self.nodes.len();
        self.nodes.push(Node::new(index, &spec, &mut self.world));
        self.hear(Event::NodeJoined(node_id(index), spec.hello()));
        self.specs.push(spec);
    }

    /// Decides which machines are lost when: while the job could still be running at its fastest.
    fn plan_losses(&mut self, lost: usize, floor_s: f64) {
        let mut left: Vec<usize> = (0..self.nodes.len()).collect();
        for _ in 0..lost.min(left.len()) {
            let node = left.swap_remove(self.losses.below(left.len() as u64) as usize);
            let at_us = (self.losses.uniform() * floor_s * 1e6) as u64;
            self.world.agenda.at(at_us, Happening::Lost(node));
        }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Heard(event) => {
                self.inbox.push_back(*event);
                self.wake();
            }
            Happening::Free => {
                self.is_woken = false;
                if let Some(event) = self.inbox.pop_front() {
                    self.hear(event);
                }
                self.wake();
            }
            Happening::Tick => {
                self.inbox.push_back(Event::Tick);
                self.wake();
                self.world.agenda.after(HEARTBEAT_MS * 1_000, Happening::Tick);
            }
            Happening::Node(node, alarm) => self.nodes[node].handle(alarm, &mut self.world),
            Happening::Lost(node) => {
                self.nodes[node].is_alive = false;
                let start_up_us = (self.world.model.machines.start_up_s * 1e6) as u64;
                self.world.agenda.after(start_up_us, Happening::Replaced(node));
            }
            Happening::Replaced(node) => {
                let name = format!("{}-again", self.specs[node].name);
                self.join(NodeSpec { name, ..self.specs[node].clone() });
            }
            Happening::Look => {
                let now_us = self.world.agenda.now_us();
                let moved = self.nodes.iter_mut().fold((0.0, 0.0), |(received, sent), node| {
                    let (more_received, more_sent) = node.moved_bytes(now_us);
                    (received + more_received, sent + more_sent)
                });
                self.utilisation.note(moved);
                self.world.agenda.after(self.utilisation.every_us, Happening::Look);
            }
        }
    }

    /// Has the coordinator go on as soon as it is done with what it does.
    fn wake(&mut self) {
        if !self.is_woken && !self.inbox.is_empty() {
            self.is_woken = true;
            self.world.agenda.at(self.free_us, Happening::Free);
        }
    }

    /// The coordinator takes an event in.
    fn hear(&mut self, event: Event) {
        let now_us = self.world.agenda.now_us();
        let costs = self.world.model.coordinator;
        let objects = match &event {
            Event::Listed(_, _, Ok(page)) => page.objects.len(),
            _ => 0,
        };
        let takes_us = costs.report_us + costs.object_us * objects as f64;
        self.free_us = self.free_us.max(now_us) + takes_us.round() as u64;
        for effect in self.machine.handle(event, now_us / 1_000) {
            match effect {
                Effect::Order(node, order) => {
                    let in_us = self.world.message_us();
                    let alarm = crate::world::Alarm::Order(Box::new(order));
                    self.world.alarm(node.0 as usize, in_us, alarm);
                }
                Effect::Drop(_) => {}
                Effect::Refuse(_, failure) => self.refused = Some(failure),
                Effect::Ask(question) => self.answer(question),
                Effect::Finish(ended) => self.ended = Some(ended),
            }
        }
    }

    /// Asks S3 until it does not refuse; how long that takes, in microseconds.
    fn ask(&mut self, op: Op) -> u64 {
        let mut waited_us = 0;
        loop {
            match self.world.s3.ask(op, self.world.agenda.now_us() + waited_us) {
                Answer::Taken { latency_us, .. } => return waited_us + latency_us,
                Answer::Refused { latency_us } => {
                    waited_us += latency_us + (self.world.jitter.uniform() * REFUSED_US) as u64;
                }
            }
        }
    }

    /// Removes so many things, several at a time; how long that takes, in microseconds.
    fn remove(&mut self, things: usize) -> u64 {
        let took_us: Vec<u64> = (0..things).map(|_| self.ask(Op::Delete)).collect();
        took_us.chunks(REMOVALS_AT_ONCE).map(|round| round.iter().max().copied().unwrap_or(0)).sum()
    }

    fn answer(&mut self, question: Question) {
        let (in_us, event, spent) = match question {
            Question::List { job, index, from, .. } => {
                let from = from.and_then(|from| from.parse().ok()).unwrap_or(0);
                let page = page(&self.sizes, from, index);
                let spent = RequestCounts { list: Sent::well(1), ..RequestCounts::default() };
                (self.ask(Op::List), Event::Listed(job, index, Ok(page)), spent)
            }
            Question::Create { job, segment, destination, .. } => {
                let upload = Upload { destination, upload_id: "u".to_owned() };
                // The archive's upload is written down in the coordinator's state before it is created, and again
                // with its id before anything is uploaded.
                let records = if segment.is_none() { 2 } else { 0 };
                let recording_us: u64 = (0..records).map(|_| self.ask(Op::PutObject)).sum();
                let in_us = recording_us + self.ask(Op::Create);
                let spent = RequestCounts {
                    create: Sent::well(1),
                    put: Sent::well(records),
                    ..RequestCounts::default()
                };
                (in_us, Event::UploadCreated(job, segment, Ok(upload)), spent)
            }
            Question::Complete(job, segment, completion) => {
                let parts = completion.parts.len();
                let pages = pages_of_parts(&completion.contested);
                let reading_us: u64 = (0..pages).map(|_| self.ask(Op::ListOther)).sum();
                let in_us = reading_us + self.ask(Op::Complete(parts as u64));
                let spent = RequestCounts {
                    complete: Sent::well(1),
                    list_other: Sent::well(pages),
                    ..RequestCounts::default()
                };
                (in_us, Event::Completed(job, segment, Ok("e".to_owned())), spent)
            }
            Question::Discard(job, left) => {
                let mut in_us = self.remove(left.uploads.len()) + self.remove(left.objects.len());
                let mut removed = left.objects.len();
                // What S3 was to compose parts in is deleted by then, but for the padding.
                let sweeps = u64::from(left.below.is_some());
                if left.below.is_some() {
                    removed += self.world.paddings;
                    in_us += self.ask(Op::ListOther) + self.ask(Op::List) + self.remove(self.world.paddings);
                }
                let spent = RequestCounts {
                    list: Sent::well(sweeps),
                    list_other: Sent::well(sweeps),
                    delete: Sent::well(removed as u64),
                    ..RequestCounts::default()
                };
                (in_us, Event::Discarded(job, Vec::new()), spent)
            }
            Question::Abort(job, _) => {
                let spent = RequestCounts { abort: Sent::well(1), ..RequestCounts::default() };
                (self.ask(Op::Create), Event::Aborted(job, Ok(())), spent)
            }
        };
        self.world.tell(in_us, event);
        self.world.tell(in_us, Event::Spent(JOB, spent));
    }

    fn outcome(self, scenario: &Scenario, model: &Model, seed: u64) -> Result<Run, Failure> {
        if let Some(failure) = self.refused {
            return Err(failure);
        }
        let Some(ended) = self.ended else {
            let message = "nothing happens any more although the job has not ended";
            return Err(Failure::new(FailureKind::Internal, message));
        };
        let summary = match ended.view.outcome.clone() {
            Some(Outcome::Completed(summary)) => summary,
            Some(Outcome::Failed { failure, .. }) => return Err(failure),
            None => return Err(Failure::new(FailureKind::Internal, "a job ended without an outcome")),
        };
        let counts = &self.world.s3.counts;
        let plan = ended.archive.iter().flat_map(|archive| &archive.plan.parts);
        let ways = |wanted: fn(&Way) -> bool| plan.clone().filter(move |part| wanted(&part.way));
        let is_composed = ways(|way| *way == Way::Composed).next().is_some();
        let makeup = Makeup {
            parts: summary.parts,
            copies: counts.copy.sent,
            copied_bytes: counts.bytes_copied,
            streamed_bytes: ways(|way| *way == Way::Streamed).map(Part::size).sum(),
            // What is composed is never made twice.
            writes: if is_composed { counts.of_class(RequestClass::Write) } else { summary.parts },
        };
        let floor = floor(scenario, model, &self.sizes, makeup);
        Ok(Run::new(seed, scenario, &summary, *ended, floor, self.world, self.utilisation))
    }
}

/// In how many pages S3 tells of parts that had several attempts: each begins with the first that is still wanted, and
/// is as long as a page of a listing.
fn pages_of_parts(contested: &[PartNumber]) -> u64 {
    let mut wanted: BTreeSet<u32> = contested.iter().map(|part| part.0).collect();
    let mut pages = 0;
    while let Some(first) = wanted.pop_first() {
        wanted = wanted.split_off(&(first + PAGE_OBJECTS as u32));
        pages += 1;
    }
    pages
}

/// Which nodes are slow.
fn slow_ones(scenario: &Scenario, seed: u64) -> Vec<bool> {
    let mut dice = Dice::new(seed, "stragglers");
    let slow = (scenario.nodes as f64 * scenario.stragglers).round() as usize;
    let mut is_slow = vec![false; scenario.nodes];
    let mut left: Vec<usize> = (0..scenario.nodes).collect();
    for _ in 0..slow.min(scenario.nodes) {
        is_slow[left.swap_remove(dice.below(left.len() as u64) as usize)] = true;
    }
    is_slow
}

#[cfg(test)]
mod tests;
