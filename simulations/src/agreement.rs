//! What a dry run foretells, beside what is simulated: they are to be one truth.

use coordinator::cost::{Estimate, Site, estimate_of_fleet};
use coordinator::planner::{Means, Planner};
use proto::job::{Goal, JobSpec};
use proto::limits::{body_budget_bytes, part_bytes_cap};
use proto::location::{Location, Source};
use proto::requests::{RequestCounts, Sent};

use crate::fleet::{Scenario, run};
use crate::model::Model;
use crate::population::{Population, page};

/// What is foretold of a scenario, from a plan made for its nodes.
fn foretold(scenario: &Scenario) -> Estimate {
    let Scenario { nodes, concurrency, memory_bytes, goal, .. } = *scenario;
    let bytes_per_s = scenario.instance.bytes_per_s();
    let spec = JobSpec {
        goal,
        ..JobSpec::new(
            vec![Source::Prefix { bucket: "in".into(), prefix: "photos/".into() }],
            Location { bucket: "out".into(), key: "photos.zip".into() },
        )
    };
    let cap = part_bytes_cap(body_budget_bytes(memory_bytes, concurrency));
    let mut planner =
        Planner::new(&spec, Means::of_nodes(nodes, cap, bytes_per_s as u64)).expect("it is a good job");
    let sizes = scenario.population.sizes(1);
    let (mut from, mut pages) = (0, 0);
    loop {
        let page = page(&sizes, from, 0);
        let next = page.next.clone();
        planner.add_page(page).expect("names are good");
        pages += 1;
        let Some(next) = next else { break };
        from = next.parse().expect("it is a number");
    }
    planner.finish().expect("names are good");
    let listing = RequestCounts { list: Sent::well(pages), ..RequestCounts::default() };
    let site = Site { memory_bytes, concurrency, is_encrypted: true, bytes_per_second: bytes_per_s };
    estimate_of_fleet(planner.plan(), &spec, listing, &[listing], site, nodes)
}

/// Holds what is foretold and what is simulated of so many objects of a size against each other, in seconds and in US
/// dollars: on one machine and on 32, for speed and for price.
fn agree(population: Population) {
    let model = Model::default();
    let instance = model.instance("c7gn.xlarge").expect("it is in the table").clone();
    let mut apart = Vec::new();
    for (nodes, goal) in [(1, Goal::Speed), (1, Goal::Price), (32, Goal::Speed), (32, Goal::Price)] {
        let scenario = Scenario { goal, ..Scenario::new(population, nodes, instance.clone()) };
        let run = run(&scenario, &model, 1).expect("it is made");
        let told = foretold(&scenario);
        let told_usd = told.price_usd + told.seconds * nodes as f64 * instance.usd_per_h / 3_600.0;
        for (what, told, is) in [("s", told.seconds, run.total_s), ("US$", told_usd, run.usd())] {
            if (told / is - 1.0).abs() > 0.25 {
                apart.push(format!("{nodes} nodes, {goal:?}: {told:.4} {what} foretold, {is:.4} simulated"));
            }
        }
    }
    assert!(apart.is_empty(), "{apart:#?}");
}

#[test]
fn of_small_objects_a_dry_run_and_a_simulation_tell_the_same() {
    agree(Population { objects: 3_000, bytes: 5_000_000, spread: 1_000_000 });
}

#[test]
fn of_large_objects_a_dry_run_and_a_simulation_tell_the_same() {
    agree(Population { objects: 300, bytes: 1 << 30, spread: 0 });
}

#[test]
fn of_a_terabyte_a_dry_run_and_a_simulation_tell_the_same() {
    agree(Population { objects: 200_000, bytes: 5_000_000, spread: 1_000_000 });
}
