//! Goal: every setting of a role can be a flag, an environment variable or a key of a file, in that order; and
//! whoever wonders what is in force and why is told, also about what would be refused.
//! Method: `zipfleet config` and the roles themselves, with files written for each case.

use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Ended, World};

const ROLES: [&str; 2] = ["coordinator", "node"];

struct Case {
    world: World,
    dir: TempDir,
}

impl Case {
    fn new() -> Self {
        Self { world: World::new(), dir: TempDir::new().expect("a directory for temporary files") }
    }

    fn file(&self, text: &str) -> PathBuf {
        let path = self.dir.path().join("zipfleet.toml");
        std::fs::write(&path, text).expect("the file can be written");
        path
    }

    fn run(&self, args: &[&str], environment: &[(&str, &str)]) -> Ended {
        let mut command = self.world.command(args);
        command.envs(environment.iter().copied());
        self.world.start(command).wait()
    }

    /// Value and origin of a setting.
    fn setting(&self, args: &[&str], environment: &[(&str, &str)], setting: &str) -> (Value, String) {
        let ended = self.run(&[&["config", "--json"], args].concat(), environment);
        ended.succeeded();
        let settings: Vec<Value> = serde_json::from_str(&ended.stdout).expect("a list in JSON");
        let found = settings.iter().find(|found| found["setting"] == setting);
        let found = found.unwrap_or_else(|| panic!("no `{setting}` in {settings:#?}"));
        (found["value"].clone(), found["from"].as_str().expect("an origin").to_owned())
    }

    /// Panics unless every role refuses the file, naming it and `words`, in one sentence.
    #[track_caller]
    fn file_is_refused(&self, path: &Path, words: &[&str]) {
        let path = path.to_str().expect("UTF-8");
        for role in ROLES {
            for args in [&[role][..], &["config", role]] {
                let ended = self.run(&[args, &["--config", path]].concat(), &[]);
                ended.failed(2, words);
                ended.failed(2, &[path]);
                assert_eq!(ended.stderr.trim().lines().count(), 1, "{ended:#?}");
                assert_eq!(ended.stdout, "");
            }
        }
    }
}

#[test]
fn flags_count_before_the_environment_before_the_file_before_the_default() {
    let case = Case::new();
    let path = case.file("[coordinator]\njobs-running = 3\n[node]\nmemory = \"512MiB\"\n");
    let path = path.to_str().expect("UTF-8");
    let environment = [("ZIPFLEET_JOBS_RUNNING", "4")];
    let from_file = ["coordinator", "--config", path];
    let from_flag = ["coordinator", "--config", path, "--jobs-running", "5"];
    let look = |args: &[&str], environment: &[(&str, &str)]| case.setting(args, environment, "jobs-running");
    assert_eq!(look(&["coordinator"], &[]), ("16".into(), "default".into()));
    assert_eq!(look(&from_file, &[]), ("3".into(), format!("file {path}")));
    let of_environment = ("4".into(), "environment ZIPFLEET_JOBS_RUNNING".into());
    assert_eq!(look(&from_file, &environment), of_environment);
    assert_eq!(look(&from_flag, &environment), ("5".into(), "flag --jobs-running".into()));
    // The file itself can be named by the environment.
    let file = ("ZIPFLEET_CONFIG", path);
    assert_eq!(look(&["coordinator"], &[file]), ("3".into(), format!("file {path}")));
    assert_eq!(case.setting(&["node"], &[file], "memory"), ("512MiB".into(), format!("file {path}")));
}

#[test]
fn what_a_file_turns_on_a_flag_turns_off() {
    let case = Case::new();
    let path = case.file("[node]\nallow-plaintext = true\ncoordinator = \"10.0.0.5:7400\"\n");
    let path = path.to_str().expect("UTF-8");
    let on = case.run(&["config", "node", "--config", path], &[]);
    on.succeeded();
    assert!(!on.stderr.contains("will not do"), "{on:#?}");
    let off = case.run(&["node", "--config", path, "--allow-plaintext=false"], &[]);
    off.failed(2, &["10.0.0.5:7400", "--tls-ca", "--allow-plaintext"]);
}

#[test]
fn what_is_missing_is_shown_and_refused() {
    let case = Case::new();
    for (role, setting) in ROLES.into_iter().zip(["state", "coordinator"]) {
        assert_eq!(case.setting(&[role], &[], setting), (Value::Null, "missing".to_owned()));
        assert_eq!(case.setting(&[role], &[], "tls-ca"), (Value::Null, "not set".to_owned()));
        let shown = case.run(&["config", role], &[]);
        shown.succeeded();
        assert!(shown.stderr.contains(&format!("--{setting} is missing")), "{shown:#?}");
        let variable = format!("ZIPFLEET_{}", setting.to_uppercase());
        case.run(&[role], &[]).failed(2, &[&format!("--{setting}"), &variable, &format!("[{role}]")]);
    }
}

#[test]
fn a_file_that_cannot_be_understood_is_refused_by_every_role() {
    let case = Case::new();
    for (text, words) in [
        (
            "[coordinator]\nlisten = \"127.0.0.1:7400\"\nlisen = 1\n",
            &["`lisen` in [coordinator]", "listen"][..],
        ),
        ("[node]\nconfig = \"other.toml\"\n", &["`config` in [node]"]),
        ("[nodes]\n", &["`nodes`", "[coordinator] and [node]"]),
        ("listen = \"127.0.0.1:7400\"\n", &["`listen`", "[coordinator] and [node]"]),
        ("node = 3\n", &["`node`", "[coordinator] and [node]"]),
        ("[coordinator]\nlisten = 7400\n", &["`listen` in [coordinator]", "in quotes", "7400"]),
        ("[coordinator]\nlisten = \"7400\"\n", &["`listen` in [coordinator]", "\"7400\" will not do"]),
        ("[coordinator]\njobs-running = \"3\"\n", &["`jobs-running` in [coordinator]", "whole number"]),
        ("[coordinator]\njobs-running = 0\n", &["`jobs-running` in [coordinator]", "at least 1"]),
        ("[coordinator]\njobs-running = -1\n", &["`jobs-running` in [coordinator]", "at least 1"]),
        ("[coordinator]\nstate = \"s3://out/x\"\n", &["`state` in [coordinator]", "s3://bucket/prefix/"]),
        ("[node]\nallow-plaintext = \"yes\"\n", &["`allow-plaintext` in [node]", "true or false"]),
        ("[node]\nmemory = \"lots\"\n", &["`memory` in [node]", "no size"]),
        ("[node]\nmemory = 1.5\n", &["`memory` in [node]", "256MiB"]),
        ("[node]\nstop-timeout = 25\n", &["`stop-timeout` in [node]", "in quotes"]),
        ("[node]\nname = [\"a\"]\n", &["`name` in [node]", "in quotes"]),
        ("[node]\nname = \"a\"\nname = \"b\"\n", &["line 3", "duplicate"]),
        ("[node\n", &["line 1"]),
    ] {
        case.file_is_refused(&case.file(text), words);
    }
    case.file_is_refused(&case.dir.path().join("nowhere.toml"), &["cannot be read", "No such file"]);
    case.file_is_refused(case.dir.path(), &["cannot be read"]);
}

#[test]
fn the_environment_is_read_as_strictly() {
    let case = Case::new();
    let wrong = [("ZIPFLEET_NODES_MAX", "many")];
    case.run(&["coordinator"], &wrong).failed(2, &["many", "--nodes-max"]);
    // What is another role's does not matter.
    case.run(&["config", "node"], &wrong).succeeded();
}

#[test]
fn settings_that_would_open_the_fleet_to_others_are_refused() {
    let case = Case::new();
    let coordinator =
        |args: &[&str]| case.run(&[&["coordinator", "--state", "s3://out/s/"], args].concat(), &[]);
    coordinator(&["--listen", "0.0.0.0:0"]).failed(2, &["0.0.0.0:0", "--tls-ca", "--allow-plaintext"]);
    coordinator(&["--api", "0.0.0.0:0"]).failed(2, &["--api 0.0.0.0:0", "127.0.0.1"]);
    coordinator(&["--tls-ca", "ca.pem"]).failed(2, &["--tls-cert", "or none"]);
    let all = ["--tls-ca", "ca.pem", "--tls-cert", "c.pem", "--tls-key", "c.key"];
    coordinator(&all).failed(2, &["ca.pem", "No such file"]);
    case.run(&["node", "--coordinator", "elsewhere:1"], &[]).failed(2, &["elsewhere:1", "--tls-ca"]);
    case.run(&["node", "--coordinator", "elsewhere"], &[]).failed(2, &["HOST:PORT"]);
    case.run(&["node", "--coordinator", "localhost:1", "--memory", "1MiB"], &[]).failed(2, &["--memory"]);
}

#[test]
fn a_role_checks_its_settings_without_starting() {
    let case = Case::new();
    let zipfleet = |args: &[&str]| case.world.zipfleet(args);
    zipfleet(&["certs", "init", "--dir", "certs"]).succeeded();
    for role in ROLES {
        zipfleet(&["certs", "issue", "--dir", "certs", "--name", role, "--role", role]).succeeded();
    }
    let tls = |name: &str| {
        let [cert, key] = ["pem", "key"].map(|ending| format!("certs/{name}.{ending}"));
        ["--tls-ca", "certs/ca.pem", "--tls-cert", &cert, "--tls-key", &key].map(ToOwned::to_owned)
    };
    let check = |args: &[&str], tls: &[String]| {
        let tls: Vec<&str> = tls.iter().map(String::as_str).collect();
        zipfleet(&[args, &tls, &["--check-config"]].concat())
    };
    // Somebody listens there, and nobody answers elsewhere: neither is noticed.
    let taken = case.world.endpoint.trim_start_matches("http://");
    let coordinator = ["coordinator", "--state", "s3://nowhere/s/", "--listen", taken];
    let ended = check(&coordinator, &tls("coordinator"));
    ended.succeeded();
    for words in ["nothing was started", taken, "certificates", "http://127.0.0.1:7401", "s3://nowhere/s/"] {
        assert!(ended.stdout.contains(words), "{ended:#?}");
    }
    let node = ["--json", "node", "--coordinator", "elsewhere:1", "--name", "node.7", "--memory", "1GiB"];
    let ended = check(&node, &tls("node"));
    ended.succeeded();
    let said: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    let expected = serde_json::json!({
        "name": "node.7", "coordinator": "elsewhere:1", "tls": true, "memory_bytes": 1 << 30,
        "concurrency": 32, "keep_warm": 0, "stop_timeout_ms": 25_000,
    });
    assert_eq!(said, expected);
    assert!(case.world.twin.requests().is_empty(), "S3 is not asked");

    check(&["node", "--coordinator", "elsewhere:1", "--name", "red"], &tls("node"))
        .failed(2, &["red", "node.ANYTHING"]);
    check(&["node", "--coordinator", "elsewhere:1"], &tls("coordinator"))
        .failed(2, &["certs/coordinator.pem", "role"]);
    check(&["node", "--coordinator", "elsewhere:1"], &tls("other"))
        .failed(2, &["certs/other.pem", "No such file"]);
    if cfg!(target_os = "linux") {
        check(&["node", "--coordinator", "localhost:1", "--memory", "900TiB"], &[])
            .failed(2, &["--memory", "is more than the", "leave it out"]);
    }
    check(&["node"], &[]).failed(2, &["--coordinator is missing"]);
    check(&[&coordinator[..], &["--tokens", "t.toml"]].concat(), &[]).failed(2, &["t.toml", "No such file"]);
    std::fs::write(case.world.file("t.toml"), "[[token]]\nname = 3\n").expect("there is room");
    check(&[&coordinator[..], &["--tokens", "t.toml"]].concat(), &[]).failed(2, &["t.toml"]);
    check(&[&coordinator[..], &["--callback-key-file", "no"]].concat(), &[]).failed(2, &["no: No such file"]);

    // It is a question, not a setting.
    case.file_is_refused(&case.file("[node]\ncheck-config = true\n"), &["no such setting"]);
    let shown = case.run(&["config", "node", "--json"], &[("ZIPFLEET_CHECK_CONFIG", "true")]);
    assert!(!shown.stdout.contains("check-config"), "{shown:#?}");
}
