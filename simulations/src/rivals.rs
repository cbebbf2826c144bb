//! What our plans and those of rivals take, counted and predicted for six populations.
//!
//! `zipfleet simulate rivals` prints the tables of `docs/comparison.md`, the same on every machine. Tests hold the
//! rivals' counts against the known ones.

mod copying;
mod fleets;
mod model;
mod ours;
mod played;
mod population;
mod published;
mod rival;
mod streaming;
mod table;

pub use played::{Played, play_all, played_table};

use population::Population;
use rival::{RIVALS, Rival};

/// The tables for all populations, in Markdown.
#[must_use]
pub fn tables() -> String {
    let mut tables = vec![table::table(&Population::headline())];
    tables.extend(Population::others().iter().map(table::table));
    tables.join("\n\n")
}

/// Where the rivals' counts at the headline are not those that are known of them, a sentence each. The tables are worth
/// nothing when there are any.
#[must_use]
pub fn differences() -> Vec<String> {
    let headline = Population::headline();
    let differences = |rival: &Rival| {
        let takes = match (rival.takes)(&headline) {
            Ok(takes) => takes,
            Err(why) => return vec![format!("{}, which was made for this population: {why}", rival.name)],
        };
        let differences = rival.published.map_or(Vec::new(), |published| published.differences(&takes));
        differences.into_iter().map(|what| format!("{} counts {what}", rival.name)).collect()
    };
    RIVALS.iter().flat_map(differences).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn counts_are_those_that_are_known() {
        assert_eq!(super::differences(), Vec::<String>::new());
    }

    #[test]
    fn played_rivals_take_what_they_published_within_a_fifth() {
        let played =
            super::play_all(&crate::model::Model::default()).expect("each was made for this population");
        for rival in played {
            println!(
                "{} {} {:.1} {:.1} {:+.2}",
                rival.name,
                rival.objects,
                rival.published_s,
                rival.played_s,
                rival.error()
            );
            assert!(rival.error().abs() <= 0.2, "{rival:?}");
        }
    }
}
