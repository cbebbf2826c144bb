//! What 1,000 node sessions cost their coordinator: a storm of connections, an idle minute's worth, and 20,000
//! reports a second.
//!
//! `cargo bench -p cli --bench sessions` prints it, by attempts reported, as nodes do it and with a message for each;
//! the bar is half a core at 20,000 reports a second. The
//! coordinator is the real process behind mutual TLS, and its CPU time alone is counted. The sessions are real as
//! well; only nothing is transferred behind them: whatever is granted is reported done a moment later.
#![expect(clippy::print_stdout, reason = "a bench says what it found")]

use std::collections::VecDeque;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use proto::api::Submission;
use proto::batch::Assignment;
use proto::crc::Crc;
use proto::job::JobSpec;
use proto::limits::{HEARTBEAT_MS, MIB};
use proto::link::Link;
use proto::location::{Location, Source};
use proto::part::{Effort, PartDone};
use proto::plan::{Body, Piece};
use proto::report::{Report, Vitals};
use proto::session::{FromNode, Hello, Order, ToNode};
use proto_session::{Connection, Dialer, Tls, TlsFiles, dial};
use simulations_s3::{Rope, Server, Twin, TwinOptions};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

const ZIPFLEET: &str = env!("CARGO_BIN_EXE_zipfleet");
const NODES: usize = 1_000;
/// Time in which a node is done with one part under load: 20,000 a second of all.
const PART_EVERY: Duration = Duration::from_millis(50);
/// Each of as many parts as an upload can have.
const JOBS: u64 = 16;
const IDLE: Duration = Duration::from_secs(20);
const LOAD: Duration = Duration::from_secs(3);

fn main() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    runtime.block_on(async {
        let dir = tempfile::tempdir().expect("a directory");
        let (_twin, server) = twin().await;
        let (coordinator, nodes, api) = start(dir.path(), &server.endpoint());
        let busy = Arc::new(AtomicU64::new(0));
        let reports = Arc::new(AtomicU64::new(0));

        let since = (Instant::now(), cpu_seconds(&coordinator));
        let mut sessions = connect_all(dir.path(), &nodes, &busy, &reports).await;
        println!(
            "{NODES} sessions connected at once over mutual TLS: {:.2} s, {:.2} s of the coordinator's CPU, {} MB resident",
            since.0.elapsed().as_secs_f64(),
            cpu_seconds(&coordinator) - since.1,
            resident_mb(&coordinator)
        );
        let before = cpu_seconds(&coordinator);
        tokio::time::sleep(IDLE).await;
        println!(
            "idle, a heartbeat each {HEARTBEAT_MS} ms: {:.3} of a core, {} MB resident",
            (cpu_seconds(&coordinator) - before) / IDLE.as_secs_f64(),
            resident_mb(&coordinator)
        );
        submit(&api).await;
        for (together, what) in [(4, "four parts to a message, as nodes do that have more to begin"), (1, "one part to a message")] {
            load(&coordinator, &busy, &reports, together, what).await;
        }
        assert!(sessions.try_join_next().is_none(), "no session ended");
        drop(coordinator);
    });
}

/// Has every node report a part in each `PART_EVERY`, so many at a time.
async fn load(coordinator: &Coordinator, busy: &AtomicU64, reports: &AtomicU64, together: u64, what: &str) {
    busy.store(together, Relaxed);
    let since = reports.load(Relaxed);
    while reports.load(Relaxed) < since + 10 * NODES as u64 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let before = (Instant::now(), cpu_seconds(coordinator), reports.load(Relaxed));
    tokio::time::sleep(LOAD).await;
    let seconds = before.0.elapsed().as_secs_f64();
    let cores = (cpu_seconds(coordinator) - before.1) / seconds;
    let rate = (reports.load(Relaxed) - before.2) as f64 / seconds;
    println!(
        "{rate:.0} parts reported a second, {what}: {cores:.2} of a core, {:.1} us a part, {:.2} of a core at 20,000; {} MB resident",
        cores / rate * 1e6,
        cores / rate * 20_000.0,
        resident_mb(coordinator)
    );
}

async fn twin() -> (Twin, Server) {
    let twin = Twin::new(TwinOptions::default());
    twin.create_bucket("state");
    twin.create_bucket("out");
    for job in 0..JOBS {
        twin.put("source", &format!("{job}/one"), Rope::synthetic(job, 9_990 * 5 * MIB));
    }
    let server = twin.serve(TcpListener::bind("127.0.0.1:0").await.expect("a free port"));
    (twin, server.expect("a bound listener"))
}

/// Killed when dropped.
struct Coordinator(Child);

impl Drop for Coordinator {
    fn drop(&mut self) {
        // It fails only when it has ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts the coordinator; where nodes dial and where jobs are taken.
fn start(dir: &Path, endpoint: &str) -> (Coordinator, String, String) {
    let path = dir.to_str().expect("UTF-8");
    for args in [
        vec!["certs", "init", "--dir", path],
        vec!["certs", "issue", "--dir", path, "--name", "coordinator", "--role", "coordinator"],
        vec!["certs", "issue", "--dir", path, "--name", "bench", "--role", "node"],
    ] {
        let made = Command::new(ZIPFLEET).args(args).stdout(Stdio::null()).stderr(Stdio::null()).status();
        assert!(made.expect("it starts").success());
    }
    let file = |name: &str| dir.join(name).to_str().expect("UTF-8").to_owned();
    let mut child = Command::new(ZIPFLEET)
        .args(["coordinator", "--json", "--state", "s3://state/", "--listen", "127.0.0.1:0"])
        .args(["--api", "127.0.0.1:0", "--tls-ca", &file("ca.pem")])
        .args(["--tls-cert", &file("coordinator.pem"), "--tls-key", &file("coordinator.key")])
        .envs([("AWS_ENDPOINT_URL_S3", endpoint), ("AWS_REGION", "us-east-1"), ("RUST_LOG", "warn")])
        .envs([("AWS_ACCESS_KEY_ID", "zipfleet"), ("AWS_SECRET_ACCESS_KEY", "zipfleet-secret")])
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut line = String::new();
    let stdout = child.stdout.take().expect("it is piped");
    BufReader::new(stdout).read_line(&mut line).expect("it says that it is ready");
    let ready: serde_json::Value = serde_json::from_str(&line).expect("JSON");
    let text = |field: &str| ready[field].as_str().expect("an address").to_owned();
    (Coordinator(child), text("nodes"), text("api"))
}

async fn connect_all(
    dir: &Path,
    coordinator: &str,
    busy: &Arc<AtomicU64>,
    reports: &Arc<AtomicU64>,
) -> JoinSet<()> {
    let files = TlsFiles { ca: dir.join("ca.pem"), cert: dir.join("bench.pem"), key: dir.join("bench.key") };
    let dialer = Dialer::new(coordinator, Some(Tls::load(&files).expect("they were just made")));
    let mut dials = JoinSet::new();
    for number in 0..NODES {
        let dialer = dialer.clone();
        let hello = Hello {
            name: format!("bench.{number}"),
            resume: None,
            version: "bench".to_owned(),
            cores: 1,
            body_budget_bytes: 64 * MIB,
            // Nothing is worth a copy then.
            network_bytes_per_second: u64::MAX / 1_000_000,
        };
        dials.spawn(async move {
            // Two cores encrypt a thousand handshakes from both ends, so some are late at first.
            loop {
                match dial(&dialer, hello.clone()).await {
                    Ok((_, connection)) => return connection,
                    Err(error) => println!("  dialled again: {error}"),
                }
            }
        });
    }
    let mut sessions = JoinSet::new();
    while let Some(connection) = dials.join_next().await {
        let node = Node { link: Link::default(), held: VecDeque::new(), moved: 0 };
        let connection = connection.expect("it connects");
        sessions.spawn(node.run(connection, Arc::clone(busy), Arc::clone(reports)));
    }
    sessions
}

/// A node that has nothing to transfer.
struct Node {
    link: Link<Report>,
    held: VecDeque<Assignment>,
    moved: u64,
}

impl Node {
    async fn run(
        mut self,
        mut connection: Connection<FromNode, ToNode>,
        busy: Arc<AtomicU64>,
        reports: Arc<AtomicU64>,
    ) {
        let since = Instant::now();
        let mut beat = tokio::time::interval(PART_EVERY);
        let mut beats = 0u64;
        loop {
            tokio::select! {
                _ = beat.tick() => {
                    beats += 1;
                    let together = busy.load(Relaxed);
                    let is_busy = together > 0 && beats.is_multiple_of(together) && !self.held.is_empty();
                    if is_busy || beats.is_multiple_of(HEARTBEAT_MS / PART_EVERY.as_millis() as u64) {
                        let report = self.report(if is_busy { together } else { 0 });
                        reports.fetch_add(report.done.len() as u64, Relaxed);
                        self.link.push(report, 200);
                    }
                }
                message = connection.incoming.next() => match message {
                    Some(ToNode::Frame(frame)) => {
                        let now_ms = since.elapsed().as_millis() as u64;
                        for order in self.link.accept(frame, now_ms) {
                            if let Order::Grant(batch) = order {
                                self.held.extend(batch.assignments);
                            }
                        }
                    }
                    Some(ToNode::Welcome(_)) => {}
                    None => return,
                }
            }
            if let Some(frame) = self.link.frame(since.elapsed().as_millis() as u64)
                && connection.outgoing.send(FromNode::Frame(frame)).await.is_err()
            {
                return;
            }
        }
    }

    fn report(&mut self, parts: u64) -> Report {
        let held = self.held.drain(..self.held.len().min(parts as usize));
        let done: Vec<PartDone> = held.map(done).collect();
        self.moved += done.iter().map(|done| done.crc.bytes).sum::<u64>();
        let left_bytes = self.held.iter().map(|assignment| assignment.work.bytes).sum();
        let vitals = Vitals { moved_bytes: self.moved, left_bytes, ..Vitals::default() };
        Report { done, vitals, ..Report::default() }
    }
}

fn done(Assignment { id, work, .. }: Assignment) -> PartDone {
    // A part of nothing but data reports the CRC of its range, others those of whole objects.
    let has_headers = work.pieces.iter().any(|piece| matches!(piece, Piece::Literal { .. }));
    let bytes = |body: &Body| if has_headers { body.object_bytes } else { work.bytes };
    let bodies = work.bodies.iter().map(|body| Crc::known(0, bytes(body))).collect();
    PartDone { id, etag: "0".repeat(32), crc: Crc::known(0, work.bytes), bodies, effort: Effort::default() }
}

async fn submit(api: &str) {
    let client = reqwest::Client::builder().tls_certs_only([]).build().expect("a client");
    for job in 0..JOBS {
        let spec = JobSpec {
            part_bytes: Some(5 * MIB),
            ..JobSpec::new(
                vec![Source::Prefix { bucket: "source".to_owned(), prefix: format!("{job}/") }],
                Location { bucket: "out".to_owned(), key: format!("{job}.zip") },
            )
        };
        let answer = client
            .post(format!("{api}/v1/jobs"))
            .json(&Submission::of(&spec))
            .send()
            .await
            .expect("it answers");
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap_or_default());
    }
}

/// User and system time of a process so far.
fn cpu_seconds(coordinator: &Coordinator) -> f64 {
    let path = format!("/proc/{}/stat", coordinator.0.id());
    let stat = std::fs::read_to_string(path).expect("it is still running");
    let fields: Vec<&str> =
        stat.rsplit(')').next().expect("its name is in brackets").split_whitespace().collect();
    let ticks: f64 = fields[11..13].iter().map(|ticks| ticks.parse::<f64>().expect("a number")).sum();
    // The kernel counts for us in hundredths of a second, whatever its own clock does.
    ticks / 100.0
}

fn resident_mb(coordinator: &Coordinator) -> u64 {
    let path = format!("/proc/{}/status", coordinator.0.id());
    let status = std::fs::read_to_string(path).expect("it is still running");
    let line = status.lines().find(|line| line.starts_with("VmRSS")).expect("it has memory");
    line.split_whitespace().nth(1).and_then(|kb| kb.parse::<u64>().ok()).expect("a number") / 1_024
}
