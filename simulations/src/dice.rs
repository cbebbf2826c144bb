//! Chance: a stream of random numbers for each part of the world, all from one seed.
//!
//! A stream has a name, so that what one part of the world draws changes nothing for another.

use chacha20::ChaCha8Rng;
use chacha20::rand_core::{Rng, SeedableRng};

use crate::model::Latency;

/// How far the 99th percentile of a normal distribution lies from its mean, in standard deviations.
const Z99: f64 = 2.326_347_874;

/// One stream of random numbers.
#[derive(Debug)]
pub struct Dice(ChaCha8Rng);

impl Dice {
    /// The stream of this name among those of a seed.
    #[must_use]
    pub fn new(seed: u64, name: &str) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        // Fowler, Noll and Vo's hash, so that a name means the same in every build.
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        rng.set_stream(hash);
        Self(rng)
    }

    /// A number from 0 to 1 exclusive.
    pub fn uniform(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A normal deviate with mean 0 and deviation 1 (Box and Muller).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// A factor with median 1, whose logarithm has this deviation.
    pub fn lognormal(&mut self, deviation: f64) -> f64 {
        if deviation == 0.0 { 1.0 } else { (self.normal() * deviation).exp() }
    }

    /// A time, in microseconds.
    pub fn latency_us(&mut self, latency: Latency) -> u64 {
        let deviation = (latency.p99_ms / latency.median_ms).ln() / Z99;
        (latency.median_ms * 1e3 * self.lognormal(deviation)).round() as u64
    }

    /// Whether something of this probability, 0 to 1, happens.
    pub fn happens(&mut self, odds: f64) -> bool {
        self.uniform() < odds
    }

    /// A number below `bound`, which is above 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((self.uniform() * bound as f64) as u64).min(bound - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_apart_and_the_same_each_time() {
        let draw = |seed, name: &str| Dice::new(seed, name).0.next_u64();
        assert_eq!(draw(7, "get"), draw(7, "get"));
        assert_ne!(draw(7, "get"), draw(7, "put"));
        assert_ne!(draw(7, "get"), draw(8, "get"));
    }

    #[test]
    fn latencies_have_the_percentiles_that_were_asked_for() {
        let (latency, mut dice) = (Latency { median_ms: 25.0, p99_ms: 90.0 }, Dice::new(1, "x"));
        let mut drawn: Vec<u64> = (0..100_000).map(|_| dice.latency_us(latency)).collect();
        drawn.sort_unstable();
        assert!((24_500..25_500).contains(&drawn[50_000]), "{}", drawn[50_000]);
        assert!((86_000..94_000).contains(&drawn[99_000]), "{}", drawn[99_000]);
        let never = Latency { median_ms: 3.0, p99_ms: 3.0 };
        assert_eq!(dice.latency_us(never), 3_000);
    }
}
