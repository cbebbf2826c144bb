//! How fast a job goes, of late.

/// About over how long the rate is measured, in milliseconds: parts end in bursts.
const MEMORY_MS: f64 = 5_000.0;

/// A rate that forgets.
#[derive(Debug, Default)]
pub(crate) struct Rate {
    bytes_done: u64,
    bytes_per_ms: f64,
    /// For how long it has been measured, in milliseconds, as far as that matters.
    measured_ms: f64,
}

impl Rate {
    /// Takes in how many bytes are done by now, `since_ms` milliseconds after the last time.
    pub(crate) fn measure(&mut self, bytes_done: u64, since_ms: u64) {
        if since_ms == 0 || self.measured_ms == 0.0 && bytes_done == 0 {
            return;
        }
        // What was done and turned out to be damaged is not done any more.
        let bytes = bytes_done.saturating_sub(self.bytes_done) as f64;
        self.bytes_done = bytes_done;
        let since_ms = since_ms as f64;
        self.measured_ms = (self.measured_ms + since_ms).min(MEMORY_MS);
        let weight = (since_ms / self.measured_ms).min(1.0);
        self.bytes_per_ms += (bytes / since_ms - self.bytes_per_ms) * weight;
    }

    pub(crate) fn bytes_per_second(&self) -> u64 {
        (self.bytes_per_ms * 1e3) as u64
    }

    /// Milliseconds that `bytes` take; `None` when that cannot be told.
    pub(crate) fn time_for(&self, bytes: u64) -> Option<u64> {
        (self.bytes_per_ms > 0.0).then(|| (bytes as f64 / self.bytes_per_ms) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_rate_is_found_at_once_and_a_new_one_within_seconds() {
        let mut rate = Rate::default();
        (0..10).for_each(|_| rate.measure(0, 500));
        assert_eq!((rate.bytes_per_second(), rate.time_for(1)), (0, None));
        let mut done = 0;
        let mut run = |rate: &mut Rate, bytes, times| {
            for _ in 0..times {
                done += bytes;
                rate.measure(done, 500);
            }
        };
        run(&mut rate, 500_000, 2);
        assert_eq!((rate.bytes_per_second(), rate.time_for(3_000_000)), (1_000_000, Some(3_000)));
        run(&mut rate, 100_000, 40);
        assert!((200_000..230_000).contains(&rate.bytes_per_second()), "{rate:?}");
    }
}
