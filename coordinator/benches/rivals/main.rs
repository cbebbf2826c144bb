//! What our plans and those of rivals take, counted and predicted for six populations.
//!
//! `cargo bench -p coordinator --bench rivals` prints the tables of `docs/comparison.md`, the same on every machine.
//! `cargo test` runs it as well, and then it only holds the rivals' counts against the known ones.
#![expect(clippy::print_stdout, reason = "a bench says what it found")]

mod copying;
mod fleets;
mod model;
mod ours;
mod population;
mod published;
mod rival;
mod streaming;
mod table;

use population::Population;
use rival::RIVALS;

fn main() {
    let headline = Population::headline();
    check(&headline);
    if std::env::args().any(|argument| argument == "--bench") {
        println!("{}", table::table(&headline));
        for population in Population::others() {
            println!("\n{}", table::table(&population));
        }
    }
}

/// Holds the rivals' counts against the known ones; the tables are worth nothing when they differ.
fn check(headline: &Population) {
    for rival in &RIVALS {
        let takes = (rival.takes)(headline).expect("each was made for this population");
        let differences = rival.published.map_or(Vec::new(), |published| published.differences(&takes));
        assert!(differences.is_empty(), "{} counts {}", rival.name, differences.join("; "));
    }
}
