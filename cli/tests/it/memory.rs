//! Goal: the program stays within `--memory`, whatever the sizes and the number of the objects.
//! Method: synthetic objects, which cost the twin nothing; the peak of resident memory that Linux itself keeps
//! for the process (VmHWM), read until it ends.

use std::fs::read_to_string;
use std::time::Duration;

use simulations_s3::Rope;

use crate::support::World;

const MIB: u64 = 1 << 20;

/// Makes an archive of `s3://src/p/`, checks it, and gives the peak of resident memory in bytes.
fn peak(world: &World, flags: &[&str]) -> u64 {
    let mut running = world.spawn(&[&["zip"], flags, &["s3://src/p/", "s3://out/a.zip"]].concat());
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

/// The peak of resident memory in a process's status, in bytes. The status of one that is just ending has none.
fn high_water(status: &str) -> Option<u64> {
    let kib = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    kib.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kib| kib * 1024)
}

/// A world with objects of one size.
fn world(count: u64, size: u64) -> World {
    let world = World::new();
    for i in 0..count {
        world.twin.put("src", &format!("p/{i:05}"), Rope::synthetic(i, size));
    }
    world
}

#[test]
fn stays_within_its_budget() {
    let large = world(1, 1_500_000_000);
    let small = world(20_000, 10_000);
    let mixed = world(40, 13_000_000);
    let mut excess = Vec::new();
    for (what, world, flags, budget_mib) in [
        ("one of 1.5 GB", &large, &[][..], 256),
        ("one of 1.5 GB", &large, &["--memory", "64MiB"], 64),
        ("one of 1.5 GB, parts of 5 MiB", &large, &["--part-size", "5MiB"], 256),
        ("one of 1.5 GB, largest parts", &large, &["--part-size", "102MiB"], 256),
        ("40 of 13 MB", &mixed, &["--memory", "64MiB"], 64),
        ("40 of 13 MB, largest parts", &mixed, &["--part-size", "102MiB"], 256),
        ("20,000 of 10 kB", &small, &[], 256),
        ("20,000 of 10 kB", &small, &["--memory", "64MiB"], 64),
    ] {
        let peak = peak(world, flags);
        println!("{what}, {flags:?}: peak {:.1} MiB of {budget_mib} MiB", peak as f64 / MIB as f64);
        assert!(peak > 4 * MIB, "the measurement does not work");
        if peak > budget_mib * MIB {
            excess.push(format!("{what}, {flags:?}: {peak} bytes, above {budget_mib} MiB"));
        }
    }
    assert!(excess.is_empty(), "{excess:#?}");
}
