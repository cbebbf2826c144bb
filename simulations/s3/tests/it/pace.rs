//! Latency and bandwidth.

use std::time::{Duration, Instant};

use simulations_s3::{Model, ModelEntry, Op, ParseModelError, Rope, Setting};

use crate::world::{BUCKET, UNDECLARED, World, bytes};

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
    assert!(matches!("GetObject".parse::<ModelEntry>(), Err(ParseModelError::Form(_))));
    assert!(matches!("Get=1s".parse::<ModelEntry>(), Err(ParseModelError::Op(_))));
    for value in ["", "fast", "10", "10 ms", "0B/s", "-1s", "1.2.3s"] {
        let entry = format!("GetObject={value}").parse::<ModelEntry>();
        assert!(matches!(entry, Err(ParseModelError::Value(_))), "{value}");
    }
}
