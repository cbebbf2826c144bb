//! Jobs of which S3 composes parts, and what may be left of those.

use super::*;

/// A job of small objects over two narrow networks, taken to where an attempt at a composed part is held.
fn composing(objects: &[SourceObject]) -> World {
    let mut world = World::new(&[objects], 100);
    for node in [1, 2] {
        world.join_over(1_000_000, node, 64);
    }
    world.event(Event::Submitted(JOB, spec(&[""])));
    while world.held.front().is_none_or(|(_, held)| held.work.below.is_none()) {
        assert!(world.answer() || world.work(), "it comes to that");
    }
    world
}

/// Has the job be completed; whether what it left is removed as if nodes were still at it.
#[track_caller]
fn is_broken_off(mut world: World) -> bool {
    loop {
        if let Some(Question::Discard(_, left)) = world.asked.front() {
            assert!(left.below.is_some(), "it was composed");
            return left.is_broken_off;
        }
        assert!(world.answer() || world.work(), "it comes to that");
    }
}

#[test]
fn of_a_job_that_lost_nothing_no_more_is_expected() {
    assert!(!is_broken_off(composing(&sizes(&[3 * MIB; 8]))));
}

#[test]
fn what_a_lost_node_composed_may_still_come() {
    let mut world = composing(&sizes(&[3 * MIB; 8]));
    let (node, _) = world.held[0];
    world.event(Event::NodeLost(node));
    world.held.retain(|(of, _)| *of != node);
    assert!(is_broken_off(world));
}

#[test]
fn what_an_attempt_that_failed_composed_may_still_come() {
    let mut world = composing(&sizes(&[3 * MIB; 8]));
    world.fail_oldest(FailureKind::Unavailable);
    assert!(is_broken_off(world));
}
