//! Goal: a batch has every good job made once, tells each bad one with its line, and goes on where it stopped,
//! whatever ended it.
//! Method: batches of small jobs against a real cluster; what was made is counted at S3.

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};
use simulations_s3::{Model, Op, Rope};

use crate::cluster::Cluster;
use crate::support::{Ended, Running, until};

/// A cluster with so many sources, `s3://src/00/` and so on, of one object each.
fn cluster(sources: usize) -> Cluster {
    let cluster = Cluster::new();
    fill(&cluster, sources);
    cluster
}

fn fill(cluster: &Cluster, sources: usize) {
    for i in 0..sources {
        cluster.world.twin.put("src", &format!("{i:02}/object"), Rope::synthetic(i as u64, 100_000));
    }
}

fn line(i: usize) -> String {
    let (source, destination) = (format!("s3://src/{i:02}/"), format!("s3://out/{i:02}.zip"));
    json!({ "sources": [source], "destination": destination, "name": format!("job {i}") }).to_string()
}

fn write(cluster: &Cluster, name: &str, lines: &[String]) {
    fs::write(cluster.world.file(name), lines.join("\n")).expect("there is room");
}

/// How many archives were begun so far.
fn begun(cluster: &Cluster) -> u64 {
    cluster.world.twin.requests().get(Op::CreateMultipartUpload.name()).copied().unwrap_or_default()
}

fn all_right(cluster: &Cluster, which: impl Iterator<Item = usize>) {
    for i in which {
        let entries = cluster.world.entries("src", &format!("{i:02}/"));
        cluster.world.archive_is_right("out", &format!("{i:02}.zip"), &entries);
    }
}

/// The result lines of a run with `--json`, and its closing line.
fn results(ended: &Ended) -> (Vec<Value>, Value) {
    let mut lines: Vec<Value> =
        ended.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    lines.retain(|line| line.get("error").is_none_or(|error| error.get("exit_code").is_none()));
    let last = lines.pop().expect("there is a closing line");
    (lines, last["batch"].clone())
}

/// The results that are kept so far, without their head.
fn kept(cluster: &Cluster, name: &str) -> Vec<Value> {
    let text = fs::read_to_string(cluster.world.file(&format!("{name}.results.jsonl"))).unwrap_or_default();
    let lines = text.split_inclusive('\n').skip(1).filter(|line| line.ends_with('\n'));
    lines.map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn twenty_jobs_of_which_three_are_bad() {
    let cluster = cluster(20);
    let mut lines: Vec<String> = (0..20).map(line).collect();
    lines[3] = "{\"sources\": [\"s3://src/03/\"], \"destination\": ".to_owned();
    lines[7] = lines[7].replace("s3://src/07/", "s3://nowhere/07/");
    lines[11] = lines[11].replace("s3://out/11.zip", "/out/11.zip");
    write(&cluster, "jobs.jsonl", &lines);
    let ended = cluster.run(&["submit", "--batch", "jobs.jsonl", "--json"]);
    ended.failed(15, &["3 jobs did not end well", "jobs.jsonl.results.jsonl"]);
    let (results, told) = results(&ended);
    assert_eq!(told, json!({ "completed": 17, "failed": 3, "done_before": 0 }));
    assert_eq!(results.len(), 20);
    for (number, kind, words) in
        [(4, "bad_request", "EOF"), (8, "not_found", "nowhere"), (12, "bad_request", "/out/11.zip")]
    {
        let result = results.iter().find(|result| result["line"] == number).expect("each line has one");
        assert_eq!((&result["state"], &result["error"]["kind"]), (&"failed".into(), &kind.into()));
        assert!(result["error"]["message"].as_str().is_some_and(|why| why.contains(words)), "{result}");
    }
    let good = || (0..20).filter(|i| ![3, 7, 11].contains(i));
    all_right(&cluster, good());
    assert_eq!(begun(&cluster), 17);
    // What was done is not done again, what failed is tried again.
    let again = cluster.run(&["submit", "--batch", "jobs.jsonl"]);
    again.failed(15, &["3 jobs did not end well"]);
    for words in ["line 4: failed", "line 8 (job 7): failed", "0 completed, 3 failed, 17 done before"] {
        assert!(again.stdout.contains(words), "no `{words}` in {again:#?}");
    }
    assert_eq!(begun(&cluster), 17);
    // Mended, and with a line more in front.
    let mended: Vec<String> = std::iter::once(String::new()).chain((0..20).map(line)).collect();
    write(&cluster, "jobs.jsonl", &mended);
    let mended = cluster.run(&["submit", "--batch", "jobs.jsonl", "--concurrency", "2"]);
    mended.succeeded();
    assert!(mended.stdout.contains("3 completed, 0 failed, 17 done before"), "{mended:#?}");
    all_right(&cluster, 0..20);
    assert_eq!(begun(&cluster), 20);
}

#[test]
fn the_same_from_a_table_and_from_standard_input() {
    let cluster = cluster(20);
    let record = |i: usize| format!("job {i},s3://src/{i:02}/,s3://out/{i:02}.zip,low");
    let mut lines: Vec<String> = (0..20).map(record).collect();
    lines[3] = "job 3,s3://src/03/".to_owned();
    lines[7] = lines[7].replace("s3://src/07/", "s3://nowhere/07/");
    lines[11] = lines[11].replace("low", "lowest");
    lines.insert(0, "name,source,destination,priority".to_owned());
    write(&cluster, "jobs.csv", &lines);
    let ended = cluster.run(&["submit", "--batch", "jobs.csv", "--json"]);
    ended.failed(15, &["3 jobs did not end well"]);
    let (results, told) = results(&ended);
    assert_eq!(told, json!({ "completed": 17, "failed": 3, "done_before": 0 }));
    let mut bad: Vec<_> = results.iter().filter(|result| result["state"] == "failed").collect();
    bad.sort_by_key(|result| result["line"].as_u64());
    assert_eq!(
        bad.iter().map(|result| result["line"].as_u64()).collect::<Vec<_>>(),
        [Some(5), Some(9), Some(13)]
    );
    all_right(&cluster, (0..20).filter(|i| ![3, 7, 11].contains(i)));
    // Results can be kept anywhere, also of what comes from standard input.
    let mut command =
        cluster.world.command(&["submit", "--batch", "-", "--results", "jobs.csv.results.jsonl"]);
    command.env("ZIPFLEET_CLUSTER", &cluster.api);
    let table = fs::File::open(cluster.world.file("jobs.csv")).expect("it was just written");
    let again = cluster.world.start_reading(command, table).wait();
    again.failed(15, &[]);
    assert!(again.stdout.contains("0 completed, 3 failed, 17 done before"), "{again:#?}");
    assert_eq!(begun(&cluster), 17);
}

/// Starts a batch of twelve jobs, three at a time, and waits until some are done and some under way.
fn in_the_middle() -> (Cluster, Running) {
    let cluster = cluster(12);
    cluster.world.twin.set_model(Model::default().latency(Op::UploadPart, Duration::from_millis(300)));
    write(&cluster, "jobs.jsonl", &(0..12).map(line).collect::<Vec<_>>());
    let running = cluster.start(&["submit", "--batch", "jobs.jsonl", "--concurrency", "3"]);
    until("some are done", || kept(&cluster, "jobs.jsonl").len() >= 4);
    let done = kept(&cluster, "jobs.jsonl").len() as u64;
    until("more are under way", || begun(&cluster) > done);
    (cluster, running)
}

/// Runs the batch of [`in_the_middle`] to its end: no archive was made twice.
fn goes_on(cluster: &Cluster) {
    let rest = cluster.run(&["submit", "--batch", "jobs.jsonl"]);
    rest.succeeded();
    assert!(rest.stdout.contains("0 failed") && rest.stdout.contains("done before"), "{rest:#?}");
    all_right(cluster, 0..12);
    assert_eq!(begun(cluster), 12);
    let nothing = cluster.run(&["submit", "--batch", "jobs.jsonl"]);
    nothing.succeeded();
    assert_eq!(nothing.stdout.trim(), "0 completed, 0 failed, 12 done before");
    assert_eq!(begun(cluster), 12);
}

#[test]
fn a_batch_that_is_killed_goes_on_where_it_was() {
    let (cluster, running) = in_the_middle();
    running.signal("KILL");
    assert_eq!(running.wait().code, -9);
    goes_on(&cluster);
}

#[test]
fn a_batch_that_is_interrupted_leaves_its_jobs_and_goes_on() {
    let (cluster, running) = in_the_middle();
    cluster.run(&["submit", "--batch", "jobs.jsonl"]).failed(2, &["the batch is already running"]);
    running.signal("INT");
    running.wait().failed(130, &["go on", "the same command", "jobs.jsonl.results.jsonl"]);
    goes_on(&cluster);
}

#[test]
fn a_cluster_that_takes_few_jobs_is_waited_for() {
    let cluster = Cluster::with(&["--jobs-running", "1", "--jobs-waiting", "1"]);
    fill(&cluster, 10);
    write(&cluster, "jobs.jsonl", &(0..10).map(line).collect::<Vec<_>>());
    cluster.run(&["submit", "--batch", "jobs.jsonl", "--concurrency", "6"]).succeeded();
    all_right(&cluster, 0..10);
    assert_eq!(begun(&cluster), 10);
}

#[test]
fn a_batch_that_is_none_is_refused() {
    let cluster = cluster(1);
    write(&cluster, "jobs.csv", &["source,dest".to_owned(), "s3://src/00/,s3://out/00.zip".to_owned()]);
    let run = |args: &[&str]| cluster.run(&[&["submit"], args].concat());
    run(&["--batch", "jobs.csv"]).failed(2, &["dest", "destination"]);
    run(&["--batch", "missing.jsonl"]).failed(2, &["missing.jsonl"]);
    run(&["--batch", "jobs.csv", "s3://src/00/", "s3://out/00.zip"]).failed(2, &["--batch"]);
    run(&["--batch", "jobs.csv", "--wait"]).failed(2, &["--wait"]);
    run(&["--concurrency", "3", "s3://src/00/", "s3://out/00.zip"]).failed(2, &["--concurrency"]);
    run(&["--results", "results.jsonl"]).failed(2, &["--batch"]);
    write(&cluster, "jobs.jsonl", &[line(0)]);
    run(&["--batch", "jobs.jsonl", "--results", "jobs.csv"]).failed(2, &["jobs.csv", "--results"]);
    run(&[]).failed(2, &["SOURCE... DEST"]);
    let nobody =
        run(&["--batch", "jobs.jsonl", "--cluster", "https://127.0.0.1:1", "--cluster-ca", "jobs.csv"]);
    nobody.failed(2, &["jobs.csv", "no certificate"]);
    assert_eq!(begun(&cluster), 0);
}
