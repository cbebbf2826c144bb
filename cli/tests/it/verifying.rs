//! Goal: what `verify` says and exits with can be relied on by a script.
//! Method: an archive made by the program is changed in the twin, or its sources are. What the verifier finds in
//! which byte is tested where it lives; here is what becomes of it.

use bytes::Bytes;
use simulations_s3::{Fault, FaultKind, Occasion, Op, Rope};

use crate::support::{World, until};

const VERIFY: &[&str] = &["verify", "s3://out/a.zip"];
const AGAINST: &[&str] = &["verify", "s3://out/a.zip", "--against", "s3://src/"];

fn world() -> World {
    let world = World::new();
    for (key, size) in [("a", 10), ("b", 6_000_000), ("c", 0)] {
        world.twin.put("src", key, Rope::synthetic(1, size));
    }
    world.twin.create_bucket("out");
    world.zipfleet(&["zip", "s3://src/", "s3://out/a.zip"]).succeeded();
    world
}

/// Puts the archive back with changed bytes.
fn change(world: &World, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = world.twin.object("out", "a.zip").expect("it was made").content.to_bytes().to_vec();
    change(&mut bytes);
    world.twin.put("out", "a.zip", Rope::from(Bytes::from(bytes)));
}

#[test]
fn right_and_wrong() {
    let world = world();
    world.zipfleet(VERIFY).succeeded();
    let ended = world.zipfleet(AGAINST);
    ended.succeeded();
    assert!(ended.stdout.contains("right in every byte; 3 entries"), "{ended:?}");
    change(&world, |bytes| bytes[1_000_000] ^= 1);
    let ended = world.zipfleet(VERIFY);
    assert_eq!(ended.code, 11, "{ended:?}");
    assert!(ended.stdout.contains("WRONG: 1 fault") && ended.stdout.contains("`b`"), "{ended:?}");
}

#[test]
fn sources_that_differ() {
    let world = world();
    world.twin.put("src", "b", Rope::synthetic(2, 6_000_000));
    world.zipfleet(VERIFY).succeeded();
    let ended = world.zipfleet(AGAINST);
    assert_eq!(ended.code, 11, "{ended:?}");
    assert!(ended.stdout.contains("contents that differ from the source object's"), "{ended:?}");
}

/// What cannot be checked must not be called right.
#[test]
fn compressed_contents_are_not_called_right() {
    let world = world();
    change(&world, |bytes| {
        let central = bytes.windows(4).rposition(|four| four == b"PK\x01\x02").expect("there is a directory");
        let first = bytes[..central].windows(4).rposition(|four| four == b"PK\x01\x02").expect("of three");
        let first = bytes[..first].windows(4).rposition(|four| four == b"PK\x01\x02").expect("of three");
        (bytes[8], bytes[first + 10]) = (8, 8);
    });
    let ended = world.zipfleet(VERIFY);
    assert_eq!(ended.code, 13, "{ended:?}");
    assert!(ended.stdout.contains("NOT ALL CHECKED") && ended.stdout.contains("`a`"), "{ended:?}");
}

/// Over plain HTTP a byte may be damaged on the way; that is not the archive's fault.
#[test]
fn damage_on_the_way_is_not_in_the_archive() {
    let world = world();
    world.twin.add_fault(Fault::new(Op::GetObject, FaultKind::Corrupt).keys("a.zip").on(Occasion::First(2)));
    world.zipfleet(VERIFY).succeeded();
}

#[test]
fn stopped_by_a_signal() {
    let world = world();
    let model = simulations_s3::Model::default();
    world.twin.set_model(model.latency(Op::GetObject, std::time::Duration::from_secs(100)));
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        world.twin.reset_requests();
        let running = world.spawn(&["verify", "--json", "s3://out/a.zip"]);
        until("it reads", || world.twin.requests().contains_key("GetObject"));
        running.signal(signal);
        let ended = running.wait();
        ended.failed(code, &["stopped"]);
        assert!(ended.stdout.contains("\"exit_code\""), "{ended:?}");
    }
}
