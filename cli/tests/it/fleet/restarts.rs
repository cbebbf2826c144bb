//! Goal: a coordinator that dies fails its jobs and nothing more: whoever waits is told, the nodes stay, and the
//! next coordinator removes what was left. One that is told to stop leaves nothing behind.

use std::thread::sleep;
use std::time::Duration;

use simulations_s3::{Model, Op};

use super::support::{Fleet, PACE, all_made_parts};
use crate::support::{Running, until};

const NAMES: [&str; 2] = ["n1", "n2"];
/// How long a coordinator is stopped: longer than nodes wait for it.
const STOPPED: Duration = Duration::from_secs(10);

/// Two nodes, and a job that somebody waits for and of which parts are uploaded.
fn fleet() -> (Fleet, Running) {
    let fleet = Fleet::of(2);
    fleet.sources("job", 16);
    fleet.sources("next", 8);
    fleet.throttle(&NAMES, PACE);
    let waiting = fleet.world.start(fleet.submission("job", &["--wait"]));
    let job = fleet.running_job();
    fleet.has_done(job, 2);
    let uploads = fleet.world.twin.uploads();
    assert!(uploads.iter().any(|upload| !upload.parts.is_empty()), "{uploads:?}");
    (fleet, waiting)
}

/// Starts the coordinator again: nothing is left of the job, and the next one is made by the same nodes.
fn goes_on(fleet: &mut Fleet) {
    fleet.start_coordinator();
    until("what was left is removed", || fleet.world.twin.uploads().is_empty());
    assert!(fleet.world.twin.object("out", "job.zip").is_none(), "there is no archive");
    fleet.are_active(&NAMES);
    fleet.unthrottle(&NAMES);
    fleet.throttle(&NAMES, 2 * PACE);
    let next = fleet.submit("next");
    fleet.completed(next);
    all_made_parts(&fleet.explain(next), &NAMES);
    fleet.is_well(&["next"]);
    for node in fleet.nodes.values_mut() {
        assert!(!node.has_ended(), "the nodes are the same: {}", node.stderr());
    }
}

#[test]
fn a_coordinator_that_is_killed_and_stays_away() {
    let (mut fleet, waiting) = fleet();
    fleet.kill_coordinator();
    waiting.wait().failed(9, &["the cluster at http://127.0.0.1:", "cannot be reached"]);
    assert!(!fleet.world.twin.uploads().is_empty(), "nobody was there to remove it");
    goes_on(&mut fleet);
}

#[test]
fn a_coordinator_that_is_killed_and_started_again_at_once() {
    let (mut fleet, waiting) = fleet();
    fleet.kill_coordinator();
    goes_on(&mut fleet);
    // The job is unknown to the new one.
    waiting.wait().failed(9, &["is lost: submit it again"]);
}

#[test]
fn a_coordinator_that_is_told_to_stop() {
    let (mut fleet, waiting) = fleet();
    let coordinator = fleet.coordinator.take().expect("it is there");
    coordinator.signal("TERM");
    let ended = coordinator.wait();
    ended.succeeded();
    fleet.world.nothing_left("out", "job.zip");
    fleet.no_state_left();
    println!("stopped in {:?}", ended.took);
    goes_on(&mut fleet);
    // Whether it saw the job end, nobody there, or a new coordinator: it was told.
    let told = waiting.wait();
    told.failed(14, &["cancelled"]);
}

/// The nodes drop what they hold, and begin anew when it is back.
#[test]
fn a_coordinator_that_is_stopped_for_a_while() {
    let (fleet, _waiting) = fleet();
    let job = fleet.running_job();
    let coordinator = fleet.coordinator.as_ref().expect("it is there");
    coordinator.signal("STOP");
    sleep(STOPPED);
    coordinator.signal("CONT");
    fleet.completed(job);
    fleet.are_active(&NAMES);
    fleet.is_well(&["job"]);
}

/// Kills the coordinator of one node while S3 is carrying out this, and starts it again.
fn killed_at(op: Op) -> Fleet {
    let mut fleet = Fleet::of(1);
    fleet.sources("job", 3);
    fleet.sources("next", 3);
    fleet.world.twin.set_model(Model::default().latency(op, Duration::from_secs(100)));
    fleet.submit("job");
    until("S3 was asked", || fleet.world.twin.requests().contains_key(op.name()));
    fleet.kill_coordinator();
    fleet.world.twin.set_model(Model::default());
    fleet.start_coordinator();
    fleet.are_active(&["n1"]);
    fleet
}

/// S3 may or may not have put the archive together; nothing lies between.
#[test]
fn a_coordinator_that_is_killed_at_completion() {
    let fleet = killed_at(Op::CompleteMultipartUpload);
    until("nothing is left", || fleet.world.twin.uploads().is_empty());
    fleet.completed(fleet.submit("next"));
    match fleet.world.twin.object("out", "job.zip") {
        Some(_) => fleet.is_well(&["job", "next"]),
        None => fleet.is_well(&["next"]),
    }
}

/// Nobody knows whose the upload is, so the next coordinator says what it found and how to remove it.
#[test]
fn a_coordinator_that_is_killed_while_the_upload_is_being_created() {
    let fleet = killed_at(Op::CreateMultipartUpload);
    let said = fleet.coordinator.as_ref().expect("it was just started").stdout();
    let left = fleet.world.twin.uploads();
    assert!(left.iter().all(|upload| upload.parts.is_empty() && said.contains(&upload.upload_id)), "{said}");
    assert_eq!(said.contains("an unused upload may be left at s3://out/job.zip"), !left.is_empty(), "{said}");
    println!("{said}");
    fleet.no_state_left();
}

/// What was under way is lost with the coordinator, and the batch has it made by the next one.
#[test]
fn a_coordinator_that_is_killed_during_a_batch() {
    let mut fleet = Fleet::of(2);
    let names: Vec<String> = (0..6).map(|i| format!("job-{i}")).collect();
    names.iter().for_each(|name| fleet.sources(name, 4));
    fleet.throttle(&NAMES, PACE);
    let line = |name: &String| {
        let (from, to) = (format!("s3://src/{name}/"), format!("s3://out/{name}.zip"));
        serde_json::json!({ "sources": [from], "destination": to }).to_string()
    };
    let lines: Vec<String> = names.iter().map(line).collect();
    std::fs::write(fleet.world.file("jobs.jsonl"), lines.join("\n")).expect("there is room");
    let batch = fleet.world.start(fleet.tell(&["submit", "--batch", "jobs.jsonl", "--concurrency", "1"]));
    until("one is done", || batch.stdout().contains('\n'));
    // A coordinator killed just when it creates an upload can only name it: that is another test's.
    until("the next one's upload holds something", || {
        fleet.world.twin.uploads().iter().any(|upload| !upload.parts.is_empty())
    });
    fleet.kill_coordinator();
    fleet.start_coordinator();
    let ended = batch.wait();
    ended.succeeded();
    assert!(ended.stdout.contains(r#"{"batch":{"completed":6,"done_before":0,"failed":0}}"#), "{ended:#?}");
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    fleet.is_well(&names);
}
