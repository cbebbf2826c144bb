//! `zipfleet completions` and `zipfleet man`: what the definitions of flags and commands say, for shells and readers.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use clap::{Command, CommandFactory};
use clap_mangen::Man;
use proto::failure::Failure;

use crate::args::{Args, CompletionsArgs, ManArgs};
use crate::failures::{internal, usage};
use crate::output::Voice;

pub(super) fn completions(args: &CompletionsArgs, voice: Voice) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Args::command(), "zipfleet", &mut script);
    // Whoever stopped reading has what was wanted.
    let _ = voice.piece(&script);
    ExitCode::SUCCESS
}

pub(super) fn man(args: &ManArgs, voice: Voice) -> Result<ExitCode, Failure> {
    let mut command = Args::command();
    command.build();
    let Some(dir) = &args.dir else {
        // As above.
        let _ = voice.piece(&page(command)?);
        return Ok(ExitCode::SUCCESS);
    };
    fs::create_dir_all(dir).map_err(|error| usage(format!("--dir {}: {error}", dir.display())))?;
    let mut written = Vec::new();
    write(dir, "zipfleet".to_owned(), command, &mut written)?;
    let text =
        format!("wrote {}: `man -l {}` shows one", written.join(", "), dir.join("zipfleet.1").display());
    voice.result(&text, &serde_json::json!({ "pages": written }));
    Ok(ExitCode::SUCCESS)
}

/// Writes the page of a command and of those below it.
fn write(dir: &Path, name: String, command: Command, written: &mut Vec<String>) -> Result<(), Failure> {
    for below in command.get_subcommands().filter(|below| below.get_name() != "help") {
        write(dir, format!("{name}-{}", below.get_name()), below.clone(), written)?;
    }
    let file = format!("{name}.1");
    // Its last word alone is what the shell knows it by, but not what readers look for.
    let page = page(command.name(name))?;
    fs::write(dir.join(&file), page)
        .map_err(|error| usage(format!("{} cannot be written: {error}", dir.join(&file).display())))?;
    written.push(file);
    Ok(())
}

fn page(command: Command) -> Result<Vec<u8>, Failure> {
    let mut page = Vec::new();
    Man::new(command).render(&mut page).map_err(internal)?;
    Ok(page)
}
