//! One job from submission to its end.

use std::collections::BTreeMap;

use proto::batch::Upload;
use proto::complete::Completion;
use proto::failure::Failure;
use proto::job::{JobId, JobSpec, NodeShare, Progress, Stage, Summary};
use proto::plan::{Part, PartWork};

use crate::ledger::Ledger;
use crate::planner::Planner;
use crate::work::part_work;

/// Whether there is a multipart upload to write to or to clean up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UploadState {
    /// None was asked for: nothing has been planned yet.
    None,
    /// S3 was asked to create or to remove it and has not answered.
    Pending,
    /// It is there.
    Open(Upload),
    /// It was completed or removed, or could not be created.
    Gone,
}

/// The state of one job.
#[derive(Debug)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// What was asked for.
    pub spec: JobSpec,
    /// What it is doing.
    pub stage: Stage,
    /// Its plan in the making.
    pub planner: Planner,
    /// What has become of its parts.
    pub ledger: Ledger,
    /// Its upload.
    pub upload: UploadState,
    /// Why it is being aborted.
    pub failure: Option<Failure>,
    /// When it was submitted, when its listing ended, when its last part was done: in milliseconds of
    /// the coordinator's clock.
    pub submitted_ms: u64,
    /// See `submitted_ms`.
    pub listed_ms: u64,
    /// See `submitted_ms`.
    pub transferred_ms: u64,
    /// What the person should know however it ends.
    pub remarks: Vec<String>,
    shares: BTreeMap<String, NodeShare>,
}

impl Job {
    /// A job that is about to list its first source.
    #[must_use]
    pub fn new(id: JobId, spec: JobSpec, planner: Planner, now_ms: u64) -> Self {
        Self {
            id,
            spec,
            stage: Stage::Listing,
            planner,
            ledger: Ledger::default(),
            upload: UploadState::None,
            failure: None,
            submitted_ms: now_ms,
            listed_ms: now_ms,
            transferred_ms: now_ms,
            remarks: Vec::new(),
            shares: BTreeMap::new(),
        }
    }

    /// Whether parts may be handed out.
    #[must_use]
    pub fn is_granting(&self) -> bool {
        matches!(self.stage, Stage::Listing | Stage::Transferring)
            && matches!(self.upload, UploadState::Open(_))
            && !self.planner.is_doomed()
    }

    /// Size of the part that would be granted next, in bytes.
    #[must_use]
    pub fn next_part_bytes(&self) -> Option<u64> {
        let index = self.ledger.next_ready().filter(|_| self.is_granting())?;
        Some(self.planner.plan().parts[index].size())
    }

    /// The pieces of the part at `index`, which is about to be made.
    ///
    /// # Panics
    /// When it holds a record of the directory whose CRC is not known. S3 could not tell that such an
    /// archive is wrong, so it must not come into being.
    #[must_use]
    pub fn work(&self, index: usize) -> PartWork {
        let plan = self.planner.plan();
        let Part { headers, directory, .. } = &plan.parts[index];
        let is_known = |entry: u32| headers.contains(&entry) || self.ledger.knows_crc32(entry);
        assert!(directory.clone().all(is_known), "the directory waits for every CRC in it");
        part_work(plan, &self.ledger, &self.spec.sources, index)
    }

    /// Credits a node with a finished part.
    pub fn credit(&mut self, node: &str, bytes: u64) {
        let share = self.shares.entry(node.to_owned()).or_default();
        share.parts += 1;
        share.bytes += bytes;
    }

    /// Everything S3 needs to put the archive together.
    #[must_use]
    pub fn completion(&self, upload: Upload) -> Completion {
        let (parts, archive) = self.ledger.completed();
        Completion { upload, parts, archive, no_overwrite: self.spec.no_overwrite }
    }

    /// How far it has come.
    #[must_use]
    pub fn progress(&self) -> Progress {
        let plan = self.planner.plan();
        Progress {
            stage: self.stage,
            entries: plan.entries.len() as u64,
            bytes_planned: plan.bytes(),
            bytes_done: self.ledger.bytes_done(),
            parts_planned: plan.parts.len() as u64,
            parts_done: self.ledger.parts_done(),
        }
    }

    /// What it did, told once the archive is there.
    #[must_use]
    pub fn summary(&self, etag: String, now_ms: u64) -> Summary {
        let (parts, archive) = self.ledger.completed();
        let named = |(name, share): (&String, &NodeShare)| NodeShare { name: name.clone(), ..share.clone() };
        Summary {
            etag,
            crc32: archive.value,
            bytes: archive.bytes,
            entries: self.planner.plan().entries.len() as u64,
            parts: parts.len() as u64,
            skipped: self.planner.skipped().first.clone(),
            skipped_count: self.planner.skipped().count,
            warnings: self.planner.warnings().first.iter().chain(&self.remarks).cloned().collect(),
            listing_ms: self.listed_ms - self.submitted_ms,
            transfer_ms: self.transferred_ms - self.submitted_ms,
            total_ms: now_ms - self.submitted_ms,
            nodes: self.shares.iter().map(named).collect(),
        }
    }
}
