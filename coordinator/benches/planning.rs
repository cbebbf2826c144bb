//! How fast a million entries are planned, and how much memory each holds.
//!
//! `cargo bench -p coordinator` prints it; the bars are a second and 160 bytes.
#![expect(clippy::print_stdout, reason = "a bench says what it found")]

use std::time::Instant;

use coordinator::planner::{Means, Planner};
use proto::crc::StoredKind;
use proto::job::JobSpec;
use proto::limits::GIB;
use proto::listing::{Etag, SourceObject};
use proto::location::{Location, Source};

const ENTRIES: u64 = 1_000_000;

fn main() {
    let spec = JobSpec::new(
        vec![Source::Prefix { bucket: "in".into(), prefix: "photos/".into() }],
        Location { bucket: "out".into(), key: "a.zip".into() },
    );
    for round in 1..=3 {
        let before = resident_bytes();
        // Listed beforehand, as S3's answers are; what is measured is planning.
        let objects: Vec<SourceObject> = (0..ENTRIES).map(object).collect();
        let mut planner = Planner::new(&spec, Means::new(GIB)).expect("the request is sound");
        let began = Instant::now();
        for object in objects {
            planner.add(object).expect("it fits");
        }
        planner.finish().expect("the names are sound");
        let seconds = began.elapsed().as_secs_f64();
        let held = resident_bytes().saturating_sub(before) as f64 / ENTRIES as f64;
        let key_bytes = object(0).key.len();
        println!(
            "round {round}: {ENTRIES} entries planned in {seconds:.3} s ({:.2} million a second), {held:.0} bytes an entry held, keys of {key_bytes} bytes, {} parts",
            ENTRIES as f64 / seconds / 1e6,
            planner.plan().parts.len(),
        );
    }
}

fn object(number: u64) -> SourceObject {
    let key = format!("photos/2026/{:04}/image-{number:08}.jpg", number / 1_000).into();
    let etag = Etag::parse(&format!(
        "{:032x}",
        u128::from(number).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835)
    ));
    SourceObject {
        source: 0,
        bucket: 0,
        stored: StoredKind::Crc32,
        key,
        size: 10_000 + number % 5_000,
        etag,
        modified: 1_700_000_000,
    }
}

/// Resident memory of this process, in bytes.
fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("Linux tells");
    let kib: u64 = line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("a number of KiB");
    kib * 1_024
}
