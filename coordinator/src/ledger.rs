//! The ledger: what has become of each part, counted once whatever is repeated.

use std::collections::VecDeque;

use proto::batch::AttemptId;
use proto::complete::CompletedPart;
use proto::crc::Crc;
use proto::listing::Etag;
use proto::part::PartDone;
use proto::plan::{Entry, Part, PartNumber, Plan, Way};

/// The state of a part. It moves from waiting to ready to granted to done; a failed or lost attempt
/// takes it back from granted to ready.
#[derive(Clone, Debug, PartialEq, Eq)]
enum PartState {
    /// Some of its CRCs are to come from this many other parts; or it joins a segment, of which this many leaves are
    /// missing. When none is, S3 is to put the segment together.
    Waiting(usize),
    /// It can be granted.
    Ready,
    /// A node has it.
    Granted,
    /// It is in S3.
    Done { etag: Etag, crc: Crc },
}

/// A part as the ledger keeps it.
#[derive(Clone, Debug)]
struct Row {
    state: PartState,
    /// Whether it brings CRCs that the directory needs.
    holds_entries: bool,
    /// Attempts granted so far.
    attempts: u32,
    /// Attempts granted and not answered.
    live: u32,
    /// Attempts up to this one were made of parts that proved to be damaged.
    doubted: u32,
    /// Attempts that failed so far.
    failures: u32,
    /// Attempts lost with their nodes so far.
    losses: u32,
}

impl Row {
    fn begin(&mut self) -> u32 {
        self.attempts += 1;
        self.live += 1;
        self.attempts
    }
}

/// Why a report cannot be true.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// There is no such part.
    #[error("the plan has no part {0}")]
    NoSuchPart(PartNumber),
    /// It says another size than the plan.
    #[error("part {0} has another size than planned")]
    Size(PartNumber),
    /// It reports more or fewer bodies than the part has.
    #[error("part {0} was reported with another number of objects than planned")]
    Bodies(PartNumber),
    /// It says another CRC than the leaves have of which S3 is to have copied the part.
    #[error("part {0} has another CRC than the segment it is copied from")]
    Copy(PartNumber),
}

/// Reports of one job, and what they make possible.
#[derive(Debug, Default)]
pub struct Ledger {
    rows: Vec<Row>,
    /// Parts that can be granted and are in no queue, the most urgent first; with each, whether it goes to the
    /// front of the queue.
    ready: VecDeque<(usize, bool)>,
    /// Segments planned so far, the one that is still growing included.
    segments: u32,
    /// The part that joins each segment, of those of which all is planned.
    joins: Vec<usize>,
    /// Segments of which every leaf is done, to be put together.
    filled: VecDeque<u32>,
    /// Bytes of segments of which every leaf is done, and whose parts are not.
    joining_bytes: u64,
    /// CRC-32 of each entry; `crc32_known` tells which are.
    crc32: Vec<u32>,
    crc32_known: Vec<bool>,
    done: usize,
    bytes_done: u64,
    /// Parts that hold entries or their data, and are not done.
    open_with_entries: usize,
    /// First part that holds some of the directory.
    directory_from: Option<usize>,
}

impl Ledger {
    /// Takes in what has been added to the plan since the last call.
    pub fn grow(&mut self, plan: &Plan) {
        let is_empty = |entry: &Entry| entry.object.size == 0;
        self.crc32_known.extend(plan.entries[self.crc32.len()..].iter().map(is_empty));
        self.crc32.resize(plan.entries.len(), 0);
        let directory_start = plan.directory.as_ref().map_or(u64::MAX, |directory| directory.start);
        for index in self.rows.len()..plan.parts.len() {
            let part = &plan.parts[index];
            let holds_directory = part.bytes.end > directory_start;
            let is_joined = matches!(part.way, Way::Joined(_));
            let state = if holds_directory {
                self.directory_from.get_or_insert(index);
                PartState::Waiting(0)
            } else if let Way::Joined(segment) = part.way {
                debug_assert_eq!(self.joins.len(), segment as usize, "segments are joined in their order");
                self.joins.push(index);
                let missing = plan.leaves(index).filter(|leaf| !self.is_done_at(*leaf)).count();
                if missing == 0 {
                    self.fill(segment, part.size());
                }
                PartState::Waiting(missing)
            } else {
                match plan.continuation(index).count() {
                    0 => PartState::Ready,
                    others => PartState::Waiting(others),
                }
            };
            let is_ready = state == PartState::Ready;
            let holds_entries = !is_joined && (!holds_directory || !part.headers.is_empty());
            self.open_with_entries += usize::from(holds_entries);
            self.rows.push(Row {
                state,
                holds_entries,
                attempts: 0,
                live: 0,
                doubted: 0,
                failures: 0,
                losses: 0,
            });
            self.segments = self.segments.max(part.within.map_or(0, |segment| segment + 1));
            if is_ready {
                // Copies take none of a node's bandwidth, and headers wait for them: they go first.
                self.ready.push_back((index, part.way == Way::Copied));
            }
        }
        self.release_directory();
    }

    /// Segments planned so far, the one that is still growing included.
    #[must_use]
    pub fn segments(&self) -> u32 {
        self.segments
    }

    /// Takes the next segment that S3 can put together, with the index of the part that joins it. What its leaves
    /// hold can no longer be doubted then.
    pub fn next_filled(&mut self) -> Option<(u32, usize)> {
        let segment = self.filled.pop_front()?;
        Some((segment, self.joins[segment as usize]))
    }

    /// Notes that a segment is an object, which S3 can copy.
    pub fn made(&mut self, segment: u32) {
        let index = self.joins[segment as usize];
        self.rows[index].state = PartState::Ready;
        self.ready.push_front((index, true));
    }

    /// CRC-32 of each entry, when all parts are done.
    #[must_use]
    pub fn into_crc32(self) -> Vec<u32> {
        self.crc32
    }

    /// Takes the most urgent of the parts that are ready and in no queue, to be put in one; with it, whether it
    /// goes to the front there.
    pub fn next_ready(&mut self) -> Option<(usize, bool)> {
        self.ready.pop_front()
    }

    /// Whether parts are ready that no node has in its queue.
    #[must_use]
    pub fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Puts ready parts back that could not be put in a queue yet; with each, whether it goes to the front there.
    pub fn make_ready(&mut self, parts: Vec<(usize, bool)>) {
        self.ready.extend(parts);
    }

    /// Puts a ready part back that was in a queue which is no more.
    pub fn unqueue(&mut self, index: usize) {
        if self.rows[index].state == PartState::Ready {
            self.ready.push_back((index, true));
        }
    }

    /// Notes a first attempt at the ready part at `index`, or the next after others came to nothing; its number,
    /// from 1. `None` when the part is done meanwhile, and needs none.
    pub fn grant(&mut self, index: usize) -> Option<u32> {
        let row = &mut self.rows[index];
        (row.state == PartState::Ready).then(|| {
            row.state = PartState::Granted;
            row.begin()
        })
    }

    /// Notes another attempt at a part that is in flight; its number. `None` when it is not in flight.
    pub fn hedge(&mut self, index: usize) -> Option<u32> {
        let row = &mut self.rows[index];
        (row.state == PartState::Granted).then(|| row.begin())
    }

    /// Notes that an attempt was answered, whatever the answer; when it was the last one of a part that is not
    /// done, the part goes back to the front.
    pub fn give_back(&mut self, number: PartNumber) {
        let index = number.index();
        let Some(row) = self.rows.get_mut(index) else { return };
        row.live = row.live.saturating_sub(1);
        if row.state == PartState::Granted && row.live == 0 {
            row.state = PartState::Ready;
            self.ready.push_front((index, true));
        }
    }

    /// Puts a part whose bytes disagree with a stored checksum back to the front. If its last entry reaches
    /// into other parts, any of them may be the damaged one: they are all to be made again, and it waits. `false` when
    /// they cannot be, because a segment is put together of them.
    #[must_use]
    pub fn doubt(&mut self, plan: &Plan, number: PartNumber) -> bool {
        let continuation: Vec<usize> = plan.continuation(number.index()).collect();
        if continuation.is_empty() || self.rows[number.index()].state != PartState::Granted {
            self.give_back(number);
            return true;
        }
        let is_sealed = |index: &usize| {
            let joined = self.joined_by(&plan.parts[*index]);
            joined.is_some_and(|joined| !matches!(self.rows[joined].state, PartState::Waiting(1..)))
        };
        if continuation.iter().any(is_sealed) {
            return false;
        }
        let row = &mut self.rows[number.index()];
        row.live = row.live.saturating_sub(1);
        row.doubted = row.attempts;
        row.state = PartState::Waiting(continuation.len());
        for index in continuation.into_iter().rev() {
            self.rows[index].state = PartState::Ready;
            self.ready.push_front((index, true));
            self.done -= 1;
            self.bytes_done -= plan.parts[index].size();
            self.open_with_entries += 1;
            if let Some(joined) = self.joined_by(&plan.parts[index])
                && let PartState::Waiting(missing) = &mut self.rows[joined].state
            {
                *missing += 1;
            }
        }
        true
    }

    /// Whether the part is in S3.
    #[must_use]
    pub fn is_done(&self, number: PartNumber) -> bool {
        self.is_done_at(number.index())
    }

    fn is_done_at(&self, index: usize) -> bool {
        self.rows.get(index).is_some_and(|row| matches!(row.state, PartState::Done { .. }))
    }

    /// The part that joins the segment of which this is a leaf, once that is planned.
    fn joined_by(&self, leaf: &Part) -> Option<usize> {
        self.joins.get(leaf.within? as usize).copied()
    }

    /// Whether the attempt was made of parts that have proved to be damaged since: that it failed says nothing new.
    #[must_use]
    pub fn is_doubted(&self, attempt: AttemptId) -> bool {
        self.rows.get(attempt.part.index()).is_some_and(|row| attempt.attempt <= row.doubted)
    }

    /// Notes a failed attempt; returns how many there have been at this part.
    pub fn note_failure(&mut self, number: PartNumber) -> u32 {
        self.rows.get_mut(number.index()).map_or(0, |row| {
            row.failures += 1;
            row.failures
        })
    }

    /// Notes an attempt lost with its node; returns how many there have been at this part.
    pub fn note_loss(&mut self, number: PartNumber) -> u32 {
        self.rows.get_mut(number.index()).map_or(0, |row| {
            row.losses += 1;
            row.losses
        })
    }

    /// Enters a finished part; `true` if it was not yet done. A repeated report changes nothing.
    ///
    /// # Errors
    /// When the report contradicts the plan.
    pub fn record(&mut self, plan: &Plan, done: &PartDone) -> Result<bool, LedgerError> {
        let number = done.id.part;
        let index = number.index();
        let part = plan.parts.get(index).ok_or(LedgerError::NoSuchPart(number))?;
        self.rows[index].live = self.rows[index].live.saturating_sub(1);
        if matches!(self.rows[index].state, PartState::Done { .. } | PartState::Waiting(_)) {
            // Done by another attempt, or waiting for parts of its entry to be made again: its CRCs may be wrong.
            return Ok(false);
        }
        if done.crc.bytes != part.size() {
            return Err(LedgerError::Size(number));
        }
        let with_data = |entry: &u32| plan.entries[*entry as usize].object.size > 0;
        let bodies = part.headers.clone().filter(with_data).count();
        let is_data_only = part.headers.is_empty() && self.directory_from.is_none_or(|from| index < from);
        if done.bodies.len() != if is_data_only { 1 } else { bodies } {
            return Err(LedgerError::Bodies(number));
        }
        let sized = part.headers.clone().filter(with_data).zip(&done.bodies);
        if sized.into_iter().any(|(entry, crc)| crc.bytes != plan.entries[entry as usize].object.size) {
            return Err(LedgerError::Size(number));
        }
        let is_joined = matches!(part.way, Way::Joined(_));
        // S3 says what it copied; that it is what nodes sent, nobody else will notice.
        if is_joined && self.joined(plan.leaves(index)).value != done.crc.value {
            return Err(LedgerError::Copy(number));
        }
        for (entry, crc) in part.headers.clone().filter(with_data).zip(&done.bodies) {
            self.crc32[entry as usize] = crc.value;
            self.crc32_known[entry as usize] = true;
        }
        if self.rows[index].state == PartState::Ready {
            self.ready.retain(|(ready, _)| *ready != index);
        }
        self.rows[index].state = PartState::Done { etag: Etag::parse(&done.etag), crc: done.crc };
        self.done += 1;
        // Those of a segment are there when its leaves are.
        if is_joined {
            self.joining_bytes -= part.size();
        } else {
            self.bytes_done += part.size();
        }
        self.open_with_entries -= usize::from(self.rows[index].holds_entries);
        if is_data_only && !is_joined {
            self.release_header(plan, index);
        }
        self.release_segment(plan, part);
        self.release_directory();
        Ok(true)
    }

    /// Lets the segment of which this part is a leaf, if it is one, be put together one leaf sooner.
    fn release_segment(&mut self, plan: &Plan, leaf: &Part) {
        let (Some(segment), Some(joined)) = (leaf.within, self.joined_by(leaf)) else { return };
        if let PartState::Waiting(missing) = &mut self.rows[joined].state {
            *missing -= 1;
            if *missing == 0 {
                self.fill(segment, plan.parts[joined].size());
            }
        }
    }

    /// Notes that all leaves of a segment are done.
    fn fill(&mut self, segment: u32, bytes: u64) {
        self.filled.push_back(segment);
        self.joining_bytes += bytes;
    }

    /// Lets the header of the entry whose data is in part `index` go one part sooner.
    fn release_header(&mut self, plan: &Plan, index: usize) {
        let entry = plan.parts[index].headers.start - 1;
        let offset = plan.entries[entry as usize].offset;
        let header = plan.parts.partition_point(|part| part.bytes.end <= offset);
        if let PartState::Waiting(others) = &mut self.rows[header].state {
            *others -= 1;
            if *others == 0 {
                self.rows[header].state = PartState::Ready;
                self.ready.push_front((header, true));
            }
        }
    }

    /// Lets parts of the directory go once every CRC in them is known. The first of them may hold the
    /// last entries too: it needs not wait for itself, but those behind it wait for it.
    fn release_directory(&mut self) {
        let Some(from) = self.directory_from else { return };
        for index in from..self.rows.len() {
            let row = &mut self.rows[index];
            let is_own = usize::from(row.holds_entries);
            if row.state == PartState::Waiting(0) && self.open_with_entries == is_own {
                row.state = PartState::Ready;
                self.ready.push_back((index, true));
            }
        }
    }

    /// CRC-32 of an entry's bytes; 0 until known.
    #[must_use]
    pub fn crc32(&self, entry: u32) -> u32 {
        self.crc32[entry as usize]
    }

    /// Whether the CRC-32 of an entry's bytes is known.
    #[must_use]
    pub fn knows_crc32(&self, entry: u32) -> bool {
        self.crc32_known[entry as usize]
    }

    /// CRC of several finished parts one after the other.
    #[must_use]
    pub fn joined(&self, parts: impl IntoIterator<Item = usize>) -> Crc {
        parts.into_iter().fold(Crc::EMPTY, |joined, index| match &self.rows[index].state {
            PartState::Done { crc, .. } => joined.then(*crc),
            _ => joined,
        })
    }

    /// Whether every part is in S3, given that the plan is finished.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.directory_from.is_some() && self.done == self.rows.len()
    }

    /// Parts in S3.
    #[must_use]
    pub fn parts_done(&self) -> u64 {
        self.done as u64
    }

    /// Bytes of the archive in S3, each counted once.
    #[must_use]
    pub fn bytes_done(&self) -> u64 {
        self.bytes_done
    }

    /// Bytes of these of which S3 is still to make segments, and the archive of those.
    #[must_use]
    pub fn joining_bytes(&self) -> u64 {
        self.joining_bytes
    }

    /// What S3 is told of an upload of these parts, of which it holds the finished ones: each of them, those that had
    /// more than one attempt, and the CRC of all of them together.
    #[must_use]
    pub fn completed(
        &self,
        plan: &Plan,
        parts: impl Iterator<Item = usize>,
    ) -> (Vec<CompletedPart>, Vec<PartNumber>, Crc) {
        let (mut completed, mut contested, mut whole) = (Vec::new(), Vec::new(), Crc::EMPTY);
        for index in parts {
            let (row, number) = (&self.rows[index], plan.parts[index].number);
            if let PartState::Done { etag, crc } = &row.state {
                completed.push(CompletedPart { number, etag: etag.to_string(), crc32: crc.value });
                contested.extend((row.attempts > 1).then_some(number));
                whole = whole.then(*crc);
            }
        }
        (completed, contested, whole)
    }
}
