//! Names beside each other: which pairs end a job, and which are only worth a word.

use super::cases::{Case, object, spec};
use coordinator::plan_check::check_collisions;
use coordinator::planner::{Means, Planner};
use proptest::prelude::*;
use proto::failure::{Failure, FailureKind};
use proto::job::UnsafeNames;
use proto::location::Source;

/// Plans these keys in this order, each of its own source; the planner, or what it fails with.
fn planned(keys: &[&str]) -> Result<Planner, Failure> {
    let mut spec = spec(None);
    let source = |index| Source::Prefix { bucket: format!("bucket-{index}"), prefix: String::new() };
    spec.sources = (0..keys.len()).map(source).collect();
    let mut planner = Planner::new(&spec, Means::new(16 << 20))?;
    for (source, key) in (0u16..).zip(keys) {
        let mut object = object(key, if key.ends_with('/') { 0 } else { 10 });
        object.source = source;
        planner.add(object)?;
    }
    planner.finish()?;
    Ok(planner)
}

/// Every order of the keys.
fn orders<'a>(keys: &[&'a str]) -> Vec<Vec<&'a str>> {
    let Some((first, rest)) = keys.split_first() else { return vec![Vec::new()] };
    let insert = |order: &Vec<&'a str>, at| {
        let mut order = order.clone();
        order.insert(at, *first);
        order
    };
    orders(rest).iter().flat_map(|order| (0..keys.len()).map(move |at| insert(order, at))).collect()
}

#[test]
fn names_that_cannot_both_be_extracted_end_the_job() {
    for keys in [
        &["a", "a"][..],
        &["x/a", "x/a"],
        &["a", "a/b"],
        &["a", "a/"],
        &["a/", "a/"],
        &["a/b", "a/b/c/d"],
        &["a", "a!", "a/b"],
        &["a", "a-", "a0", "a/b/c"],
        &["a", "z", "a"],
        &["A", "a", "a"],
        &["é", "e\u{301}", "é"],
        &["A", "a", "a/b"],
        &["A", "a", "a/"],
    ] {
        for order in orders(keys) {
            let failure = planned(&order).err().unwrap_or_else(|| panic!("{order:?} was planned"));
            assert_eq!(failure.kind, FailureKind::BadNames, "{order:?}");
        }
    }
}

#[test]
fn names_only_some_file_systems_confuse_are_warned_of() {
    for keys in
        [&["a", "A"][..], &["é", "e\u{301}"], &["Straße", "STRAßE"], &["x/É", "x/e\u{301}"], &["a/", "A"]]
    {
        for order in orders(keys) {
            let planner = planned(&order).unwrap_or_else(|failure| panic!("{order:?}: {failure}"));
            assert_eq!(planner.warnings().count, 1, "{order:?}");
            assert_eq!(check_collisions(planner.plan()), []);
        }
    }
    for keys in [&["a", "b"][..], &["a/", "a/b"], &["a", "aa", "a!"], &["a/b", "a/c", "ab"], &["a.b", "a/b"]]
    {
        for order in orders(keys) {
            let planner = planned(&order).unwrap_or_else(|failure| panic!("{order:?}: {failure}"));
            assert_eq!(planner.warnings().count, 0, "{order:?}");
        }
    }
}

#[test]
fn unsafe_names_fail_are_mapped_or_are_skipped() {
    let objects = || ["../a", "b", "c\\d"].map(|key| object(key, 10)).to_vec();
    let with = |unsafe_names, objects| {
        let mut case = Case::new(None, objects);
        case.spec.unsafe_names = unsafe_names;
        case.plan().map(|plan| plan.entries.iter().map(|entry| entry.name().to_owned()).collect::<Vec<_>>())
    };
    let failure = with(UnsafeNames::Fail, objects()).expect_err("two names are unsafe");
    assert_eq!(failure.kind, FailureKind::BadNames);
    assert!(failure.message.contains("../a") && failure.message.contains("c\\d"), "{failure}");
    assert_eq!(with(UnsafeNames::Map, objects()), Ok(vec!["_/a".into(), "b".into(), "c_d".into()]));
    assert_eq!(with(UnsafeNames::Skip, objects()), Ok(vec!["b".into()]));
    let twins = ["c\\d", "c_d"].map(|key| object(key, 10)).to_vec();
    assert_eq!(with(UnsafeNames::Map, twins).expect_err("two are one").kind, FailureKind::BadNames);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    /// Keys from so few letters that they often collide: the planner refuses exactly those listings in
    /// which some name is another's, or a folder of another's.
    #[test]
    fn the_planner_refuses_what_collides_and_nothing_else(
        keys in prop::collection::vec("[aAé!]{1,2}(/[abé]{1,2}){0,2}/?", 1..7),
    ) {
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let bare = |key: &str| key.strip_suffix('/').unwrap_or(key).to_owned();
        let collide = |a: &str, b: &str| bare(a) == bare(b) || (!a.ends_with('/') && b.starts_with(&format!("{a}/")));
        let pairs = keys.iter().enumerate().flat_map(|(i, a)| {
            keys.iter().enumerate().filter(move |(j, _)| i != *j).map(move |(_, b)| (a, b))
        });
        let collides = pairs.into_iter().any(|(a, b)| collide(a, b));
        prop_assert_eq!(planned(&keys).is_err(), collides);
    }
}
