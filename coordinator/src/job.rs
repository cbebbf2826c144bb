//! One job from submission to its end.

use std::collections::{BTreeMap, BTreeSet};

use proto::batch::Upload;
use proto::complete::{CompletedPart, Completion};
use proto::crc::Crc;
use proto::failure::{Failure, FailureKind};
use proto::job::{JobId, JobSpec, Progress, Stage, Summary};
use proto::limits::EXAMPLES_MAX;
use proto::location::Location;
use proto::part::Effort;
use proto::plan::{Part, PartNumber, PartWork, Way};
use proto::requests::RequestCounts;
use proto::view::{JobState, JobView};

use crate::beside;
use crate::chart::Chart;
use crate::ledger::Ledger;
use crate::planner::Planner;
use crate::rate::{Done, Rate};
use crate::scheduler::NodeId;
use crate::segment::Segments;
use crate::story::Story;
use crate::work::part_work;

/// What has become of the archive's upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UploadState {
    /// None was asked for: nothing has been planned yet.
    None,
    /// S3 was asked to create it and has not answered.
    Creating,
    /// It is there.
    Open(Upload),
    /// S3 was asked to remove it and has not answered.
    Removing,
    /// It is removed, or could not be created.
    Gone,
}

/// What a job has left in S3 beside its archive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leftovers {
    /// Uploads that may be open.
    pub uploads: Vec<Upload>,
    /// Objects that may be there.
    pub objects: Vec<Location>,
    /// Where there may be more of both, under any keys that begin so: what S3 was to compose parts of.
    pub below: Option<Location>,
    /// Whether nodes stopped, or were lost, in the middle of it, so that more may come for a moment.
    pub is_broken_off: bool,
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
    /// The archive's upload.
    pub upload: UploadState,
    /// What has become of its segments.
    pub segments: Segments,
    /// Whether a node was told to have S3 compose a part, which may have left something.
    pub is_composing: bool,
    /// Whether an attempt at such a part ended before the part was done: S3 may still be doing what it asked for.
    pub is_broken_off: bool,
    /// Whether S3 was asked to remove what it has left beside its archive, and has not answered.
    pub is_discarding: bool,
    /// The archive's ETag, once it is there.
    pub etag: Option<String>,
    /// Why it is being aborted.
    pub failure: Option<Failure>,
    /// When it was submitted, in milliseconds of the coordinator's clock.
    pub submitted_ms: u64,
    /// When it began, by the same clock.
    pub began_ms: u64,
    /// When its first part was done, by the same clock.
    pub first_part_ms: Option<u64>,
    /// When its listing ended, by the same clock.
    pub listed_ms: u64,
    /// When its last part was done, by the same clock.
    pub transferred_ms: u64,
    /// What could not be removed.
    pub left_behind: Vec<String>,
    /// Who did what, and why.
    pub story: Story,
    /// Who worked at what when.
    pub chart: Chart,
    /// Requests to S3 for it.
    pub requests: RequestCounts,
    /// Archive bytes uploaded a second, of late.
    pub(crate) rate: Rate,
    /// Where attempts at a part have failed.
    pub failed_at: BTreeMap<PartNumber, BTreeSet<NodeId>>,
}

impl Job {
    /// A job that is about to list its first source.
    #[must_use]
    pub fn new(id: JobId, spec: JobSpec, planner: Planner, submitted_ms: u64, now_ms: u64) -> Self {
        Self {
            id,
            spec,
            stage: Stage::Listing,
            planner,
            ledger: Ledger::default(),
            upload: UploadState::None,
            segments: Segments::default(),
            is_composing: false,
            is_broken_off: false,
            is_discarding: false,
            etag: None,
            failure: None,
            submitted_ms,
            began_ms: now_ms,
            first_part_ms: None,
            listed_ms: now_ms,
            transferred_ms: now_ms,
            left_behind: Vec::new(),
            story: Story::default(),
            chart: Chart::default(),
            requests: RequestCounts::default(),
            rate: Rate::default(),
            failed_at: BTreeMap::new(),
        }
    }

    /// Notes that time has passed, by which its rate is measured. Nodes work at so many parts side by side.
    pub fn tick(&mut self, side_by_side: u64, now_ms: u64) {
        let done = Done { bytes: self.ledger.bytes_done(), parts: self.ledger.parts_done() };
        self.rate.measure(done, self.chart.under_way().min(side_by_side), now_ms);
    }

    /// Notes what an attempt took.
    pub fn spend(&mut self, effort: Effort) {
        let RequestCounts { get, head, attributes, create, upload_part, copy, complete, delete, .. } =
            &mut self.requests;
        create.sent += u64::from(effort.creates);
        complete.sent += u64::from(effort.completes);
        delete.sent += u64::from(effort.deletes);
        get.sent += u64::from(effort.gets);
        head.sent += u64::from(effort.heads);
        attributes.sent += u64::from(effort.attributes);
        upload_part.sent += u64::from(effort.uploads);
        copy.sent += u64::from(effort.copies);
        let RequestCounts { bytes_received, bytes_copied, .. } = &mut self.requests;
        *bytes_received = bytes_received.saturating_add(effort.received_bytes);
        *bytes_copied = bytes_copied.saturating_add(effort.copied_bytes);
    }

    /// Notes that an attempt at a part ended, or is to end, before the part was done.
    pub fn break_off(&mut self, part: PartNumber) {
        self.is_broken_off |= self.planner.plan().parts[part.index()].way == Way::Composed;
    }

    /// Whether parts may be handed out.
    #[must_use]
    pub fn is_granting(&self) -> bool {
        matches!(self.stage, Stage::Listing | Stage::Transferring)
            && matches!(self.upload, UploadState::Open(_))
            && !self.planner.is_doomed()
    }

    /// What the part at `index` costs a node, in bytes.
    #[must_use]
    pub fn part_cost(&self, index: usize) -> u64 {
        self.planner.plan().cost_bytes(index)
    }

    /// Whether S3 makes the part at `index` by itself.
    #[must_use]
    pub fn is_copy(&self, index: usize) -> bool {
        self.planner.plan().parts[index].way != Way::Streamed
    }

    /// The upload that the part at `index` goes to, if it is open.
    #[must_use]
    pub fn upload_of(&self, index: usize) -> Option<&Upload> {
        match (self.planner.plan().parts[index].within, &self.upload) {
            (Some(segment), _) => self.segments.upload(segment),
            (None, UploadState::Open(upload)) => Some(upload),
            (None, _) => None,
        }
    }

    /// The pieces of the part at `index`, which is about to be made.
    ///
    /// # Errors
    /// When a CRC in it is not known, or it joins a segment that is no object: a defect. S3 could not tell that such
    /// an archive is wrong, so it must not come into being.
    pub fn work(&self, index: usize) -> Result<PartWork, Failure> {
        let plan = self.planner.plan();
        let Part { bytes, headers, directory, way, .. } = &plan.parts[index];
        let is_known = |entry: u32| headers.contains(&entry) || self.ledger.knows_crc32(entry);
        let missing = headers
            .clone()
            .next_back()
            .map_or(0, |last| plan.entries[last as usize].data().end.saturating_sub(bytes.end));
        let object = match *way {
            Way::Joined(segment) => Some(self.segments.object(segment)),
            Way::Streamed | Way::Composed | Way::Copied => None,
        };
        let rest = self.ledger.joined(plan.continuation(index)).bytes;
        if directory.clone().all(is_known) && rest == missing && object != Some(None) {
            let object = |_| object.flatten().cloned().expect("the part joins it");
            let work = part_work(plan, &self.ledger, index, object);
            let below = (*way == Way::Composed).then(|| beside::below(&self.spec.destination, self.id));
            return Ok(PartWork { below, ..work });
        }
        let number = index + 1;
        Err(Failure::new(
            FailureKind::Internal,
            format!("part {number} was to be made before its CRCs were known"),
        ))
    }

    /// Everything S3 needs to put the archive together.
    #[must_use]
    pub fn completion(&self, upload: Upload) -> Completion {
        let (parts, contested, archive) = self.archive();
        Completion { upload, parts, contested, archive, no_overwrite: self.spec.no_overwrite }
    }

    /// Everything S3 needs to put the segment together that the part at `joined` is to copy.
    #[must_use]
    pub fn completion_of_segment(&self, upload: Upload, joined: usize) -> Completion {
        let plan = self.planner.plan();
        let (parts, contested, archive) = self.ledger.completed(plan, plan.leaves(joined));
        Completion { upload, parts, contested, archive, no_overwrite: false }
    }

    fn archive(&self) -> (Vec<CompletedPart>, Vec<PartNumber>, Crc) {
        let plan = self.planner.plan();
        let own = (0..plan.parts.len()).filter(|index| plan.parts[*index].within.is_none());
        self.ledger.completed(plan, own)
    }

    /// Whether S3 has yet to answer something that decides what there is to be removed.
    #[must_use]
    pub fn awaits_s3(&self) -> bool {
        let is_awaited = matches!(self.upload, UploadState::Creating | UploadState::Removing);
        self.is_discarding || is_awaited || self.segments.awaits_s3()
    }

    /// Takes what it has left beside its archive, to be removed; `None` if there is nothing, or nothing any more.
    pub fn take_leftovers(&mut self) -> Option<Leftovers> {
        let below = self.is_composing.then(|| beside::place(&self.spec.destination, self.id));
        self.is_composing = false;
        let (uploads, objects) = std::mem::take(&mut self.segments).left();
        let is_anything = !uploads.is_empty() || !objects.is_empty() || below.is_some();
        let is_broken_off = self.is_broken_off || self.stage == Stage::Aborting;
        is_anything.then_some(Leftovers { uploads, objects, below, is_broken_off })
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
            bytes_per_second: self.rate.bytes_per_second(),
            left_ms: self.left_ms(),
        }
    }

    /// The rate tells nothing of how long S3 takes to put segments together and copy them into the archive. As long as
    /// nodes have more to do that goes on meanwhile.
    fn left_ms(&self) -> Option<u64> {
        let left_bytes = self.planner.plan().bytes().saturating_sub(self.ledger.bytes_done());
        let is_known = self.stage >= Stage::Transferring && left_bytes >= self.ledger.joining_bytes();
        is_known.then(|| self.rate.time_left(left_bytes)).flatten()
    }

    /// What is shown of it.
    #[must_use]
    pub fn view(&self) -> JobView {
        JobView {
            id: self.id,
            state: JobState::Running,
            destination: self.spec.destination.clone(),
            priority: self.spec.priority,
            owner: self.spec.owner.clone(),
            submitted_ms: self.submitted_ms,
            progress: self.progress(),
            outcome: None,
        }
    }

    /// What it did, told once the archive is there.
    #[must_use]
    pub fn summary(&self, etag: String, now_ms: u64) -> Summary {
        let (parts, _, archive) = self.archive();
        let warnings = self.planner.warnings().first.iter().chain(&self.left_behind);
        Summary {
            etag,
            crc32: archive.value,
            bytes: archive.bytes,
            entries: self.planner.plan().entries.len() as u64,
            parts: parts.len() as u64,
            skipped: self.planner.skipped().first.iter().take(EXAMPLES_MAX).cloned().collect(),
            skipped_count: self.planner.skipped().count,
            left_out_count: self.planner.left_out(),
            warnings: warnings.cloned().collect(),
            waiting_ms: self.began_ms - self.submitted_ms,
            first_part_ms: self.first_part_ms.unwrap_or(now_ms) - self.submitted_ms,
            listing_ms: self.listed_ms - self.submitted_ms,
            transfer_ms: self.transferred_ms - self.submitted_ms,
            total_ms: now_ms - self.submitted_ms,
        }
    }
}
