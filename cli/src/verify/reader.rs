//! Reads a range of one object, whatever happens to the connections.

use std::ops::Range;

use bytes::Bytes;
use proto::retry::Attempts;
use proto_s3::{Error, Fetched, S3};

/// One object in one version.
#[derive(Clone, Debug)]
pub(super) struct Pinned {
    pub(super) bucket: String,
    pub(super) key: String,
    pub(super) etag: String,
}

/// A range on its way. Goes on from the byte reached when a connection breaks.
pub(super) struct Reader {
    s3: S3,
    object: Pinned,
    /// What has not come yet.
    range: Range<u64>,
    fetched: Option<Fetched>,
    attempts: Attempts,
    /// Whether bytes came since the last attempt that failed.
    has_gained: bool,
}

impl Reader {
    pub(super) fn new(s3: &S3, object: Pinned, range: Range<u64>) -> Self {
        Self {
            s3: s3.clone(),
            object,
            range,
            fetched: None,
            attempts: Attempts::default(),
            has_gained: false,
        }
    }

    /// The next bytes, never none; `None` when all have come.
    ///
    /// # Errors
    /// When the object has changed, is not to be had, or S3 keeps failing.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        while !self.range.is_empty() {
            match self.attempt().await {
                Ok(Some(frame)) if !frame.is_empty() => {
                    self.range.start += frame.len() as u64;
                    self.has_gained = true;
                    return Ok(Some(frame));
                }
                Ok(_) => {}
                Err(error) => {
                    self.fetched = None;
                    let has_gained = std::mem::take(&mut self.has_gained);
                    let Some(wait) = self.attempts.failed(error.kind(), has_gained, rand::random()) else {
                        return Err(error);
                    };
                    tracing::debug!(%error, "reading on");
                    tokio::time::sleep(wait).await;
                }
            }
        }
        Ok(None)
    }

    async fn attempt(&mut self) -> Result<Option<Bytes>, Error> {
        let Pinned { bucket, key, etag } = &self.object;
        let fetched = match &mut self.fetched {
            Some(fetched) => fetched,
            none => none.insert(self.s3.get(bucket, key, etag, Some(self.range.clone())).await?),
        };
        fetched.next().await
    }
}
