//! How likely what is: drawn anew for each storm, so that some have much of one thing and none of another.

use crate::dice::Dice;

/// Something that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    Crash,
    Freeze,
    Slow,
    CutOff,
    Disconnect,
    Drain,
    Join,
    Source,
    Cancel,
    Restart,
    Standstill,
}

const TROUBLES: [Trouble; 11] = [
    Trouble::Crash,
    Trouble::Freeze,
    Trouble::Slow,
    Trouble::CutOff,
    Trouble::Disconnect,
    Trouble::Drain,
    Trouble::Join,
    Trouble::Source,
    Trouble::Cancel,
    Trouble::Restart,
    Trouble::Standstill,
];

/// How likely what is, from 0 to 1.
#[derive(Clone, Debug)]
pub(super) struct Odds {
    /// A message is lost.
    pub(super) lost: f64,
    /// It is late.
    pub(super) late: f64,
    /// It comes twice.
    pub(super) doubled: f64,
    /// S3 refuses a request for now.
    pub(super) refused: f64,
    /// It carries it out, and its answer is lost.
    pub(super) unanswered: f64,
    /// A request is given up.
    pub(super) given_up: f64,
    /// S3 finds that a part holds other bytes than were sent.
    pub(super) damaged: f64,
    /// What is broken off at a node reaches S3 all the same.
    pub(super) stray: f64,
    /// Mean time between two troubles, in milliseconds.
    pub(super) gap_ms: u64,
    /// How likely each trouble is, relative to the others.
    weights: [f64; TROUBLES.len()],
}

/// Nothing, half the time, and otherwise more often little than much.
fn up_to(most: f64, chance: &mut Dice) -> f64 {
    let drawn = chance.uniform();
    if chance.happens(0.5) { 0.0 } else { most * drawn * drawn }
}

impl Odds {
    pub(super) fn draw(chance: &mut Dice) -> Self {
        Self {
            lost: up_to(0.3, chance),
            late: up_to(0.3, chance),
            doubled: up_to(0.3, chance),
            refused: up_to(0.5, chance),
            unanswered: up_to(0.3, chance),
            given_up: up_to(0.05, chance),
            damaged: up_to(0.05, chance),
            stray: up_to(1.0, chance),
            gap_ms: 100 + chance.below(4_000),
            weights: std::array::from_fn(|_| up_to(1.0, chance)),
        }
    }

    /// Nothing goes wrong any more.
    pub(super) fn none(&self) -> Self {
        let Self { gap_ms, weights, .. } = *self;
        let none = 0.0;
        Self {
            lost: none,
            late: none,
            doubled: none,
            refused: none,
            unanswered: none,
            given_up: none,
            damaged: none,
            stray: none,
            gap_ms,
            weights,
        }
    }

    pub(super) fn trouble(&self, chance: &mut Dice) -> Trouble {
        let mut left = chance.uniform() * self.weights.iter().sum::<f64>();
        for (trouble, weight) in TROUBLES.into_iter().zip(self.weights) {
            left -= weight;
            if left < 0.0 {
                return trouble;
            }
        }
        Trouble::Join
    }
}
