//! How many requests were sent and how many bytes moved.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use proto::failure::S3ErrorKind;
use proto::requests::{RequestCounts, Sent};

use crate::connections::Connections;
use crate::operation::Operation;

/// The counters behind [`RequestCounts`], shared by all clones of a client.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    attempts: [Attempts; Operation::COUNT],
    bytes_received: AtomicU64,
    bytes_sent: AtomicU64,
    bytes_copied: AtomicU64,
    pub(crate) connections: Connections,
    /// Whoever counts all of this too.
    whole: Option<Arc<Self>>,
}

#[derive(Debug, Default)]
struct Attempts {
    sent: AtomicU64,
    throttled: AtomicU64,
    failed: AtomicU64,
}

impl Counts {
    /// Counts that are part of `whole`; connections are counted there alone.
    pub(crate) fn part_of(whole: &Arc<Self>) -> Self {
        Self { whole: Some(Arc::clone(whole)), ..Self::default() }
    }

    fn all(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |counts| counts.whole.as_deref())
    }

    pub(crate) fn attempt(&self, operation: Operation) {
        for counts in self.all() {
            counts.attempts[operation as usize].sent.fetch_add(1, Relaxed);
        }
    }

    /// Notes that an attempt came to nothing.
    pub(crate) fn failed(&self, operation: Operation, kind: S3ErrorKind) {
        for counts in self.all() {
            let attempts = &counts.attempts[operation as usize];
            let count = if kind == S3ErrorKind::Throttled { &attempts.throttled } else { &attempts.failed };
            count.fetch_add(1, Relaxed);
        }
    }

    pub(crate) fn received(&self, bytes: usize) {
        self.all().for_each(|counts| _ = counts.bytes_received.fetch_add(bytes as u64, Relaxed));
    }

    pub(crate) fn sent(&self, bytes: usize) {
        self.all().for_each(|counts| _ = counts.bytes_sent.fetch_add(bytes as u64, Relaxed));
    }

    pub(crate) fn copied(&self, bytes: u64) {
        self.all().for_each(|counts| _ = counts.bytes_copied.fetch_add(bytes, Relaxed));
    }

    pub(crate) fn snapshot(&self) -> RequestCounts {
        let attempts = |operations: &[Operation]| {
            let sum = |count: fn(&Attempts) -> &AtomicU64| {
                operations.iter().map(|it| count(&self.attempts[*it as usize]).load(Relaxed)).sum()
            };
            Sent {
                sent: sum(|it| &it.sent),
                throttled: sum(|it| &it.throttled),
                failed: sum(|it| &it.failed),
            }
        };
        RequestCounts {
            list: attempts(&[Operation::ListObjects]),
            head: attempts(&[Operation::HeadObject, Operation::HeadBucket]),
            get: attempts(&[Operation::GetObject]),
            attributes: attempts(&[Operation::GetAttributes]),
            create: attempts(&[Operation::CreateUpload]),
            upload_part: attempts(&[Operation::UploadPart]),
            copy: attempts(&[Operation::CopyPart]),
            complete: attempts(&[Operation::CompleteUpload]),
            abort: attempts(&[Operation::AbortUpload]),
            list_other: attempts(&[Operation::ListParts, Operation::ListUploads]),
            put: attempts(&[Operation::PutObject]),
            delete: attempts(&[Operation::DeleteObject]),
            connections_opened: self.connections.opened(),
            bytes_received: self.bytes_received.load(Relaxed),
            bytes_sent: self.bytes_sent.load(Relaxed),
            bytes_copied: self.bytes_copied.load(Relaxed),
        }
    }
}
