//! Parts that S3 copies: what is asked for, how their CRC is found, and what can go wrong.

use std::ops::Range;
use std::time::Duration;

use proto::crc::{Crc, StoredKind};
use proto::failure::FailureKind;
use proto::limits::COPY_COST_BYTES;
use proto::part::{Effort, PartDone};
use proto::plan::{Body, Piece, Slot};
use proto::requests::RequestClass;
use proto::session::{Order, Pace};
use simulations_s3::{
    Denial, Fault, FaultKind, Model, Occasion, Op, PutAttributes, Rope, StoredChecksum, TwinOptions,
};

use crate::world::*;

const MB: u64 = 1_000_000;
const SIZE: u64 = 20 * MB;

/// As good as never.
const LONG: Duration = Duration::from_secs(600);

fn content() -> Rope {
    Rope::synthetic(2, SIZE)
}

/// Puts an object with such a checksum, and tells how it is listed.
fn put(world: &World, checksum: StoredChecksum) -> Body {
    let stored = match &checksum {
        StoredChecksum::None => StoredKind::None,
        StoredChecksum::Crc64Nvme => StoredKind::Crc64Nvme,
        StoredChecksum::Crc32 => StoredKind::Crc32,
        StoredChecksum::Crc32Composite { .. } => StoredKind::Crc32OfParts,
    };
    let attributes = PutAttributes { checksum, ..PutAttributes::default() };
    world.twin.put_with(SOURCES, "large", content(), attributes);
    Body { stored, ..world.body("large") }
}

/// A world whose copies do not tell the CRC.
async fn untold() -> World {
    World::with(TwinOptions { copy_returns_checksum: false, ..TwinOptions::default() }).await
}

/// Has one part copied, and tells what came of it.
async fn copy(world: &World, body: Body, range: Range<u64>) -> PartDone {
    let mut node = Hand::start(world, config()).await;
    node.order(world.grant_copy(1, body, range.clone())).await;
    node.hear(1).await;
    assert!(node.told.failed.is_empty(), "{:?}", node.told.failed);
    let done = node.told.done.remove(0);
    let crc = Crc::known(content().slice(range.clone()).crc32(), range.end - range.start);
    assert_eq!((done.crc, &done.bodies), (crc, &vec![crc]));
    assert_eq!(done.etag, world.twin.uploads()[0].parts[0].etag);
    assert_eq!((node.vitals().moved_bytes, node.vitals().left_bytes), (COPY_COST_BYTES, 0));
    done
}

/// Has one part copied, of an object of this kind, without being told its CRC.
async fn copy_untold(checksum: StoredChecksum, range: Range<u64>) -> Effort {
    let world = untold().await;
    let body = put(&world, checksum);
    let effort = copy(&world, body, range.clone()).await.effort;
    assert_eq!((effort.copies, effort.copies_untold), (1, 1));
    assert_eq!(effort.copied_bytes, range.end - range.start);
    effort
}

#[tokio::test]
async fn what_is_copied_moves_no_byte_and_tells_its_crc() {
    for range in [0..SIZE, 0..1, 7..SIZE - 9] {
        let world = World::new().await;
        let body = put(&world, StoredChecksum::Crc64Nvme);
        let effort = copy(&world, body, range.clone()).await.effort;
        let copied = Effort { copies: 1, copied_bytes: range.end - range.start, ..Effort::default() };
        assert_eq!(effort, Effort { worked_ms: effort.worked_ms, ..copied });
        assert_eq!(world.twin.requests().get("GetObject"), None);
    }
}

#[tokio::test]
async fn what_s3_stores_for_the_whole_spares_reading() {
    let effort = copy_untold(StoredChecksum::Crc32, 0..SIZE).await;
    assert_eq!((effort.heads, effort.gets, effort.received_bytes), (1, 0, 0));
    let effort = copy_untold(StoredChecksum::Crc32, 3 * MB..SIZE).await;
    assert_eq!((effort.heads, effort.received_bytes), (1, 3 * MB), "what is in front of it is less");
    for range in [12 * MB..SIZE, 0..10 * MB, MB..2 * MB] {
        let effort = copy_untold(StoredChecksum::Crc32, range.clone()).await;
        assert_eq!((effort.heads, effort.received_bytes), (0, range.end - range.start), "{range:?}");
    }
}

#[tokio::test]
async fn what_s3_stores_for_parts_spares_reading() {
    let in_parts = || StoredChecksum::Crc32Composite { part_sizes: vec![6 * MB; 3] };
    let effort = copy_untold(in_parts(), 0..SIZE).await;
    assert_eq!((effort.attributes, effort.heads, effort.gets), (1, 0, 0));
    let effort = copy_untold(in_parts(), 2 * MB..17 * MB).await;
    assert_eq!((effort.attributes, effort.received_bytes), (1, 7 * MB), "two edges are cut");
    // Page after page, as far as the range goes.
    let small = StoredChecksum::Crc32Composite { part_sizes: vec![5_000; 4_000] };
    assert_eq!(copy_untold(small, MB..8 * MB).await.attributes, 2);
}

#[tokio::test]
async fn without_any_checksum_the_bytes_are_read() {
    for checksum in [StoredChecksum::None, StoredChecksum::Crc64Nvme] {
        let effort = copy_untold(checksum, MB..SIZE).await;
        assert_eq!((effort.attributes, effort.heads, effort.gets), (0, 0, 3));
        assert_eq!(effort.received_bytes, SIZE - MB);
    }
}

#[tokio::test]
async fn what_may_not_be_asked_is_read() {
    let world = untold().await;
    let body = put(&world, StoredChecksum::Crc32Composite { part_sizes: vec![6 * MB; 3] });
    let op = Some(Op::GetObjectAttributes);
    world.twin.deny(Denial { op, bucket: SOURCES.into(), key_prefix: String::new() });
    // Whatever breaks on the way.
    world.twin.add_fault(Fault::new(Op::GetObject, FaultKind::ResetDuring).on(Occasion::First(2)));
    let effort = copy(&world, body, 0..SIZE).await.effort;
    assert_eq!((effort.attributes, effort.gets, effort.received_bytes >= SIZE), (1, 5, true));
}

#[tokio::test]
async fn sources_that_are_not_as_listed_are_named() {
    let world = World::new().await;
    let body = put(&world, StoredChecksum::Crc32);
    let gone = Body { key: "gone".into(), ..body.clone() };
    let shorter = Body { object_bytes: SIZE + 5, ..body.clone() };
    let mut node = Hand::start(&world, config()).await;
    node.order(world.grant_copy(1, gone, 0..SIZE)).await;
    node.order(world.grant_copy(2, shorter, 5..SIZE + 5)).await;
    node.hear(2).await;
    world.twin.put(SOURCES, "large", Rope::synthetic(3, SIZE));
    node.order(world.grant_copy(3, body.clone(), 0..SIZE)).await;
    node.order(world.grant_copy(4, body, MB..SIZE)).await;
    node.hear(4).await;
    assert_eq!(node.told.failed.len(), 4);
    for failed in &node.told.failed {
        assert_eq!(failed.failure.kind, FailureKind::SourceChanged);
        let (object, what) = match failed.id.part.0 {
            1 => ("s3://sources/gone ", "was deleted"),
            _ => ("s3://sources/large ", "changed"),
        };
        let message = &failed.failure.message;
        assert!(message.starts_with(object) && message.contains(what), "{message}");
        assert_eq!((failed.effort.copies, failed.effort.copied_bytes), (1, 0));
    }
}

#[tokio::test]
async fn a_source_that_changes_before_its_crc_is_found_is_named() {
    for checksum in [StoredChecksum::Crc32, StoredChecksum::None] {
        let world = untold().await;
        let body = put(&world, checksum);
        world.twin.set_model(Model::default().latency(Op::UploadPartCopy, Duration::from_millis(300)));
        let mut node = Hand::start(&world, config()).await;
        node.order(world.grant_copy(1, body, 0..SIZE)).await;
        // The copy is carried out before its answer is delayed.
        while world.uploaded().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        world.twin.put(SOURCES, "large", Rope::from("another"));
        node.hear(1).await;
        assert_eq!(node.told.failed[0].failure.kind, FailureKind::SourceChanged);
    }
}

#[tokio::test]
async fn failures_that_pass_are_tried_again() {
    for fault in [FaultKind::ErrorIn200, FaultKind::LostAnswer, FaultKind::SlowDown, FaultKind::InternalError]
    {
        let world = World::new().await;
        let body = put(&world, StoredChecksum::None);
        world.twin.add_fault(Fault::new(Op::UploadPartCopy, fault).on(Occasion::First(2)));
        let effort = copy(&world, body, 0..SIZE).await.effort;
        assert_eq!((effort.copies, effort.copied_bytes), (3, SIZE), "{fault:?}");
    }
}

#[tokio::test]
async fn an_upload_that_was_removed_is_told_as_such() {
    let world = World::new().await;
    let body = put(&world, StoredChecksum::None);
    world.s3.abort_upload(&world.upload).await.expect("it is there");
    let mut node = Hand::start(&world, config()).await;
    node.order(world.grant_copy(1, body, 0..SIZE)).await;
    node.hear(1).await;
    assert_eq!(node.told.failed[0].failure.kind, FailureKind::Destination);
}

#[tokio::test]
async fn any_key_is_copied() {
    let world = World::new().await;
    let mut node = Hand::start(&world, config()).await;
    let keys = ["two words", "a+b", "100%", "a%20b", "?versionId=1", "ü/日本語/😀", "#&=;"];
    for (part, key) in (1..).zip(keys) {
        world.twin.put(SOURCES, key, Rope::from(key.as_bytes().to_vec()));
        node.order(world.grant_copy(part, world.body(key), 0..key.len() as u64)).await;
    }
    node.hear(keys.len()).await;
    for done in &node.told.done {
        assert_eq!(done.crc, Crc::of(keys[done.id.part.index()].as_bytes()));
    }
    assert_eq!(node.told.done.len(), keys.len());
}

#[tokio::test]
async fn copies_keep_to_the_pace_of_their_destination() {
    let world = World::new().await;
    let body = put(&world, StoredChecksum::None);
    let mut node = Hand::start(&world, config()).await;
    let pace = Pace { bucket: ARCHIVES.into(), place: None, class: RequestClass::Write, millihertz: 1 };
    node.order(Order::Pace(vec![pace])).await;
    for part in 1..=5 {
        node.order(world.grant_copy(part, body.clone(), 0..SIZE)).await;
    }
    node.hear(1).await;
    // Two heartbeats later nothing more has gone out.
    for _ in 0..2 {
        node.hear_once().await;
    }
    assert_eq!((node.told.answers.len(), world.twin.requests()["UploadPartCopy"]), (1, 1));
    node.order(Order::Pace(Vec::new())).await;
    node.hear(5).await;
    assert_eq!(node.told.parts(How::Done).len(), 5);
}

#[tokio::test]
async fn copies_do_not_wait_for_what_is_streamed() {
    let world = World::new().await;
    let body = put(&world, StoredChecksum::None);
    world.slow_reads(LONG);
    let mut node = Hand::start(&world, config()).await;
    node.order(world.grant(1..=30)).await;
    requests(&world, Op::GetObject, 4).await;
    for part in 31..=60 {
        node.order(world.grant_copy(part, body.clone(), 0..SIZE)).await;
    }
    node.hear(30).await;
    assert_eq!(node.told.parts(How::Done), (31..=60).collect::<Vec<_>>());
}

#[tokio::test]
async fn copies_are_revoked() {
    let world = World::new().await;
    let body = put(&world, StoredChecksum::None);
    world.twin.set_model(Model::default().latency(Op::UploadPartCopy, LONG));
    let mut node = Hand::start(&world, config()).await;
    for part in 1..=40 {
        node.order(world.grant_copy(part, body.clone(), 0..SIZE)).await;
    }
    requests(&world, Op::UploadPartCopy, 20).await;
    node.order(Order::Cancel(JOB)).await;
    node.hear(40).await;
    assert_eq!(node.told.parts(How::Returned).len(), 40);
    assert_eq!(node.vitals().left_bytes, 0);
}

/// The copy itself compares nothing: the part with the header does, for all objects alike.
#[tokio::test]
async fn a_copied_object_that_disagrees_with_its_stored_checksum_fails_where_its_header_is_made() {
    let world = World::new().await;
    let body = put(&world, StoredChecksum::Crc32);
    let mut node = Hand::start(&world, config()).await;
    let right = Crc::known(content().crc32(), SIZE);
    for (part, rest) in [(1, right), (2, Crc { value: !right.value, ..right })] {
        let header = Piece::Literal { bytes: vec![0; 30], slots: vec![Slot { at: 14, body: 0 }] };
        node.order(world.grant_pieces(part, Body { rest, ..body.clone() }, vec![header])).await;
    }
    node.hear(2).await;
    assert_eq!(node.told.parts(How::Done), [1]);
    let failure = &node.told.failed[0].failure;
    assert_eq!(failure.kind, FailureKind::Corrupt);
    assert!(failure.message.contains("s3://sources/large"), "{failure}");
}

#[tokio::test]
async fn contradictory_copies_are_refused() {
    let world = World::new().await;
    let body = put(&world, StoredChecksum::None);
    let mut node = Hand::start(&world, config()).await;
    let copy = |body, range| Piece::Copy { body, range };
    for (part, pieces) in (1..).zip([
        vec![copy(0, 5..5)],
        vec![copy(0, Range { start: 5, end: 4 })],
        vec![copy(0, 0..SIZE + 1)],
        vec![copy(1, 0..SIZE)],
        vec![copy(0, 0..9), copy(0, 9..12)],
    ]) {
        node.order(world.grant_pieces(part, body.clone(), pieces)).await;
    }
    node.hear(5).await;
    assert_eq!(node.told.failed.len(), 5);
    assert!(node.told.failed.iter().all(|failed| failed.failure.kind == FailureKind::Internal));
    assert_eq!(world.twin.requests().get("UploadPartCopy"), None);
}
