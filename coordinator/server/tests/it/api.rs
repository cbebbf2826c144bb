//! What callers ask, and how they are answered.

use reqwest::{Method, StatusCode, header};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::node::TestNode;
use crate::world::{OUT, Serving, World, answer, job, problem, until};

#[tokio::test]
async fn a_job_from_submission_to_its_report() {
    let world = World::new().await;
    world.fill(3, 100);
    let serving = Serving::start(&world).await;
    assert_eq!(serving.get("/healthz").await, (StatusCode::OK, json!({ "status": "ok" })));
    assert_eq!(serving.get("/readyz").await, (StatusCode::OK, json!({ "status": "ok", "nodes": 0 })));
    assert_eq!(serving.get("/v1/jobs").await, (StatusCode::OK, json!({ "jobs": [] })));
    assert_eq!(serving.get("/v1/nodes").await, (StatusCode::OK, json!([])));

    let id = serving.submitted("a.zip").await;
    until(|| !world.twin.uploads().is_empty()).await;
    let (status, view) = serving.get(&format!("/v1/jobs/{id}")).await;
    assert_eq!((status, &view["id"]), (StatusCode::OK, &json!(id)));
    assert_eq!(view["destination"], format!("s3://{OUT}/a.zip"));
    assert_eq!(view["outcome"], Value::Null);
    assert_eq!(serving.get("/v1/jobs").await.1["jobs"].as_array().unwrap().len(), 1);
    let report = format!("/v1/jobs/{id}/report");
    assert_eq!(serving.get(&report).await.1["job"]["id"], json!(id));

    let (status, cancelled) = answer(serving.request(Method::DELETE, &format!("/v1/jobs/{id}"))).await;
    assert_eq!((status, &cancelled["state"]), (StatusCode::OK, &json!("cancelled")), "{cancelled}");
    // It is answered when the upload is gone, and not before.
    assert_eq!(world.twin.uploads(), []);
    let again = answer(serving.request(Method::DELETE, &format!("/v1/jobs/{id}"))).await;
    assert_eq!(again, (StatusCode::OK, cancelled.clone()));
    let (status, told) = serving.get(&report).await;
    assert_eq!((status, &told["job"]), (StatusCode::OK, &cancelled));
    assert_eq!(told["entries"], json!([]));
    let (status, timeline) = serving.get(&format!("/v1/jobs/{id}/timeline")).await;
    assert_eq!((status, &timeline["bars"]), (StatusCode::OK, &json!([])));
    serving.stop().await.unwrap();
}

#[tokio::test]
async fn the_report_of_a_forgotten_job_comes_without_its_entries_too() {
    let world = World::new().await;
    world.fill(3, 100);
    let serving = Serving::start(&world).await;
    let id = serving.submitted("\"entries\":[.zip").await;
    let node = TestNode { name: "node".into(), s3: world.s3.clone(), at: serving.ready.nodes, chance: None };
    let node = tokio::spawn(node.run());
    serving.outcome(&id).await;
    node.abort();
    let path = format!("/v1/jobs/{id}/report");
    let (_, remembered) = serving.get(&format!("{path}?entries=false")).await;
    serving.stop().await.unwrap();

    let serving = Serving::start(&world).await;
    let (status, forgotten) = serving.get(&format!("{path}?entries=false")).await;
    assert_eq!((status, &forgotten["entries"]), (StatusCode::OK, &json!([])));
    assert_eq!(forgotten, remembered);
    assert_eq!(serving.get(&path).await.1["entries"].as_array().map(Vec::len), Some(3));
    serving.stop().await.unwrap();
}

#[tokio::test]
async fn what_is_not_there() {
    let world = World::new().await;
    let serving = Serving::start(&world).await;
    for path in [
        "/v2/jobs",
        "/v1/jobs/0123456789abcdef",
        "/v1/jobs/0123456789abcdef/report",
        "/v1/jobs/0123456789abcdef/timeline",
        "/v1/jobs/0123456789abcdef/events",
    ] {
        problem(&serving.get(path).await, StatusCode::NOT_FOUND, "not_found");
    }
    let delete = serving.request(Method::DELETE, "/v1/jobs/0123456789abcdef");
    problem(&answer(delete).await, StatusCode::NOT_FOUND, "not_found");
    problem(&serving.get("/v1/jobs/7").await, StatusCode::BAD_REQUEST, "bad_request");
    let drain = serving.request(Method::POST, "/v1/nodes/nobody/drain");
    problem(&answer(drain).await, StatusCode::NOT_FOUND, "not_found");
    let put = answer(serving.request(Method::PUT, "/v1/jobs")).await;
    problem(&put, StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed");
    serving.stop().await.unwrap();
}

#[tokio::test]
async fn jobs_that_make_no_sense_are_refused_at_once() {
    let world = World::new().await;
    let serving = Serving::start(&world).await;
    let with = |field: &str, value: Value| {
        let mut job = job("a.zip");
        job[field] = value;
        job
    };
    let without = |field: &str| {
        let mut job = job("a.zip");
        job.as_object_mut().unwrap().remove(field);
        job
    };
    for bad in [
        json!({}),
        json!([]),
        without("destination"),
        with("sources", json!([])),
        with("sources", json!("s3://sources/in/")),
        with("inclde", json!(["*.jpg"])),
        with("priority", json!("urgent")),
        with("idempotency_key", json!("")),
        with("idempotency_key", json!("a b")),
        with("idempotency_key", json!("\u{1b}[2J")),
        with("idempotency_key", json!("k".repeat(201))),
        with("destination", json!("s3://archives/\u{1b}[2J/")),
        with("part_bytes", json!(-1)),
    ] {
        problem(&serving.submit(&bad).await, StatusCode::BAD_REQUEST, "bad_job");
    }
    let post = |body: String, kind: &str| {
        serving.request(Method::POST, "/v1/jobs").header(header::CONTENT_TYPE, kind).body(body)
    };
    let trailing = post(format!("{} {{}}", job("a.zip")), "application/json");
    problem(&answer(trailing).await, StatusCode::BAD_REQUEST, "bad_job");
    let plain = post(job("a.zip").to_string(), "text/plain");
    problem(&answer(plain).await, StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type");
    let long = post(" ".repeat(2 << 20), "application/json");
    problem(&answer(long).await, StatusCode::PAYLOAD_TOO_LARGE, "too_large");
    let foreign =
        serving.request(Method::POST, "/v1/nodes/n/drain").header(header::ORIGIN, "http://evil.example");
    problem(&answer(foreign).await, StatusCode::FORBIDDEN, "forbidden");
    let elsewhere = serving.request(Method::GET, "/v1/jobs").header(header::HOST, "evil.example:80");
    problem(&answer(elsewhere).await, StatusCode::MISDIRECTED_REQUEST, "misdirected");
    assert_eq!(world.twin.requests().get("CreateMultipartUpload"), None);
    serving.stop().await.unwrap();
}

#[tokio::test]
async fn a_full_queue_is_a_refusal() {
    let world = World::new().await;
    world.fill(3, 100);
    let mut options = crate::world::options();
    options.settings.jobs_running = 1;
    options.settings.jobs_waiting = 1;
    let serving = Serving::start_with(&world, options).await;
    for key in ["a.zip", "b.zip"] {
        serving.submitted(key).await;
    }
    problem(&serving.submit(&job("c.zip")).await, StatusCode::SERVICE_UNAVAILABLE, "busy");
    serving.stop().await.unwrap();
}

#[tokio::test]
async fn hostile_bytes_are_shut_out() {
    let world = World::new().await;
    let serving = Serving::start(&world).await;
    for bytes in [&b"\x16\x03\x01\x02\x00"[..], b"GET\r\n\r\n", &[b'a'; 1 << 20]] {
        let mut socket = TcpStream::connect(serving.ready.api).await.unwrap();
        // It may hang up before it has read all.
        let _ = socket.write_all(bytes).await;
        let _ = socket.shutdown().await;
        let mut answer = Vec::new();
        let _ = socket.read_to_end(&mut answer).await;
        assert!(!answer.starts_with(b"HTTP/1.1 200"));
    }
    assert_eq!(serving.get("/healthz").await.0, StatusCode::OK);
    serving.stop().await.unwrap();
}
