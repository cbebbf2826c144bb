//! What it gains that nodes open connections while a job is still being listed.
//!
//! `cargo bench -p cli --bench warm` prints the time from submission to the first part and to the archive, cold,
//! warmed by the announcement, and with connections kept open between jobs. The twin takes 60 ms for each new
//! connection (TCP and TLS across a region's zones, and S3's own first answer) and about what S3 takes for each
//! request.
#![expect(clippy::print_stdout, reason = "a bench says what it found")]

use std::time::Duration;

use coordinator::machine::Settings;
use coordinator_server::{Coordinator, Session};
use node_agent::NodeConfig;
use proto::job::{JobSpec, Outcome, Summary};
use proto::limits::{MIB, NODE_MEMORY_DEFAULT};
use proto::location::{Location, Source};
use proto::requests::RequestCounts;
use proto_s3::{Keys, Options, S3};
use simulations_s3::{Model, Op, Rope, Server, Twin, TwinOptions};
use tokio::net::TcpListener;

const NODES: usize = 4;
const ROUNDS: usize = 5;
const OBJECTS: u64 = 100;
const OBJECT_BYTES: u64 = 2_000_000;
/// Longer than connections stay open by themselves.
const BETWEEN_JOBS: Duration = Duration::from_secs(6);

fn main() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    runtime.block_on(async {
        println!("{OBJECTS} objects of 2 MB, {NODES} nodes, {ROUNDS} jobs with {BETWEEN_JOBS:?} between them");
        for (what, warms, keep_warm) in [("cold", false, 0), ("announced", true, 0), ("kept open", true, 16)] {
            let (jobs, requests) = run(warms, keep_warm).await;
            let median = |of: fn(&Summary) -> u64| {
                let mut all: Vec<u64> = jobs.iter().map(of).collect();
                all.sort_unstable();
                all[all.len() / 2]
            };
            let sent: u64 = requests.iter().map(|of| of.get.sent + of.head.sent + of.upload_part.sent).sum();
            let opened: u64 = requests.iter().map(|of| of.connections_opened).sum();
            println!(
                "{what:>10}: first part after {} ms, archive after {} ms (medians); {:.0} % of {sent} requests on open connections",
                median(|job| job.first_part_ms),
                median(|job| job.total_ms),
                100.0 * (1.0 - opened as f64 / sent as f64),
            );
        }
    });
}

async fn run(warms: bool, keep_warm: usize) -> (Vec<Summary>, Vec<RequestCounts>) {
    let twin = Twin::new(TwinOptions::default());
    twin.create_bucket("out");
    for number in 0..OBJECTS {
        twin.put("source", &format!("{number:04}"), Rope::synthetic(number, OBJECT_BYTES));
    }
    let ms = Duration::from_millis;
    let model = Model::default()
        .connecting(ms(60))
        .latency(None, ms(20))
        .latency(Op::ListObjectsV2, ms(80))
        .latency(Op::CreateMultipartUpload, ms(40))
        .latency(Op::UploadPart, ms(80))
        .latency(Op::CompleteMultipartUpload, ms(100));
    twin.set_model(model);
    let server = twin.serve(TcpListener::bind("127.0.0.1:0").await.expect("a free port"));
    let server = server.expect("a bound listener");
    let settings = Settings { warms, ..Settings::default() };
    let coordinator = Coordinator::start(client(&server).await, settings, None).await.expect("it starts");
    let (mut nodes, mut clients) = (Vec::new(), Vec::new());
    for number in 0..NODES {
        let (name, memory_bytes) = (format!("node-{number}"), NODE_MEMORY_DEFAULT);
        let config = NodeConfig {
            name,
            memory_bytes,
            concurrency: 32,
            network_bytes_per_second: u64::MAX / 1_000_000,
            keep_warm,
        };
        let Session { orders, reports } = coordinator.connect(config.hello());
        let s3 = client(&server).await;
        nodes.push(node_agent::start(config, s3.clone(), orders, reports).await.expect("it starts"));
        clients.push(s3);
    }
    let mut jobs = Vec::new();
    for _ in 0..ROUNDS {
        let mut job = coordinator.submit(spec());
        let Outcome::Completed(summary) = job.outcome().await else { panic!("it should have completed") };
        jobs.push(summary);
        tokio::time::sleep(BETWEEN_JOBS).await;
    }
    (jobs, clients.iter().map(S3::requests).collect())
}

async fn client(server: &Server) -> S3 {
    let keys = Keys { access_key_id: "zipfleet".to_owned(), secret_access_key: "zipfleet-secret".to_owned() };
    let (endpoint_url, region) = (Some(server.endpoint()), Some("us-east-1".to_owned()));
    let options = Options { endpoint_url, region, keys: Some(keys), profile: None };
    S3::connect(&options).await.expect("the options make sense")
}

fn spec() -> JobSpec {
    JobSpec {
        part_bytes: Some(5 * MIB),
        ..JobSpec::new(
            vec![Source::Prefix { bucket: "source".to_owned(), prefix: String::new() }],
            Location { bucket: "out".to_owned(), key: "a.zip".to_owned() },
        )
    }
}
