//! The house checks itself: who may know whom, what may touch the world, how large a room may grow.
//!
//! Each rule reads the tree as it is; what it would look like broken is said in its failure.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Every package: where it is, and what its shipped code may depend on. A room's list names no runtime,
/// socket or SDK, and that is what keeps it pure.
const PACKAGES: [(&str, &[&str]); 11] = [
    ("proto", &["bincode", "crc-fast", "crc32fast", "serde", "serde_bytes", "thiserror", "time", "utoipa"]),
    ("coordinator", &["globset", "proto", "thiserror", "unicode-normalization"]),
    ("node", &["bytes", "proto", "thiserror"]),
    ("proto/s3", DOOR_TO_S3),
    ("proto/session", DOOR_BETWEEN),
    ("proto/trace", DOOR_TO_COLLECTORS),
    ("coordinator/server", SERVER),
    ("node/agent", AGENT),
    (
        "simulations",
        &["chacha20", "coordinator", "node", "proto", "serde", "serde_json", "thiserror", "toml"],
    ),
    ("simulations/s3", TWIN),
    ("cli", CLI),
];
const DOOR_TO_S3: &[&str] = &[
    "aws-config",
    "aws-credential-types",
    "aws-sdk-s3",
    "aws-smithy-http-client",
    "aws-smithy-runtime-api",
    "aws-smithy-types",
    "aws-types",
    "base64",
    "bytes",
    "http",
    "http-body",
    "proto",
    "proto-trace",
    "rand",
    "thiserror",
    "tokio",
    "tracing",
];
const DOOR_BETWEEN: &[&str] = &[
    "bytes",
    "http",
    "hyper",
    "hyper-util",
    "proto",
    "rustls",
    "thiserror",
    "tokio",
    "tokio-rustls",
    "tokio-stream",
    "tonic",
    "tower-service",
    "tracing",
    "x509-parser",
];
const DOOR_TO_COLLECTORS: &[&str] = &[
    "opentelemetry",
    "opentelemetry-otlp",
    "opentelemetry_sdk",
    "proto",
    "thiserror",
    "tracing",
    "tracing-opentelemetry",
    "tracing-subscriber",
];
const SERVER: &[&str] = &[
    "aws-lc-rs",
    "axum",
    "bytes",
    "coordinator",
    "futures-util",
    "hyper",
    "hyper-util",
    "prometheus-client",
    "proto",
    "proto-s3",
    "proto-session",
    "proto-trace",
    "ractor",
    "rand",
    "reqwest",
    "serde",
    "serde_json",
    "thiserror",
    "tokio",
    "toml",
    "tokio-stream",
    "tracing",
    "utoipa",
];
const AGENT: &[&str] = &[
    "bytes",
    "node",
    "proto",
    "proto-s3",
    "proto-session",
    "proto-trace",
    "ractor",
    "rand",
    "reqwest",
    "serde",
    "serde_json",
    "thiserror",
    "tokio",
    "tracing",
];
const TWIN: &[&str] = &[
    "async-trait",
    "base64",
    "bytes",
    "crc-fast",
    "http",
    "http-body",
    "hyper",
    "hyper-util",
    "s3s",
    "thiserror",
    "time",
    "tokio",
    "tracing",
];
const CLI: &[&str] = &[
    "bytes",
    "clap",
    "clap_complete",
    "clap_mangen",
    "coordinator",
    "coordinator-server",
    "csv",
    "gethostname",
    "indicatif",
    "node-agent",
    "proto",
    "proto-s3",
    "proto-session",
    "proto-trace",
    "rand",
    "rcgen",
    "reqwest",
    "serde",
    "serde_json",
    "sha2",
    "simulations",
    "simulations-s3",
    "thiserror",
    "time",
    "tokio",
    "toml",
    "tracing",
    "tracing-subscriber",
    "x509-parser",
];

/// The stages of `proto`, in the order data flows through them.
const STAGES: [&str; 6] = ["listing", "plan", "batch", "part", "report", "complete"];
/// Lines a file may have before its tests.
const FILE_LINES_MAX: usize = 500;
/// What stands at the top, besides hidden files.
const TOP: [&str; 13] = [
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "cli",
    "coordinator",
    "deploy",
    "docs",
    "node",
    "proto",
    "simulations",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("cli lies in the workspace").to_owned()
}

fn read(path: impl AsRef<Path>) -> String {
    let path = path.as_ref();
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All Rust files of the house, relative to its root.
fn sources() -> Vec<PathBuf> {
    fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(dir).expect("the directory can be read") {
            let path = entry.expect("the entry can be read").path();
            let name = path.file_name().expect("entries have names").to_string_lossy();
            if path.is_dir() && name != "target" && !name.starts_with('.') {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&root(), &mut found);
    assert!(found.len() > 100, "the walk found the house");
    found.iter().map(|path| path.strip_prefix(root()).expect("it was found there").to_owned()).collect()
}

fn is_test(path: &Path) -> bool {
    path.components().any(|part| matches!(part.as_os_str().to_str(), Some("tests" | "benches" | "tests.rs")))
}

/// The shipped part of a file: everything before its unit tests.
fn shipped(path: &Path) -> String {
    let text = read(root().join(path));
    text.split("\n#[cfg(test)]").next().unwrap_or_default().to_owned()
}

fn without_comments(text: &str) -> String {
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// The names in a manifest's `[dependencies]`.
fn dependencies(manifest: &str) -> BTreeSet<String> {
    let section = manifest.split("\n[dependencies]\n").nth(1).unwrap_or_default();
    let section = section.split("\n[").next().unwrap_or_default();
    let names = section.lines().filter_map(|line| line.split(['.', ' ', '=']).next());
    names.filter(|name| !name.is_empty() && !name.starts_with('#')).map(ToOwned::to_owned).collect()
}

#[test]
fn packages_depend_on_what_they_may_and_on_nothing_else() {
    let members: BTreeSet<String> = read(root().join("Cargo.toml"))
        .split("members = [")
        .nth(1)
        .and_then(|text| text.split(']').next())
        .expect("the workspace has members")
        .split('"')
        .skip(1)
        .step_by(2)
        .map(ToOwned::to_owned)
        .collect();
    let known: BTreeMap<&str, &[&str]> = PACKAGES.into_iter().collect();
    assert_eq!(
        members,
        known.keys().map(ToString::to_string).collect(),
        "every package has a place in the house"
    );
    for (path, allowed) in known {
        let found = dependencies(&read(root().join(path).join("Cargo.toml")));
        assert!(!found.is_empty(), "{path}: its dependencies were found");
        let surplus: Vec<_> = found.iter().filter(|name| !allowed.contains(&name.as_str())).collect();
        assert!(surplus.is_empty(), "{path} must not know {surplus:?}");
    }
}

#[test]
fn stages_import_only_from_those_before_them() {
    for (position, stage) in STAGES.iter().enumerate() {
        let text = shipped(Path::new(&format!("proto/src/{stage}.rs")));
        for later in &STAGES[position + 1..] {
            assert!(!text.contains(&format!("crate::{later}")), "{stage} must not look ahead to {later}");
        }
    }
}

#[test]
fn the_verifier_shares_nothing_with_the_writer() {
    let files = sources();
    let verifier = files.iter().filter(|path| {
        let path = path.to_string_lossy();
        path.starts_with("coordinator/src/verify") || path.starts_with("cli/src/verify")
    });
    let mut seen = 0;
    for path in verifier {
        seen += 1;
        let text = read(root().join(path));
        assert!(!text.contains("proto::archive"), "{} must not use the writer's code", path.display());
    }
    assert!(seen > 5, "the verifier was found");
}

#[test]
fn the_plan_checker_knows_nothing_of_how_plans_are_made() {
    let files = sources();
    let checker = files
        .iter()
        .filter(|path| path.starts_with("coordinator/src/plan_check") || path.ends_with("plan_check.rs"));
    let mut seen = 0;
    for path in checker {
        seen += 1;
        let text = without_comments(&shipped(path));
        for word in ["proto::archive", "crate::planner", "crate::work", "crate::directory"] {
            assert!(!text.contains(word), "{} must not use {word}", path.display());
        }
    }
    assert!(seen > 3, "the checker was found");
}

#[test]
fn what_touches_the_world_is_known_to_one_door_alone() {
    for (door, words) in [
        ("proto/s3", &["aws_sdk_s3", "aws_config"][..]),
        ("proto/session", &["tonic::", "rustls::"]),
        ("proto/trace", &["opentelemetry::", "opentelemetry_"]),
        ("proto/src/wire.rs", &["bincode::"]),
    ] {
        for path in sources().iter().filter(|path| !is_test(path) && !path.starts_with(door)) {
            let text = shipped(path);
            let known = words.iter().find(|word| text.contains(**word));
            assert!(known.is_none(), "{} goes past the door {door}: {known:?}", path.display());
        }
    }
}

#[test]
fn there_is_one_fence() {
    let nested =
        sources().iter().filter_map(|path| path.parent().map(ToOwned::to_owned)).collect::<BTreeSet<_>>();
    for dir in nested.iter().flat_map(|dir| dir.ancestors()).filter(|dir| !dir.as_os_str().is_empty()) {
        for name in ["clippy.toml", ".clippy.toml"] {
            assert!(
                !root().join(dir).join(name).exists(),
                "{}/{name} would replace the fence below it",
                dir.display()
            );
        }
    }
}

#[test]
fn files_are_small_and_say_what_they_are() {
    for path in sources() {
        let text = read(root().join(&path));
        assert!(text.starts_with("//!"), "{} does not say what it is", path.display());
        let lines = shipped(&path).lines().count();
        assert!(is_test(&path) || lines <= FILE_LINES_MAX, "{} has {lines} lines", path.display());
    }
}

#[test]
fn the_top_level_is_as_agreed() {
    let entries = fs::read_dir(root()).expect("the root can be read").map(|entry| {
        let name = entry.expect("the entry can be read").file_name();
        name.into_string().expect("names are UTF-8")
    });
    let built = ["target", "zipfleet-demo.zip"];
    let found: BTreeSet<String> =
        entries.filter(|name| !name.starts_with('.') && !built.contains(&name.as_str())).collect();
    assert_eq!(found, TOP.into_iter().map(ToOwned::to_owned).collect());
}
