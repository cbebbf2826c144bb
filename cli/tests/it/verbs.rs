//! Goal: what a person asks of a cluster is done and told as `zip` would, with the same exit codes; and who is
//! not there is named.
//! Method: a coordinator and a node, as processes, and every verb against them.

use std::time::Duration;

use simulations_s3::{Model, Op};

use crate::cluster::Cluster;
use crate::support::{World, until};

#[test]
fn a_job_from_submission_to_explanation() {
    let cluster = Cluster::new();
    let made = cluster.json(&["submit", "--wait", "--priority", "high", "s3://src/p/", "s3://out/a.zip"]);
    cluster.world.archive_is_right("out", "a.zip", &cluster.world.entries("src", "p/"));
    assert_eq!((&made["archive"], &made["summary"]["entries"]), (&"s3://out/a.zip".into(), &20.into()));
    let id = made["id"].as_str().expect("an id");
    let jobs = cluster.json(&["jobs"]);
    assert_eq!((&jobs[0]["id"], &jobs[0]["priority"]), (&id.into(), &"high".into()));
    assert_eq!(cluster.json(&["status", id]), jobs[0]);
    let explained = cluster.json(&["explain", id]);
    assert_eq!(explained["nodes"][0]["name"], "node-1");
    assert_eq!(explained["nodes"][0]["parts"], made["summary"]["parts"]);
    assert_eq!(cluster.json(&["nodes"])[0]["state"], "active");
    for (verb, words) in [
        (&["status", id][..], &["s3://out/a.zip: 20 entries"][..]),
        (&["jobs"], &[id, "completed", "high", "s3://out/a.zip"]),
        (&["explain", id], &["node-1", "stolen"]),
        (&["nodes"], &["node-1", "active"]),
        (&["cancel", id], &["ended already: completed"]),
    ] {
        let ended = cluster.run(verb);
        ended.succeeded();
        words.iter().for_each(|word| assert!(ended.stdout.contains(word), "no `{word}` in {ended:#?}"));
    }
}

#[test]
fn a_job_that_fails_ends_as_zip_would() {
    let cluster = Cluster::new();
    let submit = |source: &str| cluster.run(&["submit", "--wait", source, "s3://out/a.zip"]);
    submit("s3://src/none/").failed(3, &["s3://src/none/"]);
    submit("s3://nowhere/p/").failed(4, &["nowhere"]);
    submit("s3:/src/p/").failed(2, &["s3:/src/p/"]);
    cluster.world.nothing_left("out", "a.zip");
}

#[test]
fn who_stops_watching_stops_nothing() {
    let cluster = Cluster::new();
    let id = cluster.endless();
    let watching = cluster.start(&["submit", "--wait", "s3://src/p/", "s3://out/b.zip"]);
    until("it is watched", || watching.stderr().contains("job "));
    watching.signal("INT");
    watching.wait().failed(130, &["goes on", "zipfleet status", "zipfleet cancel"]);
    assert_eq!(cluster.json(&["jobs"]).as_array().map(Vec::len), Some(2));
    cluster.run(&["cancel", &id]).succeeded();
    until("it has ended", || !cluster.json(&["status", &id])["outcome"].is_null());
    let ended = cluster.run(&["status", &id]);
    assert!(ended.stdout.contains("cancelled"), "{ended:#?}");
}

#[test]
fn roles_end_well_when_told_to() {
    let cluster = Cluster::new();
    cluster.endless();
    let Cluster { world, api, coordinator, node, .. } = cluster;
    let health = ["health", "--cluster", &api];
    world.zipfleet(&health).succeeded();
    coordinator.signal("TERM");
    coordinator.wait().succeeded();
    world.nothing_left("out", "endless.zip");
    world.zipfleet(&health).failed(9, &[&api, "cannot be reached"]);
    node.signal("TERM");
    node.wait().succeeded();
}

#[test]
fn who_watches_a_job_learns_that_a_coordinator_told_to_stop_cancelled_it() {
    let cluster = Cluster::new();
    cluster.world.twin.set_model(Model::default().latency(Op::GetObject, Duration::from_secs(100)));
    let watching = cluster.start(&["submit", "--wait", "s3://src/p/", "s3://out/endless.zip"]);
    until("it fetches", || cluster.world.twin.requests().contains_key(Op::GetObject.name()));
    cluster.coordinator.signal("TERM");
    watching.wait().failed(14, &["the job was cancelled"]);
    cluster.coordinator.wait().succeeded();
    cluster.world.nothing_left("out", "endless.zip");
}

#[test]
fn a_node_that_leaves_is_called_by_its_name() {
    let cluster = Cluster::new();
    cluster.node.signal("TERM");
    cluster.node.wait().succeeded();
    let has_left = |line: &str| line.contains("node left") && line.contains("node-1");
    until("its name is told", || cluster.coordinator.stderr().lines().any(has_left));
}

#[test]
fn who_insists_gets_out_at_once() {
    let cluster = Cluster::new();
    cluster.endless();
    let Cluster { node, coordinator, .. } = cluster;
    node.signal("TERM");
    until("it leaves", || node.stderr().contains("leaving: ending"));
    node.signal("TERM");
    assert_eq!(node.wait().code, 143);
    drop(coordinator);
}

#[test]
fn who_is_not_there_is_named() {
    let world = World::new();
    let port = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("bound");
    let nobody = format!("http://{port}");
    let id = "0123456789abcdef";
    for verb in [&["jobs"][..], &["nodes"], &["status", id], &["explain", id], &["cancel", id]] {
        let ended = world.zipfleet(&[verb, &["--cluster", &nobody]].concat());
        ended.failed(9, &[&nobody, "cannot be reached"]);
        assert_eq!(ended.stderr.lines().count(), 1, "{ended:#?}");
    }
    // Something else that speaks HTTP.
    world.zipfleet(&["jobs", "--cluster", &world.endpoint]).failed(9, &[&world.endpoint, "answered"]);
    for url in ["127.0.0.1:7401", "ftp://127.0.0.1:1", ""] {
        world.zipfleet(&["jobs", "--cluster", url]).failed(2, &["http://HOST:PORT"]);
    }
    let cluster = Cluster::new();
    for verb in ["status", "explain", "cancel"] {
        cluster.run(&[verb, id]).failed(4, &[id]);
    }
    cluster.run(&["status", "17"]).failed(2, &["16 hexadecimal digits"]);
}

#[test]
fn who_watches_a_job_is_told_that_there_is_no_node() {
    let mut cluster = Cluster::new();
    cluster.node.signal("TERM");
    until("the node has left", || cluster.node.has_ended());
    let watching = cluster.start(&["submit", "--wait", "s3://src/p/", "s3://out/later.zip"]);
    until("it is told", || watching.stderr().contains("no node takes parts"));
    assert!(!watching.stderr().contains(" left"), "nobody knows how long that takes: {}", watching.stderr());
    let jobs = cluster.json(&["jobs"]);
    let job = jobs[0]["id"].as_str().expect("an id");
    cluster.run(&["cancel", job]).succeeded();
    watching.wait().failed(14, &["cancelled"]);
}
