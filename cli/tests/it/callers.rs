//! Goal: other services use a cluster through its job API, with what they have: a socket, or a client generated from
//! the description.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use proto::api::{JobReport, Submitted};
use proto::view::JobState;
use serde_json::{Value, json};
use simulations_s3::Rope;

use crate::cluster::Cluster;
use crate::readers::installed;
use crate::support::until;

/// Sends one request; its status and the body of the answer.
fn ask(cluster: &Cluster, request: &str, headers: &str, body: &str) -> (u16, String) {
    let mut socket = TcpStream::connect(cluster.api.trim_start_matches("http://")).expect("it listens");
    let length = body.len();
    let request = format!(
        "{request} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
    );
    // It may be refused before it has come whole.
    let _ = socket.write_all(request.as_bytes());
    let mut answer = String::new();
    socket.read_to_string(&mut answer).expect("it is answered");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer}"));
    (head[9..12].parse().expect("a status"), body.to_owned())
}

fn submit_lines(cluster: &Cluster, lines: &[Value]) -> (u16, String) {
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    ask(cluster, "POST /v1/jobs", "Content-Type: application/x-ndjson\r\n", &text)
}

/// Waits for a job to end, and gives its report once that is written.
fn report_of(cluster: &Cluster, id: &str) -> JobReport {
    let mut report = None;
    until("the report is whole", || {
        let (status, body) = ask(cluster, &format!("GET /v1/jobs/{id}/report"), "", "");
        report = (status == 200).then(|| serde_json::from_str::<JobReport>(&body).expect("a report"));
        report.as_ref().is_some_and(|report| report.job.outcome.is_some())
    });
    report.expect("it was just there")
}

fn submitted(body: &str) -> Submitted {
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error} in {body}"))
}

#[test]
fn sources_may_follow_a_job_in_lines() {
    let cluster = Cluster::new();
    let twin = &cluster.world.twin;
    twin.create_bucket("more");
    twin.put("more", "x.bin", Rope::synthetic(7, 6_000_000));
    let job = json!({ "destination": "s3://out/picked.zip", "idempotency_key": "picked" });
    let picked = [
        json!({ "bucket": "src", "key": "p/03" }),
        json!({ "bucket": "more", "key": "x.bin" }),
        json!({ "bucket": "src", "key": "p/01" }),
    ];
    let lines: Vec<Value> = std::iter::once(&job).chain(&picked).cloned().collect();
    let (status, body) = submit_lines(&cluster, &lines);
    assert_eq!(status, 202, "{body}");
    let Submitted { id, is_new } = submitted(&body);
    assert!(is_new);
    let (status, body) = submit_lines(&cluster, &lines);
    assert_eq!((status, submitted(&body)), (200, Submitted { id, is_new: false }), "the same again");
    let (status, body) = submit_lines(&cluster, &lines[..3]);
    assert_eq!(status, 409, "another under the same key: {body}");

    let report = report_of(&cluster, &id.to_string());
    assert_eq!(report.job.state, JobState::Completed, "{:?}", report.job.outcome);
    let of =
        |bucket: &str, key: &str| (key.to_owned(), twin.object(bucket, key).expect("it is there").content);
    let expected = [of("src", "p/03"), of("more", "x.bin"), of("src", "p/01")];
    cluster.world.archive_is_right("out", "picked.zip", &expected);
    let told: Vec<_> =
        report.entries.iter().map(|entry| (&*entry.bucket, &*entry.key, &*entry.crc32)).collect();
    let crc32 = expected.each_ref().map(|(_, content)| format!("{:08x}", content.crc32()));
    assert_eq!(
        told,
        [("src", "p/03", &*crc32[0]), ("more", "x.bin", &*crc32[1]), ("src", "p/01", &*crc32[2])]
    );
    // Three to look the sources up, one more to compare the large one with what S3 stores.
    assert_eq!((report.requests.head.sent, report.requests.create.sent), (4, 1), "{:?}", report.requests);
    let bytes: u64 = expected.iter().map(|(_, content)| content.len()).sum();
    assert!(
        report.requests.bytes_received > bytes && report.requests.bytes_sent > bytes,
        "{:?}",
        report.requests
    );
    until("no list is left", || twin.keys("out").iter().all(|key| !key.starts_with("state/manifests/")));
}

#[test]
fn lines_that_make_no_sense_leave_nothing() {
    let cluster = Cluster::new();
    let job = json!({ "destination": "s3://out/picked.zip" });
    let good = json!({ "bucket": "src", "key": "p/03" });
    for (lines, words) in [
        (vec![], "the request is empty"),
        (vec![job.clone()], "no source follows"),
        (vec![json!({ "destination": "nowhere" }), good.clone()], "line 1"),
        (
            vec![json!({ "destination": "s3://out/a.zip", "sources": ["s3://src/"] }), good.clone()],
            "has sources",
        ),
        (vec![job.clone(), good.clone(), json!({ "bucket": "src" })], "line 3"),
        (vec![job.clone(), good, json!({ "bucket": "src", "key": "a", "colour": 1 })], "colour"),
    ] {
        let (status, body) = submit_lines(&cluster, &lines);
        assert!(status == 400 && body.contains(words), "{status} {body}, not `{words}`");
    }
    let (_, jobs) = ask(&cluster, "GET /v1/jobs", "", "");
    assert_eq!(jobs, r#"{"jobs":[]}"#);
    cluster.world.no_upload_left();
    assert_eq!(cluster.world.twin.keys("out"), [""; 0]);
}

/// The program that makes clients in Python, if it is there.
fn generator() -> Option<PathBuf> {
    let own = root().join("target/python/bin/openapi-python-client");
    if own.exists() { Some(own) } else { installed(&["openapi-python-client"]) }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[test]
fn a_python_client_made_from_the_description_submits_a_job() {
    let Some(generator) = generator() else {
        let wanted = std::env::var("ZIPFLEET_READERS").is_ok_and(|wanted| wanted == "all");
        assert!(!wanted, "openapi-python-client is not installed: pip install openapi-python-client");
        return;
    };
    let cluster = Cluster::new();
    let bin = generator.parent().expect("it is in a directory");
    let path = std::env::var("PATH").unwrap_or_default();
    let run = |command: &mut Command| {
        let ran =
            command.current_dir(cluster.world.file("")).env("PATH", format!("{}:{path}", bin.display()));
        let ran = ran.output().expect("it starts");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(ran.status.success(), "{}{}", text(&ran.stdout), text(&ran.stderr));
        text(&ran.stdout)
    };
    let description = root().join("docs/openapi.json");
    let generate = ["generate", "--meta", "none", "--output-path", "zipfleet_client", "--path"];
    run(Command::new(&generator).args(generate).arg(description));
    let script = r#"
import sys, time
from zipfleet_client import Client
from zipfleet_client.api.jobs import get_job, get_report, list_jobs, submit_job
from zipfleet_client.api.nodes import list_nodes
from zipfleet_client.models import Problem, Submission

client = Client(base_url=sys.argv[1])
job = submit_job.sync(client=client, body=Submission(sources=["s3://src/p/"], destination="s3://out/python.zip"))
while get_job.sync(job.id, client=client).outcome is None:
    time.sleep(0.05)
view = get_job.sync(job.id, client=client, url_seconds=60)
report = get_report.sync(job.id, client=client, entries=False)
nodes = list_nodes.sync(client=client)
page = list_jobs.sync(client=client)
refused = submit_job.sync(client=client, body=Submission(sources=[], destination="s3://out/python.zip"))
assert isinstance(refused, Problem) and refused.code == "bad_job", refused
print(view.state, view.url.split("?")[0].rsplit("/", 1)[1], sum(node.parts for node in report.nodes) > 0, len(nodes), len(page.jobs))
"#;
    std::fs::write(cluster.world.file("submit.py"), script).expect("it can be written");
    let said = run(Command::new("python3").args(["submit.py", &cluster.api]));
    assert_eq!(said.trim(), "completed python.zip True 1 1", "{said}");
    cluster.world.archive_is_right("out", "python.zip", &cluster.world.entries("src", "p/"));
}
