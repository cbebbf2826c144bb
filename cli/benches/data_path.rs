//! What zipfleet's data path costs beside the barest loop that could do the job: GET into one buffer a part,
//! UploadPart, through the same client, against the same twin, with the same ranges and parts, without
//! hashing a byte.
//!
//! `cargo bench -p cli --bench data_path` prints CPU seconds per GB of the client processes alone, their
//! wall time and the ratios, pair by pair. The bar is a CPU ratio of 1.15.
#![expect(clippy::print_stdout, reason = "a bench says what it found")]

use std::io::{BufRead, BufReader};
use std::ops::Range;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use proto::batch::Upload;
use proto::complete::{CompletedPart, Completion};
use proto::crc::Crc;
use proto::job::JobId;
use proto::limits::{FETCH_BYTES, PART_BYTES_DEFAULT};
use proto::location::Location;
use proto::plan::PartNumber;
use proto_s3::{Options, Progress, S3};
use simulations_s3::Rope;
use tokio::task::JoinSet;

const ZIPFLEET: &str = env!("CARGO_BIN_EXE_zipfleet");
const ROUNDS: usize = 5;
/// Parts in flight: what zipfleet's default memory holds.
const PARTS_IN_FLIGHT: usize = 12;

/// Objects of one size.
#[derive(Clone, Copy)]
struct Population {
    name: &'static str,
    objects: u64,
    bytes: u64,
}

const POPULATIONS: [Population; 2] = [
    Population { name: "large", objects: 48, bytes: 64 << 20 },
    Population { name: "photos", objects: 600, bytes: 5_000_000 },
];

fn main() {
    let mut args = std::env::args().skip(1);
    if args.next().as_deref() == Some("--bare-loop") {
        let name = args.next().expect("the population's name");
        let population =
            POPULATIONS.into_iter().find(|population| population.name == name).expect("a known population");
        let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
        return runtime.block_on(bare_loop(population));
    }
    for population in POPULATIONS {
        let mut ratios: Vec<(f64, f64)> = (1..=ROUNDS).map(|round| compare(population, round)).collect();
        ratios.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (cpu, _) = ratios[ROUNDS / 2];
        ratios.sort_by(|a, b| a.1.total_cmp(&b.1));
        let (_, wall) = ratios[ROUNDS / 2];
        println!(
            "{}: median ratio, zipfleet / bare loop: CPU {cpu:.3} (bar 1.15), wall {wall:.3}",
            population.name
        );
    }
}

/// One pair of runs against a fresh twin; gives the ratios of CPU and wall.
fn compare(population: Population, round: usize) -> (f64, f64) {
    let Population { name, objects, bytes } = population;
    let mut twin = Command::new(ZIPFLEET)
        .args([
            "s3",
            "--listen",
            "127.0.0.1:0",
            "--quiet",
            "--json",
            "--synthetic",
            &format!("src/{name}-:{objects}:{bytes}"),
        ])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the twin starts");
    let endpoint = endpoint_of(&mut twin);
    let mut zip = Command::new(ZIPFLEET);
    // So fast a network that nothing is worth a copy: it is streaming that is measured.
    zip.args(["zip", "--quiet", "--bandwidth", "1000GB", "s3://src/", "s3://out/zipfleet.zip"]);
    let mut bare = Command::new(std::env::current_exe().expect("this bench has a path"));
    bare.args(["--bare-loop", name]);
    // In turn first and second, so that neither profits from what the other warmed.
    let (ours, theirs) = if round.is_multiple_of(2) {
        let theirs = run(&mut bare, &endpoint);
        (run(&mut zip, &endpoint), theirs)
    } else {
        let ours = run(&mut zip, &endpoint);
        (ours, run(&mut bare, &endpoint))
    };
    twin.kill().expect("the twin runs");
    twin.wait().expect("the twin ends");
    let gb = (objects * bytes) as f64 / 1e9;
    let cost = |(cpu, wall): (f64, f64)| format!("{:.3} CPU s/GB, {wall:.2} s wall", cpu / gb);
    println!("{name} round {round}, {gb:.2} GB: zipfleet {}; bare loop {}", cost(ours), cost(theirs));
    (ours.0 / theirs.0, ours.1 / theirs.1)
}

/// CPU and wall seconds of a child process.
fn run(command: &mut Command, endpoint: &str) -> (f64, f64) {
    command
        .env("AWS_ENDPOINT_URL_S3", endpoint)
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", "zipfleet")
        .env("AWS_SECRET_ACCESS_KEY", "zipfleet-secret");
    let (before, began) = (children_cpu_s(), Instant::now());
    let status = command.status().expect("it starts");
    let wall = began.elapsed().as_secs_f64();
    assert!(status.success(), "it works");
    (children_cpu_s() - before, wall)
}

/// CPU seconds of all children that have ended and been waited for, in ticks of 10 ms.
fn children_cpu_s() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux tells");
    let after_name = stat.rsplit(')').next().expect("the name is in brackets");
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let ticks = |index: usize| fields[index].parse::<f64>().expect("a number of ticks");
    (ticks(13) + ticks(14)) / 100.0
}

fn endpoint_of(twin: &mut Child) -> String {
    let mut line = String::new();
    BufReader::new(twin.stdout.take().expect("it is piped"))
        .read_line(&mut line)
        .expect("the twin says where it is");
    let value: serde_json::Value = serde_json::from_str(&line).expect("it says it in JSON");
    value["endpoint"].as_str().expect("it is a text").to_owned()
}

/// A range of an object.
type Piece = (u64, Range<u64>);

/// Copies the population into one object, without headers and without hashing: the CRCs that S3 wants are
/// computed from how the content was made up, not from the bytes.
async fn bare_loop(population: Population) {
    let s3 = S3::connect(&Options::default()).await.expect("it connects");
    let page = s3.list_page(0, "src", "", None).await.expect("it lists");
    let etags: Arc<Vec<String>> =
        Arc::new(page.objects.iter().map(|object| object.etag.to_string()).collect());
    let destination = Location { bucket: "out".into(), key: "bare".into() };
    let upload = Arc::new(s3.create_upload(&destination, JobId(1)).await.expect("it is created"));
    let mut parts = parts(population).into_iter().enumerate();
    let mut running: JoinSet<(usize, String, Crc)> = JoinSet::new();
    let mut done = Vec::new();
    loop {
        while running.len() < PARTS_IN_FLIGHT
            && let Some((index, pieces)) = parts.next()
        {
            running.spawn(copy_part(
                s3.clone(),
                Arc::clone(&upload),
                Arc::clone(&etags),
                population,
                index,
                pieces,
            ));
        }
        match running.join_next().await {
            Some(part) => done.push(part.expect("it does not panic")),
            None => break,
        }
    }
    done.sort_by_key(|(index, ..)| *index);
    let archive = done.iter().fold(Crc::EMPTY, |all, (_, _, crc)| all.then(*crc));
    let parts = done.into_iter().map(|(index, etag, crc)| CompletedPart {
        number: PartNumber::from_index(index),
        etag,
        crc32: crc.value,
    });
    let completion = Completion {
        upload: (*upload).clone(),
        parts: parts.collect(),
        contested: Vec::new(),
        archive,
        no_overwrite: false,
    };
    s3.complete_upload(&completion).await.expect("it is completed");
}

/// The population cut as zipfleet would: parts of about 16 MiB, ranges of at most 8 MiB.
fn parts(population: Population) -> Vec<Vec<Piece>> {
    let mut parts = vec![Vec::new()];
    let mut open = 0;
    for number in 0..population.objects {
        let mut at = 0;
        while at < population.bytes {
            let end = (at + FETCH_BYTES).min(population.bytes);
            if open + (end - at) > PART_BYTES_DEFAULT {
                parts.push(Vec::new());
                open = 0;
            }
            parts.last_mut().expect("there is one").push((number, at..end));
            open += end - at;
            at = end;
        }
    }
    parts
}

async fn copy_part(
    s3: S3,
    upload: Arc<Upload>,
    etags: Arc<Vec<String>>,
    population: Population,
    index: usize,
    pieces: Vec<Piece>,
) -> (usize, String, Crc) {
    let mut crc = Crc::EMPTY;
    let mut body = Vec::with_capacity(PART_BYTES_DEFAULT as usize);
    for (number, range) in pieces {
        let content = Rope::synthetic(number, population.bytes).slice(range.clone());
        crc = crc.then(Crc::known(content.crc32(), range.end - range.start));
        let key = format!("{}-{number:08}", population.name);
        let mut fetched =
            s3.get("src", &key, &etags[number as usize], Some(range)).await.expect("it answers");
        while let Some(frame) = fetched.next().await.expect("it arrives") {
            body.extend_from_slice(&frame);
        }
    }
    let body = Bytes::from(body);
    let number = PartNumber::from_index(index);
    let sent = s3.upload_part(&upload, number, body, crc, &Progress::default()).await;
    let etag = sent.expect("it is uploaded");
    (index, etag, crc)
}
