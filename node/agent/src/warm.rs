//! Connections opened before they are needed: a handshake takes longer than many a request.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use proto::job::JobId;
use proto_s3::S3;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, timeout};

use crate::transfer::Transfer;

/// Time between two requests on a connection that is kept: S3 closes idle ones, and our own client too.
const EVERY: Duration = Duration::from_secs(3);
/// How often connections are used while nothing is granted, before the job is given up on: others have it then.
const ROUNDS: u32 = 4;
/// Most connections opened to one bucket.
const CONNECTIONS_MAX: usize = 32;
/// Most connections opened at a time.
const CONNECTIONS_IN_ALL_MAX: usize = 128;
/// Most jobs that connections are opened for at a time.
const JOBS_MAX: usize = 16;
/// Buckets of recent jobs to which connections are kept.
const RECENT_MAX: usize = 8;

/// The connections of jobs that were announced, and those that are always kept.
#[derive(Debug)]
pub(crate) struct Warmth {
    s3: S3,
    /// Closes when no more connections are to be opened for the job.
    announced: BTreeMap<JobId, oneshot::Sender<()>>,
    /// How many connections to keep while there is nothing to do.
    keep: usize,
    recent: VecDeque<String>,
    kept: Option<(Instant, Transfer)>,
}

impl Warmth {
    pub(crate) fn new(s3: S3, keep: usize) -> Self {
        Self { s3, announced: BTreeMap::new(), keep, recent: VecDeque::new(), kept: None }
    }

    /// Opens connections to the buckets of a job, and keeps them until it is [over](Self::over) or this node has
    /// waited for it too long.
    pub(crate) fn announce(&mut self, job: JobId, buckets: Vec<String>, connections: usize) {
        for bucket in &buckets {
            self.remember(bucket);
        }
        self.announced.retain(|_, over| !over.is_closed());
        if self.announced.len() < JOBS_MAX {
            let (over, is_over) = oneshot::channel();
            tokio::spawn(open(self.s3.clone(), buckets, connections.min(CONNECTIONS_MAX), is_over));
            self.announced.insert(job, over);
        }
    }

    /// The job keeps its connections by itself now, or has no use for them.
    pub(crate) fn over(&mut self, job: JobId) {
        self.announced.remove(&job);
    }

    /// Notes a bucket in use.
    pub(crate) fn remember(&mut self, bucket: &str) {
        if let Some(at) = self.recent.iter().position(|known| known == bucket) {
            self.recent.remove(at);
        }
        self.recent.push_front(bucket.to_owned());
        self.recent.truncate(RECENT_MAX);
    }

    /// To be called often while there is nothing to do: uses the connections to be kept, when it is time.
    pub(crate) fn keep(&mut self) {
        let is_time = self.kept.as_ref().is_none_or(|(when, _)| when.elapsed() >= EVERY);
        if self.keep > 0 && is_time && !self.recent.is_empty() {
            let (s3, buckets) = (self.s3.clone(), Vec::from(self.recent.clone()));
            let connections = self.keep.div_ceil(buckets.len());
            let touching = tokio::spawn(async move { touch(&s3, &buckets, connections).await });
            self.kept = Some((Instant::now(), Transfer::new(touching.abort_handle())));
        }
    }
}

async fn open(s3: S3, buckets: Vec<String>, connections: usize, mut is_over: oneshot::Receiver<()>) {
    let mut rounds = tokio::time::interval(EVERY);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for _ in 0..ROUNDS {
        tokio::select! {
            _ = &mut is_over => return,
            _ = rounds.tick() => {}
        }
        // Not cut short when the job is over: that would close the connections just when they are needed.
        let _ = timeout(EVERY, touch(&s3, &buckets, connections)).await;
    }
}

/// Sends each bucket so many requests side by side, fewer if there are many buckets. Whether they succeed does
/// not matter: the connections are there.
async fn touch(s3: &S3, buckets: &[String], connections: usize) {
    let connections = connections.min(CONNECTIONS_IN_ALL_MAX / buckets.len().max(1)).max(1);
    let mut requests = JoinSet::new();
    for bucket in buckets.iter().take(CONNECTIONS_IN_ALL_MAX) {
        for _ in 0..connections {
            let (s3, bucket) = (s3.clone(), bucket.clone());
            requests.spawn(async move { s3.head_bucket(&bucket).await.is_ok() });
        }
    }
    let answered = requests.join_all().await;
    tracing::debug!(connections = answered.len(), "connections are open");
}
