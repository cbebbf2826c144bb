//! Who may do what, and how the others are refused.

use std::path::{Path, PathBuf};

use coordinator_server::{NewToken, Tokens};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::world::{Serving, World, answer, job, options, pause, problem};

/// A directory that goes with the test.
struct Dir(PathBuf);

impl Dir {
    fn new() -> Self {
        let dir = std::env::temp_dir().join(format!("tokens-{}", proto::job::JobId(rand::random())));
        std::fs::create_dir(&dir).expect("a directory can be made");
        Self(dir)
    }

    fn file(&self) -> PathBuf {
        self.0.join("tokens.toml")
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).expect("it can be removed");
    }
}

fn issue(file: &Path, name: &str, is_operator: bool) -> String {
    let (read, write) = (vec!["s3://sources/in/".into()], vec!["s3://archives".into()]);
    NewToken { name: name.into(), read, write, is_operator }.issue(file).expect("it is made")
}

/// Adds lines to the last entry.
fn add(file: &Path, lines: &str) {
    let text = std::fs::read_to_string(file).expect("the file of tokens is there");
    std::fs::write(file, format!("{text}{lines}\n")).expect("the file of tokens is there");
}

async fn serving(world: &World, file: &Path) -> Serving {
    let mut options = options();
    options.api.tokens = Some(Tokens::load(file).expect("they make sense"));
    Serving::start_with(world, options).await
}

async fn ask(
    serving: &Serving,
    secret: &str,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> (StatusCode, Value) {
    let mut request = serving.request(method, path).bearer_auth(secret);
    if let Some(body) = body {
        request = request.json(body);
    }
    answer(request).await
}

#[tokio::test]
async fn without_a_known_token_only_health_is_told() {
    let (world, dir) = (World::new().await, Dir::new());
    issue(&dir.file(), "web", false);
    let serving = serving(&world, &dir.file()).await;
    for path in ["/healthz", "/readyz"] {
        assert_eq!(serving.get(path).await.0, StatusCode::OK);
    }
    let long = "x".repeat(4_000);
    for secret in [None, Some(""), Some("zf_00"), Some(&*long)] {
        for (method, path) in [
            (Method::GET, "/v1/jobs"),
            (Method::POST, "/v1/jobs"),
            (Method::GET, "/v1/jobs/0123456789abcdef/events"),
            (Method::GET, "/v1/nodes"),
            (Method::POST, "/v1/nodes/n/drain"),
        ] {
            let mut request = serving.request(method, path);
            if let Some(secret) = secret {
                request = request.bearer_auth(secret);
            }
            let response = request.send().await.unwrap();
            assert!(response.headers().contains_key("www-authenticate"));
            let answer = (response.status(), response.json().await.unwrap());
            problem(&answer, StatusCode::UNAUTHORIZED, "unauthorized");
        }
    }
    serving.stop().await.unwrap();
}

#[tokio::test]
async fn what_lies_beyond_a_tokens_prefixes_is_refused_with_what_does_not() {
    let (world, dir) = (World::new().await, Dir::new());
    let secret = issue(&dir.file(), "web", false);
    let serving = serving(&world, &dir.file()).await;
    let with = |field: &str, value: Value| {
        let mut job = job("a.zip");
        job[field] = value;
        job
    };
    for (bad, wanted) in [
        (with("sources", json!(["s3://sources/"])), "s3://sources/"),
        (with("sources", json!(["s3://sources/in/", "s3://other/in/"])), "s3://other/in/"),
        (with("sources", json!([{ "bucket": "sources", "prefix": "in" }])), "s3://sources/in"),
        (with("sources", json!([{ "manifest": "s3://sources/list" }])), "s3://sources/list"),
        (with("destination", json!("s3://archives-private/a.zip")), "s3://archives-private/a.zip"),
        (with("callback", json!("https://hooks.example.com/")), "https://hooks.example.com/"),
    ] {
        let answer = ask(&serving, &secret, Method::POST, "/v1/jobs", Some(&bad)).await;
        problem(&answer, StatusCode::FORBIDDEN, "forbidden");
        let detail = answer.1["detail"].as_str().unwrap();
        assert!(detail.contains("`web`") && detail.contains(wanted), "{detail}");
    }
    let (status, body) = ask(&serving, &secret, Method::POST, "/v1/jobs", Some(&job("a.zip"))).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{body}");
    serving.stop().await.unwrap();
}

#[tokio::test]
async fn jobs_are_their_owners_and_the_operators() {
    let (world, dir) = (World::new().await, Dir::new());
    world.fill(3, 100);
    let [web, other, operator] = [("web", false), ("other", false), ("ops", true)]
        .map(|(name, is_operator)| issue(&dir.file(), name, is_operator));
    let serving = serving(&world, &dir.file()).await;
    let (_, made) = ask(&serving, &web, Method::POST, "/v1/jobs", Some(&job("a.zip"))).await;
    let path = format!("/v1/jobs/{}", made["id"].as_str().unwrap());
    for (method, below) in [
        (Method::GET, ""),
        (Method::DELETE, ""),
        (Method::GET, "/report"),
        (Method::GET, "/timeline"),
        (Method::GET, "/events"),
    ] {
        let answer = ask(&serving, &other, method, &format!("{path}{below}"), None).await;
        problem(&answer, StatusCode::NOT_FOUND, "not_found");
    }
    assert_eq!(ask(&serving, &other, Method::GET, "/v1/jobs", None).await.1, json!({ "jobs": [] }));
    for secret in [&web, &operator] {
        let (_, page) = ask(&serving, secret, Method::GET, "/v1/jobs?owner=web", None).await;
        assert_eq!(page["jobs"][0]["owner"], "web");
    }
    let after = format!("/v1/jobs?after={}", made["id"].as_str().unwrap());
    problem(&ask(&serving, &other, Method::GET, &after, None).await, StatusCode::NOT_FOUND, "not_found");
    assert_eq!(ask(&serving, &web, Method::GET, &after, None).await, (StatusCode::OK, json!({ "jobs": [] })));
    let drain = ask(&serving, &web, Method::POST, "/v1/nodes/n/drain", None).await;
    problem(&drain, StatusCode::FORBIDDEN, "forbidden");
    let drain = ask(&serving, &operator, Method::POST, "/v1/nodes/n/drain", None).await;
    problem(&drain, StatusCode::NOT_FOUND, "not_found");
    let (status, view) = ask(&serving, &operator, Method::DELETE, &path, None).await;
    assert_eq!((status, &view["state"]), (StatusCode::OK, &json!("cancelled")));
    serving.stop().await.unwrap();
}

#[tokio::test]
async fn too_much_is_refused_until_later() {
    let (world, dir) = (World::new().await, Dir::new());
    world.fill(3, 100);
    let few = issue(&dir.file(), "few", false);
    add(&dir.file(), "jobs = 1");
    let slow = issue(&dir.file(), "slow", false);
    add(&dir.file(), "submissions_per_minute = 1");
    let serving = serving(&world, &dir.file()).await;
    assert_eq!(
        ask(&serving, &few, Method::POST, "/v1/jobs", Some(&job("a.zip"))).await.0,
        StatusCode::ACCEPTED
    );
    let second = ask(&serving, &few, Method::POST, "/v1/jobs", Some(&job("b.zip"))).await;
    problem(&second, StatusCode::TOO_MANY_REQUESTS, "too_many_jobs");
    // Even one that was refused counts.
    problem(
        &ask(&serving, &slow, Method::POST, "/v1/jobs", Some(&json!({}))).await,
        StatusCode::BAD_REQUEST,
        "bad_job",
    );
    let request = serving.request(Method::POST, "/v1/jobs").bearer_auth(&slow).json(&job("c.zip"));
    let response = request.send().await.unwrap();
    let wait: u64 = response.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    problem(
        &(response.status(), response.json().await.unwrap()),
        StatusCode::TOO_MANY_REQUESTS,
        "rate_limited",
    );
    serving.stop().await.unwrap();
}

#[tokio::test]
async fn a_changed_file_counts_and_a_bad_one_does_not() {
    let (world, dir) = (World::new().await, Dir::new());
    let first = issue(&dir.file(), "first", false);
    let serving = serving(&world, &dir.file()).await;
    let second = issue(&dir.file(), "second", false);
    let status = async |secret: &str| ask(&serving, secret, Method::GET, "/v1/jobs", None).await.0;
    while status(&second).await != StatusCode::OK {
        pause().await;
    }
    let good = std::fs::read_to_string(dir.file()).unwrap();
    std::fs::write(dir.file(), "[[token]]\nname = 7\n").unwrap();
    assert!(Tokens::load(&dir.file()).is_err());
    assert_eq!(status(&first).await, StatusCode::OK);
    // The first is taken out.
    let start = good.rfind("[[token]]").unwrap();
    std::fs::write(dir.file(), &good[start..]).unwrap();
    while status(&first).await != StatusCode::UNAUTHORIZED {
        pause().await;
    }
    assert_eq!(status(&second).await, StatusCode::OK);
    serving.stop().await.unwrap();
}

#[tokio::test]
async fn whoever_watches_is_shown_nothing_more_when_their_token_changes() {
    let (world, dir) = (World::new().await, Dir::new());
    world.fill(3, 100);
    let [web, ops] = [("web", false), ("ops", true)].map(|(name, is)| issue(&dir.file(), name, is));
    let serving = serving(&world, &dir.file()).await;
    let (_, made) = ask(&serving, &web, Method::POST, "/v1/jobs", Some(&job("a.zip"))).await;
    let path = format!("/v1/jobs/{}/events", made["id"].as_str().unwrap());
    let watch = async |secret: &str| {
        let mut watching = serving.request(Method::GET, &path).bearer_auth(secret).send().await.unwrap();
        assert_eq!(watching.status(), StatusCode::OK);
        watching.chunk().await.unwrap().expect("it tells how far the job is");
        watching
    };
    let (watched, mut by_ops) = (watch(&web).await, watch(&ops).await);
    let good = std::fs::read_to_string(dir.file()).unwrap();
    // An operator that is none any more does not see what is another's.
    std::fs::write(dir.file(), good.replace("operator = true", "operator = false")).unwrap();
    while by_ops.chunk().await.unwrap().is_some() {}
    // The first is taken out.
    std::fs::write(dir.file(), &good[good.rfind("[[token]]").unwrap()..]).unwrap();
    let mut by_web = watched;
    while by_web.chunk().await.unwrap().is_some() {}
    let (_, view) = ask(&serving, &ops, Method::GET, path.trim_end_matches("/events"), None).await;
    assert_eq!(view["outcome"], Value::Null, "it goes on");
    serving.stop().await.unwrap();
}

/// Half the requests that bring lines at a time are one token's at most.
#[tokio::test]
async fn one_token_does_not_keep_others_from_bringing_lines() {
    let (world, dir) = (World::new().await, Dir::new());
    let [web, other] = ["web", "other"].map(|name| issue(&dir.file(), name, false));
    let serving = serving(&world, &dir.file()).await;
    let first = format!("{}\n", json!({ "destination": "s3://archives/a.zip" }));
    let mut coming = Vec::new();
    for _ in 0..5 {
        let mut socket = TcpStream::connect(serving.ready.api).await.unwrap();
        let head = format!(
            "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {web}\r\n\
             Content-Type: application/x-ndjson\r\nContent-Length: 1000\r\n\r\n{first}"
        );
        socket.write_all(head.as_bytes()).await.unwrap();
        coming.push(socket);
    }
    let mut told = [0; 4_096];
    let length = loop {
        let lengths = coming.iter().filter_map(|socket: &TcpStream| socket.try_read(&mut told).ok());
        if let Some(length) = lengths.max() {
            break length;
        }
        pause().await;
    };
    let told = String::from_utf8_lossy(&told[..length]);
    assert!(told.starts_with("HTTP/1.1 503 ") && told.contains("this token has all 4 turns"), "{told}");
    let lines = format!("{first}{}\n", json!({ "bucket": "sources", "key": "in/a" }));
    let request = serving.request(Method::POST, "/v1/jobs").bearer_auth(&other);
    let (status, body) = answer(request.header("content-type", "application/x-ndjson").body(lines)).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{body}");
    drop(coming);
    serving.stop().await.unwrap();
}

#[test]
fn entries_that_make_no_sense_are_refused() {
    let dir = Dir::new();
    let secret = issue(&dir.file(), "web", false);
    let good = std::fs::read_to_string(dir.file()).unwrap();
    assert!(!good.contains(&secret));
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(std::fs::metadata(dir.file()).unwrap().permissions().mode() & 0o777, 0o600);
    for (from, to, word) in [
        ("name = \"web\"", "name = \"w\\u001bb\"", "name"),
        ("s3://sources/in/", "sources/in/", "sources/in/"),
        ("s3://sources/in/", "s3:///in/", "s3:///in/"),
        ("sha256 = \"", "sha256 = \"0", "sha256"),
        ("operator = false", "operater = false", "operater"),
        ("operator = false", "callbacks = [\"https://hooks.example.com\"]\ncallback_key = \"k\"", "slash"),
        ("operator = false", "callbacks = [\"https://hooks.example.com/\"]", "callback_key"),
        ("operator = false", "submissions_per_minute = 0", "submissions_per_minute"),
    ] {
        assert!(good.contains(from), "{good}");
        std::fs::write(dir.file(), good.replace(from, to)).unwrap();
        let why = Tokens::load(&dir.file()).expect_err("it makes no sense").to_string();
        assert!(why.contains(word) && !why.contains(char::is_control), "{why}");
    }
    std::fs::write(dir.file(), format!("{good}{good}")).unwrap();
    assert!(Tokens::load(&dir.file()).is_err());
    std::fs::write(dir.file(), &good).unwrap();
    let again = NewToken { name: "web".into(), read: vec![], write: vec![], is_operator: false };
    assert!(again.issue(&dir.file()).is_err());
    assert_eq!(std::fs::read_to_string(dir.file()).unwrap(), good);
}

/// A token that may read nothing must not be taken for one that may read anything.
#[tokio::test]
async fn lines_name_only_what_their_token_may_read() {
    let (world, dir) = (World::new().await, Dir::new());
    let reader = issue(&dir.file(), "web", false);
    let writer = NewToken {
        name: "drop".into(),
        read: Vec::new(),
        write: vec!["s3://archives".into()],
        is_operator: false,
    };
    let writer = writer.issue(&dir.file()).expect("it is made");
    let serving = serving(&world, &dir.file()).await;
    for (secret, key) in [(&reader, "private/a"), (&writer, "in/a"), (&writer, "private/a")] {
        let lines = format!(
            "{}\n{}\n",
            json!({ "destination": "s3://archives/a.zip" }),
            json!({ "bucket": "sources", "key": key })
        );
        let request = serving.request(Method::POST, "/v1/jobs").bearer_auth(secret);
        let request = request.header("content-type", "application/x-ndjson").body(lines);
        problem(&answer(request).await, StatusCode::FORBIDDEN, "forbidden");
    }
    serving.stop().await.unwrap();
}
