//! Goal: a fleet runs from an image that holds the program and nothing else, as on ECS: whatever is trusted or secret
//! comes in the environment, and CloudWatch finds metrics in the log.
//! Method: a coordinator and a node without any file of theirs, and a job over the job API with a token.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::support::{Running, World, until};

const TLS: [&str; 6] = ["--tls-ca", "env:CA", "--tls-cert", "env:CERT", "--tls-key", "env:KEY"];

struct Case {
    world: World,
}

impl Case {
    fn new() -> Self {
        let world = World::new();
        world.twin.create_bucket("state");
        world.zipfleet(&["certs", "init", "--dir", "certs"]).succeeded();
        let issue = ["certs", "issue", "--dir", "certs", "--name"];
        let role = ["coordinator", "--role", "coordinator"];
        world.zipfleet(&[&issue[..], &role].concat()).succeeded();
        world.zipfleet(&[&issue[..], &["blue"]].concat()).succeeded();
        Self { world }
    }

    fn content(&self, file: &str) -> String {
        fs::read_to_string(self.world.file(file)).expect("it was just made")
    }

    /// A command that finds the certificate of this name in its environment.
    fn command(&self, args: &[&str], certificate: &str) -> Command {
        let mut command = self.world.command(args);
        command.args(TLS).env("CA", self.content("certs/ca.pem"));
        command.env("CERT", self.content(&format!("certs/{certificate}.pem")));
        command.env("KEY", self.content(&format!("certs/{certificate}.key")));
        command
    }

    fn coordinator(&self) -> Command {
        let flags = ["--state", "s3://state/handed/", "--listen", "127.0.0.1:0", "--api", "127.0.0.1:0"];
        let api = ["--api-cert", "env:CERT", "--api-key", "env:KEY", "--tokens", "env:TOKENS"];
        let emf = ["--emf", "Zipfleet/test"];
        let args = [&["--json", "coordinator"][..], &flags, &api, &emf].concat();
        self.command(&args, "coordinator")
    }
}

/// What was printed, a value for each line.
fn printed(running: &Running) -> Vec<Value> {
    let stdout = running.stdout();
    stdout.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

#[test]
fn everything_secret_comes_in_the_environment() {
    let case = Case::new();
    case.world.twin.put("src", "one.txt", "1".into());
    let flags = ["--read", "s3://src/", "--write", "s3://out/", "--operator"];
    let made = case.world.zipfleet(&[&["tokens", "new", "--name", "me"][..], &flags].concat());
    made.succeeded();
    let mut coordinator = case.coordinator();
    coordinator.env("TOKENS", case.content("tokens.toml"));
    let coordinator = case.world.start(coordinator);
    until("it is ready and has told its metrics", || printed(&coordinator).len() == 2);
    let said = printed(&coordinator);

    let door = said[0]["nodes"].as_str().expect("nodes dial it");
    let node = case.command(&["node", "--coordinator", door, "--name", "blue.1"], "blue");
    let _node = case.world.start(node);
    let cluster = |args: &[&str]| {
        let mut command = case.world.command(args);
        command.env("ZIPFLEET_CLUSTER", said[0]["api"].as_str().expect("callers too"));
        command.env("ZIPFLEET_TOKEN", made.stdout.trim()).env("CA", case.content("certs/ca.pem"));
        command.args(["--cluster-ca", "env:CA"]);
        case.world.start(command).wait()
    };

    cluster(&["submit", "--wait", "s3://src/", "s3://out/a.zip"]).succeeded();
    let nodes = cluster(&["nodes", "--json"]);
    let nodes: Value = serde_json::from_str(&nodes.stdout).expect("JSON");
    let name = nodes.to_string();
    assert!(name.contains("\"name\":\"blue.1\""), "{name}");

    let metrics = &said[1];
    let about = &metrics["_aws"]["CloudWatchMetrics"][0];
    assert_eq!(about["Namespace"], "Zipfleet/test");
    assert_eq!(about["Dimensions"], serde_json::json!([[]]));
    let names = about["Metrics"].as_array().expect("a list").iter();
    let names: Vec<&str> = names.filter_map(|metric| metric["Name"].as_str()).collect();
    assert!(names.contains(&"BytesLeft") && names.contains(&"Jobs"), "{names:?}");
    let days = metrics["CertificateDaysLeft"].as_u64().expect("it has a certificate");
    assert!((363..=365).contains(&days), "they are good for a year: {days}");
    for name in names.into_iter().filter(|name| *name != "CertificateDaysLeft") {
        assert_eq!(metrics[name], 0, "{name}: nothing has happened");
    }
}

#[test]
fn a_variable_that_is_missing_is_named() {
    let case = Case::new();
    let ended = case.world.start(case.coordinator()).wait();
    ended.failed(2, &["env:TOKENS", "no such environment variable"]);
    let mut node = case.command(&["node", "--coordinator", "coordinator:7400", "--name", "blue"], "blue");
    node.env_remove("KEY");
    case.world.start(node).wait().failed(2, &["env:KEY", "no such environment variable"]);
}
