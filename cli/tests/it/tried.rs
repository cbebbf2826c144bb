//! Goal: what is written for people and machines to run, can be run: every command in the documents, and every one in
//! units, templates and compose files below `deploy/`, is tried against the program itself.
//! Method: a role is run with `--check-config`, with files of its own in the place of those that are named; of other
//! commands, the program reads all flags and values and is then asked for help.

mod commands;
mod words;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use commands::{Written, of_documents, of_units, of_yaml};

use crate::support::World;

/// Stands where a document has `JOB`.
const JOB: &str = "0123456789abcdef";

/// The checkout.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("cli lies in the workspace").to_owned()
}

/// All files below these with one of these endings, in order.
fn files(below: &[&str], endings: &[&str]) -> Vec<PathBuf> {
    fn walk(path: &Path, found: &mut Vec<PathBuf>) {
        if path.is_file() {
            found.push(path.to_owned());
            return;
        }
        let entries = fs::read_dir(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        entries.for_each(|entry| walk(&entry.expect("it can be read").path(), found));
    }
    let mut found = Vec::new();
    below.iter().for_each(|below| walk(&root().join(below), &mut found));
    let ending = |path: &PathBuf| path.extension().is_some_and(|it| endings.iter().any(|one| it == *one));
    found.retain(ending);
    found.sort();
    found
}

/// A world with all files that settings may name.
fn world() -> World {
    let world = World::new();
    world.zipfleet(&["certs", "init", "--dir", "certs"]).succeeded();
    world.zipfleet(&["tokens", "new", "--name", "me", "--file", "tokens.toml", "--operator"]).succeeded();
    fs::write(world.file("key"), "of callbacks").expect("there is room");
    world
}

/// The file that stands for the one that a setting of a role names; `None` for other settings. A certificate is made
/// for the name its file has, because a node may only have that.
fn stand_in(world: &World, role: &str, setting: &str, named: &str) -> Option<String> {
    let own = |ending: &str| {
        let stem = Path::new(named).file_stem().and_then(|stem| stem.to_str()).expect("it names a file");
        let name = if named.starts_with("env:") { role } else { stem };
        if !world.file(&format!("certs/{name}.pem")).exists() {
            let issue = ["certs", "issue", "--dir", "certs", "--name", name, "--role", role];
            world.zipfleet(&issue).succeeded();
        }
        format!("certs/{name}.{ending}")
    };
    Some(match setting {
        "tls-ca" => "certs/ca.pem".to_owned(),
        "tls-cert" | "api-cert" => own("pem"),
        "tls-key" | "api-key" => own("key"),
        "tokens" => "tokens.toml".to_owned(),
        "callback-key-file" => "key".to_owned(),
        _ => return None,
    })
}

/// A settings file of `deploy/` as it stands, but for the files it names.
fn settings_file(world: &World, named: &str) -> String {
    let name = Path::new(named).file_name().expect("it names a file").to_str().expect("UTF-8");
    let found = files(&["deploy"], &["toml"]).into_iter().find(|path| path.ends_with(name));
    let found = found.unwrap_or_else(|| panic!("no {name} below deploy/"));
    let text = fs::read_to_string(found).expect("it was just found");
    // The file has tables of both roles, and each reads its own.
    let mut table = String::new();
    let lines = text.lines().map(|line| {
        if let Some(name) = line.strip_prefix('[') {
            table = name.trim_end_matches(']').to_owned();
        }
        let (setting, value) = line.split_once('=').unwrap_or((line, ""));
        let (setting, value) = (setting.trim(), value.trim().trim_matches('"'));
        let file = stand_in(world, &table, setting, value);
        file.map_or_else(|| line.to_owned(), |file| format!("{setting} = \"{file}\""))
    });
    let file = world.file(name);
    fs::write(&file, lines.collect::<Vec<_>>().join("\n")).expect("there is room");
    file.to_str().expect("UTF-8").to_owned()
}

/// Runs a role with `--check-config`; whatever is run is refused unless it is in order.
fn try_role(world: &World, written: &Written, role: &str) {
    let mut args = Vec::new();
    let mut setting = None;
    // `--flag=value` is `--flag value`, but for switches.
    let words = written.words.iter().flat_map(|word| match word.split_once('=') {
        Some((flag, value)) if flag.starts_with("--") && flag != "--allow-plaintext" => vec![flag, value],
        _ => vec![word.as_str()],
    });
    for word in words {
        let value = match setting.take() {
            Some("config") => settings_file(world, word),
            Some(setting) => stand_in(world, role, setting, word).unwrap_or_else(|| word.to_owned()),
            None => word.to_owned(),
        };
        setting = word.strip_prefix("--");
        args.push(value);
    }
    for flag in ["--check-config", "--json"] {
        if !args.iter().any(|arg| arg == flag) {
            args.push(flag.to_owned());
        }
    }
    let mut command = world.command(&args.iter().map(String::as_str).collect::<Vec<_>>());
    for (name, value) in &written.environment {
        let setting = name.strip_prefix("ZIPFLEET_").map(|name| name.to_lowercase().replace('_', "-"));
        let value = setting.and_then(|it| stand_in(world, role, &it, value)).unwrap_or_else(|| value.clone());
        command.env(name, value);
    }
    let ended = world.start(command).wait();
    assert_eq!(ended.code, 0, "{}: {args:?}: {ended:#?}", written.place);
    let said: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    let timeout_s = said["stop_timeout_ms"].as_u64().expect("a time").div_ceil(1_000);
    // A coordinator stays up to two seconds longer, for those who watch.
    let is_enough = written.grace_s.is_none_or(|grace_s| grace_s > timeout_s + 2);
    assert!(is_enough, "{}: {args:?} would be killed while it stops", written.place);
}

/// Has the program read all words of a command, and then only help.
fn try_reading(world: &World, written: &Written) {
    let words = written.words.iter().filter(|word| *word != "...");
    let mut args: Vec<&str> = words.map(|word| if word == "JOB" { JOB } else { word.as_str() }).collect();
    if written.verb() != "help" {
        args.push("--help");
    }
    let ended = world.zipfleet(&args);
    // A sentence names a flag without its value.
    if written.is_prose && ended.stderr.contains("a value is required for") {
        return;
    }
    assert_eq!(ended.code, 0, "{}: {args:?}: {ended:#?}", written.place);
}

fn try_all(all: &[Written]) {
    let world = world();
    for written in all {
        match written.verb() {
            role @ ("coordinator" | "node") if !written.is_prose && written.is_whole() => {
                try_role(&world, written, role)
            }
            _ => try_reading(&world, written),
        }
    }
}

#[test]
fn commands_of_documents() {
    let all =
        of_documents(&files(&["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "docs", "deploy"], &["md"]));
    assert!(all.len() > 40, "only {} commands were found", all.len());
    for verb in ["zip", "verify", "submit", "coordinator", "node", "certs", "tokens", "health"] {
        assert!(all.iter().any(|written| written.verb() == verb), "no document shows `{verb}`");
    }
    try_all(&all);
}

#[test]
fn commands_of_units_templates_and_compose_files() {
    let mut all = of_units(&files(&["deploy"], &["service", "yaml", "yml", "json", "sh"]));
    assert!(all.len() >= 2, "the units were found: {all:#?}");
    let of_yaml = of_yaml(&files(&["deploy"], &["yaml", "yml"]));
    assert!(of_yaml.len() >= 3, "the compose file was found: {of_yaml:#?}");
    all.extend(of_yaml);
    let timed = all.iter().filter(|written| written.grace_s.is_some()).count();
    assert!(timed >= 4, "units and the compose file say how long they wait: {all:#?}");
    try_all(&all);
}

#[test]
fn files_that_documents_name_are_there() {
    for path in files(&["README.md", "docs", "deploy"], &["md"]) {
        let text = fs::read_to_string(&path).expect("it can be read");
        let names = text.split(|c: char| c.is_whitespace() || "`()[]\"',;".contains(c));
        for name in names.filter(|name| ["deploy/", ".ci/"].iter().any(|dir| name.starts_with(dir))) {
            let name = name.split(['#', ':']).next().expect("there is a first").trim_end_matches('.');
            let is_pattern = name.contains(['*', '<', '{', '$']);
            assert!(is_pattern || root().join(name).exists(), "{}: there is no {name}", path.display());
        }
    }
}
