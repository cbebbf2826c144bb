//! Watching a job.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::node::{connect, granted, hello};
use crate::world::{Serving, World, answer, problem};

/// Events as they come.
struct Watching {
    response: reqwest::Response,
    read: String,
}

/// One of them.
#[derive(Debug)]
struct Told {
    id: String,
    name: String,
    data: Value,
}

impl Watching {
    async fn begin(serving: &Serving, id: &str, last: Option<&str>) -> Self {
        let mut request = serving.request(Method::GET, &format!("/v1/jobs/{id}/events"));
        if let Some(last) = last {
            request = request.header("Last-Event-ID", last);
        }
        let response = request.send().await.expect("it is answered");
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { response, read: String::new() }
    }

    async fn next(&mut self) -> Option<Told> {
        loop {
            if let Some(end) = self.read.find("\n\n") {
                let event: String = self.read.drain(..end + 2).collect();
                let field = |name: &str| {
                    let lines = event.lines().filter_map(|line| line.split_once(": "));
                    lines.filter(|(field, _)| *field == name).map(|(_, value)| value.to_owned()).next()
                };
                let Some(name) = field("event") else { continue };
                let data = serde_json::from_str(&field("data").expect("there is data")).expect("it is JSON");
                return Some(Told { id: field("id").expect("there is an id"), name, data });
            }
            let bytes = self.response.chunk().await.expect("it goes on")?;
            self.read.push_str(std::str::from_utf8(&bytes).expect("it is text"));
        }
    }

    async fn next_named(&mut self, name: &str) -> Told {
        loop {
            let told = self.next().await.expect("it goes on");
            if told.name == name {
                return told;
            }
        }
    }
}

#[tokio::test]
async fn a_watched_job_tells_how_far_it_is_and_how_it_ended() {
    let world = World::new().await;
    world.fill(3, 100);
    let serving = Serving::start(&world).await;
    let id = serving.submitted("a.zip").await;
    let mut watching = Watching::begin(&serving, &id, None).await;
    let mut progress = watching.next().await.unwrap();
    assert_eq!((&*progress.name, &*progress.id), ("progress", "0"));
    while progress.data["stage"] != "transferring" {
        progress = watching.next_named("progress").await;
    }
    assert_eq!(progress.data["entries"], 3);
    answer(serving.request(Method::DELETE, &format!("/v1/jobs/{id}"))).await;
    let ended = watching.next_named("ended").await;
    assert_eq!((&ended.data["id"], &ended.data["state"]), (&json!(id), &json!("cancelled")));
    assert!(watching.next().await.is_none(), "nothing follows the end");

    // Whoever comes late learns the end at once.
    let mut late = Watching::begin(&serving, &id, None).await;
    assert_eq!(late.next_named("ended").await.data, ended.data);
    serving.stop().await.unwrap();
}

#[tokio::test]
async fn no_problem_is_told_twice_or_lost_when_the_connection_was() {
    let world = World::new().await;
    world.fill(3, 100);
    let serving = Serving::start(&world).await;
    let id = serving.submitted("a.zip").await;
    let (_, mut node) = connect(serving.ready.nodes, hello("node", None)).await.unwrap();
    granted(&mut node).await;
    drop(node);
    let mut watching = Watching::begin(&serving, &id, None).await;
    let first = watching.next_named("problem").await;
    assert_eq!((&*first.id, first.data["what"].as_object().map(|what| what.len())), ("1", Some(1)));
    drop(watching);

    // Who comes back with its id is not told again, but what happened since.
    let (_, node) = connect(serving.ready.nodes, hello("other", None)).await.unwrap();
    serving.nodes_when(|nodes| nodes.iter().any(|node| node["name"] == "other")).await;
    drop(node);
    let mut again = Watching::begin(&serving, &id, Some(&first.id)).await;
    let second = again.next_named("problem").await;
    assert_eq!(second.id, "2");
    assert_ne!(second.data, first.data);
    let mut whole = Watching::begin(&serving, &id, None).await;
    assert_eq!(whole.next_named("problem").await.data, first.data);
    assert_eq!(whole.next_named("problem").await.data, second.data);
    let bad = serving.request(Method::GET, &format!("/v1/jobs/{id}/events")).header("Last-Event-ID", "x");
    problem(&answer(bad).await, StatusCode::BAD_REQUEST, "bad_request");
    serving.stop().await.unwrap();
}
