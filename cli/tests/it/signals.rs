//! Goal: whoever stops the program gets a word, the right exit code, and no upload left to pay for; whoever
//! insists gets out at once.
//! Method: real signals to the real program, sent once the twin has seen the request that shows how far it is.
//! The model makes just that request slow.

use std::process::Stdio;
use std::time::Duration;

use simulations_s3::{Model, Op, Rope};

use crate::support::{Running, World, until};

const ZIP: [&str; 6] = ["zip", "--part-size", "5MiB", "s3://src/p/", "s3://out/a.zip", "--concurrency=4"];
/// So long that only what is not waited for can end before it.
const NEVER: Duration = Duration::from_secs(100);

/// Ten parts, of which the first two have small objects.
fn world() -> World {
    let world = World::new();
    for i in 0..20 {
        world.twin.put("src", &format!("p/{i:02}"), Rope::synthetic(i, 500_000));
    }
    world.twin.put("src", "p/large", Rope::synthetic(99, 45_000_000));
    world
}

/// Starts the program and waits until the twin has seen `count` requests for `op`.
fn start(world: &World, op: Op, count: u64) -> Running {
    let running = world.spawn(&ZIP);
    wait_for(world, op, count);
    running
}

fn wait_for(world: &World, op: Op, count: u64) {
    until(&format!("{count} requests for {op}"), || {
        world.twin.requests().get(op.name()).copied() >= Some(count)
    });
}

#[test]
fn while_transferring() {
    for (signal, code) in [("INT", 130), ("TERM", 143), ("HUP", 129)] {
        for slow in [Op::GetObject, Op::UploadPart] {
            let world = world();
            world.twin.set_model(Model::default().latency(slow, NEVER));
            let running = start(&world, slow, 2);
            running.signal(signal);
            let ended = running.wait();
            ended.failed(code, &["stopping", "nothing of it is left at s3://out/a.zip"]);
            assert!(ended.took < NEVER / 2, "it waited for the transfers: {ended:?}");
            world.nothing_left("out", "a.zip");
        }
    }
}

#[test]
fn while_listing() {
    let world = world();
    world.twin.set_model(Model::default().latency(Op::ListObjectsV2, NEVER));
    let running = start(&world, Op::ListObjectsV2, 1);
    running.signal("INT");
    let ended = running.wait();
    ended.failed(130, &["nothing of it is left at s3://out/a.zip"]);
    assert!(ended.took < NEVER / 2, "it waited for the listing: {ended:?}");
    world.nothing_left("out", "a.zip");
}

/// The answer tells the id of the upload, so it must be waited for.
#[test]
fn while_the_upload_is_being_created() {
    let world = world();
    world.twin.set_model(Model::default().latency(Op::CreateMultipartUpload, Duration::from_secs(2)));
    let running = start(&world, Op::CreateMultipartUpload, 1);
    running.signal("INT");
    running.wait().failed(130, &["nothing of it is left at s3://out/a.zip"]);
    world.nothing_left("out", "a.zip");
    assert_eq!(world.twin.requests().get("AbortMultipartUpload"), Some(&1));
}

/// S3 cannot be told to stop putting an archive together: either it is there and right, or nothing is.
#[test]
fn at_completion() {
    let world = world();
    world.twin.set_model(Model::default().latency(Op::CompleteMultipartUpload, Duration::from_secs(2)));
    let running = start(&world, Op::CompleteMultipartUpload, 1);
    running.signal("INT");
    let ended = running.wait();
    match ended.code {
        0 => world.archive_is_right("out", "a.zip", &world.entries("src", "p/")),
        130 => world.nothing_left("out", "a.zip"),
        _ => panic!("{ended:#?}"),
    }
    assert!(ended.stderr.contains("stopping"), "{ended:#?}");
}

#[test]
fn twice_while_the_upload_is_being_removed() {
    for (second, code) in [("INT", 130), ("TERM", 143)] {
        let world = world();
        world.twin.set_model(
            Model::default().latency(Op::UploadPart, NEVER).latency(Op::AbortMultipartUpload, NEVER),
        );
        let running = start(&world, Op::UploadPart, 1);
        running.signal("INT");
        wait_for(&world, Op::AbortMultipartUpload, 1);
        running.signal(second);
        let ended = running.wait();
        ended.failed(code, &["stopping", "left at once", "s3://out/a.zip", "may remain"]);
        assert!(ended.took < NEVER / 2, "it did not leave at once: {ended:?}");
    }
}

#[test]
fn twice_at_completion() {
    let world = world();
    world.twin.set_model(Model::default().latency(Op::CompleteMultipartUpload, NEVER));
    let running = start(&world, Op::CompleteMultipartUpload, 1);
    running.signal("TERM");
    until("the first signal was heard", || running.stderr().contains("stopping"));
    running.signal("INT");
    let ended = running.wait();
    ended.failed(130, &["left at once", "s3://out/a.zip"]);
    assert!(ended.took < NEVER / 2, "it did not leave at once: {ended:?}");
}

/// Programs read the error from standard output; the sentence is the same.
#[test]
fn told_to_programs() {
    let world = world();
    world.twin.set_model(Model::default().latency(Op::GetObject, NEVER));
    let running = world.spawn(&[&["--json"], &ZIP[..]].concat());
    wait_for(&world, Op::GetObject, 1);
    running.signal("TERM");
    let ended = running.wait();
    let said: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!((&said["error"]["kind"], &said["error"]["exit_code"]), (&"cancelled".into(), &143.into()));
    assert_eq!(ended.code, 143);
    world.nothing_left("out", "a.zip");
}

/// `zipfleet ... 2>&1 | head -1`, or a terminal that is gone: nobody reads, and the job must not end halfway.
#[test]
fn nobody_listens() {
    let world = world();
    world.twin.set_model(Model::default().latency(Op::UploadPart, Duration::from_secs(6)));
    let mut command = world.command(&ZIP);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    drop((child.stdout.take(), child.stderr.take()));
    assert!(child.wait().expect("it ends").success());
    world.archive_is_right("out", "a.zip", &world.entries("src", "p/"));
    world.no_upload_left();
}
