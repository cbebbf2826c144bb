//! Reading objects and ranges of them.

use proto::crc::{Crc, StoredChecksum as Stored};
use proto::failure::S3ErrorKind;
use simulations_s3::{Fault, FaultKind, Op, PutAttributes, Rope, StoredChecksum};

use crate::support::{BUCKET, at, read, world};

const SIZE: u64 = 3_000_000;

#[tokio::test]
async fn the_whole_and_ranges() {
    let world = world().await;
    let content = Rope::synthetic(1, SIZE);
    world.twin.put(BUCKET, "k", content.clone());
    let etag = world.s3.head(&at("k")).await.expect("it is there").etag.to_string();
    for range in [None, Some(0..1), Some(0..SIZE), Some(5..SIZE - 7), Some(SIZE - 1..SIZE)] {
        let fetched = world.s3.get(BUCKET, "k", &etag, range.clone()).await.expect("it reads");
        let range = range.unwrap_or(0..SIZE);
        assert_eq!((fetched.bytes, fetched.object_bytes), (range.end - range.start, Some(SIZE)));
        assert_eq!(read(fetched).await.expect("it ends"), content.slice(range).to_bytes());
    }
    let counts = world.s3.requests();
    assert_eq!((counts.get.sent, counts.head.sent), (5, 1));
    assert_eq!(counts.bytes_received, SIZE + 1 + SIZE + SIZE - 12 + 1);
}

#[tokio::test]
async fn an_empty_object() {
    let world = world().await;
    world.twin.put(BUCKET, "empty", Rope::default());
    let etag = world.s3.head(&at("empty")).await.expect("it is there").etag.to_string();
    let fetched = world.s3.get(BUCKET, "empty", &etag, None).await.expect("it reads");
    assert_eq!(fetched.bytes, 0);
    assert!(read(fetched).await.expect("it ends").is_empty());
}

#[tokio::test]
async fn the_stored_checksum_comes_with_whole_reads_only() {
    let world = world().await;
    let composite = StoredChecksum::Crc32Composite { part_sizes: vec![5] };
    let crc32 = Some(Stored::Crc32(0xCBF4_3926));
    let crc64 = Some(Stored::Crc64Nvme(0xAE8B_1486_0A79_9888));
    for (checksum, expected) in [
        (StoredChecksum::Crc32, crc32),
        (StoredChecksum::Crc64Nvme, crc64),
        (composite, None),
        (StoredChecksum::None, None),
    ] {
        let attributes = PutAttributes { checksum, ..PutAttributes::default() };
        world.twin.put_with(BUCKET, "k", Rope::from("123456789"), attributes);
        let etag = world.twin.object(BUCKET, "k").expect("it was put").etag;
        let whole = world.s3.get(BUCKET, "k", &etag, None).await.expect("it reads");
        assert_eq!(whole.stored, expected);
        let range = world.s3.get(BUCKET, "k", &etag, Some(0..9)).await.expect("it reads");
        assert_eq!(range.stored, None);
    }
}

#[tokio::test]
async fn a_changed_object_is_not_read() {
    let world = world().await;
    world.twin.put(BUCKET, "k", Rope::from("before"));
    let etag = world.twin.object(BUCKET, "k").expect("it was put").etag;
    world.twin.put(BUCKET, "k", Rope::from("after!"));
    for range in [None, Some(0..3)] {
        let error = world.s3.get(BUCKET, "k", &etag, range).await.expect_err("it has changed");
        assert_eq!(error.kind(), S3ErrorKind::PreconditionFailed);
        assert!(
            error.to_string().contains("s3://bucket/k: the object has changed since it was listed"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn what_lies_beyond_the_end_is_not_there() {
    let world = world().await;
    world.twin.put(BUCKET, "k", Rope::synthetic(1, SIZE));
    let etag = world.twin.object(BUCKET, "k").expect("it was put").etag;
    for range in [SIZE - 1..SIZE + 1, SIZE..SIZE + 1, SIZE + 7..SIZE + 9] {
        let error = world.s3.get(BUCKET, "k", &etag, Some(range)).await.expect_err("it is shorter");
        assert_eq!(error.kind(), S3ErrorKind::PreconditionFailed, "{error}");
    }
}

#[tokio::test]
async fn broken_bodies_are_errors_and_never_short() {
    for fault in [FaultKind::ResetDuring, FaultKind::Truncate] {
        for range in [None, Some(100..SIZE)] {
            let world = world().await;
            world.twin.put(BUCKET, "k", Rope::synthetic(1, SIZE));
            let etag = world.twin.object(BUCKET, "k").expect("it was put").etag;
            world.twin.add_fault(Fault::new(Op::GetObject, fault));
            let error = match world.s3.get(BUCKET, "k", &etag, range).await {
                Ok(fetched) => read(fetched).await.expect_err("the body breaks"),
                // A reset can overtake the head.
                Err(error) => error,
            };
            assert_eq!(error.kind(), S3ErrorKind::Transient, "{error}");
            assert!(world.s3.requests().bytes_received < SIZE);
        }
    }
}

#[tokio::test]
async fn a_corrupt_body_disagrees_with_the_stored_crc32() {
    let world = world().await;
    let attributes = PutAttributes { checksum: StoredChecksum::Crc32, ..PutAttributes::default() };
    world.twin.put_with(BUCKET, "k", Rope::synthetic(1, SIZE), attributes);
    let etag = world.twin.object(BUCKET, "k").expect("it was put").etag;
    let right = world.s3.get(BUCKET, "k", &etag, None).await.expect("it reads");
    let stored = right.stored;
    assert_eq!(stored, Some(Stored::Crc32(Crc::of(&read(right).await.expect("it ends")).value)));
    world.twin.add_fault(Fault::new(Op::GetObject, FaultKind::Corrupt));
    let wrong = world.s3.get(BUCKET, "k", &etag, None).await.expect("it reads");
    assert_eq!(wrong.stored, stored);
    assert_ne!(Some(Stored::Crc32(Crc::of(&read(wrong).await.expect("it ends")).value)), stored);
}
