//! Names every reader can extract, alone and beside each other.

use proto::plan::Plan;
use std::cmp::Ordering;

use super::fault::Fault;
use super::records::name;

/// Longest name, in bytes: that of an S3 key.
const NAME_BYTES_MAX: usize = 1_024;

/// Finds names that are unsafe by themselves.
pub(super) fn each(plan: &Plan, faults: &mut Vec<Fault>) {
    for (index, entry) in plan.entries.iter().enumerate() {
        if !is_safe(name(entry), entry.object.size) {
            faults.push(Fault::BadName(index));
        }
    }
}

fn is_safe(name: &str, size: u64) -> bool {
    let bytes = name.as_bytes();
    let drive = bytes.len() >= 2 && bytes[0].is_ascii_alphabetic() && bytes[1] == b':';
    let path = match name.strip_suffix('/') {
        Some(directory) if size == 0 => directory,
        _ => name,
    };
    // `split` yields one empty component for an empty name, and one for each superfluous slash.
    let components = path.split('/').all(|component| !matches!(component, "" | "." | ".."));
    name.len() <= NAME_BYTES_MAX && !drive && components && !name.chars().any(|c| c == '\\' || c.is_control())
}

/// Finds pairs that cannot both be extracted.
pub(super) fn collisions(plan: &Plan) -> Vec<Fault> {
    let name_at = |index: &usize| name(&plan.entries[*index]);
    let mut order: Vec<usize> = (0..plan.entries.len()).collect();
    order.sort_by(|a, b| path_order(name_at(a), name_at(b)).then(a.cmp(b)));
    let pairs = order.windows(2).filter(|pair| collide(name_at(&pair[0]), name_at(&pair[1])));
    pairs.map(|pair| Fault::Collision(pair[0].min(pair[1]), pair[0].max(pair[1]))).collect()
}

/// The order in which everything below a folder follows it at once.
fn path_order(a: &str, b: &str) -> Ordering {
    a.split('/').cmp(b.split('/'))
}

/// Whether `second`, at or after `first` in path order, is the same path or lies below a file.
fn collide(first: &str, second: &str) -> bool {
    match second.strip_prefix(first) {
        Some("") => true,
        Some(below) => below.starts_with('/') && !first.ends_with('/'),
        None => false,
    }
}
