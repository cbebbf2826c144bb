//! UploadPartCopy and CopyObject.

use aws_sdk_s3::operation::upload_part_copy::builders::UploadPartCopyFluentBuilder;
use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::{ChecksumAlgorithm, MetadataDirective};
use simulations_s3::{Algorithm, PutAttributes, Rope, TwinOptions};

use crate::world::{BUCKET, FULL, PART, UNDECLARED, World, base64_crc32, is, message, parts, refusal};

impl World {
    fn copy(&self, id: &str, number: i32, source: &str) -> UploadPartCopyFluentBuilder {
        let copy = self.client.upload_part_copy().bucket(BUCKET).key("target").upload_id(id);
        copy.part_number(number).copy_source(source)
    }
}

#[tokio::test]
async fn the_server_tells_the_checksum_of_what_it_copied() {
    let world = World::new().await;
    let source = Rope::synthetic(3, 20_000_000);
    // Stored with another algorithm, which does not matter.
    world.put("source", source.clone());
    let id = world.create("target", FULL).await;
    let copied =
        world.copy(&id, 1, "bucket/source").copy_source_range("bytes=7-10000006").send().await.unwrap();
    let result = copied.copy_part_result.unwrap();
    assert_eq!(result.checksum_crc32(), Some(base64_crc32(&source.slice(7..10_000_007)).as_str()));
    assert!(result.e_tag().is_some() && result.last_modified().is_some());
    let whole = world.copy(&id, 2, "bucket/source").send().await.unwrap().copy_part_result.unwrap();
    assert_eq!(whole.checksum_crc32(), Some(base64_crc32(&source).as_str()));
    let complete = world.client.complete_multipart_upload().bucket(BUCKET).key("target").upload_id(&id);
    let part = |number, etag: &aws_sdk_s3::types::CopyPartResult| {
        aws_sdk_s3::types::CompletedPart::builder().part_number(number).set_e_tag(etag.e_tag.clone()).build()
    };
    complete.multipart_upload(parts([part(1, &result), part(2, &whole)])).send().await.unwrap();
    let target = world.twin.object(BUCKET, "target").unwrap();
    assert!(target.content == Rope::concat(&[source.slice(7..10_000_007), source]));
    assert_eq!(target.content.resident(), 0);
}

#[tokio::test]
async fn a_server_may_not_tell_it() {
    let options = TwinOptions { copy_returns_checksum: false, ..TwinOptions::default() };
    let world = World::with(options).await;
    world.put("source", "content");
    let id = world.create("target", FULL).await;
    let copied = world.copy(&id, 1, "bucket/source").send().await.unwrap();
    assert_eq!(copied.copy_part_result.unwrap().checksum_crc32, None);
}

#[tokio::test]
async fn ranges_of_copies_are_strict() {
    let world = World::new().await;
    world.put("source", "0123456789");
    let id = world.create("target", UNDECLARED).await;
    for range in ["bytes=0-0", "bytes=0-9", "bytes=9-9"] {
        world.copy(&id, 1, "bucket/source").copy_source_range(range).send().await.unwrap();
    }
    let wrong = [
        "bytes=0-",
        "bytes=-5",
        "bytes=0-1,3-4",
        "bytes=5-4",
        "0-9",
        "bytes=a-b",
        "bytes=+1-2",
        "bytes=0-10",
        "bytes=10-10",
    ];
    for range in wrong {
        let copy = world.copy(&id, 1, "bucket/source").copy_source_range(range).send().await;
        assert_eq!(refusal(copy), is(400, "InvalidArgument"), "{range}");
    }
}

#[tokio::test]
async fn conditions_on_the_source() {
    let world = World::new().await;
    world.put("source", "content");
    let etag = world.twin.object(BUCKET, "source").unwrap().etag;
    let quoted = format!("\"{etag}\"");
    let id = world.create("target", UNDECLARED).await;
    let copy = || world.copy(&id, 1, "bucket/source");
    let (past, future) = (DateTime::from_secs(0), DateTime::from_secs(4_000_000_000));
    copy().copy_source_if_match(&quoted).send().await.unwrap();
    copy().copy_source_if_none_match("\"other\"").send().await.unwrap();
    copy().copy_source_if_modified_since(past).send().await.unwrap();
    copy().copy_source_if_unmodified_since(future).send().await.unwrap();
    let failing = [
        copy().copy_source_if_match("\"other\""),
        // The right one, but without quotes.
        copy().copy_source_if_match(etag),
        copy().copy_source_if_none_match(quoted),
        copy().copy_source_if_modified_since(future),
        copy().copy_source_if_unmodified_since(past),
    ];
    for (i, copy) in failing.into_iter().enumerate() {
        assert_eq!(refusal(copy.send().await), is(412, "PreconditionFailed"), "case {i}");
    }
}

#[tokio::test]
async fn sources_are_percent_encoded() {
    let world = World::new().await;
    world.put("a+b c/ü%.bin", "content");
    let id = world.create("target", UNDECLARED).await;
    world.copy(&id, 1, "bucket/a%2Bb%20c/%C3%BC%25.bin").send().await.unwrap();
    world.copy(&id, 1, "/bucket/a+b%20c%2F%C3%BC%25.bin").send().await.unwrap();
    assert_eq!(refusal(world.copy(&id, 1, "bucket/missing").send().await), is(404, "NoSuchKey"));
    assert_eq!(refusal(world.copy(&id, 1, "missing/key").send().await), is(404, "NoSuchBucket"));
    assert_eq!(refusal(world.copy("other", 1, "bucket/key").send().await), is(404, "NoSuchUpload"));
    assert_eq!(refusal(world.copy(&id, 0, "bucket/key").send().await), is(400, "InvalidArgument"));
}

#[tokio::test]
async fn five_gibibytes_at_most() {
    let world = World::new().await;
    world.put("limit", Rope::synthetic(1, 5 << 30));
    world.put("larger", Rope::synthetic(1, (5 << 30) + 1));
    let id = world.create("target", FULL).await;
    world.copy(&id, 1, "bucket/limit").send().await.unwrap();
    let larger = || world.copy(&id, 2, "bucket/larger");
    assert!(message(larger().send().await).contains("5368709120"));
    assert_eq!(refusal(larger().send().await), is(400, "InvalidRequest"));
    larger().copy_source_range(format!("bytes=1-{}", 5_u64 << 30)).send().await.unwrap();
}

#[tokio::test]
async fn whole_objects() {
    let world = World::new().await;
    let attributes =
        PutAttributes { content_type: Some("text/plain".to_owned()), ..PutAttributes::default() };
    world.twin.put_with(BUCKET, "source", Rope::synthetic(1, PART), attributes);
    let copy = |key: &str| world.client.copy_object().bucket(BUCKET).key(key).copy_source("bucket/source");
    copy("same").send().await.unwrap();
    let same = world.twin.object(BUCKET, "same").unwrap();
    assert_eq!(same.content_type.as_deref(), Some("text/plain"));
    assert_eq!(same.checksum.unwrap().algorithm, Algorithm::Crc64Nvme);
    let other = copy("other").checksum_algorithm(ChecksumAlgorithm::Crc32);
    let other =
        other.metadata_directive(MetadataDirective::Replace).content_type("image/png").send().await.unwrap();
    let expected = base64_crc32(&Rope::synthetic(1, PART));
    assert_eq!(other.copy_object_result.unwrap().checksum_crc32, Some(expected));
    let stored = world.twin.object(BUCKET, "other").unwrap();
    assert_eq!(stored.content_type.as_deref(), Some("image/png"));
    assert_eq!(refusal(copy("other").if_none_match("*").send().await), is(412, "PreconditionFailed"));
}
