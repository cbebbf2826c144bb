//! Jobs page by page, filtered; and the archive's URL.

use proto::session::{Order, ToNode};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use simulations_s3::Rope;

use crate::node::{TestNode, connect, hello};
use crate::world::{OUT, Serving, World, answer, job, options, pause, problem};

fn destinations(page: &Value) -> Vec<String> {
    let jobs = page["jobs"].as_array().expect("there is a list");
    jobs.iter().map(|job| job["destination"].as_str().expect("there is one").to_owned()).collect()
}

#[tokio::test]
async fn jobs_come_in_pages_and_by_state() {
    let world = World::new().await;
    world.fill(3, 100);
    let mut options = options();
    options.settings.jobs_running = 1;
    let serving = Serving::start_with(&world, options).await;
    let mut ids = Vec::new();
    for number in 0..5 {
        ids.push(serving.submitted(&format!("{number}.zip")).await);
    }
    let (_, first) = serving.get("/v1/jobs?limit=2").await;
    assert_eq!(destinations(&first), ["s3://archives/4.zip", "s3://archives/3.zip"]);
    let next = first["next"].as_str().expect("there are more");
    // It tells nothing that the page does not.
    assert_eq!(next, ids[3]);
    let (_, second) = serving.get(&format!("/v1/jobs?limit=3&after={next}")).await;
    assert_eq!(destinations(&second), ["s3://archives/2.zip", "s3://archives/1.zip", "s3://archives/0.zip"]);
    assert_eq!(second["next"], Value::Null);
    let gone = serving.get("/v1/jobs?after=0123456789abcdef").await;
    problem(&gone, StatusCode::NOT_FOUND, "not_found");
    assert!(gone.1["detail"].as_str().unwrap().contains("begin anew"), "{gone:?}");

    let (_, waiting) = serving.get("/v1/jobs?state=waiting").await;
    assert_eq!(destinations(&waiting).len(), 4);
    let (status, _) = answer(serving.request(Method::DELETE, &format!("/v1/jobs/{}", ids[4]))).await;
    assert_eq!(status, StatusCode::OK);
    let (_, cancelled) = serving.get("/v1/jobs?state=cancelled").await;
    assert_eq!(destinations(&cancelled), ["s3://archives/4.zip"]);
    assert_eq!(serving.get("/v1/jobs?owner=nobody").await, (StatusCode::OK, json!({ "jobs": [] })));
    serving.stop().await.unwrap();
}

#[tokio::test]
async fn what_is_asked_wrongly_is_told_what_is_right() {
    let world = World::new().await;
    let serving = Serving::start(&world).await;
    for (query, words) in [
        ("state=over", "waiting"),
        ("limit=0", "from 1 to 1000"),
        ("limit=1001", "from 1 to 1000"),
        ("limit=many", "limit"),
        ("after=x", "next"),
        ("stat=waiting", "`state`"),
        ("limit=1&limit=2", "limit"),
    ] {
        let answer = serving.get(&format!("/v1/jobs?{query}")).await;
        problem(&answer, StatusCode::BAD_REQUEST, "bad_request");
        let detail = answer.1["detail"].as_str().unwrap();
        assert!(detail.contains(words), "{detail}");
    }
    serving.stop().await.unwrap();
}

#[tokio::test]
async fn a_finished_archive_has_a_url_when_asked() {
    let world = World::new().await;
    world.fill(3, 100);
    let serving = Serving::start(&world).await;
    let id = serving.submitted("a.zip").await;
    let ask = |query: &str| format!("/v1/jobs/{id}?{query}");
    problem(&serving.get(&ask("url_seconds=60")).await, StatusCode::CONFLICT, "not_ready");
    let node = TestNode { name: "node".into(), s3: world.s3.clone(), at: serving.ready.nodes, chance: None };
    let node = tokio::spawn(node.run());
    serving.outcome(&id).await;
    node.abort();
    let (status, job) = serving.get(&ask("url_seconds=60")).await;
    assert_eq!((status, &job["state"]), (StatusCode::OK, &json!("completed")));
    // Of plain HTTP: this machine may have no certificates of authorities.
    let client = reqwest::Client::builder().tls_certs_only([]).build().unwrap();
    let archive = client.get(job["url"].as_str().expect("there is a URL")).send().await.unwrap();
    assert_eq!(archive.status(), StatusCode::OK);
    assert_eq!(job["outcome"]["completed"]["bytes"], archive.bytes().await.unwrap().len());
    for query in ["url_seconds=0", "url_seconds=604801", "url_seconds=soon", "url=60"] {
        problem(&serving.get(&ask(query)).await, StatusCode::BAD_REQUEST, "bad_request");
    }
    let (_, job) = serving.get(&ask("")).await;
    assert_eq!(job.get("url"), None);
    // What is there now is not this job's to give away.
    world.twin.put(OUT, "a.zip", Rope::from("someone else's"));
    problem(&serving.get(&ask("url_seconds=60")).await, StatusCode::NOT_FOUND, "not_found");
    serving.stop().await.unwrap();
}

#[tokio::test]
async fn a_node_is_told_to_drain() {
    let world = World::new().await;
    let serving = Serving::start(&world).await;
    let (_, mut node) = connect(serving.ready.nodes, hello("node-1", None)).await.unwrap();
    serving.nodes(1).await;
    let (status, view) = answer(serving.request(Method::POST, "/v1/nodes/node-1/drain")).await;
    assert_eq!((status, &view["name"]), (StatusCode::ACCEPTED, &json!("node-1")));
    loop {
        let Some(ToNode::Frame(frame)) = node.incoming.next().await else { panic!("it was not told") };
        if frame.items.iter().any(|order| **order == Order::Drain) {
            break;
        }
    }
    serving.stop().await.unwrap();
}

#[tokio::test]
async fn a_coordinator_that_stops_is_alive_but_not_ready() {
    let world = World::new().await;
    world.fill(3, 100);
    let mut serving = Serving::start(&world).await;
    serving.submitted("a.zip").await;
    serving.begin_to_stop();
    while serving.get("/readyz").await.0 == StatusCode::OK {
        pause().await;
    }
    problem(&serving.get("/readyz").await, StatusCode::SERVICE_UNAVAILABLE, "unavailable");
    assert_eq!(serving.get("/healthz").await.0, StatusCode::OK);
    problem(&serving.submit(&job("b.zip")).await, StatusCode::SERVICE_UNAVAILABLE, "unavailable");
    serving.stop().await.unwrap();
}
