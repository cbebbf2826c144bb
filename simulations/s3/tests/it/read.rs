//! GetObject, HeadObject, GetObjectAttributes.

use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::{ChecksumMode, ChecksumType, ObjectAttributes};
use simulations_s3::{PutAttributes, Rope, StoredChecksum};

use crate::world::{BUCKET, PART, UNDECLARED, World, base64_crc32, bytes, is, parts, refusal};

#[tokio::test]
async fn ranges() {
    let world = World::new().await;
    world.put("key", "0123456789");
    let cases = [
        ("bytes=0-0", "0", "bytes 0-0/10"),
        ("bytes=2-5", "2345", "bytes 2-5/10"),
        ("bytes=7-", "789", "bytes 7-9/10"),
        ("bytes=-3", "789", "bytes 7-9/10"),
        ("bytes=-30", "0123456789", "bytes 0-9/10"),
        ("bytes=8-100", "89", "bytes 8-9/10"),
    ];
    for (range, content, content_range) in cases {
        let get = world.client.get_object().bucket(BUCKET).key("key").range(range).send().await.unwrap();
        assert_eq!(get.content_range(), Some(content_range), "{range}");
        assert_eq!(get.content_length(), Some(content.len() as i64), "{range}");
        assert_eq!(get.accept_ranges(), Some("bytes"));
        assert_eq!(bytes(get.body).await, content, "{range}");
        let head = world.client.head_object().bucket(BUCKET).key("key").range(range).send().await.unwrap();
        assert_eq!(head.content_range(), Some(content_range), "{range}");
    }
    for range in ["bytes=10-", "bytes=10-20", "bytes=-0"] {
        let get = world.client.get_object().bucket(BUCKET).key("key").range(range).send().await;
        assert_eq!(refusal(get), is(416, "InvalidRange"), "{range}");
    }
}

#[tokio::test]
async fn the_far_end_of_twenty_gigabytes() {
    let world = World::new().await;
    let size = 20_000_000_000;
    let content = Rope::synthetic(11, size);
    world.put("large", content.clone());
    let range = format!("bytes={}-{}", size - 8_000_000, size - 1);
    let get = world.client.get_object().bucket(BUCKET).key("large").range(range).send().await.unwrap();
    assert!(Rope::from(bytes(get.body).await) == content.slice(size - 8_000_000..size));
}

#[tokio::test]
async fn what_is_not_there() {
    let world = World::new().await;
    let get = world.client.get_object();
    assert_eq!(refusal(get.clone().bucket(BUCKET).key("no").send().await), is(404, "NoSuchKey"));
    assert_eq!(refusal(get.bucket("missing").key("no").send().await), is(404, "NoSuchBucket"));
    let head = world.client.head_object().bucket(BUCKET).key("no").send().await;
    assert_eq!(refusal(head), is(404, "NotFound"));
}

#[tokio::test]
async fn conditions_on_etag_and_date() {
    let world = World::new().await;
    world.put("key", "content");
    let etag = format!("\"{}\"", world.twin.object(BUCKET, "key").unwrap().etag);
    let get = || world.client.get_object().bucket(BUCKET).key("key");
    let (past, future) = (DateTime::from_secs(0), DateTime::from_secs(4_000_000_000));
    get().if_match(&etag).send().await.unwrap();
    get().if_none_match("\"other\"").send().await.unwrap();
    get().if_modified_since(past).send().await.unwrap();
    get().if_unmodified_since(future).send().await.unwrap();
    get().if_match(&etag).if_unmodified_since(past).send().await.unwrap();
    assert_eq!(refusal(get().if_match("\"other\"").send().await), is(412, "PreconditionFailed"));
    assert_eq!(refusal(get().if_unmodified_since(past).send().await), is(412, "PreconditionFailed"));
    assert_eq!(refusal(get().if_none_match(&etag).send().await).0, 304);
    assert_eq!(refusal(get().if_modified_since(future).send().await).0, 304);
    let head = world.client.head_object().bucket(BUCKET).key("key").if_match("\"other\"").send().await;
    assert_eq!(refusal(head).0, 412);
}

#[tokio::test]
async fn a_stored_checksum_is_told_on_request_and_for_the_whole_only() {
    let world = World::new().await;
    let content = Rope::synthetic(2, 1000);
    let attributes = PutAttributes { checksum: StoredChecksum::Crc32, ..PutAttributes::default() };
    world.twin.put_with(BUCKET, "key", content.clone(), attributes);
    let get = || world.client.get_object().bucket(BUCKET).key("key");
    let head = || world.client.head_object().bucket(BUCKET).key("key");
    let told = head().checksum_mode(ChecksumMode::Enabled).send().await.unwrap();
    assert_eq!(told.checksum_crc32(), Some(base64_crc32(&content).as_str()));
    assert_eq!(told.checksum_type(), Some(&ChecksumType::FullObject));
    assert_eq!(head().send().await.unwrap().checksum_crc32(), None);
    let ranged = get().range("bytes=0-9").checksum_mode(ChecksumMode::Enabled).send().await.unwrap();
    assert_eq!((ranged.checksum_crc32(), ranged.checksum_type()), (None, None));
    // The SDK asks for it and validates what it reads.
    let whole = get().send().await.unwrap();
    assert!(Rope::from(bytes(whole.body).await) == content);
}

#[tokio::test]
async fn what_a_writer_said_comes_back() {
    let world = World::new().await;
    let put = world.client.put_object().bucket(BUCKET).key("key").body("x".as_bytes().to_vec().into());
    let put = put.content_type("text/plain").cache_control("no-cache").metadata("note", "of mine");
    put.content_disposition("inline").content_encoding("x-raw").content_language("en").send().await.unwrap();
    let get = world.client.get_object().bucket(BUCKET).key("key").send().await.unwrap();
    assert_eq!(get.content_type(), Some("text/plain"));
    assert_eq!(get.cache_control(), Some("no-cache"));
    assert_eq!(get.content_disposition(), Some("inline"));
    assert_eq!(get.content_encoding(), Some("x-raw"));
    assert_eq!(get.content_language(), Some("en"));
    assert_eq!(get.metadata().unwrap()["note"], "of mine");
    let stored = world.twin.object(BUCKET, "key").unwrap();
    assert_eq!(get.last_modified(), Some(&DateTime::from(stored.last_modified)));
}

#[tokio::test]
async fn a_read_in_flight_keeps_what_it_began_with() {
    let world = World::new().await;
    let before = Rope::synthetic(1, 30_000_000);
    world.put("key", before.clone());
    let get = world.client.get_object().bucket(BUCKET).key("key").send().await.unwrap();
    world.put("key", "after");
    assert!(Rope::from(bytes(get.body).await) == before);
}

#[tokio::test]
async fn single_parts() {
    let world = World::new().await;
    let content = Rope::synthetic(4, 100);
    let checksum = StoredChecksum::Crc32Composite { part_sizes: vec![60, 30] };
    let attributes = PutAttributes { checksum, ..PutAttributes::default() };
    world.twin.put_with(BUCKET, "key", content.clone(), attributes);
    let get = |number| world.client.get_object().bucket(BUCKET).key("key").part_number(number);
    let second = get(2).checksum_mode(ChecksumMode::Enabled).send().await.unwrap();
    assert_eq!((second.content_range(), second.parts_count()), (Some("bytes 60-89/100"), Some(3)));
    assert_eq!(second.checksum_crc32(), Some(base64_crc32(&content.slice(60..90)).as_str()));
    assert_eq!(refusal(get(4).send().await), is(416, "InvalidPartNumber"));
    assert_eq!(refusal(get(1).range("bytes=0-1").send().await), is(400, "InvalidRequest"));
}

#[tokio::test]
async fn attributes_of_an_object_put_whole() {
    let world = World::new().await;
    world.put("key", "content");
    let get = world.client.get_object_attributes().bucket(BUCKET).key("key");
    let all = [
        ObjectAttributes::Etag,
        ObjectAttributes::Checksum,
        ObjectAttributes::ObjectParts,
        ObjectAttributes::ObjectSize,
        ObjectAttributes::StorageClass,
    ];
    let found = get.clone().set_object_attributes(Some(all.to_vec())).send().await.unwrap();
    assert_eq!(
        found.e_tag(),
        Some(world.twin.object(BUCKET, "key").unwrap().etag.as_str()),
        "without quotes"
    );
    assert!(found.checksum().unwrap().checksum_crc64_nvme().is_some());
    assert_eq!(found.object_size(), Some(7));
    assert_eq!(found.storage_class().unwrap().as_str(), "STANDARD");
    assert!(found.object_parts().is_none());
    // As the AWS CLI and boto3 send them.
    let listed =
        get.clone().object_attributes(ObjectAttributes::Etag).customize().mutate_request(|request| {
            request.headers_mut().insert("x-amz-object-attributes", "ETag, ObjectSize");
        });
    let listed = listed.send().await.unwrap();
    assert_eq!((listed.e_tag().is_some(), listed.object_size()), (true, Some(7)));
    let size_only = get.object_attributes(ObjectAttributes::ObjectSize).send().await.unwrap();
    assert_eq!((size_only.e_tag(), size_only.object_size()), (None, Some(7)));
}

#[tokio::test]
async fn attributes_list_the_parts_of_composite_objects_only() {
    let world = World::new().await;
    let content = Rope::synthetic(4, 100);
    let checksum = StoredChecksum::Crc32Composite { part_sizes: vec![60, 30] };
    let attributes = PutAttributes { checksum, ..PutAttributes::default() };
    world.twin.put_with(BUCKET, "composite", content.clone(), attributes);
    let get = |key: &str| {
        let get = world.client.get_object_attributes().bucket(BUCKET).key(key);
        get.object_attributes(ObjectAttributes::ObjectParts).object_attributes(ObjectAttributes::Checksum)
    };
    let first = get("composite").max_parts(2).send().await.unwrap();
    let found = first.object_parts().unwrap();
    assert_eq!((found.total_parts_count(), found.is_truncated()), (Some(3), Some(true)));
    assert_eq!(found.next_part_number_marker(), Some("2"));
    let listed: Vec<_> =
        found.parts().iter().map(|p| (p.part_number().unwrap(), p.size().unwrap())).collect();
    assert_eq!(listed, [(1, 60), (2, 30)]);
    assert_eq!(found.parts()[1].checksum_crc32(), Some(base64_crc32(&content.slice(60..90)).as_str()));
    assert!(first.checksum().unwrap().checksum_crc32().unwrap().ends_with("-3"));
    let second = get("composite").part_number_marker("2").send().await.unwrap();
    let found = second.object_parts().unwrap();
    assert_eq!((found.parts().len(), found.is_truncated()), (1, Some(false)));

    let id = world.create("full", UNDECLARED).await;
    let uploaded = [
        world.part("full", &id, 1, &Rope::synthetic(1, PART)).await,
        world.part("full", &id, 2, &Rope::synthetic(2, 10)).await,
    ];
    let complete = world.client.complete_multipart_upload().bucket(BUCKET).key("full").upload_id(id);
    complete.multipart_upload(parts(uploaded)).send().await.unwrap();
    let full = get("full").send().await.unwrap();
    let found = full.object_parts().unwrap();
    assert_eq!((found.total_parts_count(), found.parts().len()), (Some(2), 0));
}
