//! A twin, a coordinator that runs on it, and shorthands.

use std::time::Duration;

use coordinator::machine::Settings;
use coordinator_server::{
    ApiOptions, Coordinator, Journal, Ready, ServeError, ServeOptions, Session, StateLocation, serve,
};
use node_agent::NodeConfig;
use proto::location::Location;
use proto_s3::{Keys, Options, S3};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use simulations_s3::{Rope, Server, Twin, TwinOptions};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Where the archives of all tests go.
pub(crate) const OUT: &str = "archives";
/// Where the sources of all tests are.
pub(crate) const SOURCES: &str = "sources";
/// Where the coordinators of all tests keep their state.
pub(crate) const STATE: &str = "state";

/// A twin on a socket, with a client of it.
pub(crate) struct World {
    pub(crate) twin: Twin,
    pub(crate) s3: S3,
    _server: Server,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(TwinOptions::default()).await
    }

    pub(crate) async fn with(options: TwinOptions) -> Self {
        let twin = Twin::new(options);
        for bucket in [OUT, SOURCES, STATE] {
            twin.create_bucket(bucket);
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
        let server = twin.serve(listener).expect("a bound listener has an address");
        let keys = Keys { access_key_id: "zipfleet".into(), secret_access_key: "zipfleet-secret".into() };
        let options = Options {
            endpoint_url: Some(server.endpoint()),
            region: Some("us-east-1".into()),
            keys: Some(keys),
            ..Options::default()
        };
        let s3 = S3::connect(&options).await.expect("the endpoint is a URL");
        Self { twin, s3, _server: server }
    }

    /// Puts so many objects of so many bytes each.
    pub(crate) fn fill(&self, objects: u64, bytes: u64) {
        for number in 0..objects {
            self.twin.put(SOURCES, &format!("in/{number:04}.bin"), Rope::synthetic(number, bytes));
        }
    }
}

/// A coordinator with a node of its own, which holds parts of no more than 5 MiB.
pub(crate) async fn with_a_node(s3: &S3, journal: Option<Journal>) -> Coordinator {
    let settings = Settings { warms: false, ..Settings::default() };
    let coordinator = Coordinator::start(s3.clone(), settings, journal).await.expect("it starts");
    let name = "node".to_owned();
    let config = NodeConfig {
        name,
        memory_bytes: 64 << 20,
        concurrency: 4,
        network_bytes_per_second: 1 << 30,
        keep_warm: 0,
    };
    let Session { orders, reports } = coordinator.connect(config.hello());
    // Another client, as on another machine: it counts its requests from 0.
    node_agent::start(config, s3.tallied(), orders, reports).await.expect("it starts");
    coordinator
}

pub(crate) fn state() -> StateLocation {
    StateLocation { bucket: STATE.into(), prefix: "here/".into() }
}

pub(crate) fn options() -> ServeOptions {
    ServeOptions {
        listen: "127.0.0.1:0".parse().expect("it is an address"),
        tls: None,
        allow_plaintext: false,
        api: api_options(),
        state: state(),
        nodes_max: 3,
        settings: Settings::default(),
        stop_within: Duration::from_secs(60),
        emf: None,
    }
}

/// A job API on loopback that asks nobody who they are.
pub(crate) fn api_options() -> ApiOptions {
    let listen = "127.0.0.1:0".parse().expect("it is an address");
    ApiOptions { listen, tls: None, tokens: None, callback_key: None }
}

/// A coordinator that is being served.
pub(crate) struct Serving {
    pub(crate) ready: Ready,
    client: reqwest::Client,
    stop: Option<oneshot::Sender<()>>,
    ended: JoinHandle<Result<(), ServeError>>,
}

impl Serving {
    pub(crate) async fn start(world: &World) -> Self {
        Self::start_with(world, options()).await
    }

    pub(crate) async fn start_with(world: &World, options: ServeOptions) -> Self {
        let (tell, told) = oneshot::channel();
        let (stop, stopped) = oneshot::channel();
        let s3 = world.s3.clone();
        let ended = tokio::spawn(async move {
            let ready = |ready| tell.send(ready).expect("the test waits");
            let stop = async { stopped.await.expect("the test tells when to stop") };
            serve(options, s3, ready, stop).await
        });
        Self {
            ready: told.await.expect("it becomes ready"),
            client: reqwest::Client::builder().tls_certs_only([]).build().expect("a client"),
            stop: Some(stop),
            ended,
        }
    }

    /// Tells it to stop.
    pub(crate) fn begin_to_stop(&mut self) {
        self.stop.take().expect("it is told once").send(()).expect("it is running");
    }

    /// Waits until it has stopped, as it was or is now told to.
    pub(crate) async fn stop(mut self) -> Result<(), ServeError> {
        if self.stop.is_some() {
            self.begin_to_stop();
        }
        self.ended.await.expect("it does not panic")
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("http://{}{path}", self.ready.api))
    }

    pub(crate) async fn get(&self, path: &str) -> (StatusCode, Value) {
        answer(self.request(Method::GET, path)).await
    }

    pub(crate) async fn submit(&self, job: &Value) -> (StatusCode, Value) {
        answer(self.request(Method::POST, "/v1/jobs").json(job)).await
    }

    /// Submits a job that makes sense, and gives its id.
    pub(crate) async fn submitted(&self, key: &str) -> String {
        let (status, body) = self.submit(&job(key)).await;
        assert_eq!(status, StatusCode::ACCEPTED, "{body}");
        body["id"].as_str().expect("there is an id").to_owned()
    }

    /// Waits until the job has ended, and gives its outcome.
    pub(crate) async fn outcome(&self, id: &str) -> Value {
        loop {
            let (status, mut view) = self.get(&format!("/v1/jobs/{id}")).await;
            assert_eq!(status, StatusCode::OK, "{view}");
            if !view["outcome"].is_null() {
                return view["outcome"].take();
            }
            pause().await;
        }
    }

    /// Waits until there are so many nodes, and gives their names.
    pub(crate) async fn nodes(&self, count: usize) -> Vec<String> {
        let nodes = self.nodes_when(|nodes| nodes.len() == count).await;
        nodes.iter().map(|node| node["name"].as_str().expect("it has a name").to_owned()).collect()
    }

    /// Waits until the nodes are so, and gives them.
    pub(crate) async fn nodes_when(&self, is_so: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        loop {
            let (_, nodes) = self.get("/v1/nodes").await;
            let Value::Array(nodes) = nodes else { panic!("{nodes} is no list") };
            if is_so(&nodes) {
                return nodes;
            }
            pause().await;
        }
    }
}

pub(crate) async fn answer(request: reqwest::RequestBuilder) -> (StatusCode, Value) {
    let answer = request.send().await.expect("it is answered");
    (answer.status(), answer.json().await.expect("the answer is JSON"))
}

/// Panics unless the answer is a problem with this code.
#[track_caller]
pub(crate) fn problem(answer: &(StatusCode, Value), status: StatusCode, code: &str) {
    let (found, body) = answer;
    assert_eq!(*found, status, "{body}");
    assert_eq!(body["status"], status.as_u16(), "{body}");
    assert_eq!(body["code"], code, "{body}");
    assert_eq!(body["type"], format!("urn:zipfleet:problem:{code}"), "{body}");
    assert!(body["title"].is_string() && body["kind"].is_string(), "{body}");
    let detail = body["detail"].as_str().expect("it is told in words");
    assert!(!detail.is_empty() && !detail.contains(char::is_control), "{body}");
}

/// A job that archives all sources.
pub(crate) fn job(key: &str) -> Value {
    json!({
        "sources": [format!("s3://{SOURCES}/in/")],
        "destination": format!("s3://{OUT}/{key}"),
        "part_bytes": 5 << 20,
    })
}

pub(crate) fn at(bucket: &str, key: &str) -> Location {
    Location { bucket: bucket.into(), key: key.into() }
}

/// Between two looks at something that is awaited.
pub(crate) async fn pause() {
    tokio::time::sleep(Duration::from_millis(20)).await;
}

/// Waits until it is so.
pub(crate) async fn until(is_so: impl Fn() -> bool) {
    while !is_so() {
        pause().await;
    }
}
