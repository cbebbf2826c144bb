//! scratch
use simulations::{
    fleet::{Scenario, run},
    model::Model,
    population::Population,
};
fn main() {
    let a: Vec<f64> = std::env::args().skip(1).map(|x| x.parse().unwrap()).collect();
    let model = Model::default();
    let inst = model.instance("c7gn.xlarge").unwrap().clone();
    let mut sc = Scenario::new(
        Population { objects: a[0] as u64, bytes: a[1] as u64, spread: a[2] as u64 },
        a[3] as usize,
        inst,
    );
    sc.stragglers = a[4];
    sc.lost = a[5] as usize;
    for seed in 1..=(a[6] as u64) {
        let t = std::time::Instant::now();
        match run(&sc, &model, seed) {
            Ok(r) => println!(
                "{:.3} {:?} floor {:.3} {:?} parts {} usd {:.5}+{:.5} {:?} gets p50 {:.0} p99 {:.0} n {} thr {} puts p50 {:.0} p99 {:.0} events {} took {:?}",
                r.total_s,
                r.phases,
                r.floor.total_s(),
                r.floor,
                r.parts,
                r.requests_usd,
                r.machines_usd,
                r.decisions,
                r.gets.quantile_ms(0.5),
                r.gets.quantile_ms(0.99),
                r.requests.get.sent,
                r.requests.get.throttled,
                r.puts.quantile_ms(0.5),
                r.puts.quantile_ms(0.99),
                r.events,
                t.elapsed()
            ),
            Err(e) => println!("failed {e}"),
        }
    }
}
