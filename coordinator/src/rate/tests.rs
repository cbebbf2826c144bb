//! Goal: whatever the pattern in which parts end, the rate and the time left that are told are near the truth.
//! Method: tables of when parts end, played in virtual time with a look each half second.

use super::*;

const MB: u64 = 1_000_000;

/// When parts of a job end: so many bytes after so many milliseconds.
type Ends = Vec<(u64, u64)>;

/// A job whose parts are all known from the beginning, of which so many are under way as long as there are as many.
struct Case {
    name: &'static str,
    ends: Ends,
    under_way: u64,
    /// From when on the time left is to be told and true, as a share of the job's time, and how many times too long or
    /// too short it may be.
    from: f64,
    off: f64,
}

fn every(ms: u64, bytes: u64, from_ms: u64, until_ms: u64) -> Ends {
    (from_ms / ms + 1..=until_ms / ms).map(|number| (number * ms, bytes)).collect()
}

fn bursts(ms: u64, parts: usize, bytes: u64, times: u64) -> Ends {
    (1..=times).flat_map(|number| vec![(number * ms, bytes); parts]).collect()
}

fn cases() -> Vec<Case> {
    // Ten nodes of which nine die, and what they had is made again.
    let nodes_die = [every(100, 8 * MB, 0, 60_000), every(1_000, 8 * MB, 68_000, 188_000)].concat();
    let stop_and_go =
        (0..10).flat_map(|round| every(200, MB, round * 20_000, round * 20_000 + 10_000)).collect();
    // Alike, but each round of parts ends over three seconds.
    let spread = (1..6u64)
        .flat_map(|round| (0..300u64).map(move |part| (round * 27_000 + part * 10, 16 * MB)))
        .collect();
    let case = |name, ends, under_way, from, off| Case { name, ends, under_way, from, off };
    vec![
        case("steady", every(100, MB, 0, 120_000), 8, 0.01, 1.05),
        case("bursts every 27 s", bursts(27_000, 2, 16 * MB, 5), 2, 0.2, 1.1),
        case("many bursts", bursts(27_000, 2, 16 * MB, 50), 2, 0.02, 1.1),
        case("bursts spread over seconds", spread, 300, 0.25, 1.3),
        case(
            "two nodes in turn",
            [every(27_000, 16 * MB, 0, 270_000), every(31_000, 16 * MB, 0, 270_000)].concat(),
            2,
            0.15,
            2.0,
        ),
        case("stop and go", stop_and_go, 4, 0.1, 2.5),
        case("fast", every(20, 8 * MB, 0, 1_500), 8, 0.4, 1.2),
        case("nodes die", nodes_die, 3, 0.5, 2.0),
        case("copied by S3", bursts(9_000, 60, 128 << 20, 4), 60, 0.25, 1.1),
        case(
            "copied in one go, a few late",
            [bursts(9_000, 60, 128 << 20, 1), vec![(11_000, 128 << 20)]].concat(),
            61,
            0.8,
            2.0,
        ),
    ]
}

/// Plays a case, with a look each half second; at each, the rate and the time left as told, and the time left in truth.
fn play(case: &Case) -> Vec<(u64, u64, Option<u64>, u64)> {
    let mut ends = case.ends.clone();
    ends.sort_unstable();
    let end_ms = ends.last().expect("a job has parts").0;
    let total: u64 = ends.iter().map(|(_, bytes)| bytes).sum();
    let mut rate = Rate::default();
    rate.begin(0);
    let looks = (500..=end_ms).step_by(500);
    looks
        .map(|now_ms| {
            let done = ends.partition_point(|(at_ms, _)| *at_ms <= now_ms);
            let bytes: u64 = ends[..done].iter().map(|(_, bytes)| bytes).sum();
            let under_way = case.under_way.min((ends.len() - done) as u64);
            rate.measure(Done { bytes, parts: done as u64 }, under_way, now_ms);
            (now_ms, rate.bytes_per_second(), rate.time_left(total - bytes), end_ms - now_ms)
        })
        .collect()
}

#[test]
fn the_time_left_is_near_the_truth_however_parts_end() {
    for case in cases() {
        let looks = play(&case);
        let from_ms = looks.last().expect("it takes a while").0 as f64 * case.from;
        for (now_ms, rate, left_ms, truth_ms) in looks.into_iter().filter(|look| look.0 as f64 > from_ms) {
            let name = case.name;
            let Some(left_ms) = left_ms else { panic!("{name}: nothing told at {now_ms}, truth {truth_ms}") };
            // A look may come half a second late, and a part may end a moment after the others.
            let (told, truth) = (left_ms as f64 + 3_000.0, truth_ms as f64 + 3_000.0);
            let off = (told / truth).max(truth / told);
            assert!(off <= case.off, "{name}: at {now_ms} told {left_ms} ({rate}/s), truth {truth_ms}");
        }
    }
}

/// Whatever has happened, the time left grows with the time that nothing ends, and no faster.
#[test]
fn a_stall_makes_it_longer_in_proportion_and_never_days() {
    let mut rate = Rate::default();
    rate.begin(0);
    (1..=60).for_each(|half| rate.measure(Done { bytes: half * MB, parts: half }, 2, half * 500));
    let before_ms = rate.time_left(60 * MB).expect("it is known");
    for half in 61..=1_200 {
        rate.measure(Done { bytes: 60 * MB, parts: 60 }, 2, half * 500);
        let left_ms = rate.time_left(60 * MB).expect("it is known");
        let stalled_ms = half * 500 - 30_000;
        assert!(left_ms <= before_ms + before_ms * stalled_ms / 9_000, "{left_ms} after {stalled_ms}");
    }
    assert!(rate.bytes_per_second() < 100_000, "a stall is told: {rate:?}");
}

#[test]
fn no_time_is_told_before_as_much_is_done_as_is_under_way() {
    let mut rate = Rate::default();
    rate.measure(Done { bytes: 0, parts: 0 }, 0, 500);
    assert_eq!((rate.bytes_per_second(), rate.time_left(1)), (0, None));
    rate.begin(1_000);
    rate.measure(Done { bytes: 0, parts: 0 }, 100, 10_500);
    assert_eq!((rate.bytes_per_second(), rate.time_left(1)), (0, None));
    rate.measure(Done { bytes: MB, parts: 1 }, 100, 11_000);
    assert_eq!((rate.bytes_per_second(), rate.time_left(1)), (MB / 10, None), "{rate:?}");
    rate.measure(Done { bytes: 100 * MB, parts: 100 }, 100, 11_500);
    assert!(rate.time_left(1).is_some(), "{rate:?}");
    // More nodes come.
    rate.measure(Done { bytes: 101 * MB, parts: 101 }, 900, 12_000);
    assert!(rate.time_left(1).is_some(), "{rate:?}");
}

#[test]
fn a_new_rate_is_found_within_seconds() {
    let mut rate = Rate::default();
    rate.begin(0);
    (1..=60).for_each(|half| rate.measure(Done { bytes: half * MB, parts: half }, 2, half * 500));
    assert_eq!(rate.bytes_per_second(), 2 * MB);
    (1..=60).for_each(|half| {
        rate.measure(Done { bytes: 60 * MB + half * MB / 10, parts: 60 + half }, 2, 30_000 + half * 500)
    });
    assert!((200_000..350_000).contains(&rate.bytes_per_second()), "{rate:?}");
}

/// Parts that prove to be damaged are made again: that is no rate below nothing.
#[test]
fn what_was_damaged_is_moved_again() {
    let mut rate = Rate::default();
    rate.begin(0);
    for (half, done) in [(1, 10), (2, 20), (3, 5), (4, 15)] {
        rate.measure(Done { bytes: done * MB, parts: done }, 2, half * 500);
    }
    assert!((14 * MB..=20 * MB).contains(&rate.bytes_per_second()), "{rate:?}");
}
