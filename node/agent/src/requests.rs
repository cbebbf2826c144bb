//! Leave to send: a permit for each request in flight, and a turn where a pace is in force.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use node::pace::{Pacer, Target};
use proto::failure::S3ErrorKind;
use proto::limits::COPIES_AT_ONCE;
use proto::report::Throttled;
use proto::session::Pace;
use proto_s3::{Error, S3};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

use crate::padding::Paddings;

/// Longest wait before a pace is looked at again: it may have been raised meanwhile.
const PACE_STALE_MS: u64 = 250;

/// The client of S3, who may use it when, and what was put there to be used again.
pub(crate) struct Requests {
    pub(crate) s3: S3,
    started: Instant,
    pacer: Mutex<Pacer>,
    pub(crate) paddings: Paddings,
    /// Of copies, which move no bytes through the node.
    copies: Semaphore,
    permits: Arc<Semaphore>,
    /// How many permits there are, those to be withdrawn not counted.
    level: AtomicUsize,
    /// Permits in use that are withdrawn when they come back.
    surplus: AtomicUsize,
    was_full: AtomicBool,
    was_refused: AtomicBool,
}

/// Leave for one request, until it is dropped.
pub(crate) struct Permit {
    requests: Arc<Requests>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Drop for Permit {
    fn drop(&mut self) {
        let withdrawn =
            self.requests.surplus.fetch_update(Relaxed, Relaxed, |surplus| surplus.checked_sub(1));
        if withdrawn.is_ok()
            && let Some(permit) = self.permit.take()
        {
            permit.forget();
        }
    }
}

impl Requests {
    /// So many requests in flight.
    pub(crate) fn new(s3: S3, level: usize) -> Self {
        Self {
            s3,
            started: Instant::now(),
            pacer: Mutex::default(),
            paddings: Paddings::default(),
            copies: Semaphore::new(COPIES_AT_ONCE),
            permits: Arc::new(Semaphore::new(level)),
            level: AtomicUsize::new(level),
            surplus: AtomicUsize::new(0),
            was_full: AtomicBool::new(false),
            was_refused: AtomicBool::new(false),
        }
    }

    /// Waits for leave to send one request: first for its turn, so that one place's pace holds up no
    /// requests to others, then for a permit.
    pub(crate) async fn admit(self: &Arc<Self>, target: Target<'_>) -> Permit {
        self.turn(target).await;
        let permit = match Arc::clone(&self.permits).try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => {
                self.was_full.store(true, Relaxed);
                Arc::clone(&self.permits).acquire_owned().await.expect("it is never closed")
            }
        };
        Permit { requests: Arc::clone(self), permit: Some(permit) }
    }

    /// Waits for leave to have S3 copy or make something: for a turn as for any other write, but for none of the
    /// permits of requests that move bytes.
    pub(crate) async fn admit_copy(&self, target: Target<'_>) -> SemaphorePermit<'_> {
        self.turn(target).await;
        self.copies.acquire().await.expect("it is never closed")
    }

    async fn turn(&self, target: Target<'_>) {
        let ask = || self.pacer().admit(target, self.now_ms());
        while let Err(wait_ms) = ask() {
            tokio::time::sleep(Duration::from_millis(wait_ms.min(PACE_STALE_MS))).await;
        }
    }

    /// Notes when S3 asked to slow down.
    pub(crate) fn heed<T>(&self, target: Target<'_>, answer: Result<T, Error>) -> Result<T, Error> {
        if answer.as_ref().is_err_and(|error| error.kind() == S3ErrorKind::Throttled) {
            self.pacer().refused(target);
            self.was_refused.store(true, Relaxed);
        }
        answer
    }

    /// Puts these paces in force, and no others.
    pub(crate) fn pace(&self, paces: Vec<Pace>) {
        self.pacer().set(paces, self.now_ms());
    }

    /// What S3 refused since this was last asked.
    pub(crate) fn take_throttled(&self) -> Vec<Throttled> {
        self.pacer().take_throttled()
    }

    /// Whether a request had to wait for others since this was last asked.
    pub(crate) fn take_was_full(&self) -> bool {
        self.was_full.swap(false, Relaxed)
    }

    /// Whether S3 asked to slow down since this was last asked.
    pub(crate) fn take_was_refused(&self) -> bool {
        self.was_refused.swap(false, Relaxed)
    }

    /// Lets so many requests be in flight; those beyond are not cut off. To be called by one hand only.
    pub(crate) fn resize(&self, level: usize) {
        let before = self.level.swap(level, Relaxed);
        if let Some(more) = level.checked_sub(before) {
            let kept =
                self.surplus.fetch_update(Relaxed, Relaxed, |surplus| Some(surplus.saturating_sub(more)));
            let kept = kept.map_or(0, |surplus| surplus.min(more));
            self.permits.add_permits(more - kept);
        } else {
            let withdrawn = self.permits.forget_permits(before - level);
            self.surplus.fetch_add(before - level - withdrawn, Relaxed);
        }
    }

    /// Milliseconds since the beginning.
    pub(crate) fn now_ms(&self) -> u64 {
        self.started.elapsed().as_millis() as u64
    }

    fn pacer(&self) -> MutexGuard<'_, Pacer> {
        self.pacer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::requests::RequestClass;
    use proto_s3::Options;
    use tokio::time::timeout;

    async fn requests(level: usize) -> Arc<Requests> {
        let options = Options { endpoint_url: Some("http://127.0.0.1:9".into()), ..Options::default() };
        Arc::new(Requests::new(S3::connect(&options).await.unwrap(), level))
    }

    async fn take(requests: &Arc<Requests>, count: usize) -> Vec<Permit> {
        let mut permits = Vec::new();
        for _ in 0..count {
            permits.push(requests.admit(Target::read("b", "k")).await);
        }
        permits
    }

    async fn is_full(requests: &Arc<Requests>) -> bool {
        timeout(Duration::from_millis(20), requests.admit(Target::read("b", "k"))).await.is_err()
    }

    #[tokio::test]
    async fn permits_in_use_are_withdrawn_when_they_come_back() {
        let requests = requests(10).await;
        let mut permits = take(&requests, 8).await;
        requests.resize(4);
        assert!(is_full(&requests).await);
        permits.truncate(4);
        assert!(is_full(&requests).await);
        assert!(requests.take_was_full() && !requests.take_was_full());
        permits.truncate(3);
        permits.extend(take(&requests, 1).await);
        requests.resize(2);
        requests.resize(6);
        permits.extend(take(&requests, 2).await);
        assert!(is_full(&requests).await);
        drop(permits);
        let _permits = take(&requests, 6).await;
        assert!(is_full(&requests).await);
    }

    #[tokio::test]
    async fn copies_have_permits_of_their_own() {
        let requests = requests(1).await;
        let _only = take(&requests, 1).await;
        let mut copies = Vec::new();
        for _ in 0..COPIES_AT_ONCE {
            copies.push(requests.admit_copy(Target::write("b", "k")).await);
        }
        let more = || timeout(Duration::from_millis(20), requests.admit_copy(Target::write("b", "k")));
        assert!(more().await.is_err());
        copies.pop();
        assert!(more().await.is_ok());
    }

    #[tokio::test]
    async fn a_pace_holds_up_its_bucket_only_and_can_be_lifted() {
        let requests = requests(10).await;
        let pace = Pace { bucket: "b".into(), place: None, class: RequestClass::Read, millihertz: 1 };
        requests.pace(vec![pace]);
        let _first = take(&requests, 1).await;
        assert!(is_full(&requests).await);
        let _other = requests.admit(Target::read("c", "k")).await;
        let waiting = tokio::spawn({
            let requests = Arc::clone(&requests);
            async move { requests.admit(Target::read("b", "k")).await }
        });
        requests.pace(Vec::new());
        let _permit = waiting.await.unwrap();
    }
}
