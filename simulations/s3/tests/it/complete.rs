//! CompleteMultipartUpload.

use aws_sdk_s3::operation::complete_multipart_upload::builders::CompleteMultipartUploadFluentBuilder;
use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumMode, ChecksumType, CompletedPart};
use simulations_s3::{ChecksumKind, Rope};

use crate::world::{
    BUCKET, COMPOSITE, FULL, PART, Terms, UNDECLARED, World, base64_crc32, is, message, parts, refusal,
};

/// An upload of two parts: 5 MiB and 10 bytes.
struct Uploaded {
    world: World,
    id: String,
    parts: Vec<CompletedPart>,
    content: Rope,
}

impl Uploaded {
    async fn new(terms: Terms) -> Self {
        Self::numbered(terms, [1, 2]).await
    }

    async fn numbered(terms: Terms, numbers: [i32; 2]) -> Self {
        let world = World::new().await;
        let algorithm = terms.0.clone().unwrap_or(ChecksumAlgorithm::Crc32);
        let id = world.create("key", terms).await;
        let contents = [Rope::synthetic(1, PART), Rope::from("0123456789")];
        let mut parts = Vec::new();
        for (number, content) in numbers.into_iter().zip(&contents) {
            parts.push(world.part_with("key", &id, number, content, algorithm.clone()).await);
        }
        Self { world, id, parts, content: Rope::concat(&contents) }
    }

    fn complete(
        &self,
        claimed: impl IntoIterator<Item = CompletedPart>,
    ) -> CompleteMultipartUploadFluentBuilder {
        let complete = self.world.client.complete_multipart_upload().bucket(BUCKET).key("key");
        complete.upload_id(&self.id).multipart_upload(parts(claimed))
    }

    fn all(&self) -> CompleteMultipartUploadFluentBuilder {
        self.complete(self.parts.clone())
    }
}

/// A part as Complete is told of it when nobody kept its checksum.
fn without_checksum(part: &CompletedPart) -> CompletedPart {
    CompletedPart::builder().set_part_number(part.part_number).set_e_tag(part.e_tag.clone()).build()
}

#[tokio::test]
async fn the_object_is_the_parts_and_the_upload_is_gone() {
    let up = Uploaded::new(FULL).await;
    let crc = base64_crc32(&up.content);
    let complete = up.all().checksum_crc32(&crc).checksum_type(ChecksumType::FullObject);
    let done = complete.mpu_object_size(PART as i64 + 10).if_none_match("*").send().await.unwrap();
    let object = up.world.twin.object(BUCKET, "key").unwrap();
    assert!(object.content == up.content);
    assert!(object.etag.len() == 34 && object.etag.ends_with("-2"), "{}", object.etag);
    assert_eq!(done.e_tag(), Some(format!("\"{}\"", object.etag).as_str()));
    assert_eq!(
        (done.checksum_crc32(), done.checksum_type()),
        (Some(crc.as_str()), Some(&ChecksumType::FullObject))
    );
    let stored = object.checksum.unwrap();
    assert_eq!((stored.value, stored.kind), (crc.clone(), ChecksumKind::FullObject));
    assert_eq!(up.world.twin.uploads(), []);
    assert_eq!(refusal(up.all().send().await), is(404, "NoSuchUpload"));
    let head = up.world.client.head_object().bucket(BUCKET).key("key").checksum_mode(ChecksumMode::Enabled);
    assert_eq!(head.send().await.unwrap().checksum_crc32(), Some(crc.as_str()));
}

#[tokio::test]
async fn what_the_creator_said_is_kept() {
    let world = World::new().await;
    let create = world.client.create_multipart_upload().bucket(BUCKET).key("key");
    let created = create.content_type("application/zip").metadata("job", "7").send().await.unwrap();
    let id = created.upload_id.unwrap();
    let part = world.part("key", &id, 1, &"content".into()).await;
    let complete = world.client.complete_multipart_upload().bucket(BUCKET).key("key").upload_id(id);
    complete.multipart_upload(parts([part])).send().await.unwrap();
    let object = world.twin.object(BUCKET, "key").unwrap();
    assert_eq!(object.content_type.as_deref(), Some("application/zip"));
    assert_eq!(object.metadata["job"], "7");
}

#[tokio::test]
async fn parts_that_are_not_there() {
    let up = Uploaded::new(FULL).await;
    let changed = |change: fn(CompletedPart) -> CompletedPart| {
        let [first, second] = [up.parts[0].clone(), change(up.parts[1].clone())];
        up.complete([first, second])
    };
    let other_etag = changed(|mut part| {
        part.e_tag = Some("\"00000000000000000000000000000000\"".to_owned());
        part
    });
    let other_checksum = changed(|mut part| {
        part.checksum_crc32 = Some("AAAAAA==".to_owned());
        part
    });
    let unknown = up.complete([up.parts[0].clone(), up.parts[1].clone(), {
        CompletedPart::builder().part_number(3).e_tag("\"a\"").build()
    }]);
    for complete in [other_etag, other_checksum, unknown] {
        assert_eq!(refusal(complete.send().await), is(400, "InvalidPart"));
    }
    // After all of these it can still be completed, and without quotes too.
    let bare = up.parts.iter().map(|part| {
        let etag = part.e_tag().unwrap().trim_matches('"').to_owned();
        CompletedPart::builder().set_part_number(part.part_number).e_tag(etag).build()
    });
    up.complete(bare).send().await.unwrap();
}

#[tokio::test]
async fn parts_out_of_order() {
    let up = Uploaded::new(FULL).await;
    let [first, second] = [up.parts[0].clone(), up.parts[1].clone()];
    let cases = [vec![second.clone(), first.clone()], vec![first.clone(), first], vec![second]];
    for case in cases {
        assert_eq!(refusal(up.complete(case).send().await), is(400, "InvalidPartOrder"));
    }
    assert_eq!(refusal(up.complete([]).send().await), is(400, "MalformedXML"));
}

#[tokio::test]
async fn gaps_are_for_uploads_without_a_checksum() {
    let up = Uploaded::numbered(FULL, [1, 3]).await;
    assert_eq!(refusal(up.all().send().await), is(400, "InvalidPartOrder"));
    let up = Uploaded::numbered((Some(ChecksumAlgorithm::Crc64Nvme), None), [2, 900]).await;
    let claimed: Vec<_> = up.parts.iter().map(without_checksum).collect();
    up.complete(claimed).send().await.unwrap();
}

#[tokio::test]
async fn all_parts_but_the_last_have_five_mebibytes() {
    let world = World::new().await;
    let id = world.create("key", FULL).await;
    let small = world.part("key", &id, 1, &Rope::synthetic(1, PART - 1)).await;
    let last = world.part("key", &id, 2, &"x".into()).await;
    let complete = world.client.complete_multipart_upload().bucket(BUCKET).key("key").upload_id(id);
    let both = complete.clone().multipart_upload(parts([small.clone(), last])).send().await;
    assert_eq!(refusal(both), is(400, "EntityTooSmall"));
    complete.multipart_upload(parts([small])).send().await.unwrap();
}

#[tokio::test]
async fn the_size_is_held_against_what_is_claimed() {
    let up = Uploaded::new(FULL).await;
    let said = message(up.all().mpu_object_size(17).send().await);
    assert!(said.contains("17") && said.contains(&(PART + 10).to_string()), "{said}");
    assert_eq!(refusal(up.all().mpu_object_size(17).send().await), is(400, "InvalidRequest"));
}

#[tokio::test]
async fn a_checksum_of_the_whole_counts_only_with_its_type() {
    let up = Uploaded::new(FULL).await;
    let right = base64_crc32(&up.content);
    let cases = [
        (up.all().checksum_crc32("AAAAAA==").checksum_type(ChecksumType::FullObject), "BadDigest"),
        (up.all().checksum_crc32(&right), "BadDigest"),
        (up.all().checksum_crc32(&right).checksum_type(ChecksumType::Composite), "InvalidRequest"),
    ];
    for (complete, code) in cases {
        assert_eq!(refusal(complete.send().await), is(400, code));
    }
    let claimed: Vec<_> = up.parts.iter().map(without_checksum).collect();
    let complete = up.complete(claimed).checksum_crc32(&right).checksum_type(ChecksumType::FullObject);
    complete.send().await.unwrap();
}

#[tokio::test]
async fn a_composite_needs_the_checksum_of_every_part() {
    let up = Uploaded::new(COMPOSITE).await;
    let missing = up.complete([up.parts[0].clone(), without_checksum(&up.parts[1])]).send().await;
    assert!(message(missing).contains("missing for part 2"));
    let done = up.all().send().await.unwrap();
    assert_eq!(done.checksum_type(), Some(&ChecksumType::Composite));
    assert!(done.checksum_crc32().unwrap().ends_with("-2"));
}

#[tokio::test]
async fn an_upload_without_an_algorithm_gets_a_crc64() {
    let world = World::new().await;
    let client = crate::world::client_with(
        &world.server,
        "zipfleet",
        "zipfleet-secret",
        aws_sdk_s3::config::RequestChecksumCalculation::WhenRequired,
    );
    let id =
        client.create_multipart_upload().bucket(BUCKET).key("key").send().await.unwrap().upload_id.unwrap();
    let content = [Rope::synthetic(1, PART), Rope::synthetic(2, 99)];
    let mut claimed = Vec::new();
    for (number, content) in [2, 5].into_iter().zip(&content) {
        claimed.push(without_checksum(&world.part("key", &id, number, content).await));
    }
    let complete = world.client.complete_multipart_upload().bucket(BUCKET).key("key").upload_id(id);
    complete.multipart_upload(parts(claimed)).send().await.unwrap();
    // The SDK validates the CRC64NVME of what it reads.
    let get = world.client.get_object().bucket(BUCKET).key("key").send().await.unwrap();
    assert!(get.checksum_crc64_nvme().is_some());
    assert!(Rope::from(crate::world::bytes(get.body).await) == Rope::concat(&content));
}

#[tokio::test]
async fn no_overwriting_when_asked() {
    let up = Uploaded::new(UNDECLARED).await;
    up.world.put("key", "there");
    let complete = || up.all().if_none_match("*").send();
    assert_eq!(refusal(complete().await), is(412, "PreconditionFailed"));
    assert_eq!(up.world.twin.uploads().len(), 1, "the upload is still alive");
    up.world.twin.delete(BUCKET, "key");
    // Deleted since the upload was created, which burns it.
    assert_eq!(refusal(complete().await), is(409, "ConditionalRequestConflict"));
    assert_eq!(refusal(complete().await), is(409, "ConditionalRequestConflict"));
    up.all().send().await.unwrap();
}

#[tokio::test]
async fn overwriting_only_what_one_knows() {
    let world = World::new().await;
    world.put("key", "known");
    let etag = format!("\"{}\"", world.twin.object(BUCKET, "key").unwrap().etag);
    let id = world.create("key", FULL).await;
    let part = world.part("key", &id, 1, &"new".into()).await;
    let complete = |etag: &str| {
        let complete = world.client.complete_multipart_upload().bucket(BUCKET).key("key").upload_id(&id);
        complete.multipart_upload(parts([part.clone()])).if_match(etag).send()
    };
    assert_eq!(refusal(complete("\"other\"").await), is(412, "PreconditionFailed"));
    // The same content, but written since the upload was created.
    world.put("key", "known");
    assert_eq!(refusal(complete(&etag).await), is(409, "ConditionalRequestConflict"));
    world.twin.delete(BUCKET, "key");
    assert_eq!(refusal(complete(&etag).await), is(404, "NoSuchKey"));
    world.put("key", "known");
    let id = world.create("key", FULL).await;
    let part = world.part("key", &id, 1, &"new".into()).await;
    let complete = world.client.complete_multipart_upload().bucket(BUCKET).key("key").upload_id(&id);
    complete.multipart_upload(parts([part])).if_match(etag).send().await.unwrap();
}
