//! Goal: whatever happens to a fleet, it loses nothing; and if it did, this would show it.
//! Method: storms in virtual time, as they are and with defects planted (docs/storms.md).

use simulations::swarm::{Met, Plant, run};

/// Storms unless `ZIPFLEET_STORMS` says otherwise; for very many there is `zipfleet simulate --swarm`.
const STORMS: u64 = 300;
/// Seeds within which each planted defect has to show.
const SEEDS_MAX: u64 = 3_000;

#[test]
fn a_seed_always_tells_the_same() {
    let digests: Vec<_> = (0..20).map(|seed| run(seed, None)).collect();
    assert_eq!(digests, (0..20).map(|seed| run(seed, None)).collect::<Vec<_>>());
    assert_ne!(digests[0], digests[1]);
}

#[test]
fn whatever_happens_what_must_hold_holds() {
    let mut met = Met::default();
    let storms = std::env::var("ZIPFLEET_STORMS").ok().and_then(|storms| storms.parse().ok());
    for seed in 0..storms.unwrap_or(STORMS) {
        match run(seed, None) {
            Ok(run) => met.add(&run.met),
            Err(broken) => panic!("{broken}; again: zipfleet simulate --swarm 1 --seed {}", broken.seed),
        }
    }
    // A storm in which nothing happens proves nothing.
    for what in [
        "answers of S3 that were lost after success",
        "answers that asked to slow down",
        "attempts that were hedged",
        "attempts that were stolen",
        "connections that broke",
        "coordinators that died",
        "coordinators that stood still",
        "jobs that completed",
        "jobs that failed or were cancelled",
        "jobs that were lost with a coordinator",
        "messages lost",
        "messages that came twice",
        "messages that others overtook",
        "nodes that changed their speed",
        "nodes that crashed",
        "nodes that stood still",
        "nodes that were cut off",
        "nodes that were drained",
        "parts that S3 composed",
        "parts that S3 copied",
        "parts that arrived although they were dropped",
        "parts that were damaged on the way",
        "requests that S3 refused for now",
        "requests that were given up",
        "segments that S3 put together",
        "sources changed",
    ] {
        assert!(met.count(what) >= 10, "{what}: {}", met.count(what));
    }
}

/// With `--nocapture` it prints the table that is in docs/storms.md.
#[test]
fn planted_defects_are_found() {
    println!("| defect | storms until it was found | what did not hold |\n|---|---|---|");
    for plant in Plant::ALL {
        let found = (0..SEEDS_MAX).find_map(|seed| run(seed, Some(plant)).err());
        let found = found.unwrap_or_else(|| panic!("\"{plant}\" was not found in {SEEDS_MAX} storms"));
        println!("| {plant} | {} | {} |", found.seed + 1, found.invariant);
    }
}
