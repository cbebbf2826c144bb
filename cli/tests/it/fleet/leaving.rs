//! Goal: nodes that are told to leave finish or hand back what they have, and a job does not notice.

use proto::explain::What;

use super::proxy::{Proxy, Way};
use super::support::{Fleet, PACE, TENTH, decided, share};

#[test]
fn a_node_that_has_no_time_left_hands_back_what_it_has_begun() {
    let mut fleet = Fleet::of(2);
    let mut command = fleet.node("n3", fleet.door);
    command.args(["--stop-timeout", "1s"]);
    fleet.start("n3", command);
    fleet.are_active(&["n3"]);
    fleet.sources("job", 16);
    fleet.throttle(&["n1", "n2"], PACE);
    // It would take ten seconds for one part.
    fleet.throttle(&["n3"], TENTH);
    let job = fleet.submit("job");
    fleet.has_done(job, 1);
    crate::support::until("it has begun", || fleet.view("n3").is_some_and(|node| node.attempts > 0));
    fleet.leave("n3").succeeded();
    fleet.completed(job);

    let explanation = fleet.explain(job);
    assert!(share(&explanation, "n3").handed_back > 0, "{explanation:#?}");
    assert_eq!(share(&explanation, "n3").failed, 0, "{explanation:#?}");
    assert!(!decided(&explanation, |what| matches!(what, What::Lost { .. })), "{explanation:#?}");
    fleet.is_well(&["job"]);
}

#[test]
fn every_node_is_replaced_during_one_job() {
    let mut fleet = Fleet::of(3);
    fleet.sources("job", 30);
    fleet.throttle(&["n1", "n2", "n3", "n4", "n5", "n6"], PACE);
    let job = fleet.submit("job");
    for (parts, (old, new)) in (2..).step_by(4).zip([("n1", "n4"), ("n2", "n5"), ("n3", "n6")]) {
        fleet.has_done(job, parts);
        fleet.join(&[new]);
        fleet.leave(old).succeeded();
    }
    assert!(fleet.job(job).outcome.is_none(), "all were replaced during the job");
    fleet.completed(job);

    let explanation = fleet.explain(job);
    assert!(!decided(&explanation, |what| matches!(what, What::Lost { .. } | What::Failed { .. })));
    let lost = explanation.nodes.iter().map(|share| share.lost + share.failed).sum::<u64>();
    assert_eq!(lost, 0, "{explanation:#?}");
    let gone = |name: &&str| fleet.view(name).is_none();
    assert!(["n1", "n2", "n3"].iter().all(gone), "{:?}", fleet.views());
    fleet.is_well(&["job"]);
    fleet.verifies("job");
}

#[test]
fn a_node_that_leaves_unheard_says_so() {
    let mut fleet = Fleet::of(1);
    let proxy = Proxy::to(fleet.door);
    let mut command = fleet.node("n2", proxy.address);
    command.args(["--stop-timeout", "1s"]);
    fleet.start("n2", command);
    fleet.are_active(&["n2"]);
    fleet.sources("job", 9);
    fleet.throttle(&["n1", "n2"], PACE);
    let job = fleet.submit("job");
    fleet.has_done(job, 1);
    proxy.cut(&[Way::Up, Way::Down]);
    fleet.leave("n2").failed(9, &["left without the coordinator's knowledge"]);
    fleet.completed(job);
    fleet.is_well(&["job"]);
}
