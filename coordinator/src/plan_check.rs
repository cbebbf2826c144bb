//! An independent reader of plans: says what is wrong with one, knowing nothing of how plans are made.
//!
//! Everything is derived here a second time, from the rules of the format and of S3 alone: lengths and
//! bytes of records, offsets, borders, who waits for whom. The planner and `proto::archive` are not
//! called, so that an error of theirs cannot hide itself.

mod bodies;
mod composition;
mod fault;
mod layout;
mod names;
mod records;
mod slots;
mod uploads;
mod waiting;
mod work;

use proto::plan::{Plan, Way};

pub use composition::check_composition;
pub use fault::{Fault, Mismatch, Record};
pub use work::check_work;

/// Everything that is wrong with a finished plan; empty when it can be executed as it stands.
///
/// Takes time in proportion to entries and parts.
#[must_use]
pub fn check(plan: &Plan) -> Vec<Fault> {
    let mut faults = Vec::new();
    names::each(plan, &mut faults);
    layout::check(plan, &mut faults);
    waiting::check(plan, &mut faults);
    faults
}

/// Every pair of entries that cannot both be extracted: equal names, or a file where another needs a
/// folder.
///
/// Apart from [`check`] because it sorts all names.
#[must_use]
pub fn check_collisions(plan: &Plan) -> Vec<Fault> {
    names::collisions(plan)
}

/// Every part that goes through a node and is larger than what it can hold.
#[must_use]
pub fn check_sizes(plan: &Plan, max_part_bytes: u64) -> Vec<Fault> {
    let parts = plan.parts.iter().enumerate();
    parts
        .filter(|(_, part)| part.way == Way::Streamed && layout::size(part) > max_part_bytes)
        .map(|(index, _)| Fault::PartExceedsNode(index))
        .collect()
}
