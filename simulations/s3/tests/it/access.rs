//! Who may do what.

use simulations_s3::{Denial, ParseDenialError};

use crate::world::{BUCKET, UNDECLARED, World, client, is, message, refusal};

#[tokio::test]
async fn signatures_are_verified() {
    let world = World::new().await;
    world.put("key", "content");
    let cases = [
        ("nobody", "zipfleet-secret", is(403, "InvalidAccessKeyId")),
        ("zipfleet", "wrong", is(403, "SignatureDoesNotMatch")),
    ];
    for (key, secret, expected) in cases {
        let client = client(&world.server, key, secret);
        assert_eq!(refusal(client.get_object().bucket(BUCKET).key("key").send().await), expected);
        // With a body, which nobody reads before the signature is checked.
        let put = client.put_object().bucket(BUCKET).key("key").body(vec![0; 3_000_000].into());
        assert_eq!(refusal(put.send().await), expected);
    }
    assert_eq!(world.twin.object(BUCKET, "key").unwrap().size, 7);
}

#[tokio::test]
async fn an_expired_key_is_told_apart() {
    let world = World::new().await;
    world.twin.expire_key("zipfleet");
    assert_eq!(refusal(world.client.list_buckets().send().await), is(400, "ExpiredToken"));
}

#[tokio::test]
async fn denials_cover_an_operation_below_a_prefix() {
    let world = World::new().await;
    world.put("secret/a", "a");
    world.put("open", "b");
    world.twin.deny("GetObject:bucket/secret/".parse().unwrap());
    let get = |key: &str| world.client.get_object().bucket(BUCKET).key(key).send();
    assert_eq!(refusal(get("secret/a").await), is(403, "AccessDenied"));
    get("open").await.unwrap();
    world.client.head_object().bucket(BUCKET).key("secret/a").send().await.unwrap();
}

#[tokio::test]
async fn a_copy_needs_the_right_to_read_its_source() {
    let world = World::new().await;
    world.put("source", "a");
    let id = world.create("target", UNDECLARED).await;
    world.twin.deny("GetObject:bucket/source".parse().unwrap());
    let copy = world.client.upload_part_copy().bucket(BUCKET).key("target").upload_id(id).part_number(1);
    let copy = copy.copy_source("bucket/source").send().await;
    assert_eq!(message(copy), "Access Denied");
}

#[tokio::test]
async fn all_operations_on_a_bucket_can_be_denied() {
    let world = World::new().await;
    world.twin.deny("*:bucket".parse().unwrap());
    let list = world.client.list_objects_v2().bucket(BUCKET).send().await;
    assert_eq!(refusal(list), is(403, "AccessDenied"));
    world.twin.clear_denials();
    world.client.list_objects_v2().bucket(BUCKET).send().await.unwrap();
}

#[test]
fn denials_as_text() {
    let denial: Denial = "*:bucket/a/b".parse().unwrap();
    assert_eq!(denial, Denial { op: None, bucket: "bucket".into(), key_prefix: "a/b".into() });
    assert!(matches!("bucket".parse::<Denial>(), Err(ParseDenialError::Form(_))));
    let unknown = "Fetch:bucket".parse::<Denial>().unwrap_err().to_string();
    assert!(unknown.contains("GetObject") && unknown.contains("`*`"), "{unknown}");
}
