//! The socket: what is counted, what goes away, what is bounded.

use std::time::Duration;

use aws_sdk_s3::presigning::PresigningConfig;
use simulations_s3::Rope;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::world::{BUCKET, FULL, World, is, parts, refusal};

/// The host and port, and the rest, of a URL.
fn split(url: &str) -> (&str, &str) {
    let rest = url.strip_prefix("http://").unwrap();
    rest.split_at(rest.find('/').unwrap())
}

#[tokio::test]
async fn presigned_requests() {
    let world = World::new().await;
    world.put("key", "content");
    let hour = PresigningConfig::expires_in(Duration::from_secs(3600)).unwrap();
    let url = world.client.get_object().bucket(BUCKET).key("key").presigned(hour).await.unwrap();
    let fetch = async |url: &str| {
        let (host, path) = split(url);
        let mut socket = TcpStream::connect(host).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        answer
    };
    assert!(fetch(url.uri()).await.ends_with("\r\n\r\ncontent"));
    let unsigned = format!("{}/bucket/key", world.server.endpoint());
    assert!(fetch(&unsigned).await.contains("<Code>AccessDenied</Code>"));
}

/// A connection on which a part of `length` bytes was announced, none of them sent.
async fn announced(world: &World, id: &str, length: u64) -> TcpStream {
    let hour = PresigningConfig::expires_in(Duration::from_secs(3600)).unwrap();
    let part = world.client.upload_part().bucket(BUCKET).key("key").upload_id(id).part_number(1);
    let url = part.presigned(hour).await.unwrap();
    let (host, path) = split(url.uri());
    let mut socket = TcpStream::connect(host).await.unwrap();
    let mut request = format!("PUT {path} HTTP/1.1\r\nhost: {host}\r\ncontent-length: {length}\r\n");
    for (name, value) in url.headers() {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str("\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    socket
}

#[tokio::test]
async fn parts_have_at_most_five_gibibytes() {
    let world = World::new().await;
    let id = world.create("key", FULL).await;
    let mut socket = announced(&world, &id, (5 << 30) + 1).await;
    let mut answer = [0; 1000];
    let length = socket.read(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer[..length]);
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("EntityTooLarge"), "{answer}");
}

#[tokio::test]
async fn a_client_that_goes_away_leaves_nothing() {
    let world = World::new().await;
    let id = world.create("key", FULL).await;
    let mut socket = announced(&world, &id, 1_000_000).await;
    socket.write_all(&[0; 100_000]).await.unwrap();
    while !world.twin.requests().contains_key("UploadPart") {
        tokio::task::yield_now().await;
    }
    drop(socket);
    // The abort is answered after the half part was dropped or refused; either way there is no part.
    let list = world.client.list_parts().bucket(BUCKET).key("key").upload_id(&id).send().await.unwrap();
    assert!(list.parts().is_empty());
}

#[tokio::test]
async fn every_operation_is_counted_by_its_name() {
    let world = World::new().await;
    world.put("source", Rope::synthetic(1, 100));
    let c = &world.client;
    c.list_buckets().send().await.unwrap();
    c.head_bucket().bucket(BUCKET).send().await.unwrap();
    c.create_bucket().bucket("more").send().await.unwrap();
    c.list_objects_v2().bucket(BUCKET).send().await.unwrap();
    c.get_object().bucket(BUCKET).key("source").send().await.unwrap();
    c.head_object().bucket(BUCKET).key("source").send().await.unwrap();
    c.get_object_attributes()
        .bucket(BUCKET)
        .key("source")
        .object_attributes("ETag".into())
        .send()
        .await
        .unwrap();
    c.put_object().bucket(BUCKET).key("a").send().await.unwrap();
    c.copy_object().bucket(BUCKET).key("b").copy_source("bucket/source").send().await.unwrap();
    c.delete_object().bucket(BUCKET).key("a").send().await.unwrap();
    let key = aws_sdk_s3::types::ObjectIdentifier::builder().key("b").build().unwrap();
    let delete = aws_sdk_s3::types::Delete::builder().objects(key).build().unwrap();
    c.delete_objects().bucket(BUCKET).delete(delete).send().await.unwrap();
    let id = world.create("key", FULL).await;
    let part = world.part("key", &id, 1, &"content".into()).await;
    let copy = c.upload_part_copy().bucket(BUCKET).key("key").upload_id(&id).part_number(2);
    copy.copy_source("bucket/source").send().await.unwrap();
    c.list_parts().bucket(BUCKET).key("key").upload_id(&id).send().await.unwrap();
    c.list_multipart_uploads().bucket(BUCKET).send().await.unwrap();
    let complete = c.complete_multipart_upload().bucket(BUCKET).key("key").upload_id(&id);
    complete.multipart_upload(parts([part])).send().await.unwrap();
    c.abort_multipart_upload().bucket(BUCKET).key("key").upload_id(&id).send().await.unwrap_err();
    let requests = world.twin.requests();
    let named: Vec<&str> =
        simulations_s3::Op::ALL.iter().map(|op| op.name()).filter(|n| *n != "Other").collect();
    assert_eq!(requests.keys().map(String::as_str).collect::<Vec<_>>(), named);
    assert!(requests.values().all(|count| *count == 1), "{requests:?}");
    world.twin.reset_requests();
    assert!(world.twin.requests().is_empty());
}

#[tokio::test]
async fn heads_are_bounded() {
    let world = World::new().await;
    let mut socket = TcpStream::connect(&world.server.endpoint()["http://".len()..]).await.unwrap();
    let huge = format!("GET / HTTP/1.1\r\nhost: x\r\nx-large: {}\r\n\r\n", "a".repeat(1_000_000));
    // The twin stops reading, so that the write may fail.
    let _refused = socket.write_all(huge.as_bytes()).await;
    let mut answer = Vec::new();
    let _reset = socket.read_to_end(&mut answer).await;
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 431"), "{}", answer.escape_ascii());
}

#[tokio::test]
async fn a_stopped_server_is_gone_and_the_twin_is_not() {
    let world = World::new().await;
    world.put("key", "content");
    world.client.head_bucket().bucket(BUCKET).send().await.unwrap();
    world.server.stop().await;
    let get = world.client.get_object().bucket(BUCKET).key("key").send().await;
    assert!(get.unwrap_err().as_service_error().is_none());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = world.twin.serve(listener).unwrap();
    let client = crate::world::client(&server, "zipfleet", "zipfleet-secret");
    client.get_object().bucket(BUCKET).key("key").send().await.unwrap();
    let missing = client.get_object().bucket(BUCKET).key("no").send().await;
    assert_eq!(refusal(missing), is(404, "NoSuchKey"));
}
