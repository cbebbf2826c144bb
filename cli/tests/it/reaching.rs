//! Goal: who cannot be asked, or does not answer like a cluster, is named with what can be done; a token is never
//! shown and a stranger never trusted.
//! Method: servers that are no cluster, and a cluster that speaks TLS and asks for tokens.

use crate::cluster::{Cluster, Stranger};
use crate::support::World;

const HTML: &str =
    "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n<html>It works!</html>";
const MOVED: &str =
    "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
const UNAUTHORIZED: &str = concat!(
    "HTTP/1.1 401 Unauthorized\r\nContent-Type: application/problem+json\r\nConnection: close\r\n\r\n",
    r#"{"type": "x", "title": "x", "status": 401, "detail": "a token is needed", "code": "unauthorized", "#,
    r#""kind": "denied"}"#
);

const JOB: &str = "0123456789abcdef";

#[test]
fn something_else_that_speaks_http() {
    let world = World::new();
    for (answer, words) in [(HTML, "no cluster"), (MOVED, "answered 302")] {
        let stranger = Stranger::who_answers(answer);
        for verb in [
            &["jobs"][..],
            &["nodes"],
            &["health"],
            &["status", JOB],
            &["explain", JOB],
            &["cancel", JOB],
            &["report", JOB],
            &["watch", JOB],
            &["drain", "node-1", "--wait"],
            &["submit", "s3://src/p/", "s3://out/a.zip"],
        ] {
            let ended = world.zipfleet(&[verb, &["--cluster", &stranger.url]].concat());
            ended.failed(9, &[&stranger.url, words]);
            assert_eq!(ended.stderr.lines().count(), 1, "{ended:#?}");
        }
    }
}

#[test]
fn a_token_comes_from_a_file_or_the_environment_and_is_never_shown() {
    let world = World::new();
    let stranger = Stranger::who_answers(UNAUTHORIZED);
    let jobs = |flags: &[&str], token: Option<&str>| {
        let mut command = world.command(&[&["jobs", "-vv", "--cluster", &stranger.url], flags].concat());
        command.envs(token.map(|token| ("ZIPFLEET_TOKEN", token)));
        let ended = world.start(command).wait();
        let said = format!("{}{}", ended.stdout, ended.stderr);
        assert!(!said.contains("sesame"), "{said}");
        ended
    };
    let heard = || stranger.heard();
    jobs(&[], None).failed(5, &["a token is needed", "ZIPFLEET_TOKEN or --token-file"]);
    assert!(!heard().contains("authorization"));
    jobs(&[], Some("open-sesame")).failed(5, &["a token is needed"]);
    assert!(heard().contains("authorization: bearer open-sesame\r\n"));
    std::fs::write(world.file("token"), "file-sesame\n").expect("there is room");
    jobs(&["--token-file", "token"], Some("open-sesame")).failed(5, &["a token is needed"]);
    assert!(heard().contains("authorization: bearer file-sesame\r\n"));
    std::fs::write(world.file("empty"), "\n").expect("there is room");
    jobs(&["--token-file", "empty"], None).failed(2, &["empty"]);
    jobs(&["--token-file", "missing"], None).failed(2, &["missing", "cannot be read"]);
    jobs(&[], Some("two\nsesames")).failed(2, &["ZIPFLEET_TOKEN", "no token"]);
    assert_eq!(heard(), "");
}

/// A cluster that speaks TLS and asks for a token; with the token of somebody who may read `s3://src/` and write
/// `s3://out/mine/`, and may have one job at a time.
fn guarded() -> (Cluster, String) {
    let world = World::new();
    world.zipfleet(&["certs", "init", "--dir", "certs"]).succeeded();
    world.zipfleet(&["certs", "init", "--dir", "others"]).succeeded();
    let issue = ["certs", "issue", "--dir", "certs", "--name", "coordinator", "--role", "coordinator"];
    world.zipfleet(&[&issue[..], &["--host", "127.0.0.1"]].concat()).succeeded();
    let new = ["tokens", "new", "--name", "mine", "--read", "s3://src/", "--write", "s3://out/mine/"];
    // It would be lost.
    world.zipfleet(&[&new[..], &["--quiet"]].concat()).failed(2, &["--quiet"]);
    let token = world.zipfleet(&new);
    token.succeeded();
    let entries = std::fs::read_to_string(world.file("tokens.toml")).expect("it was just written");
    std::fs::write(world.file("tokens.toml"), format!("{}\njobs = 1\n", entries.trim_end()))
        .expect("there is room");
    let tls = ["--api-cert", "certs/coordinator.pem", "--api-key", "certs/coordinator.key"];
    let cluster = Cluster::of(world, &[&tls[..], &["--tokens", "tokens.toml"]].concat());
    assert!(cluster.api.starts_with("https://"), "{}", cluster.api);
    (cluster, token.stdout.trim().to_owned())
}

#[test]
fn a_stranger_is_not_trusted() {
    let (cluster, token) = guarded();
    let url = &cluster.api;
    let jobs = |url: &str, flags: &[&str]| {
        let mut command = cluster.world.command(&[&["jobs", "--cluster", url], flags].concat());
        command.env("ZIPFLEET_TOKEN", &token);
        cluster.world.start(command).wait()
    };
    jobs(url, &["--cluster-ca", "certs/ca.pem"]).succeeded();
    jobs(url, &["--cluster-ca", "others/ca.pem"]).failed(5, &[url, "not trusted", "--cluster-ca"]);
    std::fs::write(cluster.world.file("letter.txt"), "Dear Sir").expect("there is room");
    jobs(url, &["--cluster-ca", "letter.txt"]).failed(2, &["letter.txt", "no certificate"]);
    jobs(url, &["--cluster-ca", "missing.pem"]).failed(2, &["missing.pem", "cannot be read"]);
    // Plain HTTP where TLS is spoken, and the reverse.
    let plain = url.replace("https:", "http:");
    jobs(&plain, &[]).failed(9, &[&plain]);
    let secret = cluster.world.endpoint.replace("http:", "https:");
    jobs(&secret, &["--cluster-ca", "certs/ca.pem"]).failed(9, &[&secret, "cannot be reached"]);
}

#[test]
fn a_cluster_that_asks_who_calls() {
    let (cluster, token) = guarded();
    let run = |token: Option<&str>, args: &[&str]| {
        let mut command = cluster.world.command(&[args, &["--cluster-ca", "certs/ca.pem"]].concat());
        command.env("ZIPFLEET_CLUSTER", &cluster.api).envs(token.map(|token| ("ZIPFLEET_TOKEN", token)));
        cluster.world.start(command).wait()
    };
    let submit = ["submit", "--wait", "s3://src/p/", "s3://out/mine/a.zip"];
    run(None, &submit).failed(5, &["ZIPFLEET_TOKEN or --token-file"]);
    run(Some("zf_wrong"), &submit).failed(5, &["ZIPFLEET_TOKEN or --token-file"]);
    run(Some(&token), &["submit", "s3://src/p/", "s3://out/others.zip"]).failed(5, &["s3://out/others.zip"]);
    run(Some(&token), &submit).succeeded();
    // Whoever watches over containers has no token.
    let health = run(None, &["--json", "health"]);
    health.succeeded();
    assert_eq!(health.stdout.trim(), r#"{"nodes":1}"#);
    // All but the one that is not allowed, one after the other because no more are allowed at a time.
    let line = |destination: &str| {
        format!(r#"{{"sources":["s3://src/p/"],"destination":"s3://out/{destination}"}}"#)
    };
    let lines = ["mine/1.zip", "mine/2.zip", "others.zip", "mine/3.zip"].map(line).join("\n");
    std::fs::write(cluster.world.file("jobs.jsonl"), lines).expect("there is room");
    let batch = run(Some(&token), &["submit", "--batch", "jobs.jsonl"]);
    batch.failed(15, &["1 job did not end well"]);
    assert!(batch.stdout.contains("line 3: failed") && batch.stdout.contains("3 completed"), "{batch:#?}");
    // Who is not known has none of them made, which is not told a million times.
    std::fs::remove_file(cluster.world.file("jobs.jsonl.results.jsonl")).expect("it is there");
    run(None, &["submit", "--batch", "jobs.jsonl"]).failed(5, &["the batch is stopped", "ZIPFLEET_TOKEN"]);
}
