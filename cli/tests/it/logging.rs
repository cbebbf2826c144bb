//! The log, for people and for programs, and what it says of a collector that does not answer.

use serde_json::Value;
use simulations_s3::Rope;

use crate::support::{World, until};

fn world() -> World {
    let world = World::new();
    for number in 0..3 {
        world.twin.put("src", &format!("in/{number}"), Rope::synthetic(number, 1_000));
    }
    world
}

#[test]
fn a_log_in_json_is_one_object_a_line_with_what_the_spans_around_it_say() {
    let world = world();
    let mut command = world.command(&["zip", "-vv", "s3://src/in/", "s3://out/a.zip"]);
    command.env("ZIPFLEET_LOG_FORMAT", "json");
    let ended = world.start(command).wait();
    ended.succeeded();
    assert!(!ended.stderr.contains("zipfleet-secret"), "{}", ended.stderr);
    let lines = ended.stderr.lines().filter(|line| line.starts_with('{'));
    let lines: Vec<Value> = lines.map(|line| serde_json::from_str(line).expect("an object")).collect();
    let ends = |line: &&Value| line["message"] == "close" && line["span"]["name"] == "s3";
    let uploads = lines.iter().filter(ends).filter(|line| line["span"]["operation"] == "UploadPart");
    let around: Vec<&Value> = uploads.map(|line| &line["spans"]).collect();
    assert_eq!(around.len(), 1, "{lines:#?}");
    assert_eq!((&around[0][0]["name"], &around[0][0]["part"]), (&"part".into(), &1.into()));
    let job = lines.iter().find(|line| line["message"] == "job submitted").expect("it is logged");
    assert_eq!((&job["destination"], &job["job"]), (&"s3://out/a.zip".into(), &around[0][0]["job"]));

    let wrong = world.zipfleet(&["zip", "--log-format", "xml", "s3://src/in/", "s3://out/a.zip"]);
    wrong.failed(2, &["xml", "text", "json"]);
}

#[test]
fn a_collector_that_cannot_be_reached_is_told_of_once_and_holds_up_nothing() {
    let world = world();
    let run = |protocol: &str| {
        let mut command = world.command(&["zip", "s3://src/in/", "s3://out/a.zip"]);
        // Nobody listens there.
        command.env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9");
        command.env("OTEL_EXPORTER_OTLP_PROTOCOL", protocol).env("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "1");
        let ended = world.start(command).wait();
        ended.succeeded();
        ended.stderr
    };
    let said = run("http/protobuf");
    assert_eq!(said.matches("WARN").count(), 1, "{said}");
    assert!(said.contains("traces cannot be sent"), "{said}");
    let said = run("grpc");
    assert!(said.contains("spoken as http/protobuf alone, not as grpc"), "{said}");
    world.archive_is_right("out", "a.zip", &world.entries("src", "in/"));
}

#[test]
fn a_role_whose_log_is_in_json_says_nothing_else() {
    let world = World::new();
    let role = |args: &[&str]| world.spawn(&[&["--json", "--log-format", "json"], args].concat());
    let coordinator =
        role(&["coordinator", "--state", "s3://out/s/", "--listen", "127.0.0.1:0", "--api", "127.0.0.1:0"]);
    until("it is ready", || coordinator.stdout().ends_with('\n'));
    let door: Value = serde_json::from_str(&coordinator.stdout()).expect("JSON");
    let door = door["nodes"].as_str().expect("an address").to_owned();
    let refused =
        role(&["coordinator", "--state", "s3://out/s/", "--listen", &door, "--api", "127.0.0.1:0"]).wait();
    assert_eq!(refused.code, 2);
    let node = role(&["node", "--coordinator", &door, "--name", "n1"]);
    until("it has joined", || node.stderr().contains("joined"));
    node.signal("TERM");
    let node = node.wait();
    node.succeeded();
    coordinator.signal("TERM");
    let coordinator = coordinator.wait();
    coordinator.succeeded();
    for (ended, words) in
        [(refused, door.as_str()), (node, "nothing is unfinished"), (coordinator, "stopping")]
    {
        let lines = ended.stderr.lines().map(|line| serde_json::from_str::<Value>(line).expect("an object"));
        assert!(
            lines.into_iter().any(|line| line["message"].as_str().is_some_and(|it| it.contains(words))),
            "{ended:#?}"
        );
    }
}
