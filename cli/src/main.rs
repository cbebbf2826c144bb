//! `zipfleet`: one binary, a subcommand for each role and verb.

mod args;
mod batch;
mod certs;
mod cluster;
mod commands;
mod exit_code;
mod failures;
mod here;
mod load;
mod local;
mod logging;
mod network;
mod output;
mod plan;
mod progress;
mod settings;
mod signals;
mod summary;
mod units;
mod verify;
mod watching;

use std::process::ExitCode;

fn main() -> ExitCode {
    let args = match settings::read(std::env::args_os()) {
        Ok(args) => args,
        Err(error) => return output::usage_error(&error),
    };
    // A role runs for weeks, and what it does is read afterwards.
    let verbose =
        if args.command.is_role() && !args.quiet { args.verbose.saturating_add(1) } else { args.verbose };
    let exporter = logging::start(&args.command, verbose, args.log_format);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return output::fatal(&format!("cannot start: {error}")),
    };
    // Whoever reads the log of a role in JSON can make nothing of other lines.
    let logs = args.command.is_role() && args.log_format == logging::LogFormat::Json;
    let voice = output::Voice::new(args.json, args.quiet, logs);
    let ended = runtime.block_on(commands::run(args.command, voice));
    // What is still running belongs to a job that has ended; nobody waits for it.
    runtime.shutdown_background();
    if let Some(exporter) = exporter {
        exporter.flush();
    }
    match ended {
        Ok(code) => code,
        Err(failure) => voice.failure(&failure),
    }
}
