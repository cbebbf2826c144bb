//! Parts that were uploaded more than once, against the twin.

use bytes::Bytes;
use proto::batch::Upload;
use proto::complete::CompletedPart;
use proto::crc::Crc;
use proto::location::Location;
use proto_s3::{Keys, Options, Progress};
use simulations_s3::{Fault, FaultKind, Occasion, Op, Server, Twin, TwinOptions};
use tokio::net::TcpListener;

use super::*;

const JOB: JobId = JobId(7);
const ONE: PartNumber = PartNumber(1);

struct World {
    twin: Twin,
    s3: S3,
    upload: Upload,
    _server: Server,
}

impl World {
    async fn new(kms_etags: bool) -> Self {
        let twin = Twin::new(TwinOptions { kms_etags, ..TwinOptions::default() });
        twin.create_bucket("out");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
        let server = twin.serve(listener).expect("a bound listener has an address");
        let keys = Keys { access_key_id: "zipfleet".into(), secret_access_key: "zipfleet-secret".into() };
        let endpoint_url = Some(server.endpoint());
        let options = Options { endpoint_url, keys: Some(keys), ..Options::default() };
        let s3 = S3::connect(&options).await.expect("the endpoint is a URL");
        let destination = Location { bucket: "out".into(), key: "a.zip".into() };
        let upload = s3.create_upload(&destination, JOB).await.expect("the bucket is there");
        Self { twin, s3, upload, _server: server }
    }

    async fn upload(&self, number: PartNumber, bytes: &'static [u8]) -> CompletedPart {
        let crc = Crc::of(bytes);
        let sent = Bytes::from_static(bytes);
        let etag = self.s3.upload_part(&self.upload, number, sent, crc, &Progress::default()).await;
        CompletedPart { number, etag: etag.expect("the upload is open"), crc32: crc.value }
    }

    fn completion(&self, part: CompletedPart, contested: Vec<PartNumber>) -> Completion {
        let archive = Crc::of(b"bytes");
        Completion { upload: self.upload.clone(), parts: vec![part], contested, archive, no_overwrite: false }
    }
}

#[tokio::test]
async fn the_etag_that_counts_is_read_back() {
    let world = World::new(true).await;
    let reported = world.upload(ONE, b"bytes").await;
    assert_ne!(world.upload(ONE, b"bytes").await.etag, reported.etag);
    complete(&world.s3, JOB, "archive", world.completion(reported, vec![ONE])).await.unwrap();
    assert!(world.twin.object("out", "a.zip").is_some());
    assert_eq!(world.twin.requests()["CompleteMultipartUpload"], 1);
}

/// The only attempt may have sent a part twice, because S3's answer was lost.
#[tokio::test]
async fn when_s3_holds_something_else_all_parts_are_read_back() {
    let world = World::new(true).await;
    let reported = world.upload(ONE, b"bytes").await;
    world.upload(ONE, b"bytes").await;
    complete(&world.s3, JOB, "archive", world.completion(reported, vec![])).await.unwrap();
    assert_eq!(world.twin.requests()["CompleteMultipartUpload"], 2);
}

#[tokio::test]
async fn what_cannot_be_read_back_is_not_believed() {
    let world = World::new(true).await;
    world.twin.deny("ListParts:out".parse().unwrap());
    let reported = world.upload(ONE, b"bytes").await;
    world.upload(ONE, b"bytes").await;
    let failure = complete(&world.s3, JOB, "archive", world.completion(reported, vec![])).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Corrupt, "{failure}");
}

#[tokio::test]
async fn an_attempt_that_ends_while_the_upload_is_completed_does_no_harm() {
    let world = World::new(true).await;
    let reported = world.upload(ONE, b"bytes").await;
    world.upload(ONE, b"bytes").await;
    // Completing takes three tries; in between another attempt arrives.
    let slow = Fault::new(Op::CompleteMultipartUpload, FaultKind::SlowDown).on(Occasion::First(2));
    world.twin.add_fault(slow);
    let late = async {
        while !world.twin.requests().contains_key("CompleteMultipartUpload") {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        world.upload(ONE, b"bytes").await;
    };
    let completed = complete(&world.s3, JOB, "archive", world.completion(reported, vec![ONE]));
    let (completed, ()) = tokio::join!(completed, late);
    completed.unwrap();
    assert_eq!(world.twin.requests()["ListParts"], 2);
}

#[tokio::test]
async fn other_bytes_are_never_taken_for_the_parts() {
    let world = World::new(true).await;
    let reported = world.upload(ONE, b"bytes").await;
    world.upload(ONE, b"BYTES").await;
    let failure =
        complete(&world.s3, JOB, "archive", world.completion(reported, vec![ONE])).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Corrupt);
    assert!(failure.message.contains("part 1 of s3://out/a.zip holds other bytes"), "{failure}");
    assert_eq!(world.twin.requests().get("CompleteMultipartUpload"), None);
}

#[tokio::test]
async fn a_part_that_is_not_there_is_told() {
    let world = World::new(true).await;
    let mut reported = world.upload(ONE, b"bytes").await;
    reported.number = PartNumber(2);
    let failure = complete(&world.s3, JOB, "archive", world.completion(reported, vec![PartNumber(2)]))
        .await
        .unwrap_err();
    assert!(failure.message.contains("part 2 of s3://out/a.zip is not in S3"), "{failure}");
}

#[tokio::test]
async fn who_may_not_look_completes_with_what_was_reported() {
    let world = World::new(false).await;
    world.twin.deny("ListParts:out".parse().unwrap());
    let reported = world.upload(ONE, b"bytes").await;
    world.upload(ONE, b"bytes").await;
    complete(&world.s3, JOB, "archive", world.completion(reported, vec![ONE])).await.unwrap();
}

#[tokio::test]
async fn contested_parts_are_found_on_any_page() {
    let world = World::new(true).await;
    let mut parts = Vec::new();
    for number in 1..=1_005 {
        parts.push(world.upload(PartNumber(number), b"bytes").await);
    }
    let contested = vec![PartNumber(3), PartNumber(1_002), PartNumber(1_005)];
    let mut now = Vec::new();
    for number in &contested {
        now.push(world.upload(*number, b"bytes").await);
    }
    let part = parts[0].clone();
    let mut completion = Completion { parts: parts.clone(), ..world.completion(part, contested) };
    read_back(&world.s3, &mut completion).await.unwrap();
    for part in now {
        let index = part.number.index();
        parts[index] = part;
    }
    assert_eq!(completion.parts, parts);
    assert_eq!(world.twin.requests()["ListParts"], 2);
}

#[tokio::test]
async fn a_failure_names_what_was_put_together() {
    let world = World::new(false).await;
    world.twin.deny("HeadObject:out".parse().unwrap());
    let lost = Fault::new(Op::CompleteMultipartUpload, FaultKind::LostAnswer);
    world.twin.add_fault(lost.on(Occasion::First(1)));
    let reported = world.upload(ONE, b"bytes").await;
    let completion = world.completion(reported, vec![]);
    let failure = complete(&world.s3, JOB, "segment", completion).await.unwrap_err();
    assert!(failure.message.contains("whether the segment is at s3://out/a.zip"), "{failure}");
}
