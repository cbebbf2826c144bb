//! Small objects and buckets: written, deleted, looked up.

use bytes::Bytes;
use proto::failure::S3ErrorKind;
use proto::location::Location;
use simulations_s3::{Denial, Op};

use crate::support::{BUCKET, answer, at, canned, client_with, world};

#[tokio::test]
async fn small_objects_come_and_go() {
    let world = world().await;
    let location = at("jobs/a b+c.json");
    for content in ["first", "second", ""] {
        world.s3.put(&location, Bytes::from(content)).await.expect("it is written");
        let object = world.twin.object(BUCKET, &location.key).expect("it is there");
        assert_eq!(object.content.to_bytes(), content);
    }
    for _ in 0..2 {
        assert_eq!(world.s3.delete(&location).await, Ok(()));
        assert!(world.twin.object(BUCKET, &location.key).is_none());
    }
    let counts = world.s3.requests();
    assert_eq!((counts.put.sent, counts.delete.sent), (3, 2));
    assert!((counts.price_usd() - 3.0 * 0.005 / 1_000.0).abs() < 1e-12);
}

#[tokio::test]
async fn small_objects_that_may_not_be() {
    let world = world().await;
    let nowhere = Location { bucket: "nowhere".into(), key: "key".into() };
    let error = world.s3.put(&nowhere, Bytes::new()).await.expect_err("no such bucket");
    assert_eq!(error.kind(), S3ErrorKind::NoSuchBucket, "{error}");
    assert_eq!(
        world.s3.delete(&nowhere).await.expect_err("no such bucket").kind(),
        S3ErrorKind::NoSuchBucket
    );
    for (op, needed) in [(Op::PutObject, "s3:PutObject"), (Op::DeleteObject, "s3:DeleteObject")] {
        world.twin.deny(Denial { op: Some(op), bucket: BUCKET.into(), key_prefix: String::new() });
        let done = match op {
            Op::PutObject => world.s3.put(&at("key"), Bytes::new()).await,
            _ => world.s3.delete(&at("key")).await,
        };
        let error = done.expect_err("it is denied");
        assert_eq!(error.kind(), S3ErrorKind::Denied);
        assert!(error.to_string().contains(needed), "{error}");
    }
    let s3 = canned(answer("404 Not Found", &[], "<Error><Code>NoSuchKey</Code></Error>")).await;
    assert_eq!(s3.delete(&at("key")).await, Ok(()));
}

#[tokio::test]
async fn buckets_are_looked_up() {
    let world = world().await;
    assert_eq!(world.s3.head_bucket(BUCKET).await, Ok(()));
    let error = world.s3.head_bucket("nowhere").await.expect_err("no such bucket");
    assert_eq!(error.kind(), S3ErrorKind::NoSuchBucket, "{error}");
    assert!(error.to_string().contains("cannot look up s3://nowhere"), "{error}");
    assert_eq!(world.s3.requests().head.sent, 2);
    world.twin.expire_key("zipfleet");
    let expired = client_with(&world.server.endpoint(), "zipfleet", "zipfleet-secret").await;
    let error = expired.head_bucket(BUCKET).await.expect_err("the key has expired");
    assert_eq!(error.kind(), S3ErrorKind::Denied, "{error}");
}
