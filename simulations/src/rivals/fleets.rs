//! Rivals that divide an archive among many Lambdas, and one that has many requests in flight from one machine.

use std::collections::VecDeque;

use proto::limits::{PART_BYTES_MAX, PART_BYTES_MIN};
use proto::requests::{RequestCounts, Sent};

use super::model::{
    HEADER_BYTES, LAMBDA_BYTES_PER_S, Outcome, Takes, in_turn_s, lambda_usd, one_upload, requests_s,
};
use super::population::Population;

/// Memory of psantus's Lambdas, and what is charged for calling one.
const PSANTUS_MEMORY_MB: f64 = 3_008.0;
const INVOCATION_USD: f64 = 0.2e-6;
/// Lambdas at a time, of either kind.
const ORCHESTRATED_AT_ONCE: f64 = 200.0;
const MAPPED_AT_ONCE: f64 = 1_000.0;
/// Seconds in which Step Functions starts a map and collects its results: the published time less all else.
const MAP_S: f64 = 39.0;
/// Objects whose checksums a result of Step Functions has room for (256 KiB of 470 KB for 1,127).
const MAP_RESULTS_MAX: u64 = 600;
/// What the tar tool does at a time, and the bytes a second of its machine: 73 GB in 135 s, published.
const TAR_AT_ONCE: f64 = 100.0;
const TAR_BYTES_PER_S: f64 = 541e6;
/// US dollars an hour of that machine, a c7g.4xlarge.
const TAR_MACHINE_USD_PER_H: f64 = 0.58;

/// Neighbours in groups of at least so many bytes; what is left over goes to the last.
pub(super) fn groups(sizes: &[u64], bytes_min: u64) -> Vec<Vec<u64>> {
    let mut groups: Vec<Vec<u64>> = Vec::new();
    let (mut open, mut open_bytes) = (Vec::new(), 0);
    for size in sizes {
        open.push(*size);
        open_bytes += size + HEADER_BYTES;
        if open_bytes >= bytes_min {
            groups.push(std::mem::take(&mut open));
            open_bytes = 0;
        }
    }
    match groups.last_mut() {
        Some(last) => last.append(&mut open),
        None => groups.push(open),
    }
    groups
}

/// A part for each group of neighbours, each made by a Lambda that also writes down their checksums.
pub(super) fn psantus_orchestrator(population: &Population) -> Outcome {
    let groups = groups(&population.sizes, PART_BYTES_MIN);
    if groups.iter().any(|group| group.iter().sum::<u64>() > PART_BYTES_MAX) {
        return Err("fails: a part above 5 GiB".to_owned());
    }
    let workers = groups.len() as u64;
    let requests = RequestCounts {
        get: Sent::well(population.count()),
        put: Sent::well(workers),
        bytes_received: population.bytes(),
        bytes_sent: population.bytes(),
        ..one_upload(population, workers + 1, 0)?
    };
    let lambda_s = lambdas_s(&requests);
    let mut takes = Takes::new(requests, lambda_s / ORCHESTRATED_AT_ONCE.min(workers as f64))
        .remark("a Lambda for each part");
    takes.machines_usd = Some(lambda_usd(PSANTUS_MEMORY_MB, lambda_s) + workers as f64 * INVOCATION_USD);
    Ok(if population.count() > u64::from(u16::MAX) {
        takes.remark("wrong: the archive's count of entries has 16 bits")
    } else {
        takes
    })
}

/// Seconds that all Lambdas work together, which read and write one after the other.
fn lambdas_s(requests: &RequestCounts) -> f64 {
    in_turn_s(requests) + (requests.bytes_received + requests.bytes_sent) as f64 / LAMBDA_BYTES_PER_S
}

/// The largest object is copied behind a part of the smallest ones below S3's minimum; once those have run out, behind
/// the smallest one above it.
pub(super) fn psantus_step_functions(population: &Population) -> Outcome {
    let mut sizes = population.sizes.clone();
    sizes.sort_unstable();
    let (bigs, smalls): (Vec<u64>, Vec<u64>) = sizes.into_iter().partition(|size| *size >= PART_BYTES_MIN);
    let mut bigs: VecDeque<u64> = bigs.into();
    let (mut copies, mut copied, mut parts, mut largest_part) = (0, 0, 0, 0);
    let mut copy = |big: Option<u64>| {
        copies += u64::from(big.is_some());
        copied += big.unwrap_or(0);
    };
    let mut open = 0;
    for small in smalls {
        open += small + HEADER_BYTES;
        if open >= PART_BYTES_MIN && !bigs.is_empty() {
            parts += 1;
            largest_part = largest_part.max(std::mem::take(&mut open));
            copy(bigs.pop_back());
        }
    }
    parts += u64::from(open > 0);
    largest_part = largest_part.max(open);
    while let Some(streamed) = bigs.pop_front() {
        parts += 1;
        largest_part = largest_part.max(streamed);
        copy(bigs.pop_back());
    }
    if largest_part as f64 > PSANTUS_MEMORY_MB * 1e6 {
        return Err("fails: what is left over is one part, above the memory of a Lambda".to_owned());
    }
    let pages_of_checksums = parts.div_ceil(1_000);
    let requests = RequestCounts {
        list: Sent::well(population.pages() + pages_of_checksums),
        head: Sent::well(copies),
        get: Sent::well(population.count() - copies + parts),
        put: Sent::well(parts + 2),
        bytes_received: population.bytes() - copied,
        bytes_sent: population.bytes() - copied,
        bytes_copied: copied,
        ..one_upload(population, parts + 1, copies)?
    };
    let takes = Takes::new(requests, MAP_S + lambdas_s(&requests) / MAPPED_AT_ONCE.min(parts as f64))
        .remark("corrupt without stored CRC-32");
    Ok(if parts > MAP_RESULTS_MAX {
        takes.remark("as it is now, its results exceed what Step Functions takes")
    } else {
        takes
    })
}

/// Everything is copied into a TAR: each header and each object is appended to its group by an upload of its own;
/// then each group loses its padding, and all are joined twice.
pub(super) fn tar_tool(population: &Population) -> Outcome {
    if population.largest() > PART_BYTES_MAX {
        return Err("fails: an object above 5 GiB".to_owned());
    }
    let (count, bytes) = (population.count(), population.bytes());
    let is_large = population.sizes.iter().all(|size| *size >= PART_BYTES_MIN);
    let (uploads, copies, copied) = if is_large {
        (count + 2, 3 * count, 3 * bytes)
    } else {
        let groups = groups(&population.sizes, PART_BYTES_MIN.max(bytes.div_ceil(9_999)));
        let appended: u64 = groups.iter().map(|group| appended_bytes(group)).sum();
        let grouped = groups.len() as u64;
        (2 * count + grouped + 2, 3 * count + 3 * grouped, appended + 3 * bytes)
    };
    let requests = RequestCounts {
        list: Sent::well(population.pages()),
        create: Sent::well(uploads),
        upload_part: Sent::well(count + 2),
        copy: Sent::well(copies),
        complete: Sent::well(uploads),
        put: Sent::well(1),
        bytes_copied: copied,
        ..RequestCounts::default()
    };
    let at_once = TAR_AT_ONCE.min(count as f64);
    Ok(on_tar_machine(Takes::new(requests, requests_s(&requests, at_once))))
}

/// What S3 copies to append headers and data one by one: all before, twice, and the data.
fn appended_bytes(group: &[u64]) -> u64 {
    let (mut before, mut copied) = (PART_BYTES_MIN, 0);
    for size in group {
        copied += 2 * before + size;
        before += size;
    }
    copied
}

/// The same tool, when told to make parts in memory.
pub(super) fn tar_tool_in_memory(population: &Population) -> Outcome {
    if population.largest() > PART_BYTES_MAX {
        return Err("fails: an object above 5 GiB".to_owned());
    }
    let groups = groups(&population.sizes, PART_BYTES_MIN.max(population.bytes().div_ceil(9_999)));
    let requests = RequestCounts {
        get: Sent::well(population.count()),
        bytes_received: population.bytes(),
        bytes_sent: population.bytes(),
        ..one_upload(population, groups.len() as u64 + 1, 0)?
    };
    let moving_s = population.bytes() as f64 / TAR_BYTES_PER_S;
    Ok(on_tar_machine(Takes::new(requests, moving_s.max(requests_s(&requests, TAR_AT_ONCE)))))
}

fn on_tar_machine(takes: Takes) -> Takes {
    let machines_usd = Some(takes.seconds / 3_600.0 * TAR_MACHINE_USD_PER_H);
    Takes { machines_usd, ..takes.remark("a TAR") }
}
