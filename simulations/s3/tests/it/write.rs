//! PutObject, deletes, buckets.

use aws_sdk_s3::config::RequestChecksumCalculation;
use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use simulations_s3::{Algorithm, Rope};

use crate::world::{BUCKET, World, base64_crc32, client_with, is, refusal};

fn body(text: &'static str) -> aws_sdk_s3::primitives::ByteStream {
    text.as_bytes().to_vec().into()
}

#[tokio::test]
async fn the_checksum_that_comes_with_an_object_is_verified_and_kept() {
    let world = World::new().await;
    let put = || world.client.put_object().bucket(BUCKET).key("key").body(body("content"));
    let right = base64_crc32(&"content".into());
    let stored = put().checksum_crc32(&right).send().await.unwrap();
    assert_eq!(stored.checksum_crc32(), Some(right.as_str()));
    let object = world.twin.object(BUCKET, "key").unwrap();
    assert_eq!(object.checksum.unwrap().value, right);
    assert_eq!(refusal(put().checksum_crc32("AAAAAA==").send().await), is(400, "BadDigest"));
    assert_eq!(refusal(put().content_md5("AAAAAAAAAAAAAAAAAAAAAA==").send().await), is(400, "BadDigest"));
    assert_eq!(refusal(put().content_md5("short").send().await), is(400, "InvalidDigest"));
    put().content_md5("mgNkuemcUCTmNMHz0nVvbQ==").send().await.unwrap_err();
}

#[tokio::test]
async fn without_a_checksum_s3_makes_its_own() {
    let world = World::new().await;
    let client =
        client_with(&world.server, "zipfleet", "zipfleet-secret", RequestChecksumCalculation::WhenRequired);
    let put = client.put_object().bucket(BUCKET).key("key").body(body("123456789")).send().await.unwrap();
    // MD5 of the text, and its CRC-64/NVME.
    assert_eq!(put.e_tag(), Some("\"25f9e794323b453885f5181f1b624d0b\""));
    assert_eq!(put.checksum_crc64_nvme(), Some("rosUhgp5mIg="));
    let object = world.twin.object(BUCKET, "key").unwrap();
    assert_eq!(object.checksum.unwrap().algorithm, Algorithm::Crc64Nvme);
}

#[tokio::test]
async fn every_way_to_send_a_body() {
    let world = World::new().await;
    let content = Rope::synthetic(8, 300_000).to_bytes();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &content).unwrap();
    for algorithm in ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"] {
        // From memory in one signed chunk; unsigned; from a file in signed chunks with the checksum behind.
        let put =
            || world.client.put_object().bucket(BUCKET).key(algorithm).checksum_algorithm(algorithm.into());
        put().body(content.clone().into()).send().await.unwrap();
        let unsigned = put().body(content.clone().into()).customize().disable_payload_signing();
        unsigned.send().await.unwrap();
        let stream = aws_sdk_s3::primitives::ByteStream::from_path(file.path()).await.unwrap();
        put().body(stream).send().await.unwrap();
        let object = world.twin.object(BUCKET, algorithm).unwrap();
        assert_eq!(object.content.to_bytes(), content, "{algorithm}");
        assert_eq!(object.checksum.unwrap().algorithm.name(), algorithm);
        assert!(object.content.resident() < 20_000, "interned");
    }
}

#[tokio::test]
async fn conditional_puts() {
    let world = World::new().await;
    let put = |key: &str| world.client.put_object().bucket(BUCKET).key(key).body(body("new"));
    let cases = [
        (put("new").if_none_match("*"), Ok(())),
        (put("new").if_none_match("*"), Err(is(412, "PreconditionFailed"))),
        (put("new").if_match("\"other\""), Err(is(412, "PreconditionFailed"))),
        (put("absent").if_match("\"other\""), Err(is(404, "NoSuchKey"))),
        (put("new").if_match("*"), Err(is(501, "NotImplemented"))),
        (put("new").if_none_match("\"other\""), Err(is(501, "NotImplemented"))),
        (put("new").if_match("\"a\"").if_none_match("*"), Err(is(501, "NotImplemented"))),
    ];
    for (i, (put, expected)) in cases.into_iter().enumerate() {
        let result = put.send().await;
        match expected {
            Ok(()) => assert!(result.is_ok(), "case {i}"),
            Err(expected) => assert_eq!(refusal(result), expected, "case {i}"),
        }
    }
    let etag = world.twin.object(BUCKET, "new").unwrap().etag;
    put("new").if_match(format!("\"{etag}\"")).send().await.unwrap();
}

#[tokio::test]
async fn of_racing_writers_one_wins() {
    let world = World::new().await;
    let mut races = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let put = world.client.put_object().bucket(BUCKET).key("lease").body(body("mine")).if_none_match("*");
        races.spawn(async move { put.send().await.is_ok() });
    }
    let won = races.join_all().await.into_iter().filter(|won| *won).count();
    assert_eq!(won, 1);
}

#[tokio::test]
async fn deletes() {
    let world = World::new().await;
    for key in ["a", "b", "c"] {
        world.put(key, "x");
    }
    let delete = |key: &str| world.client.delete_object().bucket(BUCKET).key(key);
    delete("absent").send().await.unwrap();
    assert_eq!(refusal(delete("a").if_match("\"other\"").send().await), is(412, "PreconditionFailed"));
    delete("a").send().await.unwrap();
    let keys = ["b", "absent"].map(|key| ObjectIdentifier::builder().key(key).build().unwrap());
    let many = Delete::builder().set_objects(Some(keys.to_vec())).build().unwrap();
    let deleted = world.client.delete_objects().bucket(BUCKET).delete(many).send().await.unwrap();
    assert_eq!((deleted.deleted().len(), deleted.errors().len()), (2, 0));
    assert_eq!(world.twin.keys(BUCKET), ["c"]);
}

#[tokio::test]
async fn keys_that_are_too_long() {
    let world = World::new().await;
    let put = world.client.put_object().bucket(BUCKET).key("k".repeat(1025)).body(body("x"));
    assert_eq!(refusal(put.send().await), is(400, "KeyTooLongError"));
}

#[tokio::test]
async fn buckets() {
    let world = World::new().await;
    world.client.create_bucket().bucket("another").send().await.unwrap();
    world.client.head_bucket().bucket("another").send().await.unwrap();
    assert_eq!(refusal(world.client.head_bucket().bucket("missing").send().await).0, 404);
    let list = world.client.list_buckets().send().await.unwrap();
    let names: Vec<_> = list.buckets().iter().map(|bucket| bucket.name().unwrap()).collect();
    assert_eq!(names, ["another", BUCKET]);
    let put = world.client.put_object().bucket("missing").key("key").body(body("x")).send().await;
    assert_eq!(refusal(put), is(404, "NoSuchBucket"));
}

#[tokio::test]
async fn what_is_not_implemented_says_so() {
    let world = World::new().await;
    world.put("key", "x");
    let acl = world.client.get_object_acl().bucket(BUCKET).key("key").send().await;
    assert_eq!(refusal(acl), is(501, "NotImplemented"));
    let first = world.client.list_objects().bucket(BUCKET).send().await;
    assert_eq!(refusal(first), is(501, "NotImplemented"));
    let version = world.client.get_object().bucket(BUCKET).key("key").version_id("v").send().await;
    assert_eq!(refusal(version), is(501, "NotImplemented"));
    assert_eq!(world.twin.requests()["Other"], 2);
}

#[test]
fn files_below_a_directory() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(dir.path().join("a/b")).unwrap();
    std::fs::write(dir.path().join("top"), "1").unwrap();
    std::fs::write(dir.path().join("a/b/deep"), "22").unwrap();
    let time = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
    std::fs::File::open(dir.path().join("top")).unwrap().set_modified(time).unwrap();
    let twin = simulations_s3::Twin::new(simulations_s3::TwinOptions::default());
    assert_eq!(twin.load_dir("files", dir.path()).unwrap(), 2);
    assert_eq!(twin.keys("files"), ["a/b/deep", "top"]);
    let top = twin.object("files", "top").unwrap();
    assert_eq!((top.last_modified, top.content.to_bytes()), (time, "1".into()));
    assert!(twin.load_dir("files", &dir.path().join("missing")).is_err());
}
