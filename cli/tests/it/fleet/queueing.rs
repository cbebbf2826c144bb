//! Goal: jobs share the fleet; a small one is not held up by a large one, many wait their turn, and those beyond
//! what the coordinator takes are refused with a sentence.

use proto::job::JobId;

use super::support::{Fleet, PACE};
use crate::support::Ended;

#[test]
fn a_small_job_ends_before_a_large_one_that_came_first() {
    let fleet = Fleet::of(2);
    fleet.sources("large", 30);
    fleet.sources("small", 3);
    fleet.throttle(&["n1", "n2"], PACE);
    let large = fleet.submit("large");
    fleet.has_done(large, 2);
    let small = fleet.submit("small");
    fleet.completed(small);
    let job = fleet.job(large);
    assert!(job.outcome.is_none(), "the large one had {:?} when the small one was done", job.progress);
    println!("when the small one was done the large one had {} parts", job.progress.parts_done);
    fleet.completed(large);
    fleet.is_well(&["small", "large"]);
}

#[test]
fn fifty_jobs_wait_their_turn_and_more_are_refused() {
    let mut fleet = Fleet::with(&["--jobs-running", "4", "--jobs-waiting", "46"]);
    // Nothing can be made yet, so none of them ends early.
    let names: Vec<String> = (0..50).map(|i| format!("job-{i:02}")).collect();
    for name in &names {
        fleet.world.twin.put("src", &format!("{name}/object"), simulations_s3::Rope::synthetic(1, 100_000));
    }
    let jobs: Vec<JobId> = names.iter().map(|name| fleet.submit(name)).collect();
    fleet.sources("beyond", 1);
    let refused: Ended = fleet.world.start(fleet.submission("beyond", &[])).wait();
    refused.failed(9, &["4 jobs are in progress and 46 wait", "submit it again later"]);
    fleet.join(&["n1", "n2"]);
    for job in jobs {
        fleet.completed(job);
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    fleet.is_well(&names);
    fleet.completed(fleet.submit("beyond"));
    fleet.is_well(&["beyond"]);
}
