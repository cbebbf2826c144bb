//! How far an attempt has come, told while it is under way.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use proto::part::Effort;
use proto_s3::Progress;

/// Counts the bytes and requests of one attempt. Bytes may go back, when something has to be done again.
#[derive(Debug)]
pub(crate) struct Meter {
    began: Instant,
    fetched: AtomicU64,
    received: AtomicU64,
    upload: Mutex<Progress>,
    gets: AtomicU32,
    heads: AtomicU32,
    uploads: AtomicU32,
}

impl Meter {
    /// Of an attempt that begins now.
    pub(crate) fn start() -> Self {
        Self {
            began: Instant::now(),
            fetched: AtomicU64::new(0),
            received: AtomicU64::new(0),
            upload: Mutex::default(),
            gets: AtomicU32::new(0),
            heads: AtomicU32::new(0),
            uploads: AtomicU32::new(0),
        }
    }

    /// Notes a GetObject request.
    pub(crate) fn gets(&self) {
        self.gets.fetch_add(1, Relaxed);
    }

    /// Notes a HeadObject request.
    pub(crate) fn heads(&self) {
        self.heads.fetch_add(1, Relaxed);
    }

    /// What the attempt has taken so far.
    pub(crate) fn effort(&self) -> Effort {
        Effort {
            worked_ms: u32::try_from(self.began.elapsed().as_millis()).unwrap_or(u32::MAX),
            gets: self.gets.load(Relaxed),
            heads: self.heads.load(Relaxed),
            uploads: self.uploads.load(Relaxed),
            received_bytes: self.received.load(Relaxed),
        }
    }

    /// Notes bytes that are there.
    pub(crate) fn fetched(&self, bytes: u64) {
        self.fetched.fetch_add(bytes, Relaxed);
    }

    /// Notes bytes that have come from S3.
    pub(crate) fn received(&self, bytes: u64) {
        self.received.fetch_add(bytes, Relaxed);
        self.fetched(bytes);
    }

    /// Notes bytes that were there and have to be fetched again.
    pub(crate) fn lost(&self, bytes: u64) {
        self.fetched.fetch_sub(bytes, Relaxed);
    }

    /// Notes an UploadPart request, and begins to count what it sends, in place of the one before.
    pub(crate) fn upload(&self) -> Progress {
        self.uploads.fetch_add(1, Relaxed);
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
