//! How far an attempt has come, told while it is under way.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use proto_s3::Progress;

/// Counts the bytes of one attempt. It may go back, when something has to be done again.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    fetched: AtomicU64,
    upload: Mutex<Progress>,
}

impl Meter {
    /// Notes bytes that are there.
    pub(crate) fn fetched(&self, bytes: u64) {
        self.fetched.fetch_add(bytes, Relaxed);
    }

    /// Notes bytes that were there and have to be fetched again.
    pub(crate) fn lost(&self, bytes: u64) {
        self.fetched.fetch_sub(bytes, Relaxed);
    }

    /// Begins to count an upload, in place of the one before.
    pub(crate) fn upload(&self) -> Progress {
        let progress = Progress::default();
        *self.current() = progress.clone();
        progress
    }

    /// Bytes that are there, and bytes uploaded.
    pub(crate) fn read(&self) -> (u64, u64) {
        (self.fetched.load(Relaxed), self.current().bytes())
    }

    fn current(&self) -> MutexGuard<'_, Progress> {
        self.upload.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
