//! Goal: whatever S3 and the network do, the archive is right, or there is none and a clear error, and no upload
//! is left that nobody was told of.
//! Method: the twin's faults, first all at random over seeds, then each kind where it hurts most. All objects
//! have a stored checksum, half of them each of the usual ones, for only then a reader can know that a body was
//! damaged. The answers that are documents are never damaged: nothing protects them but TLS.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use simulations_s3::{
    Fault, FaultKind, Model, Occasion, Op, PutAttributes, Rope, StoredChecksum, TwinOptions,
};

use crate::support::{Ended, World, read_archive, until};

const OUT: &str = "s3://out/a.zip";

/// Objects of all sizes that matter.
fn world(seed: u64) -> World {
    let world = World::with(TwinOptions { seed, ..TwinOptions::default() });
    let small = (0..200).map(|i| (format!("small/{i:03}"), 100 + i * 37));
    let medium = (0..4).map(|i| (format!("medium/{i}"), (5 << 20) + i - 2));
    let others = [("empty", 0), ("one", 1), ("spans", 40_000_000), ("spans-too", 20_000_000)]
        .map(|(name, size)| (name.to_owned(), size));
    for (number, (name, size)) in (0..).zip(small.chain(medium).chain(others)) {
        let checksum = if number % 2 == 0 { StoredChecksum::Crc32 } else { StoredChecksum::Crc64Nvme };
        let attributes = PutAttributes { checksum, ..PutAttributes::default() };
        world.twin.put_with("src", &format!("p/{name}"), Rope::synthetic(number, size), attributes);
    }
    world
}

/// A world with three objects in one part.
fn small_world() -> World {
    let world = World::new();
    for i in 0..3 {
        world.twin.put("src", &format!("p/{i}"), Rope::synthetic(i, 1_000 * i));
    }
    world
}

fn zip(world: &World) -> Ended {
    world.zipfleet(&["zip", "--part-size", "8MiB", "s3://src/p/", OUT])
}

/// That no upload is left but those told of is for `judge` to say.
#[track_caller]
fn is_right(world: &World) {
    let archive = world.twin.object("out", "a.zip").expect("it was made").content;
    assert_eq!(read_archive(&archive), world.entries("src", "p/"));
}

const KINDS: [FaultKind; 8] = [
    FaultKind::InternalError,
    FaultKind::SlowDown,
    FaultKind::ResetBefore,
    FaultKind::ResetDuring,
    FaultKind::LostAnswer,
    FaultKind::Truncate,
    FaultKind::Corrupt,
    FaultKind::ErrorIn200,
];

/// Adds all kinds of faults, each on a share of the requests.
fn add_all_faults(world: &World, chance: f64) {
    for kind in KINDS {
        let ops = if kind == FaultKind::Corrupt {
            vec![Some(Op::GetObject), Some(Op::UploadPart)]
        } else {
            vec![None]
        };
        for op in ops {
            world.twin.add_fault(Fault::new(op, kind).on(Occasion::Chance(chance)));
        }
    }
}

/// What a run came to, if that is allowed; else what is wrong with it.
fn judge(world: &World, ended: &Ended) -> Result<&'static str, String> {
    let told = |id: &str| ended.stderr.contains(id);
    if let Some(upload) = world.twin.uploads().iter().find(|upload| !told(&upload.upload_id)) {
        return Err(format!("nobody was told of {upload:?}"));
    }
    let archive = world.twin.object("out", "a.zip");
    match ended.code {
        0 if archive.is_none() => Err("no archive".to_owned()),
        0 => Ok("right"),
        9 | 12 if archive.is_some() => Err("an archive in spite of the error".to_owned()),
        9 | 12 if !ended.stderr.contains("s3://") => Err("an error that names nothing".to_owned()),
        9 | 12 if !world.twin.uploads().is_empty() => Ok("an error that names the upload left"),
        9 => Ok("S3 unavailable"),
        12 => Ok("bytes damaged"),
        code => Err(format!("exit code {code}")),
    }
}

/// The seeds to run: one as `SEED=7`, or more than usual as `SEED=0..500`.
fn seeds() -> Range<u64> {
    let text = std::env::var("SEED").unwrap_or_else(|_| "0..16".to_owned());
    let number = |text: &str| text.parse::<u64>().expect("SEED is a number, or two with `..` between");
    text.split_once("..")
        .map_or_else(|| number(&text)..number(&text) + 1, |(first, end)| number(first)..number(end))
}

/// Requests run side by side, so that a seed strikes not quite the same ones each time.
#[test]
fn faults_at_random() {
    let mut outcomes = BTreeMap::<_, u32>::new();
    for seed in seeds() {
        // Shown when something panics.
        println!("replay: SEED={seed} cargo test -p cli --test it failures::faults_at_random");
        let world = world(seed);
        add_all_faults(&world, [0.01, 0.02, 0.05, 0.1][seed as usize % 4]);
        let ended = zip(&world);
        let outcome = judge(&world, &ended).unwrap_or_else(|wrong| panic!("{wrong}: {ended:#?}"));
        if outcome == "right" {
            is_right(&world);
        }
        *outcomes.entry(outcome).or_default() += 1;
    }
    println!("outcomes of {:?}: {outcomes:?}", seeds());
}

#[test]
fn a_few_of_each_fault_are_overcome() {
    for (op, kind, count) in [
        (Op::ListObjectsV2, FaultKind::InternalError, 3),
        (Op::ListObjectsV2, FaultKind::Truncate, 3),
        (Op::CreateMultipartUpload, FaultKind::LostAnswer, 1),
        (Op::CreateMultipartUpload, FaultKind::LostAnswer, 3),
        (Op::GetObject, FaultKind::ResetBefore, 3),
        (Op::GetObject, FaultKind::ResetDuring, 3),
        (Op::GetObject, FaultKind::Truncate, 3),
        (Op::GetObject, FaultKind::Corrupt, 3),
        (Op::UploadPart, FaultKind::ResetDuring, 3),
        (Op::UploadPart, FaultKind::LostAnswer, 3),
        (Op::UploadPart, FaultKind::Corrupt, 3),
        (Op::CompleteMultipartUpload, FaultKind::LostAnswer, 1),
        (Op::CompleteMultipartUpload, FaultKind::LostAnswer, 6),
        (Op::CompleteMultipartUpload, FaultKind::ErrorIn200, 3),
        (Op::CompleteMultipartUpload, FaultKind::InternalError, 3),
    ] {
        for flags in [&[][..], &["--no-overwrite"]] {
            let world = small_world();
            world.twin.add_fault(Fault::new(op, kind).on(Occasion::First(count)));
            let ended = world.zipfleet(&[&["zip", "s3://src/p/", OUT], flags].concat());
            assert_eq!(ended.code, 0, "{count} times {kind:?} on {op}, {flags:?}: {ended:#?}");
            judge(&world, &ended).expect("no upload is left without a word");
            is_right(&world);
        }
    }
}

/// Every object breaks off three times, wherever that is.
#[test]
fn every_read_breaks_off_thrice() {
    for kind in [FaultKind::ResetDuring, FaultKind::Truncate] {
        let world = world(1);
        for key in world.twin.keys("src") {
            world.twin.add_fault(Fault::new(Op::GetObject, kind).keys(key).on(Occasion::First(3)));
        }
        zip(&world).succeeded();
        is_right(&world);
        world.no_upload_left();
    }
}

#[test]
fn what_never_ends_is_an_error() {
    for (op, kind, words) in [
        (Op::ListObjectsV2, FaultKind::InternalError, "s3://src/p/"),
        (Op::CreateMultipartUpload, FaultKind::LostAnswer, OUT),
        (Op::GetObject, FaultKind::ResetDuring, "s3://src/p/"),
        (Op::GetObject, FaultKind::Truncate, "s3://src/p/"),
        (Op::UploadPart, FaultKind::ResetBefore, OUT),
        (Op::UploadPart, FaultKind::Corrupt, OUT),
        (Op::CompleteMultipartUpload, FaultKind::InternalError, OUT),
        (Op::CompleteMultipartUpload, FaultKind::ErrorIn200, OUT),
    ] {
        let world = small_world();
        world.twin.add_fault(Fault::new(op, kind));
        let ended = zip(&world);
        assert_eq!(ended.code, 9, "{kind:?} on {op}: {ended:#?}");
        ended.failed(9, &[words]);
        if op == Op::CreateMultipartUpload {
            // Nobody can tell whose they are, so they are named and not removed.
            assert_eq!(judge(&world, &ended), Ok("an error that names the upload left"));
        } else {
            world.nothing_left("out", "a.zip");
        }
    }
}

#[test]
fn an_s3_that_always_asks_to_slow_down() {
    for op in [Op::ListObjectsV2, Op::GetObject] {
        let world = small_world();
        world.twin.add_fault(Fault::new(op, FaultKind::SlowDown));
        let ended = zip(&world);
        ended.failed(9, &["s3://src/p/", "slow down"]);
        world.nothing_left("out", "a.zip");
        println!("503 to every {op}: gave up after {:.1} s", ended.took.as_secs_f64());
        assert!(ended.took < Duration::from_secs(60), "{ended:?}");
    }
}

#[test]
fn an_abort_is_repeated_too() {
    for kind in [FaultKind::LostAnswer, FaultKind::InternalError, FaultKind::ResetBefore] {
        let world = small_world();
        world.twin.deny("GetObject:src/p/2".parse().unwrap());
        world.twin.add_fault(Fault::new(Op::AbortMultipartUpload, kind).on(Occasion::First(3)));
        zip(&world).failed(5, &["s3://src/p/2"]);
        world.nothing_left("out", "a.zip");
    }
}

#[test]
fn an_abort_that_never_gets_through_is_told() {
    let world = small_world();
    world.twin.deny("GetObject:src/p/2".parse().unwrap());
    world.twin.add_fault(Fault::new(Op::AbortMultipartUpload, FaultKind::InternalError));
    let ended = zip(&world);
    ended.failed(5, &["s3://src/p/2", "could not be removed", &world.twin.uploads()[0].upload_id]);
}

/// The answer that named the upload was lost, and to look for it is not allowed: all that can be done is to say
/// that it may be there.
#[test]
fn an_upload_that_may_be_left_is_told() {
    let world = small_world();
    world.twin.deny("ListMultipartUploads:out".parse().unwrap());
    world.twin.add_fault(Fault::new(Op::CreateMultipartUpload, FaultKind::LostAnswer).on(Occasion::First(1)));
    let ended = zip(&world);
    ended.succeeded();
    assert_eq!(world.twin.uploads().len(), 1, "the one nobody can know of");
    assert!(ended.stderr.contains("upload may be left"), "nothing was said of it: {ended:#?}");
}

#[test]
fn credentials_that_expire_meanwhile() {
    let world = world(1);
    world.twin.set_model(Model::default().latency(Op::GetObject, Duration::from_millis(200)));
    let running = world.spawn(&["zip", "--concurrency", "2", "s3://src/p/", OUT]);
    until("the first reads", || world.twin.requests().get("GetObject").copied() >= Some(2));
    world.twin.expire_key("zipfleet");
    world.twin.set_model(Model::default());
    let ended = running.wait();
    // With them expires the right to remove the upload.
    ended.failed(5, &["s3://src/p/", "expired", "could not be removed", &world.twin.uploads()[0].upload_id]);
}

/// S3 made the archive and its answer was lost; whoever may only write cannot look. To call that a failure without
/// an archive would be a lie.
#[test]
fn an_archive_that_cannot_be_looked_for() {
    let world = small_world();
    world.twin.deny("HeadObject:out".parse().unwrap());
    world
        .twin
        .add_fault(Fault::new(Op::CompleteMultipartUpload, FaultKind::LostAnswer).on(Occasion::First(1)));
    zip(&world).failed(9, &["not known whether the archive is at s3://out/a.zip"]);
    assert!(world.twin.object("out", "a.zip").is_some(), "it was there all along");
}

/// Without a stored CRC32, a CRC-64/NVME, as S3 computes it for everything, tells damage on the way apart, whether the
/// object is read by one request or by many.
#[test]
fn damage_is_noticed_by_the_checksum_s3_computes() {
    for size in [3_000_000, 40_000_000] {
        let world = World::new();
        world.twin.create_bucket("out");
        world.twin.put("src", "p/object", Rope::synthetic(1, size));
        world.twin.add_fault(Fault::new(Op::GetObject, FaultKind::Corrupt));
        zip(&world).failed(12, &["s3://src/p/object", "disagree with the checksum"]);
        world.nothing_left("out", "a.zip");
        world.twin.clear_faults();
        world.twin.add_fault(Fault::new(Op::GetObject, FaultKind::Corrupt).on(Occasion::First(1)));
        zip(&world).succeeded();
        world.archive_is_right("out", "a.zip", &world.entries("src", "p/"));
        world.no_upload_left();
    }
}
