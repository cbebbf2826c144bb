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
    fn what_cannot_succeed_is_not_repeated() {
        for kind in [S3ErrorKind::Denied, S3ErrorKind::NoSuchKey, S3ErrorKind::PreconditionFailed] {
            assert_eq!(backoff(kind, 1, 0.5), None);
        }
    }
}
