//! Goal: a node that dies or is stopped costs only what it had in flight; when it is back it takes part again.

use std::thread::sleep;
use std::time::{Duration, Instant};

use proto::explain::What;
use proto::failure::FailureKind;
use proto::job::Outcome;

use super::support::{Fleet, PACE, all_made_parts, decided, share, was_relieved};
use crate::support::until;

/// How long a process is stopped: longer than a coordinator waits for it.
const STOPPED: Duration = Duration::from_secs(20);

#[test]
fn a_node_that_is_killed_costs_what_it_had_in_flight() {
    let mut fleet = Fleet::of(3);
    let names = ["n1", "n2", "n3"];
    fleet.sources("job", 24);
    fleet.sources("next", 4);
    fleet.throttle(&names, PACE);
    let job = fleet.submit("job");
    fleet.has_done(job, 2);
    let process = fleet.nodes.remove("n1").expect("it is there");
    process.signal("KILL");
    process.wait();
    // At once, under its old name.
    fleet.join(&["n1"]);
    fleet.completed(job);

    let explanation = fleet.explain(job);
    let n1 = share(&explanation, "n1");
    assert!((1..=4).contains(&n1.lost), "what it had in flight, and no more: {explanation:#?}");
    assert!(decided(&explanation, |what| matches!(what, What::Lost { node, .. } if node == "n1")));
    all_made_parts(&explanation, &names);
    let next = fleet.submit("next");
    fleet.completed(next);
    fleet.is_well(&["job", "next"]);
    fleet.verifies("job");
}

#[test]
fn a_node_that_is_stopped_for_a_while_is_not_waited_for_and_comes_back() {
    let fleet = Fleet::of(3);
    let names = ["n1", "n2", "n3"];
    fleet.sources("job", 24);
    fleet.sources("next", 12);
    fleet.throttle(&names, PACE);
    let job = fleet.submit("job");
    fleet.has_done(job, 2);
    fleet.process("n1").signal("STOP");
    let since = Instant::now();
    fleet.completed(job);
    let explanation = fleet.explain(job);
    was_relieved(&explanation, "n1");
    println!("the job was done {:?} after it was stopped", since.elapsed());

    sleep(STOPPED.saturating_sub(since.elapsed()));
    fleet.process("n1").signal("CONT");
    fleet.are_active(&names);
    let next = fleet.submit("next");
    fleet.completed(next);
    all_made_parts(&fleet.explain(next), &names);
    fleet.is_well(&["job", "next"]);
}

#[test]
fn all_nodes_are_killed_and_others_come() {
    let mut fleet = Fleet::of(2);
    fleet.sources("job", 12);
    fleet.throttle(&["n1", "n2", "n3", "n4"], PACE);
    let job = fleet.submit("job");
    fleet.has_done(job, 2);
    fleet.nodes.clear();
    until("nobody is there", || !fleet.is_active("n1") && !fleet.is_active("n2"));
    assert!(fleet.job(job).outcome.is_none(), "it waits for nodes");
    fleet.join(&["n3", "n4"]);
    fleet.completed(job);
    all_made_parts(&fleet.explain(job), &["n3", "n4"]);
    fleet.is_well(&["job"]);
}

#[test]
fn a_job_is_cancelled_while_a_node_is_stopped() {
    let fleet = Fleet::of(2);
    fleet.sources("job", 16);
    fleet.sources("next", 4);
    fleet.throttle(&["n1", "n2"], PACE);
    let job = fleet.submit("job");
    fleet.has_done(job, 2);
    fleet.process("n1").signal("STOP");
    fleet.world.start(fleet.tell(&["cancel", &job.to_string()])).wait().succeeded();
    until("it has ended", || fleet.job(job).outcome.is_some());
    let Some(Outcome::Failed { failure, left_behind }) = fleet.job(job).outcome else {
        panic!("{:?}", fleet.job(job))
    };
    assert_eq!((failure.kind, left_behind), (FailureKind::Cancelled, Vec::new()));
    fleet.world.nothing_left("out", "job.zip");
    // What it had in flight must not bring anything back.
    fleet.process("n1").signal("CONT");
    fleet.are_active(&["n1", "n2"]);
    fleet.completed(fleet.submit("next"));
    fleet.world.nothing_left("out", "job.zip");
    fleet.is_well(&["next"]);
}
