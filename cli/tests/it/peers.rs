//! Goal: no bug that is known of a rival exists here.
//!
//! Method: one test per bug, named after it, on the smallest population that would show it. Rivals by their short
//! names in `facts/peers.md`, which tells where each bug was read.
//!
//! | a rival's bug | test here |
//! |---|---|
//! | object over the memory budget waits forever (jr1), ends the archive silently (C) | `object_larger_than_the_memory_budget` |
//! | all objects under 5 MiB: one part of all of them, a hang (jr2), out of memory (fig) | `all_objects_under_5_mib`, `memory::very_many_objects` |
//! | no object of 5 MiB is an error (chn) | `all_objects_under_5_mib` |
//! | a total under 5 MiB fails (psO, psS, chn); `dir/` keys | `total_under_5_mib`, `directory_keys_and_empty_objects` |
//! | only large objects: no small ones to pair them with (jr2, fig) | `all_objects_large` |
//! | failed download swallowed, entry missing (jr1); failed objects skipped silently (zst) | `failed_download_is_not_swallowed` |
//! | truncated or broken archive published under the final key (jr1, C) | `failure_never_publishes`, `pinning::a_former_archive_survives` |
//! | an error leaves others waiting until the time-out (pyS) | `one_error_wakes_all` |
//! | upload not aborted on failure (jr1-3, fig, chn, C, psO), a panic (s3t) | `failure_never_publishes`, `failed_part_upload_cleans_up` |
//! | aborting aborts every upload of the bucket (s3t) | `abort_spares_uploads_of_others`, `lost_answer_spares_uploads_of_others` |
//! | object that shrinks, grows or changes goes unnoticed (jr1, jr2, fig) | `pinning::*` |
//! | CRC 0 where no CRC32 or a composite one is stored (psS, mzp), an error (jr2, jr3, fig, chn) | `sources_without_usable_checksum` |
//! | upstream that breaks off gives an invalid archive (mzp) | `failures::*` |
//! | keys not URL-encoded (jr2, psS), XML entities not decoded (C) | `keys_that_need_encoding` |
//! | more than 65,535 entries without zip64 (C), as a 16-bit number (psO), silently wrong (cob) | `more_than_65_535_entries` |
//! | locator says 0 disks, end record disk 0xFFFF, version 10 with zip64 (jr2, jr3) | `more_than_65_535_entries` |
//! | bit 11 unset (jr2, jr3, fig, chn, C, TS, Sw, psO, psS) | `header_fields` |
//! | DOS date 0 (jr2, jr3, fig, chn, psO, psS) or 2010 (TS, Sw) or now (zst) | `header_fields` |
//! | STORED with data descriptor: unreadable for Java's stream (jr1, pyS, TS, Sw, zst) | `header_fields`, `readers` |
//! | zip64 in every entry, whatever its size (psO, psS) | `header_fields` |
//! | entry name is the base name, so names collide (pyN) or the whole key (psO) | `same_base_name_in_two_folders` |
//! | two names for two objects, the same entry twice (all) | `bad_input::names_that_collide` |
//! | two runs in one bucket corrupt each other (psS) | `two_runs_at_once_into_one_bucket`, `two_runs_at_once_onto_one_key` |
//! | files of earlier runs are read back (psS) | `state_of_earlier_runs_is_not_read` |
//! | temporary objects left behind (chn, psS, s3t) | `no_temporary_objects` |
//! | a part per object, so 10,000 objects are too many (jr2, chn, psO, psS) | `more_objects_than_parts` |
//! | fixed parts of 5, 8, 10 MiB: 52, 84, 105 GB at most (pyN, C, pyS, jr1) | `terabytes_are_planned` |
//! | a HEAD for every object, before anything else (fig, chn, jr2) | `no_head_for_each_object` |
//! | object over 5 GiB cannot be copied (jr2, jr3, fig, chn, s3t) | `object_over_5_gib` (heavy) |
//! | entry of 4 GiB cut to 32 bits (fig) or an error (pyN) | `object_over_5_gib`, `readers` (heavy) |
//!
//! What cannot exist here, because nothing corresponds to it: chains of copies that grow quadratically, and objects
//! kept for them (chn, s3t); an IAM resource `*`, limits of Step Functions and of Lambda payloads (psO, psS);
//! warming up containers (jr3); KMS in one of two modes only (s3t); a race on a size accumulator (s3t), which safe
//! Rust does not compile.

use std::time::{Duration, UNIX_EPOCH};

use serde_json::Value;
use simulations_s3::{Denial, Fault, FaultKind, Model, Occasion, Op, PutAttributes, Rope, StoredChecksum};

use crate::support::{Ended, Running, World, until};

const MIB: u64 = 1 << 20;
const ZIP: &[&str] = &["zip", "s3://src/", "s3://out/a.zip"];

/// A world with objects of these sizes: (how many, bytes).
fn world(populations: &[(u64, u64)]) -> World {
    let world = World::new();
    for (group, (count, size)) in populations.iter().enumerate() {
        for number in 0..*count {
            world.twin.put("src", &format!("{group}/{number:05}"), Rope::synthetic(number, *size));
        }
    }
    world
}

#[track_caller]
fn zip_right(world: &World, options: &[&str]) {
    world.zipfleet(&[ZIP, options].concat()).succeeded();
    world.archive_is_right("out", "a.zip", &world.entries("src", ""));
}

fn deny(world: &World, op: Op, bucket: &str, key_prefix: &str) {
    world.twin.deny(Denial { op: Some(op), bucket: bucket.to_owned(), key_prefix: key_prefix.to_owned() });
}

fn count(world: &World, op: &str) -> u64 {
    world.twin.requests().get(op).copied().unwrap_or(0)
}

/// jr1: more than 20 MiB waits forever for permits; C: more than 32 MiB ends the archive, with success.
#[test]
fn object_larger_than_the_memory_budget() {
    let world = world(&[(3, 10), (2, 100 * MIB), (1, 33 * MIB), (3, 10)]);
    zip_right(&world, &["--memory", "96MiB"]);
}

/// jr2, jr3: left-over smalls are one part that needs more memory than there is; fig: they are one Vec; chn: an error.
#[test]
fn all_objects_under_5_mib() {
    zip_right(&world(&[(60, 3 * MIB)]), &["--memory", "96MiB"]);
    zip_right(&world(&[(300, 700_000)]), &["--memory", "96MiB", "--part-size", "5MiB"]);
}

/// psO, psS: the first part is below S3's minimum, then comes the directory as another; chn, fig: special cases.
#[test]
fn total_under_5_mib() {
    zip_right(&world(&[(1, 1)]), &[]);
    zip_right(&world(&[(3, MIB)]), &[]);
    zip_right(&world(&[(1, 5 * MIB - 200)]), &[]);
}

/// jr2, fig: without small objects the large ones are streamed in their place, or the whole in memory.
#[test]
fn all_objects_large() {
    zip_right(&world(&[(12, 8 * MIB)]), &["--memory", "96MiB"]);
}

/// jr1: the task's result is never awaited; zst: failed URLs are skipped.
#[test]
fn failed_download_is_not_swallowed() {
    for key in ["0/00000", "0/00017", "0/00039"] {
        let world = world(&[(40, 300_000)]);
        deny(&world, Op::GetObject, "src", key);
        world.zipfleet(ZIP).failed(5, &[&format!("s3://src/{key}")]);
        world.nothing_left("out", "a.zip");
    }
}

/// jr1: a truncated upload is completed; C: a failed GET is the end of the archive; and most leave the upload.
#[test]
fn failure_never_publishes() {
    let world = world(&[(8, 6 * MIB)]);
    deny(&world, Op::GetObject, "src", "0/00007");
    world.zipfleet(&[ZIP, &["--part-size", "5MiB", "--concurrency", "2"]].concat()).failed(5, &["0/00007"]);
    assert_eq!(count(&world, "CompleteMultipartUpload"), 0);
    assert_eq!(count(&world, "AbortMultipartUpload"), 1);
    assert!(count(&world, "UploadPart") > 0, "some parts were uploaded: {:?}", world.twin.requests());
    world.nothing_left("out", "a.zip");
}

/// pyS: whoever waits for an empty queue is not told of the error.
#[test]
fn one_error_wakes_all() {
    let world = world(&[(20, MIB), (2, 60 * MIB)]);
    // All but the refused read would take hours.
    world.twin.set_model(Model::default().bandwidth(Op::GetObject, 1_000));
    deny(&world, Op::GetObject, "src", "0/00012");
    world.zipfleet(&[ZIP, &["--memory", "96MiB"]].concat()).failed(5, &["0/00012"]);
    world.nothing_left("out", "a.zip");
}

/// s3t: a failed part panics in its goroutine, and the process dies.
#[test]
fn failed_part_upload_cleans_up() {
    let world = world(&[(4, 6 * MIB)]);
    deny(&world, Op::UploadPart, "out", "");
    world.zipfleet(ZIP).failed(5, &["s3://out/a.zip"]);
    world.nothing_left("out", "a.zip");
}

fn upload_ids(world: &World) -> Vec<String> {
    world.twin.uploads().into_iter().map(|upload| upload.upload_id).collect()
}

/// A run that was killed when it had uploaded a part, so that its upload is left.
fn killed_run(world: &World, destination: &str) {
    world.twin.put("old", "large", Rope::synthetic(99, 40 * MIB));
    world.twin.set_model(Model::default().latency(Op::UploadPart, Duration::from_millis(300)));
    let parts = || world.twin.uploads().iter().map(|upload| upload.parts.len()).sum::<usize>();
    let before = parts();
    let args = ["zip", "s3://old/", destination, "--part-size", "5MiB", "--concurrency", "1"];
    let running = world.spawn(&args);
    until("a part is uploaded", || parts() > before);
    drop(running);
    world.twin.set_model(Model::default());
}

/// s3t: the helper aborts all uploads of the bucket.
#[test]
fn abort_spares_uploads_of_others() {
    let world = world(&[(4, 6 * MIB)]);
    killed_run(&world, "s3://out/a.zip");
    killed_run(&world, "s3://out/b.zip");
    let others = upload_ids(&world);
    assert_eq!(others.len(), 2);
    deny(&world, Op::GetObject, "src", "0/00003");
    world.zipfleet(ZIP).failed(5, &["0/00003"]);
    assert_eq!(upload_ids(&world), others);
}

/// s3t again, by another way: whoever looks for an upload whose answer was lost must not take another run's for it.
#[test]
fn lost_answer_spares_uploads_of_others() {
    // S3 has made an upload, or none. As nobody can tell whose it is, it may stay if that is said.
    for kind in [FaultKind::LostAnswer, FaultKind::ResetBefore, FaultKind::InternalError] {
        let world = world(&[(3, MIB)]);
        world.twin.set_model(Model::default().latency(Op::GetObject, Duration::from_secs(2)));
        let first = world.spawn(ZIP);
        until("it has an upload", || world.twin.uploads().len() == 1);
        world.twin.add_fault(Fault::new(Op::CreateMultipartUpload, kind).on(Occasion::First(1)));
        let second = world.zipfleet(ZIP);
        second.succeeded();
        let first = first.wait();
        assert_eq!(first.code, 0, "{kind:?}: {first:#?}");
        // Nobody can tell whose it is, so it may stay if that is said.
        assert!(
            world.twin.uploads().is_empty() || second.stderr.contains("upload may be left"),
            "{second:#?}"
        );
    }
}

/// psS: `_plan/crc32s/` of an earlier run is read back.
#[test]
fn state_of_earlier_runs_is_not_read() {
    let world = world(&[(3, 6 * MIB)]);
    killed_run(&world, "s3://out/a.zip");
    let others = upload_ids(&world);
    world.twin.put("out", "a.zip", "an older archive".into());
    world.zipfleet(ZIP).succeeded();
    assert_eq!(upload_ids(&world), others);
    let archive = world.twin.object("out", "a.zip").expect("it was just made").content;
    assert_eq!(crate::support::read_archive(&archive), world.entries("src", ""));
}

/// chn: 4,500 objects of 40 GB in all; psS: `_plan/`; s3t: intermediate archives.
#[test]
fn no_temporary_objects() {
    let world = world(&[(20, MIB), (3, 12 * MIB)]);
    zip_right(&world, &["--part-size", "5MiB"]);
    assert_eq!((world.twin.keys("out"), world.twin.keys("src").len()), (vec!["a.zip".to_owned()], 23));
    assert_eq!(
        (count(&world, "PutObject"), count(&world, "CopyObject"), count(&world, "DeleteObject")),
        (0, 0, 0)
    );
}

/// psS: CRC 0 in the archive; jr2, jr3, fig, chn: an error. The AWS CLI stores CRC64NVME by itself.
#[test]
fn sources_without_usable_checksum() {
    let world = World::new();
    let composite = StoredChecksum::Crc32Composite { part_sizes: vec![8 * MIB; 3] };
    let checksums = [StoredChecksum::None, StoredChecksum::Crc64Nvme, composite, StoredChecksum::Crc32];
    for (number, checksum) in checksums.into_iter().enumerate() {
        for size in [0, 1, 5 * MIB, 20 * MIB] {
            let attributes = PutAttributes { checksum: checksum.clone(), ..PutAttributes::default() };
            world.twin.put_with("src", &format!("{number}/{size}"), Rope::synthetic(size, size), attributes);
        }
    }
    zip_right(&world, &[]);
}

/// fig, chn: 3,000 HEADs before the first byte is read; jr2: one for each object it copies.
#[test]
fn no_head_for_each_object() {
    let world = world(&[(30, 100_000), (3, 12 * MIB)]);
    zip_right(&world, &[]);
    assert!(count(&world, "HeadObject") <= 3, "{:?}", world.twin.requests());
}

/// jr2, psS: the copy source is not encoded; C: entities in the listing are not decoded.
#[test]
fn keys_that_need_encoding() {
    let world = World::new();
    let keys = "a b|a+b|a%20b|a&b|a&amp;b|<a>|\"a\"|a'b|a?b=c|a#b|\u{e4} \u{f6}|a\u{301}|\u{1f980}";
    for key in keys.split('|') {
        for folder in ["", "folder + %/"] {
            world.twin.put("src", &format!("{folder}{key}"), key.as_bytes().to_vec().into());
        }
    }
    zip_right(&world, &[]);
    let single = ["zip", "s3://src/folder + %/a&amp;b", "s3://src/a?b=c", "s3://out/an archive + %.zip"];
    world.zipfleet(&single).succeeded();
    let expected = ["a&amp;b", "a?b=c"].map(|key| (key.to_owned(), key.into()));
    world.archive_is_right("out", "an archive + %.zip", &expected);
}

/// C: no zip64 records without an offset of 4 GiB; psO: a 16-bit cast; jr2, jr3: their fields are wrong.
#[test]
fn more_than_65_535_entries() {
    let world = world(&[(66_000, 0)]);
    zip_right(&world, &[]);
    let archive = world.twin.object("out", "a.zip").expect("it was just read").content;
    let end = archive.slice(archive.len() - 98..archive.len()).to_bytes();
    let field =
        |at: usize, len: usize| end[at..at + len].iter().rev().fold(0, |n, byte| n << 8 | u64::from(*byte));
    assert_eq!((field(4, 8), field(12, 1), field(14, 2)), (44, 45, 45), "size, made by, needed");
    assert_eq!((field(16, 4), field(20, 4)), (0, 0), "disks");
    assert_eq!((field(24, 8), field(32, 8)), (66_000, 66_000), "entries");
    let locator = 56;
    assert_eq!((field(locator + 4, 4), field(locator + 16, 4)), (0, 1), "this disk and the number of disks");
    let last = 76;
    assert_eq!((field(last + 4, 2), field(last + 6, 2)), (0, 0), "disks of the end record");
    assert_eq!((field(last + 8, 2), field(last + 10, 2)), (0xFFFF, 0xFFFF), "entries are in zip64");
    assert_ne!(field(last + 16, 4), 0xFFFF_FFFF, "the offset fits");
}

/// Most: bit 11 unset, date 0, 2010 or now, a data descriptor; psO, psS: zip64 everywhere.
#[test]
fn header_fields() {
    let world = World::new();
    // 2024-02-29 12:34:57 UTC.
    let last_modified = Some(UNIX_EPOCH + Duration::from_secs(1_709_210_097));
    let attributes = PutAttributes { last_modified, ..PutAttributes::default() };
    world.twin.put_with("src", "plain", "x".into(), attributes);
    zip_right(&world, &[]);
    let archive = world.twin.object("out", "a.zip").expect("it was just read").content.to_bytes();
    let local = [4, 6, 8, 10, 12].map(|at| u16::from_le_bytes([archive[at], archive[at + 1]]));
    let (time, date) = ((12 << 11) + (34 << 5) + 28, ((2024 - 1980) << 9) + (2 << 5) + 29);
    assert_eq!(local, [20, 1 << 11, 0, time, date], "version needed, flags, method, time, date");
    let extra = [&b"UT\x05\0\x01"[..], &1_709_210_097_u32.to_le_bytes()].concat();
    assert_eq!(archive[35..44], extra, "the extra field is the time alone");
}

/// pyN: the base name; psO: the whole key.
#[test]
fn same_base_name_in_two_folders() {
    let world = World::new();
    world.twin.put("src", "p/a/readme", "1".into());
    world.twin.put("src", "p/b/readme", "2".into());
    world.zipfleet(&["zip", "s3://src/p/", "s3://out/a.zip"]).succeeded();
    world.archive_is_right("out", "a.zip", &world.entries("src", "p/"));
}

/// A ranged GET of an empty object is refused, and a directory is an entry of its own.
#[test]
fn directory_keys_and_empty_objects() {
    let world = World::new();
    for (key, content) in [("d/", ""), ("d/e/", ""), ("d/f", "x"), ("empty", ""), ("g/", "")] {
        world.twin.put("src", key, content.into());
    }
    zip_right(&world, &[]);
    assert_eq!(count(&world, "GetObject"), 1, "what is empty need not be read");
}

/// Starts two runs and keeps both at work until the other has begun.
fn two_runs(world: &World, first: &[&str], second: &[&str]) -> [Ended; 2] {
    world.twin.set_model(Model::default().latency(Op::GetObject, Duration::from_secs(2)));
    let runs = [first, second].map(|args| world.spawn(args));
    until("both have an upload", || world.twin.uploads().len() == 2);
    world.twin.set_model(Model::default());
    runs.map(Running::wait)
}

/// psS: both write `_plan/` and read what the other wrote.
#[test]
fn two_runs_at_once_into_one_bucket() {
    let world = world(&[(30, MIB), (2, 12 * MIB)]);
    world.twin.put("other", "x", Rope::synthetic(77, 30 * MIB));
    let ended = two_runs(&world, ZIP, &["zip", "s3://other/", "s3://out/b.zip"]);
    ended.iter().for_each(Ended::succeeded);
    world.archive_is_right("out", "a.zip", &world.entries("src", ""));
    world.archive_is_right("out", "b.zip", &world.entries("other", ""));
}

/// Whoever comes last wins; if nothing may be overwritten, the first.
#[test]
fn two_runs_at_once_onto_one_key() {
    let world = world(&[(10, MIB)]);
    world.twin.put("other", "x", Rope::synthetic(77, 12 * MIB));
    let other = ["zip", "s3://other/", "s3://out/a.zip"];
    two_runs(&world, ZIP, &other).iter().for_each(Ended::succeeded);
    world.no_upload_left();
    let archive = world.twin.object("out", "a.zip").expect("there is one").content;
    let read = crate::support::read_archive(&archive);
    assert!(read == world.entries("src", "") || read == world.entries("other", ""), "{read:?}");

    world.twin.delete("out", "a.zip");
    let careful = |args: &[&'static str]| [args, &["--no-overwrite"]].concat();
    let ended = two_runs(&world, &careful(ZIP), &careful(&other));
    let winner = ended.iter().position(|ended| ended.code == 0).unwrap_or_else(|| panic!("{ended:#?}"));
    ended[1 - winner].failed(8, &["s3://out/a.zip", "exists already"]);
    let sources = ["src", "other"];
    world.archive_is_right("out", "a.zip", &world.entries(sources[winner], ""));
}

fn parts_planned(world: &World, options: &[&str]) -> u64 {
    let planned = world.zipfleet(&[ZIP, &["--dry-run", "--json"], options].concat());
    planned.succeeded();
    serde_json::from_str::<Value>(&planned.stdout).expect("JSON")["shape"]["parts"]
        .as_u64()
        .expect("a number")
}

/// jr2, psO, psS: about a part per object of 5 MiB, more than 10,000 of them fail; chn: at 10,000 large ones.
#[test]
fn more_objects_than_parts() {
    assert!(parts_planned(&world(&[(11_000, 6 * MIB)]), &[]) <= 10_000);
}

/// pyN, C, pyS, jr1: at 10,000 parts of a fixed size it is over.
#[test]
fn terabytes_are_planned() {
    assert!(parts_planned(&world(&[(200, 5 << 30)]), &["--memory", "1GiB"]) <= 10_000);
}

/// jr2, jr3, fig, chn, s3t: no copy of more than 5 GiB; fig: a size of 32 bits; pyN: an error.
#[test]
fn object_over_5_gib() {
    if std::env::var_os("ZIPFLEET_HEAVY").is_none() {
        println!("skipped: it moves 5 GiB; ZIPFLEET_HEAVY=1 runs it");
        return;
    }
    let world = world(&[(1, (5 << 30) + 1), (2, 1_000)]);
    let mut running = world.spawn(ZIP);
    while !running.has_ended() {
        std::thread::sleep(Duration::from_millis(20));
    }
    running.wait().succeeded();
    world.archive_is_right("out", "a.zip", &world.entries("src", ""));
}
