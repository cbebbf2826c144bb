//! Goal: a node that slows down while a job runs loses its queue, and what it has in flight is made twice; when it
//! is fast again it is not left out for ever.

use proto::explain::What;

use crate::support::until;

use super::support::{Fleet, PACE, PART, TENTH, decided, share};

#[test]
fn a_node_that_slows_to_a_tenth_is_relieved() {
    let fleet = Fleet::of(3);
    let (parts, done) = (48, 10);
    fleet.sources("job", parts);
    fleet.throttle(&["n1", "n2", "n3"], PACE);
    let job = fleet.submit("job");
    fleet.has_done(job, done);
    fleet.throttle(&["n1"], TENTH);
    until("it is robbed", || share(&fleet.explain(job), "n1").robbed > 0);
    // It gets slower still, or it might be done with what it has before the others are with all else.
    fleet.throttle(&["n1"], TENTH / 10);
    let summary = fleet.completed(job);

    let explanation = fleet.explain(job);
    let n1 = share(&explanation, "n1");
    let robbed = |what: &What| matches!(what, What::Stole { victim, .. } if victim == "n1");
    let hedged = |what: &What| matches!(what, What::Hedged { slow, .. } if slow == "n1");
    assert!(decided(&explanation, robbed) && decided(&explanation, hedged), "{explanation:#?}");
    assert!(n1.robbed > 0 && n1.outrun > 0, "{explanation:#?}");
    // Each byte is moved twice: in, and out. What would have been left to it would have taken this long.
    let alone_ms = (parts - done) / 3 * PART * 2 * 1_000 / TENTH;
    assert!(summary.total_ms < alone_ms / 2, "{} ms, not well below {alone_ms}", summary.total_ms);
    println!("{} ms instead of {alone_ms}; n1: {n1:?}", summary.total_ms);
    fleet.is_well(&["job"]);
}

#[test]
fn a_node_that_is_fast_again_is_soon_used_again() {
    let fleet = Fleet::of(3);
    fleet.throttle(&["n1", "n2", "n3"], PACE);
    fleet.throttle(&["n1"], TENTH);
    fleet.sources("slow", 9);
    fleet.completed(fleet.submit("slow"));
    fleet.throttle(&["n1", "n2", "n3"], 2 * PACE);
    let mut done = vec!["slow".to_owned()];
    let is_used = (0..10).any(|number| {
        let name = format!("job-{number}");
        fleet.sources(&name, 12);
        let job = fleet.submit(&name);
        fleet.completed(job);
        done.push(name);
        share(&fleet.explain(job), "n1").parts > 0
    });
    assert!(is_used, "it is never tried again: {:?}", fleet.views());
    fleet.is_well(&done.iter().map(String::as_str).collect::<Vec<_>>());
}
