//! Archives of which S3 copies what it can: each is right, and as many bytes pass through the machine as were
//! predicted. The bandwidth is said to be so low that all is copied that can be.

use std::time::Duration;

use serde_json::Value;
use simulations_s3::{
    Fault, FaultKind, Model, Occasion, Op, PutAttributes, Rope, StoredChecksum, TwinOptions,
};

use super::support::{Ended, World, until};

const MIB: u64 = 1 << 20;
const ARGS: [&str; 6] = ["zip", "s3://src/", "s3://out/a.zip", "--bandwidth", "1MB", "--json"];

/// Which checksum S3 stores of an object of so many bytes.
type Stored = fn(u64) -> StoredChecksum;

/// Small and large objects in turns, of which S3 stores such checksums.
fn populate(world: &World, checksum: impl Fn(u64) -> StoredChecksum) {
    let sizes = [100, 40 * MIB, 0, 3 * MIB, 11 * MIB, 5 * MIB, 5 * MIB + 1, 10 * MIB, 30 * MIB + 7, 1];
    for (number, size) in (0u64..).zip(sizes) {
        let attributes = PutAttributes { checksum: checksum(size), ..PutAttributes::default() };
        world.twin.put_with("src", &format!("{number} +é?"), Rope::synthetic(number, size), attributes);
    }
}

fn composite(size: u64) -> StoredChecksum {
    // Of parts that end where no copy does.
    let parts = size.div_ceil(7 * MIB);
    let part_sizes = (0..parts).map(|part| (7 * MIB).min(size - part * 7 * MIB)).collect();
    StoredChecksum::Crc32Composite { part_sizes }
}

fn json(ended: &Ended) -> Value {
    ended.succeeded();
    serde_json::from_str(&ended.stdout).expect("it is JSON")
}

/// Has the archive made and holds it against its sources; what was done.
#[track_caller]
fn copied(world: &World) -> Value {
    let done = json(&world.zipfleet(&ARGS));
    world.archive_is_right("out", "a.zip", &world.entries("src", ""));
    assert!(done["requests"]["bytes_copied"].as_u64() > Some(50 * MIB), "{done}");
    done
}

#[test]
fn what_passes_through_is_what_was_predicted_whatever_checksums_are_stored() {
    let kinds: [(&str, Stored); 4] = [
        ("none", |_| StoredChecksum::None),
        ("CRC-32", |_| StoredChecksum::Crc32),
        ("CRC-64/NVME", |_| StoredChecksum::Crc64Nvme),
        ("CRC-32 of parts", composite),
    ];
    for (name, kind) in kinds {
        let world = World::new();
        populate(&world, kind);
        let planned = json(&world.zipfleet(&[&ARGS[..], &["--dry-run"]].concat()));
        let done = copied(&world);
        let [through, predicted] =
            [&done, &planned].map(|told| told["requests"]["bytes_received"].as_u64().expect("a number"));
        println!("{name}: {through} bytes through the machine, {predicted} predicted");
        assert_eq!(through, predicted, "{name}");
        for what in ["upload_part", "copy", "bytes_copied", "bytes_sent", "head", "get"] {
            assert_eq!(done["requests"][what], planned["requests"][what], "{name}: {what}");
        }
    }
}

#[test]
fn where_s3_tells_no_crc_it_is_found_otherwise() {
    let kinds: [(&str, Stored, u64); 4] = [
        ("CRC-32", |_| StoredChecksum::Crc32, 60),
        ("CRC-32 of parts", composite, 90),
        ("none", |_| StoredChecksum::None, 120),
        ("CRC-64/NVME", |_| StoredChecksum::Crc64Nvme, 120),
    ];
    for (name, kind, most_mib) in kinds {
        let world = World::with(TwinOptions { copy_returns_checksum: false, ..TwinOptions::default() });
        populate(&world, kind);
        let done = copied(&world);
        let through = done["requests"]["bytes_received"].as_u64().expect("a number");
        println!("{name}: {through} bytes through the machine");
        assert!(through < most_mib * MIB, "{name}: {through}");
    }
}

#[test]
fn copies_that_fail_or_whose_answers_are_lost_are_made_again() {
    for kind in [FaultKind::ErrorIn200, FaultKind::LostAnswer, FaultKind::SlowDown, FaultKind::InternalError]
    {
        let world = World::new();
        populate(&world, |_| StoredChecksum::Crc32);
        world.twin.add_fault(Fault::new(Op::UploadPartCopy, kind).on(Occasion::First(3)));
        let done = copied(&world);
        assert!(done["requests"]["copy"]["sent"].as_u64() > Some(7), "{kind:?}: {done}");
    }
}

#[test]
fn a_source_that_changes_before_it_is_copied_is_named() {
    let world = World::new();
    populate(&world, |_| StoredChecksum::Crc32);
    let slow = Duration::from_millis(1_500);
    world.twin.set_model(Model::default().latency(Op::CreateMultipartUpload, slow));
    let running = world.spawn(&ARGS);
    until("it has listed", || world.twin.requests().contains_key("CreateMultipartUpload"));
    world.twin.put("src", "1 +é?", Rope::synthetic(99, 40 * MIB));
    running.wait().failed(7, &["1 +é?", "changed after it was listed"]);
    world.nothing_left("out", "a.zip");
}

/// The twin stores no wrong checksum, so the head that passes through is damaged on its way, every time.
#[test]
fn a_stored_checksum_that_disagrees_with_head_and_copies_fails_the_job() {
    let world = World::new();
    populate(&world, |_| StoredChecksum::Crc32);
    world.twin.add_fault(Fault::new(Op::GetObject, FaultKind::Corrupt).keys("1 "));
    world.zipfleet(&ARGS).failed(12, &["1 +é?", "disagree with the checksum that S3 stores"]);
    world.nothing_left("out", "a.zip");
}
