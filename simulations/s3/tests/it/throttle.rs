//! Clients whose bodies share a budget.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use aws_sdk_s3::Client as Sdk;
use simulations_s3::{Client, ParseThrottleError, Rope, ThrottleEntry, TwinOptions};

use crate::world::{BUCKET, World, bytes, client};

const HERE: Client = Client::Address(IpAddr::V4(Ipv4Addr::LOCALHOST));

async fn fetch(client: &Sdk) -> usize {
    let get = client.get_object().bucket(BUCKET).key("key").send().await.unwrap();
    bytes(get.body).await.len()
}

/// A world with an object of 400 kB.
async fn world() -> World {
    let keys = [("zipfleet", "zipfleet-secret"), ("other", "other-secret")];
    let keys = keys.map(|(id, secret)| (id.to_owned(), secret.to_owned())).to_vec();
    let world = World::with(TwinOptions { keys, ..TwinOptions::default() }).await;
    world.put("key", Rope::synthetic(1, 400_000));
    world
}

#[tokio::test]
async fn all_bodies_of_a_client_share_its_budget() {
    let world = world().await;
    world.twin.throttle(HERE, 4_000_000);
    let start = Instant::now();
    let content = Rope::synthetic(2, 400_000).to_bytes();
    let put = world.client.put_object().bucket(BUCKET).key("new").body(content.into()).send();
    let (one, two, put) = tokio::join!(fetch(&world.client), fetch(&world.client), put);
    put.unwrap();
    assert_eq!((one, two), (400_000, 400_000));
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(260), "1.2 MB at 4 MB/s, {took:?}");
    assert!(took < Duration::from_secs(3), "{took:?}");
}

#[tokio::test]
async fn others_are_not_held_up() {
    let world = world().await;
    world.twin.throttle(Client::Key("zipfleet".to_owned()), 400_000);
    world.twin.throttle(Client::Address(Ipv4Addr::new(10, 0, 0, 2).into()), 1);
    let other = client(&world.server, "other", "other-secret");
    let start = Instant::now();
    let slow = async {
        fetch(&world.client).await;
        start.elapsed()
    };
    let fast = async {
        fetch(&other).await;
        start.elapsed()
    };
    let (slow, fast) = tokio::join!(slow, fast);
    assert!(slow >= Duration::from_millis(900), "{slow:?}");
    assert!(fast < Duration::from_millis(500), "{fast:?}");
}

#[tokio::test]
async fn a_throttle_takes_effect_on_bodies_under_way() {
    let world = world().await;
    world.twin.throttle(HERE, 0);
    let owner = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        world.twin.throttle(HERE, 1_000_000);
        tokio::time::sleep(Duration::from_millis(200)).await;
        world.twin.unthrottle(&HERE);
        Instant::now()
    };
    let body = async {
        fetch(&world.client).await;
        Instant::now()
    };
    let (lifted, done) = tokio::join!(owner, body);
    assert!(done > lifted);
    assert!(done - lifted < Duration::from_millis(150), "{:?}", done - lifted);
}

#[tokio::test]
async fn a_throttle_may_begin_in_the_middle() {
    let world = world().await;
    world.put("key", Rope::synthetic(1, 40_000_000));
    let mut body = world.client.get_object().bucket(BUCKET).key("key").send().await.unwrap().body;
    let first = body.try_next().await.unwrap().unwrap().len();
    world.twin.throttle(HERE, 0);
    let mut received = first;
    // What sockets and clients have buffered still comes.
    while let Ok(next) = tokio::time::timeout(Duration::from_millis(300), body.try_next()).await {
        received += next.unwrap().expect("it does not end").len();
    }
    assert!(received < 40_000_000);
    world.twin.unthrottle(&HERE);
    while let Some(data) = body.try_next().await.unwrap() {
        received += data.len();
    }
    assert_eq!(received, 40_000_000);
}

#[test]
fn entries_as_text() {
    let entry: ThrottleEntry = "10.0.0.2=5MB/s".parse().unwrap();
    let client = Client::Address(Ipv4Addr::new(10, 0, 0, 2).into());
    assert_eq!(entry, ThrottleEntry { client, bytes_per_second: 5_000_000 });
    let entry: ThrottleEntry = "::1=1kB/s".parse().unwrap();
    assert!(matches!(entry.client, Client::Address(IpAddr::V6(_))));
    let entry: ThrottleEntry = "AKIA=1kB/s".parse().unwrap();
    assert_eq!(entry.client, Client::Key("AKIA".to_owned()));
    assert!(matches!("10.0.0.2".parse::<ThrottleEntry>(), Err(ParseThrottleError::Form(_))));
    assert!(matches!("=5MB/s".parse::<ThrottleEntry>(), Err(ParseThrottleError::Form(_))));
    assert!(matches!("KEY=5ms".parse::<ThrottleEntry>(), Err(ParseThrottleError::Value(_))));
}
