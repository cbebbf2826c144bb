//! Padding: 5 MiB of zeros that each node puts into S3 once for a job, behind which small stretches can be joined.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use node::composer::padding;
use proto::compose::PADDING_BYTES;
use proto::failure::Failure;
use proto::job::JobId;
use proto::limits::PADDINGS_REMEMBERED;
use proto::plan::{Body, PartNumber};
use tokio::sync::OnceCell;

use crate::making::Bench;

/// Padding of one job, which is being put there or is there.
type Cell = Arc<OnceCell<Body>>;

/// Where a node has put padding for which job.
#[derive(Default)]
pub(crate) struct Paddings {
    /// The one that was used last is the last.
    cells: Mutex<Vec<(JobId, Cell)>>,
}

impl Paddings {
    /// That for the job of an attempt, which is put there if none is. It stays until the job ends.
    pub(crate) async fn of(&self, bench: &Bench) -> Result<Body, Failure> {
        let cell = self.cell(bench.id.job);
        cell.get_or_try_init(|| write(bench)).await.cloned()
    }

    /// Has the next attempt put it there again, if what is gone is the padding of its job.
    pub(crate) fn forget(&self, job: JobId, gone: &Body) {
        self.lock().retain(|(of, cell)| *of != job || cell.get() != Some(gone));
    }

    fn cell(&self, job: JobId) -> Cell {
        let mut cells = self.lock();
        let known = cells.iter().position(|(of, _)| *of == job).map(|at| cells.remove(at).1);
        if cells.len() >= PADDINGS_REMEMBERED {
            // Should that job not have ended, it is put there again.
            cells.remove(0);
        }
        let cell = known.unwrap_or_default();
        cells.push((job, Arc::clone(&cell)));
        cell
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(JobId, Cell)>> {
        self.cells.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn write(bench: &Bench) -> Result<Body, Failure> {
    // Several nodes may do so.
    let upload = bench.create(&format!("padding.{:016x}", rand::random::<u64>())).await?;
    let (number, crc) = (PartNumber(1), padding());
    let zeros = Bytes::from(vec![0; PADDING_BYTES as usize]);
    let part = bench.put(&upload, number, &zeros, crc).await?;
    bench.complete(upload, vec![part], crc).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_job_that_was_not_composed_for_longest_is_forgotten() {
        let paddings = Paddings::default();
        let first = paddings.cell(JobId(u64::MAX));
        let second = paddings.cell(JobId(0));
        for job in 1..PADDINGS_REMEMBERED as u64 {
            paddings.cell(JobId(job));
            assert!(Arc::ptr_eq(&second, &paddings.cell(JobId(0))));
        }
        assert!(!Arc::ptr_eq(&first, &paddings.cell(JobId(u64::MAX))));
        assert!(Arc::ptr_eq(&second, &paddings.cell(JobId(0))));
    }
}
