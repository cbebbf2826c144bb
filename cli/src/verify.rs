//! Reads an archive back from S3, side by side in ranges, and has [`coordinator::verify`] judge it.
//!
//! Memory: [`Options::memory_bytes`] for requests in flight, and beside that what the directory takes (see
//! there). No bytes of contents are kept: both streams are compared as they come.

mod reader;
mod sources;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use coordinator::verify::{
    self, Central, Expected, Findings, Layout, Matches, Report, Run, Verdict, Walk, Walked,
};
use proto::crc::{Crc, StoredChecksum};
use proto::failure::{Failure, FailureKind};
use proto::limits::{FETCH_BYTES, MIB, PROCESS_OVERHEAD_BYTES, REQUEST_OVERHEAD_BYTES};
use proto::location::Location;
use proto_s3::{Error, S3, with_retries};
use tokio::task::JoinSet;

use reader::{Pinned, Reader};
use sources::{Body, Sources};

/// Smallest run, in bytes: below, a request costs more than its bytes.
const RUN_BYTES_MIN: u64 = MIB / 4;
/// Runs aimed at for each lane, so that none is left with much to do at the end.
const RUNS_PER_LANE: u64 = 4;
/// Most sources opened ahead of the archive in one run.
const AHEAD_MAX: u64 = 7;
/// How often progress is told while nothing else happens.
const PROGRESS_EVERY: Duration = Duration::from_millis(200);

/// How much may be used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    /// Most requests in flight.
    pub(crate) concurrency: usize,
    /// Memory for them, in bytes.
    pub(crate) memory_bytes: u64,
}

/// What all runs share.
struct Context {
    s3: S3,
    archive: Pinned,
    layout: Layout,
    comparison: Option<Comparison>,
    bytes_done: AtomicU64,
}

/// With what the archive is compared.
struct Comparison {
    expected: Vec<Expected>,
    matches: Matches,
    buckets: Vec<String>,
    /// Sources opened ahead in each run.
    ahead: usize,
}

/// Reads all of `archive` and judges it; with `expected` every entry's contents are compared with those of
/// its source object too, whose bucket is `buckets[source]`. `progress` is told the bytes read and their total.
///
/// # Errors
/// When it cannot be read: `NotFound`, `Denied`, `Unavailable`, `SourceChanged` when it or a source object
/// changes meanwhile. A broken archive is no error but a report.
pub(crate) async fn verify(
    s3: &S3,
    archive: &Location,
    expected: Option<Vec<Expected>>,
    buckets: &[String],
    options: Options,
    progress: impl Fn(u64, u64),
) -> Result<Report, Failure> {
    let head = with_retries(async || s3.head(archive).await).await?;
    let total = head.size;
    let Location { bucket, key } = archive.clone();
    let archive = Pinned { bucket, key, etag: head.etag.to_string() };
    progress(0, total);

    let mut findings = Findings::default();
    let tail_start = total.saturating_sub(verify::TAIL_BYTES);
    let mut tail = Vec::new();
    let mut reader = Reader::new(s3, archive.clone(), tail_start..total);
    while let Some(frame) = reader.next().await? {
        tail.extend_from_slice(&frame);
    }
    let Some(ends) = verify::find(&tail, total, &mut findings) else {
        return Ok(Report::unreadable(total, findings));
    };

    let mut central = Central::new(&ends);
    let mut reader = Reader::new(s3, archive.clone(), ends.directory.clone());
    let bytes_done = AtomicU64::new(total - ends.directory.end);
    while let Some(frame) = reader.next().await? {
        central.feed(&frame, &mut findings);
        let done = bytes_done.fetch_add(frame.len() as u64, Ordering::Relaxed);
        progress(done + frame.len() as u64, total);
    }
    let (entries, directory) = central.finish(&mut findings);
    let layout = Layout::new(entries, ends.directory.start, &mut findings);

    let lanes = Lanes::new(&layout, expected.is_some(), options);
    let comparison = expected.map(|expected| {
        let matches = Matches::new(&layout, &expected, &mut findings);
        Comparison { expected, matches, buckets: buckets.to_vec(), ahead: lanes.ahead }
    });
    let mut verdict = Verdict::new(findings);
    verdict.add_bytes(ends.directory.start, directory);
    // What lies between directory and end records, if it is more than the tail, is a finding and not read.
    if let Some(rest) = ends.directory.end.checked_sub(tail_start) {
        let rest = tail.get(usize::try_from(rest).unwrap_or(usize::MAX)..).unwrap_or_default();
        verdict.add_bytes(ends.directory.end, Crc::of(rest));
    }
    drop(tail);
    let context = Arc::new(Context { s3: s3.clone(), archive, layout, comparison, bytes_done });
    read_runs(&context, lanes, &mut verdict, |done| progress(done, total)).await?;
    let stored = match head.stored {
        Some(StoredChecksum::Crc32(crc32)) => Some(crc32),
        _ => None,
    };
    Ok(verdict.finish(&context.layout, total, stored))
}

/// How the requests in flight are divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Lanes {
    /// Runs read side by side.
    runs: usize,
    /// Sources opened ahead in each.
    ahead: usize,
    /// Size of a run, in bytes.
    run_bytes: u64,
}

impl Lanes {
    fn new(layout: &Layout, compared: bool, options: Options) -> Self {
        let affordable = options.memory_bytes.saturating_sub(PROCESS_OVERHEAD_BYTES) / REQUEST_OVERHEAD_BYTES;
        let requests = affordable.min(options.concurrency as u64);
        let bytes = layout.directory_start();
        // Small objects are fetched by several requests while the archive's run comes by one.
        let per_run = layout.entries().len() as u64 / (bytes / FETCH_BYTES).max(1);
        let ahead =
            if compared { per_run.clamp(1, AHEAD_MAX).min(requests.saturating_sub(1).max(1)) } else { 0 };
        let runs = (requests / (1 + ahead)).max(1);
        let run_bytes = (bytes / (runs * RUNS_PER_LANE)).clamp(RUN_BYTES_MIN, FETCH_BYTES);
        let narrow = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
        Self { runs: narrow(runs), ahead: narrow(ahead), run_bytes }
    }
}

/// Reads everything before the directory.
async fn read_runs(
    context: &Arc<Context>,
    lanes: Lanes,
    verdict: &mut Verdict,
    progress: impl Fn(u64),
) -> Result<(), Failure> {
    let mut runs = context.layout.runs(lanes.run_bytes);
    let mut reading = JoinSet::new();
    loop {
        while reading.len() < lanes.runs
            && let Some(run) = runs.next()
        {
            reading.spawn(read_run(Arc::clone(context), run));
        }
        match tokio::time::timeout(PROGRESS_EVERY, reading.join_next()).await {
            Ok(None) => return Ok(()),
            Ok(Some(Ok(read))) => {
                let (walked, differences) = read?;
                verdict.add(&context.layout, walked);
                for (entry, at) in differences {
                    verdict.add_difference(entry, at);
                }
            }
            Ok(Some(Err(panic))) => return Err(Failure::new(FailureKind::Internal, panic.to_string())),
            Err(_) => {}
        }
        progress(context.bytes_done.load(Ordering::Relaxed));
    }
}

/// Reads one run, and the source objects of what it holds in step with it.
async fn read_run(context: Arc<Context>, run: Run) -> Result<(Walked, Vec<(u32, u64)>), Error> {
    let mut archive = Reader::new(&context.s3, context.archive.clone(), run.range.clone());
    let mut walk = Walk::new(&context.layout, &run);
    let mut sources = context.comparison.as_ref().map(|comparison| {
        let bodies = context.layout.bodies(&run).filter_map(|(entry, range)| comparison.body(entry, range));
        Sources::new(&context.s3, comparison.ahead, bodies)
    });
    while let Some(frame) = archive.next().await? {
        let mut contents = Vec::new();
        walk.feed(&frame, |seen| contents.push(seen));
        if let (Some(sources), Some(comparison)) = (&mut sources, &context.comparison) {
            for seen in contents.into_iter().filter(|seen| comparison.matches.source(seen.entry).is_some()) {
                sources.compare(seen).await?;
            }
        }
        context.bytes_done.fetch_add(frame.len() as u64, Ordering::Relaxed);
    }
    Ok((walk.finish(), sources.map(|sources| sources.differences).unwrap_or_default()))
}

impl Comparison {
    fn body(&self, entry: u32, range: std::ops::Range<u64>) -> Option<Body> {
        let source = self.matches.source(entry)?;
        let object = &self.expected.get(source as usize)?.object;
        let bucket = self.buckets.get(usize::from(object.source))?.clone();
        Some((entry, range, Pinned { bucket, key: object.key.to_string(), etag: object.etag.to_string() }))
    }
}
