//! Goal: a bucket that asks to slow down is asked less by the whole fleet, and the job goes on at the pace it allows.

use simulations_s3::{Model, Op, Rope};

use super::support::Fleet;

/// Reads a second that the bucket takes: a fraction of what three nodes could send.
const READS: f64 = 150.0;
const OBJECTS: u64 = 2_400;

#[test]
fn a_bucket_that_is_asked_too_much() {
    let fleet = Fleet::of(3);
    for number in 0..OBJECTS {
        fleet.world.twin.put("src", &format!("many/{number:05}"), Rope::synthetic(number, 10_000));
    }
    fleet.world.twin.set_model(Model::default().rate(Op::GetObject, READS));
    fleet.world.twin.reset_requests();
    let job = fleet.submit("many");
    let summary = fleet.completed(job);
    let asked = fleet.world.twin.requests()["GetObject"];
    let refused = asked - OBJECTS;
    println!("{OBJECTS} reads in {} ms, {refused} refused", summary.total_ms);
    // Ungoverned, nodes are refused so often that parts run out of retries, and the job fails.
    assert!(refused < OBJECTS, "{refused} of {asked} requests were refused");
    fleet.world.twin.set_model(Model::default());
    fleet.is_well(&["many"]);
}
