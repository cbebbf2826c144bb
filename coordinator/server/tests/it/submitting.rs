//! The same submission twice, callbacks, and bodies that come slowly or not at all.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use simulations_s3::Rope;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::world::{SOURCES, STATE, Serving, World, answer, job, options, pause, problem};

fn keyed(destination: &str, key: &str) -> Value {
    let mut job = job(destination);
    job["idempotency_key"] = json!(key);
    job
}

async fn jobs(serving: &Serving) -> usize {
    serving.get("/v1/jobs").await.1["jobs"].as_array().expect("there is a list").len()
}

#[tokio::test]
async fn the_same_submission_twice_is_one_job() {
    let world = World::new().await;
    let serving = Serving::start(&world).await;
    let (status, first) = serving.submit(&keyed("a.zip", "k")).await;
    assert_eq!((status, &first["is_new"]), (StatusCode::ACCEPTED, &json!(true)));
    let again = serving.submit(&keyed("a.zip", "k")).await;
    assert_eq!(again, (StatusCode::OK, json!({ "id": first["id"], "is_new": false })));
    let other = serving.submit(&keyed("b.zip", "k")).await;
    problem(&other, StatusCode::CONFLICT, "idempotency_mismatch");
    assert!(other.1["detail"].as_str().unwrap().contains(first["id"].as_str().unwrap()));
    let (status, _) = serving.submit(&keyed("b.zip", "l")).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    assert_eq!(jobs(&serving).await, 2);
    serving.stop().await.unwrap();
}

#[tokio::test]
async fn submitted_at_the_same_moment_it_is_one_job() {
    let world = World::new().await;
    let serving = Serving::start(&world).await;
    let job = keyed("a.zip", "k");
    let (one, two, three) = tokio::join!(serving.submit(&job), serving.submit(&job), serving.submit(&job));
    assert_eq!([&one, &two, &three].iter().filter(|(status, _)| *status == StatusCode::ACCEPTED).count(), 1);
    assert!(one.1["id"] == two.1["id"] && two.1["id"] == three.1["id"]);
    assert_eq!(jobs(&serving).await, 1);
    serving.stop().await.unwrap();
}

#[tokio::test]
async fn submitted_again_after_the_answer_was_lost_it_is_one_job() {
    let world = World::new().await;
    let serving = Serving::start(&world).await;
    let body = keyed("a.zip", "k").to_string();
    let head = format!(
        "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let mut socket = TcpStream::connect(serving.ready.api).await.unwrap();
    socket.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    while jobs(&serving).await == 0 {
        pause().await;
    }
    drop(socket);
    let (status, again) = serving.submit(&keyed("a.zip", "k")).await;
    assert_eq!((status, &again["is_new"]), (StatusCode::OK, &json!(false)));
    assert_eq!(jobs(&serving).await, 1);
    serving.stop().await.unwrap();
}

#[tokio::test]
async fn callbacks_need_an_address_and_a_key() {
    let world = World::new().await;
    let with = |url: &str| {
        let mut job = job("a.zip");
        job["callback"] = json!(url);
        job
    };
    let serving = Serving::start(&world).await;
    let keyless = serving.submit(&with("https://hooks.example.com/done")).await;
    problem(&keyless, StatusCode::BAD_REQUEST, "bad_job");
    assert!(keyless.1["detail"].as_str().unwrap().contains("--callback-key-file"));
    serving.stop().await.unwrap();

    let mut options = options();
    options.api.callback_key = Some(b"key".as_slice().into());
    let serving = Serving::start_with(&world, options).await;
    for url in [
        "",
        "ftp://hooks.example.com/",
        "hooks.example.com",
        "https://",
        "https://a:b@hooks.example.com/",
        "https://hooks.example.com/x/../y",
        "https://hooks.example.com/x/%2e%2E/y",
        "https://hooks.example.com/\u{1b}[2J",
        &format!("https://hooks.example.com/{}", "x".repeat(3_000)),
    ] {
        problem(&serving.submit(&with(url)).await, StatusCode::BAD_REQUEST, "bad_job");
    }
    let (status, _) = serving.submit(&with("http://127.0.0.1:9/done?x=1")).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    serving.stop().await.unwrap();
}

#[tokio::test]
async fn a_body_that_does_not_come_is_given_up_and_silence_holds_up_nobody() {
    let world = World::new().await;
    let serving = Serving::start(&world).await;
    let mut silent = Vec::new();
    for _ in 0..300 {
        silent.push(TcpStream::connect(serving.ready.api).await.unwrap());
    }
    assert_eq!(serving.get("/healthz").await.0, StatusCode::OK);
    let mut slow = TcpStream::connect(serving.ready.api).await.unwrap();
    let head = "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{";
    slow.write_all(head.as_bytes()).await.unwrap();
    let mut told = Vec::new();
    slow.read_to_end(&mut told).await.unwrap();
    let told = String::from_utf8_lossy(&told);
    assert!(told.starts_with("HTTP/1.1 408 ") && told.contains("\"code\":\"timeout\""), "{told}");
    // The silent ones are gone by now.
    for mut socket in silent {
        assert_eq!(socket.read(&mut [0]).await.unwrap(), 0);
    }
    serving.stop().await.unwrap();
}

#[tokio::test]
async fn a_trace_that_makes_no_sense_is_ignored() {
    let world = World::new().await;
    let serving = Serving::start(&world).await;
    for (number, parent) in
        ["", "00-0-0-0", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"].iter().enumerate()
    {
        let request = serving.request(Method::POST, "/v1/jobs").header("traceparent", *parent);
        let (status, body) = answer(request.json(&job(&format!("{number}.zip")))).await;
        assert_eq!(status, StatusCode::ACCEPTED, "{body}");
    }
    serving.stop().await.unwrap();
}

/// Reports and manifests of others are there.
#[tokio::test]
async fn what_is_the_coordinators_own_is_neither_read_nor_written_by_jobs() {
    let world = World::new().await;
    let serving = Serving::start(&world).await;
    for (field, value) in [
        ("destination", json!(format!("s3://{STATE}/here/uploads/x"))),
        ("sources", json!([format!("s3://{STATE}/here/reports/")])),
        ("sources", json!([format!("s3://{STATE}/here/x")])),
        ("sources", json!([{ "manifest": format!("s3://{STATE}/here/manifests/x") }])),
        ("sources", json!([format!("s3://{STATE}")])),
        ("sources", json!([format!("s3://{SOURCES}/in/"), format!("s3://{STATE}/he*")])),
    ] {
        let mut job = job("a.zip");
        job[field] = value;
        problem(&serving.submit(&job).await, StatusCode::FORBIDDEN, "forbidden");
    }
    world.twin.put(STATE, "here/reports/x", Rope::from("another's"));
    let line = json!({ "bucket": STATE, "key": "here/reports/x" });
    world.twin.put(SOURCES, "list", Rope::from(line.to_string().into_bytes()));
    let mut listed = job("listed.zip");
    listed["sources"] = json!([{ "manifest": format!("s3://{SOURCES}/list") }]);
    let (_, made) = serving.submit(&listed).await;
    let outcome = serving.outcome(made["id"].as_str().unwrap()).await;
    let failure = &outcome["failed"]["failure"];
    assert_eq!(failure["kind"], "denied", "{outcome}");
    assert!(failure["message"].as_str().unwrap().contains("belongs to the coordinator"), "{outcome}");
    let mut beside = job("a.zip");
    beside["destination"] = json!(format!("s3://{STATE}/hereafter/a.zip"));
    assert_eq!(serving.submit(&beside).await.0, StatusCode::ACCEPTED);
    serving.stop().await.unwrap();
}

#[tokio::test]
async fn a_job_is_an_object_and_not_a_list_of_its_fields() {
    let world = World::new().await;
    let serving = Serving::start(&world).await;
    let list =
        json!([["s3://in/"], "s3://out/a.zip", [], [], null, false, null, "fail", "normal", "k", null]);
    problem(&serving.submit(&list).await, StatusCode::BAD_REQUEST, "bad_job");
    serving.stop().await.unwrap();
}
