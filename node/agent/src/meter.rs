//! How far an attempt has come, told while it is under way.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use proto::limits::COPY_COST_BYTES;
use proto::part::Effort;
use proto_s3::Progress;

/// Counts the bytes and requests of one attempt. Bytes may go back, when something has to be done again.
#[derive(Debug)]
pub(crate) struct Meter {
    /// Whether S3 makes the part by itself.
    is_made_by_s3: bool,
    began: Instant,
    fetched: AtomicU64,
    received: AtomicU64,
    upload: Mutex<Progress>,
    copied: AtomicU64,
    gets: AtomicU32,
    heads: AtomicU32,
    attributes: AtomicU32,
    uploads: AtomicU32,
    copies: AtomicU32,
    creates: AtomicU32,
    completes: AtomicU32,
    deletes: AtomicU32,
    untold: AtomicU32,
}

impl Meter {
    /// Of an attempt that begins now, at a part that S3 makes by itself or does not.
    pub(crate) fn start(is_made_by_s3: bool) -> Self {
        Self {
            is_made_by_s3,
            began: Instant::now(),
            fetched: AtomicU64::new(0),
            received: AtomicU64::new(0),
            upload: Mutex::default(),
            copied: AtomicU64::new(0),
            gets: AtomicU32::new(0),
            heads: AtomicU32::new(0),
            attributes: AtomicU32::new(0),
            uploads: AtomicU32::new(0),
            copies: AtomicU32::new(0),
            creates: AtomicU32::new(0),
            completes: AtomicU32::new(0),
            deletes: AtomicU32::new(0),
            untold: AtomicU32::new(0),
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

    /// Notes a GetObjectAttributes request.
    pub(crate) fn attributes(&self) {
        self.attributes.fetch_add(1, Relaxed);
    }

    /// Notes an UploadPartCopy request.
    pub(crate) fn copies(&self) {
        self.copies.fetch_add(1, Relaxed);
    }

    /// Notes a CreateMultipartUpload request.
    pub(crate) fn creates(&self) {
        self.creates.fetch_add(1, Relaxed);
    }

    /// Notes a CompleteMultipartUpload request.
    pub(crate) fn completes(&self) {
        self.completes.fetch_add(1, Relaxed);
    }

    /// Notes a DeleteObject request.
    pub(crate) fn deletes(&self) {
        self.deletes.fetch_add(1, Relaxed);
    }

    /// Notes bytes that S3 has copied.
    pub(crate) fn copied(&self, bytes: u64) {
        self.copied.fetch_add(bytes, Relaxed);
    }

    /// Notes that S3 did not tell the CRC of what it copied.
    pub(crate) fn untold(&self) {
        self.untold.fetch_add(1, Relaxed);
    }

    /// What the attempt has taken so far.
    pub(crate) fn effort(&self) -> Effort {
        Effort {
            worked_ms: u32::try_from(self.began.elapsed().as_millis()).unwrap_or(u32::MAX),
            gets: self.gets.load(Relaxed),
            heads: self.heads.load(Relaxed),
            attributes: self.attributes.load(Relaxed),
            uploads: self.uploads.load(Relaxed),
            copies: self.copies.load(Relaxed),
            creates: self.creates.load(Relaxed),
            completes: self.completes.load(Relaxed),
            deletes: self.deletes.load(Relaxed),
            copies_untold: self.untold.load(Relaxed),
            received_bytes: self.received.load(Relaxed),
            copied_bytes: self.copied.load(Relaxed),
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

    /// Bytes that are there, and bytes uploaded. Of what S3 makes it is what that counts as, all at once when S3 has
    /// copied something: what is read for its CRC, and what is written for it, is no part of it.
    pub(crate) fn read(&self) -> (u64, u64) {
        if self.is_made_by_s3 {
            let moved = if self.copied.load(Relaxed) > 0 { COPY_COST_BYTES } else { 0 };
            return (moved, moved);
        }
        (self.fetched.load(Relaxed), self.current().bytes())
    }

    fn current(&self) -> MutexGuard<'_, Progress> {
        self.upload.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
