//! Goal: a node that dies or is stopped costs only what it had in flight; when it is back it takes part again.

use std::thread::sleep;
use std::time::{Duration, Instant};

use proto::explain::What;

use super::support::{Fleet, PACE, all_made_parts, decided, share};

/// How long a process is stopped: longer than a coordinator waits for it.
const STOPPED: Duration = Duration::from_secs(20);

#[test]
fn a_node_that_is_killed_costs_what_it_had_in_flight() {
    let mut fleet = Fleet::of(3);
    let names = ["n1", "n2", "n3"];
    fleet.sources("job", 24);
    fleet.sources("next", 8);
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
    let of_n1 = |what: &What| match what {
        What::Silent { node, .. } | What::Lost { node, .. } => node == "n1",
        What::Hedged { slow, .. } => slow == "n1",
        _ => false,
    };
    assert!(decided(&explanation, of_n1), "{explanation:#?}");
    let taken = explanation.decisions.iter().find(|decision| of_n1(&decision.what));
    println!("stopped, and: {taken:?}; the job was done {:?} after", since.elapsed());

    sleep(STOPPED.saturating_sub(since.elapsed()));
    fleet.process("n1").signal("CONT");
    fleet.are_active(&names);
    let next = fleet.submit("next");
    fleet.completed(next);
    all_made_parts(&fleet.explain(next), &names);
    fleet.is_well(&["job", "next"]);
}
