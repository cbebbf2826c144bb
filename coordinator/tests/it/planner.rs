//! What holds for every plan, and the listings at the edges.

use super::cases::{Case, SplitMix64, cap, object, objects, spec, streaming};
use coordinator::cost::{Site, estimate};
use coordinator::planner::{Copying, Means, Planner};
use proptest::prelude::*;
use proto::failure::{Failure, FailureKind};
use proto::job::JobSpec;
use proto::limits::{FETCH_BYTES, GIB, MIB, PARTS_MAX};
use proto::listing::SourceObject;
use proto::location::{Location, Source};
use proto::plan::{Part, Plan, Way};
use proto::requests::{RequestClass, RequestCounts, Sent};

/// Length of the local header `cases::objects` get, below 4 GiB.
const HEADER: u64 = 44;

/// Sizes at every edge there is: of S3, of the format and of our own limits.
fn size() -> impl Strategy<Value = u64> {
    let edges =
        [0, 1, 5 * MIB, 8 * MIB, 10 * MIB, 16 * MIB, 21 * MIB, 32 * MIB, 64 * MIB, FETCH_BYTES, 4 * GIB];
    prop_oneof![
        4 => (prop::sample::select(edges.to_vec()), 0u64..4).prop_map(|(edge, by)| (edge + by).saturating_sub(2)),
        4 => (prop::sample::select(edges.to_vec()), 0u64..100).prop_map(|(edge, by)| edge.saturating_sub(by)),
        2 => 0u64..10_000,
        1 => 0u64..20 * GIB,
    ]
}

fn listing() -> impl Strategy<Value = Vec<SourceObject>> {
    let sizes = prop_oneof![
        3 => prop::collection::vec(size(), 1..20),
        1 => prop::collection::vec(0u64..200_000, 1..400),
        1 => prop::collection::vec(prop_oneof![GIB..6 * GIB, Just(0xFFFF_FFFE), Just(0xFFFF_FFFF)], 1..5),
    ];
    // Parts of 5 MiB hold 48 GiB.
    let fits = |sizes: &Vec<u64>| sizes.iter().sum::<u64>() < 45 * GIB;
    sizes.prop_filter("needs more than 10,000 parts", fits).prop_map(|sizes| objects(&sizes))
}

fn part_bytes() -> impl Strategy<Value = Option<u64>> {
    prop_oneof![
        Just(None),
        (5 * MIB..64 * MIB).prop_map(Some),
        (5u64..=64).prop_map(|mib| Some(mib * MIB)),
        (215u64..=5_110).prop_map(|mib| Some(mib * MIB))
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn plans_and_their_work_have_no_fault(objects in listing(), part_bytes in part_bytes(), seed: u64) {
        let plan = Case::new(part_bytes, objects).plan_and_work(&mut SplitMix64(seed));
        prop_assert!(plan.is_ok(), "{plan:?}");
    }

    #[test]
    fn the_same_listing_gives_the_same_plan(objects in listing(), part_bytes in part_bytes()) {
        let case = Case::new(part_bytes, objects);
        prop_assert_eq!(case.plan(), case.clone().plan());
    }

    #[test]
    fn what_stands_in_a_plan_never_changes(objects in listing(), part_bytes in part_bytes(), at: prop::sample::Index) {
        let case = Case::new(part_bytes, objects);
        let first = at.index(case.objects.len());
        let mut planner = Planner::new(&case.spec, case.means).expect("the job makes sense");
        for object in &case.objects[..first] {
            planner.add(object.clone()).expect("it fits");
        }
        let early = planner.plan().clone();
        prop_assert_eq!(early.entries.len(), first);
        prop_assert_eq!(&early.directory, &None);
        let whole = case.plan().expect("it fits");
        prop_assert_eq!(&whole.entries[..first], &early.entries[..]);
        prop_assert_eq!(&whole.parts[..early.parts.len()], &early.parts[..]);
        // Planned so far is all but what may still share a part with what comes.
        let laid_out = early.entries.last().map_or(0, |last| last.data().end);
        prop_assert!(laid_out - early.bytes() < case.part_bytes_max());
    }
}

fn faultless(case: &Case) -> Plan {
    case.plan_and_work(&mut SplitMix64(1)).expect("it can be planned")
}

fn failure_of(case: &Case) -> Failure {
    case.plan().expect_err("it cannot be planned")
}

/// How long the end records are.
fn end_records(plan: &Plan) -> u64 {
    plan.bytes() - plan.directory.as_ref().expect("the plan is finished").end
}

#[test]
fn an_object_that_fills_a_part_ends_with_it() {
    for part in [5 * MIB, 16 * MIB] {
        for size in part - HEADER - 2..part - HEADER + 3 {
            let plan = faultless(&Case::new(Some(part), objects(&[size; 3])));
            if size == part - HEADER {
                assert!(plan.parts[..3].iter().all(|full| full.size() == part));
                assert_eq!(plan.parts.len(), 4);
            }
        }
    }
}

#[test]
fn the_header_of_a_spanning_entry_may_end_with_its_part() {
    for left in 0..=HEADER + 2 {
        let first = 5 * MIB - HEADER - left;
        faultless(&Case::new(Some(5 * MIB), objects(&[first, 30 * MIB, 1])));
    }
}

#[test]
fn zip64_begins_where_a_value_does_not_fit() {
    for by in 0..4 {
        let edge = 0xFFFF_FFFD + by;
        faultless(&Case::new(None, objects(&[edge, 1, 0])));
        let offset = faultless(&Case::new(None, objects(&[edge - HEADER, 0])));
        assert_eq!(offset.entries[1].offset, edge);
        let directory = faultless(&Case::new(None, objects(&[edge - HEADER])));
        assert_eq!(end_records(&directory), if edge >= 0xFFFF_FFFF { 98 } else { 22 });
    }
    for (count, expected) in [(65_534, 22), (65_535, 98), (65_536, 98)] {
        let case = Case::new(None, objects(&vec![0; count]));
        let plan = case.plan().expect("it can be planned");
        case.judge_plan(&plan);
        assert_eq!(end_records(&plan), expected);
    }
}

/// Twenty bytes before the end record stands the offset of a last entry with a name of 7 bytes, or a time
/// that needs no extra field and one of 16; at this offset it reads `PK\x06\x07`.
#[test]
fn a_last_header_that_reads_as_a_locator_is_followed_by_a_true_one() {
    let offset = u64::from(u32::from_le_bytes(*b"PK\x06\x07"));
    for (name, modified) in [("1234567", 0), ("1234567890123456", -1)] {
        for (by, expected) in [(0, 98), (1, 22)] {
            let mut last = object(name, 5);
            last.modified = modified;
            let plan = faultless(&Case::new(None, vec![object("00000", offset - HEADER + by), last]));
            assert_eq!((plan.entries[1].offset, end_records(&plan)), (offset + by, expected));
        }
    }
}

#[test]
fn ten_thousand_parts_are_as_many_as_there_are() {
    let part = 5 * MIB;
    let most = PARTS_MAX as usize;
    let full = vec![part - HEADER; most];
    assert_eq!(faultless(&Case::new(Some(part), objects(&full[1..]))).parts.len(), most);
    let failure = failure_of(&Case::new(Some(part), objects(&full)));
    assert_eq!(failure.kind, FailureKind::TooLarge, "{failure}");
    assert!(failure.message.contains("10,000 parts") && failure.message.contains("--part-size"), "{failure}");

    // 20 bytes of zip64 besides.
    let one = part * (u64::from(PARTS_MAX) - 1) - HEADER - 20;
    assert_eq!(faultless(&Case::new(Some(part), objects(&[one]))).parts.len(), most);
    assert_eq!(failure_of(&Case::new(Some(part), objects(&[one + part]))).kind, FailureKind::TooLarge);
}

#[test]
fn archives_of_any_size_that_s3_takes_are_planned_and_larger_ones_refused() {
    let case =
        |bytes| Case { spec: spec(None), means: streaming(cap(256 * MIB)), objects: objects(&[bytes]) };
    let parts_of = |plan: &Plan| plan.parts.iter().filter(|part| part.within.is_none()).count();
    let plan = case(5 * 1_024 * GIB).plan().expect("it fits");
    case(0).judge_plan(&plan);
    assert!(parts_of(&plan) < 6_500, "{} parts", parts_of(&plan));
    for bytes in [50 * 1_024 * GIB, u64::MAX - 100, u64::MAX] {
        assert_eq!(failure_of(&case(bytes)).kind, FailureKind::TooLarge);
    }
    let many = Case { objects: objects(&[10 * 1_024 * GIB; 5]), ..case(0) };
    let failure = failure_of(&many);
    assert_eq!(failure.kind, FailureKind::TooLarge);
    assert!(failure.message.contains("--part-size 5000MiB, with which up to 47 TiB fit"), "{failure}");
    let largest = Case { spec: spec(Some(5_000 * MIB)), ..case(46 * 1_024 * GIB) };
    assert!(largest.plan().is_ok(), "as it says");
    let larger = Case { spec: spec(Some(5_110 * MIB)), ..case(0) };
    let failure = failure_of(&Case { objects: many.objects.clone(), ..larger });
    assert_eq!(failure.kind, FailureKind::TooLarge, "whatever the parts: {failure}");
}

#[test]
fn parts_that_no_node_can_hold_are_segments() {
    let means = Means { part_bytes_cap: 20 * MIB, ..streaming(20 * MIB) };
    let case = Case { spec: spec(Some(200 * MIB)), means, objects: objects(&[30 * MIB; 100]) };
    let plan = faultless(&case);
    let sizes: Vec<u64> = plan
        .parts
        .iter()
        .filter(|part| matches!(part.way, Way::Joined(_)))
        .map(|part| part.size() / MIB)
        .collect();
    let (last, others) = sizes.split_last().expect("there are segments");
    assert!(others.iter().all(|mib| (190..=210).contains(mib)) && *last <= 210, "{sizes:?}");
    let own = plan.parts.iter().filter(|part| part.within.is_none()).count();
    assert_eq!(own, sizes.len() + 1, "and the directory");
}

#[test]
fn what_segments_take_is_foretold() {
    let means = Means { part_bytes_cap: 20 * MIB, ..streaming(20 * MIB) };
    let case = Case { spec: spec(Some(200 * MIB)), means, objects: objects(&[30 * MIB; 100]) };
    let plan = faultless(&case);
    let segments = plan.parts.iter().filter(|part| matches!(part.way, Way::Joined(_))).count() as u64;
    let site = Site { memory_bytes: 100 * MIB, concurrency: 8, is_encrypted: true, bytes_per_second: 1e9 };
    let requests = estimate(&plan, &case.spec, RequestCounts::default(), &[], site).requests;
    let sent = [requests.create, requests.complete, requests.copy, requests.delete].map(|kind| kind.sent);
    assert_eq!(sent, [segments + 1, segments + 1, segments, segments]);
    assert_eq!(requests.bytes_sent, plan.bytes());
}

#[test]
fn a_budget_tells_of_every_request_where_it_goes() {
    let folder = |prefix: &str| Source::Prefix { bucket: "photos".into(), prefix: prefix.into() };
    let sources = vec![folder("a/"), folder("b/20"), Source::Object(place("x/y/z/single"))];
    let objects = |size| {
        let keys = [(0, "a/1"), (0, "a/2"), (1, "b/2026"), (2, "x/y/z/single")];
        keys.map(|(source, key)| SourceObject { source, ..object(key, size) }).to_vec()
    };
    let composing = Means { copying: Copying::WhereverItCan, ..Means::new(20 * MIB) };
    let ways = [(streaming(20 * MIB), None), (streaming(20 * MIB), Some(40 * MIB)), (composing, None)];
    for (means, part_bytes) in ways {
        for size in [0, 1, 8 * MIB, 30 * MIB + 1] {
            let mut spec = JobSpec { sources: sources.clone(), ..spec(part_bytes) };
            spec.destination = place("out/2026/all.zip");
            let case = Case { spec: spec.clone(), means, objects: objects(size) };
            let plan = case.plan().expect("it can be planned");
            let site =
                Site { memory_bytes: 100 * MIB, concurrency: 8, is_encrypted: true, bytes_per_second: 1e9 };
            let listing =
                [5, 3, 1].map(|pages| RequestCounts { list: Sent::well(pages), ..Default::default() });
            // One more that is not of a source: whether the archive exists.
            let asked = RequestCounts { list: Sent::well(9), head: Sent::well(1), ..Default::default() };
            let estimate = estimate(&plan, &spec, asked, &listing, site);
            let of = |class, prefix: &str| {
                let rows = estimate.budget.iter();
                let rows = rows.filter(|demand| demand.class == class && demand.prefix.starts_with(prefix));
                rows.map(|demand| demand.requests).sum::<u64>()
            };
            for class in [RequestClass::Read, RequestClass::Write] {
                assert_eq!(of(class, ""), estimate.requests.of_class(class));
            }
            assert_eq!(of(RequestClass::Write, "out/2026/"), estimate.requests.of_class(RequestClass::Write));
            // Each whole in one part, and so with one GET.
            if size <= 1 && means.copying == Copying::Never {
                let reads = ["a/", "b/20", "x/y/", "out/2026/"].map(|prefix| of(RequestClass::Read, prefix));
                assert_eq!(reads, [5 + 2 * size, 3 + size, 1 + size, 1], "{size}");
            }
        }
    }
}

fn place(key: &str) -> Location {
    Location { bucket: "photos".into(), key: key.into() }
}

#[test]
fn within_segments_a_copy_is_worth_as_much_as_at_first() {
    let means = Means { bytes_per_second: 1e5, ..Means::new(20 * MIB) };
    let case = Case { spec: spec(Some(GIB)), means, objects: objects(&[100 * MIB; 500]) };
    let plan = faultless(&case);
    let copied: u64 = plan.parts.iter().filter(|part| part.way == Way::Copied).map(Part::size).sum();
    assert!(copied > 94 * 500 * MIB, "{copied}");
}

#[test]
fn segments_next_to_the_archive_are_never_archived() {
    let others = ["all.zip.zipfleet-0123456789abcdef/notes", "all.zip.zipfleet-notes.txt"];
    let keys = ["all.zip.zipfleet-0123456789abcdef/7", others[0], others[1], "all.zip.zip", "b"];
    let mut case = Case::new(None, keys.map(|key| object(key, 5)).to_vec());
    case.spec.destination = Location { bucket: "photos".into(), key: "all.zip".into() };
    case.spec.exclude = vec!["*.zip".into()];
    let names: Vec<String> = faultless(&case).entries.iter().map(|entry| entry.name().to_owned()).collect();
    assert_eq!(names, [others[0], others[1], "b"], "what only looks alike is somebody's");
}

/// Or the directory's part, which waits for all others, would be the last large one to be transferred.
#[test]
fn little_data_shares_a_part_with_the_directory() {
    for size in [4 * MIB, 5 * MIB, 9 * MIB, 15 * MIB] {
        let plan = faultless(&Case::new(None, objects(&[16 * MIB - HEADER, size])));
        let directory = plan.directory.clone().expect("the plan is finished");
        let last = plan.parts.last().expect("there are parts");
        assert!(directory.start - last.bytes.start < 5 * MIB, "{} bytes", directory.start - last.bytes.start);
    }
}

#[test]
fn long_directories_take_parts_of_their_own() {
    let object = |index: u32| object(&format!("{index:05}{}", "x".repeat(900)), u64::from(index % 2));
    let plan = faultless(&Case::new(Some(5 * MIB), (0..30_000).map(object).collect()));
    let with_directory = plan.parts.iter().filter(|part| !part.directory.is_empty()).count();
    assert!(with_directory > 2, "{with_directory} parts");
}

#[test]
fn nothing_is_no_archive() {
    assert_eq!(failure_of(&Case::new(None, Vec::new())).kind, FailureKind::NothingToArchive);
    faultless(&Case::new(None, objects(&[0])));
}

#[test]
fn part_sizes_out_of_range_are_refused() {
    for bytes in [0, 5 * MIB - 1, 5 * GIB + 1, u64::MAX] {
        let refused = Planner::new(&spec(Some(bytes)), Means::new(cap(512 * MIB)));
        assert_eq!(refused.expect_err("out of range").kind, FailureKind::BadRequest, "{bytes}");
    }
}
