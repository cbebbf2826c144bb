//! Goal: what is told of a job while it runs, and afterwards, is true.
//! Method: the toy fleet, and what is told compared with what comes true.

use proto::timeline::Origin;

use super::*;

const JOB: JobId = JobId(1);

/// Runs a job of so many objects of so many bytes and compares what is told each second with what comes true: half or
/// double is near enough, and a part more or less, which is `slack_ms`.
#[track_caller]
fn tells_the_time_left(mut fleet: Fleet, objects: u64, bytes: u64, slack_ms: u64) {
    fleet.submit(JOB.0, objects, bytes, Priority::Normal);
    let mut told = Vec::new();
    while fleet.ended.is_empty() {
        fleet.run_until(fleet.now_ms + 1_000);
        let left_ms = fleet.machine.progress(JOB).and_then(|progress| progress.left_ms);
        told.extend(left_ms.map(|left_ms| (fleet.now_ms, left_ms)));
    }
    let end_ms = fleet.ended[&JOB].0;
    let from_ms = told.first().expect("it was told").0;
    assert!(from_ms <= end_ms * 2 / 3, "told only from {from_ms} of {end_ms} on");
    for (at_ms, left_ms) in told {
        let truth_ms = end_ms - at_ms;
        let (least_ms, most_ms) = (truth_ms / 2, truth_ms * 2);
        let is_true = left_ms + slack_ms >= least_ms && left_ms <= most_ms + slack_ms;
        assert!(is_true, "at {at_ms} told {left_ms}, truth {truth_ms}");
    }
}

#[test]
fn the_time_left_is_true_where_parts_end_rarely() {
    for nodes in [&[1_200.0][..], &[1_200.0; 4], &[1_200.0, 600.0, 300.0]] {
        let mut fleet = Fleet::new(Policy::default());
        for (id, speed) in nodes.iter().enumerate() {
            fleet.join(id as u64, *speed);
        }
        tells_the_time_left(fleet, 100, 16_000_000, 10_000);
    }
}

/// Their bytes are there before they are joined, so the time left would be none for as long as that takes.
#[test]
fn no_time_is_told_while_only_segments_are_joined() {
    let mut fleet = Fleet::new(Policy::default());
    (0..2).for_each(|id| fleet.join(id, 50.0 * MB_PER_S));
    let asked = JobSpec { part_bytes: Some(1_024 * MIB), ..spec(None) };
    fleet.submit_spec(JOB.0, 800, 5 * MIB, asked);
    let (mut told, mut joining_ms) = (0, 0);
    while fleet.ended.is_empty() {
        fleet.run_until(fleet.now_ms + 100);
        let Some(progress) = fleet.machine.progress(JOB) else { break };
        told += u64::from(progress.left_ms.is_some());
        if progress.bytes_done == progress.bytes_planned && progress.parts_done < progress.parts_planned {
            joining_ms += 100;
            assert_eq!(progress.left_ms, None);
        }
    }
    assert!(told > 100 && joining_ms >= 1_000, "told {told} times, joined for {joining_ms} ms");
}

/// What only waits at a node tells nothing, and is not waited for.
#[test]
fn the_time_left_is_told_once_what_nodes_work_at_is_done() {
    let mut fleet = Fleet::new(Policy::default());
    fleet.join(0, 1_200.0);
    fleet.node(0).concurrency = SIDE_BY_SIDE as u32;
    fleet.submit(JOB.0, 60, 16_000_000, Priority::Normal);
    // As long as it takes for six.
    fleet.run_until(85_000);
    assert!(fleet.machine.progress(JOB).is_some_and(|progress| progress.left_ms.is_some()));
}

#[test]
fn the_time_left_is_true_where_parts_end_all_the_time() {
    let mut fleet = Fleet::new(Policy::default());
    (0..4).for_each(|id| fleet.join(id, 50.0 * MB_PER_S));
    tells_the_time_left(fleet, 1_000, 5 * MIB, 2_000);
}

/// Nodes that wait for their first bytes are taken to be slow, and lose their queues. That is no speed to tell of.
#[test]
fn no_time_is_told_of_a_node_whose_speed_is_not_known_yet() {
    let mut fleet = Fleet::new(Policy::default());
    (0..3).for_each(|id| fleet.join(id, 50.0 * MB_PER_S));
    fleet.node(0).bytes_per_ms = 0.0;
    fleet.submit(JOB.0, 400, 5 * MIB, Priority::Normal);
    fleet.run_until(1_500);
    fleet.node(0).bytes_per_ms = 50.0 * MB_PER_S;
    fleet.run();
    let stole = |what: &What| match what {
        What::Stole { thief_left_ms, victim_left_ms, .. } => Some((*thief_left_ms, *victim_left_ms)),
        _ => None,
    };
    let told: Vec<_> = fleet.decisions(JOB.0).filter_map(stole).collect();
    assert!(!told.is_empty(), "something was stolen");
    let longest = told.iter().flat_map(|(thief, victim)| [thief, victim]).flatten().max();
    assert!(longest.is_none_or(|ms| *ms < 60_000), "{told:?}");
}

/// A part that was moved into a queue is as stolen as one that is begun at once.
#[test]
fn what_was_stolen_is_told_by_all_alike() {
    let mut fleet = Fleet::new(Policy::default());
    (0..2).for_each(|id| fleet.join(id, 50.0 * MB_PER_S));
    fleet.submit(JOB.0, 2_000, 5 * MIB, Priority::Normal);
    fleet.run_until(5_000);
    fleet.node(1).bytes_per_ms /= 10.0;
    fleet.run();
    let stolen = |name: &str| {
        let timeline = &fleet.timelines[&JOB];
        let node = timeline.nodes.iter().position(|node| node == name).expect("it took part") as u32;
        timeline.bars.iter().filter(|bar| bar.node == node && bar.origin == Origin::Stolen).count() as u64
    };
    let counters = fleet.machine.counters();
    let shares = &fleet.ended[&JOB].2.nodes;
    let taken: u64 = shares.iter().map(|share| share.stolen).sum();
    assert!(stolen("n0") > 50, "{shares:?}");
    assert_eq!(stolen("n0") + stolen("n1"), counters.attempts_stolen);
    assert_eq!(taken, counters.parts_stolen);
    // Few are moved twice.
    assert!(counters.attempts_stolen * 10 >= counters.parts_stolen * 9, "{counters:?}");
    for share in shares {
        assert!(stolen(&share.name) <= share.stolen, "{shares:?}");
    }
}
