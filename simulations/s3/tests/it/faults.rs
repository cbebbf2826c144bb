//! Each kind of fault as a client sees it.

use aws_sdk_s3::config::RequestChecksumCalculation;
use simulations_s3::{Fault, FaultKind, Occasion, Op, ParseFaultError, Rope};

use crate::world::{
    BUCKET, FULL, PART, UNDECLARED, World, base64_crc32, bytes, client_with, is, parts, refusal,
};

#[tokio::test]
async fn errors_before_anything_is_carried_out() {
    let world = World::new().await;
    world.put("key", "content");
    for (kind, expected) in
        [(FaultKind::InternalError, is(500, "InternalError")), (FaultKind::SlowDown, is(503, "SlowDown"))]
    {
        world.twin.clear_faults();
        world.twin.add_fault(Fault::new(None, kind));
        assert_eq!(refusal(world.client.get_object().bucket(BUCKET).key("key").send().await), expected);
        let put = world.client.put_object().bucket(BUCKET).key("new").body(vec![1; 3_000_000].into());
        assert_eq!(refusal(put.send().await), expected);
        assert_eq!(refusal(world.client.head_object().bucket(BUCKET).key("key").send().await).0, expected.0);
    }
    assert_eq!(world.twin.keys(BUCKET), ["key"]);
}

#[tokio::test]
async fn resets_before() {
    let world = World::new().await;
    world.twin.add_fault(Fault::new(Op::PutObject, FaultKind::ResetBefore));
    let put = world.client.put_object().bucket(BUCKET).key("new").body(vec![1; 100].into()).send().await;
    assert!(put.unwrap_err().as_service_error().is_none());
    assert!(world.twin.keys(BUCKET).is_empty());
    assert_eq!(world.twin.requests()["PutObject"], 1, "it arrived all the same");
}

#[tokio::test]
async fn resets_and_truncations_of_a_body() {
    let world = World::new().await;
    world.put("key", Rope::synthetic(1, 3_000_000));
    for kind in [FaultKind::ResetDuring, FaultKind::Truncate] {
        world.twin.clear_faults();
        world.twin.add_fault(Fault::new(Op::GetObject, kind));
        let get = world.client.get_object().bucket(BUCKET).key("key").send().await.unwrap();
        assert_eq!(get.content_length(), Some(3_000_000));
        let mut body = get.body;
        let mut received = 0;
        let ended = loop {
            match body.next().await {
                Some(Ok(data)) => received += data.len(),
                Some(Err(_)) => break "broken",
                None => break "whole",
            }
        };
        assert_eq!(ended, "broken");
        assert!(received < 3_000_000, "{received}");
    }
}

#[tokio::test]
async fn resets_while_an_upload_arrives_leave_nothing() {
    let world = World::new().await;
    let id = world.create("key", FULL).await;
    world.twin.add_fault(Fault::new(None, FaultKind::ResetDuring));
    let part = world.client.upload_part().bucket(BUCKET).key("key").upload_id(&id).part_number(1);
    let part = part.body(vec![1; 2_000_000].into()).send().await;
    assert!(part.unwrap_err().as_service_error().is_none());
    let put = world.client.put_object().bucket(BUCKET).key("new").body(vec![].into()).send().await;
    assert!(put.unwrap_err().as_service_error().is_none());
    assert_eq!(world.twin.uploads()[0].parts, []);
    assert!(world.twin.keys(BUCKET).is_empty());
}

#[tokio::test]
async fn lost_answers_are_carried_out() {
    let world = World::new().await;
    let id = world.create("key", FULL).await;
    let part = world.part("key", &id, 1, &"content".into()).await;
    world.twin.add_fault(Fault::new(Op::CompleteMultipartUpload, FaultKind::LostAnswer));
    let complete = world.client.complete_multipart_upload().bucket(BUCKET).key("key").upload_id(id);
    let lost = complete.clone().multipart_upload(parts([part.clone()])).send().await;
    assert!(lost.unwrap_err().as_service_error().is_none());
    assert_eq!(world.twin.keys(BUCKET), ["key"]);
    world.twin.clear_faults();
    let again = complete.multipart_upload(parts([part])).send().await;
    assert_eq!(refusal(again), is(404, "NoSuchUpload"));
}

#[tokio::test]
async fn copies_whose_answers_are_lost_are_carried_out() {
    let world = World::new().await;
    world.put("source", Rope::synthetic(1, PART));
    let id = world.create("key", FULL).await;
    world.twin.add_fault(Fault::new(Op::UploadPartCopy, FaultKind::LostAnswer));
    let copy = world.client.upload_part_copy().bucket(BUCKET).key("key").upload_id(&id).part_number(1);
    let lost = copy.copy_source("bucket/source").send().await;
    assert!(lost.unwrap_err().as_service_error().is_none());
    assert_eq!(world.twin.uploads()[0].parts[0].size, PART);
}

#[tokio::test]
async fn corrupt_bodies() {
    let world = World::new().await;
    let content = Rope::synthetic(1, 100_000);
    world.put("key", content.clone());
    world.twin.add_fault(Fault::new(None, FaultKind::Corrupt));
    let get =
        world.client.get_object().bucket(BUCKET).key("key").range("bytes=0-99998").send().await.unwrap();
    let received = bytes(get.body).await;
    let expected = content.to_bytes();
    assert_eq!(received.iter().zip(&expected[..]).filter(|(a, b)| a != b).count(), 1);

    // An upload with a checksum is refused; without any, the wrong bytes are stored.
    let put = world.client.put_object().bucket(BUCKET).key("new").body(expected.clone().into());
    let put = put.checksum_crc32(base64_crc32(&content)).customize().disable_payload_signing();
    assert_eq!(refusal(put.send().await), is(400, "BadDigest"));
    let client =
        client_with(&world.server, "zipfleet", "zipfleet-secret", RequestChecksumCalculation::WhenRequired);
    let put = || client.put_object().bucket(BUCKET).key("new").body(expected.clone().into());
    assert_eq!(refusal(put().send().await), is(400, "XAmzContentSHA256Mismatch"));
    put().customize().disable_payload_signing().send().await.unwrap();
    let stored = world.twin.object(BUCKET, "new").unwrap().content.to_bytes();
    assert_eq!(stored.iter().zip(&expected[..]).filter(|(a, b)| a != b).count(), 1);
}

#[tokio::test]
async fn errors_in_answers_with_status_200() {
    let world = World::new().await;
    world.put("source", Rope::synthetic(1, PART));
    let id = world.create("key", UNDECLARED).await;
    let part = world.part("key", &id, 1, &"content".into()).await;
    world.twin.add_fault(Fault::new(None, FaultKind::ErrorIn200));
    let copy = world.client.upload_part_copy().bucket(BUCKET).key("key").upload_id(&id).part_number(2);
    assert_eq!(refusal(copy.copy_source("bucket/source").send().await), is(200, "InternalError"));
    let complete = world.client.complete_multipart_upload().bucket(BUCKET).key("key").upload_id(&id);
    let complete = complete.multipart_upload(parts([part]));
    assert_eq!(refusal(complete.clone().send().await), is(200, "InternalError"));
    world.client.list_objects_v2().bucket(BUCKET).send().await.unwrap();
    world.twin.clear_faults();
    complete.send().await.unwrap();
}

#[tokio::test]
async fn occasions_and_keys() {
    let world = World::new().await;
    world.put("a/1", "x");
    world.put("b", "x");
    let get = async |key: &str| world.client.get_object().bucket(BUCKET).key(key).send().await.is_ok();
    world.twin.add_fault(Fault::new(Op::GetObject, FaultKind::SlowDown).on(Occasion::Nth(2)).keys("a/"));
    world.twin.add_fault(Fault::new(Op::GetObject, FaultKind::SlowDown).on(Occasion::First(1)).keys("b"));
    assert_eq!(world.twin.faults().len(), 2);
    let mut outcomes = Vec::new();
    for key in ["b", "a/1", "b", "a/1", "a/1"] {
        outcomes.push(get(key).await);
    }
    assert_eq!(outcomes, [false, true, true, false, true]);
}

#[tokio::test]
async fn chance_is_seeded() {
    let run = async || {
        let world = World::new().await;
        world.twin.add_fault("HeadBucket:503:0.5".parse().unwrap());
        let mut outcomes = Vec::new();
        for _ in 0..40 {
            outcomes.push(world.client.head_bucket().bucket(BUCKET).send().await.is_ok());
        }
        outcomes
    };
    let outcomes = run().await;
    assert_eq!(outcomes, run().await);
    assert!((5..35).contains(&outcomes.iter().filter(|ok| **ok).count()));
}

#[test]
fn faults_as_text() {
    let fault: Fault = "GetObject:503:0.05".parse().unwrap();
    assert_eq!(fault, Fault::new(Op::GetObject, FaultKind::SlowDown).on(Occasion::Chance(0.05)));
    for kind in
        ["500", "503", "reset-before", "reset-during", "lost-answer", "truncate", "corrupt", "error-in-200"]
    {
        assert_eq!(format!("*:{kind}:1").parse::<Fault>().unwrap().op, None);
    }
    assert!(matches!("GetObject:503".parse::<Fault>(), Err(ParseFaultError::Form(_))));
    assert!(matches!("Get:503:1".parse::<Fault>(), Err(ParseFaultError::Op(_))));
    assert!(matches!("GetObject:503:2".parse::<Fault>(), Err(ParseFaultError::Probability(_))));
    let unknown = "GetObject:burn:1".parse::<Fault>().unwrap_err().to_string();
    assert!(unknown.contains("error-in-200"), "{unknown}");
}
