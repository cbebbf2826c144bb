//! Who waits for whom, derived from where headers and data lie.

use proto::plan::{Part, Plan};
use std::ops::Range;

use super::fault::Fault;
use super::layout::is_joined;
use super::records::data_end;

/// Finds entries that break the rules for spanning parts, and chains of waiting.
pub(super) fn check(plan: &Plan, faults: &mut Vec<Fault>) {
    let parts = &plan.parts;
    // For each part, the parts that hold data of an entry whose local header it holds.
    let mut awaited: Vec<Range<usize>> = vec![0..0; parts.len()];
    let mut at = 0;
    for (index, entry) in plan.entries.iter().enumerate() {
        at = holding(parts, at, entry.offset);
        if entry.object.size == 0 || at == parts.len() {
            continue;
        }
        let end = data_end(entry);
        let last = holding(parts, at, end - 1);
        if last > at {
            spanning(parts, index, at + 1..last + 1, end, faults);
            awaited[at] = at + 1..last + 1;
        }
        at = last;
    }
    chains(plan, &awaited, faults);
}

/// The first part from `from` on that ends behind byte `at`.
fn holding(parts: &[Part], from: usize, at: u64) -> usize {
    from + parts[from..].iter().take_while(|part| part.bytes.end <= at).count()
}

fn spanning(parts: &[Part], entry: usize, rest: Range<usize>, data_end: u64, faults: &mut Vec<Fault>) {
    let last = rest.end - 1;
    if parts.get(last).is_none_or(|part| part.bytes.end != data_end) {
        faults.push(Fault::SpanEndsInside(entry, last));
    }
    for (part, holds) in parts.iter().enumerate().take(rest.end).skip(rest.start) {
        // What joins a segment holds no bytes of its own, and is not waited for.
        if is_joined(holds) {
            continue;
        }
        if !holds.headers.is_empty() || !holds.directory.is_empty() {
            faults.push(Fault::ContinuationHoldsHeaders(entry, part));
        }
    }
}

/// The directory waits for all, and parts that join segments wait for their leaves, while no other waits for them.
/// Nothing else waits for a part that waits.
fn chains(plan: &Plan, awaited: &[Range<usize>], faults: &mut Vec<Fault>) {
    let waits = |part: usize| {
        !awaited[part].is_empty() || !plan.parts[part].directory.is_empty() || part + 1 == plan.parts.len()
    };
    for (part, others) in awaited.iter().enumerate() {
        let mut others = others.clone().filter(|on| *on < plan.parts.len() && !is_joined(&plan.parts[*on]));
        let on = others.find(|on| waits(*on));
        faults.extend(on.map(|on| Fault::ChainOfWaiting(part, on)));
    }
}
