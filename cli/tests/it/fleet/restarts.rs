//! Goal: a coordinator that dies fails its jobs and nothing more: whoever waits is told, the nodes stay, and the
//! next coordinator removes what was left. One that is told to stop leaves nothing behind.

use super::support::{Fleet, PACE, all_made_parts};
use crate::support::{Running, until};

const NAMES: [&str; 2] = ["n1", "n2"];

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
    waiting.wait().failed(4, &["there is no job"]);
}

#[test]
fn a_coordinator_that_is_told_to_stop() {
    let (mut fleet, waiting) = fleet();
    let coordinator = fleet.coordinator.take().expect("it is there");
    coordinator.signal("TERM");
    let ended = coordinator.wait();
    ended.succeeded();
    fleet.world.nothing_left("out", "job.zip");
    assert_eq!(fleet.world.twin.keys("state"), [""; 0]);
    let told = waiting.wait();
    assert!([9, 130].contains(&told.code), "{told:#?}");
    println!("stopped in {:?}; whoever waited was told: {}", ended.took, told.stderr);
    goes_on(&mut fleet);
}
