//! Where commands are written: in documents, in units, in lists of templates and compose files.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::words::{commands, of_zipfleet};

/// A command of the program, as it is written somewhere.
#[derive(Clone, Debug)]
pub(super) struct Written {
    /// The file it is in.
    pub(super) place: String,
    /// What follows the program's name.
    pub(super) words: Vec<String>,
    /// Whether it stands in a sentence, which may leave things out.
    pub(super) is_prose: bool,
    /// How long it is given to stop before it is killed, in seconds, where that is written.
    pub(super) grace_s: Option<u64>,
    /// What the same place puts into its environment.
    pub(super) environment: BTreeMap<String, String>,
}

impl Written {
    /// Whether nothing is left out.
    pub(super) fn is_whole(&self) -> bool {
        !self.words.iter().any(|word| word == "...")
    }

    /// The first word that is neither a flag nor one's value.
    pub(super) fn verb(&self) -> &str {
        verb(&self.words)
    }
}

fn verb(words: &[String]) -> &str {
    let is_value = |word: &String| ["json", "text"].contains(&word.as_str());
    let verb = words.iter().find(|word| !word.starts_with('-') && !is_value(word));
    verb.map_or("", String::as_str)
}

/// Commands of a line.
fn written(place: &Path, line: &str) -> impl Iterator<Item = Written> + use<> {
    let place = place.display().to_string();
    let found = commands(line).into_iter().filter_map(|words| of_zipfleet(&words));
    found.map(move |words| Written {
        place: place.clone(),
        words,
        is_prose: false,
        grace_s: None,
        environment: BTreeMap::new(),
    })
}

fn read(path: &Path) -> String {
    // A line that goes on is one.
    fs::read_to_string(path).expect("it was just found").replace("\\\n", " ")
}

/// `35` or `35s`.
fn parse_seconds(text: &str) -> u64 {
    text.trim_end_matches('s').parse().unwrap_or_else(|_| panic!("`{text}` is no number of seconds"))
}

/// Those in blocks of shell, and those that stand in the text.
pub(super) fn of_documents(paths: &[PathBuf]) -> Vec<Written> {
    let mut found = Vec::new();
    for path in paths {
        let mut block: Option<bool> = None;
        for line in read(path).lines() {
            match (block, line.strip_prefix("```")) {
                (None, Some(language)) => block = Some(language == "sh"),
                (Some(_), Some(_)) => block = None,
                (Some(true), None) => found.extend(written(path, line)),
                (Some(false), None) => {}
                (None, None) => {
                    let code = line.split('`').skip(1).step_by(2);
                    let named = code.flat_map(|code| written(path, code));
                    found.extend(named.map(|it| Written { is_prose: true, ..it }));
                }
            }
        }
    }
    found
}

/// Those that units start, in whatever file the unit is.
pub(super) fn of_units(paths: &[PathBuf]) -> Vec<Written> {
    let mut found = Vec::new();
    for path in paths {
        let text = read(path);
        let setting =
            |name: &str| text.lines().find_map(|line| line.trim().strip_prefix(name).map(parse_seconds));
        let grace_s = setting("TimeoutStopSec=");
        for line in text.lines() {
            if let Some(command) = line.trim().strip_prefix("ExecStart=") {
                let commands = written(path, &parameters(command, &BTreeMap::new()));
                found.extend(commands.map(|it| Written { grace_s, ..it }));
            }
        }
    }
    found
}

/// Those in lists of YAML files: `command` of compose files, `Command` of task definitions, and health checks.
pub(super) fn of_yaml(paths: &[PathBuf]) -> Vec<Written> {
    let mut found = Vec::new();
    for path in paths {
        let text = without_tags(&fs::read_to_string(path).expect("it was just found"));
        let file: Value =
            serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let defaults = defaults(&file);
        walk(&file, &mut |map| found.extend(of_map(path, map, &defaults)));
    }
    found
}

/// CloudFormation's short forms: what refers to something is written as in `!Sub`, other tags are left out.
fn without_tags(text: &str) -> String {
    let mut lines = Vec::new();
    for line in text.lines() {
        let mut rest = line;
        let mut kept = String::new();
        while let Some(at) = rest.find('!') {
            let (before, tag) = rest.split_at(at);
            let end = tag[1..].find(|c: char| !c.is_ascii_alphanumeric()).map_or(tag.len(), |end| end + 1);
            let is_tag = before.is_empty() || before.ends_with([' ', '[', ',', '-']);
            kept.push_str(before);
            match (is_tag, &tag[..end]) {
                (true, "!Ref" | "!GetAtt") => {
                    let name = tag[end..].trim_start();
                    let stop = name.find(|c: char| !(c.is_ascii_alphanumeric() || ":.".contains(c)));
                    let (name, after) = name.split_at(stop.unwrap_or(name.len()));
                    kept.push_str(&format!("\"${{{name}}}\""));
                    rest = after;
                }
                (true, _) if end > 1 => rest = tag[end..].trim_start_matches(' '),
                _ => {
                    kept.push('!');
                    rest = &tag[1..];
                }
            }
        }
        kept.push_str(rest);
        lines.push(kept);
    }
    lines.join("\n")
}

/// What a template's parameters are unless given.
fn defaults(file: &Value) -> BTreeMap<String, String> {
    let parameters = file["Parameters"].as_object().into_iter().flatten();
    let default = |(name, about): (&String, &Value)| {
        let value = about.get("Default").map(text).filter(|value| !value.is_empty());
        (name.clone(), value.unwrap_or_else(|| "example".to_owned()))
    };
    parameters.map(default).collect()
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}

/// With what stands for parameters and variables in their place, `$${` of which is none of this file's.
fn parameters(text: &str, defaults: &BTreeMap<String, String>) -> String {
    let mut replaced = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, after) = after.split_once('}').unwrap_or((after, ""));
        replaced.push_str(before);
        let known = defaults.get(name).map(String::as_str);
        // Compose: what stands there unless it is set.
        let given = name.split_once(":-").map(|(_, value)| value);
        replaced.push_str(known.or(given).unwrap_or("example"));
        rest = after;
    }
    replaced + rest
}

fn walk(value: &Value, visit: &mut impl FnMut(&serde_json::Map<String, Value>)) {
    match value {
        Value::Object(map) => {
            visit(map);
            map.values().for_each(|value| walk(value, visit));
        }
        Value::Array(values) => values.iter().for_each(|value| walk(value, visit)),
        _ => {}
    }
}

/// The commands of one container.
fn of_map(
    path: &Path,
    map: &serde_json::Map<String, Value>,
    defaults: &BTreeMap<String, String>,
) -> Vec<Written> {
    let get = |names: [&str; 2]| names.iter().find_map(|name| map.get(*name));
    let environment =
        get(["environment", "Environment"]).map(|it| environment(it, defaults)).unwrap_or_default();
    let words = |list: &Value| {
        let list = list.as_array().cloned().unwrap_or_default();
        list.iter().filter_map(one).map(|word| parameters(&word, defaults)).collect::<Vec<_>>()
    };
    let command = get(["command", "Command"]).map(words).unwrap_or_default();
    let mut all = Vec::new();
    if ["s3", "coordinator", "node", "health", "submit"].contains(&verb(&command)) {
        all.push(command);
    }
    // `["CMD", "/zipfleet", "health"]`: in a health check, or as its `Command`.
    let check = get(["test", "Command"]).map(words).unwrap_or_default();
    if let [first, rest @ ..] = check.as_slice()
        && first == "CMD"
    {
        all.extend(of_zipfleet(rest));
    }
    let grace_s = get(["stop_grace_period", "StopTimeout"]).map(|it| parse_seconds(&text(it)));
    let place = path.display().to_string();
    all.into_iter()
        .map(|words| Written {
            place: place.clone(),
            words,
            is_prose: false,
            grace_s,
            environment: environment.clone(),
        })
        .collect()
}

/// A word of a list; of `!If`, what is there if it holds.
fn one(word: &Value) -> Option<String> {
    match word {
        Value::Array(either) => either.get(1).and_then(one),
        Value::Object(_) => None,
        word => Some(text(word)),
    }
    .filter(|word| word != "${AWS::NoValue}")
}

fn environment(given: &Value, defaults: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let value = |value: &Value| parameters(&one(value).unwrap_or_default(), defaults);
    match given {
        Value::Object(map) => map.iter().map(|(name, it)| (name.clone(), value(it))).collect(),
        // Task definitions: a list of names and values.
        Value::Array(list) => list.iter().map(|it| (text(&it["Name"]), value(&it["Value"]))).collect(),
        _ => BTreeMap::new(),
    }
}
