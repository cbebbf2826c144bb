//! Jobs whose parts no node can hold, so that the archive is made by way of segments.

use proto::limits::{KEY_BYTES_MAX, SEGMENTS_OPEN_MAX};

use super::*;

/// A job in segments of about so many MiB, each of leaves of 5 MiB, over a node that holds no more.
fn in_segments(objects: &[SourceObject], mib: u64, network_bytes_per_second: u64) -> World {
    let mut world = World::new(&[objects], 2);
    world.join_over(network_bytes_per_second, 1, 16);
    world.event(Event::Submitted(JOB, JobSpec { part_bytes: Some(mib * MIB), ..spec(&[""]) }));
    world
}

/// The same, taken to where `is_there`.
fn until(objects: &[SourceObject], is_there: impl Fn(&World) -> bool) -> World {
    let mut world = in_segments(objects, 11, u64::MAX);
    while !is_there(&world) {
        assert!(world.answer() || world.work(), "it comes to that");
    }
    world
}

/// Has the job end, and no segment be left of it.
#[track_caller]
fn leaves_nothing(mut world: World) -> Failure {
    while !world.held.is_empty() {
        world.fail_oldest(FailureKind::Cancelled);
    }
    let failure = world.failure();
    assert!(world.uploaded.is_empty() && world.objects.is_empty(), "something is left");
    failure
}

#[track_caller]
fn makes_it(mut world: World, objects: &[SourceObject]) {
    let Outcome::Completed(summary) = world.run() else { panic!("{:?}", world.outcome) };
    let (bytes, parts) = (summary.bytes, summary.parts);
    assert!(world.objects.is_empty(), "segments are left");
    assert_eq!(parts, world.uploaded.len() as u64, "leaves are no parts of the archive");
    let whole: Vec<u8> = world.uploaded.into_values().flatten().collect();
    let expected = archive(objects);
    assert_eq!(bytes, expected.len() as u64);
    assert!(whole == expected, "the bytes differ");
}

#[test]
fn segments_give_the_archive_written_front_to_back() {
    const M: u64 = PART_BYTES_MIN;
    for case in [vec![100, 8 * M, 0, 7, 2 * M + 1], vec![M; 7], vec![3_000_000; 12], vec![1_000; 9_000]] {
        let objects = sizes(&case);
        for (mib, network_bytes_per_second) in [(11, u64::MAX), (16, u64::MAX), (16, 1_000)] {
            makes_it(in_segments(&objects, mib, network_bytes_per_second), &objects);
        }
    }
}

#[test]
fn s3_may_answer_in_any_order() {
    let objects = sizes(&[100, 40 * MIB, 0, 7, 11 * MIB]);
    let mut world = in_segments(&objects, 11, u64::MAX);
    while world.outcome.is_none() {
        world.asked.make_contiguous().reverse();
        assert!(world.answer() || world.work());
    }
    makes_it(world, &objects);
}

#[test]
fn each_byte_counts_once() {
    let objects = sizes(&[40 * MIB]);
    let mut world = in_segments(&objects, 11, u64::MAX);
    let mut segments = 0;
    while world.outcome.is_none() && (world.answer() || world.work()) {
        let Some(progress) = world.machine.progress(JOB) else { break };
        assert!(progress.bytes_done <= progress.bytes_planned);
        segments = segments.max(world.objects.len());
    }
    assert!(segments >= 3, "{segments} segments");
    let bytes = archive(&objects).len() as u64;
    assert!(matches!(world.outcome, Some(Outcome::Completed(summary)) if summary.bytes == bytes));
}

#[test]
fn a_node_lost_with_leaves_and_copies_costs_only_those() {
    let objects = sizes(&[30 * MIB, 6 * MIB, 6 * MIB]);
    for parts in [1, 4, 9] {
        let mut world = until(&objects, |world| world.uploaded.len() + 3 * world.objects.len() >= parts);
        world.event(Event::NodeLost(NodeId(1)));
        world.held.clear();
        world.join(2, 16);
        makes_it(world, &objects);
    }
}

#[test]
fn a_leaf_that_fails_is_made_again() {
    let objects = sizes(&[30 * MIB, 6 * MIB]);
    let mut world = until(&objects, |world| !world.uploaded.is_empty() && !world.held.is_empty());
    world.fail_oldest(FailureKind::Unavailable);
    makes_it(world, &objects);
}

#[test]
fn whenever_a_job_is_cancelled_no_segment_is_left() {
    let objects = sizes(&[20 * MIB, 6 * MIB]);
    let mut steps = 0;
    loop {
        let mut world = in_segments(&objects, 11, u64::MAX);
        for _ in 0..steps {
            assert!(world.answer() || world.work());
        }
        if matches!(world.asked.front(), Some(Question::Complete(_, None, _))) {
            assert!(steps > 15, "{steps} steps");
            break;
        }
        world.event(Event::Cancelled(JOB));
        assert_eq!(leaves_nothing(world).kind, FailureKind::Cancelled, "after {steps} steps");
        steps += 1;
    }
}

#[test]
fn a_segment_that_cannot_be_put_together_ends_the_job_and_may_still_be_there() {
    let objects = sizes(&[30 * MIB]);
    let completes = |world: &World| matches!(world.asked.front(), Some(Question::Complete(_, Some(_), _)));
    let mut world = until(&objects, completes);
    let Some(Question::Complete(_, Some(segment), completion)) = world.asked.pop_front() else {
        panic!("it is asked for")
    };
    // It was done, and the answer was lost.
    let upload = completion.upload;
    world.uploaded.retain(|(id, _), _| *id != upload.upload_id);
    world.objects.insert(upload.destination.key, Vec::new());
    let failure = Failure::new(FailureKind::Unavailable, "no answer");
    world.event(Event::Completed(JOB, Some(segment), Err(failure)));
    assert_eq!(leaves_nothing(world).kind, FailureKind::Unavailable);
}

#[test]
fn a_segment_that_cannot_be_begun_ends_the_job() {
    let objects = sizes(&[30 * MIB]);
    let creates =
        |world: &World| matches!(world.asked.front(), Some(Question::Create { segment: Some(2), .. }));
    let mut world = until(&objects, creates);
    world.asked.pop_front();
    world.event(Event::UploadCreated(JOB, Some(2), Err(Failure::new(FailureKind::Denied, "no"))));
    assert_eq!(leaves_nothing(world).kind, FailureKind::Denied);
}

#[test]
fn what_cannot_be_removed_is_told_however_the_job_ended() {
    let objects = sizes(&[30 * MIB]);
    let discards = |world: &World| matches!(world.asked.front(), Some(Question::Discard(..)));
    let left = || vec!["a segment is left".to_owned()];
    let mut world = until(&objects, discards);
    world.event(Event::Discarded(JOB, left()));
    assert!(matches!(world.outcome, Some(Outcome::Completed(summary)) if summary.warnings == left()));

    let mut world = until(&objects, |world| !world.objects.is_empty());
    world.event(Event::Cancelled(JOB));
    while !world.held.is_empty() {
        world.fail_oldest(FailureKind::Cancelled);
    }
    while !discards(&world) {
        assert!(world.answer());
    }
    world.event(Event::Discarded(JOB, left()));
    assert!(matches!(world.outcome, Some(Outcome::Failed { left_behind, .. }) if left_behind == left()));
}

/// Another way than in one upload: its data may be in segments that are sealed when its header is made.
#[test]
fn damage_that_is_found_when_a_segment_is_made_of_it_ends_the_job() {
    let objects = sizes(&[100, 40 * MIB, 7]);
    let header = |world: &World| world.held.front().is_some_and(|(_, held)| held.id.part.0 == 1);
    let mut world = until(&objects, |world| header(world) && !world.objects.is_empty());
    world.fail_oldest(FailureKind::Corrupt);
    assert_eq!(leaves_nothing(world).kind, FailureKind::Corrupt);
}

#[test]
fn damage_that_is_found_before_is_made_good() {
    let objects = sizes(&[100, 9 * MIB, 7]);
    let mut world = in_segments(&objects, 16, u64::MAX);
    let header = |world: &World| world.held.front().is_some_and(|(_, held)| held.id.part.0 == 1);
    while !header(&world) {
        assert!(world.answer() || world.work());
    }
    world.fail_oldest(FailureKind::Corrupt);
    makes_it(world, &objects);
}

#[test]
fn a_copy_that_is_not_the_segment_ends_the_job() {
    let objects = sizes(&[30 * MIB]);
    let copies = |world: &World| {
        world.held.front().is_some_and(|(_, held)| {
            held.work.bodies.iter().any(|body| world.objects.contains_key(&body.key))
        })
    };
    let mut world = until(&objects, copies);
    for bytes in world.objects.values_mut() {
        bytes[7] ^= 1;
    }
    world.work();
    let failure = leaves_nothing(world);
    assert!(failure.message.contains("another CRC than the segment"), "{failure}");
}

#[test]
fn a_key_too_long_for_segments_is_refused_only_if_there_are_any() {
    for (part_bytes, is_refused) in [(5 * MIB, false), (11 * MIB, true)] {
        let objects = sizes(&[30 * MIB]);
        let mut world = World::new(&[&objects], 9);
        world.join(1, 16);
        let destination = Location { bucket: "out".into(), key: "k".repeat(KEY_BYTES_MAX) };
        let asked = JobSpec { part_bytes: Some(part_bytes), destination, ..spec(&[""]) };
        world.event(Event::Submitted(JOB, asked));
        match world.run() {
            Outcome::Failed { failure, .. } => {
                assert!(is_refused && failure.kind == FailureKind::Destination, "{failure}");
                assert!(failure.message.contains("is too long"), "{failure}");
            }
            Outcome::Completed(_) => assert!(!is_refused),
        }
        assert!(world.segments.is_empty());
    }
}

#[test]
fn uploads_are_not_begun_long_before_they_can_be_filled() {
    let objects = sizes(&[11 * MIB * (SEGMENTS_OPEN_MAX as u64 + 40)]);
    let mut world = in_segments(&objects, 11, u64::MAX);
    while world.answer() {}
    assert_eq!(world.segments.len(), SEGMENTS_OPEN_MAX);
    while world.objects.len() < 3 {
        assert!(world.answer() || world.work());
    }
    while world.answer() {}
    assert_eq!(world.segments.len(), SEGMENTS_OPEN_MAX + world.objects.len());
}
