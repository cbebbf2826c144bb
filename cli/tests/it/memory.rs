//! Goal: the program stays within `--memory`, whatever the sizes and the number of the objects.
//! Method: synthetic objects, which cost the twin nothing; the peak of resident memory that Linux itself keeps
//! for the process (VmHWM), read until it ends.

use std::fs::read_to_string;
use std::time::Duration;

use proto::limits::{NODE_CONCURRENCY_DEFAULT, NODE_MEMORY_DEFAULT, body_budget_bytes, part_bytes_cap};
use simulations_s3::Rope;

use crate::support::World;

const MIB: u64 = 1 << 20;
/// What is resident of an optimised program, in bytes.
const PROGRAM: u64 = 20 * MIB;

/// Makes an archive of `s3://src/p/`, checks it, and gives the peak of resident memory in bytes.
fn peak(world: &World, flags: &[&str]) -> u64 {
    // So fast a network that nothing is worth a copy, which would take no memory.
    let streaming = ["zip", "--bandwidth", "1000GB", "s3://src/p/", "s3://out/a.zip"];
    let mut running = world.spawn(&[&streaming, flags].concat());
    let status = format!("/proc/{}/status", running.pid());
    let mut peak = 0;
    // The mark only rises; what rises after the last look is the end of the process, which takes nothing.
    while !running.has_ended() {
        peak = high_water(&read_to_string(&status).unwrap_or_default()).unwrap_or(peak);
        std::thread::sleep(Duration::from_millis(5));
    }
    running.wait().succeeded();
    world.archive_is_right("out", "a.zip", &world.entries("src", "p/"));
    peak
}

/// The peak of resident memory in a process's status, in bytes. The status of one that is just ending has none. Of
/// the program itself it counts as much as an optimised one takes: that of a test is twice as large.
fn high_water(status: &str) -> Option<u64> {
    let bytes = |name: &str| {
        let kib = status.lines().find_map(|line| line.strip_prefix(name))?;
        kib.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kib| kib * 1024)
    };
    Some(bytes("VmHWM:")?.saturating_sub(bytes("RssFile:")?.saturating_sub(PROGRAM)))
}

/// A world with objects of these counts and sizes.
fn world(populations: &[(u64, u64)]) -> World {
    let world = World::new();
    for (number, (count, size)) in (0..).zip(populations) {
        for i in 0..*count {
            world.twin.put("src", &format!("p/{number}/{i:05}"), Rope::synthetic(i, *size));
        }
    }
    world
}

/// Runs with each of the flags, and panics if any took more than the budget.
#[track_caller]
fn within_budget(populations: &[(u64, u64)], runs: &[(&[&str], u64)]) -> Vec<String> {
    let world = world(populations);
    let mut figures = Vec::new();
    let mut excess = false;
    for (flags, budget_mib) in runs {
        let peak = peak(&world, flags);
        assert!(peak > 4 * MIB, "the measurement does not work");
        excess |= peak > budget_mib * MIB;
        figures.push(format!(
            "{populations:?} {flags:?}: peak {:.1} MiB of {budget_mib}",
            peak as f64 / MIB as f64
        ));
    }
    assert!(!excess, "{figures:#?}");
    figures
}

/// The least memory there can be, with as few requests in flight as that allows.
const LEAST: &[&str] = &["--memory", "64MiB", "--concurrency", "4"];

/// The largest part that one node makes with the default memory; what is larger is a segment of such.
fn largest_part() -> String {
    part_bytes_cap(body_budget_bytes(NODE_MEMORY_DEFAULT, NODE_CONCURRENCY_DEFAULT)).to_string()
}

#[test]
fn one_object_larger_than_memory() {
    let (smallest, largest) = (["--part-size", "5MiB"], ["--part-size", &largest_part()]);
    let in_segments = ["--part-size", "300MiB"];
    let runs: &[(&[&str], u64)] =
        &[(&[], 256), (LEAST, 64), (&smallest, 256), (&largest, 256), (&in_segments, 256)];
    println!("{:#?}", within_budget(&[(1, 1_500_000_000)], runs));
}

#[test]
fn very_many_objects() {
    println!("{:#?}", within_budget(&[(20_000, 10_000)], &[(LEAST, 64)]));
}

#[test]
fn objects_that_span_a_few_parts() {
    let largest = ["--part-size", &largest_part()];
    println!("{:#?}", within_budget(&[(40, 13_000_000)], &[(LEAST, 64), (&largest, 256)]));
}

/// Parts of 16 MiB, then parts of half that: their buffers are not to be taken for each other.
#[test]
fn parts_of_different_sizes() {
    println!("{:#?}", within_budget(&[(1, 600_000_000), (6_000, 70_000)], &[(&[], 256)]));
}
