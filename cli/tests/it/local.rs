//! Goal: the cluster of `deploy/local/cluster.sh` does what a real one does, nodes that die or leave are replaced, and
//! when it is stopped nothing is left; and `deploy/smoke/run.sh` finds that a cluster works, or removes what it began.
//! Method: the scripts as they are, with this build, on free ports; S3 is the test's own where it is to be looked into,
//! and of AWS there is a stand-in that answers as the AWS CLI does.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use simulations_s3::{Client, Rope};

use crate::support::{Ended, Running, World, until};

/// What all content is throttled to, in bytes a second, until what is to happen during a job has happened: each byte
/// counts twice, so [`OBJECTS`] objects would take a minute.
const PACE: u64 = 5_000_000;
/// Objects of 2 MB.
const OBJECTS: u64 = 75;

fn deploy(script: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy").join(script)
}

/// A script with this build and free ports.
fn script(world: &World, script: &str, args: &[&str]) -> Command {
    let program = env!("CARGO_BIN_EXE_zipfleet");
    let mut command = Command::new(deploy(script));
    let own = world.command(&[]);
    let environment = own.get_envs().filter_map(|(name, value)| Some((name, value?)));
    command.args(args).env_clear().envs(environment).current_dir(world.file("."));
    command.env("ZIPFLEET", program).env("FREE_PORTS", "1").env("TMPDIR", world.file("."));
    command
}

/// A cluster that a script runs; told to stop when dropped, because what it has started outlives it otherwise.
struct Local {
    world: World,
    script: Option<Running>,
    /// What the script says to export.
    environment: BTreeMap<String, String>,
    dir: PathBuf,
}

impl Local {
    fn new() -> Self {
        let world = World::new();
        ["data", "photos", "state"].iter().for_each(|bucket| world.twin.create_bucket(bucket));
        let running = world.start(script(&world, "local/cluster.sh", &[]));
        let mut local =
            Self { world, script: Some(running), environment: BTreeMap::new(), dir: PathBuf::new() };
        until("it is up", || local.said().contains("Logs, and") || local.script().has_ended());
        let said = local.said();
        let lines = said.lines().filter_map(|line| line.trim().strip_prefix("export "));
        let pairs = lines.flat_map(|line| line.split(' ')).filter_map(|pair| pair.split_once('='));
        local.environment = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let dir = said.trim().rsplit(' ').next().expect("it says where").trim_end_matches('.');
        local.dir = PathBuf::from(dir);
        local
    }

    fn script(&mut self) -> &mut Running {
        self.script.as_mut().expect("it is there until it is stopped")
    }

    fn said(&self) -> String {
        let script = self.script.as_ref().expect("it is there until it is stopped");
        format!("{}{}", script.stderr(), script.stdout())
    }

    fn zipfleet(&self, args: &[&str]) -> Ended {
        let mut command = self.world.command(args);
        command.envs(&self.environment);
        self.world.start(command).wait()
    }

    fn json(&self, args: &[&str]) -> Value {
        let ended = self.zipfleet(&[&["--json"], args].concat());
        ended.succeeded();
        serde_json::from_str(&ended.stdout).expect("JSON")
    }

    /// Submits a job that does not end before [`Local::unthrottle`]; gives its id once all nodes are at work.
    fn begin(&self, archive: &str) -> String {
        self.world.twin.throttle(Client::Key("zipfleet".to_owned()), PACE);
        let job = self.json(&["submit", "--part-size", "5MiB", "s3://photos/p/", archive]);
        until("all nodes are at work", || {
            let nodes = self.json(&["nodes"]);
            nodes.as_array().expect("a list").iter().all(|node| node["attempts"].as_u64() > Some(0))
        });
        job["id"].as_str().expect("a text").to_owned()
    }

    fn unthrottle(&self) {
        self.world.twin.unthrottle(&Client::Key("zipfleet".to_owned()));
    }

    /// The id of a process that is there.
    fn pid(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.dir.join(format!("{name}.pid"))).ok().map(|pid| pid.trim().to_owned())
    }

    fn signal(&self, name: &str, signal: &str) -> String {
        let pid = self.pid(name).expect("it is there");
        assert!(Command::new("kill").args(["-s", signal, &pid]).status().expect("kill is there").success());
        pid
    }

    fn active(&self) -> Vec<String> {
        let nodes = self.json(&["nodes"]);
        let active = nodes.as_array().expect("a list").iter().filter(|node| node["state"] == "active");
        active.map(|node| node["name"].as_str().expect("a text").to_owned()).collect()
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        if let Some(script) = self.script.take() {
            script.signal("TERM");
            script.wait();
        }
    }
}

fn is_there(pid: &str) -> bool {
    Path::new("/proc").join(pid).exists()
}

#[test]
fn nodes_are_replaced_during_a_job_and_nothing_is_left_of_the_cluster() {
    let mut local = Local::new();
    for number in 0..OBJECTS {
        local.world.twin.put("photos", &format!("p/{number:03}"), Rope::synthetic(number, 2_000_000));
    }
    let job = local.begin("s3://out/p.zip");
    let killed = local.signal("node-1", "KILL");
    let left = local.signal("node-2", "TERM");
    assert!(local.json(&["status", &job])["outcome"].is_null(), "all that happened during the job");
    local.unthrottle();
    until("the one that died was started again", || local.pid("node-1").is_some_and(|pid| pid != killed));
    until("the one that was told to leave has left", || !is_there(&left));
    until("the others go on", || local.active() == ["node.1", "node.3"]);
    local.zipfleet(&["watch", &job]).succeeded();
    local.world.archive_is_right("out", "p.zip", &local.world.entries("photos", "p/"));
    local.zipfleet(&["verify", "s3://out/p.zip", "--against", "s3://photos/p/"]).succeeded();
    assert_eq!(local.pid("node-2"), None, "whoever leaves in order is not started again");

    // What is stopped in the middle of a job leaves nothing either.
    local.begin("s3://out/q.zip");
    let pids: Vec<String> =
        ["coordinator", "node-1", "node-3"].iter().filter_map(|name| local.pid(name)).collect();
    assert_eq!(pids.len(), 3);
    let door = local.environment["ZIPFLEET_CLUSTER"].trim_start_matches("https://").to_owned();
    let script = local.script.take().expect("it runs");
    script.signal("INT");
    local.unthrottle();
    assert_eq!(script.wait().code, 130);
    assert!(!pids.iter().any(|pid| is_there(pid)), "processes are left of {pids:?}");
    assert!(TcpStream::connect(&door).is_err(), "somebody listens at {door}");
    assert!(!local.dir.exists(), "{} is left", local.dir.display());
    local.world.nothing_left("out", "q.zip");
}

#[test]
fn a_command_is_given_a_cluster_and_ends_it() {
    let world = World::new();
    let mut command =
        script(&world, "local/cluster.sh", &["bash", "-c", "\"$ZIPFLEET\" --json nodes; exit 7"]);
    command.env_remove("AWS_ENDPOINT_URL_S3").env("NODES", "1");
    let ended = world.start(command).wait();
    assert_eq!(ended.code, 7, "{ended:#?}");
    assert!(ended.stdout.contains("\"node.1\"") && !ended.stdout.contains("\"node.2\""), "{ended:#?}");
    // The S3 was the cluster's own.
    assert!(world.twin.requests().is_empty());
}

#[test]
fn the_smoke_test_finds_that_the_local_cluster_works() {
    let world = World::new();
    let mut command = script(&world, "smoke/run.sh", &["--local"]);
    command.env_remove("AWS_ENDPOINT_URL_S3");
    let ended = world.start(command).wait();
    ended.succeeded();
    assert_eq!(ended.stdout.matches("right in every byte").count(), 2, "{ended:#?}");
    let wrong = world.start(script(&world, "smoke/run.sh", &["latest"])).wait();
    wrong.failed(2, &[]);
    assert!(wrong.stdout.contains("--local"), "{wrong:#?}");
}

/// Answers like the AWS CLI, as far as the smoke test asks, and writes down what it is asked. The task that a stack
/// runs is a process here.
const AWS: &str = r#"#!/usr/bin/env bash
set -eu
echo "$*" >>"$HOME/asked"
case "$1 $2" in
  "sts get-caller-identity") echo 111122223333 ;;
  "secretsmanager create-secret")
    python3 -c 'import json, sys; json.load(open(sys.argv[1]))' "${6#file://}"
    echo "arn:aws:secretsmanager:eu-west-1:111122223333:secret:$4" ;;
  "cloudformation deploy") [ -z "${FAIL_DEPLOY:-}" ] ;;
  "cloudformation describe-stacks")
    case "$*" in
      *"'State'"*) echo s3://state-of-the-stack/ ;;
      *"'ClusterName'"*) echo cluster ;;
      *"'RunJob'"*) echo "aws ecs run-task --cluster cluster --overrides '{\"command\":[\"submit\",\"--wait\",\"s3://SOURCE/PREFIX/\",\"s3://DESTINATION/ARCHIVE.zip\"]}'" ;;
    esac ;;
  "ecs run-task")
    read -r source destination <<<"$(sed 's/.*"--wait","\([^"]*\)","\([^"]*\)".*/\1 \2/' <<<"$6")"
    "$ZIPFLEET" -q zip "s3://src/in/" "s3://out/docs.zip"
    echo "arn:task $source $destination" >>"$HOME/ran"
    echo arn:task ;;
  "ecs describe-tasks") echo 0 ;;
  "s3api list-multipart-uploads") echo 0 ;;
esac
"#;

/// What the smoke test asks of AWS, a line for each request, and how it ends.
fn smoke_on_aws(prepare: impl Fn(&mut Command)) -> (World, Ended, Vec<String>) {
    let world = World::new();
    world.twin.put("src", "in/one", "1".into());
    fs::create_dir(world.file("bin")).expect("there is room");
    let aws = world.file("bin/aws");
    fs::write(&aws, AWS).expect("there is room");
    fs::set_permissions(&aws, fs::Permissions::from_mode(0o755)).expect("it is ours");
    // Buckets have other names there.
    let program = format!(
        "#!/usr/bin/env bash\n[ \"$1\" != verify ] || set -- verify s3://out/docs.zip --against s3://src/in/\nexec {} \"$@\"\n",
        env!("CARGO_BIN_EXE_zipfleet")
    );
    fs::write(world.file("bin/zipfleet"), program).expect("there is room");
    fs::set_permissions(world.file("bin/zipfleet"), fs::Permissions::from_mode(0o755)).expect("it is ours");
    let path = format!("{}:{}", world.file("bin").display(), std::env::var("PATH").expect("there is one"));
    let mut command = script(&world, "smoke/run.sh", &[":1.0"]);
    command.env("PATH", path).env("ZIPFLEET", world.file("bin/zipfleet"));
    prepare(&mut command);
    let ended = world.start(command).wait();
    let asked = fs::read_to_string(world.file("asked")).expect("something was asked");
    (world, ended, asked.lines().map(ToOwned::to_owned).collect())
}

/// Panics unless all that the smoke test makes on AWS is removed after it was made.
fn all_is_removed(asked: &[String]) {
    let at = |words: &str| asked.iter().position(|line| line.starts_with(words));
    for (made, removed) in [
        ("s3 mb", "s3 rb --force s3://zipfleet-smoke-"),
        ("cloudformation deploy", "cloudformation delete-stack"),
        ("cloudformation delete-stack", "cloudformation wait stack-delete-complete"),
        // Until then the coordinator writes there.
        ("cloudformation wait stack-delete-complete", "s3 rb --force s3://state-of-the-stack"),
    ] {
        assert!(at(made) < at(removed), "{made}, {removed}: {asked:#?}");
    }
    let secrets = asked.iter().filter(|line| line.starts_with("secretsmanager delete-secret")).count();
    assert_eq!(secrets, 3, "{asked:#?}");
}

#[test]
fn the_smoke_test_on_aws_removes_all_it_made() {
    let (world, ended, asked) = smoke_on_aws(|_| {});
    ended.succeeded();
    assert!(
        ended.stdout.contains("right in every byte") && ended.stdout.contains("nothing is left"),
        "{ended:#?}"
    );
    all_is_removed(&asked);
    let ran = fs::read_to_string(world.file("ran")).expect("the job ran");
    assert!(ran.contains("/in/ s3://zipfleet-smoke-") && ran.trim().ends_with("/out/docs.zip"), "{ran}");
    let deployed = asked.iter().find(|line| line.starts_with("cloudformation deploy")).expect("it was");
    assert!(deployed.contains("ImageVersion=:1.0 CoordinatorSecretArn=arn:aws:"), "{deployed}");
}

#[test]
fn a_smoke_test_that_fails_on_aws_removes_all_it_made() {
    let (_world, ended, asked) = smoke_on_aws(|command| {
        command.env("FAIL_DEPLOY", "1");
    });
    assert_ne!(ended.code, 0, "{ended:#?}");
    assert!(!asked.iter().any(|line| line.starts_with("ecs run-task")), "{asked:#?}");
    all_is_removed(&asked);
}
