//! How long the largest fleet takes in virtual time, and how much memory: 1,000 nodes and 1,000,000 objects.
//!
//! `cargo bench -p simulations --bench scale` prints it; the bar is a minute and 4 GiB.
#![expect(clippy::print_stdout, reason = "a bench says what it found")]

use std::time::Instant;

use simulations::fleet::{Scenario, run};
use simulations::model::Model;
use simulations::population::Population;

fn main() {
    let model = Model::default();
    let instance = model.instance("c7gn.xlarge").expect("it is in the table");
    for bytes in [10_000, 100_000, 5_000_000] {
        let population = Population { objects: 1_000_000, bytes, spread: bytes / 5 };
        let since = Instant::now();
        let told = match run(&Scenario::new(population, 1_000, instance.clone()), &model, 1) {
            Ok(run) => format!("{:.1} s of virtual time, {} events", run.total_s, run.events),
            Err(failure) => failure.to_string(),
        };
        let took_s = since.elapsed().as_secs_f64();
        println!(
            "1,000,000 objects of {bytes} bytes, 1,000 nodes: {told} in {took_s:.1} s; {}",
            peak_memory()
        );
    }
}

/// The most memory this process has had, as Linux tells it.
fn peak_memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.map_or("memory unknown".to_owned(), |peak| format!("at most {} of memory", peak.trim()))
}
