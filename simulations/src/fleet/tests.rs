//! What one node asks of S3 is what `zipfleet zip --dry-run` counts for the same job.

use coordinator::cost::{Site, estimate};
use coordinator::planner::{Means, Planner};
use proto::limits::{body_budget_bytes, part_bytes_cap};

use super::*;

/// A machine of a hundred megabits a second, far from S3, with nothing left to chance: no request is refused.
fn far(objects: u64, bytes: u64, spread: u64) -> (Scenario, Model) {
    let instance =
        Instance { name: "far".to_owned(), vcpu: 2, memory_gib: 1, gbit_per_s: 0.1, usd_per_h: 0.0 };
    let mut model = Model::default();
    (model.s3.rates.reads_per_s, model.s3.rates.writes_per_s) = (1e6, 1e6);
    (Scenario::new(Population { objects, bytes, spread }, 1, instance), model)
}

/// What is counted ahead, and how many parts of the plan are composed.
fn counted(scenario: &Scenario, seed: u64) -> (RequestCounts, usize) {
    let spec = spec(scenario);
    let bytes_per_second = scenario.instance.bytes_per_s();
    let cap = part_bytes_cap(body_budget_bytes(scenario.memory_bytes, scenario.concurrency));
    let means = Means::of_nodes(1, cap, bytes_per_second as u64);
    let mut planner = Planner::new(&spec, means).expect("it makes sense");
    let sizes = scenario.population.sizes(seed);
    let (mut from, mut pages) = (0, 0);
    loop {
        let page = page(&sizes, from, 0);
        let next = page.next.clone();
        planner.add_page(page).expect("it fits");
        pages += 1;
        let Some(next) = next else { break };
        from = next.parse().expect("it is a number");
    }
    planner.finish().expect("names are fine");
    let (memory_bytes, concurrency) = (scenario.memory_bytes, scenario.concurrency);
    let site = Site { memory_bytes, concurrency, is_encrypted: true, bytes_per_second };
    let listing = [RequestCounts { list: Sent::well(pages), ..RequestCounts::default() }];
    let composed = planner.plan().parts.iter().filter(|part| part.way == Way::Composed).count();
    (estimate(planner.plan(), &spec, listing[0], &listing, site).requests, composed)
}

#[test]
fn requests_and_bytes_are_those_that_are_counted_ahead() {
    for (objects, bytes, spread, is_composed) in
        [(1_200, 5_243_000, 0, true), (400, 5_000_000, 2_000_000, true), (2_000, 20_000, 5_000, false)]
    {
        let (scenario, model) = far(objects, bytes, spread);
        let run = run(&scenario, &model, 1).expect("it is made");
        let (counted, composed) = counted(&scenario, 1);
        assert_eq!(composed > 0, is_composed, "{composed} parts of {objects} objects of {bytes} bytes");
        // Beside the job: connections opened ahead, and the record of the upload.
        let beside = RequestCounts {
            head: run.requests.head,
            put: run.requests.put,
            connections_opened: run.requests.connections_opened,
            ..RequestCounts::default()
        };
        assert!(run.floor.total_s() < run.total_s, "{:?} of {}", run.floor, run.total_s);
        assert_eq!(run.requests, counted.plus(&beside), "{objects} objects of {bytes} bytes");
    }
}

#[test]
fn padding_is_put_there_once_by_each_node_and_removed() {
    let (scenario, model) = far(600, 5_243_000, 0);
    let sent = |nodes| run(&Scenario { nodes, ..scenario.clone() }, &model, 1).expect("it is made").requests;
    let (one, three) = (sent(1), sent(3));
    assert_eq!(three.upload_part.sent, one.upload_part.sent + 2);
    assert_eq!(three.delete.sent, three.complete.sent - 1, "all but the archive");
}

/// A node that was granted what it does in three seconds had ever fewer of them side by side.
#[test]
fn parts_that_take_longer_than_usual_keep_a_node_as_busy() {
    let model = Model::default();
    let instance = model.instance("c7gn.xlarge").expect("the model has it").clone();
    let population = Population { objects: 16_000, bytes: 5_000_000, spread: 0 };
    let took_s = |part_bytes| {
        let scenario =
            Scenario { part_bytes: Some(part_bytes), ..Scenario::new(population, 1, instance.clone()) };
        run(&scenario, &model, 1).expect("it is made").total_s
    };
    let (usual_s, large_s) = (took_s(100_000_000), took_s(400_000_000));
    assert!(large_s < 1.6 * usual_s, "{large_s} s, in parts of the usual size {usual_s} s");
}
