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

/// The twin stores no wrong checksum, so the head that passes through is damaged on its way, every time. The network
/// is said to be so fast that S3 composes nothing, but copies the rest of what is very large.
#[test]
fn a_stored_checksum_that_disagrees_with_head_and_copies_fails_the_job() {
    let world = World::new();
    let attributes = || PutAttributes { checksum: StoredChecksum::Crc32, ..PutAttributes::default() };
    world.twin.put_with("src", "1 +é?", Rope::synthetic(1, 3_000 * MIB), attributes());
    world.twin.add_fault(Fault::new(Op::GetObject, FaultKind::Corrupt).keys("1 "));
    let args = ["zip", "s3://src/", "s3://out/a.zip", "--bandwidth", "1GB"];
    world.zipfleet(&args).failed(12, &["1 +é?", "disagree with the checksum that S3 stores"]);
    world.nothing_left("out", "a.zip");
}

/// A hundred and twenty objects of about 5 MB, no two alike, or as many of some hundred kilobytes.
fn populate_alike(world: &World, about: u64) {
    for number in 0..120 {
        let size = about / 2 + (number * 7_919 % 120) * about / 120;
        world.twin.put("src", &format!("{number:03}"), Rope::synthetic(number, size));
    }
}

#[test]
fn of_small_objects_nothing_passes_through_but_padding_headers_and_directory() {
    for about in [5_000_000, 400_000] {
        let world = World::new();
        populate_alike(&world, about);
        let args = &ARGS.map(|arg| if arg == "1MB" { "20kB" } else { arg });
        let planned = json(&world.zipfleet(&[&args[..], &["--dry-run"]].concat()));
        let done = json(&world.zipfleet(args));
        world.archive_is_right("out", "a.zip", &world.entries("src", ""));
        let number = |told: &Value, what: &str| told["requests"][what].as_u64().expect("a number");
        println!("{about}: {} bytes through the machine", number(&done, "bytes_sent"));
        assert_eq!(number(&done, "bytes_received"), 0);
        assert!(number(&done, "bytes_sent") < 5 * MIB + 50_000);
        for what in ["bytes_received", "bytes_sent", "bytes_copied"] {
            assert_eq!(number(&done, what), number(&planned, what), "{what}");
        }
        for what in ["create", "upload_part", "copy", "complete", "delete", "head", "get", "list_other"] {
            assert_eq!(done["requests"][what], planned["requests"][what], "{what}");
        }
    }
}

#[test]
fn composing_goes_on_whatever_answers_are_lost_or_refused() {
    let faults = [
        (FaultKind::LostAnswer, Op::CreateMultipartUpload),
        (FaultKind::LostAnswer, Op::CompleteMultipartUpload),
        (FaultKind::LostAnswer, Op::UploadPartCopy),
        (FaultKind::SlowDown, Op::UploadPartCopy),
        (FaultKind::SlowDown, Op::CreateMultipartUpload),
        (FaultKind::SlowDown, Op::CompleteMultipartUpload),
        (FaultKind::InternalError, Op::DeleteObject),
    ];
    for (kind, op) in faults {
        let world = World::new();
        populate_alike(&world, 200_000);
        world.twin.add_fault(Fault::new(op, kind).keys("a.zip.zipfleet-").on(Occasion::First(3)));
        let done = json(&world.zipfleet(&ARGS));
        world.archive_is_right("out", "a.zip", &world.entries("src", ""));
        assert_eq!(done["requests"]["bytes_received"], 0, "{kind:?} {op:?}");
    }
}

#[test]
fn a_job_that_is_interrupted_while_s3_composes_leaves_nothing() {
    let world = World::new();
    populate_alike(&world, 1_000_000);
    world.twin.set_model(Model::default().latency(Op::UploadPartCopy, Duration::from_millis(40)));
    let running = world.spawn(&ARGS);
    until("objects are made on the way", || {
        world.twin.keys("out").iter().filter(|key| key.contains(".zipfleet-")).count() > 3
    });
    running.signal("INT");
    running.wait().failed(130, &["nothing of it is left at s3://out/a.zip"]);
    world.nothing_left("out", "a.zip");
}

#[test]
fn beside_a_key_that_is_too_long_nothing_is_composed() {
    let world = World::new();
    populate_alike(&world, 100_000);
    let archive = format!("s3://out/{}", "k".repeat(1_000));
    world.zipfleet(&["zip", "s3://src/", &archive, "--bandwidth", "100kB"]).succeeded();
    world.archive_is_right("out", &"k".repeat(1_000), &world.entries("src", ""));
    assert!(!world.twin.requests().contains_key("UploadPartCopy"));
}
