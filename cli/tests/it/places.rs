//! Goal: a node knows where it runs: on ECS and EC2 it is called as they call it, keeps to the memory it is allowed, and
//! leaves when its machine is about to be taken away.
//! Method: the endpoints of ECS and EC2, as far as they are asked, with answers as their documentation shows them.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};

use proto::explain::What;
use serde_json::Value;

use crate::cluster::Stranger;
use crate::fleet::support::{Fleet, PACE, decided};
use crate::support::{World, until};

/// The task that ECS says it is, as the ARN ends.
const TASK: &str = "158d1c8083dd49d6b527399fd6414f5c";
const INSTANCE: &str = "i-0abcdef1234567890";
/// The token without which EC2 says nothing.
const TOKEN: &str = "AQAEALj5xVnX==";

/// ECS and EC2 as a process on them sees them.
struct Platform {
    url: String,
    pages: Arc<Mutex<BTreeMap<String, String>>>,
}

impl Platform {
    fn new() -> Self {
        let pages = Arc::<Mutex<BTreeMap<_, _>>>::default();
        let served = Arc::clone(&pages);
        let server = Stranger::who_is_asked(move |asked| answer(asked, &served));
        let platform = Self { url: server.url, pages };
        platform.tells("/latest/meta-data/instance-id", INSTANCE);
        platform
    }

    fn tells(&self, path: &str, text: &str) {
        let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        pages.insert(path.to_owned(), text.to_owned());
    }

    /// A container of a task, with limits in MiB if they are not 0.
    fn tells_of_a_task(&self, container_mib: u64, task_mib: u64) {
        let limits = |mib: u64| {
            if mib > 0 { format!(r#""Limits":{{"CPU":2,"Memory":{mib}}},"#) } else { String::new() }
        };
        let arn = format!("arn:aws:ecs:us-west-2:111122223333:task/default/{TASK}");
        self.tells(
            "/v4/c",
            &format!(r#"{{"DockerId":"ea32192c8553",{}"Name":"node"}}"#, limits(container_mib)),
        );
        self.tells(
            "/v4/c/task",
            &format!(r#"{{"Cluster":"default","TaskARN":"{arn}",{}"Family":"f"}}"#, limits(task_mib)),
        );
    }

    fn on_ec2(&self, command: &mut Command) {
        command.env_remove("AWS_EC2_METADATA_DISABLED");
        command.env("AWS_EC2_METADATA_SERVICE_ENDPOINT", &self.url);
    }

    fn on_ecs(&self, command: &mut Command) {
        command.env("ECS_CONTAINER_METADATA_URI_V4", format!("{}/v4/c", self.url));
    }
}

/// What is answered to a request, whose head is in lower case.
fn answer(asked: &str, pages: &Mutex<BTreeMap<String, String>>) -> String {
    let has_token = asked.contains(&format!("x-aws-ec2-metadata-token: {}\r\n", TOKEN.to_lowercase()));
    let path = asked.split(' ').nth(1).unwrap_or_default();
    let page = pages.lock().unwrap_or_else(PoisonError::into_inner).get(path).cloned();
    let (status, body) = match (asked.starts_with("put /latest/api/token "), page) {
        (true, _) => ("200 OK", TOKEN.to_owned()),
        _ if path.starts_with("/latest/") && !has_token => ("401 Unauthorized", String::new()),
        (_, Some(page)) => ("200 OK", page),
        _ => ("404 Not Found", String::new()),
    };
    format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// Value and origin of a node's settings, where `prepare` has put it.
fn settings(
    world: &World,
    args: &[&str],
    prepare: impl Fn(&mut Command),
) -> BTreeMap<String, (String, String)> {
    let mut command = world.command(&[&["config", "node", "--json"], args].concat());
    prepare(&mut command);
    let ended = world.start(command).wait();
    ended.succeeded();
    let settings: Vec<Value> = serde_json::from_str(&ended.stdout).expect("a list in JSON");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    settings.iter().map(|it| (text(&it["setting"]), (text(&it["value"]), text(&it["from"])))).collect()
}

fn here(value: &str) -> (String, String) {
    (value.to_owned(), "this machine".to_owned())
}

#[test]
fn on_ecs_a_node_is_called_like_its_task_and_keeps_to_its_memory() {
    let (world, platform) = (World::new(), Platform::new());
    let look = |args: &[&str]| settings(&world, args, |command| platform.on_ecs(command));
    platform.tells_of_a_task(1_024, 4_096);
    let found = look(&[]);
    assert_eq!((&found["name"], &found["memory"]), (&here(TASK), &here("768MiB")));
    // Only the task has a limit: then its container is held to that.
    platform.tells_of_a_task(0, 4_096);
    assert_eq!(look(&[])["memory"], here("3072MiB"));
    let found = look(&["--name", "blue", "--memory", "1GiB"]);
    assert_eq!((found["name"].0.as_str(), found["memory"].0.as_str()), ("blue", "1GiB"));
    platform.tells("/v4/c/task", "no JSON");
    let found = look(&[]);
    assert_eq!((found["name"].1.as_str(), found["memory"].0.as_str()), ("default", "256MiB"));
    // Too little is not made do with.
    platform.tells_of_a_task(96, 0);
    let mut command = world.command(&["node", "--coordinator", "localhost:7400", "--check-config"]);
    platform.on_ecs(&mut command);
    world.start(command).wait().failed(2, &["32 requests in flight need --memory", "--concurrency"]);
}

#[test]
fn on_ec2_a_node_is_called_like_its_instance() {
    let (world, platform) = (World::new(), Platform::new());
    let look = |args: &[&str]| settings(&world, args, |command| platform.on_ec2(command));
    assert_eq!(look(&[])["name"], here(INSTANCE));
    // Nobody answers: it is not on EC2, or may not ask.
    let nobody = settings(&world, &[], |command| {
        command.env_remove("AWS_EC2_METADATA_DISABLED");
        command.env("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:9");
    });
    assert_eq!(nobody["name"].1, "default");
    // On a network of its own, a task on an instance is a task.
    platform.tells_of_a_task(0, 0);
    let both = settings(&world, &[], |command| {
        platform.on_ec2(command);
        platform.on_ecs(command);
    });
    assert_eq!(both["name"], here(TASK));
}

#[test]
fn a_node_is_called_what_its_certificate_allows() {
    let (world, platform) = (World::new(), Platform::new());
    world.zipfleet(&["certs", "init", "--dir", "certs"]).succeeded();
    for name in ["blue", INSTANCE] {
        world.zipfleet(&["certs", "issue", "--dir", "certs", "--name", name]).succeeded();
    }
    let name = |certificate: &str| {
        let file = format!("certs/{certificate}.pem");
        settings(&world, &["--tls-cert", &file], |command| platform.on_ec2(command))["name"].clone()
    };
    assert_eq!(name("blue"), here(&format!("blue.{INSTANCE}")));
    assert_eq!(name(INSTANCE), here(INSTANCE));
    assert_eq!(name("missing"), here(INSTANCE), "that is told of when the file is needed");
}

#[test]
fn a_spot_instance_works_on_until_it_is_taken_away() {
    let platform = Platform::new();
    let mut fleet = Fleet::of(1);
    let mut command = fleet.node("n2", fleet.door);
    platform.on_ec2(&mut command);
    fleet.start("n2", command);
    fleet.are_active(&["n2"]);
    fleet.sources("job", 60);
    fleet.throttle(&["n1", "n2"], PACE);
    let job = fleet.submit("job");
    fleet.has_done(job, 1);

    platform.tells(
        "/latest/meta-data/events/recommendations/rebalance",
        r#"{"noticeTime": "2026-03-01T08:15:00Z"}"#,
    );
    until("it is told of", || fleet.process("n2").stderr().contains("2026-03-01T08:15:00Z"));
    assert!(fleet.is_active("n2"), "it goes on");

    let notice = r#"{"action": "terminate", "time": "2026-03-01T08:22:00Z"}"#;
    platform.tells("/latest/meta-data/spot/instance-action", notice);
    let n2 = fleet.nodes.remove("n2").expect("it was started");
    let ended = n2.wait();
    ended.succeeded();
    assert!(ended.stderr.contains("2026-03-01T08:22:00Z"), "{ended:#?}");
    assert!(fleet.job(job).outcome.is_none(), "it left during the job");
    fleet.unthrottle(&["n1"]);
    fleet.completed(job);
    let explanation = fleet.explain(job);
    assert!(
        !decided(&explanation, |what| matches!(what, What::Lost { .. } | What::Failed { .. })),
        "{explanation:#?}"
    );
    fleet.is_well(&["job"]);
}
