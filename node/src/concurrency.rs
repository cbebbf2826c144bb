//! How many requests a node keeps in flight: as many as throughput follows, fewer when S3 asks to slow down.
//!
//! It doubles at first, so that a job is at full speed within a second. Then it holds, and now and then tries
//! a quarter more for a second: what gains nothing is given back and tried again later, less and less often.

use proto::limits::NODE_CONCURRENCY_DEFAULT;

/// Requests in flight to begin with: as many as every S3 takes from one node.
const FIRST: usize = NODE_CONCURRENCY_DEFAULT;
/// Requests in flight never fallen below.
const LEAST: usize = 2;
/// How long throughput is measured while the level doubles, in milliseconds.
const RISING_MS: u64 = 250;
/// How long throughput is measured otherwise, in milliseconds.
const STEADY_MS: u64 = 1_000;
/// Throughput must grow by this factor for more requests to be worth keeping.
const GAIN: f64 = 1.03;
/// How many measurements a doubled level may take to show a gain: the first still contains its beginning.
const TRIALS: u32 = 2;
/// Shortest time between two tries, and between two falls, in milliseconds.
const PATIENCE_MS: u64 = 1_000;
/// Longest time between two tries, in milliseconds.
const PATIENCE_MS_MAX: u64 = 60_000;
/// How long the level stays below one at which S3 asked to slow down, in milliseconds; each time it was too
/// short it doubles, up to the longest.
const CAUTION_MS: u64 = 4_000;
/// The longest of these, in milliseconds.
const CAUTION_MS_MAX: u64 = 120_000;
/// After so long with little to do, in milliseconds, what was learnt before says nothing: it begins anew.
const FORGET_MS: u64 = 30_000;

/// Decides how many requests are in flight.
#[derive(Debug)]
pub struct Concurrency {
    max: usize,
    level: usize,
    phase: Phase,
    measured: Measured,
    /// When requests last had to wait for others.
    full_ms: u64,
    patience_ms: u64,
    fell_ms: Option<u64>,
    ceiling: Option<Ceiling>,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    /// Doubles; `from` was the level before, with this throughput.
    Rising { from: usize, before: f64, trials: u32 },
    /// Holds its level at least until then.
    Steady { until_ms: u64 },
    /// Tries more than `from`, which had this throughput.
    Trying { from: usize, before: f64 },
}

/// A measurement under way.
#[derive(Clone, Copy, Debug, Default)]
struct Measured {
    since_ms: u64,
    moved_before: u64,
    /// Whether some request has always waited for another to end: only then is throughput that of the level.
    is_full: bool,
}

/// A level that should not be exceeded for a while.
#[derive(Clone, Copy, Debug)]
struct Ceiling {
    level: usize,
    caution_ms: u64,
    until_ms: u64,
}

impl Concurrency {
    /// At most `max` requests in flight.
    #[must_use]
    pub fn new(max: usize) -> Self {
        let max = max.max(1);
        let level = FIRST.min(max);
        Self {
            max,
            level,
            phase: Phase::Rising { from: level, before: 0.0, trials: 0 },
            measured: Measured { is_full: true, ..Measured::default() },
            full_ms: 0,
            patience_ms: PATIENCE_MS,
            fell_ms: None,
            ceiling: None,
        }
    }

    /// Requests to keep in flight now.
    #[must_use]
    pub fn level(&self) -> usize {
        self.level
    }

    /// Takes in how much was moved since the beginning, in any unit, and whether requests had to wait for
    /// others since this was last told. To be told a few times a second.
    pub fn measure(&mut self, moved: u64, is_full: bool, now_ms: u64) {
        self.measured.is_full &= is_full;
        if is_full {
            if now_ms > self.full_ms + FORGET_MS {
                *self = Self {
                    level: self.level.max(FIRST.min(self.max)),
                    measured: self.measured,
                    ..Self::new(self.max)
                };
            }
            self.full_ms = now_ms;
        }
        let long = if matches!(self.phase, Phase::Rising { .. }) { RISING_MS } else { STEADY_MS };
        let elapsed_ms = now_ms.saturating_sub(self.measured.since_ms);
        if elapsed_ms < long {
            return;
        }
        let rate = moved.saturating_sub(self.measured.moved_before) as f64 / elapsed_ms as f64;
        let is_full = self.measured.is_full;
        self.measured = Measured { since_ms: now_ms, moved_before: moved, is_full: true };
        // When nothing moves at all, it is not for want of requests.
        if is_full && rate > 0.0 {
            self.decide(rate, now_ms);
        } else if let Phase::Trying { from, .. } = self.phase {
            self.level = from;
            self.phase = Phase::Steady { until_ms: now_ms + self.patience_ms };
        }
    }

    /// S3 asked to slow down.
    pub fn throttled(&mut self, now_ms: u64) {
        if self.fell_ms.is_some_and(|fell_ms| now_ms < fell_ms + PATIENCE_MS) {
            return;
        }
        let near = self.level * 9 / 10;
        let (level, caution_ms) = match self.ceiling {
            // It went well below the ceiling there was; that one was lifted too soon.
            Some(old) if old.level <= self.level => (near.min(old.level), 2 * old.caution_ms),
            Some(old) => (near, old.caution_ms),
            None => (near, CAUTION_MS),
        };
        let caution_ms = caution_ms.min(CAUTION_MS_MAX);
        self.ceiling = Some(Ceiling { level, caution_ms, until_ms: now_ms + caution_ms });
        self.level = (self.level * 7 / 10).max(LEAST.min(self.max));
        self.phase = Phase::Steady { until_ms: now_ms + PATIENCE_MS };
        self.measured.is_full = false;
        self.fell_ms = Some(now_ms);
    }

    /// Draws the conclusion of a measurement.
    fn decide(&mut self, rate: f64, now_ms: u64) {
        match self.phase {
            Phase::Rising { before, .. } if rate > before * GAIN => {
                self.phase = Phase::Rising { from: self.level, before: rate, trials: 0 };
                self.level = (self.level * 2).min(self.max);
            }
            Phase::Rising { from, before, trials } if trials + 1 < TRIALS => {
                self.phase = Phase::Rising { from, before, trials: trials + 1 };
            }
            Phase::Rising { from, .. } => {
                self.level = from;
                self.phase = Phase::Steady { until_ms: now_ms + self.patience_ms };
            }
            Phase::Steady { until_ms } if now_ms >= until_ms => self.try_more(rate, now_ms),
            Phase::Steady { .. } => {}
            Phase::Trying { before, .. } if rate > before * GAIN => {
                self.patience_ms = PATIENCE_MS;
                self.ceiling = self.ceiling.filter(|ceiling| ceiling.level >= self.level);
                self.try_more(rate, now_ms);
            }
            Phase::Trying { from, .. } => {
                self.level = from;
                self.patience_ms = (self.patience_ms * 2).min(PATIENCE_MS_MAX);
                self.phase = Phase::Steady { until_ms: now_ms + self.patience_ms };
            }
        }
    }

    fn try_more(&mut self, rate: f64, now_ms: u64) {
        let ceiling = self.ceiling.filter(|ceiling| now_ms < ceiling.until_ms);
        let most = ceiling.map_or(self.max, |ceiling| ceiling.level.min(self.max));
        let more = (self.level + (self.level / 4).max(1)).min(most);
        if more > self.level {
            self.phase = Phase::Trying { from: self.level, before: rate };
            self.level = more;
        } else {
            self.phase = Phase::Steady { until_ms: now_ms };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An S3 that moves so much a millisecond at each level, and refuses above another level.
    struct Simulated<F> {
        concurrency: Concurrency,
        moves: F,
        refuses_above: usize,
        moved: f64,
        now_ms: u64,
        refusals: u64,
    }

    impl<F: Fn(usize) -> f64> Simulated<F> {
        fn new(max: usize, refuses_above: usize, moves: F) -> Self {
            let concurrency = Concurrency::new(max);
            Self { concurrency, moves, refuses_above, moved: 0.0, now_ms: 0, refusals: 0 }
        }

        /// Runs for so long; gives the level at each step.
        fn run(&mut self, ms: u64) -> Vec<usize> {
            let end_ms = self.now_ms + ms;
            let mut levels = Vec::new();
            while self.now_ms < end_ms {
                self.now_ms += 125;
                let level = self.concurrency.level();
                // As much more or less as parts that begin and end together make.
                let swing = 1.0 + 0.01 * ((self.now_ms / 125 * 7 % 5) as f64 - 2.0);
                self.moved += 125.0 * (self.moves)(level.min(self.refuses_above)) * swing;
                if level > self.refuses_above {
                    self.refusals += 1;
                    self.concurrency.throttled(self.now_ms);
                }
                self.concurrency.measure(self.moved as u64, true, self.now_ms);
                levels.push(self.concurrency.level());
            }
            levels
        }
    }

    fn line(capacity: f64) -> impl Fn(usize) -> f64 {
        move |level| (level as f64 * 1_000.0).min(capacity * 1_000.0)
    }

    #[test]
    fn a_job_is_fast_within_a_second_and_reaches_the_maximum() {
        let mut s3 = Simulated::new(256, usize::MAX, line(1_000.0));
        assert!(s3.run(500).last() >= Some(&64));
        assert_eq!(s3.run(2_000).last(), Some(&256));
        assert!(s3.run(60_000).iter().all(|level| *level == 256));
    }

    #[test]
    fn what_throughput_does_not_follow_is_given_back() {
        for capacity in [20.0, 50.0, 100.0, 300.0] {
            let mut s3 = Simulated::new(1_024, usize::MAX, line(capacity));
            s3.run(20_000);
            let levels = s3.run(120_000);
            let mean = levels.iter().sum::<usize>() as f64 / levels.len() as f64;
            assert!((capacity * 0.9..capacity * 2.0).contains(&mean), "{mean} for {capacity}");
            let tries = levels.windows(2).filter(|pair| pair[1] > pair[0]).count();
            assert!(tries <= 8, "{tries} tries in two minutes");
        }
    }

    #[test]
    fn an_s3_that_grows_slower_under_load_is_not_overloaded() {
        let moves = |level: usize| if level <= 60 { level as f64 } else { 120.0 - level as f64 } * 1_000.0;
        let mut s3 = Simulated::new(100, usize::MAX, moves);
        s3.run(20_000);
        let levels = s3.run(60_000);
        let mean = levels.iter().map(|level| moves(*level)).sum::<f64>() / levels.len() as f64;
        assert!(mean > 0.85 * 60_000.0, "{mean}");
    }

    #[test]
    fn refusals_lower_it_and_become_rare() {
        let mut s3 = Simulated::new(256, 40, line(1_000.0));
        s3.run(60_000);
        s3.refusals = 0;
        let levels = s3.run(300_000);
        let mean = levels.iter().sum::<usize>() as f64 / levels.len() as f64;
        assert!((30.0..=40.0).contains(&mean), "{mean}");
        assert!(s3.refusals <= 60, "{} of {} moments", s3.refusals, levels.len());
    }

    #[test]
    fn it_falls_once_a_second_and_never_to_nothing() {
        let mut concurrency = Concurrency::new(100);
        for now_ms in 0..1_000 {
            concurrency.throttled(now_ms);
        }
        assert_eq!(concurrency.level(), 22);
        for now_ms in 1_000..60_000 {
            concurrency.throttled(now_ms);
        }
        assert_eq!(concurrency.level(), LEAST);
        let mut alone = Concurrency::new(1);
        alone.throttled(0);
        assert_eq!(alone.level(), 1);
    }

    #[test]
    fn after_little_to_do_it_begins_anew() {
        let mut concurrency = Concurrency::new(100);
        for now_ms in (0..60_000).step_by(250) {
            concurrency.measure(now_ms, false, now_ms);
        }
        assert_eq!(concurrency.level(), FIRST);
        for now_ms in (60_000..70_000).step_by(250) {
            concurrency.throttled(now_ms);
            concurrency.measure(now_ms, true, now_ms);
        }
        assert_eq!(concurrency.level(), LEAST);
        for now_ms in (70_000..170_000).step_by(250) {
            concurrency.measure(70_000, false, now_ms);
        }
        for step in 0..8u64 {
            concurrency.measure(70_000 + (1_000 << step), true, 170_000 + 250 * step);
        }
        assert_eq!(concurrency.level(), 100);
    }
}
