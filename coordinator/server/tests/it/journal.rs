//! What a coordinator finds of the one before it.

use std::time::Duration;

use bytes::Bytes;
use coordinator_server::{Journal, Recovered};
use proto::batch::Upload;
use proto::crc::Crc;
use proto::failure::FailureKind;
use proto::job::JobId;
use proto::plan::PartNumber;
use proto_s3::Progress;
use serde_json::json;
use simulations_s3::{Fault, FaultKind, Occasion, Op, Rope};

use crate::world::{OUT, STATE, World, at, state};

const JOB: JobId = JobId(7);

fn record(world: &World, upload_id: Option<&str>) {
    let record = json!({
        "job": JOB,
        "destination": at(OUT, "a.zip"),
        "written": 1_700_000_000,
        "upload_id": upload_id,
    });
    put(world, &format!("{JOB}.json"), &record.to_string());
}

fn put(world: &World, name: &str, text: &str) {
    world.twin.put(STATE, &format!("here/uploads/{name}"), Rope::from(text.as_bytes().to_vec()));
}

async fn upload(world: &World) -> Upload {
    let upload = world.s3.create_upload(&at(OUT, "a.zip"), JOB).await.expect("S3 is well");
    let bytes = Bytes::from_static(b"a part");
    let crc = Crc::of(&bytes);
    let uploaded = world.s3.upload_part(&upload, PartNumber(1), bytes, crc, &Progress::default()).await;
    uploaded.expect("S3 is well");
    upload
}

async fn recover(world: &World) -> Recovered {
    let journal = Journal::new(world.s3.clone(), state());
    let (recovered, unswept) = journal.recover().await.expect("the state can be read");
    journal.sweep_late(unswept, Duration::ZERO).await;
    recovered
}

#[tokio::test]
async fn nothing_to_recover() {
    let world = World::new().await;
    assert_eq!(recover(&world).await, Recovered::default());
}

#[tokio::test]
async fn an_unfinished_upload_is_removed() {
    let world = World::new().await;
    let upload = upload(&world).await;
    record(&world, Some(&upload.upload_id));
    // The first abort fails, and another coordinator's upload to the same place is none of ours.
    let other = world.s3.create_upload(&at(OUT, "a.zip"), JobId(8)).await.unwrap();
    world
        .twin
        .add_fault(Fault::new(Op::AbortMultipartUpload, FaultKind::InternalError).on(Occasion::First(1)));
    assert_eq!(recover(&world).await, Recovered { removed: vec![upload], warnings: vec![] });
    let left: Vec<_> = world.twin.uploads().into_iter().map(|upload| upload.upload_id).collect();
    assert_eq!(left, [other.upload_id]);
    assert_eq!(world.twin.keys(STATE), [""; 0]);
    assert_eq!(recover(&world).await, Recovered::default());
}

#[tokio::test]
async fn an_upload_that_is_gone_already_is_done_with() {
    let world = World::new().await;
    let upload = upload(&world).await;
    world.s3.abort_upload(&upload).await.unwrap();
    record(&world, Some(&upload.upload_id));
    assert_eq!(recover(&world).await.warnings, [""; 0]);
    assert_eq!(world.twin.keys(STATE), [""; 0]);
}

#[tokio::test]
async fn an_upload_that_was_never_noted_is_named_and_not_removed() {
    let world = World::new().await;
    record(&world, None);
    let upload = upload(&world).await;
    let recovered = recover(&world).await;
    assert_eq!(recovered.removed, []);
    let [warning] = &recovered.warnings[..] else { panic!("{recovered:?}") };
    assert!(warning.contains("s3://archives/a.zip"), "{warning}");
    assert!(warning.contains(&format!("--upload-id '{}'", upload.upload_id)), "{warning}");
    assert_eq!(world.twin.uploads().len(), 1);
    assert_eq!(world.twin.keys(STATE), [""; 0]);
}

#[tokio::test]
async fn a_record_without_an_upload_is_forgotten() {
    let world = World::new().await;
    record(&world, None);
    assert_eq!(recover(&world).await, Recovered::default());
    assert_eq!(world.twin.keys(STATE), [""; 0]);
}

#[tokio::test]
async fn manifests_and_what_was_being_written_are_removed() {
    let world = World::new().await;
    for key in ["here/manifests/1.ndjson", "here/reports/1.json", "elsewhere/manifests/1.ndjson"] {
        world.twin.put(STATE, key, Rope::from("{}"));
    }
    for key in
        ["here/manifests/2.ndjson", "here/reports/2.json", "here/other", "elsewhere/manifests/2.ndjson"]
    {
        world.s3.create_upload(&at(STATE, key), JOB).await.unwrap();
    }
    assert_eq!(recover(&world).await, Recovered::default());
    assert_eq!(world.twin.keys(STATE), ["elsewhere/manifests/1.ndjson", "here/reports/1.json"]);
    let left: Vec<String> = world.twin.uploads().into_iter().map(|upload| upload.key).collect();
    assert_eq!(left, ["elsewhere/manifests/2.ndjson", "here/other"]);
}

#[tokio::test]
async fn who_may_not_look_for_uploads_recovers_all_the_same() {
    let world = World::new().await;
    world.twin.deny("ListMultipartUploads:state".parse().unwrap());
    let recovered = recover(&world).await;
    assert!(recovered.warnings[0].contains("s3:ListBucketMultipartUploads"), "{recovered:?}");
}

#[tokio::test]
async fn what_is_no_record_is_left_and_named() {
    let world = World::new().await;
    let record = json!({ "job": JOB, "destination": at(OUT, "a"), "written": 0, "upload_id": "x" });
    put(&world, "notes.txt", "hello");
    put(&world, "0000000000000001.json", &record.to_string());
    put(&world, "0000000000000002.json", &"x".repeat(100_000));
    let recovered = recover(&world).await;
    assert_eq!(recovered.warnings.len(), 3, "{recovered:?}");
    assert!(recovered.warnings.iter().all(|warning| warning.contains("left as it is")), "{recovered:?}");
    assert_eq!(world.twin.keys(STATE).len(), 3);
}

#[tokio::test]
async fn an_upload_that_cannot_be_removed_stays_recorded() {
    let world = World::new().await;
    let upload = upload(&world).await;
    record(&world, Some(&upload.upload_id));
    world.twin.deny("AbortMultipartUpload:archives".parse().unwrap());
    let recovered = recover(&world).await;
    assert!(recovered.warnings[0].contains("aws s3api abort-multipart-upload"), "{recovered:?}");
    world.twin.clear_denials();
    assert_eq!(recover(&world).await.removed, [upload]);
}

#[tokio::test]
async fn a_state_that_cannot_be_read_is_a_failure() {
    let world = World::new().await;
    world.twin.deny("ListObjectsV2:state".parse().unwrap());
    let failure = Journal::new(world.s3.clone(), state()).recover().await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Denied);
    assert!(failure.message.contains("state at s3://state/here/ cannot be read"), "{failure}");
}
