//! Multipart uploads up to their completion.

use aws_sdk_s3::config::RequestChecksumCalculation;
use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumType};
use simulations_s3::{Rope, TwinOptions};

use crate::world::{
    BUCKET, COMPOSITE, FULL, Terms, UNDECLARED, World, base64_crc32, client_with, is, message, parts, refusal,
};

#[tokio::test]
async fn which_checksum_types_go_with_which_algorithm() {
    use ChecksumAlgorithm as A;
    use ChecksumType::{Composite, FullObject};
    let world = World::new().await;
    let accepted: [(Terms, Terms); 9] = [
        ((Some(A::Crc32), None), COMPOSITE),
        ((Some(A::Crc32), Some(FullObject)), FULL),
        ((Some(A::Crc32C), None), (Some(A::Crc32C), Some(Composite))),
        ((Some(A::Crc32C), Some(FullObject)), (Some(A::Crc32C), Some(FullObject))),
        ((Some(A::Crc64Nvme), None), (Some(A::Crc64Nvme), Some(FullObject))),
        ((Some(A::Crc64Nvme), Some(FullObject)), (Some(A::Crc64Nvme), Some(FullObject))),
        ((Some(A::Sha1), None), (Some(A::Sha1), Some(Composite))),
        ((Some(A::Sha256), Some(Composite)), (Some(A::Sha256), Some(Composite))),
        (UNDECLARED, UNDECLARED),
    ];
    // Left to itself, the SDK asks for CRC32.
    let client =
        client_with(&world.server, "zipfleet", "zipfleet-secret", RequestChecksumCalculation::WhenRequired);
    let create = |terms: Terms| {
        let create = client.create_multipart_upload().bucket(BUCKET).key("key");
        create.set_checksum_algorithm(terms.0).set_checksum_type(terms.1).send()
    };
    for (asked, expected) in accepted {
        let created = create(asked).await.unwrap();
        assert_eq!((created.checksum_algorithm, created.checksum_type), expected);
    }
    let refused: [Terms; 4] = [
        (Some(A::Crc64Nvme), Some(Composite)),
        (Some(A::Sha1), Some(FullObject)),
        (Some(A::Sha256), Some(FullObject)),
        (None, Some(FullObject)),
    ];
    for asked in refused {
        assert_eq!(refusal(create(asked.clone()).await), is(400, "InvalidRequest"), "{asked:?}");
    }
}

#[tokio::test]
async fn parts_are_checked_as_they_come() {
    let world = World::new().await;
    let id = world.create("key", FULL).await;
    let part = |number, id: &str| {
        let part = world.client.upload_part().bucket(BUCKET).key("key").part_number(number).upload_id(id);
        part.body("content".as_bytes().to_vec().into())
    };
    for number in [0, 10_001, -1] {
        assert_eq!(refusal(part(number, &id).send().await), is(400, "InvalidArgument"));
    }
    assert_eq!(refusal(part(1, "other").send().await), is(404, "NoSuchUpload"));
    assert_eq!(refusal(part(1, &id).checksum_crc32("AAAAAA==").send().await), is(400, "BadDigest"));
    let other = part(1, &id).checksum_algorithm(ChecksumAlgorithm::Crc32C).send().await;
    assert_eq!(refusal(other), is(400, "InvalidRequest"));
    let unsigned =
        part(1, &id).checksum_algorithm(ChecksumAlgorithm::Sha256).customize().disable_payload_signing();
    assert_eq!(refusal(unsigned.send().await), is(400, "InvalidRequest"));
    assert_eq!(world.twin.uploads()[0].parts, []);
    part(10_000, &id).send().await.unwrap();
}

#[tokio::test]
async fn checksums_of_parts() {
    let world = World::new().await;
    let client =
        client_with(&world.server, "zipfleet", "zipfleet-secret", RequestChecksumCalculation::WhenRequired);
    let part = |id: &str| {
        let part = client.upload_part().bucket(BUCKET).key("key").part_number(1).upload_id(id);
        part.body("content".as_bytes().to_vec().into())
    };
    let right = base64_crc32(&"content".into());
    // Not sent, S3 computes it; for a composite it must be sent; for an upload without an algorithm it is checked
    // but not kept.
    let full = world.create("key", FULL).await;
    assert_eq!(part(&full).send().await.unwrap().checksum_crc32(), Some(right.as_str()));
    let composite = world.create("key", COMPOSITE).await;
    let missing = part(&composite).send().await;
    assert_eq!(
        message(missing),
        "Checksum Type mismatch occurred, expected checksum Type: crc32, actual checksum Type: null"
    );
    let id =
        client.create_multipart_upload().bucket(BUCKET).key("key").send().await.unwrap().upload_id.unwrap();
    let kept = part(&id).checksum_crc32(right).send().await.unwrap();
    assert_eq!((kept.checksum_crc32(), kept.checksum_crc64_nvme()), (None, None));
    assert_eq!(refusal(part(&id).checksum_crc32("AAAAAA==").send().await), is(400, "BadDigest"));
}

#[tokio::test]
async fn the_last_of_several_with_a_number_counts() {
    let world = World::new().await;
    let id = world.create("key", FULL).await;
    world.part("key", &id, 1, &"first".into()).await;
    let second = world.part("key", &id, 1, &"second".into()).await;
    let parts = &world.twin.uploads()[0].parts;
    assert_eq!(parts.len(), 1);
    assert_eq!(Some(format!("\"{}\"", parts[0].etag)), second.e_tag);
    assert_eq!(parts[0].size, 6);
}

#[tokio::test]
async fn the_same_content_has_the_same_etag() {
    let world = World::new().await;
    let id = world.create("key", FULL).await;
    let content = Rope::synthetic(1, 100_000);
    let etags = [
        world.part("key", &id, 1, &content).await.e_tag,
        world.part("key", &id, 2, &content).await.e_tag,
        world.part("key", &id, 3, &content.slice(0..99_999)).await.e_tag,
    ];
    assert_eq!(etags[0], etags[1]);
    assert_ne!(etags[0], etags[2]);
}

#[tokio::test]
async fn under_kms_each_upload_of_a_part_has_an_etag_of_its_own() {
    let world = World::with(TwinOptions { kms_etags: true, ..TwinOptions::default() }).await;
    let id = world.create("key", FULL).await;
    let content = Rope::synthetic(1, 100_000);
    let first = world.part("key", &id, 1, &content).await;
    let second = world.part("key", &id, 1, &content).await;
    assert_ne!(first.e_tag, second.e_tag);
    let list = world.client.list_parts().bucket(BUCKET).key("key").upload_id(&id).send().await.unwrap();
    assert_eq!(list.parts()[0].e_tag, second.e_tag);
    let complete = || world.client.complete_multipart_upload().bucket(BUCKET).key("key").upload_id(&id);
    let lost = complete().multipart_upload(parts([first])).send().await;
    assert_eq!(refusal(lost), is(400, "InvalidPart"));
    complete().multipart_upload(parts([second])).send().await.unwrap();
    assert!(world.twin.object(BUCKET, "key").unwrap().content == content);
}

#[tokio::test]
async fn listed_parts() {
    let world = World::new().await;
    let id = world.create("key", FULL).await;
    let etag = world.part("key", &id, 3, &Rope::synthetic(7, 3)).await.e_tag;
    for number in [1, 7] {
        world.part("key", &id, number, &Rope::synthetic(7, number as u64)).await;
    }
    let list = || world.client.list_parts().bucket(BUCKET).key("key").upload_id(&id);
    let page = list().max_parts(2).send().await.unwrap();
    let numbers: Vec<_> = page.parts().iter().map(|part| part.part_number().unwrap()).collect();
    assert_eq!((numbers, page.is_truncated()), (vec![1, 3], Some(true)));
    assert_eq!(page.parts()[1].size(), Some(3));
    assert_eq!(page.parts()[1].e_tag(), etag.as_deref());
    assert_eq!(page.parts()[1].checksum_crc32(), Some(base64_crc32(&Rope::synthetic(7, 3)).as_str()));
    assert_eq!(page.checksum_type(), Some(&ChecksumType::FullObject));
    let page = list().part_number_marker(page.next_part_number_marker().unwrap()).send().await.unwrap();
    assert_eq!((page.parts().len(), page.is_truncated()), (1, Some(false)));
    let other = world.client.list_parts().bucket(BUCKET).key("key").upload_id("other").send().await;
    assert_eq!(refusal(other), is(404, "NoSuchUpload"));
}

#[tokio::test]
async fn listed_uploads() {
    let world = World::new().await;
    let mut ids = Vec::new();
    for key in ["b", "a/1", "a/1", "c\u{1}"] {
        ids.push((key, world.create(key, FULL).await));
    }
    ids.sort_unstable();
    let list = || world.client.list_multipart_uploads().bucket(BUCKET);
    let mut seen = Vec::new();
    let mut marker = (None, None);
    loop {
        let page = list().max_uploads(1).set_key_marker(marker.0).set_upload_id_marker(marker.1);
        let page = page.send().await.unwrap();
        let uploads = page.uploads().iter();
        seen.extend(uploads.map(|u| (u.key().unwrap().to_owned(), u.upload_id().unwrap().to_owned())));
        marker = (page.next_key_marker, page.next_upload_id_marker);
        if page.is_truncated != Some(true) {
            break;
        }
    }
    let expected: Vec<_> = ids.iter().map(|(key, id)| ((*key).to_owned(), id.clone())).collect();
    assert_eq!(seen, expected);
    assert_eq!(list().prefix("a/").send().await.unwrap().uploads().len(), 2);
    assert_eq!(list().key_marker("a/1").send().await.unwrap().uploads().len(), 2);
}

#[tokio::test]
async fn an_aborted_upload_leaves_nothing() {
    let world = World::new().await;
    let id = world.create("key", FULL).await;
    world.part("key", &id, 1, &"content".into()).await;
    let abort = || world.client.abort_multipart_upload().bucket(BUCKET).key("key").upload_id(&id).send();
    abort().await.unwrap();
    assert_eq!(world.twin.uploads(), []);
    assert_eq!(refusal(abort().await), is(404, "NoSuchUpload"));
}
