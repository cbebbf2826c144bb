//! Parts that S3 copies by itself, and what it tells of the parts an object was uploaded in.

use proto::batch::Upload;
use proto::crc::{Crc, StoredKind};
use proto::failure::{Failure, FailureKind, S3ErrorKind};
use proto::job::JobId;
use proto::plan::{Body, PartNumber};
use simulations_s3::{Denial, Fault, FaultKind, Op, PutAttributes, Rope, StoredChecksum, TwinOptions};

use crate::support::{BUCKET, World, answer, at, canned, world, world_with};

const SIZE: u64 = 3_000_000;

async fn begun(world: &World) -> Upload {
    world.s3.create_upload(&at("out.zip"), JobId(1)).await.expect("it begins")
}

/// The object at `key` as it is listed now.
fn body(world: &World, key: &str) -> Body {
    let object = world.twin.object(BUCKET, key).expect("it is there");
    let (bucket, key) = (BUCKET.to_owned(), key.to_owned());
    let stored = StoredKind::None;
    Body { bucket, key, etag: object.etag, object_bytes: object.size, stored, rest: Crc::EMPTY }
}

#[tokio::test]
async fn the_whole_and_ranges() {
    let world = world().await;
    let content = Rope::synthetic(1, SIZE);
    world.twin.put(BUCKET, "k", content.clone());
    let (upload, source) = (begun(&world).await, body(&world, "k"));
    let ranges = [0..SIZE, 0..1, 5..SIZE - 7, SIZE - 1..SIZE];
    for (number, range) in (1..).zip(ranges.clone()) {
        let copied = world.s3.copy_part(&upload, PartNumber(number), &source, range.clone()).await;
        let copied = copied.expect("it copies");
        assert_eq!(copied.crc32, Some(content.slice(range).crc32()));
        let part = &world.twin.uploads()[0].parts[number as usize - 1];
        assert_eq!(copied.etag, part.etag);
    }
    let counts = world.s3.requests();
    let bytes: u64 = ranges.iter().map(|range| range.end - range.start).sum();
    assert_eq!((counts.copy.sent, counts.bytes_copied, counts.bytes_sent), (4, bytes, 0));
}

#[tokio::test]
async fn a_server_may_not_tell_the_crc() {
    let world = world_with(TwinOptions { copy_returns_checksum: false, ..TwinOptions::default() }).await;
    world.twin.put(BUCKET, "k", Rope::from("content"));
    let (upload, source) = (begun(&world).await, body(&world, "k"));
    let copied = world.s3.copy_part(&upload, PartNumber(1), &source, 0..7).await.expect("it copies");
    assert_eq!(copied.crc32, None);
}

#[tokio::test]
async fn keys_that_break_careless_clients() {
    let world = world().await;
    let upload = begun(&world).await;
    let keys =
        ["a b", "a+b", "a%2Fb", "%", "?versionId=1", "ü/日本語/😀", "a//b", "/x", "#", "a&b=c", "line\n"];
    for (number, key) in (1..).zip(keys) {
        world.twin.put(BUCKET, key, Rope::from(key.as_bytes().to_vec()));
        let source = body(&world, key);
        let copied = world.s3.copy_part(&upload, PartNumber(number), &source, 0..key.len() as u64).await;
        assert_eq!(copied.expect("it copies").crc32, Some(Crc::of(key.as_bytes()).value), "{key:?}");
    }
}

#[tokio::test]
async fn what_is_no_longer_as_listed_is_not_copied() {
    let world = world().await;
    world.twin.put(BUCKET, "k", Rope::from("before"));
    let (upload, source) = (begun(&world).await, body(&world, "k"));
    let copy = async |source: &Body, range| {
        let error = world.s3.copy_part(&upload, PartNumber(1), source, range).await.expect_err("refused");
        assert_eq!(error.operation(), "UploadPartCopy");
        error
    };
    let longer = Body { object_bytes: 7, ..source.clone() };
    for (source, range) in [(&longer, 1..7), (&source, 6..7)] {
        let beyond = copy(source, range).await;
        assert_eq!(beyond.kind(), S3ErrorKind::PreconditionFailed, "{beyond}");
    }
    world.twin.put(BUCKET, "k", Rope::from("after!"));
    for range in [0..6, 1..3] {
        let changed = copy(&source, range).await;
        assert_eq!(Failure::from(changed.clone()).kind, FailureKind::SourceChanged);
        assert!(changed.to_string().contains("s3://bucket/k: the object has changed"), "{changed}");
    }
    let gone = copy(&Body { key: "gone".into(), ..source.clone() }, 0..6).await;
    assert_eq!(gone.kind(), S3ErrorKind::NoSuchKey);
    assert!(gone.to_string().contains("s3://bucket/gone: no such object"), "{gone}");
    world.s3.abort_upload(&upload).await.expect("it ends");
    assert_eq!(copy(&body(&world, "k"), 0..6).await.kind(), S3ErrorKind::NoSuchUpload);
    assert_eq!(world.s3.requests().bytes_copied, 0);
}

#[tokio::test]
async fn failures_of_copies() {
    let world = world().await;
    world.twin.put(BUCKET, "k", Rope::from("content"));
    let (upload, source) = (begun(&world).await, body(&world, "k"));
    let copy = async || world.s3.copy_part(&upload, PartNumber(1), &source, 0..7).await;
    for (fault, kind) in [
        (FaultKind::ErrorIn200, S3ErrorKind::Transient),
        (FaultKind::LostAnswer, S3ErrorKind::Transient),
        (FaultKind::SlowDown, S3ErrorKind::Throttled),
    ] {
        world.twin.clear_faults();
        world.twin.add_fault(Fault::new(Op::UploadPartCopy, fault));
        assert_eq!(copy().await.expect_err("it fails").kind(), kind, "{fault:?}");
    }
    world.twin.clear_faults();
    copy().await.expect("it copies, again");
    world.twin.deny(Denial { op: Some(Op::GetObject), bucket: BUCKET.into(), key_prefix: String::new() });
    let denied = copy().await.expect_err("denied");
    assert!(denied.to_string().contains("s3:GetObject of the source and s3:PutObject"), "{denied}");
    // An answer without an ETag, as of a server that knows no copies.
    let careless = canned(answer("200 OK", &[], "<CopyPartResult/>")).await;
    let error = careless.copy_part(&upload, PartNumber(1), &source, 0..7).await.expect_err("no ETag");
    assert_eq!(error.kind(), S3ErrorKind::Transient, "{error}");
}

/// An object with CRC-32s of its parts.
fn put_in_parts(world: &World, content: &Rope, part_sizes: Vec<u64>) {
    let checksum = StoredChecksum::Crc32Composite { part_sizes };
    let attributes = PutAttributes { checksum, ..PutAttributes::default() };
    world.twin.put_with(BUCKET, "k", content.clone(), attributes);
}

#[tokio::test]
async fn crcs_of_parts_come_page_by_page() {
    let world = world().await;
    let content = Rope::synthetic(1, 2_500 * 3 + 1);
    put_in_parts(&world, &content, vec![3; 2_500]);
    let source = body(&world, "k");
    let (mut crcs, mut after) = (Vec::new(), None);
    loop {
        let page = world.s3.part_crcs(&source, after).await.expect("it answers").expect("they are told");
        crcs.extend(page.crcs);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(
        (crcs.len(), crcs[2_500].bytes, crcs[7]),
        (2_501, 1, Crc::of(&content.slice(21..24).to_bytes()))
    );
    assert_eq!(crcs.into_iter().fold(Crc::EMPTY, Crc::then).value, content.crc32());
    assert_eq!(world.s3.requests().attributes.sent, 3);
}

#[tokio::test]
async fn crcs_of_parts_that_are_not_told() {
    let world = world().await;
    for checksum in [StoredChecksum::None, StoredChecksum::Crc32, StoredChecksum::Crc64Nvme] {
        let attributes = PutAttributes { checksum, ..PutAttributes::default() };
        world.twin.put_with(BUCKET, "k", Rope::from("content"), attributes);
        assert_eq!(world.s3.part_crcs(&body(&world, "k"), None).await, Ok(None));
    }
    put_in_parts(&world, &Rope::from("content"), vec![3]);
    let source = body(&world, "k");
    for changed in
        [Body { etag: "other".into(), ..source.clone() }, Body { object_bytes: 8, ..source.clone() }]
    {
        let error = world.s3.part_crcs(&changed, None).await.expect_err("it is another");
        assert_eq!(error.kind(), S3ErrorKind::PreconditionFailed);
        assert!(error.to_string().contains("cannot ask for the checksums of s3://bucket/k"), "{error}");
    }
    let op = Some(Op::GetObjectAttributes);
    world.twin.deny(Denial { op, bucket: BUCKET.into(), key_prefix: String::new() });
    let denied = world.s3.part_crcs(&source, None).await.expect_err("denied");
    assert!(denied.to_string().contains("s3:GetObject and s3:GetObjectAttributes"), "{denied}");
}

#[tokio::test]
async fn parts_out_of_order_are_no_answer() {
    let part = |number: u32| {
        format!(
            "<Part><PartNumber>{number}</PartNumber><Size>3</Size><ChecksumCRC32>y/Q5Jg==</ChecksumCRC32></Part>"
        )
    };
    let (bucket, key, etag) = (BUCKET.to_owned(), "k".to_owned(), "e".to_owned());
    let source =
        Body { bucket, key, etag, object_bytes: 6, stored: StoredKind::Crc32OfParts, rest: Crc::EMPTY };
    for (numbers, after, is_good) in [
        ([1, 2], None, true),
        ([2, 1], None, false),
        ([1, 1], None, false),
        ([5, 6], Some(PartNumber(5)), false),
    ] {
        let parts: String = numbers.into_iter().map(part).collect();
        let xml = format!(
            "<GetObjectAttributesResponse><ETag>e</ETag><ObjectSize>6</ObjectSize><ObjectParts>{parts}</ObjectParts></GetObjectAttributesResponse>"
        );
        let s3 = canned(answer("200 OK", &[], &xml)).await;
        let answered = s3.part_crcs(&source, after).await.map_err(|error| error.kind());
        match is_good {
            true => assert_eq!(answered.map(|told| told.map(|told| told.crcs.len())), Ok(Some(2))),
            false => assert_eq!(answered, Err(S3ErrorKind::Transient), "{numbers:?}"),
        }
    }
}
