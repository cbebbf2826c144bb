//! Callbacks that outlive the coordinator: what is recorded of them, and what the next one makes of that.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use aws_lc_rs::hmac;
use coordinator_server::{ServeOptions, Tokens};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use simulations_s3::Rope;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::world::{OUT, STATE, Serving, World, answer, at, job, options, problem, until};

const KEY: &[u8] = b"only we two know";
const TOKEN_KEY: &str = "only web knows";
const ID: &str = "0000000000000007";

/// Somebody who is called back.
struct Receiver {
    url: String,
    /// What it answers.
    status: Arc<AtomicU16>,
    got: mpsc::UnboundedReceiver<(String, Vec<u8>)>,
}

impl Receiver {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
        let url = format!("http://{}/done", listener.local_addr().expect("it is bound"));
        let (tell, got) = mpsc::unbounded_channel();
        let status = Arc::new(AtomicU16::new(204));
        let answer = Arc::clone(&status);
        tokio::spawn(async move {
            loop {
                let (mut socket, _) = listener.accept().await.expect("it listens");
                // The test may have seen enough.
                let _ = tell.send(read(&mut socket).await);
                let answer = answer.load(Ordering::Relaxed);
                let answer = format!("HTTP/1.1 {answer} So\r\nContent-Length: 0\r\n\r\n");
                socket.write_all(answer.as_bytes()).await.expect("it is read");
            }
        });
        Self { url, status, got }
    }

    /// The next job that it is told of, which is signed with this key.
    async fn told(&mut self, key: &[u8]) -> Value {
        let (head, body) = self.got.recv().await.expect("it is there");
        let signature = head.split("zipfleet-signature: t=").nth(1).expect("it is signed");
        let (time, rest) = signature.split_once(",v1=").expect("it has two parts");
        let mut signing = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key));
        signing.update(format!("{time}.").as_bytes());
        signing.update(&body);
        let hex: String = signing.sign().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(rest.starts_with(&hex), "{head}");
        serde_json::from_slice(&body).expect("it is JSON")
    }
}

/// The head of a request, in lower case, and its body.
async fn read(socket: &mut TcpStream) -> (String, Vec<u8>) {
    let mut text = Vec::new();
    loop {
        assert!(socket.read_buf(&mut text).await.expect("it can be read") > 0, "the request ends early");
        let Some(end) = text.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&text[..end]).to_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        if text.len() - end - 4
            == length.expect("its length is told").parse::<usize>().expect("it is a number")
        {
            return (head, text.split_off(end + 4));
        }
    }
}

/// A coordinator with a key for callers without tokens.
fn keyed() -> ServeOptions {
    let mut options = options();
    options.api.callback_key = Some(KEY.into());
    options
}

fn calling_back(receiver: &Receiver) -> Value {
    let mut job = job("a.zip");
    job["callback"] = json!(receiver.url);
    job
}

fn records(world: &World) -> Vec<String> {
    let mut keys = world.twin.keys(STATE);
    keys.retain(|key| key.starts_with("here/callbacks/"));
    keys
}

/// Leaves a record, as a coordinator that died did when records had no versions.
fn leave(world: &World, id: &str, owner: Option<&str>, url: &str, outcome: &Value) {
    let record = json!({
        "job": {
            "id": id,
            "state": if outcome.is_null() { "waiting" } else { "completed" },
            "destination": at(OUT, "a.zip"),
            "priority": "normal",
            "owner": owner,
            "submitted_ms": 1_700_000_000_000_u64,
            "progress": proto::job::Progress::default(),
            "outcome": outcome,
        },
        "url": url,
    });
    put(world, id, &record.to_string());
}

fn put(world: &World, id: &str, text: &str) {
    world.twin.put(STATE, &format!("here/callbacks/{id}.json"), Rope::from(text.as_bytes().to_vec()));
}

#[tokio::test]
async fn what_is_owed_is_recorded_until_it_is_taken() {
    let (world, mut receiver) = (World::new().await, Receiver::start().await);
    world.fill(1, 10);
    let serving = Serving::start_with(&world, keyed()).await;
    // Nobody is there to make it.
    let (_, made) = serving.submit(&calling_back(&receiver)).await;
    let id = made["id"].as_str().unwrap();
    assert_eq!(records(&world), [format!("here/callbacks/{id}.json")]);
    let record = world.twin.object(STATE, &records(&world)[0]).unwrap().content;
    let record = String::from_utf8(record.to_bytes().to_vec()).unwrap();
    assert!(record.contains(&receiver.url) && !record.contains("only we two"), "{record}");
    assert!(record.contains("\"version\":1"), "{record}");
    serving.request(Method::DELETE, &format!("/v1/jobs/{id}")).send().await.unwrap();
    let told = receiver.told(KEY).await;
    assert_eq!((&told["id"], &told["state"]), (&made["id"], &json!("cancelled")));
    until(|| records(&world).is_empty()).await;
    serving.stop().await.unwrap();
}

#[tokio::test]
async fn what_is_no_new_job_leaves_no_record() {
    let (world, receiver) = (World::new().await, Receiver::start().await);
    world.fill(1, 10);
    let serving = Serving::start_with(&world, keyed()).await;
    let mut job = calling_back(&receiver);
    job["idempotency_key"] = json!("once");
    assert_eq!(serving.submit(&job).await.0, StatusCode::ACCEPTED);
    assert_eq!(serving.submit(&job).await.0, StatusCode::OK);
    job["destination"] = json!(format!("s3://{OUT}/b.zip"));
    assert_eq!(serving.submit(&job).await.0, StatusCode::CONFLICT);
    let mut refused = calling_back(&receiver);
    refused["include"] = json!(["["]);
    assert_eq!(serving.submit(&refused).await.0, StatusCode::BAD_REQUEST);
    until(|| records(&world).len() == 1).await;
    serving.stop().await.unwrap();
}

#[tokio::test]
async fn a_job_whose_callback_would_be_lost_is_not_taken() {
    let (world, receiver) = (World::new().await, Receiver::start().await);
    let serving = Serving::start_with(&world, keyed()).await;
    world.twin.deny("PutObject:state".parse().unwrap());
    let refused = serving.submit(&calling_back(&receiver)).await;
    problem(&refused, StatusCode::SERVICE_UNAVAILABLE, "unavailable");
    assert_eq!(serving.get("/v1/jobs").await.1, json!({ "jobs": [] }));
    world.twin.clear_denials();
    // Only the records cannot be written: the lines could, and are removed.
    world.twin.deny("PutObject:state/here/callbacks/".parse().unwrap());
    let first = json!({ "destination": format!("s3://{OUT}/a.zip"), "callback": receiver.url });
    let lines = format!("{first}\n{}\n", json!({ "bucket": "sources", "key": "in/0000.bin" }));
    let request = serving.request(Method::POST, "/v1/jobs").header("content-type", "application/x-ndjson");
    problem(&answer(request.body(lines)).await, StatusCode::SERVICE_UNAVAILABLE, "unavailable");
    until(|| world.twin.keys(STATE).is_empty()).await;
    world.twin.deny("PutObject:state".parse().unwrap());
    assert_eq!(
        serving.submit(&job("a.zip")).await.0,
        StatusCode::ACCEPTED,
        "nobody wants to know of this one"
    );
    serving.stop().await.unwrap();
}

#[tokio::test]
async fn the_next_coordinator_tells_what_the_last_one_owed() {
    let (world, mut receiver) = (World::new().await, Receiver::start().await);
    leave(&world, ID, None, &receiver.url, &Value::Null);
    let serving = Serving::start_with(&world, keyed()).await;
    let told = receiver.told(KEY).await;
    assert_eq!((&told["id"], &told["state"]), (&json!(ID), &json!("failed")));
    let failure = &told["outcome"]["failed"]["failure"];
    assert_eq!(failure["kind"], "unavailable", "{told}");
    let message = failure["message"].as_str().unwrap();
    assert!(message.contains("s3://archives/a.zip is either whole or was not made"), "{message}");
    until(|| records(&world).is_empty()).await;
    serving.stop().await.unwrap();
}

/// Whoever did not take it from a coordinator that stopped is told by the next, and as it was.
#[tokio::test]
async fn what_a_coordinator_that_stops_could_not_deliver_is_delivered_by_the_next() {
    let (world, mut receiver) = (World::new().await, Receiver::start().await);
    world.fill(1, 10);
    receiver.status.store(500, Ordering::Relaxed);
    let serving = Serving::start_with(&world, keyed()).await;
    serving.submit(&calling_back(&receiver)).await;
    serving.stop().await.unwrap();
    let first = receiver.told(KEY).await;
    assert_eq!((&first["state"], records(&world).len()), (&json!("cancelled"), 1));
    while receiver.got.try_recv().is_ok() {}
    receiver.status.store(200, Ordering::Relaxed);
    let serving = Serving::start_with(&world, keyed()).await;
    assert_eq!(receiver.told(KEY).await, first);
    until(|| records(&world).is_empty()).await;
    serving.stop().await.unwrap();
}

#[tokio::test]
async fn what_is_owed_to_a_token_is_signed_with_its_key_of_today() {
    let (world, mut receiver) = (World::new().await, Receiver::start().await);
    let file = File::new(&format!(
        "callbacks = [\"{}\"]\ncallback_key = \"{TOKEN_KEY}\"\n",
        receiver.url.trim_end_matches("done")
    ));
    let elsewhere = "http://127.0.0.1:9/";
    leave(&world, ID, Some("web"), &receiver.url, &json!({ "completed": proto::job::Summary::default() }));
    // One that is gone, one whose address is no longer allowed, and a key that there is not.
    leave(&world, "0000000000000001", Some("gone"), &receiver.url, &Value::Null);
    leave(&world, "0000000000000002", Some("web"), elsewhere, &Value::Null);
    leave(&world, "0000000000000003", None, &receiver.url, &Value::Null);
    let mut options = options();
    options.api.tokens = Some(Tokens::load(&file.0).unwrap());
    let serving = Serving::start_with(&world, options).await;
    let told = receiver.told(TOKEN_KEY.as_bytes()).await;
    assert_eq!((&told["id"], &told["state"]), (&json!(ID), &json!("completed")));
    until(|| records(&world).is_empty()).await;
    assert!(receiver.got.try_recv().is_err(), "the others are not told");
    serving.stop().await.unwrap();
}

#[tokio::test]
async fn what_is_no_record_of_a_callback_is_left() {
    let (world, mut receiver) = (World::new().await, Receiver::start().await);
    put(&world, "notes", "hello");
    put(&world, "long", &"x".repeat(3 << 20));
    put(&world, "0000000000000008", &json!({ "version": 2, "job": "0000000000000008" }).to_string());
    leave(&world, ID, None, &receiver.url, &Value::Null);
    let serving = Serving::start_with(&world, keyed()).await;
    receiver.told(KEY).await;
    until(|| records(&world).len() == 3).await;
    serving.stop().await.unwrap();
}

#[tokio::test]
async fn a_coordinator_that_dies_leaves_what_the_next_one_is_to_tell() {
    let (world, mut receiver) = (World::new().await, Receiver::start().await);
    world.fill(1, 10);
    let dead = Serving::start_with(&world, keyed()).await;
    let (_, made) = dead.submit(&calling_back(&receiver)).await;
    let key = records(&world).remove(0);
    let record = world.twin.object(STATE, &key).unwrap().content;
    // What it does in the end is not what one does that dies.
    dead.stop().await.unwrap();
    receiver.told(KEY).await;
    world.twin.put(STATE, &key, record);
    let serving = Serving::start_with(&world, keyed()).await;
    let told = receiver.told(KEY).await;
    assert_eq!((&told["id"], &told["state"]), (&made["id"], &json!("failed")));
    assert_eq!(told["outcome"]["failed"]["failure"]["kind"], "unavailable");
    assert_eq!(told["destination"], json!(at(OUT, "a.zip")));
    until(|| records(&world).is_empty()).await;
    serving.stop().await.unwrap();
}

/// However many there are, the coordinator starts, and says so.
#[tokio::test]
async fn more_than_can_be_delivered_wait_for_the_next_start() {
    let (world, receiver) = (World::new().await, Receiver::start().await);
    for number in 0..=proto::limits::CALLBACKS_PENDING_MAX {
        put(&world, &format!("{number:016x}"), "{}");
    }
    let serving = Serving::start_with(&world, keyed()).await;
    let warnings = &serving.ready.recovered.warnings;
    assert!(warnings.iter().any(|warning| warning.contains("wait for the next start")), "{warnings:?}");
    drop(receiver);
    serving.stop().await.unwrap();
}

/// A file with one token, called `web`, that goes with the test.
struct File(PathBuf);

impl File {
    fn new(lines: &str) -> Self {
        let path = std::env::temp_dir().join(format!("tokens-{}.toml", proto::job::JobId(rand::random())));
        let token = coordinator_server::NewToken {
            name: "web".into(),
            read: vec!["s3://sources/in/".into()],
            write: vec!["s3://archives".into()],
            is_operator: false,
        };
        token.issue(&path).expect("it is made");
        let text = std::fs::read_to_string(&path).expect("it was just written");
        std::fs::write(&path, format!("{text}{lines}")).expect("it can be written");
        Self(path)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        std::fs::remove_file(&self.0).expect("it can be removed");
    }
}
