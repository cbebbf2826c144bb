//! Padding: 5 MiB of zeros that each node puts into S3 once for a job, behind which small stretches can be joined.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use node::composer::padding;
use proto::complete::CompletedPart;
use proto::compose::PADDING_BYTES;
use proto::failure::Failure;
use proto::job::JobId;
use proto::limits::PADDINGS_REMEMBERED;
use proto::plan::{Body, PartNumber};
use tokio::sync::OnceCell;

use crate::making::Bench;
use crate::part::put;

/// Where a node has put padding for which job.
#[derive(Default)]
pub(crate) struct Paddings {
    cells: Mutex<BTreeMap<JobId, Arc<OnceCell<Body>>>>,
}

impl Paddings {
    /// That for the job of an attempt, which is put there if none is. It stays until the job ends.
    pub(crate) async fn of(&self, bench: &Bench) -> Result<Body, Failure> {
        let cell = self.cell(bench.id.job);
        cell.get_or_try_init(|| write(bench)).await.cloned()
    }

    fn cell(&self, job: JobId) -> Arc<OnceCell<Body>> {
        let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        if cells.len() >= PADDINGS_REMEMBERED && !cells.contains_key(&job) {
            // Should that job not have ended, it is put there again.
            cells.pop_first();
        }
        Arc::clone(cells.entry(job).or_default())
    }
}

async fn write(bench: &Bench) -> Result<Body, Failure> {
    // Several nodes may do so.
    let upload = bench.create(&format!("padding.{:016x}", rand::random::<u64>())).await?;
    let (number, crc) = (PartNumber(1), padding());
    let zeros = Bytes::from(vec![0; PADDING_BYTES as usize]);
    let etag = put(&bench.requests, &bench.meter, &upload, number, &zeros, crc).await?;
    bench.complete(upload, vec![CompletedPart { number, etag, crc32: crc.value }], crc).await
}
