//! Latency, bandwidth and rates.

use std::time::{Duration, Instant};

use simulations_s3::{Model, ModelEntry, Op, ParseModelError, Rope, Setting};

use crate::world::{BUCKET, UNDECLARED, World, bytes, is, refusal};

#[tokio::test]
async fn answers_take_their_latency() {
    let world = World::new().await;
    world.twin.set_model(Model::default().latency(None, Duration::from_millis(50)));
    let start = Instant::now();
    world.client.head_bucket().bucket(BUCKET).send().await.unwrap();
    assert!(start.elapsed() >= Duration::from_millis(50));
}

#[tokio::test]
async fn bodies_take_their_time_in_both_directions() {
    let world = World::new().await;
    let content = Rope::synthetic(1, 400_000);
    world.put("key", content.clone());
    world.twin.set_model(Model::default().bandwidth(None, 4_000_000));
    let at_least = Duration::from_millis(100);
    let start = Instant::now();
    let get = world.client.get_object().bucket(BUCKET).key("key").send().await.unwrap();
    assert!(Rope::from(bytes(get.body).await) == content);
    assert!(start.elapsed() >= at_least);
    let start = Instant::now();
    let put = world.client.put_object().bucket(BUCKET).key("new").body(content.to_bytes().into());
    put.send().await.unwrap();
    assert!(start.elapsed() >= at_least);
    let id = world.create("target", UNDECLARED).await;
    let start = Instant::now();
    let copy = world.client.upload_part_copy().bucket(BUCKET).key("target").upload_id(id).part_number(1);
    copy.copy_source("bucket/key").send().await.unwrap();
    assert!(start.elapsed() >= at_least);
}

#[tokio::test]
async fn connections_take_their_latency_once() {
    let world = World::new().await;
    let latency = Duration::from_millis(200);
    world.twin.set_model(["connect=200ms".parse().unwrap()].into_iter().collect());
    let start = Instant::now();
    world.client.head_bucket().bucket(BUCKET).send().await.unwrap();
    assert!(start.elapsed() >= latency);
    let start = Instant::now();
    world.client.head_bucket().bucket(BUCKET).send().await.unwrap();
    assert!(start.elapsed() < latency);
    assert_eq!(world.twin.connections(), 1);
    world.twin.reset_requests();
    assert_eq!(world.twin.connections(), 0);
}

#[tokio::test]
async fn requests_beyond_the_rate_are_refused() {
    let world = World::new().await;
    world.twin.create_bucket("other");
    world.twin.set_model(Model::default().rate(Op::PutObject, 8.0));
    let put = async |bucket: &str, key: &str| {
        world.client.put_object().bucket(bucket).key(key).body(vec![0; 10].into()).send().await
    };
    put(BUCKET, "1").await.unwrap();
    put(BUCKET, "2").await.unwrap();
    assert_eq!(refusal(put(BUCKET, "3").await), is(503, "SlowDown"));
    put("other", "1").await.unwrap();
    world.client.head_object().bucket(BUCKET).key("2").send().await.unwrap();
    tokio::time::sleep(Duration::from_millis(150)).await;
    put(BUCKET, "4").await.unwrap();
    assert_eq!(world.twin.keys(BUCKET), ["1", "2", "4"]);
    world.twin.set_model(Model::default().rate(None, 0.1));
    put(BUCKET, "5").await.unwrap();
    assert_eq!(refusal(put(BUCKET, "6").await), is(503, "SlowDown"));
}

#[tokio::test]
async fn an_operation_of_its_own_goes_before_all() {
    let entries = ["*=1s", "*=9kB/s", "GetObject=30ms", "GetObject=80MB/s"];
    let model: Model = entries.into_iter().map(|entry| entry.parse::<ModelEntry>().unwrap()).collect();
    let get = model.timing(Op::GetObject);
    assert_eq!((get.latency, get.bandwidth), (Duration::from_millis(30), Some(80_000_000)));
    let put = model.timing(Op::PutObject);
    assert_eq!((put.latency, put.bandwidth), (Duration::from_secs(1), Some(9_000)));
}

#[test]
fn entries_as_text() {
    let entry: ModelEntry = "UploadPartCopy=0.5GB/s".parse().unwrap();
    assert_eq!(entry, ModelEntry { op: Some(Op::UploadPartCopy), setting: Setting::Bandwidth(500_000_000) });
    let entry: ModelEntry = "*=250us".parse().unwrap();
    assert_eq!(entry.setting, Setting::Latency(Duration::from_micros(250)));
    let entry: ModelEntry = "UploadPart=100/s".parse().unwrap();
    assert_eq!(entry, ModelEntry { op: Some(Op::UploadPart), setting: Setting::Rate(100.0) });
    let entry: ModelEntry = "connect=30ms".parse().unwrap();
    assert_eq!(entry.setting, Setting::Connecting(Duration::from_millis(30)));
    assert!(matches!("connect=1/s".parse::<ModelEntry>(), Err(ParseModelError::Latency(_))));
    assert!(matches!("GetObject".parse::<ModelEntry>(), Err(ParseModelError::Form(_))));
    assert!(matches!("Get=1s".parse::<ModelEntry>(), Err(ParseModelError::Op(_))));
    for value in ["", "fast", "10", "10 ms", "0B/s", "-1s", "1.2.3s", "0/s", "/s"] {
        let entry = format!("GetObject={value}").parse::<ModelEntry>();
        assert!(matches!(entry, Err(ParseModelError::Value(_))), "{value}");
    }
}
