//! What each role may do at S3 is what its code asks of S3, no less and no more.
//!
//! Which operations there are is read from the door to S3, who asks for them from the doors that call it. Only what
//! code does not tell is written down here: which permissions S3 demands for an operation, and whose objects a file
//! is about. `deploy/iam` must say the same. `cargo test -p cli --test iam -- --nocapture` prints both.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// What S3 demands for each operation of the SDK, and what KMS demands where objects are encrypted with its keys
/// (S3: "Required permissions for Amazon S3 API operations", and of uploads "Multipart upload API and permissions").
const DEMANDS: [(&str, &[&str]); 14] = [
    ("abort_multipart_upload", &["s3:AbortMultipartUpload"]),
    ("complete_multipart_upload", &["s3:PutObject", "kms:Decrypt"]),
    ("create_multipart_upload", &["s3:PutObject", "kms:GenerateDataKey", "kms:Decrypt"]),
    ("delete_object", &["s3:DeleteObject"]),
    ("get_object", &["s3:GetObject", "kms:Decrypt"]),
    ("get_object_attributes", &["s3:GetObject", "s3:GetObjectAttributes", "kms:Decrypt"]),
    ("head_bucket", &["s3:ListBucket"]),
    ("head_object", &["s3:GetObject", "kms:Decrypt"]),
    ("list_multipart_uploads", &["s3:ListBucketMultipartUploads"]),
    ("list_objects_v2", &["s3:ListBucket"]),
    ("list_parts", &["s3:ListMultipartUploadParts"]),
    ("put_object", &["s3:PutObject", "kms:GenerateDataKey"]),
    ("upload_part", &["s3:PutObject", "kms:GenerateDataKey", "kms:Decrypt"]),
    ("upload_part_copy", &["s3:GetObject", "s3:PutObject", "kms:GenerateDataKey", "kms:Decrypt"]),
];

/// What only changes things. No file does that to a source: where it is about both, it reads the one and writes the
/// other.
const WRITES: [&str; 4] =
    ["s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "kms:GenerateDataKey"];
/// What S3 wants to know of whoever reads: without it an object that is missing is "denied".
const FOR_THE_SAKE_OF_ERRORS: &str = "s3:ListBucket";

/// Whose objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Whose {
    /// What is archived.
    Source,
    /// Archives, and segments beside them.
    Destination,
    /// What the coordinator keeps below its `--state`.
    State,
}
use Whose::{Destination, Source, State};

/// Every file that asks S3 for something, and whose objects it is about.
const FILES: [(&str, &[Whose]); 22] = [
    ("coordinator/server/src/abort.rs", &[Destination, State]),
    ("coordinator/server/src/actor/ending.rs", &[State]),
    ("coordinator/server/src/api/jobs.rs", &[Destination]),
    ("coordinator/server/src/callback/records.rs", &[State]),
    ("coordinator/server/src/complete.rs", &[Destination, State]),
    ("coordinator/server/src/create.rs", &[Destination]),
    ("coordinator/server/src/sweep.rs", &[Destination, State]),
    ("coordinator/server/src/journal.rs", &[Destination, State]),
    ("coordinator/server/src/manifest.rs", &[Source, State]),
    ("coordinator/server/src/questions.rs", &[Source]),
    ("coordinator/server/src/reports.rs", &[State]),
    ("coordinator/server/src/state.rs", &[State]),
    ("coordinator/server/src/writer.rs", &[State]),
    ("node/agent/src/copy.rs", &[Source, Destination]),
    ("node/agent/src/fetch.rs", &[Source]),
    ("node/agent/src/making.rs", &[Destination]),
    ("node/agent/src/part.rs", &[Destination]),
    ("node/agent/src/warm.rs", &[Source, Destination]),
    ("cli/src/commands/dry_run.rs", &[Destination]),
    ("cli/src/commands/load/job.rs", &[Destination]),
    ("cli/src/verify.rs", &[Destination]),
    ("cli/src/verify/reader.rs", &[Source, Destination]),
];

/// Each policy that is about S3: the code that runs with it, and whose objects that has to do with. One process
/// alone keeps no state.
const POLICIES: [(&str, &[&str], &[Whose]); 3] = [
    ("coordinator", &["coordinator/server/"], &[Source, Destination, State]),
    ("node", &["node/agent/"], &[Source, Destination]),
    ("zip", &["coordinator/server/", "node/agent/", "cli/"], &[Source, Destination]),
];

type Permissions = BTreeSet<(Whose, String)>;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("cli lies in the workspace").to_owned()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The shipped Rust files below `dir`, by their paths from the root: what they say, without comments and white space.
fn shipped(dir: &str) -> BTreeMap<String, String> {
    fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(dir).expect("the directory can be read") {
            let path = entry.expect("the entry can be read").path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs")
                && !path.ends_with("tests.rs")
            {
                found.push(path);
            }
        }
    }
    let mut files = Vec::new();
    walk(&root().join(dir), &mut files);
    let name =
        |path: &Path| path.strip_prefix(root()).expect("it was found there").to_string_lossy().into_owned();
    let text = |path: &Path| {
        let text = read(path);
        let text = text.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        let text: String = lines.collect::<Vec<_>>().join(" ");
        // So that a chain of calls reads the same however it is laid out.
        text.split_whitespace().collect::<Vec<_>>().join(" ").replace(" .", ".")
    };
    files.iter().map(|path| (name(path), text(path))).collect()
}

/// The names that follow `before` and are followed by `(`.
fn called<'a>(text: &'a str, before: &'a str) -> impl Iterator<Item = &'a str> {
    let rests = text.match_indices(before).map(move |(at, _)| &text[at + before.len()..]);
    rests.filter_map(|rest| {
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))?;
        (end > 0 && rest[end..].starts_with('(')).then(|| &rest[..end])
    })
}

/// Each method of the door that sends something, with the SDK's names of what it sends.
fn methods() -> BTreeMap<String, BTreeSet<String>> {
    let mut sends: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut calls: Vec<(String, String)> = Vec::new();
    for text in shipped("proto/s3/src").values() {
        for body in text.split("fn ").skip(1) {
            let name: String = body.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            calls.extend(called(body, "self.").map(|callee| (name.clone(), callee.to_owned())));
            let sent = called(body, "self.client.").map(ToOwned::to_owned);
            sends.entry(name).or_default().extend(sent);
        }
    }
    // One method leads to another at most twice.
    for _ in 0..2 {
        for (caller, callee) in &calls {
            let sent = sends.get(callee).cloned().unwrap_or_default();
            sends.entry(caller.clone()).or_default().extend(sent);
        }
    }
    sends.retain(|_, sent| !sent.is_empty());
    sends
}

/// For each file of the doors that asks S3 for something, the operations that takes.
fn asked() -> BTreeMap<String, BTreeSet<String>> {
    let (methods, mut unused) = (methods(), methods());
    let mut asked: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for door in ["coordinator/server/src", "node/agent/src", "cli/src"] {
        for (file, text) in shipped(door) {
            for method in called(&text, "s3.") {
                let Some(operations) = methods.get(method) else { continue };
                unused.remove(method);
                asked.entry(file.clone()).or_default().extend(operations.iter().cloned());
            }
        }
    }
    // What others of the door use, and no door calls by itself.
    unused.retain(|name, _| !matches!(name.as_str(), "open_uploads" | "create_upload_of"));
    assert!(unused.is_empty(), "who calls these could not be found: {:?}", unused.keys());
    asked
}

/// What the code of a policy needs.
fn needed(prefixes: &[&str], about: &[Whose]) -> Permissions {
    let (demands, files) = (BTreeMap::from(DEMANDS), BTreeMap::from(FILES));
    let mut needed = Permissions::new();
    for (file, operations) in asked() {
        if !prefixes.iter().any(|prefix| file.starts_with(prefix)) {
            continue;
        }
        let whose = files.get(file.as_str());
        let whose = whose.unwrap_or_else(|| panic!("{file} asks S3 for {operations:?}: say whose objects"));
        for operation in operations {
            let demands = demands.get(operation.as_str());
            let demands = demands.unwrap_or_else(|| panic!("{operation}: say what S3 demands for it"));
            for (whose, action) in whose.iter().flat_map(|whose| demands.iter().map(move |it| (*whose, *it)))
            {
                let is_done = about.contains(&whose) && !(whose == Source && WRITES.contains(&action));
                needed.extend(is_done.then(|| (whose, action.to_owned())));
            }
        }
    }
    let read = |(_, action): &&(Whose, String)| action == "s3:GetObject";
    let listed: Vec<Whose> = needed.iter().filter(read).map(|(whose, _)| *whose).collect();
    needed.extend(listed.into_iter().map(|whose| (whose, FOR_THE_SAKE_OF_ERRORS.to_owned())));
    needed
}

/// A text, or the texts of a list.
fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(values) => values.iter().filter_map(Value::as_str).collect(),
        other => panic!("neither a text nor a list of them: {other}"),
    }
}

fn statements(policy: &str) -> Vec<Value> {
    let text = read(&root().join(format!("deploy/iam/{policy}.json")));
    let policy: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{policy}.json: {error}"));
    policy["Statement"].as_array().expect("a policy has statements").clone()
}

/// Whose objects or keys a resource is.
fn whose(resource: &str) -> Whose {
    let name = resource.strip_prefix("arn:aws:s3:::").unwrap_or(resource);
    match name.split(['/', '_']).next() {
        Some("SOURCE") => Source,
        Some("DESTINATION") => Destination,
        Some("STATE") => State,
        _ => panic!("{resource} is of nobody"),
    }
}

fn written(policy: &str) -> Permissions {
    let mut written = Permissions::new();
    for statement in statements(policy) {
        assert_eq!(statement["Effect"], "Allow", "{policy}: {statement}");
        for resource in texts(&statement["Resource"]) {
            let actions = texts(&statement["Action"]).into_iter();
            written.extend(actions.map(|action| (whose(resource), action.to_owned())));
        }
    }
    written
}

#[test]
fn policies_allow_what_the_code_asks_for_and_nothing_else() {
    for (policy, prefixes, about) in POLICIES {
        let (needed, written) = (needed(prefixes, about), written(policy));
        println!("{policy}: what the code needs, and what the policy says");
        for (whose, action) in needed.union(&written) {
            let mark = |set: &Permissions| if set.contains(&(*whose, action.clone())) { "x" } else { " " };
            println!("  [{}] [{}] {whose:?} {action}", mark(&needed), mark(&written));
        }
        let lacking: Vec<_> = needed.difference(&written).collect();
        let surplus: Vec<_> = written.difference(&needed).collect();
        assert!(lacking.is_empty(), "deploy/iam/{policy}.json lacks {lacking:?}");
        assert!(surplus.is_empty(), "deploy/iam/{policy}.json allows {surplus:?}, which nothing asks for");
    }
}

#[test]
fn every_file_that_is_described_asks_for_something() {
    let asked = asked();
    for (file, _) in FILES {
        assert!(asked.contains_key(file), "{file} asks S3 for nothing any more: take it off the list");
    }
}

#[test]
fn nothing_below_a_destination_is_deleted_but_segments() {
    for policy in ["coordinator", "zip"] {
        for statement in statements(policy) {
            for resource in texts(&statement["Resource"]).into_iter().filter(|it| whose(it) == Destination) {
                let deletes = texts(&statement["Action"]).contains(&"s3:DeleteObject");
                assert!(!deletes || resource.ends_with("/*.zipfleet-*"), "{policy}: {statement}");
            }
        }
    }
}

#[test]
fn another_account_lets_nodes_and_coordinator_read_what_their_roles_may_read() {
    let granted: BTreeSet<String> = statements("source-bucket")
        .iter()
        .flat_map(|statement| texts(&statement["Action"]).into_iter().map(ToOwned::to_owned))
        .collect();
    let mut needed = needed(&["coordinator/server/", "node/agent/"], &[Source]);
    needed.retain(|(_, action)| action.starts_with("s3:"));
    assert_eq!(granted, needed.into_iter().map(|(_, action)| action).collect());
}
