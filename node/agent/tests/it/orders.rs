//! Every order, and every way an attempt can be answered.

use std::time::{Duration, Instant};

use node_agent::NodeConfig;
use proto::job::JobId;
use proto::plan::{PartNumber, Piece};
use proto::requests::RequestClass;
use proto::session::{Order, Pace};
use simulations_s3::{Fault, FaultKind, Model, Occasion, Op};

use crate::world::*;

/// As good as never.
const LONG: Duration = Duration::from_secs(600);

#[tokio::test]
async fn granted_parts_are_made_once() {
    let world = World::new().await;
    let mut node = Hand::start(&world, config()).await;
    node.order(world.grant(1..=20)).await;
    node.order(world.grant(11..=30)).await;
    node.hear(30).await;
    assert_eq!(node.told.parts(How::Done), (1..=30).collect::<Vec<_>>());
    assert_eq!(world.uploaded().len(), 30);
    assert_eq!(world.twin.requests()["UploadPart"], 30, "what the node had already was not made again");
    assert_eq!((node.vitals().moved_bytes, node.vitals().left_bytes), (30 * PART_BYTES, 0));
}

/// Attempts are named by their place in the plan, which is not the number in the upload where there are several.
#[tokio::test]
async fn a_part_is_uploaded_under_its_number_in_the_upload() {
    let world = World::new().await;
    let mut node = Hand::start(&world, config()).await;
    let (streamed, copied) = (world.grant(700..=700), world.grant_copy(800, world.body("object"), 0..7));
    for (order, number) in [(streamed, 2), (copied, 3)] {
        let Order::Grant(mut batch) = order else { panic!("it is a grant") };
        batch.assignments[0].work.number = PartNumber(number);
        node.order(Order::Grant(batch)).await;
    }
    node.hear(2).await;
    assert_eq!(node.told.parts(How::Done), [700, 800]);
    assert_eq!(world.uploaded(), [2, 3]);
}

#[tokio::test]
async fn queued_and_begun_attempts_are_revoked() {
    let world = World::new().await;
    world.slow_reads(LONG);
    let mut node = Hand::start(&world, config()).await;
    node.order(world.grant(1..=30)).await;
    requests(&world, Op::GetObject, 4).await;
    node.order(Order::Revoke(vec![id(1), id(2), id(29), id(30), id(99)])).await;
    node.hear(4).await;
    assert_eq!(node.told.parts(How::Returned), [1, 2, 29, 30]);
    node.order(Order::Cancel(JOB)).await;
    node.hear(30).await;
    assert_eq!(node.told.parts(How::Returned), (1..=30).collect::<Vec<_>>());
    assert_eq!((node.vitals().left_bytes, world.uploaded().len()), (0, 0));
    // What they had in hand is free again.
    world.slow_reads(Duration::ZERO);
    node.order(world.grant_of(JobId(8), 31..=50)).await;
    node.hear(50).await;
    assert_eq!(node.told.parts(How::Done), (31..=50).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_cancelled_job_is_returned_and_others_go_on() {
    let world = World::new().await;
    world.slow_reads(Duration::from_millis(100));
    let mut node = Hand::start(&world, config()).await;
    node.order(world.grant(1..=20)).await;
    node.order(world.grant_of(JobId(8), 21..=25)).await;
    requests(&world, Op::GetObject, 2).await;
    node.order(Order::Cancel(JOB)).await;
    node.hear(25).await;
    assert!(node.told.parts(How::Failed).is_empty());
    let other = node.told.answers.iter().filter(|(id, _)| id.job == JobId(8));
    assert!(other.clone().count() == 5 && other.clone().all(|(_, how)| *how == How::Done));
    assert!(!node.told.parts(How::Returned).is_empty());
}

#[tokio::test]
async fn draining_finishes_what_has_begun_and_returns_the_rest() {
    let world = World::new().await;
    world.slow_reads(Duration::from_millis(300));
    let mut node = Hand::start(&world, config()).await;
    node.order(world.grant(1..=30)).await;
    requests(&world, Op::GetObject, 4).await;
    node.node.drain(Instant::now() + LONG);
    node.hear(1).await;
    assert!(node.vitals().is_draining);
    assert_eq!(node.told.parts(How::Done), [0u32; 0], "what has not begun is returned at once");
    node.order(world.grant(31..=31)).await;
    node.hear(31).await;
    node.node.ended().await;
    let done = node.told.parts(How::Done);
    assert!(done.len() >= 4 && done.iter().eq(&(1..=done.len() as u32).collect::<Vec<_>>()), "{done:?}");
    assert_eq!(node.told.parts(How::Returned).len(), 31 - done.len());
    assert_eq!(world.uploaded(), done);
}

#[tokio::test]
async fn draining_ends_at_its_deadline() {
    let world = World::new().await;
    world.slow_reads(LONG);
    let mut node = Hand::start(&world, config()).await;
    node.order(world.grant(1..=10)).await;
    requests(&world, Op::GetObject, 4).await;
    node.node.drain(Instant::now() + Duration::from_millis(200));
    node.hear(10).await;
    node.node.ended().await;
    assert_eq!(node.told.parts(How::Returned).len(), 10);
}

#[tokio::test]
async fn a_node_with_nothing_to_do_says_so_and_leaves_at_once() {
    let world = World::new().await;
    let mut node = Hand::start(&world, config()).await;
    node.hear_once().await;
    assert!(!node.vitals().is_draining && node.vitals().concurrency == 4);
    node.node.drain(Instant::now() + LONG);
    node.node.ended().await;
    while let Some(report) = node.reports.recv().await {
        node.told.take(report);
    }
    assert!(node.vitals().is_draining);
}

#[tokio::test]
async fn an_announced_job_finds_its_connections_open() {
    let world = World::new().await;
    world.twin.set_model(Model::default().latency(Op::HeadBucket, Duration::from_millis(100)));
    world.twin.reset_requests();
    let mut node = Hand::start(&world, config()).await;
    node.order(Order::Warm(JOB, vec![SOURCES.into(), ARCHIVES.into(), "no such bucket".into()])).await;
    requests(&world, Op::HeadBucket, 8).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    let open = world.twin.connections();
    assert!(open >= 4, "{open} connections");
    node.order(world.grant(1..=20)).await;
    node.hear(20).await;
    assert_eq!(world.twin.connections(), open, "no other was needed");
}

#[tokio::test]
async fn connections_are_kept_when_asked_for() {
    let world = World::new().await;
    let mut node = Hand::start(&world, NodeConfig { keep_warm: 3, ..config() }).await;
    node.order(world.grant(1..=1)).await;
    node.hear(1).await;
    requests(&world, Op::HeadBucket, 3).await;
}

#[tokio::test]
async fn refusals_are_heeded_and_told() {
    let world = World::new().await;
    let fault = Fault::new(Op::UploadPart, FaultKind::SlowDown).on(Occasion::First(3));
    world.twin.add_fault(fault);
    let mut node = Hand::start(&world, config()).await;
    node.order(world.grant(1..=10)).await;
    node.hear(10).await;
    let told: Vec<_> = node.told.vitals.iter().flat_map(|vitals| &vitals.throttled).collect();
    assert!(told.iter().all(|told| (told.bucket.as_str(), told.class) == (ARCHIVES, RequestClass::Write)));
    assert_eq!(told.iter().map(|told| told.refused).sum::<u64>(), 3);
    while node.vitals().concurrency > 2 {
        node.hear_once().await;
    }
}

#[tokio::test]
async fn paces_hold_until_they_are_lifted() {
    let world = World::new().await;
    let mut node = Hand::start(&world, config()).await;
    let pace = Pace { bucket: ARCHIVES.into(), place: None, class: RequestClass::Write, millihertz: 1 };
    node.order(Order::Pace(vec![pace])).await;
    node.order(world.grant(1..=5)).await;
    node.hear(1).await;
    // Two heartbeats later nothing more has gone out.
    for _ in 0..2 {
        node.hear_once().await;
    }
    assert_eq!(node.told.answers.len(), 1);
    assert!(node.told.vitals.iter().flat_map(|vitals| &vitals.throttled).any(|told| told.sent == 1));
    node.order(Order::Pace(Vec::new())).await;
    node.hear(5).await;
    assert_eq!(node.told.parts(How::Done).len(), 5);
}

#[tokio::test]
async fn what_is_fetched_again_counts_once() {
    let world = World::new().await;
    let fault = |op| Fault::new(op, FaultKind::ResetDuring).on(Occasion::First(4));
    world.twin.add_fault(fault(Op::GetObject));
    world.twin.add_fault(fault(Op::UploadPart));
    let mut node = Hand::start(&world, config()).await;
    node.order(world.grant(1..=8)).await;
    node.hear(8).await;
    assert_eq!(node.told.parts(How::Done).len(), 8);
    assert_eq!(node.vitals().moved_bytes, 8 * PART_BYTES);
}

#[tokio::test]
async fn an_object_of_another_size_than_listed_is_not_read() {
    let world = World::new().await;
    // A range of it, as of an object of several parts, that lies within the object all the same.
    let mut node = Hand::start(&world, config()).await;
    for (part, said) in [(1, OBJECT_BYTES + 1), (2, 2 * OBJECT_BYTES), (3, OBJECT_BYTES - 1)] {
        let Order::Grant(mut batch) = world.grant([part]) else { panic!("it is a grant") };
        let work = &mut batch.assignments[0].work;
        work.bodies[0].object_bytes = said;
        work.pieces[1] = Piece::Fetch { body: 0, range: 0..OBJECT_BYTES / 2 };
        work.bytes = PART_BYTES - OBJECT_BYTES / 2;
        node.order(Order::Grant(batch)).await;
        node.hear(part as usize).await;
    }
    assert_eq!(node.told.parts(How::Failed), [1, 2, 3]);
    assert_eq!(world.twin.requests()["GetObject"], 3, "nothing is gained by asking again");
}
