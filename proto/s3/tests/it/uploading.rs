//! Multipart uploads from beginning to end.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use bytes::Bytes;
use proto::batch::Upload;
use proto::complete::{CompletedPart, Completion};
use proto::crc::{Crc, StoredChecksum};
use proto::failure::{Failure, FailureKind, S3ErrorKind};
use proto::job::JobId;
use proto::plan::PartNumber;
use proto_s3::{PartsPage, Progress, UploadedPart};
use simulations_s3::{Client, Fault, FaultKind, Occasion, Op, Rope, TwinOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{BUCKET, World, answer, at, client, listener, world, world_with};

const KEY: &str = "zips/out +1.zip";
const JOB: JobId = JobId(0xfeed);
const HERE: Client = Client::Address(IpAddr::V4(Ipv4Addr::LOCALHOST));

async fn begun(world: &World) -> Upload {
    world.s3.create_upload(&at(KEY), JOB).await.expect("it begins")
}

fn part(number: u32, bytes: usize) -> (PartNumber, Bytes, Crc) {
    let body = Bytes::from(vec![number as u8; bytes]);
    let crc = Crc::of(&body);
    (PartNumber(number), body, crc)
}

/// An upload of two parts and what completes it.
async fn uploaded(world: &World) -> Completion {
    let upload = begun(world).await;
    let mut completion = Completion {
        upload,
        parts: Vec::new(),
        contested: Vec::new(),
        archive: Crc::EMPTY,
        no_overwrite: false,
    };
    for (number, body, crc) in [part(1, 5 << 20), part(2, 10)] {
        let etag = world
            .s3
            .upload_part(&completion.upload, number, body, crc, &Progress::default())
            .await
            .expect("it uploads");
        completion.parts.push(CompletedPart { number, etag, crc32: crc.value });
        completion.archive = completion.archive.then(crc);
    }
    completion
}

async fn refused(world: &World, completion: &Completion) -> S3ErrorKind {
    let error = world.s3.complete_upload(completion).await.expect_err("it is refused");
    assert_eq!(error.operation(), "CompleteMultipartUpload");
    assert!(error.to_string().contains("s3://bucket/zips/out +1.zip"), "{error}");
    error.kind()
}

#[tokio::test]
async fn from_beginning_to_end() {
    let world = world().await;
    let completion = uploaded(&world).await;
    assert_eq!(world.s3.has_parts(&completion.upload).await, Ok(true));
    let etag = world.s3.complete_upload(&completion).await.expect("it completes");
    let head = world.s3.head(&at(KEY)).await.expect("it is there");
    assert_eq!(head.etag.to_string(), etag);
    assert_eq!(head.size, completion.archive.bytes);
    assert_eq!(head.stored, Some(StoredChecksum::Crc32(completion.archive.value)));
    assert_eq!(head.job, Some(JOB));
    let object = world.twin.object(BUCKET, KEY).expect("it is there");
    assert_eq!(object.content_type.as_deref(), Some("application/zip"));
    assert_eq!(object.content.crc32(), completion.archive.value);
    assert!(world.twin.uploads().is_empty());
    let counts = world.s3.requests();
    assert_eq!(
        (counts.create.sent, counts.upload_part.sent, counts.complete.sent, counts.list_other.sent),
        (1, 2, 1, 1)
    );
    assert_eq!(counts.bytes_sent, completion.archive.bytes);
}

#[tokio::test]
async fn aborting_leaves_nothing_and_may_be_repeated() {
    let world = world().await;
    let upload = begun(&world).await;
    assert_eq!(world.s3.has_parts(&upload).await, Ok(false));
    for _ in 0..2 {
        assert_eq!(world.s3.abort_upload(&upload).await, Ok(()));
    }
    assert!(world.twin.uploads().is_empty());
    let error = world.s3.has_parts(&upload).await.expect_err("it is gone");
    assert_eq!(error.kind(), S3ErrorKind::NoSuchUpload);
    let (number, body, crc) = part(1, 10);
    let error =
        world.s3.upload_part(&upload, number, body, crc, &Progress::default()).await.expect_err("it is gone");
    assert_eq!(error.kind(), S3ErrorKind::NoSuchUpload);
    assert_eq!(world.s3.requests().abort.sent, 2);
}

#[tokio::test]
async fn damaged_parts_are_not_accepted() {
    for fault in [FaultKind::Corrupt, FaultKind::ResetDuring, FaultKind::ResetBefore] {
        let world = world().await;
        let upload = begun(&world).await;
        world.twin.add_fault(Fault::new(Op::UploadPart, fault).on(Occasion::First(1)));
        let (number, body, crc) = part(1, 6 << 20);
        let error = world
            .s3
            .upload_part(&upload, number, body.clone(), crc, &Progress::default())
            .await
            .expect_err("it is damaged");
        assert_eq!(error.kind(), S3ErrorKind::Transient, "{error}");
        assert!(error.to_string().contains("cannot upload part 1 of s3://bucket/zips/"), "{error}");
        assert_eq!(world.s3.requests().bytes_sent, 0);
        world
            .s3
            .upload_part(&upload, number, body, crc, &Progress::default())
            .await
            .expect("the second attempt uploads");
    }
}

#[tokio::test]
async fn progress_is_made_while_a_body_goes_out() {
    let world = world().await;
    let upload = begun(&world).await;
    let (number, body, crc) = part(1, 20 << 20);
    let progress = Progress::default();
    world.twin.throttle(HERE, 0);
    let uploading = world.s3.upload_part(&upload, number, body.clone(), crc, &progress);
    tokio::pin!(uploading);
    let early = tokio::time::timeout(Duration::from_millis(500), &mut uploading).await;
    early.expect_err("nothing gets through");
    // What sockets and the HTTP client hold counts as gone.
    assert!(0 < progress.bytes() && progress.bytes() < 20 << 20, "{}", progress.bytes());
    world.twin.unthrottle(&HERE);
    uploading.await.expect("it uploads");
    assert_eq!(progress.bytes(), 20 << 20);
    world.s3.upload_part(&upload, number, body, crc, &progress).await.expect("it uploads again");
    assert_eq!(progress.bytes(), 40 << 20);
}

#[tokio::test]
async fn a_counted_body_is_sent_as_any_other() {
    let listener = listener().await;
    let s3 = client(&format!("http://{}", listener.local_addr().expect("it is bound"))).await;
    let upload = Upload { destination: at(KEY), upload_id: "id".into() };
    let (number, body, crc) = part(1, 300_000);
    let progress = Progress::default();
    let server = async {
        let (mut socket, _) = listener.accept().await.expect("it connects");
        let mut request = Vec::new();
        while !request.windows(300_000).any(|body| body.iter().all(|byte| *byte == 1)) {
            assert_ne!(socket.read_buf(&mut request).await.expect("it reads"), 0);
        }
        let answer = answer("200 OK", &["etag: \"e\""], "");
        socket.write_all(answer.as_bytes()).await.expect("it writes");
        String::from_utf8_lossy(&request).to_lowercase()
    };
    let (request, sent) = tokio::join!(server, s3.upload_part(&upload, number, body, crc, &progress));
    assert_eq!(sent.as_deref(), Ok("e"));
    assert!(request.contains("\r\ncontent-length: 300000\r\n"), "{request}");
    assert!(request.contains("\r\nx-amz-content-sha256: unsigned-payload\r\n"), "{request}");
    assert!(request.contains("\r\nx-amz-checksum-crc32: "), "{request}");
    for absent in ["transfer-encoding", "aws-chunked", "x-amz-trailer", "x-amz-sdk-checksum-algorithm"] {
        assert!(!request.contains(absent), "{absent}");
    }
}

#[tokio::test]
#[ignore = "waits for the watchdog, which goes by the clock of the machine: 45 s"]
async fn a_body_that_nobody_takes_is_given_up() {
    let listener = listener().await;
    let s3 = client(&format!("http://{}", listener.local_addr().expect("it is bound"))).await;
    let upload = Upload { destination: at(KEY), upload_id: "id".into() };
    let (number, body, crc) = part(1, 64 << 20);
    let start = tokio::time::Instant::now();
    let sent = s3.upload_part(&upload, number, body, crc, &Progress::default()).await;
    assert_eq!(sent.expect_err("it stalls").kind(), S3ErrorKind::Transient);
    assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
}

#[tokio::test]
async fn parts_are_read_back() {
    let options = TwinOptions { kms_etags: true, ..TwinOptions::default() };
    let world = world_with(options).await;
    let upload = begun(&world).await;
    let mut etags = Vec::new();
    for number in [1, 2, 2, 4] {
        let (number, body, crc) = part(number, 100 + number as usize);
        let etag = world.s3.upload_part(&upload, number, body, crc, &Progress::default()).await;
        etags.push(etag.expect("it uploads"));
    }
    assert_ne!(etags[1], etags[2]);
    let page = world.s3.list_parts(&upload, PartNumber(2)).await.expect("it lists");
    let crc = |number: u32| Some(part(number, 100 + number as usize).2.value);
    let expected = [(2, &etags[2]), (4, &etags[3])].map(|(number, etag)| UploadedPart {
        number: PartNumber(number),
        bytes: 100 + u64::from(number),
        etag: etag.clone(),
        crc32: crc(number),
    });
    assert_eq!(page, PartsPage { parts: expected.into(), next: None });
    for first in [0, 1] {
        assert_eq!(world.s3.list_parts(&upload, PartNumber(first)).await.map(|page| page.parts.len()), Ok(3));
    }
    let end = world.s3.list_parts(&upload, PartNumber(5)).await.expect("it lists");
    assert_eq!(end, PartsPage { parts: Vec::new(), next: None });
    assert_eq!(world.s3.requests().list_other.sent, 4);
    world.s3.abort_upload(&upload).await.expect("it aborts");
    let error = world.s3.list_parts(&upload, PartNumber(1)).await.expect_err("it is gone");
    assert_eq!(error.kind(), S3ErrorKind::NoSuchUpload);
}

#[tokio::test]
async fn parts_come_in_pages() {
    let world = world().await;
    let upload = begun(&world).await;
    for number in 1..=1_002 {
        let (number, body, crc) = part(number, 1);
        let sent = world.s3.upload_part(&upload, number, body, crc, &Progress::default()).await;
        sent.expect("it uploads");
    }
    let page = world.s3.list_parts(&upload, PartNumber(1)).await.expect("it lists");
    assert_eq!((page.parts.len(), page.next), (1_000, Some(PartNumber(1_001))));
    let page = world.s3.list_parts(&upload, PartNumber(1_001)).await.expect("it lists");
    assert_eq!((page.parts.len(), page.next), (2, None));
}

#[tokio::test]
async fn a_wrong_archive_never_comes_to_be() {
    let world = world().await;
    let right = uploaded(&world).await;
    let mut wrong_crc = right.clone();
    wrong_crc.archive.value ^= 1;
    let mut wrong_size = right.clone();
    wrong_size.archive.bytes += 1;
    let mut wrong_part = right.clone();
    wrong_part.parts[0].etag = "00000000000000000000000000000000".into();
    let mut unordered = right.clone();
    unordered.parts.reverse();
    for completion in [wrong_crc, wrong_size, wrong_part, unordered] {
        assert_eq!(refused(&world, &completion).await, S3ErrorKind::Mismatch);
        assert!(world.twin.object(BUCKET, KEY).is_none());
    }
    world.s3.complete_upload(&right).await.expect("the right one completes");
}

#[tokio::test]
async fn parts_too_small_are_a_mismatch() {
    let world = world().await;
    let upload = begun(&world).await;
    let mut completion = Completion {
        upload,
        parts: Vec::new(),
        contested: Vec::new(),
        archive: Crc::EMPTY,
        no_overwrite: false,
    };
    for (number, body, crc) in [part(1, 10), part(2, 10)] {
        let etag = world
            .s3
            .upload_part(&completion.upload, number, body, crc, &Progress::default())
            .await
            .expect("it uploads");
        completion.parts.push(CompletedPart { number, etag, crc32: crc.value });
        completion.archive = completion.archive.then(crc);
    }
    assert_eq!(refused(&world, &completion).await, S3ErrorKind::Mismatch);
}

#[tokio::test]
async fn nothing_is_overwritten_when_told_so() {
    let world = world().await;
    world.twin.put(BUCKET, KEY, Rope::from("dear"));
    let mut completion = uploaded(&world).await;
    completion.no_overwrite = true;
    let error = world.s3.complete_upload(&completion).await.expect_err("it is refused");
    assert_eq!(error.kind(), S3ErrorKind::PreconditionFailed);
    assert!(error.to_string().contains("an object at the destination already"), "{error}");
    assert_eq!(Failure::from(error).kind, FailureKind::Destination);
    assert_eq!(world.twin.object(BUCKET, KEY).expect("it is there").content, Rope::from("dear"));

    world.twin.delete(BUCKET, KEY);
    assert_eq!(refused(&world, &completion).await, S3ErrorKind::Conflict);
}

#[tokio::test]
async fn errors_within_a_200_are_seen() {
    let world = world().await;
    let completion = uploaded(&world).await;
    world
        .twin
        .add_fault(Fault::new(Op::CompleteMultipartUpload, FaultKind::ErrorIn200).on(Occasion::First(1)));
    assert_eq!(refused(&world, &completion).await, S3ErrorKind::Transient);
    world.s3.complete_upload(&completion).await.expect("the second attempt completes");
}

#[tokio::test]
async fn a_lost_answer_is_found_out_by_the_job_id() {
    let world = world().await;
    let completion = uploaded(&world).await;
    world
        .twin
        .add_fault(Fault::new(Op::CompleteMultipartUpload, FaultKind::LostAnswer).on(Occasion::First(1)));
    assert_eq!(refused(&world, &completion).await, S3ErrorKind::Transient);
    assert_eq!(world.s3.head(&at(KEY)).await.expect("it is there").job, Some(JOB));
}
