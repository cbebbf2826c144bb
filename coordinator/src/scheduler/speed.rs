//! How fast a node is: bytes of parts it moves a second, the recent past counting most.

/// Time over which the past is forgotten, in milliseconds: a node that stops is known as slow within seconds,
/// one that hiccups is not.
const MEMORY_MS: f64 = 2_000.0;
/// Shortest time to measure over, in milliseconds: bytes come in bursts.
const SPAN_MS: u64 = 400;
/// Time over which a speed must have been measured to be told of, in milliseconds: a node that has just begun may
/// wait for its first bytes, and seem to need days.
const CERTAIN_MS: u64 = 2_000;
/// Slower than this, in bytes a millisecond, a node stands still.
pub(super) const STILL_BYTES_PER_MS: f64 = 1.0;

/// Time over which an idle node that was slow is believed to be like others again, in milliseconds: it is not
/// given anything while it counts as slow, so nothing else would show that it no longer is.
const GRUDGE_MS: f64 = 10_000.0;

/// An exponentially weighted estimate.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Speed {
    bytes_per_ms: Option<f64>,
    /// When and at which count the present span began; `None` while the node has nothing to do, because that
    /// tells nothing.
    since: Option<(u64, u64)>,
    /// Over how long it was measured in all, in milliseconds.
    measured_ms: u64,
}

impl Speed {
    /// Notes that the node has moved so many bytes in all, and whether it has more to do.
    pub(super) fn observe(&mut self, moved_bytes: u64, is_busy: bool, now_ms: u64) {
        if let Some((since_ms, since_bytes)) = self.since {
            let span_ms = now_ms.saturating_sub(since_ms);
            // A span that ends because the work did counts as well: small jobs may have no other.
            if span_ms < SPAN_MS && (is_busy || self.bytes_per_ms.is_some()) {
                if !is_busy {
                    self.since = None;
                }
                return;
            }
            let seen = moved_bytes.saturating_sub(since_bytes) as f64 / span_ms.max(1) as f64;
            let weight = 1.0 - (-(span_ms as f64) / MEMORY_MS).exp();
            // The first measure stands for itself.
            let before = self.bytes_per_ms.unwrap_or(seen);
            self.bytes_per_ms = Some(before + weight * (seen - before));
            self.measured_ms = self.measured_ms.saturating_add(span_ms);
        }
        self.since = is_busy.then_some((now_ms, moved_bytes));
    }

    /// Bytes a millisecond in a span that has not ended, when it had moved so many bytes in all.
    pub(super) fn so_far(&self, moved_bytes: u64, now_ms: u64) -> Option<f64> {
        let (since_ms, since_bytes) = self.since?;
        let span_ms = now_ms.checked_sub(since_ms).filter(|ms| *ms >= SPAN_MS / 2)?;
        Some(moved_bytes.saturating_sub(since_bytes) as f64 / span_ms as f64)
    }

    /// Notes that the node got work after it had none.
    pub(super) fn begin(&mut self, moved_bytes: u64, now_ms: u64) {
        self.since.get_or_insert((now_ms, moved_bytes));
    }

    /// Notes that the node had nothing to do for so long, while others did `usual` bytes a millisecond.
    pub(super) fn forgive(&mut self, usual: f64, ms: u64) {
        if let Some(speed) = self.bytes_per_ms.as_mut().filter(|speed| **speed < usual) {
            *speed += (1.0 - (-(ms as f64) / GRUDGE_MS).exp()) * (usual - *speed);
        }
    }

    /// Whether it was measured long enough to tell anyone when the node will be done with something.
    pub(super) fn is_certain(&self) -> bool {
        self.measured_ms >= CERTAIN_MS && self.bytes_per_ms > Some(STILL_BYTES_PER_MS)
    }

    /// Bytes a millisecond; `None` until measured.
    pub(super) fn bytes_per_ms(&self) -> Option<f64> {
        self.bytes_per_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a node at a speed for a while, with a report each half second.
    fn run(speed: &mut Speed, now_ms: &mut u64, moved: &mut u64, bytes_per_ms: u64, for_ms: u64) {
        for _ in 0..for_ms / 500 {
            *now_ms += 500;
            *moved += bytes_per_ms * 500;
            speed.observe(*moved, true, *now_ms);
        }
    }

    #[test]
    fn a_tenth_of_the_speed_is_known_within_seconds() {
        let (mut speed, mut now_ms, mut moved) = (Speed::default(), 0, 0);
        speed.begin(0, 0);
        run(&mut speed, &mut now_ms, &mut moved, 1_000, 10_000);
        assert!((speed.bytes_per_ms().unwrap() - 1_000.0).abs() < 1.0);
        run(&mut speed, &mut now_ms, &mut moved, 100, 5_000);
        assert!(speed.bytes_per_ms().unwrap() < 200.0, "{speed:?}");
        run(&mut speed, &mut now_ms, &mut moved, 1_000, 5_000);
        assert!(speed.bytes_per_ms().unwrap() > 900.0, "{speed:?}");
    }

    #[test]
    fn idleness_is_not_slowness() {
        let (mut speed, mut now_ms, mut moved) = (Speed::default(), 0, 0);
        speed.begin(0, 0);
        run(&mut speed, &mut now_ms, &mut moved, 1_000, 5_000);
        for _ in 0..100 {
            speed.observe(moved, false, now_ms);
            now_ms += 500;
        }
        speed.begin(moved, now_ms);
        assert!(speed.bytes_per_ms().unwrap() > 800.0, "{speed:?}");
    }

    #[test]
    fn slowness_is_forgiven_in_time_and_fastness_stays() {
        let mut speed = Speed { bytes_per_ms: Some(10.0), ..Speed::default() };
        (0..20).for_each(|_| speed.forgive(100.0, 500));
        assert!((60.0..80.0).contains(&speed.bytes_per_ms().unwrap()), "{speed:?}");
        let mut speed = Speed { bytes_per_ms: Some(200.0), ..Speed::default() };
        speed.forgive(100.0, 60_000);
        assert_eq!(speed.bytes_per_ms(), Some(200.0));
    }

    #[test]
    fn a_speed_is_told_of_once_it_was_measured_for_long_enough_and_the_node_moves() {
        let (mut speed, mut now_ms, mut moved) = (Speed::default(), 0, 0);
        speed.begin(0, 0);
        run(&mut speed, &mut now_ms, &mut moved, 1_000, 1_500);
        assert!(!speed.is_certain(), "{speed:?}");
        run(&mut speed, &mut now_ms, &mut moved, 1_000, 500);
        assert!(speed.is_certain(), "{speed:?}");
        run(&mut speed, &mut now_ms, &mut moved, 0, 30_000);
        assert!(!speed.is_certain(), "it stands still: {speed:?}");
    }

    #[test]
    fn a_job_shorter_than_a_span_is_a_measure_if_there_is_no_other() {
        let mut speed = Speed::default();
        speed.begin(0, 0);
        speed.observe(100_000, false, 100);
        assert_eq!(speed.bytes_per_ms(), Some(1_000.0));
    }
}
