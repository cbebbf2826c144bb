//! Goal: an archive holds every object as it was listed, or there is no archive and an error names the object
//! that changed.
//! Method: reads are made slow, two at a time; once the twin has seen the first of them the listing is over, an
//! object late in the order is changed, and the rest is read at full speed.

use std::time::Duration;

use simulations_s3::{Fault, FaultKind, Model, Occasion, Op, PutAttributes, Rope, StoredChecksum};

use crate::support::{Ended, World, until};

const OUT: &str = "s3://out/a.zip";

/// Runs `zip` on `s3://src/p/` and calls `change` when the twin has seen `reads` reads.
fn zip_while(world: &World, reads: u64, change: impl FnOnce()) -> Ended {
    world.twin.reset_requests();
    world.twin.set_model(Model::default().latency(Op::GetObject, Duration::from_millis(500)));
    let running = world.spawn(&["zip", "--part-size", "5MiB", "--concurrency", "2", "s3://src/p/", OUT]);
    until("the first reads", || world.twin.requests().get("GetObject").copied() >= Some(reads));
    change();
    world.twin.set_model(Model::default());
    running.wait()
}

/// Three parts of objects of 300 kB, of which the last is in the third.
fn small_objects() -> World {
    let world = World::new();
    for i in 0..50 {
        put(&world, &format!("p/{i:02}"), Rope::synthetic(i, 300_000));
    }
    world
}

/// Twelve parts of one object, which thus spans them.
fn one_large_object() -> World {
    let world = World::new();
    put(&world, "p/large", Rope::synthetic(1, 60_000_000));
    world
}

fn put(world: &World, key: &str, content: Rope) {
    let attributes = PutAttributes { checksum: StoredChecksum::Crc32, ..PutAttributes::default() };
    world.twin.put_with("src", key, content, attributes);
}

/// All ways for an object to change, with a word of what is said about each.
fn changed_in_every_way(make: fn() -> World, key: &str, reads: u64) {
    let world = make();
    let before = world.twin.object("src", key).expect("it was just put").content;
    let other = Rope::synthetic(1_000_000, before.len());
    let longer = Rope::concat([&before, &Rope::from("more")]);
    for (content, word) in [
        (Some(other), "changed after it was listed"),
        (None, "deleted after it was listed"),
        (Some(before.slice(0..before.len() - 1)), "changed after it was listed"),
        (Some(longer), "changed after it was listed"),
        (Some(Rope::default()), "changed after it was listed"),
    ] {
        put(&world, key, before.clone());
        let ended = zip_while(&world, reads, || match content {
            Some(content) => put(&world, key, content),
            None => world.twin.delete("src", key),
        });
        ended.failed(7, &[&format!("s3://src/{key}"), word, "run the job again"]);
        assert_eq!(ended.stderr.lines().count(), 1, "not one sentence: {ended:#?}");
        world.nothing_left("out", "a.zip");
    }
}

#[test]
fn an_object_that_is_not_read_yet() {
    changed_in_every_way(small_objects, "p/49", 1);
}

#[test]
fn an_object_that_is_half_read() {
    changed_in_every_way(one_large_object, "p/large", 3);
}

#[test]
fn an_object_whose_reading_broke_off() {
    let world = World::new();
    put(&world, "p/broken", Rope::synthetic(1, 4_000_000));
    world.twin.add_fault(Fault::new(Op::GetObject, FaultKind::ResetDuring).on(Occasion::First(1)));
    // The break comes after half a second, and what is missing then is read of another object.
    let ended = zip_while(&world, 1, || put(&world, "p/broken", Rope::synthetic(2, 4_000_000)));
    ended.failed(7, &["s3://src/p/broken", "changed after it was listed"]);
    world.nothing_left("out", "a.zip");
}

/// What counts is what an object holds: one written again with the same bytes keeps its ETag.
#[test]
fn an_object_written_again_has_not_changed() {
    let world = small_objects();
    let entries = world.entries("src", "p/");
    zip_while(&world, 1, || put(&world, "p/49", entries[49].1.clone())).succeeded();
    world.archive_is_right("out", "a.zip", &entries);
}

/// Nor does an archive change that exists, by a job that fails.
#[test]
fn a_former_archive_survives() {
    let world = small_objects();
    world.twin.put("out", "a.zip", "before".into());
    zip_while(&world, 1, || world.twin.delete("src", "p/49")).failed(7, &["s3://src/p/49"]);
    world.no_upload_left();
    assert_eq!(world.twin.object("out", "a.zip").unwrap().content, "before".into());
}

/// An object that appears after the listing is simply not in the archive.
#[test]
fn an_object_that_appears_too_late() {
    let world = small_objects();
    let entries = world.entries("src", "p/");
    zip_while(&world, 1, || put(&world, "p/late", "late".into())).succeeded();
    world.archive_is_right("out", "a.zip", &entries);
}

/// The twin stores no wrong checksum, so the bytes are damaged on their way, every time.
#[test]
fn bytes_that_disagree_with_the_stored_checksum() {
    for checksum in [StoredChecksum::Crc32, StoredChecksum::Crc64Nvme] {
        for (world, key) in [(small_objects(), "p/31"), (one_large_object(), "p/large")] {
            let content = world.twin.object("src", key).unwrap().content;
            let attributes = PutAttributes { checksum: checksum.clone(), ..PutAttributes::default() };
            world.twin.put_with("src", key, content, attributes);
            world.twin.add_fault(Fault::new(Op::GetObject, FaultKind::Corrupt).keys(key));
            let ended = world.zipfleet(&["zip", "--part-size", "5MiB", "s3://src/p/", OUT]);
            ended.failed(12, &[&format!("s3://src/{key}"), "disagree with the checksum that S3 stores"]);
            assert_eq!(ended.stderr.lines().count(), 1, "not one sentence: {ended:#?}");
            world.nothing_left("out", "a.zip");
        }
    }
}
