//! `zipfleet`: one binary, a subcommand for each role and verb.

mod args;
mod commands;
mod exit_code;
mod failures;
mod local;
mod output;
mod plan;
mod progress;
mod signals;
mod units;
mod verify;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let args = match args::Args::try_parse() {
        Ok(args) => args,
        Err(error) => return output::usage_error(&error),
    };
    output::start_logging(args.verbose);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return output::fatal(&format!("cannot start: {error}")),
    };
    let voice = output::Voice::new(args.json, args.quiet);
    let ended = runtime.block_on(commands::run(args.command, voice));
    // What is still running belongs to a job that has ended; nobody waits for it.
    runtime.shutdown_background();
    match ended {
        Ok(code) => code,
        Err(failure) => voice.failure(&failure),
    }
}
