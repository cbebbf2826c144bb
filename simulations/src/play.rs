//! Plays a program's pattern of requests against the model of S3: so many chains of requests side by side, on one
//! machine or on one each.

use crate::agenda::Agenda;
use crate::dice::Dice;
use crate::model::Model;
use crate::pipe::Pipe;
use crate::s3::{Answer, Op, S3};

/// Longest wait before a refused request is sent again, in microseconds.
const REFUSED_US: f64 = 400e3;

/// One thing after another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Step {
    /// A request with so many bytes.
    Ask(Op, u64),
    /// Anything else that takes so many milliseconds.
    Wait(f64),
}

/// On which machine a chain is worked on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The one that all share.
    Shared,
    /// One of its own, which works on one chain at a time.
    Own,
}

/// Chains of one kind, of which so many are worked on at once.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) chains: Vec<Vec<Step>>,
    pub(crate) at_once: usize,
    pub(crate) place: Place,
}

/// Groups that are worked on side by side; the next stage begins when all have ended.
pub(crate) type Stage = Vec<Group>;

#[derive(Clone, Copy, Debug)]
enum Happening {
    /// A lane begins its next step.
    Begin(usize),
    /// Its bytes begin to move.
    Move(usize),
    /// Its step has ended.
    Done(usize),
    /// Bytes have come through a machine's network, if no later look was planned.
    Moved(usize, u64),
}

/// One that works on chains, one after the other.
#[derive(Debug)]
struct Lane {
    group: usize,
    machine: usize,
    chain: usize,
    step: usize,
    latency_us: u64,
    bytes_per_s: f64,
}

#[derive(Debug)]
struct Machine {
    receiving: Pipe<usize>,
    sending: Pipe<usize>,
    planned_us: u64,
    generation: u64,
}

struct Player<'a> {
    agenda: Agenda<Happening>,
    s3: S3,
    jitter: Dice,
    rates: [f64; 2],
    stage: &'a Stage,
    lanes: Vec<Lane>,
    machines: Vec<Machine>,
    /// The next chain of each group.
    next: Vec<usize>,
}

/// How long all stages take on Lambdas, in seconds.
pub(crate) fn play(stages: &[Stage], model: &Model, seed: u64) -> f64 {
    let nothing = Stage::new();
    let mut player = Player {
        agenda: Agenda::default(),
        s3: S3::new(&model.s3, seed),
        jitter: Dice::new(seed, "jitter"),
        // One that all share is busy all the time; those with one chain after the other rest in between.
        rates: [model.machines.lambda_mb_per_s * 1e6, model.machines.lambda_burst_mb_per_s * 1e6],
        stage: &nothing,
        lanes: Vec::new(),
        machines: Vec::new(),
        next: Vec::new(),
    };
    for stage in stages {
        player.begin(stage);
        while let Some(happening) = player.agenda.take() {
            player.happen(happening);
        }
    }
    player.agenda.now_us() as f64 / 1e6
}

impl<'a> Player<'a> {
    fn begin(&mut self, stage: &'a Stage) {
        self.stage = stage;
        self.lanes.clear();
        self.machines.clear();
        self.next = vec![0; stage.len()];
        self.add_machine(Place::Shared);
        for (group, Group { chains, at_once, place }) in stage.iter().enumerate() {
            for _ in 0..(*at_once).min(chains.len()) {
                let machine = if *place == Place::Shared { 0 } else { self.add_machine(*place) };
                let lane = self.lanes.len();
                self.lanes.push(Lane { group, machine, chain: 0, step: 0, latency_us: 0, bytes_per_s: 0.0 });
                self.next_chain(lane);
            }
        }
    }

    fn add_machine(&mut self, place: Place) -> usize {
        let pipe = || {
            let mut pipe = Pipe::new(self.rates[place as usize]);
            pipe.advance(self.agenda.now_us());
            pipe
        };
        let (receiving, sending) = (pipe(), pipe());
        self.machines.push(Machine { receiving, sending, planned_us: u64::MAX, generation: 0 });
        self.machines.len() - 1
    }

    fn next_chain(&mut self, lane: usize) {
        let Lane { group, .. } = self.lanes[lane];
        let chain = self.next[group];
        if chain < self.stage[group].chains.len() {
            self.next[group] += 1;
            (self.lanes[lane].chain, self.lanes[lane].step) = (chain, 0);
            self.agenda.after(0, Happening::Begin(lane));
        }
    }

    fn step(&self, lane: usize) -> Option<Step> {
        let Lane { group, chain, step, .. } = self.lanes[lane];
        self.stage[group].chains[chain].get(step).copied()
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Begin(lane) => match self.step(lane) {
                None => self.next_chain(lane),
                Some(Step::Wait(ms)) => self.agenda.after((ms * 1e3) as u64, Happening::Done(lane)),
                Some(Step::Ask(op, bytes)) => self.ask(lane, op, bytes),
            },
            Happening::Move(lane) => self.move_bytes(lane),
            Happening::Done(lane) => {
                self.lanes[lane].step += 1;
                self.agenda.after(0, Happening::Begin(lane));
            }
            Happening::Moved(machine, generation) => self.moved(machine, generation),
        }
    }

    fn ask(&mut self, lane: usize, op: Op, bytes: u64) {
        match self.s3.ask(op, self.agenda.now_us()) {
            Answer::Refused { latency_us } => {
                let wait_us = latency_us + (self.jitter.uniform() * REFUSED_US) as u64;
                self.agenda.after(wait_us, Happening::Begin(lane));
            }
            Answer::Taken { latency_us, bytes_per_s } => {
                (self.lanes[lane].latency_us, self.lanes[lane].bytes_per_s) = (latency_us, bytes_per_s);
                match op {
                    Op::Get => self.agenda.after(latency_us, Happening::Move(lane)),
                    Op::Put | Op::PutObject => self.move_bytes(lane),
                    Op::Copy => {
                        let copying_us = (bytes as f64 / bytes_per_s * 1e6) as u64;
                        self.agenda.after(latency_us + copying_us, Happening::Done(lane));
                    }
                    Op::List | Op::ListOther | Op::Head | Op::Create | Op::Complete(_) | Op::Delete => {
                        self.agenda.after(latency_us, Happening::Done(lane));
                    }
                }
            }
        }
    }

    fn move_bytes(&mut self, lane: usize) {
        let Some(Step::Ask(op, bytes)) = self.step(lane) else { return };
        let Lane { machine, bytes_per_s, .. } = self.lanes[lane];
        let Machine { receiving, sending, .. } = &mut self.machines[machine];
        let pipe = if op == Op::Get { receiving } else { sending };
        pipe.send(lane, bytes, bytes_per_s, self.agenda.now_us());
        self.plan(machine);
    }

    fn plan(&mut self, machine: usize) {
        let at = &mut self.machines[machine];
        let (first, second) = (at.receiving.next_us(), at.sending.next_us());
        let next_us = first.unwrap_or(u64::MAX).min(second.unwrap_or(u64::MAX));
        if next_us < at.planned_us {
            at.planned_us = next_us;
            at.generation += 1;
            self.agenda.at(next_us, Happening::Moved(machine, at.generation));
        }
    }

    fn moved(&mut self, machine: usize, generation: u64) {
        let now_us = self.agenda.now_us();
        let at = &mut self.machines[machine];
        if generation != at.generation {
            return;
        }
        at.planned_us = u64::MAX;
        while let Some(lane) = at.receiving.ended(now_us) {
            self.agenda.after(0, Happening::Done(lane));
        }
        while let Some(lane) = at.sending.ended(now_us) {
            self.agenda.after(self.lanes[lane].latency_us, Happening::Done(lane));
        }
        self.plan(machine);
    }
}
