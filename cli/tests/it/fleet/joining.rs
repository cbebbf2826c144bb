//! Goal: all nodes share a job; one that joins while it runs is soon at work; connections outlive jobs.

use proto::explain::What;

use super::support::{Fleet, PACE, all_made_parts, decided, decisions};

/// Longest time from joining to taking parts from others, in milliseconds: ten times what it takes.
const AT_WORK_MS: u64 = 5_000;

#[test]
fn three_nodes_share_a_job_and_keep_their_connections_for_the_next() {
    let fleet = Fleet::of(3);
    let names = ["n1", "n2", "n3"];
    fleet.sources("first", 24);
    fleet.sources("second", 24);
    // Or whoever asks first might be done before the others have asked.
    fleet.throttle(&names, 2 * PACE);
    let connections =
        || fleet.views().iter().map(|node| node.vitals.requests.connections_opened).sum::<u64>();

    let first = fleet.submit("first");
    fleet.completed(first);
    let after_first = (connections(), fleet.world.twin.connections());
    let second = fleet.submit("second");
    fleet.completed(second);
    let after_second = (connections(), fleet.world.twin.connections());

    for job in [first, second] {
        let explanation = fleet.explain(job);
        all_made_parts(&explanation, &names);
        assert_eq!(explanation.nodes.iter().map(|share| share.lost + share.failed).sum::<u64>(), 0);
    }
    assert!(after_first.0 > 0, "the nodes count the connections they open: {after_first:?}");
    let opened = (after_second.0 - after_first.0, after_second.1 - after_first.1);
    assert!(
        2 * opened.0 < after_first.0 && 2 * opened.1 < after_first.1,
        "(connections counted by the nodes, by S3): {after_first:?} for the first job, {opened:?} for the second"
    );
    fleet.is_well(&["first", "second"]);
    fleet.verifies("second");
}

#[test]
fn a_node_that_joins_in_the_middle_is_soon_at_work() {
    let mut fleet = Fleet::of(2);
    fleet.sources("job", 24);
    fleet.throttle(&["n1", "n2"], PACE);
    let job = fleet.submit("job");
    fleet.has_done(job, 2);
    fleet.join(&["n3"]);
    fleet.completed(job);

    let explanation = fleet.explain(job);
    all_made_parts(&explanation, &["n1", "n2", "n3"]);
    let joined = decisions(&explanation, |what| matches!(what, What::Joined { node } if node == "n3")).next();
    let joined_ms = joined.expect("it is told that it joined").at_ms;
    let stole =
        decisions(&explanation, |what| matches!(what, What::Stole { thief, .. } if thief == "n3")).next();
    let stole_ms = stole.expect("it took parts from others").at_ms;
    assert!(stole_ms - joined_ms <= AT_WORK_MS, "{explanation:#?}");
    assert!(!decided(&explanation, |what| matches!(what, What::Lost { .. } | What::Silent { .. })));
    fleet.is_well(&["job"]);
}
