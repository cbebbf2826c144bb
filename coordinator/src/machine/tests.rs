//! The machine in a toy world: S3 is a few maps, nodes do their parts when told to. What it makes is
//! compared with an archive written front to back.

use std::collections::{BTreeMap, VecDeque};
use std::sync::LazyLock;

use proto::archive::zip::{EndRecords, EntryHeader, central_header, end_records, local_header};
use proto::batch::{Assignment, AttemptId};
use proto::crc::{Crc, StoredKind};
use proto::job::Outcome;
use proto::limits::{MIB, PART_ATTEMPTS_MAX, PART_BYTES_MIN};
use proto::listing::{Etag, SourceObject};
use proto::part::{Effort, PartDone, PartFailed};
use proto::plan::{PartWork, Piece};
use proto::report::Vitals;
use proto::requests::Sent;

use proto::location::{Location, Source};

use super::*;

mod composed;
mod segments;

const JOB: JobId = JobId(1);

/// Bytes of the object with this key: a stretch of a block of prime length, repeated, so that no wrong
/// offset goes unnoticed.
fn content(key: &str, range: std::ops::Range<u64>) -> Vec<u8> {
    static BLOCK: LazyLock<Vec<u8>> = LazyLock::new(|| {
        (0..65_521u64).map(|at| (at.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8).collect()
    });
    let seed = u64::from(Crc::of(key.as_bytes()).value);
    let mut at = ((seed + range.start) % BLOCK.len() as u64) as usize;
    let length = (range.end - range.start) as usize;
    let mut bytes = Vec::with_capacity(length);
    while bytes.len() < length {
        let run = (BLOCK.len() - at).min(length - bytes.len());
        bytes.extend_from_slice(&BLOCK[at..at + run]);
        at = 0;
    }
    bytes
}

fn object(source: u16, key: &str, size: u64) -> SourceObject {
    SourceObject {
        source,
        bucket: 0,
        stored: StoredKind::None,
        key: key.into(),
        size,
        etag: Etag::parse("e"),
        modified: 1_700_000_000,
    }
}

fn spec(sources: &[&str]) -> JobSpec {
    let prefix = |prefix: &&str| Source::Prefix { bucket: "in".into(), prefix: (*prefix).into() };
    JobSpec {
        part_bytes: Some(PART_BYTES_MIN),
        ..JobSpec::new(
            sources.iter().map(prefix).collect(),
            Location { bucket: "out".into(), key: "a.zip".into() },
        )
    }
}

/// What a node would upload, made the obvious way.
fn execute(objects: &BTreeMap<String, Vec<u8>>, work: &PartWork) -> (Vec<u8>, Vec<Crc>) {
    let content = |key: &str, range: std::ops::Range<u64>| match objects.get(key) {
        Some(bytes) => bytes[range.start as usize..range.end as usize].to_vec(),
        None => content(key, range),
    };
    let mut bodies = vec![Crc::EMPTY; work.bodies.len()];
    for piece in &work.pieces {
        if let Piece::Fetch { body, range } | Piece::Copy { body, range } = piece {
            let crc = &mut bodies[*body as usize];
            *crc = crc.then(Crc::of(&content(&work.bodies[*body as usize].key, range.clone())));
        }
    }
    for (crc, body) in bodies.iter_mut().zip(&work.bodies) {
        *crc = crc.then(body.rest);
    }
    let mut part = Vec::new();
    for piece in &work.pieces {
        match piece {
            Piece::Fetch { body, range } | Piece::Copy { body, range } => {
                part.extend(content(&work.bodies[*body as usize].key, range.clone()))
            }
            Piece::Literal { bytes, slots } => {
                let start = part.len();
                part.extend_from_slice(bytes);
                for slot in slots {
                    let crc = bodies[slot.body as usize].value.to_le_bytes();
                    part[start + slot.at as usize..][..4].copy_from_slice(&crc);
                }
            }
        }
    }
    assert_eq!(part.len() as u64, work.bytes);
    (part, bodies)
}

/// The archive, front to back.
fn archive(objects: &[SourceObject]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut directory = Vec::new();
    let mut last = None;
    for object in objects {
        let data = content(&object.key, 0..object.size);
        let entry = EntryHeader {
            name: &object.key,
            size: object.size,
            offset: bytes.len() as u64,
            modified: object.modified,
            crc32: Crc::of(&data).value,
        };
        bytes.extend(local_header(&entry));
        bytes.extend(data);
        directory.extend(central_header(&entry));
        last = Some(entry);
    }
    let (directory_offset, directory_bytes) = (bytes.len() as u64, directory.len() as u64);
    bytes.extend(directory);
    bytes.extend(end_records(&EndRecords {
        entries: objects.len() as u64,
        directory_offset,
        directory_bytes,
        last,
    }));
    bytes
}

/// S3, nodes and whoever submits, all at once.
#[derive(Default)]
struct World {
    machine: Machine,
    now_ms: u64,
    /// Pages of each source.
    pages: BTreeMap<u16, VecDeque<Vec<SourceObject>>>,
    /// Questions to S3 that have not been answered, in order.
    asked: VecDeque<Question>,
    /// Assignments nodes hold, in order.
    held: VecDeque<(NodeId, Assignment)>,
    /// Jobs that nodes were told to drop.
    cancelled: Vec<NodeId>,
    /// Attempts that nodes were told to drop.
    revoked: Vec<(NodeId, AttemptId)>,
    dropped: Vec<NodeId>,
    ended: Option<Ended>,
    /// Which upload each attempt goes to.
    goals: BTreeMap<AttemptId, String>,
    /// Parts of uploads that are open, and of the archive when that is there.
    uploaded: BTreeMap<(String, u32), Vec<u8>>,
    /// Segments that are objects, and the keys of all there were.
    objects: BTreeMap<String, Vec<u8>>,
    segments: BTreeSet<String>,
    outcome: Option<Outcome>,
    aborts: usize,
}

impl World {
    fn new(objects: &[&[SourceObject]], page: usize) -> Self {
        let mut world = Self::default();
        for (source, objects) in (0u16..).zip(objects) {
            world.pages.insert(source, objects.chunks(page.max(1)).map(<[_]>::to_vec).collect());
        }
        world
    }

    fn event(&mut self, event: Event) {
        for effect in self.machine.handle(event, self.now_ms) {
            match effect {
                Effect::Order(node, Order::Grant(batch)) => {
                    for assignment in &batch.assignments {
                        self.goals.insert(assignment.id, batch.upload.upload_id.clone());
                    }
                    self.held.extend(batch.assignments.into_iter().map(|assignment| (node, assignment)));
                }
                Effect::Order(node, Order::Cancel(_)) => self.cancelled.push(node),
                Effect::Order(node, Order::Revoke(attempts)) => {
                    self.revoked.extend(attempts.into_iter().map(|attempt| (node, attempt)));
                }
                Effect::Order(_, Order::Warm(..) | Order::Pace(_) | Order::Drain) => {}
                Effect::Drop(node) => self.dropped.push(node),
                Effect::Refuse(_, failure) => {
                    self.outcome = Some(Outcome::Failed { failure, left_behind: Vec::new() });
                }
                Effect::Finish(ended) => {
                    assert!(self.outcome.is_none(), "a job ends once");
                    self.outcome = ended.view.outcome.clone();
                    self.ended = Some(*ended);
                }
                Effect::Ask(question) => self.asked.push_back(question),
            }
        }
    }

    fn join(&mut self, node: u64, window_mib: u64) {
        self.join_over(u64::MAX, node, window_mib);
    }

    fn join_over(&mut self, network_bytes_per_second: u64, node: u64, window_mib: u64) {
        let hello = Hello {
            name: format!("n{node}"),
            resume: None,
            version: "1".into(),
            cores: 1,
            body_budget_bytes: window_mib * MIB,
            network_bytes_per_second,
        };
        self.event(Event::NodeJoined(NodeId(node), hello));
    }

    /// Answers the oldest question as S3 does when all is well.
    fn answer(&mut self) -> bool {
        let Some(question) = self.asked.pop_front() else { return false };
        match question {
            Question::List { index, .. } => {
                let pages = self.pages.entry(index).or_default();
                let objects = pages.pop_front().unwrap_or_default();
                let next = (!pages.is_empty()).then(|| "more".to_owned());
                self.event(Event::Listed(JOB, index, Ok(Page { objects, buckets: vec!["in".into()], next })));
            }
            Question::Create { segment, destination, .. } => {
                let upload_id = destination.key.clone();
                self.segments.extend(segment.map(|_| upload_id.clone()));
                self.event(Event::UploadCreated(JOB, segment, Ok(Upload { destination, upload_id })));
            }
            Question::Complete(_, segment, completion) => {
                assert!(completion.parts.iter().zip(1u32..).all(|(part, number)| part.number.0 == number));
                let id = &completion.upload.upload_id;
                let of_it: Vec<_> = self.uploaded.keys().filter(|(of, _)| of == id).cloned().collect();
                assert_eq!(of_it.len(), completion.parts.len());
                let whole: Vec<u8> = of_it.iter().flat_map(|key| &self.uploaded[key]).copied().collect();
                assert_eq!(completion.archive, Crc::of(&whole));
                if segment.is_some() {
                    of_it.iter().for_each(|key| drop(self.uploaded.remove(key)));
                    self.objects.insert(completion.upload.destination.key, whole);
                }
                self.event(Event::Completed(JOB, segment, Ok("etag".into())));
            }
            Question::Abort(_, upload) => {
                assert!(self.held.is_empty(), "no node may be writing when the upload is removed");
                self.aborts += 1;
                self.remove(&upload);
                self.event(Event::Aborted(JOB, Ok(())));
            }
            Question::Discard(_, left) => {
                assert!(self.held.is_empty(), "no node may be writing when uploads are removed");
                left.uploads.iter().for_each(|upload| self.remove(upload));
                left.objects.iter().for_each(|object| drop(self.objects.remove(&object.key)));
                self.event(Event::Discarded(JOB, Vec::new()));
            }
        }
        true
    }

    fn remove(&mut self, upload: &Upload) {
        self.uploaded.retain(|(id, _), _| *id != upload.upload_id);
    }

    /// Has the node that holds the oldest assignment do it.
    fn work(&mut self) -> bool {
        let Some((node, assignment)) = self.held.pop_front() else { return false };
        let (bytes, bodies) = execute(&self.objects, &assignment.work);
        let done = PartDone {
            id: assignment.id,
            etag: format!("etag{}", assignment.id.part),
            crc: Crc::of(&bytes),
            bodies,
            effort: Effort::default(),
        };
        self.uploaded.insert((self.goals[&assignment.id].clone(), assignment.work.number.0), bytes);
        self.report(node, Report { done: vec![done], ..Report::default() });
        true
    }

    fn report(&mut self, node: NodeId, report: Report) {
        self.event(Event::Reported(node, report));
    }

    fn fail_oldest(&mut self, kind: FailureKind) {
        let (node, assignment) = self.held.pop_front().expect("something is in flight");
        let failed = vec![PartFailed {
            id: assignment.id,
            failure: Failure::new(kind, "it broke"),
            effort: Effort::default(),
        }];
        self.report(node, Report { failed, ..Report::default() });
    }

    fn run(&mut self) -> &Outcome {
        while self.outcome.is_none() && (self.answer() || self.work()) {}
        self.outcome.as_ref().expect("a job comes to an end")
    }

    fn failure(&mut self) -> Failure {
        match self.run() {
            Outcome::Failed { failure, .. } => failure.clone(),
            Outcome::Completed(_) => panic!("it should have failed"),
        }
    }
}

fn sizes(sizes: &[u64]) -> Vec<SourceObject> {
    sizes.iter().enumerate().map(|(number, size)| object(0, &format!("k{number:04}"), *size)).collect()
}

#[track_caller]
fn makes_the_archive(objects: &[SourceObject], page: usize, nodes: u64) {
    // Over so slow a network all is copied that can be.
    for network_bytes_per_second in [u64::MAX, 1_000] {
        let mut world = World::new(&[objects], page);
        for node in 0..nodes {
            world.join_over(network_bytes_per_second, node, 32);
        }
        ends_with_the_archive(world, objects);
    }
}

#[track_caller]
fn ends_with_the_archive(mut world: World, objects: &[SourceObject]) {
    world.event(Event::Submitted(JOB, spec(&[""])));
    let Outcome::Completed(summary) = world.run() else { panic!("{:?}", world.outcome) };
    let summary = summary.clone();
    let whole: Vec<u8> = world.uploaded.into_values().flatten().collect();
    let expected = archive(objects);
    assert_eq!((summary.bytes, summary.crc32), (expected.len() as u64, Crc::of(&expected).value));
    assert!(whole == expected, "the bytes differ");
}

#[test]
fn plans_executed_in_any_order_give_the_archive_written_front_to_back() {
    const M: u64 = PART_BYTES_MIN;
    for case in [
        vec![0],
        vec![1, 0, 2],
        vec![M, M - 1, M + 1],
        vec![100, 3 * M, 0, 7, 2 * M + 1],
        vec![4 * M],
        vec![1_000; 7_000],
        vec![M - 80, 2 * M, 5],
    ] {
        makes_the_archive(&sizes(&case), 1_000, 1);
        makes_the_archive(&sizes(&case), 1, 3);
    }
}

/// The last entries are too few for a part of their own and go in front of a directory that itself needs
/// several parts: those behind it hold records of entries in it, and must wait for their CRCs.
#[test]
fn a_directory_of_several_parts_waits_for_the_entries_in_front_of_it() {
    let objects: Vec<SourceObject> =
        (0..9_500).map(|number| object(0, &format!("{number:0>1000}"), 3)).collect();
    makes_the_archive(&objects, 1_000, 2);
}

#[test]
fn a_lost_node_costs_only_what_it_had_in_flight() {
    let objects = sizes(&[6 * MIB; 8]);
    let mut world = World::new(&[&objects], 3);
    world.join(1, 32);
    world.join(2, 32);
    world.event(Event::Submitted(JOB, spec(&[""])));
    while world.held.len() < 4 {
        world.answer();
    }
    world.work();
    let lost = NodeId(2);
    world.event(Event::NodeLost(lost));
    world.held.retain(|(node, _)| *node != lost);
    assert!(matches!(world.run(), Outcome::Completed(_)));
    let whole: Vec<u8> = world.uploaded.into_values().flatten().collect();
    assert!(whole == archive(&objects));
}

#[test]
fn a_repeated_report_changes_nothing() {
    let objects = sizes(&[6 * MIB; 3]);
    let mut world = World::new(&[&objects], 10);
    world.join(1, 64);
    world.event(Event::Submitted(JOB, spec(&[""])));
    while world.answer() {}
    let (node, assignment) = world.held.front().cloned().expect("something is in flight");
    let (bytes, bodies) = execute(&world.objects, &assignment.work);
    let done = PartDone {
        id: assignment.id,
        etag: "other".into(),
        crc: Crc::of(&bytes),
        bodies,
        effort: Effort::default(),
    };
    world.work();
    for _ in 0..3 {
        world.report(node, Report { done: vec![done.clone()], ..Report::default() });
    }
    assert!(matches!(world.run(), Outcome::Completed(_)));
}

#[test]
fn a_part_is_tried_again_and_then_the_job_fails_and_leaves_nothing() {
    let objects = sizes(&[6 * MIB]);
    let mut world = World::new(&[&objects], 10);
    world.join(1, 64);
    world.event(Event::Submitted(JOB, spec(&[""])));
    while world.answer() {}
    for _ in 0..PART_ATTEMPTS_MAX {
        world.fail_oldest(FailureKind::Unavailable);
    }
    assert_eq!((world.failure().kind, world.aborts), (FailureKind::Unavailable, 1));
}

/// Which part of a large entry is damaged cannot be told from its CRC: all of them are made again.
#[test]
fn a_damaged_entry_is_made_again_in_all_its_parts() {
    let objects = sizes(&[100, 25 * MIB, 7]);
    let mut world = World::new(&[&objects], 10);
    world.join(1, 64);
    world.event(Event::Submitted(JOB, spec(&[""])));
    while world.answer() {}
    let header = |world: &World| world.held.front().is_some_and(|(_, held)| held.id.part.0 == 1);
    while !header(&world) {
        assert!(world.work());
    }
    let made = world.uploaded.len();
    assert!(made >= 4, "the parts of its data went first");
    world.uploaded.clear();
    world.fail_oldest(FailureKind::Corrupt);
    assert!(matches!(world.run(), Outcome::Completed(_)));
    let whole: Vec<u8> = world.uploaded.into_values().flatten().collect();
    assert!(whole == archive(&objects));
}

#[test]
fn a_changed_source_ends_the_job_at_once() {
    let objects = sizes(&[6 * MIB; 4]);
    let mut world = World::new(&[&objects], 10);
    world.join(1, 64);
    world.event(Event::Submitted(JOB, spec(&[""])));
    while world.answer() {}
    world.fail_oldest(FailureKind::SourceChanged);
    assert_eq!(world.cancelled, [NodeId(1)]);
    while !world.held.is_empty() {
        assert_eq!(world.aborts, 0);
        world.fail_oldest(FailureKind::Cancelled);
    }
    assert_eq!((world.failure().kind, world.aborts), (FailureKind::SourceChanged, 1));
}

#[test]
fn bad_requests_never_reach_s3() {
    let mut inside = spec(&["a/"]);
    inside.destination = Location { bucket: "in".into(), key: "a/b.zip".into() };
    let mut excluded = inside.clone();
    excluded.exclude = vec!["*.zip".into()];
    let glob = JobSpec { include: vec!["[".into()], ..spec(&[""]) };
    let small = JobSpec { part_bytes: Some(1), ..spec(&[""]) };
    let large = JobSpec { part_bytes: Some(5 << 30), ..spec(&[""]) };
    for (bad, kind) in [
        (spec(&[]), FailureKind::BadRequest),
        (inside, FailureKind::Destination),
        (glob, FailureKind::BadRequest),
        (small, FailureKind::BadRequest),
        (large, FailureKind::BadRequest),
    ] {
        let mut world = World::new(&[], 1);
        world.join(1, 64);
        world.event(Event::Submitted(JOB, bad));
        assert!(world.asked.is_empty());
        assert_eq!(world.failure().kind, kind);
    }
    let mut world = World::new(&[], 1);
    world.event(Event::Submitted(JOB, excluded));
    assert_eq!(world.failure().kind, FailureKind::NothingToArchive);
}

#[test]
fn nothing_to_archive_never_creates_an_upload() {
    let mut world = World::new(&[&[]], 1);
    world.join(1, 64);
    world.event(Event::Submitted(JOB, spec(&["empty/"])));
    let failure = world.failure();
    assert_eq!((failure.kind, world.aborts), (FailureKind::NothingToArchive, 0));
    assert!(failure.message.contains("s3://in/empty/"), "{failure}");
}

#[test]
fn all_bad_names_are_told_at_once_and_nothing_is_left() {
    let mut objects = sizes(&[6 * MIB]);
    objects.extend([object(0, "x\ny", 1), object(0, "y//z", 1), object(0, "z", 1)]);
    let mut world = World::new(&[&objects], 1);
    world.join(1, 64);
    world.event(Event::Submitted(JOB, spec(&[""])));
    let failure = world.failure();
    assert_eq!((failure.kind, world.aborts), (FailureKind::BadNames, 1));
    assert!(failure.message.contains("x\\ny") && failure.message.contains("y//z"), "{failure}");
}

#[test]
fn cancelled_while_the_upload_is_being_created_still_removes_it() {
    let mut world = World::new(&[&sizes(&[6 * MIB])], 10);
    world.join(1, 64);
    world.event(Event::Submitted(JOB, spec(&[""])));
    world.answer();
    world.event(Event::Cancelled(JOB));
    assert!(world.outcome.is_none(), "the answer to the creation is waited for");
    assert_eq!((world.failure().kind, world.aborts), (FailureKind::Cancelled, 1));
}

#[test]
fn cancelled_while_s3_puts_it_together_the_archive_stays() {
    let mut world = World::new(&[&sizes(&[5])], 10);
    world.join(1, 64);
    world.event(Event::Submitted(JOB, spec(&[""])));
    while !matches!(world.asked.front(), Some(Question::Complete(..))) {
        assert!(world.answer() || world.work());
    }
    world.event(Event::Cancelled(JOB));
    assert!(matches!(world.run(), Outcome::Completed(_)));
}

#[test]
fn an_upload_that_cannot_be_removed_is_named() {
    let mut world = World::new(&[&sizes(&[6 * MIB])], 10);
    world.join(1, 64);
    world.event(Event::Submitted(JOB, spec(&[""])));
    while world.answer() {}
    world.fail_oldest(FailureKind::Denied);
    assert!(matches!(world.asked.pop_front(), Some(Question::Abort(..))));
    world.event(Event::Aborted(JOB, Err(Failure::new(FailureKind::Unavailable, "upload u is still there"))));
    let Outcome::Failed { failure, left_behind } = world.run() else { panic!("it should have failed") };
    assert_eq!(failure.kind, FailureKind::Denied);
    assert_eq!(left_behind, &["upload u is still there"]);
}

/// What a manifest names may be in several buckets, which each page numbers for itself.
#[test]
fn objects_of_several_buckets_are_read_from_their_own() {
    let mut world = World::default();
    world.join(1, 64);
    let manifest = Location { bucket: "ops".into(), key: "list".into() };
    let sources = vec![Source::Manifest { location: manifest, within: Vec::new() }];
    let destination = Location { bucket: "out".into(), key: "a.zip".into() };
    world.event(Event::Submitted(JOB, JobSpec::new(sources, destination)));
    let page = |keys: [(&str, u16); 2], buckets: [&str; 2], next: Option<&str>| {
        let objects = keys.map(|(key, bucket)| SourceObject { bucket, ..object(0, key, 10) });
        let buckets = buckets.map(ToOwned::to_owned).to_vec();
        Ok(Page { objects: objects.into(), buckets, next: next.map(ToOwned::to_owned) })
    };
    for next in [Some("more"), None] {
        assert!(matches!(world.asked.pop_front(), Some(Question::List { .. })));
        let (keys, buckets) = match next {
            Some(_) => ([("one", 0), ("two", 1)], ["red", "blue"]),
            None => ([("three", 1), ("four", 0)], ["blue", "green"]),
        };
        world.event(Event::Listed(JOB, 0, page(keys, buckets, next)));
    }
    while world.held.is_empty() {
        assert!(world.answer());
    }
    let bodies: Vec<_> = world.held[0].1.work.bodies.iter().map(|body| (&*body.bucket, &*body.key)).collect();
    assert_eq!(bodies, [("red", "one"), ("blue", "two"), ("green", "three"), ("blue", "four")]);
    world.run();
    let archive = world.ended.and_then(|ended| ended.archive).expect("what was archived is told");
    let told: Vec<_> = archive
        .plan
        .entries
        .iter()
        .zip(&archive.crc32)
        .map(|(entry, crc32)| (archive.plan.bucket(&entry.object), entry.name(), *crc32))
        .collect();
    let crc32 = |key: &str| Crc::of(&content(key, 0..10)).value;
    assert_eq!(told[2], ("green", "three", crc32("three")));
    assert_eq!(told[3], ("blue", "four", crc32("four")));
}

#[test]
fn a_manifest_that_names_the_destination_is_refused() {
    let mut world = World::default();
    world.join(1, 64);
    let at = |key: &str| Location { bucket: "out".into(), key: key.into() };
    let sources = vec![Source::Manifest { location: at("list"), within: Vec::new() }];
    world.event(Event::Submitted(JOB, JobSpec::new(sources, at("a.zip"))));
    world.asked.clear();
    let page = Page { objects: vec![object(0, "a.zip", 10)], buckets: vec!["out".into()], next: None };
    world.event(Event::Listed(JOB, 0, Ok(page)));
    assert_eq!(world.failure().kind, FailureKind::Destination);
}

#[test]
fn what_a_job_took_is_told_when_it_ends() {
    let objects = sizes(&[6 * MIB; 4]);
    let mut world = World::new(&[&objects], 2);
    world.join(1, 64);
    world.event(Event::Submitted(JOB, spec(&[""])));
    while world.answer() {}
    let list = RequestCounts { list: Sent::well(2), ..RequestCounts::default() };
    world.event(Event::Spent(JOB, list));
    world.now_ms = 3_000;
    let (node, assignment) = world.held.pop_front().expect("something is in flight");
    let effort =
        Effort { worked_ms: 700, gets: 3, heads: 1, uploads: 2, received_bytes: 9, ..Effort::default() };
    let failure = Failure::new(FailureKind::Unavailable, "it broke");
    world.report(
        node,
        Report { failed: vec![PartFailed { id: assignment.id, failure, effort }], ..Report::default() },
    );
    world.run();
    let counters = *world.machine.counters();
    let ended = world.ended.expect("it has ended");
    assert_eq!((ended.requests.list.sent, ended.requests.get.sent, ended.requests.bytes_received), (2, 3, 9));
    let bars = &ended.timeline.bars;
    assert_eq!(bars.len() as u64, counters.attempts_granted);
    let failed = bars.iter().find(|bar| bar.end == End::Failed).expect("one failed");
    assert_eq!((failed.began_ms, failed.ended_ms), (2_300, 3_000));
    assert_eq!(bars.iter().filter(|bar| bar.end == End::Done).count() as u64, counters.attempts_done);
    assert_eq!((counters.jobs_submitted, counters.jobs_completed, counters.attempts_failed), (1, 1, 1));
    assert_eq!(counters.entries_archived, 4);
}

#[test]
fn requests_counted_never_go_back_however_nodes_come_and_go() {
    let mut machine = Machine::default();
    let hello = |name: &str| Hello {
        name: name.into(),
        resume: None,
        version: "test".into(),
        cores: 1,
        body_budget_bytes: 64 * MIB,
        network_bytes_per_second: 0,
    };
    let report = |sent: u64, throttled: u64| {
        let get = Sent { sent, throttled, failed: 0 };
        let requests = RequestCounts { get, bytes_received: 10 * sent, ..Default::default() };
        Report { vitals: Vitals { requests, ..Default::default() }, ..Default::default() }
    };
    let (one, two, again) = (NodeId(1), NodeId(2), NodeId(3));
    let events = [
        (Event::NodeJoined(one, hello("one")), 0),
        (Event::NodeJoined(two, hello("two")), 0),
        (Event::Reported(one, report(5, 1)), 5),
        (Event::Reported(two, report(7, 0)), 12),
        (Event::Reported(one, report(6, 1)), 13),
        (Event::NodeLost(one), 13),
        // Late, from a node that is gone.
        (Event::Reported(one, report(9, 1)), 13),
        (Event::NodeJoined(again, hello("one")), 13),
        (Event::Reported(again, report(2, 0)), 15),
        (Event::NodeDisconnected(two), 15),
        (Event::NodeReconnected(two), 15),
        (Event::Reported(two, report(7, 0)), 15),
        // Its program began to count anew.
        (Event::Reported(two, report(1, 1)), 16),
    ];
    for (now_ms, (event, counted)) in events.into_iter().enumerate() {
        machine.handle(event.clone(), now_ms as u64);
        let requests = machine.counters().requests;
        assert_eq!((requests.get.sent, requests.bytes_received), (counted, 10 * counted), "{event:?}");
    }
    assert_eq!(machine.counters().requests.get.throttled, 2);
    assert_eq!(machine.counters().nodes_joined, 3);
}

#[test]
fn processor_time_of_nodes_counts_from_when_they_joined() {
    let mut machine = Machine::default();
    let hello = Hello {
        name: "one".into(),
        resume: None,
        version: "test".into(),
        cores: 1,
        body_budget_bytes: 64 * MIB,
        network_bytes_per_second: 0,
    };
    let report = |cpu_ms| Report { vitals: Vitals { cpu_ms, ..Default::default() }, ..Default::default() };
    let (one, again) = (NodeId(1), NodeId(2));
    let events = [
        (Event::NodeJoined(one, hello.clone()), 0),
        (Event::Reported(one, report(5_000)), 0),
        (Event::Reported(one, report(5_020)), 20),
        (Event::NodeLost(one), 20),
        // The same process under a new session: what it told before is not counted twice.
        (Event::NodeJoined(again, hello), 20),
        (Event::Reported(again, report(5_030)), 20),
        (Event::Reported(again, report(5_070)), 60),
        // Neither a count that goes back nor one that cannot be takes anything away.
        (Event::Reported(again, report(0)), 60),
        (Event::Reported(again, report(u64::MAX)), u64::MAX),
    ];
    for (now_ms, (event, counted)) in events.into_iter().enumerate() {
        machine.handle(event.clone(), now_ms as u64);
        assert_eq!(machine.counters().nodes_cpu_ms, counted, "{event:?}");
    }
}

#[test]
fn a_node_that_is_dismissed_is_told_to_leave() {
    let mut world = World::default();
    world.join(1, 64);
    let (node, view) = world.machine.node("n1").expect("it is there");
    assert_eq!((node, view.name), (NodeId(1), "n1".to_owned()));
    assert!(world.machine.node("n2").is_none());
    assert_eq!(world.machine.handle(Event::Dismissed(node), 0), [Effect::Order(node, Order::Drain)]);
}
