//! How many of some times were how long.

use serde::Serialize;

/// Times by their length; each class reaches a twelfth further than the one before.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Histogram {
    /// How many there are in each class; the first ends at a millisecond.
    pub counts: Vec<u64>,
}

/// How much further each class reaches.
const STEP: f64 = 13.0 / 12.0;

impl Histogram {
    /// Takes in a time.
    pub fn note(&mut self, us: u64) {
        let class = ((us.max(1_000) as f64 / 1e3).ln() / STEP.ln()).ceil() as usize;
        if self.counts.len() <= class {
            self.counts.resize(class + 1, 0);
        }
        self.counts[class] += 1;
    }

    /// Takes in all times of another.
    pub fn add(&mut self, other: &Self) {
        self.counts.resize(self.counts.len().max(other.counts.len()), 0);
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Where a class ends, in milliseconds.
    #[must_use]
    pub fn end_ms(class: usize) -> f64 {
        STEP.powi(class as i32)
    }

    /// A time that this share of all does not exceed, up to a twelfth too long, in milliseconds; 0 if there are none.
    #[must_use]
    pub fn quantile_ms(&self, share: f64) -> f64 {
        let wanted = (self.count() as f64 * share).ceil() as u64;
        let mut seen = 0;
        let class = self.counts.iter().position(|count| {
            seen += count;
            seen >= wanted && seen > 0
        });
        class.map_or(0.0, Self::end_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_right_within_a_twelfth() {
        let mut times = Histogram::default();
        assert_eq!(times.quantile_ms(0.5), 0.0);
        (1..=1_000).for_each(|ms| times.note(ms * 1_000));
        for (share, ms) in [(0.5, 500.0), (0.99, 990.0), (1.0, 1_000.0)] {
            let told = times.quantile_ms(share);
            assert!(told >= ms && told <= ms * STEP, "{told} for {ms}");
        }
    }
}
