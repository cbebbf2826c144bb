//! The settings of the roles: each is a flag, an environment variable and a key of a TOML file, which count in
//! that order, before the default. All go through clap, so all are read and refused alike.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Args as _, Command, CommandFactory, Error, FromArgMatches};
use serde::Serialize;

use crate::args::{self, Args, CoordinatorArgs, NodeArgs, REQUIRED};
use crate::here;

/// The roles that have settings.
const ROLES: [&str; 2] = ["coordinator", "node"];
/// The flag that names the file, and cannot itself stand in it.
const CONFIG: &str = "config";
/// The flag that only checks settings, and is none.
const CHECK: &str = "check-config";

/// One setting, as `zipfleet config` shows it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Setting {
    /// Its flag, without dashes.
    pub(crate) setting: String,
    /// Its value as written; `None` when there is none.
    pub(crate) value: Option<String>,
    /// Where the value came from.
    pub(crate) from: String,
}

/// The environment variable of a setting.
pub(crate) fn variable(setting: &str) -> String {
    format!("ZIPFLEET_{}", setting.to_ascii_uppercase().replace('-', "_"))
}

/// Reads the command line, and for a role the environment and the file as well.
///
/// # Errors
/// What is wrong, or the help or version asked for.
pub(crate) fn read(arguments: impl Iterator<Item = OsString>) -> Result<Args, Error> {
    let arguments: Vec<OsString> = arguments.collect();
    let command = for_roles(Args::command(), &|_, role| {
        role.mut_args(|arg| {
            let variable = (name(&arg) != CHECK).then(|| variable(name(&arg)));
            variable.into_iter().fold(arg, Arg::env)
        })
    });
    let mut matches = command.clone().try_get_matches_from(&arguments)?;
    let Some((role, given)) = role(&matches) else { return Args::from_arg_matches(&matches) };
    let mut sources = Vec::new();
    if let Some(path) = given.get_one::<PathBuf>(CONFIG) {
        let values = read_file(path, role).map_err(|why| refusal(&format!("{}: {why}", path.display())))?;
        sources.push((format!("file {}", path.display()), values));
    }
    if role == "node" {
        let known = with_defaults(command.clone(), role, &sources).try_get_matches_from(&arguments)?;
        sources.insert(0, ("this machine".to_owned(), of_this_machine(&known, &sources)));
    }
    matches = with_defaults(command, role, &sources).try_get_matches_from(&arguments)?;
    let mut args = Args::from_arg_matches(&matches)?;
    if let (args::Command::Config(config), Some((role, given))) = (&mut args.command, self::role(&matches)) {
        config.settings = settings(role, given, &sources);
    }
    Ok(args)
}

/// What this machine has to say about settings of a node that were given nowhere.
fn of_this_machine(matches: &ArgMatches, sources: &[Source]) -> BTreeMap<String, String> {
    let Some((_, given)) = role(matches) else { return BTreeMap::new() };
    let is_open = |setting: &str| {
        let is_default = given.value_source(&id(setting)) == Some(ValueSource::DefaultValue);
        is_default && !sources.iter().any(|(_, values)| values.contains_key(setting))
    };
    here::defaults(is_open, given.get_one::<PathBuf>(&id("tls-cert")).map(PathBuf::as_path))
}

fn refusal(message: &str) -> Error {
    Error::raw(ErrorKind::InvalidValue, format!("{message}\n"))
}

/// The role whose settings were given, if any: as a command of its own, or below `config`.
fn role(matches: &ArgMatches) -> Option<(&'static str, &ArgMatches)> {
    let (mut name, mut given) = matches.subcommand()?;
    if name == "config" {
        (name, given) = given.subcommand()?;
    }
    ROLES.into_iter().find(|role| *role == name).map(|role| (role, given))
}

/// Changes both commands that take the settings of each role.
fn for_roles(command: Command, change: &dyn Fn(&'static str, Command) -> Command) -> Command {
    ROLES.into_iter().fold(command, |command, role| {
        command
            .mut_subcommand(role, |command| change(role, command))
            .mut_subcommand("config", |config| config.mut_subcommand(role, |command| change(role, command)))
    })
}

/// Where settings come from that are neither flags nor in the environment, as a person is told, and those settings. What
/// comes later counts before what comes earlier.
type Source = (String, BTreeMap<String, String>);

fn with_defaults(command: Command, role: &'static str, sources: &[Source]) -> Command {
    for_roles(command, &|changed, command| {
        let of_role = sources.iter().flat_map(|(_, values)| values).filter(|_| changed == role);
        of_role.fold(command, |command, (key, value)| {
            command.mut_arg(id(key), |arg| arg.default_value(value.clone()))
        })
    })
}

/// The values of the file at `path` for `role`, by setting, as they would be written on the command line.
fn read_file(path: &Path, role: &str) -> Result<BTreeMap<String, String>, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("cannot be read: {error}"))?;
    let file: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        let line = error.span().map_or(1, |span| 1 + text[..span.start].matches('\n').count());
        format!("line {line}: {}", error.message())
    })?;
    let mut wanted = BTreeMap::new();
    for (table, content) in &file {
        let known = ROLES.into_iter().find(|role| role == table);
        let (Some(known), toml::Value::Table(content)) = (known, content) else {
            return Err(format!("`{table}` is none of the tables there are: [coordinator] and [node]"));
        };
        for (key, value) in content {
            let value =
                read_value(known, key, value).map_err(|why| format!("`{key}` in [{known}]: {why}"))?;
            if known == role {
                wanted.insert(key.clone(), value);
            }
        }
    }
    Ok(wanted)
}

/// One value of a file, if the flag of that name would take it.
fn read_value(role: &'static str, key: &str, value: &toml::Value) -> Result<String, String> {
    let command = command(role);
    let Some(arg) = command.get_arguments().find(|arg| name(arg) == key && key != CONFIG) else {
        let keys: Vec<&str> = command.get_arguments().map(name).filter(|name| *name != CONFIG).collect();
        return Err(format!("there is no such setting, but {}", keys.join(", ")));
    };
    let text = plain(arg, value)?;
    let refused = |error: Error| {
        // What the flag's parser said, without what clap puts around it.
        let said = std::error::Error::source(&error).map(ToString::to_string);
        let why = said.unwrap_or_else(|| error.to_string().lines().next().unwrap_or_default().to_owned());
        format!("{value} will not do: {why}")
    };
    command.clone().try_get_matches_from([format!("--{key}={text}")]).map_err(refused)?;
    Ok(text)
}

/// A value as its flag would have it, if it is of the right type.
fn plain(arg: &Arg, value: &toml::Value) -> Result<String, String> {
    let of = arg.get_value_parser().type_id();
    let is_size = arg.get_id() == "memory";
    let is_number = of == std::any::TypeId::of::<usize>() || of == std::any::TypeId::of::<u64>();
    let is_switch = of == std::any::TypeId::of::<bool>();
    match value {
        toml::Value::String(text) if is_size || !(is_number || is_switch) => Ok(text.clone()),
        toml::Value::Integer(number) if is_number => Ok(number.to_string()),
        toml::Value::Boolean(on) if is_switch => Ok(on.to_string()),
        _ if is_switch => Err(format!("true or false is needed, not {value}")),
        _ if is_size => Err(format!("a size such as \"256MiB\" is needed, not {value}")),
        _ if is_number => Err(format!("a whole number is needed, not {value}")),
        _ => Err(format!("a text in quotes is needed, not {value}")),
    }
}

/// A role's settings and nothing else: neither the environment nor a file counts.
fn command(role: &'static str) -> Command {
    let command = Command::new(role).no_binary_name(true);
    if role == "node" { NodeArgs::augment_args(command) } else { CoordinatorArgs::augment_args(command) }
}

/// A flag as a person writes it, without dashes.
fn name(arg: &Arg) -> &str {
    arg.get_long().expect("every setting has a long flag")
}

/// clap's own name for a flag.
fn id(name: &str) -> String {
    name.replace('-', "_")
}

/// Each setting of `role`, as `given`.
fn settings(role: &'static str, given: &ArgMatches, sources: &[Source]) -> Vec<Setting> {
    let command = command(role);
    let settings = command.get_arguments().filter(|arg| name(arg) != CONFIG).map(|arg| {
        let setting = name(arg).to_owned();
        let id = arg.get_id().as_str();
        let value = given.get_raw(id).and_then(|mut values| values.next());
        let source = sources.iter().rev().find(|(_, values)| values.contains_key(&setting));
        let from = match (given.value_source(id), source) {
            (Some(ValueSource::CommandLine), _) => format!("flag --{setting}"),
            (Some(ValueSource::EnvVariable), _) => format!("environment {}", variable(&setting)),
            (Some(_), Some((source, _))) => source.clone(),
            (Some(_), None) => "default".to_owned(),
            (None, _) if REQUIRED.contains(&id) => "missing".to_owned(),
            (None, _) => "not set".to_owned(),
        };
        Setting { value: value.map(|value| value.to_string_lossy().into_owned()), setting, from }
    });
    settings.collect()
}
