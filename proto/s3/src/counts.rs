//! How many requests were sent and how many bytes moved.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use proto::requests::RequestCounts;

use crate::connections::Connections;
use crate::operation::Operation;

/// The counters behind [`RequestCounts`], shared by all clones of a client.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    attempts: [AtomicU64; Operation::COUNT],
    bytes_received: AtomicU64,
    bytes_sent: AtomicU64,
    pub(crate) connections: Connections,
}

impl Counts {
    pub(crate) fn attempt(&self, operation: Operation) {
        self.attempts[operation as usize].fetch_add(1, Relaxed);
    }

    pub(crate) fn received(&self, bytes: usize) {
        self.bytes_received.fetch_add(bytes as u64, Relaxed);
    }

    pub(crate) fn sent(&self, bytes: usize) {
        self.bytes_sent.fetch_add(bytes as u64, Relaxed);
    }

    pub(crate) fn snapshot(&self) -> RequestCounts {
        let attempts = |operation: Operation| self.attempts[operation as usize].load(Relaxed);
        RequestCounts {
            list: attempts(Operation::ListObjects),
            head: attempts(Operation::HeadObject) + attempts(Operation::HeadBucket),
            get: attempts(Operation::GetObject),
            create: attempts(Operation::CreateUpload),
            upload_part: attempts(Operation::UploadPart),
            complete: attempts(Operation::CompleteUpload),
            abort: attempts(Operation::AbortUpload),
            list_other: attempts(Operation::ListParts) + attempts(Operation::ListUploads),
            put: attempts(Operation::PutObject),
            delete: attempts(Operation::DeleteObject),
            connections_opened: self.connections.opened(),
            bytes_received: self.bytes_received.load(Relaxed),
            bytes_sent: self.bytes_sent.load(Relaxed),
        }
    }
}
