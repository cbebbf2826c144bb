//! How long a job takes when one node in four is throttled to a tenth, beside the least time there could be
//! (all bytes divided by all bandwidth), and beside the same run without stealing and hedging.
//!
//! `cargo bench -p cli --bench makespan` prints it. The bar is 1.15 times the least time. The nodes are real and
//! move real bytes through the twin, which gives each so much bandwidth and no more.
#![expect(clippy::print_stdout, reason = "a bench says what it found")]

use std::time::Instant;

use coordinator::machine::Settings;
use coordinator::scheduler::Policy;
use coordinator_server::{Coordinator, Session};
use node_agent::NodeConfig;
use proto::explain::Explanation;
use proto::job::{JobSpec, Outcome};
use proto::limits::{MIB, NODE_MEMORY_DEFAULT};
use proto::location::{Location, Source};
use proto_s3::{Keys, Options, S3};
use simulations_s3::{Client, Rope, Server, Twin, TwinOptions};
use tokio::net::TcpListener;

const NODES: usize = 8;
/// Bandwidth of a node in bytes a second, for what it fetches and what it uploads together.
const FAST: u64 = 60_000_000;
const SLOW: u64 = FAST / 10;
const OBJECTS: u64 = 600;
const OBJECT_BYTES: u64 = 5_000_000;

fn main() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    runtime.block_on(async {
        let speeds: Vec<u64> = (0..NODES).map(|node| if node % 4 == 3 { SLOW } else { FAST }).collect();
        let moved = 2.0 * (OBJECTS * OBJECT_BYTES) as f64;
        let least = moved / speeds.iter().sum::<u64>() as f64;
        println!(
            "{OBJECTS} objects of {} MB, {NODES} nodes of {} MB/s, one in four throttled to a tenth: {least:.2} s at least",
            OBJECT_BYTES / 1_000_000,
            FAST / 1_000_000
        );
        for round in 1..=3 {
            let (took, told) = run(&speeds, Policy::default()).await;
            println!("round {round}: {took:.2} s, {:.3} times the least; {}", took / least, summary(&told));
        }
        let (took, _) = run(&speeds, Policy { hedges: false, ..Policy::default() }).await;
        println!("without hedging: {took:.2} s, {:.3} times the least", took / least);
        let (took, _) = run(&speeds, Policy { steals: false, hedges: false }).await;
        println!("without stealing and hedging: {took:.2} s, {:.3} times the least", took / least);
    });
}

/// A fresh twin and a fresh fleet: nothing of the nodes' speeds is known when the job begins.
async fn run(speeds: &[u64], policy: Policy) -> (f64, Explanation) {
    let (twin, server) = twin().await;
    let settings = Settings { policy, ..Settings::default() };
    let coordinator = Coordinator::start(client(&server, "coordinator").await, settings, None).await;
    let coordinator = coordinator.expect("it starts");
    let mut nodes = Vec::new();
    for (number, speed) in speeds.iter().enumerate() {
        let name = format!("node-{number}");
        twin.throttle(Client::Key(name.clone()), *speed);
        let s3 = client(&server, &name).await;
        let config = NodeConfig {
            name,
            memory_bytes: NODE_MEMORY_DEFAULT,
            concurrency: 32,
            network_bytes_per_second: u64::MAX / 1_000_000,
            keep_warm: 0,
        };
        let Session { orders, reports } = coordinator.connect(config.hello());
        nodes.push(node_agent::start(config, s3, orders, reports).await.expect("it starts"));
    }
    let since = Instant::now();
    let mut job = coordinator.submit(spec());
    let outcome = job.outcome().await;
    let took = since.elapsed().as_secs_f64();
    assert!(matches!(outcome, Outcome::Completed(_)), "{outcome:?}");
    let told = coordinator.explanation(job.id).await.expect("it runs").expect("it is remembered");
    server.stop().await;
    (took, told)
}

async fn twin() -> (Twin, Server) {
    let name = |node: usize| (format!("node-{node}"), "secret".to_owned());
    let keys = (0..NODES).map(name).chain([("coordinator".to_owned(), "secret".to_owned())]).collect();
    let twin = Twin::new(TwinOptions { keys, ..TwinOptions::default() });
    twin.create_bucket("out");
    for number in 0..OBJECTS {
        twin.put("source", &format!("{number:04}"), Rope::synthetic(number, OBJECT_BYTES));
    }
    let server = twin.serve(TcpListener::bind("127.0.0.1:0").await.expect("a free port"));
    (twin, server.expect("a bound listener"))
}

async fn client(server: &Server, key: &str) -> S3 {
    let keys = Keys { access_key_id: key.to_owned(), secret_access_key: "secret".to_owned() };
    let endpoint_url = Some(server.endpoint());
    let options =
        Options { endpoint_url, region: Some("us-east-1".to_owned()), keys: Some(keys), profile: None };
    S3::connect(&options).await.expect("the options make sense")
}

fn spec() -> JobSpec {
    JobSpec {
        part_bytes: Some(8 * MIB),
        ..JobSpec::new(
            vec![Source::Prefix { bucket: "source".to_owned(), prefix: String::new() }],
            Location { bucket: "out".to_owned(), key: "a.zip".to_owned() },
        )
    }
}

fn summary(told: &Explanation) -> String {
    let shares: Vec<String> = told.nodes.iter().map(|node| node.parts.to_string()).collect();
    let sum = |of: fn(&proto::explain::NodeShare) -> u64| told.nodes.iter().map(of).sum::<u64>();
    format!(
        "parts by node {}, {} stolen, {} hedged of which {} won",
        shares.join(" "),
        sum(|node| node.stolen),
        sum(|node| node.hedges),
        sum(|node| node.hedges_won)
    )
}
