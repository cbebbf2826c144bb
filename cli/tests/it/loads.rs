//! Goal: a load sends what its mix says when its arrivals say so, tells what came of it, and leaves nothing behind,
//! however it ends.
//! Method: loads of a few seconds on a real cluster; what is left is looked for at S3. No figure is held against a bar:
//! this machine is busy.

use std::fs;
use std::time::Duration;

use serde_json::Value;
use simulations_s3::{Model, Op, Rope};

use crate::cluster::Cluster;
use crate::support::until;

const MIX: &str = r#"
    [[population]]
    name = "small"
    weight = 3
    tenant = "web"
    sources = ["s3://src/small/"]

    [[population]]
    name = "other"
    tenant = "night"
    sources = ["s3://src/other/"]
"#;

/// A cluster with the sources of [`MIX`], which is at `mix.toml`.
fn cluster() -> Cluster {
    let cluster = Cluster::new();
    for i in 0..3 {
        cluster.world.twin.put("src", &format!("small/{i}"), Rope::synthetic(i, 10_000));
        cluster.world.twin.put("src", &format!("other/{i}"), Rope::synthetic(i, 20_000));
    }
    fs::write(cluster.world.file("mix.toml"), MIX).expect("there is room");
    cluster
}

/// The flags that all loads here have.
const TO: [&str; 5] = ["load", "--mix", "mix.toml", "--to", "s3://out/load/"];

fn archives(cluster: &Cluster) -> usize {
    cluster.world.twin.keys("out").iter().filter(|key| key.starts_with("load/")).count()
}

fn nothing_left(cluster: &Cluster) {
    assert_eq!(archives(cluster), 0);
    cluster.world.no_upload_left();
    for state in ["waiting", "running"] {
        assert_eq!(cluster.json(&["jobs", "--state", state]), Value::Array(vec![]));
    }
}

#[test]
fn a_load_tells_how_it_was_borne_and_leaves_nothing() {
    let cluster = cluster();
    let _other = cluster.another_node("node-2");
    let files = ["--html", "load.html", "--results", "load.json", "--json"];
    let when = ["--rate", "5/s", "--for", "4s", "--seed", "3", "--p99", "100s"];
    let ended = cluster.run(&[&TO[..], &when, &files].concat());
    ended.succeeded();
    let run: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    let written = fs::read_to_string(cluster.world.file("load.json")).expect("it is written");
    assert_eq!(serde_json::from_str::<Value>(&written).expect("JSON"), run);
    let number =
        |at: &str| run.pointer(at).and_then(Value::as_f64).unwrap_or_else(|| panic!("no {at} in {run}"));
    assert!(number("/all/arrivals") >= 5.0);
    assert_eq!(number("/all/completed"), number("/all/arrivals"));
    assert_eq!(number("/all/completed_s/count"), number("/all/completed"));
    assert_eq!(number("/share_within"), 1.0);
    assert!(number("/all/first_part_s/p50/value") <= number("/all/completed_s/p50/value"));
    for who in ["/coordinator", "/nodes", "/each_node/0", "/each_node/1"] {
        for figure in ["cores_mean", "cores_max", "bytes_max"] {
            assert!(number(&format!("{who}/{figure}")) > 0.0, "{figure} of {who} in {run}");
        }
    }
    let mut names = [0, 1].map(|at| run["each_node"][at]["name"].as_str());
    names.sort_unstable();
    assert_eq!(names, [Some("node-1"), Some("node-2")]);
    assert!((0.5..=1.0).contains(&number("/fairness")));
    let of = |group: &str| number(&format!("/tenants/{group}/figures/arrivals"));
    assert_eq!(of("0") + of("1"), number("/all/arrivals"));
    let page = fs::read_to_string(cluster.world.file("load.html")).expect("it is written");
    for words in ["Over time", "<svg", "night", "The limit is held"] {
        assert!(page.contains(words), "no `{words}` in the page");
    }
    nothing_left(&cluster);
    let same = cluster.run(&["load", "--compare", "load.json", "load.json"]);
    same.succeeded();
    assert!(same.stdout.contains("completed, p99"), "{same:?}");
    cluster.run(&["load", "--compare", "load.json", "mix.toml"]).failed(2, &["mix.toml", "no load"]);
}

#[test]
fn a_load_that_is_interrupted_tells_what_ran_and_leaves_nothing() {
    let cluster = cluster();
    fs::write(cluster.world.file("trace"), "3 small\n3 other\n6 small\n9\n600 small\n")
        .expect("there is room");
    let load = cluster.start(&[&TO[..], &["--arrivals", "trace:trace", "--results", "load.json"]].concat());
    let completed = Op::CompleteMultipartUpload.name();
    let alone = || cluster.world.twin.requests().get(completed).copied().unwrap_or_default() >= 2;
    until("one archive of each population is made alone", alone);
    // What is under way from now on does not end by itself.
    cluster.world.twin.set_model(Model::default().latency(Op::UploadPart, Duration::from_secs(100)));
    until("jobs are stuck", || !cluster.world.twin.uploads().is_empty());
    load.signal("INT");
    load.wait().failed(130, &["stopping", "stopped"]);
    nothing_left(&cluster);
}

#[test]
fn a_load_that_is_too_high_is_told() {
    let cluster = cluster();
    let when = ["--rate", "2/s", "--for", "2s"];
    let late = cluster.run(&[&TO[..], &when, &["--p99", "1ms"]].concat());
    late.failed(16, &["not borne"]);
    // Each archive takes longer than that, so every round fails, and the search ends all the same.
    let when = ["--rate", "8/s", "--for", "500ms"];
    let none = cluster.run(&[&TO[..], &when, &["--p99", "1ms", "--find-limit", "--json"]].concat());
    none.failed(16, &["not borne"]);
    let run: Value = serde_json::from_str(&none.stdout).expect("JSON");
    assert!(
        run["search"]["highest"].is_null()
            && run["search"]["rounds"].as_array().is_some_and(|all| all.len() > 3)
    );
    let when = ["--rate", "8/s", "--for", "500ms", "--keep"];
    cluster.run(&[&TO[..], &when].concat()).succeeded();
    assert!(archives(&cluster) > 0, "they are kept");
}

#[test]
fn a_load_that_makes_no_sense_is_refused_before_it_begins() {
    let cluster = cluster();
    let run = |flags: &[&str]| cluster.run(&[&TO[..], flags].concat());
    run(&[]).failed(2, &["--rate and --for"]);
    run(&["--rate", "5", "--for", "1s"]).failed(2, &["no rate"]);
    run(&["--rate", "5/s", "--for", "1s", "--find-limit"]).failed(2, &["--p99"]);
    run(&["--rate", "5/s", "--for", "1s", "--html", "no/such.html"]).failed(2, &["no/such.html"]);
    run(&["--rate", "5/s", "--arrivals", "trace:mix.toml"]).failed(2, &["its own rate"]);
    run(&["--arrivals", "trace:mix.toml"]).failed(2, &["mix.toml", "line 2"]);
    run(&["--arrivals", "waves"]).failed(2, &["trace:FILE"]);
    run(&["--rate", "5/s", "--for", "1s", "--compare", "a", "b"]).failed(2, &["--compare"]);
    let to_one = ["load", "--mix", "mix.toml", "--to", "s3://out/one.zip", "--rate", "5/s", "--for", "1s"];
    cluster.run(&to_one).failed(2, &["--to"]);
    // What does not work alone is not tried under load.
    fs::write(cluster.world.file("mix.toml"), MIX.replace("src/other", "src/nothing"))
        .expect("there is room");
    run(&["--rate", "5/s", "--for", "1s"]).failed(3, &["population `other`"]);
    nothing_left(&cluster);
}
