//! Goal: whatever is wrong with what the person asks for ends in one clear sentence that names it, in the exit
//! code for its kind, and leaves nothing behind.
//! Method: tables of arguments, each run by the real program against the twin; after every run there must be
//! neither an archive nor an upload.

use std::net::TcpListener;
use std::process::Command;
use std::time::Duration;

use simulations_s3::{Denial, Op, Rope};

use crate::support::{Ended, World};

const OUT: &str = "s3://out/a.zip";

/// A world with `files` objects under `src/many/`.
fn world(files: usize) -> World {
    let world = World::new();
    for i in 0..files {
        world.twin.put("src", &format!("many/{i:04}.txt"), format!("object {i}\n").into_bytes().into());
    }
    world
}

/// Runs a command that must fail with this exit code, in one line with all of these words, and leave nothing.
#[track_caller]
fn run_refused(world: &World, command: Command, code: i32, words: &[&str]) -> Ended {
    let ended = world.start(command).wait();
    ended.failed(code, words);
    assert!(ended.stderr.starts_with("zipfleet: "), "{ended:#?}");
    assert_eq!(ended.stderr.trim_end().lines().count(), 1, "not one sentence: {ended:#?}");
    assert_eq!(ended.stdout, "");
    world.nothing_left("out", "a.zip");
    ended
}

#[track_caller]
fn refused(world: &World, args: &[&str], code: i32, words: &[&str]) {
    run_refused(world, world.command(&[&["zip"], args].concat()), code, words);
}

#[test]
fn what_is_not_there() {
    let world = world(3);
    for (args, code, words) in [
        (&["s3://nowhere/", OUT][..], 4, &["bucket `nowhere` does not exist"][..]),
        (&["s3://nowhere/key", OUT], 4, &["s3://nowhere/key", "no such bucket"]),
        (&["s3://src/many/", "s3://nowhere/a.zip"], 4, &["bucket `nowhere` does not exist"]),
        (&["s3://src/many", OUT], 4, &["s3://src/many", "no such object", "below it write s3://src/many/"]),
        (&["s3://src/many/", "s3://src/gone.txt", OUT], 4, &["s3://src/gone.txt", "no such object"]),
        (&["s3://src/empty/", OUT], 3, &["nothing to archive", "s3://src/empty/"]),
        (&["--exclude", "*.zip", "s3://out", OUT], 3, &["nothing to archive", "s3://out/"]),
        (&["--include", "*.jpg", "s3://src/many/", OUT], 3, &["nothing to archive", "filters"]),
        (&["--exclude", "*", "s3://src/many/", OUT], 3, &["nothing to archive", "filters"]),
    ] {
        refused(&world, args, code, words);
    }
}

#[test]
fn what_is_denied() {
    let world = world(300);
    let all = ["s3://src/many/", OUT];
    for (denial, args, words) in [
        ("ListObjectsV2:src", all, &["s3://src/many/", "s3:ListBucket"][..]),
        ("GetObject:src/many/0277", all, &["s3://src/many/0277.txt", "s3:GetObject"]),
        (
            "HeadObject:src/many/0001",
            ["s3://src/many/0001.txt", OUT],
            &["s3://src/many/0001.txt", "s3:GetObject"],
        ),
        ("CreateMultipartUpload:out", all, &[OUT, "s3:PutObject"]),
        ("UploadPart:out", all, &[OUT, "s3:PutObject"]),
        ("CompleteMultipartUpload:out", all, &[OUT, "s3:PutObject"]),
    ] {
        world.twin.deny(denial.parse().unwrap());
        refused(&world, &args, 5, words);
        world.twin.clear_denials();
    }
}

#[test]
fn an_upload_that_may_not_be_removed_is_named() {
    let world = world(3);
    for op in [Op::UploadPart, Op::AbortMultipartUpload] {
        world.twin.deny(Denial { op: Some(op), bucket: "out".into(), key_prefix: String::new() });
    }
    let ended = world.zipfleet(&["zip", "s3://src/many/", OUT]);
    let id = &world.twin.uploads()[0].upload_id;
    ended.failed(5, &["s3:PutObject", "could not be removed", "s3:AbortMultipartUpload", id]);
}

#[test]
fn credentials() {
    let world = world(3);
    let zip = || world.command(&["zip", "s3://src/many/", OUT]);
    let with = |name: &str, value: &str| {
        let mut command = zip();
        command.env(name, value);
        command
    };
    run_refused(&world, with("AWS_SECRET_ACCESS_KEY", "wrong"), 5, &["the secret access key is wrong"]);
    run_refused(&world, with("AWS_ACCESS_KEY_ID", "nobody"), 5, &["the access key is unknown"]);
    let mut none = zip();
    none.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
    run_refused(&world, none, 5, &["no AWS credentials", "AWS_ACCESS_KEY_ID"]);
    world.twin.expire_key("zipfleet");
    run_refused(&world, zip(), 5, &["expired"]);
}

#[test]
fn a_profile_that_is_not_there_is_named() {
    let world = world(3);
    let command = world.command(&["zip", "--profile", "nobody", "s3://src/many/", OUT]);
    run_refused(&world, command, 5, &["nobody"]);
}

#[test]
fn an_endpoint_where_nobody_listens() {
    let world = world(3);
    // Bound once, so that it was free; closed, so that nobody listens.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let endpoint = format!("http://{address}");
    let ended = run_refused(
        &world,
        world.command(&["zip", "--endpoint-url", &endpoint, "s3://src/many/", OUT]),
        9,
        &[&endpoint, "refused"],
    );
    assert!(ended.took < Duration::from_secs(30), "{ended:?}");
    for endpoint in ["localhost:9000", "ftp://localhost", "http://"] {
        refused(
            &world,
            &["--endpoint-url", endpoint, "s3://src/many/", OUT],
            2,
            &[endpoint, "http://HOST:PORT"],
        );
    }
}

#[test]
fn the_destination() {
    let world = world(3);
    for args in [
        &["s3://out/", OUT][..],
        &["s3://out", OUT],
        &["s3://out/a*", OUT],
        &["s3://src/many/", "s3://out/a.zip", OUT],
    ] {
        refused(&world, args, 8, &[OUT, "inside the source", "--exclude"]);
    }
    // With the archive left out it is allowed, run after run.
    world.twin.put("out", "kept.txt", "kept".into());
    for _ in 0..2 {
        world.zipfleet(&["zip", "--exclude", "*.zip", "s3://out/", OUT]).succeeded();
        world.archive_is_right("out", "a.zip", &[("kept.txt".into(), "kept".into())]);
    }
}

#[test]
fn an_archive_that_is_there_already() {
    let world = world(3);
    world.twin.put("out", "a.zip", "before".into());
    let ended = world.zipfleet(&["zip", "--no-overwrite", "s3://src/many/", OUT]);
    ended.failed(8, &[OUT, "exists already"]);
    world.no_upload_left();
    assert_eq!(world.twin.object("out", "a.zip").unwrap().content, "before".into());
    world.zipfleet(&["zip", "s3://src/many/", OUT]).succeeded();
    world.archive_is_right("out", "a.zip", &world.entries("src", "many/"));
}

#[test]
fn names_that_collide() {
    let world = World::new();
    for key in ["one/same.txt", "two/same.txt", "tree/a", "tree/a/b", "twice/a", "twice/a/"] {
        world.twin.put("src", key, if key.ends_with('/') { "".into() } else { "x".into() });
    }
    let sources = ["s3://src/one/", "s3://src/two/", OUT];
    refused(
        &world,
        &sources,
        6,
        &[
            "1 name cannot",
            "`one/same.txt` of source 1 and `two/same.txt` of source 2 both become `same.txt`",
        ],
    );
    refused(
        &world,
        &["s3://src/one/", "s3://src/one/", OUT],
        6,
        &["`one/same.txt` of source 1 and `one/same.txt` of source 2"],
    );
    refused(&world, &["s3://src/tree/", OUT], 6, &["`a` is a file and also the folder of `a/b`"]);
    refused(&world, &["s3://src/twice/", OUT], 6, &["twice/a"]);
    // With their folders they differ.
    world.zipfleet(&["zip", "--strip-prefix", "", "s3://src/one/", "s3://src/two/", OUT]).succeeded();
    let entry = |name: &str| (name.to_owned(), Rope::from("x"));
    world.archive_is_right("out", "a.zip", &[entry("one/same.txt"), entry("two/same.txt")]);
}

#[test]
fn names_that_are_unsafe() {
    // Each with what `--unsafe-names map` makes of it.
    let mapped = [
        ("a\nb", "a_b"),
        ("../up", "_/up"),
        ("/abs", "abs"),
        ("back\\slash", "back_slash"),
        ("data/", "data_"),
        ("two//slashes", "two/slashes"),
        ("./dot", "dot"),
        ("C:/drive", "C_/drive"),
        ("esc\u{1b}[2J", "esc_[2J"),
    ];
    let world = World::new();
    world.twin.put("src", "n/good.txt", "good".into());
    for (name, _) in mapped {
        world.twin.put("src", &format!("n/{name}"), format!("of {name}").into_bytes().into());
    }
    let shown: Vec<String> = mapped
        .iter()
        .map(|(name, _)| format!("`n/{}`", name.replace('\n', "\\n").replace('\u{1b}', "\\u{1b}")))
        .collect();
    let mut words: Vec<&str> = shown.iter().map(String::as_str).collect();
    words.extend(["9 names cannot", "--unsafe-names"]);
    refused(&world, &["s3://src/n/", OUT], 6, &words);

    let skipped = world.zipfleet(&["zip", "--unsafe-names", "skip", "s3://src/n/", OUT]);
    skipped.succeeded();
    assert!(skipped.stdout.contains("left out for their names, 9"), "{skipped:#?}");
    shown
        .iter()
        .for_each(|name| assert!(skipped.stdout.contains(name.as_str()), "no {name} in {skipped:#?}"));
    world.archive_is_right("out", "a.zip", &[("good.txt".into(), "good".into())]);

    world.zipfleet(&["zip", "--unsafe-names", "map", "s3://src/n/", OUT]).succeeded();
    let by_key = world.entries("src", "n/").into_iter().map(|(name, content)| {
        let mapped = mapped.iter().find(|(unsafe_name, _)| *unsafe_name == name);
        (mapped.map_or(name.clone(), |(_, mapped)| (*mapped).to_owned()), content)
    });
    world.archive_is_right("out", "a.zip", &by_key.collect::<Vec<_>>());
}

#[test]
fn malformed_addresses() {
    let world = world(1);
    for uri in [
        "many/",
        "src/many/",
        "http://src/many/",
        "S3://src/",
        "s3:/src/",
        "s3://",
        "s3:///key",
        "s3://a b/",
        "s3://x/",
        "",
        " s3://src/",
    ] {
        refused(&world, &[uri, OUT], 2, &[&format!("`{uri}`"), "write s3://"]);
        refused(&world, &["s3://src/many/", uri], 2, &[&format!("`{uri}`"), "s3://"]);
    }
    for uri in ["s3://out", "s3://out/", "s3://out/folder/"] {
        refused(&world, &["s3://src/many/", uri], 2, &[uri, "one key"]);
    }
    let long = format!("s3://out/{}", "k".repeat(1_025));
    refused(&world, &["s3://src/many/", &long], 2, &["1,024 bytes"]);
    refused(&world, &[&long, OUT], 2, &["1,024 bytes"]);
}

#[test]
fn malformed_flags() {
    let world = world(1);
    for (flags, words) in [
        (&["--part-size", "1MiB"][..], &["5 MiB"][..]),
        (&["--part-size", "6GiB"], &["5 GiB"]),
        (&["--memory", "1MiB"], &["--memory"]),
        (&["--memory", "64MiB", "--concurrency", "200"], &["200 requests", "--memory", "--concurrency"]),
        (&["--concurrency", "0"], &["--concurrency", "4096"]),
        (&["--concurrency", "100000"], &["--concurrency", "4096"]),
        (&["--include", "a{b"], &["`a{b`"]),
        (&["--exclude", "[z-a]"], &["`[z-a]`"]),
    ] {
        refused(&world, &[flags, &["s3://src/many/", OUT]].concat(), 2, words);
    }
    // These the parser of the command line refuses, which shows the usage as well.
    let zip = |flags: &[&'static str]| [&["zip"], flags, &["s3://src/many/", OUT]].concat();
    for (args, words) in [
        (zip(&["--part-size", "abc"]), &["--part-size", "`abc` is no size"][..]),
        (zip(&["--part-size=-5MiB"]), &["--part-size", "is no size"]),
        (zip(&["--memory", "99999999999T"]), &["--memory", "too large"]),
        (zip(&["--concurrency", "many"]), &["--concurrency", "many"]),
        (zip(&["--concurrency=-1"]), &["--concurrency", "-1"]),
        (zip(&["--unsafe-names", "burn"]), &["--unsafe-names", "burn"]),
        (zip(&["--frobnicate"]), &["--frobnicate"]),
        (vec!["zip", "s3://src/many/"], &["DEST"]),
        (vec!["zip"], &["SOURCE... DEST"]),
        (vec!["unzip", OUT], &["unzip"]),
        (vec![], &["Usage"]),
    ] {
        world.zipfleet(&args).failed(2, words);
        world.nothing_left("out", "a.zip");
    }
}

/// The AWS CLI and everything built on it take options wherever they stand.
#[test]
fn options_between_the_addresses() {
    let world = world(3);
    for args in [
        &["zip", "s3://src/many/", OUT, "--exclude", "*2.txt"][..],
        &["zip", "s3://src/many/", "--exclude", "*2.txt", OUT],
        &["zip", "s3://src/many/0000.txt", "-q", "s3://src/many/0001.txt", "--part-size", "5MiB", OUT],
    ] {
        world.zipfleet(args).succeeded();
        world.archive_is_right("out", "a.zip", &world.entries("src", "many/")[..2]);
    }
}

#[test]
fn more_parts_than_s3_allows() {
    let world = World::new();
    world.twin.put("src", "large/60GB", Rope::synthetic(1, 60_000_000_000));
    let zip = |source: &'static str| ["--part-size", "5MiB", source, OUT];
    refused(&world, &zip("s3://src/large/"), 10, &["10,000 parts", "--part-size"]);
    assert_eq!(world.twin.requests().get("UploadPart"), None, "it is known before anything is uploaded");
    // In 13,000 objects, thus 13 pages of the listing. Parts may be uploaded while it goes on, but few.
    for i in 0..13_000 {
        world.twin.put("src", &format!("many/{i:05}"), Rope::synthetic(i, 5 << 20));
    }
    world.twin.reset_requests();
    refused(&world, &zip("s3://src/many/"), 10, &["10,000 parts", "--part-size"]);
    let uploaded = world.twin.requests().get("UploadPart").copied().unwrap_or(0);
    println!("13,000 objects of 5 MiB: {uploaded} parts were uploaded before they turned out to be too many");
    assert!(uploaded < 2_000, "{uploaded} parts uploaded for nothing");
}

#[test]
fn errors_for_programs_and_silence() {
    let world = world(3);
    let ended = world.zipfleet(&["--json", "zip", "s3://nowhere/", OUT]);
    ended.failed(4, &["bucket `nowhere` does not exist"]);
    let said: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    let error = &said["error"];
    assert_eq!((&error["kind"], &error["exit_code"]), (&"not_found".into(), &4.into()));
    assert!(ended.stderr.contains(error["message"].as_str().unwrap()), "{ended:#?}");

    let quiet = world.zipfleet(&["-q", "zip", "s3://src/many/", OUT]);
    quiet.succeeded();
    assert_eq!((&*quiet.stdout, &*quiet.stderr), ("", ""));
    let wrong = world.zipfleet(&["-q", "zip", "s3://nowhere/", OUT]);
    wrong.failed(4, &["bucket `nowhere` does not exist"]);
}

/// The SDK takes a key of nothing but white space for no key at all.
#[test]
fn a_key_of_white_space_alone() {
    let world = World::new();
    world.twin.create_bucket("out");
    for key in ["a", " ", "\u{3000}"] {
        world.twin.put("src", key, Rope::synthetic(1, 10));
    }
    world.zipfleet(&["zip", "s3://src/", OUT]).failed(6, &["2 names", "white space alone"]);
    world.nothing_left("out", "a.zip");
    world.zipfleet(&["zip", "s3://src/", OUT, "--unsafe-names", "skip"]).succeeded();
    world.zipfleet(&["zip", "s3://src/", OUT, "--include", "a"]).succeeded();
    world.zipfleet(&["zip", "s3://src/ ", OUT]).failed(2, &["white space alone"]);
}

/// Programs read the error from standard output, also when the command line itself cannot be read.
#[test]
fn flags_that_cannot_be_read_are_told_to_programs_too() {
    let ended = World::new().zipfleet(&["--json", "zip", "--frobnicate"]);
    ended.failed(2, &["--frobnicate"]);
    let said: serde_json::Value = serde_json::from_str(&ended.stdout).expect("one JSON object");
    assert_eq!(said["error"]["exit_code"], 2);
}

/// Its keys stand in the documentation.
#[test]
fn an_s3_that_everyone_knows_the_keys_of_is_not_opened_to_others() {
    let ended = World::new().zipfleet(&["s3", "--listen", "0.0.0.0:0"]);
    ended.failed(2, &["0.0.0.0:0", "127.0.0.1", "--allow-others"]);
}
