//! Reports of jobs that have ended: an object each in the coordinator's state, because those of many entries are too
//! long to be remembered. The object is the answer to whoever asks for it.

mod unwritten;

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use coordinator::machine::Archive;
use proto::api::{JobReport, ReportEntry};
use proto::failure::{Failure, FailureKind, S3ErrorKind};
use proto::job::JobId;
use proto::limits::{REPORT_HEAD_BYTES_MAX, REPORTS_AT_ONCE};
use proto::plan::Entry;
use proto::retry::Attempts;
use proto::view::JobView;
use proto_s3::{Error, Fetched, S3, with_retries};
use serde::Deserialize;
use tokio::sync::Semaphore;

use crate::handle::Gone;
use crate::state::{Folder, StateLocation};
use crate::writer::Writer;

pub(crate) use unwritten::Unwritten;

/// What a report begins with: its job is the first thing in it.
const HEAD: &[u8] = b"{\"job\":";
/// What stands before its entries, which are the last thing in it. In none of its texts, whose quotes are escaped,
/// and what else is called so is a number.
const ENTRIES: &[u8] = b"\"entries\":[";
/// What a report without entries ends in.
const TAIL: &str = "]}";
/// Entries are put into words until there are so many bytes of them.
const BUFFER_BYTES: usize = 64 << 10;

/// Where reports are.
#[derive(Clone, Debug)]
pub(crate) struct Reports {
    s3: S3,
    state: StateLocation,
    turns: Arc<Semaphore>,
}

/// Why there is no report to be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoReport {
    /// The job has not ended, or its report is being written.
    #[error("the report is not ready: ask again when the job has ended")]
    NotReady,
    /// There is none, or no longer.
    #[error("there is no report of such a job, or no longer")]
    Unknown,
    /// It cannot be read.
    #[error("the report cannot be read: {0}")]
    Unreadable(Failure),
    /// The coordinator is gone.
    #[error(transparent)]
    Gone(#[from] Gone),
}

/// A report that is being read: JSON of a [`JobReport`].
#[derive(Debug)]
pub struct ReportBody {
    /// The job it is of.
    pub job: JobView,
    /// Size in bytes.
    pub bytes: u64,
    s3: S3,
    at: proto::location::Location,
    etag: String,
    fetched: Fetched,
    /// What has been read to find out whose it is.
    ahead: Option<Bytes>,
    /// How far it has been read from S3.
    reached: u64,
    attempts: Attempts,
}

/// The same up to its entries, without any.
#[derive(Debug)]
pub(crate) struct ReportHead {
    report: ReportBody,
    /// What has come and was not given out.
    come: BytesMut,
    is_over: bool,
}

impl Reports {
    pub(crate) fn new(s3: S3, state: StateLocation) -> Self {
        Self { s3, state, turns: Arc::new(Semaphore::new(REPORTS_AT_ONCE)) }
    }

    /// Writes down the report of a job, whose entries are those of the archive if it made one.
    pub(crate) async fn write(&self, report: JobReport, archive: Option<Archive>) {
        let id = report.job.id;
        let _turn = self.turns.acquire().await.expect("it is never closed");
        if let Err(failure) = self.write_down(report, archive).await {
            tracing::warn!(job = %id, %failure, "its report is lost");
        }
    }

    async fn write_down(&self, report: JobReport, archive: Option<Archive>) -> Result<(), Failure> {
        let id = report.job.id;
        let mut writer =
            Writer::new(self.s3.clone(), self.state.object(Folder::Reports, id), id, "application/json");
        let text = serde_json::to_string(&report).expect("a report can be told in JSON");
        drop(report);
        let text = text.strip_suffix(TAIL).expect("its entries are the last, and there are none yet");
        writer.write(text.as_bytes()).await?;
        if let Some(Archive { plan, crc32 }) = &archive {
            let mut buffer = Vec::new();
            for (index, (entry, crc32)) in plan.entries.iter().zip(crc32).enumerate() {
                if index > 0 {
                    buffer.push(b',');
                }
                let entry = told(entry, plan.bucket(&entry.object), *crc32);
                serde_json::to_writer(&mut buffer, &entry).expect("an entry can be told in JSON");
                if buffer.len() >= BUFFER_BYTES {
                    writer.write(&buffer).await?;
                    buffer.clear();
                    // Between two parts nothing else would let others have their turn.
                    tokio::task::yield_now().await;
                }
            }
            writer.write(&buffer).await?;
        }
        writer.write(TAIL.as_bytes()).await?;
        writer.finish().await
    }

    /// Begins to read the report of a job.
    pub(crate) async fn open(&self, id: JobId) -> Result<ReportBody, NoReport> {
        let at = self.state.object(Folder::Reports, id);
        let unreadable = |error: Error| match error.kind() {
            S3ErrorKind::NoSuchKey => NoReport::Unknown,
            _ => NoReport::Unreadable(error.into()),
        };
        let head = with_retries(async || self.s3.head(&at).await).await.map_err(unreadable)?;
        let etag = head.etag.to_string();
        let opened = with_retries(async || {
            let mut fetched = self.s3.get(&at.bucket, &at.key, &etag, None).await?;
            let mut ahead = Vec::new();
            let job = loop {
                let Some(bytes) = fetched.next().await? else { break None };
                ahead.extend_from_slice(&bytes);
                let job = job(&ahead);
                if job.is_some() || ahead.len() > REPORT_HEAD_BYTES_MAX {
                    break job;
                }
            };
            Ok((fetched, job, Bytes::from(ahead)))
        });
        let (fetched, job, ahead) = opened.await.map_err(unreadable)?;
        let Some(job) = job.filter(|job| job.id == id) else {
            let message = format!("{at} is not the report of job {id}");
            return Err(NoReport::Unreadable(Failure::new(FailureKind::Internal, message)));
        };
        let (bytes, reached) = (fetched.bytes, ahead.len() as u64);
        let (s3, ahead) = (self.s3.clone(), Some(ahead));
        Ok(ReportBody { job, bytes, s3, at, etag, fetched, ahead, reached, attempts: Attempts::default() })
    }
}

/// An entry as a report tells it.
fn told(entry: &Entry, bucket: &str, crc32: u32) -> ReportEntry {
    ReportEntry {
        name: entry.name().to_owned(),
        bucket: bucket.to_owned(),
        key: entry.object.key.to_string(),
        size: entry.object.size,
        crc32: format!("{crc32:08x}"),
        etag: entry.object.etag.to_string(),
    }
}

/// The job that the report is of which begins like this, if all of that is there.
fn job(report: &[u8]) -> Option<JobView> {
    let mut json = serde_json::Deserializer::from_slice(report.strip_prefix(HEAD)?);
    JobView::deserialize(&mut json).ok()
}

impl ReportBody {
    /// The next bytes of it, or `None` when all have come.
    ///
    /// # Errors
    /// When S3 keeps failing.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        if let Some(ahead) = self.ahead.take() {
            return Ok(Some(ahead));
        }
        let mut before = self.reached;
        loop {
            let error = match self.fetched.next().await {
                Ok(bytes) => {
                    self.reached += bytes.as_ref().map_or(0, Bytes::len) as u64;
                    return Ok(bytes);
                }
                Err(error) => error,
            };
            self.go_on(error, &mut before).await?;
        }
    }

    /// The same without its entries.
    pub(crate) fn without_entries(self) -> ReportHead {
        ReportHead { report: self, come: BytesMut::new(), is_over: false }
    }

    /// Asks for the rest of it, on a new connection.
    async fn go_on(&mut self, mut error: Error, before: &mut u64) -> Result<(), Failure> {
        loop {
            let has_gained = self.reached > std::mem::replace(before, self.reached);
            let wait = self.attempts.failed(error.kind(), has_gained, rand::random());
            tokio::time::sleep(wait.ok_or(error)?).await;
            let rest = self.reached..self.bytes;
            match self.s3.get(&self.at.bucket, &self.at.key, &self.etag, Some(rest)).await {
                Ok(fetched) => {
                    self.fetched = fetched;
                    return Ok(());
                }
                Err(again) => error = again,
            }
        }
    }
}

impl ReportHead {
    /// The next bytes of it, or `None` when all have come.
    ///
    /// # Errors
    /// When S3 keeps failing, or there are no entries where it ends.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        if self.is_over {
            return Ok(None);
        }
        let Some(bytes) = self.report.next().await? else {
            let message = format!("{} is no whole report", self.report.at);
            return Err(Failure::new(FailureKind::Internal, message));
        };
        self.come.extend_from_slice(&bytes);
        let (bytes, is_over) = up_to_entries(&mut self.come);
        self.is_over = is_over;
        Ok(Some(bytes))
    }
}

/// What can be given out of what has come of a report, and whether that is its end: there are the entries.
fn up_to_entries(come: &mut BytesMut) -> (Bytes, bool) {
    if let Some(at) = come.windows(ENTRIES.len()).position(|bytes| bytes == ENTRIES) {
        come.truncate(at + ENTRIES.len());
        come.extend_from_slice(TAIL.as_bytes());
        return (come.split().freeze(), true);
    }
    // The last bytes may be some of those that stand before the entries.
    let given = come.len().saturating_sub(ENTRIES.len() - 1);
    (come.split_to(given).freeze(), false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_ends_before_its_entries_in_whatever_pieces_it_comes() {
        let whole = br#"{"job":{"entries":1,"of":"\"entries\":["},"entries":[{"name":"a"},{"name":"b"}]}"#;
        let without = br#"{"job":{"entries":1,"of":"\"entries\":["},"entries":[]}"#;
        for piece in 1..=whole.len() {
            let (mut come, mut told, mut is_over) = (BytesMut::new(), Vec::new(), false);
            let mut pieces = whole.chunks(piece);
            while !is_over {
                come.extend_from_slice(pieces.next().unwrap());
                let given;
                (given, is_over) = up_to_entries(&mut come);
                told.extend_from_slice(&given);
            }
            assert_eq!(told, without);
        }
    }
}
