//! Storms: a fleet that nearly everything happens to, all of it drawn from one seed, and what must hold whatever happens.
//!
//! The coordinator's real machine, the real link between it and its nodes, and a node's real window and answers make
//! archives of objects of which nobody has the bytes, though everybody can tell their CRC. Nothing here is about
//! speed: what things take is drawn as well.
//!
//! What the doors do around the machine (what is written down before an upload is begun, what is made of a lost answer)
//! is told again here in a few lines each, because the doors themselves need a network.

mod actor;
mod bytes;
mod doors;
mod host;
mod invariant;
mod judge;
mod met;
mod odds;
mod plant;
mod s3;
mod session;
mod wish;
mod world;

use crate::dice::Dice;
use actor::Coordinator;
use host::Host;
pub use invariant::{Broken, Invariant};
pub use met::Met;
use odds::Trouble;
pub use plant::Plant;
use wish::Wish;
use world::{Happening, World};

/// When trouble ends at the latest, in milliseconds of virtual time.
const TROUBLE_MS_MAX: u64 = 40_000;
/// Time after the end of trouble in which everything has to come to its end, in milliseconds: what there is to do takes
/// seconds, and nothing waits for longer than a node is waited for, and a few retries.
const REST_MS: u64 = 600_000;
/// Time after that in which what was told to stop has stopped, in milliseconds.
const SETTLE_MS: u64 = 30_000;
/// Happenings of one storm: none comes near.
const HAPPENINGS_MAX: u64 = 3_000_000;

/// A storm that was weathered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Of everything that happened and when: the same for the same seed.
    pub digest: u64,
    /// What was met.
    pub met: Met,
}

/// Weathers the storm of a seed, with a defect planted if one is given.
///
/// # Errors
/// What should have held and did not.
pub fn run(seed: u64, plant: Option<Plant>) -> Result<Run, Broken> {
    let weathered = std::panic::catch_unwind(|| {
        let mut storm = Storm::new(seed, plant);
        storm.weather();
        match storm.world.broken {
            Some(broken) => Err(broken),
            None => Ok(Run { digest: storm.digest, met: storm.world.met }),
        }
    });
    weathered.unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<String>().cloned();
        let what = said.or_else(|| panic.downcast_ref::<&str>().map(|said| (*said).to_owned()));
        let what = what.unwrap_or_default();
        Err(Broken { seed, plant, invariant: Invariant::NothingPanics, at_ms: 0, what })
    })
}

struct Storm {
    world: World,
    coordinator: Coordinator,
    hosts: Vec<Host>,
    wishes: Vec<Wish>,
    chance: Dice,
    digest: u64,
}

impl Storm {
    fn new(seed: u64, plant: Option<Plant>) -> Self {
        let mut chance = Dice::new(seed, "storm");
        let mut world = World::new(seed, plant);
        let wishes: Vec<Wish> =
            (0..1 + chance.below(5)).map(|at| Wish::draw(at, &mut chance, &mut world)).collect();
        let mut storm = Self {
            coordinator: Coordinator::new(&mut chance, &mut world),
            world,
            hosts: Vec::new(),
            wishes,
            chance,
            digest: 0xcbf2_9ce4_8422_2325,
        };
        (0..1 + storm.chance.below(5)).for_each(|_| storm.join());
        for wish in 0..storm.wishes.len() {
            let at_ms = storm.chance.below(TROUBLE_MS_MAX / 2);
            storm.world.after_ms(at_ms, Happening::Submit(wish));
        }
        let (first_ms, calm_ms) = (storm.world.odds.gap_ms, storm.chance.below(TROUBLE_MS_MAX));
        storm.world.after_ms(first_ms, Happening::Trouble);
        storm.world.after_ms(calm_ms, Happening::Calm);
        storm
    }

    fn join(&mut self) {
        let index = self.hosts.len();
        self.hosts.push(Host::draw(index, &mut self.chance, &mut self.world));
    }

    /// Lets happen what happens until all is over.
    fn weather(&mut self) {
        let mut settled_ms = None;
        while self.world.broken.is_none() {
            let Some(happening) = self.world.agenda.take() else { break };
            let now_ms = self.world.now_ms();
            self.note(&happening);
            self.happen(happening);
            if self.is_over() {
                if now_ms >= *settled_ms.get_or_insert(now_ms + SETTLE_MS) {
                    return self.judge_rest();
                }
                continue;
            }
            settled_ms = None;
            if self.world.calm_ms.is_some_and(|calm_ms| now_ms > calm_ms + REST_MS)
                || self.world.agenda.taken() > HAPPENINGS_MAX
            {
                let left: Vec<String> = self.coordinator.unfinished();
                self.world.breaks(
                    Invariant::EveryJobEnds,
                    format!("at {now_ms} ms there are still {}", left.join(", ")),
                );
            }
        }
    }

    fn is_over(&self) -> bool {
        self.world.calm_ms.is_some() && self.wishes.iter().all(Wish::is_over)
    }

    fn judge_rest(&mut self) {
        self.coordinator.judge_rest(&mut self.world);
        self.world.judge_rest();
    }

    fn note(&mut self, happening: &Happening) {
        let mut fold = |number: u64| {
            self.digest = (self.digest ^ number).wrapping_mul(0x0100_0000_01b3);
        };
        fold(self.world.agenda.now_us());
        fold(happening.sign());
    }

    fn happen(&mut self, happening: Happening) {
        let Self { world, coordinator, hosts, wishes, .. } = self;
        match happening {
            Happening::Trouble => self.trouble(),
            Happening::Calm => self.calm(),
            Happening::Submit(wish) => coordinator.submit(wish, wishes, world),
            Happening::Coordinator(incarnation, alarm) => {
                coordinator.wake(incarnation, *alarm, wishes, world)
            }
            Happening::Host(host, alarm) => hosts[host].wake(*alarm, world),
            Happening::Stray(put) => drop(put.land(world)),
        }
    }

    fn calm(&mut self) {
        self.world.calm();
        self.coordinator.calm(&self.world);
        for host in &mut self.hosts {
            host.calm(&self.world);
        }
        // So that somebody is there to finish.
        self.join();
    }

    /// The next thing that goes wrong.
    fn trouble(&mut self) {
        if self.world.calm_ms.is_some() {
            return;
        }
        let gap_ms = 1 + self.chance.below(2 * self.world.odds.gap_ms);
        self.world.after_ms(gap_ms, Happening::Trouble);
        let trouble = self.world.odds.trouble(&mut self.chance);
        let for_ms = 100 + self.chance.below(12_000);
        let at = self.chance.below(self.hosts.len() as u64) as usize;
        let (host, world) = (&mut self.hosts[at], &mut self.world);
        match trouble {
            Trouble::Crash => host.crash(for_ms, world),
            Trouble::Freeze => host.freeze(for_ms, world),
            Trouble::Slow => host.slow_down(1 + self.chance.below(20), world),
            Trouble::CutOff => host.cut_off(for_ms, world),
            Trouble::Disconnect => host.disconnect(world),
            Trouble::Drain if self.chance.happens(0.5) => host.drain(world),
            Trouble::Drain => self.coordinator.dismiss(at, &mut self.wishes, world),
            Trouble::Join => self.join(),
            Trouble::Source => world.change_source(&mut self.chance),
            Trouble::Cancel => self.coordinator.cancel(&mut self.chance, &mut self.wishes, world),
            Trouble::Restart => self.coordinator.restart(for_ms, &mut self.wishes, world),
            Trouble::Standstill => self.coordinator.pause(for_ms, world),
        }
    }
}
