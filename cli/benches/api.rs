//! What callers cost a coordinator: 200 submissions a second of jobs that are also done, and 1,000 jobs watched at
//! once, each by a caller of its own.
//!
//! `cargo bench -p cli --bench api` prints it. Coordinator and node are real processes, S3 is the twin in this one;
//! the bars are 200 a second with every job completed, and memory that ends where it began.
#![expect(clippy::print_stdout, reason = "a bench says what it found")]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use proto::api::{Submission, Submitted};
use proto::job::{JobId, JobSpec};
use proto::location::{Location, Source};
use proto::view::JobView;
use reqwest::Client;
use simulations_s3::{Rope, Server, Twin, TwinOptions};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

const ZIPFLEET: &str = env!("CARGO_BIN_EXE_zipfleet");
/// Submissions a second.
const RATE: u32 = 200;
const SUBMITTED: u32 = 10 * RATE;
const WATCHED: usize = 1_000;
/// For how long they are watched.
const WATCH: Duration = Duration::from_secs(10);

fn main() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    runtime.block_on(async {
        let (twin, server) = twin().await;
        let (coordinator, nodes, api) = start_coordinator(&server.endpoint());
        let cluster = Cluster { api, client: client() };
        submissions(&coordinator, &nodes, &cluster, &server).await;
        drop((coordinator, server, twin));
        let (twin, server) = self::twin().await;
        let (coordinator, _, api) = start_coordinator(&server.endpoint());
        watchers(&coordinator, &Cluster { api, ..cluster }).await;
        drop((coordinator, twin));
    });
}

/// Submits at a steady rate, whatever the answers take, and waits until all jobs are done.
async fn submissions(coordinator: &Process, nodes: &str, cluster: &Cluster, server: &Server) {
    let _node =
        start(&server.endpoint(), &["node", "--coordinator", nodes, "--name", "node", "--memory", "128MiB"]);
    let (before_mb, cpu, began) = (coordinator.resident_mb(), coordinator.cpu_seconds(), Instant::now());
    let mut beat = tokio::time::interval(Duration::from_secs(1) / RATE);
    let mut answers = JoinSet::new();
    for number in 0..SUBMITTED {
        beat.tick().await;
        let cluster = cluster.clone();
        answers.spawn(async move {
            let since = Instant::now();
            let id = cluster.submit(&format!("{number}")).await;
            (since.elapsed(), id)
        });
    }
    let mut took = Vec::new();
    let mut last = None;
    while let Some(answer) = answers.join_next().await {
        let (elapsed, id) = answer.expect("no panic");
        took.push(elapsed);
        last = Some(id);
    }
    let submitted_s = began.elapsed().as_secs_f64();
    let peak_mb = coordinator.resident_mb();
    cluster.ended(last.expect("at least one was submitted")).await;
    cluster.all_have_ended().await;
    let seconds = began.elapsed().as_secs_f64();
    took.sort();
    let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    println!(
        "{SUBMITTED} jobs submitted at {:.0} a second: answered in {:.1} ms (p50), {:.1} ms (p99), {:.1} ms (max); \
         all completed after {seconds:.1} s, {:.0} jobs a second; {:.2} of a core; {before_mb} MB resident before, {peak_mb} MB when all were submitted, {} MB after",
        f64::from(SUBMITTED) / submitted_s,
        at(0.5),
        at(0.99),
        at(1.0),
        f64::from(SUBMITTED) / seconds,
        (coordinator.cpu_seconds() - cpu) / seconds,
        coordinator.resident_mb(),
    );
}

/// Watches as many jobs as are there at once, until they are cancelled.
async fn watchers(coordinator: &Process, cluster: &Cluster) {
    let mut ids = Vec::new();
    for number in 0..WATCHED {
        ids.push(cluster.submit(&format!("{number}")).await);
    }
    let (before_mb, since) = (coordinator.resident_mb(), Instant::now());
    let mut watching = JoinSet::new();
    for id in &ids {
        let (cluster, id) = (cluster.clone(), *id);
        watching.spawn(async move { cluster.watch(id).await });
    }
    // Each connects for itself; what that costs is told apart.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let (opened_s, cpu, began) = (since.elapsed().as_secs_f64(), coordinator.cpu_seconds(), Instant::now());
    tokio::time::sleep(WATCH).await;
    let watched_mb = coordinator.resident_mb();
    let cores = (coordinator.cpu_seconds() - cpu) / began.elapsed().as_secs_f64();
    let since = Instant::now();
    for id in &ids {
        cluster.cancel(*id).await;
    }
    let (mut events, mut ended) = (0, 0);
    while let Some(watched) = watching.join_next().await {
        let (seen, has_ended) = watched.expect("no panic");
        events += seen;
        ended += usize::from(has_ended);
    }
    println!(
        "{WATCHED} jobs watched at once: {cores:.2} of a core, {before_mb} MB resident before, {watched_mb} MB while, {} MB after; \
         {events} events in {:.0} s; all cancelled in {:.1} s, {ended} watchers were told",
        coordinator.resident_mb(),
        opened_s + WATCH.as_secs_f64(),
        since.elapsed().as_secs_f64(),
    );
    assert_eq!(ended, WATCHED, "everybody is told how it ended");
}

/// Of plain HTTP: no certificates are asked for, of which this machine may have none.
fn client() -> Client {
    Client::builder().tls_certs_only([]).build().expect("a client")
}

#[derive(Clone)]
struct Cluster {
    api: String,
    client: Client,
}

impl Cluster {
    async fn submit(&self, name: &str) -> JobId {
        let source = Source::Prefix { bucket: "source".to_owned(), prefix: String::new() };
        let destination = Location { bucket: "out".to_owned(), key: format!("{name}.zip") };
        let submission = Submission::of(&JobSpec::new(vec![source], destination));
        let request = self.client.post(format!("{}/v1/jobs", self.api)).json(&submission);
        let answer = request.send().await.expect("it answers");
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap_or_default());
        let Submitted { id, .. } = answer.json().await.expect("JSON");
        id
    }

    async fn cancel(&self, id: JobId) {
        let answer =
            self.client.delete(format!("{}/v1/jobs/{id}", self.api)).send().await.expect("it answers");
        assert!(answer.status().is_success());
    }

    async fn job(&self, id: JobId) -> JobView {
        let answer = self.client.get(format!("{}/v1/jobs/{id}", self.api)).send().await.expect("it answers");
        answer.json().await.expect("JSON")
    }

    async fn ended(&self, id: JobId) {
        while self.job(id).await.outcome.is_none() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until no job is waiting or running.
    async fn all_have_ended(&self) {
        for state in ["waiting", "running"] {
            let url = format!("{}/v1/jobs?state={state}&limit=1", self.api);
            while !self
                .client
                .get(&url)
                .send()
                .await
                .expect("it answers")
                .text()
                .await
                .expect("text")
                .contains("\"jobs\":[]")
            {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }

    /// Reads a job's events to their end: how many there were, and whether the last told that it has ended.
    async fn watch(&self, id: JobId) -> (usize, bool) {
        let request = self.client.get(format!("{}/v1/jobs/{id}/events", self.api));
        let mut answer = request.send().await.expect("it answers");
        assert!(answer.status().is_success(), "{}", answer.status());
        let mut text = String::new();
        let mut events = 0;
        while let Ok(Some(piece)) = answer.chunk().await {
            text.push_str(&String::from_utf8_lossy(&piece));
            if let Some((whole, rest)) = text.rsplit_once("\n\n") {
                events += whole.matches("event:").count();
                if whole.contains("event: ended") || whole.contains("event:ended") {
                    return (events, true);
                }
                text = rest.to_owned();
            }
        }
        (events, false)
    }
}

async fn twin() -> (Twin, Server) {
    let twin = Twin::new(TwinOptions::default());
    twin.create_bucket("state");
    twin.create_bucket("out");
    (0..3).for_each(|number| twin.put("source", &format!("{number}"), Rope::synthetic(number, 10_000)));
    let server = twin.serve(TcpListener::bind("127.0.0.1:0").await.expect("a free port"));
    (twin, server.expect("a bound listener"))
}

/// Killed when dropped.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // It fails only when it has ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Process {
    /// User and system time so far.
    fn cpu_seconds(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0.id())).expect("it is running");
        let fields: Vec<&str> =
            stat.rsplit(')').next().expect("its name is in brackets").split_whitespace().collect();
        let ticks: f64 = fields[11..13].iter().map(|ticks| ticks.parse::<f64>().expect("a number")).sum();
        // The kernel counts for us in hundredths of a second, whatever its own clock does.
        ticks / 100.0
    }

    fn resident_mb(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).expect("it is running");
        let line = status.lines().find(|line| line.starts_with("VmRSS")).expect("it has memory");
        line.split_whitespace().nth(1).and_then(|kb| kb.parse::<u64>().ok()).expect("a number") / 1_024
    }
}

fn start(endpoint: &str, args: &[&str]) -> Process {
    let child = Command::new(ZIPFLEET)
        .arg("--json")
        .args(args)
        .envs([("AWS_ENDPOINT_URL_S3", endpoint), ("AWS_REGION", "us-east-1"), ("RUST_LOG", "warn")])
        .envs([("AWS_ACCESS_KEY_ID", "zipfleet"), ("AWS_SECRET_ACCESS_KEY", "zipfleet-secret")])
        .stdout(Stdio::piped())
        .spawn();
    Process(child.expect("it starts"))
}

/// The coordinator, where nodes dial it and where jobs are taken.
fn start_coordinator(endpoint: &str) -> (Process, String, String) {
    let addresses = ["--listen", "127.0.0.1:0", "--api", "127.0.0.1:0", "--jobs-waiting", "2000"];
    let mut process = start(endpoint, &[&["coordinator", "--state", "s3://state/"], &addresses[..]].concat());
    let stdout = process.0.stdout.take().expect("it is piped");
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line).expect("it says that it is ready");
    let ready: serde_json::Value = serde_json::from_str(&line).expect("JSON");
    let text = |field: &str| ready[field].as_str().expect("an address").to_owned();
    (process, text("nodes"), text("api"))
}
