//! How long to wait before dialling a coordinator again.

use std::time::Duration;

/// Longest wait after the first failure.
const FIRST: Duration = Duration::from_millis(100);
/// Longest wait of all.
const LONGEST: Duration = Duration::from_secs(10);

/// Counts failures in a row.
#[derive(Clone, Copy, Debug, Default)]
pub struct Redial {
    failed: u32,
}

impl Redial {
    /// Notes a failure; how long to wait before the next try. `jitter` is a random number in `0.0..1.0`. Full
    /// jitter: nodes that lost their coordinator together must not come back together.
    pub fn failed(&mut self, jitter: f64) -> Duration {
        let longest = FIRST.saturating_mul(1 << self.failed.min(16)).min(LONGEST);
        self.failed += 1;
        longest.mul_f64(jitter.clamp(0.0, 1.0))
    }

    /// How long to wait after a refusal that another try will not change: someone must do something first.
    #[must_use]
    pub fn refused(jitter: f64) -> Duration {
        LONGEST.mul_f64(0.5 + jitter.clamp(0.0, 1.0) / 2.0)
    }

    /// Notes a connection that lasted.
    pub fn lasted(&mut self) {
        self.failed = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_begin_again() {
        let mut redial = Redial::default();
        let waits: Vec<u64> = (0..40).map(|_| redial.failed(1.0).as_millis() as u64).collect();
        assert_eq!(waits[..4], [100, 200, 400, 800]);
        assert_eq!(waits[10..], [10_000; 30]);
        redial.lasted();
        assert_eq!(redial.failed(0.5), Duration::from_millis(50));
        assert_eq!(Redial::refused(0.0), Duration::from_secs(5));
    }
}
