//! How fast a job goes, of late.
//!
//! Only parts that have ended are counted, and these end in bursts: as far apart as one takes, and many at once where
//! S3 copies them or nodes are alike. So the rate is measured in rounds: one is over when as many parts have ended as
//! were under way at its beginning, and what is under way stands at the same point again. A round in progress is taken
//! to go as those before, until it takes longer than the longest of them.

/// About over how long the rate is measured at least, in milliseconds.
const MEMORY_MS: f64 = 10_000.0;
/// About over how many rounds it is measured at least: one more or less must not matter much.
const ROUNDS: f64 = 4.0;

/// How much is done.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Done {
    pub(crate) bytes: u64,
    pub(crate) parts: u64,
}

/// A rate that forgets.
#[derive(Debug, Default)]
pub(crate) struct Rate {
    /// When the round in progress began, what was done by then, and how many parts were under way.
    since_ms: Option<u64>,
    then: Done,
    under_way: u64,
    /// How long it has taken so far, in milliseconds, and the bytes done in it.
    round_ms: u64,
    round_bytes: u64,
    /// Bytes done in rounds before, the milliseconds that these took, and the longest of them; what was long ago counts
    /// less.
    bytes: f64,
    ms: f64,
    longest_ms: f64,
}

impl Rate {
    /// Notes that parts are under way from now on.
    pub(crate) fn begin(&mut self, now_ms: u64) {
        self.since_ms.get_or_insert(now_ms);
    }

    /// Takes in what is done by now, and how many parts are under way.
    pub(crate) fn measure(&mut self, done: Done, under_way: u64, now_ms: u64) {
        let Some(since_ms) = self.since_ms else { return };
        // What was done and turned out to be damaged is not done any more.
        self.then = Done { bytes: self.then.bytes.min(done.bytes), parts: self.then.parts.min(done.parts) };
        self.round_ms = now_ms.saturating_sub(since_ms);
        self.round_bytes = done.bytes - self.then.bytes;
        // Of what was there at its beginning: towards the job's end less and less is under way.
        let round_parts = if self.ms > 0.0 { self.under_way } else { under_way };
        if self.round_ms == 0 || self.round_bytes == 0 || done.parts - self.then.parts < round_parts {
            return;
        }
        let round_ms = self.round_ms as f64;
        let kept = (-round_ms / MEMORY_MS.max(ROUNDS * round_ms)).exp();
        self.longest_ms = round_ms.max(self.longest_ms * kept);
        self.bytes = self.bytes * kept + self.round_bytes as f64;
        self.ms = self.ms * kept + round_ms;
        (self.since_ms, self.then, self.under_way) = (Some(now_ms), done, under_way);
        (self.round_ms, self.round_bytes) = (0, 0);
    }

    fn bytes_per_ms(&self) -> Option<f64> {
        let overdue_ms = (self.round_ms as f64 - self.longest_ms).max(0.0);
        (self.ms > 0.0).then(|| self.bytes / (self.ms + overdue_ms))
    }

    /// In the first round, what has ended so far.
    pub(crate) fn bytes_per_second(&self) -> u64 {
        let so_far = || self.round_bytes as f64 / self.round_ms.max(1) as f64;
        (self.bytes_per_ms().unwrap_or_else(so_far) * 1e3).round() as u64
    }

    /// Milliseconds until `bytes_left` more bytes are done; `None` in the first round, when that cannot be told: the
    /// first parts to end say nothing of how many will follow.
    pub(crate) fn time_left(&self, bytes_left: u64) -> Option<u64> {
        let bytes_per_ms = self.bytes_per_ms()?;
        let time = |bytes: u64| (bytes as f64 / bytes_per_ms) as u64;
        let from_round = time(bytes_left.saturating_add(self.round_bytes));
        Some(time(bytes_left).min(from_round.saturating_sub(self.round_ms.min(self.longest_ms as u64))))
    }
}

#[cfg(test)]
mod tests;
