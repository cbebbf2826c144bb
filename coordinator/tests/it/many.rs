//! Very many random listings. `ZIPFLEET_PLAN_CASES` says how many; a failure prints how to replay it.

use super::cases::{Case, SplitMix64};
use proto::failure::FailureKind;
use proto::plan::{Plan, Way};
use std::panic::{catch_unwind, resume_unwind};

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().expect("a number"))
}

/// Plans one listing; `None` when it cannot be archived.
fn plan_of(seed: u64) -> Option<Plan> {
    let mut rng = SplitMix64(seed);
    let case = Case::random(&mut rng);
    match case.plan_and_work(&mut rng) {
        Ok(plan) => Some(plan),
        Err(failure) => {
            assert!(
                [FailureKind::TooLarge, FailureKind::NothingToArchive].contains(&failure.kind),
                "{failure}"
            );
            None
        }
    }
}

#[test]
fn many_random_listings_make_faultless_plans() {
    let first = number("ZIPFLEET_PLAN_SEED", 1);
    let (mut plans, mut parts, mut segments, mut composed) = (0u64, 0, 0u64, 0u64);
    for seed in first..first + number("ZIPFLEET_PLAN_CASES", 2_000) {
        match catch_unwind(|| plan_of(seed)) {
            Ok(None) => {}
            Ok(Some(plan)) => {
                plans += 1;
                parts += plan.parts.len();
                segments += u64::from(plan.parts.iter().any(|part| part.within.is_some()));
                composed += u64::from(plan.parts.iter().any(|part| part.way == Way::Composed));
            }
            Err(panic) => {
                println!(
                    "replay: ZIPFLEET_PLAN_SEED={seed} ZIPFLEET_PLAN_CASES=1 cargo test -p coordinator --test it many"
                );
                resume_unwind(panic);
            }
        }
    }
    println!(
        "{plans} plans with {parts} parts in all, {segments} of them with segments, {composed} with composed parts"
    );
    assert!(plans < 100 || composed * 4 > plans, "too few plans with composed parts: {composed} of {plans}");
    assert!(plans < 100 || segments * 4 > plans, "too few plans with segments: {segments} of {plans}");
}
