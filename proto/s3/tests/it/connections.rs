//! Connections opened and used again, as client and server count them.

use std::time::Duration;

use bytes::Bytes;
use proto::crc::Crc;
use proto::job::JobId;
use proto::plan::PartNumber;
use proto_s3::{Progress, S3};
use simulations_s3::{Fault, FaultKind, Model, Occasion, Op, Rope};
use tokio::task::JoinSet;

use crate::support::{BUCKET, World, at, read, world};

const LATENCY: Duration = Duration::from_millis(200);

/// So many requests at the same time.
async fn wave(s3: &S3, requests: usize) {
    let mut wave = JoinSet::new();
    for _ in 0..requests {
        let s3 = s3.clone();
        wave.spawn(async move { s3.head_bucket(BUCKET).await });
    }
    while let Some(answered) = wave.join_next().await {
        answered.expect("no panic").expect("the bucket is there");
    }
}

fn both(world: &World) -> (u64, u64) {
    (world.s3.requests().connections_opened, world.twin.connections())
}

#[tokio::test]
async fn operations_of_all_kinds_share_connections() {
    let world = world().await;
    world.twin.put(BUCKET, "key", Rope::synthetic(1, 1_000_000));
    let upload = world.s3.create_upload(&at("zip"), JobId(1)).await.expect("it begins");
    for number in 1..=20 {
        let etag = world.s3.head(&at("key")).await.expect("it is there").etag.to_string();
        let body = read(world.s3.get(BUCKET, "key", &etag, None).await.expect("it answers")).await;
        let body: Bytes = body.expect("it arrives");
        let (number, crc) = (PartNumber(number), Crc::of(&body));
        let sent = world.s3.upload_part(&upload, number, body, crc, &Progress::default()).await;
        sent.expect("it uploads");
    }
    assert_eq!(both(&world), (1, 1));
}

#[tokio::test]
async fn requests_at_the_same_time_open_connections_that_later_ones_use() {
    let world = world().await;
    world.twin.set_model(Model::default().latency(None, LATENCY));
    for _ in 0..3 {
        wave(&world.s3, 10).await;
        assert_eq!(both(&world), (10, 10));
    }
    wave(&world.s3.clone(), 15).await;
    assert_eq!(both(&world), (15, 15));
}

#[tokio::test]
async fn connections_that_broke_are_replaced() {
    let world = world().await;
    world.twin.add_fault(Fault::new(Op::HeadBucket, FaultKind::LostAnswer).on(Occasion::First(3)));
    for _ in 0..3 {
        world.s3.head_bucket(BUCKET).await.expect_err("no answer comes");
    }
    world.s3.head_bucket(BUCKET).await.expect("the bucket is there");
    assert_eq!(both(&world), (4, 4));
}

#[tokio::test]
async fn cancelled_requests_had_connections_too() {
    let world = world().await;
    world.twin.set_model(Model::default().latency(None, LATENCY));
    for _ in 0..3 {
        let answer = tokio::time::timeout(LATENCY / 2, world.s3.head_bucket(BUCKET)).await;
        answer.expect_err("it is cancelled");
    }
    world.s3.head_bucket(BUCKET).await.expect("the bucket is there");
    assert_eq!(both(&world), (4, 4));
}
