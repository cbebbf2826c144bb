//! Goal: a network that loses everything in one direction or both, without a word, costs no job; when it is whole
//! again the node is back by itself. One that is only slow costs time alone.

use std::time::Duration;

use proto::job::JobId;

use super::proxy::{Proxy, Way};
use super::support::{Fleet, PACE, all_made_parts, share, was_relieved};
use crate::support::until;

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

/// A job goes on without the first node when these ways are cut, whether the next begins when the coordinator has
/// given that node up or before, and the next one goes well.
fn partition(ways: &[Way], until_given_up: bool) -> (Fleet, JobId) {
    let (fleet, proxy) = fleet();
    fleet.sources("job", 24);
    fleet.sources("next", 12);
    let job = fleet.submit("job");
    fleet.has_done(job, 2);
    proxy.cut(ways);
    fleet.completed(job);
    was_relieved(&fleet.explain(job), "n1");
    if until_given_up {
        until("the coordinator has given the node up", || fleet.view("n1").is_none());
    }
    proxy.cut(&[]);
    fleet.are_active(&NAMES);
    let next = fleet.submit("next");
    fleet.completed(next);
    fleet.is_well(&["job", "next"]);
    (fleet, next)
}

#[test]
fn what_the_node_says_is_lost() {
    let (fleet, next) = partition(&[Way::Up], true);
    all_made_parts(&fleet.explain(next), &NAMES);
}

#[test]
fn everything_is_lost() {
    let (fleet, next) = partition(&[Way::Up, Way::Down], true);
    all_made_parts(&fleet.explain(next), &NAMES);
}

/// The coordinator still hears the node, so it is only slow; nobody gives the session up.
#[test]
fn what_the_node_is_told_is_lost() {
    partition(&[Way::Down], false);
}

#[test]
fn everything_is_lost_for_a_moment() {
    partition(&[Way::Up, Way::Down], false);
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
