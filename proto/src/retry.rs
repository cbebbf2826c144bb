//! When to send a request again: a decision, not a loop.

use std::time::Duration;

use crate::failure::S3ErrorKind;

/// Attempts at one request before giving up.
pub const ATTEMPTS_MAX: u32 = 6;
/// Longest wait before the second attempt; each further one may wait twice as long.
const BACKOFF_FIRST: Duration = Duration::from_millis(50);
/// Longest wait before the second attempt when S3 asks to slow down: it needs time to split a prefix.
const BACKOFF_FIRST_THROTTLED: Duration = Duration::from_millis(400);
/// Longest wait of all.
const BACKOFF_MAX: Duration = Duration::from_secs(5);

/// How long to wait before attempt number `failed + 1`, or `None` to give up.
///
/// `failed` counts the attempts that have failed with nothing gained, from 1; `jitter` is a random number
/// in `0.0..1.0`, given by the caller so that this stays deterministic. Full jitter: many nodes that
/// failed together must not come back together.
#[must_use]
pub fn backoff(kind: S3ErrorKind, failed: u32, jitter: f64) -> Option<Duration> {
    if !kind.is_retryable() || failed >= ATTEMPTS_MAX {
        return None;
    }
    let first = if kind == S3ErrorKind::Throttled { BACKOFF_FIRST_THROTTLED } else { BACKOFF_FIRST };
    let longest = first.saturating_mul(1 << failed.saturating_sub(1).min(16)).min(BACKOFF_MAX);
    Some(longest.mul_f64(jitter.clamp(0.0, 1.0)))
}

/// Most attempts at one range, even if each gains something: a server that resets every connection after a
/// few bytes must not be asked forever.
const ATTEMPTS_WITH_GAIN_MAX: u32 = 100;

/// Counts the attempts at one range that is gone on with from the byte reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attempts {
    failed: u32,
    failed_since_gain: u32,
}

impl Attempts {
    /// Notes a failed attempt; how long to wait before the next, or `None` to give up. `has_gained` tells
    /// whether bytes came since the attempt before.
    #[must_use]
    pub fn failed(&mut self, kind: S3ErrorKind, has_gained: bool, jitter: f64) -> Option<Duration> {
        self.failed += 1;
        self.failed_since_gain = if has_gained { 1 } else { self.failed_since_gain + 1 };
        if self.failed >= ATTEMPTS_WITH_GAIN_MAX {
            return None;
        }
        backoff(kind, self.failed_since_gain, jitter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_are_capped_and_end() {
        let wait = |failed| backoff(S3ErrorKind::Transient, failed, 1.0);
        assert_eq!(wait(1), Some(Duration::from_millis(50)));
        assert_eq!(wait(5), Some(Duration::from_millis(800)));
        assert_eq!(wait(ATTEMPTS_MAX), None);
        assert_eq!(backoff(S3ErrorKind::Throttled, 5, 1.0), Some(BACKOFF_MAX));
        assert_eq!(backoff(S3ErrorKind::Throttled, 5, 0.0), Some(Duration::ZERO));
    }

    #[test]
    fn what_gains_goes_on_but_not_forever() {
        let mut attempts = Attempts::default();
        let waits: Vec<bool> =
            (0..200).map(|_| attempts.failed(S3ErrorKind::Transient, true, 0.0).is_some()).collect();
        assert_eq!(waits.iter().filter(|goes_on| **goes_on).count(), 99);
        let mut attempts = Attempts::default();
        let goes_on =
            |attempts: &mut Attempts, gain| attempts.failed(S3ErrorKind::Transient, gain, 0.0).is_some();
        assert!((1..ATTEMPTS_MAX).all(|_| goes_on(&mut attempts, false)));
        assert!(goes_on(&mut attempts, true));
        assert!((2..ATTEMPTS_MAX).all(|_| goes_on(&mut attempts, false)));
        assert!(!goes_on(&mut attempts, false));
    }

    #[test]
    fn what_cannot_succeed_is_not_repeated() {
        for kind in [S3ErrorKind::Denied, S3ErrorKind::NoSuchKey, S3ErrorKind::PreconditionFailed] {
            assert_eq!(backoff(kind, 1, 0.5), None);
        }
    }
}
