//! How long real processes take for an archive, beside what `zipfleet simulate` says of the same fleet.
//!
//! `cargo bench -p cli --bench predicted` prints both and their ratio. One model stands for both sides: the twin answers
//! as late and as slowly as the simulated S3, with one latency for each operation, because it knows no distributions.
//! Everything is so slow that a small machine carries it; the bar is a ratio between 0.85 and 1.15.
#![expect(clippy::print_stdout, reason = "a bench says what it found")]

use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use simulations::fleet::{Scenario, run};
use simulations::model::{Instance, Latency, Model};
use simulations::population::Population;
use simulations_s3::{Op, Rope, Twin, TwinOptions};
use tempfile::TempDir;
use tokio::net::TcpListener;

const NODES: usize = 4;
/// Requests a node keeps in flight.
const CONCURRENCY: usize = 8;
const MEMORY_BYTES: u64 = 256 << 20;
/// Rounds, because the machine is shared.
const ROUNDS: u64 = 3;
/// Objects, their size and its deviation, and the parts aimed at.
const POPULATIONS: [(u64, u64, u64); 3] =
    [(60, 2_000_000, 400_000), (600, 100_000, 20_000), (12, 10_000_000, 2_000_000)];

fn main() {
    let model = model();
    println!("{NODES} nodes, {CONCURRENCY} requests each; the same model on both sides");
    for (objects, bytes, spread) in POPULATIONS {
        let population = Population { objects, bytes, spread };
        let scenario = scenario(population);
        let predicted = run(&scenario, &model, 1).expect("the scenario can be made");
        let mut measured: Vec<f64> = (0..ROUNDS).map(|_| measure(&model, &scenario)).collect();
        measured.sort_by(f64::total_cmp);
        let median = measured[ROUNDS as usize / 2];
        println!(
            "{objects} objects of {bytes} bytes in {} parts: predicted {:.2} s, measured {median:.2} s ({:.2} to {:.2}), ratio {:.3}",
            predicted.parts,
            predicted.total_s,
            measured[0],
            measured[ROUNDS as usize - 1],
            predicted.total_s / median
        );
    }
}

/// The shipped model, so slow that this machine is not what takes the time, and without chance.
fn model() -> Model {
    let mut model = Model::default();
    let s3 = &mut model.s3;
    for (moving, median_ms, mb_per_s) in
        [(&mut s3.get, 80.0, 0.8), (&mut s3.put, 150.0, 1.0), (&mut s3.copy, 150.0, 1.0)]
    {
        (moving.median_ms, moving.p99_ms) = (median_ms, median_ms);
        (moving.mb_per_s, moving.spread) = (mb_per_s, 0.0);
    }
    for (latency, ms) in [(&mut s3.head, 80.0), (&mut s3.list, 90.0), (&mut s3.create, 40.0)] {
        *latency = Latency { median_ms: ms, p99_ms: ms };
    }
    (s3.complete.median_ms, s3.complete.p99_ms, s3.complete.per_part_us) = (110.0, 110.0, 0.0);
    (s3.rates.reads_per_s, s3.rates.writes_per_s) = (1e6, 1e6);
    model.connections.set_up_ms = 8.0;
    model
}

fn scenario(population: Population) -> Scenario {
    // As fast a network as there is: what is slow is each connection.
    let instance =
        Instance { name: "here".to_owned(), vcpu: 2, memory_gib: 1, gbit_per_s: 100.0, usd_per_h: 0.0 };
    Scenario {
        concurrency: CONCURRENCY,
        memory_bytes: MEMORY_BYTES,
        ..Scenario::new(population, NODES, instance)
    }
}

/// A twin that is as slow as the model says, with objects as the simulation draws them.
fn twin(model: &Model, population: Population) -> Twin {
    let twin = Twin::new(TwinOptions::default());
    let ms = |ms: f64| Duration::from_secs_f64(ms / 1e3);
    let s3 = &model.s3;
    let mut slow = simulations_s3::Model::default().connecting(ms(model.connections.set_up_ms));
    for (op, latency_ms) in [
        (Op::GetObject, s3.get.median_ms),
        (Op::UploadPart, s3.put.median_ms),
        (Op::PutObject, s3.put.median_ms),
        (Op::UploadPartCopy, s3.copy.median_ms),
        (Op::HeadObject, s3.head.median_ms),
        (Op::HeadBucket, s3.head.median_ms),
        (Op::ListObjectsV2, s3.list.median_ms),
        (Op::ListParts, s3.list.median_ms),
        (Op::CreateMultipartUpload, s3.create.median_ms),
        (Op::CompleteMultipartUpload, s3.complete.median_ms),
    ] {
        slow = slow.latency(op, ms(latency_ms));
    }
    for (op, moving) in [(Op::GetObject, &s3.get), (Op::UploadPart, &s3.put), (Op::UploadPartCopy, &s3.copy)]
    {
        slow = slow.bandwidth(op, moving.bytes_per_s() as u64);
    }
    twin.set_model(slow);
    for bucket in ["out", "state"] {
        twin.create_bucket(bucket);
    }
    for (number, size) in (0..).zip(population.sizes(1)) {
        twin.put("source", &format!("photos/{number:08}.jpg"), Rope::synthetic(number, size));
    }
    twin
}

/// Processes that end with this.
struct Processes(Vec<Child>);

impl Drop for Processes {
    fn drop(&mut self) {
        for child in &mut self.0 {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Seconds that a coordinator and its nodes, each a process, take for the archive.
fn measure(model: &Model, scenario: &Scenario) -> f64 {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    let twin = twin(model, scenario.population);
    let server = runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
        twin.serve(listener).expect("a bound listener has an address")
    });
    let home = TempDir::new().expect("a directory for temporary files");
    let command = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_zipfleet"));
        command.args(args).current_dir(home.path()).env_clear().env("HOME", home.path());
        command.envs([
            ("AWS_ENDPOINT_URL_S3", server.endpoint().as_str()),
            ("AWS_ACCESS_KEY_ID", "zipfleet"),
            ("AWS_SECRET_ACCESS_KEY", "zipfleet-secret"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ]);
        command.stderr(Stdio::null());
        command
    };
    let mut processes = Processes(Vec::new());
    let ready = home.path().join("ready");
    let stdout = std::fs::File::create(&ready).expect("there is room");
    let mut coordinator = command(&["--json", "coordinator", "--state", "s3://state/fleet/"]);
    coordinator.args(["--listen", "127.0.0.1:0", "--api", "127.0.0.1:0"]).stdout(stdout);
    processes.0.push(coordinator.spawn().expect("it starts"));
    let said = until(|| {
        let text = std::fs::read_to_string(&ready).ok().filter(|text| text.ends_with('\n'))?;
        serde_json::from_str::<serde_json::Value>(&text).ok()
    });
    let (door, api) = (text(&said["nodes"]), text(&said["api"]));
    for node in 0..scenario.nodes {
        let mut node = command(&["node", "--coordinator", &door, "--name", &format!("n{node}")]);
        let bandwidth = format!("{}B", scenario.instance.bytes_per_s() as u64);
        node.args(["--concurrency", &scenario.concurrency.to_string(), "--bandwidth", &bandwidth]);
        node.args(["--memory", &format!("{}MiB", scenario.memory_bytes >> 20)]).stdout(Stdio::null());
        processes.0.push(node.spawn().expect("it starts"));
    }
    let ask = |args: &[&str]| {
        let output = command(args).env("ZIPFLEET_CLUSTER", &api).output().expect("it runs");
        serde_json::from_slice::<serde_json::Value>(&output.stdout).ok()
    };
    until(|| {
        let nodes = ask(&["--json", "nodes"])?;
        let nodes = nodes["nodes"].as_array().or_else(|| nodes.as_array())?.len();
        (nodes == scenario.nodes).then_some(())
    });
    // What they did to greet is over.
    sleep(Duration::from_secs(1));
    let made = ask(&["--json", "submit", "--wait", "s3://source/photos/", "s3://out/photos.zip"]);
    let made = made.expect("it is told how it ended");
    let total_ms = find(&made, "total_ms").unwrap_or_else(|| panic!("the job failed: {made}"));
    total_ms as f64 / 1e3
}

/// Waits until there is something.
fn until<T>(mut look: impl FnMut() -> Option<T>) -> T {
    for _ in 0..300 {
        if let Some(found) = look() {
            return found;
        }
        sleep(Duration::from_millis(100));
    }
    panic!("it does not start");
}

fn text(value: &serde_json::Value) -> String {
    value.as_str().expect("it is a text").to_owned()
}

/// The number of this name, wherever it is.
fn find(value: &serde_json::Value, name: &str) -> Option<u64> {
    match value {
        serde_json::Value::Object(fields) => {
            let own = fields.get(name).and_then(serde_json::Value::as_u64);
            own.or_else(|| fields.values().find_map(|value| find(value, name)))
        }
        _ => None,
    }
}
