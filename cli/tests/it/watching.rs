//! Goal: whoever watches a job sees how it goes on and how it ends, whatever the network does, and can always leave;
//! a job is never made twice because an answer was lost.
//! Method: a wire between the tool and the cluster that breaks and holds up, and the cluster's other verbs.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use simulations_s3::{Model, Op};

use crate::cluster::{Cluster, Stranger};
use crate::fleet::proxy::{Proxy, Way};
use crate::support::{Running, until};

/// Has the cluster take its time for each part.
fn slow(cluster: &Cluster) {
    cluster.world.twin.set_model(Model::default().latency(Op::UploadPart, Duration::from_secs(100)));
}

/// Submits a job that does not end while S3 is slow.
fn submit(cluster: &Cluster) -> String {
    slow(cluster);
    let job = cluster.json(&["submit", "s3://src/p/", "s3://out/a.zip"]);
    until("it uploads", || cluster.world.twin.requests().contains_key(Op::UploadPart.name()));
    job["id"].as_str().expect("an id").to_owned()
}

fn wire(cluster: &Cluster) -> (Proxy, String) {
    let proxy = Proxy::to(cluster.api.trim_start_matches("http://").parse().expect("an address"));
    let url = format!("http://{}", proxy.address);
    (proxy, url)
}

/// Lets a slow S3 go on: the node is replaced, and its requests with it.
fn release(cluster: &mut Cluster) {
    cluster.world.twin.set_model(Model::default());
    cluster.restart_node();
}

fn events(watching: &Running) -> Vec<Value> {
    let text = watching.stdout();
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn watching_goes_on_after_a_connection_broke() {
    let mut cluster = Cluster::new();
    let id = submit(&cluster);
    let (proxy, url) = wire(&cluster);
    let watching = cluster.start(&["watch", &id, "--json", "--cluster", &url]);
    until("it is watched", || !events(&watching).is_empty());
    proxy.sever();
    // Losing a node is a problem, which is told once, though the wire breaks before and after.
    release(&mut cluster);
    until("the loss is told", || events(&watching).iter().any(|event| event["event"] == "problem"));
    proxy.sever();
    let ended = watching.wait();
    ended.succeeded();
    let told: Vec<Value> =
        ended.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let last = told.last().expect("there are events");
    assert_eq!((&last["event"], &last["data"]["state"]), (&"ended".into(), &"completed".into()));
    let problems: Vec<String> = told
        .iter()
        .filter(|event| event["event"] == "problem")
        .map(|event| event["data"].to_string())
        .collect();
    let different: BTreeSet<&String> = problems.iter().collect();
    assert!(!problems.is_empty() && different.len() == problems.len(), "{problems:#?}");
    cluster.world.archive_is_right("out", "a.zip", &cluster.world.entries("src", "p/"));
    // Who comes late is told the end, and gets the job's exit code.
    let late = cluster.run(&["watch", &id]);
    late.succeeded();
    assert!(late.stdout.contains("s3://out/a.zip: 20 entries"), "{late:#?}");
    assert!(late.stderr.contains("node-1"), "what went wrong is told: {late:#?}");
}

#[test]
fn watching_a_coordinator_that_pauses() {
    let mut cluster = Cluster::new();
    let id = submit(&cluster);
    let watching = cluster.start(&["watch", &id, "--json"]);
    until("it is watched", || !events(&watching).is_empty());
    cluster.coordinator.signal("STOP");
    // Whether the pause is noticed does not matter.
    let asking = cluster.start(&["jobs"]);
    std::thread::sleep(Duration::from_secs(1));
    cluster.coordinator.signal("CONT");
    asking.wait().succeeded();
    release(&mut cluster);
    let ended = watching.wait();
    ended.succeeded();
    assert!(ended.stdout.contains(r#""completed""#), "{ended:#?}");
}

/// As many watch as may.
#[test]
fn a_cluster_that_does_not_tell_is_asked() {
    let cluster = Cluster::new();
    let made = cluster.json(&["submit", "--wait", "s3://src/p/", "s3://out/a.zip"]);
    let id = made["id"].as_str().expect("an id");
    let job = cluster.json(&["status", id]).to_string();
    let head = "Content-Type: application/json\r\nConnection: close\r\n\r\n";
    let busy = r#"{"detail": "they watch", "kind": "unavailable", "code": "busy"}"#;
    let teller = Stranger::who_is_asked(move |asked| match asked.contains("/events") {
        true => format!("HTTP/1.1 503 Service Unavailable\r\n{head}{busy}"),
        false => format!("HTTP/1.1 200 OK\r\n{head}{job}"),
    });
    let ended = cluster.run(&["watch", id, "--cluster", &teller.url]);
    ended.succeeded();
    assert!(ended.stdout.contains("s3://out/a.zip: 20 entries"), "{ended:#?}");
}

#[test]
fn who_watches_can_leave() {
    let cluster = Cluster::new();
    let id = submit(&cluster);
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let watching = cluster.start(&["watch", &id, "--json"]);
        until("it is watched", || !events(&watching).is_empty());
        watching.signal(signal);
        let how_to = [&format!("zipfleet watch {id}")[..], &format!("zipfleet cancel {id}"), "goes on"];
        watching.wait().failed(code, &how_to);
    }
    assert!(cluster.json(&["status", &id])["outcome"].is_null());
    let watching = cluster.start(&["watch", &id, "--json"]);
    until("it is watched", || !events(&watching).is_empty());
    let cancelled = cluster.run(&["cancel", &id]);
    cancelled.succeeded();
    assert!(cancelled.stdout.contains("cancelled, and nothing of it is left"), "{cancelled:#?}");
    cluster.world.nothing_left("out", "a.zip");
    watching.wait().failed(14, &["cancelled"]);
    cluster.run(&["watch", &id]).failed(14, &["cancelled"]);
    cluster.run(&["watch", "0123456789abcdef"]).failed(4, &["0123456789abcdef"]);
}

#[test]
fn a_job_whose_answer_is_lost_is_one_job() {
    let cluster = Cluster::new();
    slow(&cluster);
    let (proxy, url) = wire(&cluster);
    proxy.cut(&[Way::Down]);
    let submitting = cluster.start(&["submit", "s3://src/p/", "s3://out/a.zip", "--json", "--cluster", &url]);
    until("the cluster has it", || cluster.json(&["jobs"]).as_array().is_some_and(|jobs| !jobs.is_empty()));
    proxy.sever();
    proxy.cut(&[]);
    let ended = submitting.wait();
    ended.succeeded();
    let told: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    let jobs = cluster.json(&["jobs"]);
    assert_eq!(jobs.as_array().map(Vec::len), Some(1));
    assert_eq!((&told["id"], &told["is_new"]), (&jobs[0]["id"], &false.into()));
    // Likewise for one's own key, as long as it is the same job.
    let key = ["--idempotency-key", "mine"];
    let own = [&["submit", "s3://src/p/", "s3://out/b.zip"][..], &key].concat();
    let (first, second) = (cluster.json(&own), cluster.json(&own));
    assert_eq!((&first["id"], &second["is_new"]), (&second["id"], &false.into()));
    let other = [&["submit", "s3://src/p/", "s3://out/c.zip"][..], &key].concat();
    cluster.run(&other).failed(2, &["key"]);
}

#[test]
fn a_report_from_its_summary_to_its_entries() {
    let cluster = Cluster::new();
    let made = cluster.json(&["submit", "--wait", "s3://src/p/", "s3://out/a.zip"]);
    let id = made["id"].as_str().expect("an id");
    let mut report = cluster.json(&["report", id]);
    assert_eq!(report["job"]["id"], id);
    let told = cluster.run(&["report", id]);
    told.succeeded();
    for words in ["s3://out/a.zip: 20 entries", "node-1", "UploadPart"] {
        assert!(told.stdout.contains(words), "no `{words}` in {told:#?}");
    }
    // More entries than are shown, one with a name that would drive a terminal.
    let entry = |i: u64| {
        let name = if i == 3 { "3\u{1b}[2J\t".to_owned() } else { i.to_string() };
        json!({ "name": name, "bucket": "src", "key": "k", "size": i, "crc32": "0000000a", "etag": "\"e\"" })
    };
    report["skipped"] = json!(["../evil"]);
    report["entries"] = (0..20_000).map(entry).collect();
    let text = report.to_string();
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n";
    let teller = Stranger::who_answers(&format!("{head}Content-Length: {}\r\n\r\n{text}", text.len()));
    let ask = |flags: &[&str]| {
        let ended = cluster.run(&[&["report", id, "--cluster", &teller.url], flags].concat());
        ended.succeeded();
        ended.stdout
    };
    let told = ask(&[]);
    for words in ["and 19990 entries more", "left out:\n  ../evil", "3\\u{1b}[2J\\t ", "CRC-32"] {
        assert!(told.contains(words), "no `{words}` in {told}");
    }
    let lines = ask(&["--entries"]);
    let lines: Vec<Vec<&str>> = lines.lines().map(|line| line.split('\t').collect()).collect();
    assert_eq!(lines.len(), 20_000);
    assert_eq!(lines[7], ["7", "7", "0000000a", "\"e\"", "src", "k"]);
    assert_eq!(lines[3][0], "3\\u{1b}[2J\\t");
    assert_eq!(ask(&["--json"]), format!("{text}\n"));
    // One that is cut short, and one that is none.
    let cut = Stranger::who_answers(&format!("{head}Content-Length: {}\r\n\r\n{text}", text.len() + 1));
    for flags in [&[][..], &["--entries"], &["--json"]] {
        let args = [&["report", id, "--cluster", &cut.url], flags].concat();
        cluster.run(&args).failed(9, &["did not finish its answer"]);
    }
    // An explanation does not need them.
    assert_eq!(cluster.json(&["explain", id])["entries"].as_array().map(Vec::len), Some(0));
    let answer = cluster.json(&["status", id, "--url-seconds", "60"]);
    assert!(answer["url"].as_str().is_some_and(|url| url.contains("/out/a.zip?")), "{answer}");
    cluster.run(&["report", "0123456789abcdef"]).failed(4, &["0123456789abcdef"]);
}

#[test]
fn jobs_by_state_and_number() {
    let cluster = Cluster::new();
    for archive in ["s3://out/a.zip", "s3://out/b.zip"] {
        cluster.json(&["submit", "--wait", "s3://src/p/", archive]);
    }
    cluster.run(&["submit", "--wait", "s3://src/none/", "s3://out/c.zip"]).failed(3, &[]);
    let destinations = |flags: &[&str]| {
        let jobs = cluster.json(&[&["jobs"], flags].concat());
        let jobs = jobs.as_array().expect("a list").clone();
        jobs.iter().map(|job| job["destination"].as_str().expect("a text").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(destinations(&[]), ["s3://out/c.zip", "s3://out/b.zip", "s3://out/a.zip"]);
    assert_eq!(destinations(&["--limit", "1"]), ["s3://out/c.zip"]);
    assert_eq!(destinations(&["--state", "completed"]), ["s3://out/b.zip", "s3://out/a.zip"]);
    assert_eq!(destinations(&["--state", "completed", "--limit", "1"]), ["s3://out/b.zip"]);
    assert!(destinations(&["--state", "running"]).is_empty());
    cluster.run(&["jobs", "--state", "gone"]).failed(2, &["completed"]);
}

#[test]
fn a_node_that_is_told_to_leave() {
    let cluster = Cluster::new();
    let drained = cluster.run(&["drain", "node-1", "--wait"]);
    drained.succeeded();
    assert!(drained.stdout.contains("1 node left"), "{drained:#?}");
    cluster.run(&["drain", "node-1"]).failed(4, &["node-1"]);
    cluster.run(&["drain", "Node_1"]).failed(2, &["Node_1"]);
    // It ended as it would when told to on its own machine.
    cluster.node.wait().succeeded();
}
