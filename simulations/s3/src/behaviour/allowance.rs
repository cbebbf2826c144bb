//! An allowance: so much a second, saved up to a limit.

use std::time::{Duration, Instant};

/// What may be spent, and what comes in.
#[derive(Debug)]
pub(crate) struct Allowance {
    per_second: f64,
    most: f64,
    level: f64,
    at: Instant,
}

impl Allowance {
    /// A full one, that gets `per_second` and saves up to `most`.
    pub(crate) fn new(per_second: f64, most: f64, now: Instant) -> Self {
        Self { per_second, most, level: most, at: now }
    }

    /// How long it will be until there is `least`; zero when there is.
    pub(crate) fn wait(&mut self, least: f64, now: Instant) -> Duration {
        let earned = now.saturating_duration_since(self.at).as_secs_f64() * self.per_second;
        self.level = (self.level + earned).min(self.most);
        self.at = now;
        let missing = (least - self.level).max(0.0);
        if missing == 0.0 {
            return Duration::ZERO;
        }
        Duration::try_from_secs_f64(missing / self.per_second).unwrap_or(Duration::MAX)
    }

    /// Spends so much, though it be more than there is: the next one waits for what is owed.
    pub(crate) fn spend(&mut self, amount: f64) {
        self.level -= amount;
    }
}
