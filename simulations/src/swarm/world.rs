//! What all in a storm share: time, S3, chance, and what has been seen.

use std::collections::{BTreeMap, BTreeSet};

use coordinator::scheduler::NodeId;
use proto::failure::FailureKind;
use proto::job::JobId;
use proto::link::Frame;
use proto::report::Report;
use proto::session::Order;

use super::actor;
use super::bytes::Bytes;
use super::host;
use super::invariant::{Broken, Invariant};
use super::met::Met;
use super::odds::Odds;
use super::plant::Plant;
use super::s3::S3;
use crate::agenda::Agenda;
use crate::dice::Dice;

/// How often a defect that was planted shows when there is an occasion.
const PLANTED: f64 = 0.25;

/// Shortest time a message takes, in microseconds: a welcome never comes behind what is said after it.
const WAY_US: u64 = 10_000;

/// Something that happens.
#[derive(Debug)]
pub(super) enum Happening {
    /// Something goes wrong.
    Trouble,
    /// Nothing goes wrong any more.
    Calm,
    /// Somebody submits a job.
    Submit(usize),
    /// Something happens to the coordinator of this incarnation.
    Coordinator(u32, Box<actor::Alarm>),
    /// Something happens to a node.
    Host(usize, Box<host::Alarm>),
    /// A part that a node no longer wanted to put is put.
    Stray(Box<host::Put>),
}

impl Happening {
    /// What it is, for the digest.
    pub(super) fn sign(&self) -> u64 {
        match self {
            Self::Trouble => 1,
            Self::Calm => 2,
            Self::Submit(wish) => 3 + ((*wish as u64) << 8),
            Self::Coordinator(incarnation, alarm) => {
                4 + (u64::from(*incarnation) << 8) + (alarm.sign() << 16)
            }
            Self::Host(host, alarm) => 5 + ((*host as u64) << 8) + (alarm.sign() << 16),
            Self::Stray(_) => 6,
        }
    }
}

/// Something a message is about, on its way over a connection of this number.
#[derive(Debug)]
pub(super) enum Carried {
    /// To a node.
    Orders(usize, u64, Frame<Order>),
    /// To the coordinator.
    Reports(usize, u64, Frame<Report>),
}

/// The world but for coordinator and nodes.
#[derive(Debug)]
pub(super) struct World {
    seed: u64,
    pub(super) agenda: Agenda<Happening>,
    pub(super) odds: Odds,
    pub(super) s3: S3,
    pub(super) bytes: Bytes,
    pub(super) met: Met,
    pub(super) broken: Option<Broken>,
    /// Since when nothing goes wrong any more.
    pub(super) calm_ms: Option<u64>,
    /// What has happened to a job that it may fail for.
    pub(super) causes: BTreeMap<JobId, BTreeSet<FailureKind>>,
    /// Uploads that somebody was told may be left.
    pub(super) told: BTreeSet<String>,
    /// Jobs of which something could not be removed, as they have to say when they end.
    pub(super) left: BTreeSet<JobId>,
    /// Jobs that may leave uploads, as somebody was told.
    pub(super) told_jobs: BTreeSet<JobId>,
    /// Sessions that a coordinator has given up; their nodes may not know yet.
    pub(super) over: BTreeSet<NodeId>,
    /// Objects that a node began to have made after its session was over and before it knew.
    pub(super) late: BTreeSet<String>,
    /// Nodes that count as lost by now, and connections so far.
    pub(super) nodes_lost: u64,
    connections: u64,
    plant: Option<Plant>,
    planted: Dice,
    network: Dice,
    /// Of what S3 does.
    pub(super) requests: Dice,
    /// Of how long what takes.
    pub(super) times: Dice,
}

impl World {
    pub(super) fn new(seed: u64, plant: Option<Plant>) -> Self {
        Self {
            seed,
            agenda: Agenda::default(),
            odds: Odds::draw(&mut Dice::new(seed, "odds")),
            s3: S3::default(),
            bytes: Bytes::new(),
            met: Met::default(),
            broken: None,
            calm_ms: None,
            causes: BTreeMap::new(),
            told: BTreeSet::new(),
            left: BTreeSet::new(),
            told_jobs: BTreeSet::new(),
            over: BTreeSet::new(),
            late: BTreeSet::new(),
            nodes_lost: 0,
            connections: 0,
            plant,
            planted: Dice::new(seed, "planted"),
            network: Dice::new(seed, "network"),
            requests: Dice::new(seed, "requests"),
            times: Dice::new(seed, "times"),
        }
    }

    pub(super) fn now_ms(&self) -> u64 {
        self.agenda.now_us() / 1_000
    }

    pub(super) fn after_ms(&mut self, in_ms: u64, happening: Happening) {
        self.agenda.after(in_ms * 1_000, happening);
    }

    /// Notes that something does not hold; the first such thing counts.
    pub(super) fn breaks(&mut self, invariant: Invariant, what: String) {
        let (seed, plant, at_ms) = (self.seed, self.plant, self.now_ms());
        self.broken.get_or_insert(Broken { seed, plant, invariant, at_ms, what });
    }

    /// Whether a planted defect shows.
    pub(super) fn plants(&mut self, plant: Plant) -> bool {
        self.plant == Some(plant) && self.planted.happens(PLANTED)
    }

    /// Notes what a job may fail for.
    pub(super) fn cause(&mut self, job: JobId, kind: FailureKind) {
        self.causes.entry(job).or_default().insert(kind);
    }

    /// A time between half and one and a half of this, in milliseconds.
    pub(super) fn about_ms(&mut self, ms: u64) -> u64 {
        ms / 2 + self.times.below(ms + 1)
    }

    pub(super) fn next_connection(&mut self) -> u64 {
        self.connections += 1;
        self.connections
    }

    /// Sends a message on its way, which may be a bad one.
    pub(super) fn carry(&mut self, carried: Carried) {
        self.met.note("messages sent");
        if self.network.happens(self.odds.lost) {
            return self.met.note("messages lost");
        }
        if self.network.happens(self.odds.doubled) {
            self.met.note("messages that came twice");
            let again = match &carried {
                Carried::Orders(host, connection, frame) => {
                    Carried::Orders(*host, *connection, frame.clone())
                }
                Carried::Reports(host, connection, frame) => {
                    Carried::Reports(*host, *connection, frame.clone())
                }
            };
            self.deliver(again);
        }
        self.deliver(carried);
    }

    fn deliver(&mut self, carried: Carried) {
        let mut way_us = WAY_US + self.network.below(20_000);
        if self.network.happens(self.odds.late) {
            self.met.note("messages that others overtook");
            way_us += self.network.below(3_000_000);
        }
        let happening = match carried {
            Carried::Orders(host, connection, frame) => {
                Happening::Host(host, Box::new(host::Alarm::Orders(connection, frame)))
            }
            // Whichever coordinator it was meant for has the connection.
            Carried::Reports(host, connection, frame) => {
                Happening::Coordinator(0, Box::new(actor::Alarm::Reports(host, connection, frame)))
            }
        };
        self.agenda.after(way_us, happening);
    }

    /// Another object takes the place of one of those to be archived.
    pub(super) fn change_source(&mut self, chance: &mut Dice) {
        let at = chance.below(self.s3.sources.len().max(1) as u64) as usize;
        let Some((key, size)) = self.s3.sources.iter().nth(at).map(|(key, held)| (key.clone(), held.size))
        else {
            return;
        };
        self.met.note("sources changed");
        self.s3.put_source(key, size);
    }

    pub(super) fn calm(&mut self) {
        self.odds = self.odds.none();
        self.calm_ms = Some(self.now_ms());
    }

    /// All is over: nothing may be left that nobody was told of.
    pub(super) fn judge_rest(&mut self) {
        let uploads = self.s3.uploads.iter();
        let untold =
            uploads.filter(|(id, open)| !self.told.contains(*id) && !self.told_jobs.contains(&open.job));
        let mut left: Vec<String> = untold
            .map(|(id, open)| format!("upload {id} of job {} to {}", open.job, open.destination))
            .collect();
        let told: Vec<String> = self.told_jobs.iter().map(|job| format!(".zipfleet-{job}/")).collect();
        let beside = self.s3.objects.keys().filter(|key| key.contains(".zipfleet-"));
        let untold =
            beside.filter(|key| !self.late.contains(*key) && !told.iter().any(|mark| key.contains(mark)));
        left.extend(untold.map(|key| format!("object {key}")));
        if !left.is_empty() {
            self.breaks(Invariant::LeavesNothing, format!("in the end there is {}", left.join(", ")));
        }
    }
}
