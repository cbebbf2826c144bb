//! Archives made by way of segments, which are never left behind.

use std::sync::mpsc;
use std::time::Duration;

use coordinator_server::{Coordinator, Journal, Recovered};
use proto::job::{JobId, JobSpec, Outcome, Summary};
use proto::location::Source;
use simulations_s3::{Fault, FaultKind, Occasion, Op, Rope, TwinOptions};

use crate::world::{OUT, SOURCES, STATE, World, at, state, until, with_a_node};

/// A job whose parts have so many MiB.
fn job(key: &str, mib: u64) -> JobSpec {
    let source = Source::Prefix { bucket: SOURCES.into(), prefix: "in/".into() };
    JobSpec { part_bytes: Some(mib << 20), ..JobSpec::new(vec![source], at(OUT, key)) }
}

async fn completed(coordinator: &Coordinator, spec: JobSpec) -> Summary {
    match coordinator.submit(spec).outcome().await {
        Outcome::Completed(summary) => summary,
        failed @ Outcome::Failed { .. } => panic!("{failed:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_archive_of_parts_that_no_node_holds_is_the_same() {
    let world = World::new().await;
    world.fill(4, 17 << 20);
    let coordinator = with_a_node(&world.s3, None).await;
    let plain = completed(&coordinator, job("plain.zip", 5)).await;
    let before = world.twin.requests();
    let segmented = completed(&coordinator, job("segmented.zip", 20)).await;
    assert_eq!((segmented.bytes, segmented.crc32), (plain.bytes, plain.crc32));
    assert!(segmented.parts < plain.parts / 2, "{} and {} parts", segmented.parts, plain.parts);
    assert_eq!(segmented.warnings, [""; 0]);
    let content = |key: &str| world.twin.object(OUT, key).expect("it is there").content;
    assert!(content("plain.zip").to_bytes() == content("segmented.zip").to_bytes());
    assert_eq!(world.twin.keys(OUT), ["plain.zip", "segmented.zip"]);
    assert_eq!(world.twin.uploads(), []);
    let more = |operation: &str| {
        world.twin.requests()[operation] - before.get(operation).copied().unwrap_or_default()
    };
    let segments = more("UploadPartCopy");
    assert_eq!((more("DeleteObject"), more("CompleteMultipartUpload")), (segments, segments + 1));
    assert!(segments >= 3);
}

/// Its CRC is known to S3, which was told it when the segment was put together.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_segment_is_not_read_where_copies_tell_no_crc() {
    let world = World::with(TwinOptions { copy_returns_checksum: false, ..TwinOptions::default() }).await;
    world.fill(10, 4 << 20);
    let coordinator = with_a_node(&world.s3, None).await;
    completed(&coordinator, job("a.zip", 20)).await;
    assert_eq!(world.twin.keys(OUT), ["a.zip"]);
    assert_eq!((world.twin.requests()["GetObject"], world.twin.requests()["UploadPartCopy"]), (10, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_are_lost_leave_nothing() {
    let world = World::new().await;
    world.fill(4, 17 << 20);
    for op in [Op::CreateMultipartUpload, Op::CompleteMultipartUpload] {
        let lost = Fault::new(op, FaultKind::LostAnswer);
        world.twin.add_fault(lost.on(Occasion::Nth(2)));
    }
    let coordinator = with_a_node(&world.s3, None).await;
    let summary = completed(&coordinator, job("a.zip", 20)).await;
    assert_eq!(summary.warnings, [""; 0]);
    assert_eq!((world.twin.keys(OUT), world.twin.uploads()), (vec!["a.zip".to_owned()], vec![]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_fails_leaves_no_segment_and_tells_which_it_must_leave() {
    for may_delete in [true, false] {
        let world = World::new().await;
        world.fill(4, 17 << 20);
        world.twin.deny("UploadPartCopy:archives".parse().expect("it is a denial"));
        if !may_delete {
            world.twin.deny("DeleteObject:archives".parse().expect("it is a denial"));
        }
        let coordinator = with_a_node(&world.s3, None).await;
        let outcome = coordinator.submit(job("a.zip", 20)).outcome().await;
        let Outcome::Failed { left_behind, .. } = outcome else { panic!("{outcome:?}") };
        assert_eq!(world.twin.uploads(), []);
        let keys = world.twin.keys(OUT);
        assert_eq!((keys.is_empty(), left_behind.is_empty()), (may_delete, may_delete), "{left_behind:?}");
        for key in keys {
            let told =
                left_behind.iter().any(|left| left.contains(&format!("`aws s3 rm 's3://{OUT}/{key}'`")));
            assert!(told, "{key} is not told of: {left_behind:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_coordinator_left_that_died_is_removed_by_the_next() {
    let world = World::new().await;
    world.fill(8, 17 << 20);
    // So that it does not come to the end.
    world.twin.add_fault(Fault::new(Op::UploadPartCopy, FaultKind::SlowDown));
    let (die, dies) = mpsc::channel::<()>();
    let s3 = world.s3.tallied();
    let coordinator = std::thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().expect("there are threads");
        runtime.block_on(async {
            let coordinator = with_a_node(&s3, Some(Journal::new(s3.clone(), state()))).await;
            drop(coordinator.submit(job("a.zip", 20)));
            // As long as the test wants.
            tokio::task::block_in_place(|| dies.recv()).expect("the test tells");
        });
        runtime.shutdown_background();
    });
    until(|| !world.twin.keys(OUT).is_empty() && world.twin.uploads().len() > 1).await;
    die.send(()).expect("it waits for that");
    coordinator.join().expect("it ends quietly");
    assert!(!world.twin.keys(OUT).is_empty() && !world.twin.uploads().is_empty());

    world.twin.put(OUT, "a.zip.zipfleet-of-someone", Rope::from("other"));
    let recovered = recover(&Journal::new(world.s3.clone(), state())).await;
    assert_eq!((recovered.removed.len(), recovered.warnings), (1, vec![]));
    assert_eq!(world.twin.keys(OUT), ["a.zip.zipfleet-of-someone"]);
    assert_eq!((world.twin.uploads(), world.twin.keys(STATE)), (vec![], vec![]));
}

/// What a coordinator finds when it starts, and does later.
async fn recover(journal: &Journal) -> Recovered {
    let (recovered, unswept) = journal.recover().await.expect("it can be read");
    journal.sweep_late(unswept, Duration::ZERO).await;
    recovered
}

/// Has it seem that a coordinator died when a job to `a.zip` had so many segments.
async fn dead(world: &World, segments: u32) -> JobId {
    let job = JobId(7);
    let archive = world.s3.create_upload(&at(OUT, "a.zip"), job).await.expect("S3 is well");
    let record = serde_json::json!({
        "job": job, "destination": at(OUT, "a.zip"), "written": 1_700_000_000, "upload_id": archive.upload_id,
    });
    let key = format!("here/uploads/{job}.json");
    world.twin.put(STATE, &key, Rope::from(record.to_string().into_bytes()));
    for segment in 0..segments {
        world.twin.put(OUT, &format!("a.zip.zipfleet-{job}/{segment}"), Rope::from("some"));
    }
    job
}

/// A node goes on until it learns that its coordinator is gone.
#[tokio::test]
async fn what_a_node_begins_for_a_coordinator_that_died_is_removed_with_the_record() {
    let world = World::new().await;
    let job = dead(&world, 1).await;
    let journal = Journal::new(world.s3.clone(), state());
    let (recovered, unswept) = journal.recover().await.expect("it can be read");
    assert_eq!((recovered.removed.len(), recovered.warnings), (1, vec![]));
    assert_eq!((world.twin.keys(OUT), records(&world).len()), (vec![], 1));

    let at_work = async {
        let made = format!("a.zip.zipfleet-{job}/3.1");
        world.twin.put(OUT, &format!("{made}.0"), Rope::from("made"));
        world.s3.create_upload(&at(OUT, &format!("{made}.1")), job).await.expect("S3 is well");
        assert_eq!(records(&world).len(), 1);
    };
    tokio::join!(journal.sweep_late(unswept, Duration::from_millis(500)), at_work);
    assert_eq!((world.twin.keys(OUT), world.twin.uploads(), records(&world)), (vec![], vec![], vec![]));
}

#[tokio::test]
async fn a_coordinator_that_dies_meanwhile_leaves_the_record_to_the_next() {
    let world = World::new().await;
    let job = dead(&world, 1).await;
    let journal = Journal::new(world.s3.clone(), state());
    let (_, unswept) = journal.recover().await.expect("it can be read");
    drop(journal.sweep_late(unswept, Duration::ZERO));
    world.twin.put(OUT, &format!("a.zip.zipfleet-{job}/3.1.0"), Rope::from("made"));
    recover(&journal).await;
    assert_eq!((world.twin.keys(OUT), records(&world)), (vec![], vec![]));
}

#[tokio::test]
async fn segments_that_cannot_be_removed_are_told_and_tried_again() {
    let world = World::new().await;
    let job = dead(&world, 1).await;
    world.twin.add_fault(Fault::new(Op::DeleteObject, FaultKind::InternalError));
    let journal = Journal::new(world.s3.clone(), state());
    let recovered = recover(&journal).await;
    assert!(recovered.warnings[0].contains(&format!("s3://{OUT}/a.zip.zipfleet-{job}/")), "{recovered:?}");
    world.twin.clear_faults();
    assert_eq!(recover(&journal).await.warnings, [""; 0]);
    assert_eq!((world.twin.keys(OUT), world.twin.keys(STATE)), (vec![], vec![]));
}

#[tokio::test]
async fn segments_are_removed_although_nobody_may_look_for_their_uploads() {
    let world = World::new().await;
    let job = dead(&world, 40).await;
    world.twin.deny("ListMultipartUploads:archives".parse().expect("it is a denial"));
    let journal = Journal::new(world.s3.clone(), state());
    let recovered = recover(&journal).await;
    let [warning] = &recovered.warnings[..] else { panic!("{recovered:?}") };
    assert!(warning.contains(&format!("s3://{OUT}/a.zip.zipfleet-{job}/")), "{warning}");
    assert_eq!(world.twin.keys(OUT), [""; 0]);
    assert_eq!(world.twin.keys(STATE).len(), 1);
    world.twin.clear_denials();
    assert_eq!(recover(&journal).await.warnings, [""; 0]);
    assert_eq!(world.twin.keys(STATE), [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_job_left_is_removed_later_although_its_archive_is_there() {
    let world = World::new().await;
    world.fill(4, 17 << 20);
    world.twin.deny("DeleteObject:archives".parse().expect("it is a denial"));
    let journal = Journal::new(world.s3.clone(), state());
    let coordinator = with_a_node(&world.s3, Some(journal.clone())).await;
    let summary = completed(&coordinator, job("a.zip", 20)).await;
    assert_eq!(summary.warnings.len(), world.twin.keys(OUT).len() - 1, "{summary:?}");
    world.twin.clear_denials();
    assert_eq!(recover(&journal).await.warnings, [""; 0]);
    assert_eq!(world.twin.keys(OUT), ["a.zip"]);
    assert_eq!(records(&world), [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uploads_of_segments_that_cannot_be_looked_for_are_told_and_tried_again() {
    let world = World::new().await;
    world.fill(4, 17 << 20);
    world.twin.deny("ListMultipartUploads:archives".parse().expect("it is a denial"));
    let lost = Fault::new(Op::CreateMultipartUpload, FaultKind::LostAnswer).keys("a.zip.zipfleet-");
    world.twin.add_fault(lost.on(Occasion::First(2)));
    let journal = Journal::new(world.s3.clone(), state());
    let coordinator = with_a_node(&world.s3, Some(journal.clone())).await;
    let summary = completed(&coordinator, job("a.zip", 20)).await;
    let [warning] = &summary.warnings[..] else { panic!("{summary:?}") };
    assert!(warning.contains(&format!("s3://{OUT}/a.zip.zipfleet-")), "{warning}");
    assert_eq!(world.twin.uploads().len(), 2);
    world.twin.clear_denials();
    assert_eq!(recover(&journal).await.warnings, [""; 0]);
    assert_eq!((world.twin.uploads(), records(&world)), (vec![], vec![]));
}

/// The keys of records of uploads; reports may be there too.
fn records(world: &World) -> Vec<String> {
    world.twin.keys(STATE).into_iter().filter(|key| key.contains("/uploads/")).collect()
}
