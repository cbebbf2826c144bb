//! Goal: whoever plans a fleet or changes the scheduler learns what archives would take, the same each time.
//! Method: the program is run with small scenarios, and what it prints and writes is read.

use crate::support::World;

/// A scenario that takes no time to speak of.
const SMALL: [&str; 9] =
    ["simulate", "--objects", "200", "--nodes", "4", "--runs", "3", "--stragglers", "0.25"];

#[test]
fn a_seed_tells_the_same_to_the_last_byte() {
    let world = World::new();
    let told = |seed: &str| {
        let ended = world.zipfleet(&[&SMALL[..], &["--json", "--lost", "1", "--seed", seed]].concat());
        ended.succeeded();
        ended.stdout
    };
    let first = told("7");
    assert!(first == told("7"), "two runs of a seed differ");
    assert!(first != told("8"), "the seed does nothing");
    let value: serde_json::Value = serde_json::from_str(&first).expect("it is JSON");
    let study = &value["study"];
    assert_eq!(study["times_s"].as_array().map(Vec::len), Some(3));
    let phases = &study["median"]["phases"];
    let sum_s: f64 = ["listing_s", "transfer_s", "directory_s", "complete_s"]
        .iter()
        .map(|name| phases[*name].as_f64().expect("it is a number"))
        .sum();
    let total_s = study["median"]["total_s"].as_f64().expect("it is a number");
    assert!((sum_s - total_s).abs() < 1e-6, "{phases} are not {total_s}");
}

#[test]
fn a_report_and_a_table_are_written() {
    let world = World::new();
    let flags = ["--sweep", "lost", "--html", "report.html", "--csv", "table.csv"];
    let ended = world.zipfleet(&[&SMALL[..], &flags].concat());
    ended.succeeded();
    for words in ["until S3 had put it together", "over least", "US$"] {
        assert!(ended.stdout.contains(words), "no `{words}` in {}", ended.stdout);
    }
    let read = |name: &str| std::fs::read_to_string(world.file(name)).expect(name);
    let page = read("report.html");
    for words in ["Parts on nodes", "Network of all nodes", "Time and cost over machines lost", "</html>"] {
        assert!(page.contains(words), "no `{words}` in the report");
    }
    assert!(!page.contains("NaN") && !page.contains("<script") && !page.contains("http"), "it stands alone");
    let table = read("table.csv");
    assert_eq!(table.lines().count(), 1 + 3, "{table}");
    let columns = |line: &str| line.split(',').count();
    assert!(table.lines().all(|line| columns(line) == columns(&table[..table.find('\n').unwrap_or(0)])));
}

#[test]
fn a_model_is_printed_changed_and_taken() {
    let world = World::new();
    let printed = world.zipfleet(&["simulate", "model"]);
    printed.succeeded();
    let slow = printed.stdout.replacen("mb_per_s = 110", "mb_per_s = 11", 1);
    std::fs::write(world.file("slow.toml"), slow).expect("there is room");
    let median = |flags: &[&str]| {
        let ended = world.zipfleet(&[&SMALL[..], &["--json"], flags].concat());
        ended.succeeded();
        let value: serde_json::Value = serde_json::from_str(&ended.stdout).expect("it is JSON");
        value["study"]["p50_s"].as_f64().expect("it is a number")
    };
    assert!(median(&["--model", "slow.toml"]) > median(&[]) + 0.5, "uploads are ten times as slow");
}

#[test]
fn what_makes_no_sense_is_refused_in_a_sentence() {
    let world = World::new();
    std::fs::write(world.file("bad.toml"), "[s3]\nget = 1\n").expect("there is room");
    for (flags, says) in [
        (&["--nodes", "0"][..], "a whole number from 1 to 2000 is needed"),
        (&["--stragglers", "2"], "a share from 0 to 1 is needed"),
        (&["--instance", "m1.tiny"], "is none of the model's: c7gn.medium"),
        (&["--lost", "99"], "--lost 99 is more than there are: --nodes 32"),
        (&["--part-size", "1MiB"], "S3 takes no parts below 5MiB"),
        (&["--sweep", "moons"], "`moons` is none of nodes, sizes"),
        (&["--model", "none.toml"], "--model none.toml: "),
        (&["--model", "bad.toml"], "--model bad.toml: line 2: "),
        (&["--csv", "x.csv"], "--sweep"),
        (&["--swarm", "0"], "--swarm"),
        (&["--swarm", "3", "--nodes", "4"], "--nodes"),
        (&["--swarm", "2", "--seed", "18446744073709551615"], "goes beyond the last seed"),
        (&["--runs", "1", "--html", "no/where.html"], "--html no/where.html: "),
    ] {
        world.zipfleet(&[&["simulate"], flags].concat()).failed(2, &[says]);
    }
}

#[test]
fn storms_are_weathered_and_told_of() {
    let world = World::new();
    let printed = world.zipfleet(&["simulate", "--swarm", "30", "--seed", "7"]);
    printed.succeeded();
    for words in ["30 storms weathered, seeds 7 to 36", "coordinators that died"] {
        assert!(printed.stdout.contains(words), "no `{words}` in {}", printed.stdout);
    }
}
