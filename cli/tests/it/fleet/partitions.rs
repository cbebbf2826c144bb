//! Goal: a network that loses everything in one direction or both, without a word, costs no job; when it is whole
//! again the node is back by itself. One that is only slow costs time alone.

use std::time::Duration;

use proto::explain::What;

use super::proxy::{Proxy, Way};
use super::support::{Fleet, PACE, all_made_parts, decided, share};

const NAMES: [&str; 3] = ["n1", "n2", "n3"];

/// Three nodes, of which the first is reached through a proxy.
fn fleet() -> (Fleet, Proxy) {
    let mut fleet = Fleet::of(0);
    let proxy = Proxy::to(fleet.door);
    let command = fleet.node("n1", proxy.address);
    fleet.start("n1", command);
    fleet.join(&["n2", "n3"]);
    fleet.are_active(&NAMES);
    fleet.throttle(&NAMES, PACE);
    (fleet, proxy)
}

/// A job goes on without the first node when these ways are cut, and the next one has it again.
fn partition(ways: &[Way]) {
    let (fleet, proxy) = fleet();
    fleet.sources("job", 24);
    fleet.sources("next", 12);
    let job = fleet.submit("job");
    fleet.has_done(job, 2);
    proxy.cut(ways);
    fleet.completed(job);
    let explanation = fleet.explain(job);
    let of_n1 = |what: &What| match what {
        What::Silent { node, .. } | What::Lost { node, .. } => node == "n1",
        What::Hedged { slow, .. } => slow == "n1",
        _ => false,
    };
    assert!(decided(&explanation, of_n1), "{explanation:#?}");
    crate::support::until("the coordinator has given the node up", || !fleet.is_active("n1"));

    proxy.cut(&[]);
    fleet.are_active(&NAMES);
    let next = fleet.submit("next");
    fleet.completed(next);
    all_made_parts(&fleet.explain(next), &NAMES);
    fleet.is_well(&["job", "next"]);
}

#[test]
fn what_the_node_says_is_lost() {
    partition(&[Way::Up]);
}

#[test]
fn what_the_node_is_told_is_lost() {
    partition(&[Way::Down]);
}

#[test]
fn everything_is_lost() {
    partition(&[Way::Up, Way::Down]);
}

#[test]
fn a_slow_link_costs_time_alone() {
    let (fleet, proxy) = fleet();
    fleet.sources("job", 16);
    proxy.slow(Duration::from_millis(300), 256_000);
    let job = fleet.submit("job");
    fleet.completed(job);
    let explanation = fleet.explain(job);
    all_made_parts(&explanation, &NAMES);
    assert_eq!(share(&explanation, "n1").lost, 0, "{explanation:#?}");
    fleet.is_well(&["job"]);
}
